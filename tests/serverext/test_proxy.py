"""An endpoint through the Jupyter server: what is asked and what is answered is passed on, streamed."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.kernel.harness import PATIENCE_S, eventually
from tests.serverext.real_jupyter import BASE, SERVED, JupyterServer, Kernel

MIB = 1024**2
VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def echoed(user: httpx.Client, kernel: Kernel, verb: str = "GET", **options: Any) -> Any:
    answer = user.request(verb, kernel.address("shop/echo/"), **options)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    return told | {"headers": dict(told["headers"])}


@pytest.mark.parametrize("name", ["double", "free"])
def test_a_prediction_comes_through(kernel: Kernel, user: httpx.Client, name: str) -> None:
    answer = user.post(kernel.address(f"{name}/predict/"), json={"X": [[1, 2]]})
    assert answer.json() == {"predict_result": [[2, 4]]}
    assert answer.headers["x-predict-id"]


def test_a_ticket_and_its_result_come_through(kernel: Kernel, user: httpx.Client) -> None:
    answer = user.post(kernel.address("double/predict/"), params={"ticket": "1"}, json={"X": [[1, 2]]})
    assert answer.status_code == 202
    where = answer.headers["location"]
    assert where.startswith(f"{BASE}nbserve/e/{kernel.id}/double/result/")
    assert answer.json()["result_url"] == where
    assert user.get(httpx.URL(kernel.address("")).join(where)).json() == {"predict_result": [[2, 4]]}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_passed_on_with_its_body(kernel: Kernel, user: httpx.Client, verb: str) -> None:
    told = echoed(user, kernel, verb, content=b"x" * 1000)
    assert (told["method"], told["size"]) == (verb, 1000)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_passed_on_without_a_body(kernel: Kernel, user: httpx.Client, verb: str) -> None:
    told = echoed(user, kernel, verb)
    assert (told["method"], told["size"]) == (verb, 0)


def test_a_body_of_unknown_length_is_passed_on(kernel: Kernel, user: httpx.Client) -> None:
    def parts() -> Iterator[bytes]:
        yield from (b"y" * size for size in (1, 70_000, 300_000))

    for verb in ("POST", "DELETE"):
        told = echoed(user, kernel, verb, content=parts())
        assert (told["method"], told["size"]) == (verb, 370_001)


def test_head_and_empty_answers_stay_empty(kernel: Kernel, user: httpx.Client) -> None:
    answer = user.head(kernel.address("double/metadata/"))
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 100
    for verb in ("GET", "DELETE"):
        answer = user.request(verb, kernel.address("shop/empty/"))
        assert (answer.status_code, answer.content) == (204, b"")
    assert echoed(user, kernel)["method"] == "GET"  # the connection is still in step


def test_options_is_the_endpoints_own_unless_a_browser_asks_before_it_asks(kernel: Kernel, user: httpx.Client) -> None:
    assert user.options(kernel.address("shop/echo/")).json()["method"] == "OPTIONS"
    asked = {"Origin": "null", "Access-Control-Request-Method": "POST"}
    answer = user.options(kernel.address("shop/echo/"), headers=asked)
    assert (answer.status_code, answer.content) == (204, b"")


def test_the_path_and_the_query_come_as_they_were_sent(kernel: Kernel, user: httpx.Client) -> None:
    query = f"a=%20&b=c%2Fd&token={kernel.server.token}&_xsrf=secret&a=2&to%6Ben={kernel.server.token}&e"
    answer = user.get(kernel.address(f"shop/echo/?{query}"))
    assert answer.json()["query"] == "a=%20&b=c%2Fd&a=2&e"
    assert answer.json()["path"].endswith("/shop/echo/")


def test_errors_of_the_kernel_come_as_they_are(kernel: Kernel, user: httpx.Client) -> None:
    answer = user.post(kernel.address("double/predict/"), json={"Y": 1})
    assert (answer.status_code, answer.json()["code"]) == (422, "input_invalid")
    answer = user.get(kernel.address("double/predict/"))
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert user.get(kernel.address("double/nothing/")).status_code == 404


# --- headers


def test_the_visitors_rights_do_not_reach_the_model(kernel: Kernel, user: httpx.Client, jupyter: JupyterServer) -> None:
    sent = {
        "Cookie": f"username=them; other={jupyter.token}",
        "X-XSRFToken": "secret",
        "Referer": f"{jupyter.url}lab?token={jupyter.token}",
        "Origin": jupyter.url.partition(BASE)[0],
        "Forwarded": "for=1.2.3.4",
        "X-Forwarded-For": "1.2.3.4",
        "X-Forwarded-Prefix": "/elsewhere",
        "X-Nbserve-Page-Token": "mine",
        "X-Real-IP": "1.2.3.4",
        "Proxy-Authorization": "secret",
        "Connection": "keep-alive, X-For-The-Next-Hop",
        "X-For-The-Next-Hop": "secret",
        "X-Mine": "kept",
    }
    told = echoed(user, kernel, headers=sent)
    headers = told["headers"]
    assert headers["x-mine"] == "kept"
    assert "secret" not in str(told)
    assert jupyter.token not in str(told)
    assert json.loads(kernel.listing("shop").read_text())["key"] not in str(told)
    assert not {"cookie", "authorization", "referer", "origin", "x-nbserve-page-token", "x-real-ip"} & headers.keys()
    assert headers["host"] == urlsplit(json.loads(kernel.listing("shop").read_text())["url"]).netloc
    assert headers["x-forwarded-host"] == urlsplit(jupyter.url).netloc
    assert headers["x-forwarded-for"] == told["client"] == "127.0.0.1"
    assert told["root"] == f"{BASE}nbserve/e/{kernel.id}"


def test_a_hostile_answer_sets_nothing_for_the_jupyter_server(kernel: Kernel, user: httpx.Client) -> None:
    answer = user.get(kernel.address("shop/hostile/"))
    assert answer.headers["x-mine"] == "kept"
    for name in (
        "alt-svc",
        "clear-site-data",
        "nel",
        "origin-agent-cluster",
        "public-key-pins",
        "refresh",
        "report-to",
        "reporting-endpoints",
        "service-worker-allowed",
        "set-cookie2",
        "strict-transport-security",
        "www-authenticate",
    ):
        assert name not in answer.headers, name
    assert [cookie for cookie in answer.headers.get_list("set-cookie") if cookie.startswith("x")] == []
    assert "access-control-allow-credentials" not in answer.headers
    assert answer.headers["access-control-allow-origin"] == ""
    policies = answer.headers.get_list("content-security-policy")
    assert policies[0].startswith("sandbox allow-scripts allow-forms allow-downloads; ")
    assert "sandbox allow-same-origin allow-scripts" in policies  # as well: what only one of them allows is not


def test_every_answer_is_in_the_sandbox(kernel: Kernel, user: httpx.Client, stranger: httpx.Client) -> None:
    for answer in (
        user.get(kernel.address("double/metadata/")),
        user.get(kernel.address("shop/to/?where=/double/")),
        user.get(kernel.address("nothing/")),
        stranger.post(kernel.address("double/predict/")),
        stranger.get(kernel.address("_pages/page.css")),
    ):
        assert answer.headers["content-security-policy"].startswith("sandbox allow-scripts"), answer.url


def test_the_configured_policy_holds_beside_the_sandbox_and_cannot_open_it(start_server: Any) -> None:
    policy = "sandbox allow-same-origin; frame-ancestors https://lms.example"
    server = start_server(f"--ServerApp.tornado_settings={{'headers': {{'Content-Security-Policy': \"{policy}\"}}}}")
    kernel = server.start_kernel()
    with server.client() as user:
        given = user.get(kernel.address("double/metadata/")).headers["content-security-policy"]
    assert given.startswith("sandbox allow-scripts")
    assert f", {policy}" in given


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("/double/?a=b", "{prefix}/double/?a=b"),
        ("http://HOST/double/", "{prefix}/double/"),
        ("https://HOST", "{prefix}/"),
        ("{prefix}/double/", "{prefix}/double/"),
        ("../echo/", "../echo/"),
        ("https://example.org/double/", "https://example.org/double/"),
    ],
)
def test_redirects_stay_below_the_prefix(kernel: Kernel, user: httpx.Client, where: str, expected: str) -> None:
    prefix = f"{BASE}nbserve/e/{kernel.id}"
    answer = user.get(kernel.address("shop/to/"), params={"where": where.format(prefix=prefix)})
    assert (answer.status_code, answer.headers["location"]) == (307, expected.format(prefix=prefix))


def test_an_answer_is_not_compressed_once_more(kernel: Kernel, user: httpx.Client) -> None:
    answer = user.get(kernel.address("double/"), headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in answer.headers
    assert int(answer.headers["content-length"]) == len(answer.content)


def test_endless_headers_are_refused(kernel: Kernel, user: httpx.Client) -> None:
    assert user.get(kernel.address("shop/header/?size=1000")).status_code == 200
    answer = user.get(kernel.address("shop/header/?size=200000"))
    assert (answer.status_code, answer.json()["code"]) == (503, "kernel_gone")


# --- what may be read in two ways


def raw(kernel: Kernel, head: str, body: bytes = b"") -> bytes:
    """All that comes back over one connection for a request written by hand."""
    parts = urlsplit(kernel.address(""))
    lines = head.format(path=parts.path).strip().splitlines()
    lines += [f"Host: {parts.netloc}", f"Authorization: token {kernel.server.token}", "Connection: close"]
    with socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_S) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    "headers",
    [
        "Content-Length: 5\nContent-Length: 6",
        "Content-Length: 5\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked",
        "Content-Length: +5",
        "Content-Length: 5, 5",
    ],
    ids=["two lengths", "length and chunks", "packed chunks", "a signed length", "the same twice"],
)
def test_a_request_that_two_servers_read_in_two_ways_reaches_no_model(kernel: Kernel, headers: str) -> None:
    smuggled = b"0\r\n\r\nDELETE /double/ HTTP/1.1\r\n\r\n"
    answer = raw(kernel, f"POST {{path}}double/predict/ HTTP/1.1\n{headers}", smuggled)
    assert re.match(rb"HTTP/1.1 4(00|22) ", answer)
    assert b"predict_result" not in answer
    with kernel.server.client() as user:
        assert user.get(kernel.address("double/metadata/")).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "double/../shop/echo/",
        "double/%2e%2e/shop/echo/",
        "double%2F..%2Fshop/echo/",
        "double/..%2fshop/echo/",
        "..%2f/shop/echo/",
        "%64ouble/metadata/",
        "double%00/metadata/",
        "double%3F/../shop/echo/",
        "//shop/echo/",
        "_pages/../shop/echo/",
        "_pages/%2e%2e/shop/echo/",
        "docs/../shop/echo",
        "health",
        "openapi.json",
        "metrics",
    ],
)
def test_no_path_leads_to_what_is_not_that_endpoint(kernel: Kernel, path: str) -> None:
    answer = raw(kernel, f"GET {{path}}{path} HTTP/1.1")
    assert re.match(rb"HTTP/1.1 (302|404) ", answer), answer[:200]
    assert b"x-forwarded" not in answer


# --- streams, and their ends


def test_an_answer_is_streamed_and_its_end_is_told_to_the_kernel_when_the_visitor_leaves(
    kernel: Kernel, user: httpx.Client
) -> None:
    ended = kernel.ask("len(Shop.ended)")
    with user.stream("GET", kernel.address("shop/events/")) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert [next(lines) for _ in range(4)] == ["data: 0", "", "data: 1", ""]
        assert kernel.ask("len(Shop.ended)") == ended
    assert eventually(lambda: kernel.ask("len(Shop.ended)") == ended + 1)


def test_a_visitor_who_leaves_while_he_sends_leaves_nothing_behind(kernel: Kernel, user: httpx.Client) -> None:
    parts = urlsplit(kernel.address("shop/echo/"))
    with socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_S) as connection:
        head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: token {kernel.server.token}\r\n"
        connection.sendall(head.encode() + b"Content-Length: 1000000\r\n\r\n" + b"x" * 1000)
    assert eventually(lambda: len(_connections(kernel)) == 0)
    assert echoed(user, kernel)["method"] == "GET"
    assert "Traceback" not in kernel.server.log.read_text()


@pytest.mark.parametrize("kind", ["length", "chunks"])
def test_an_answer_that_breaks_off_does_not_look_whole(kernel: Kernel, user: httpx.Client, kind: str) -> None:
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        user.get(kernel.address("shop/cut/"), params={"kind": kind})


@pytest.mark.parametrize("direction", ["up", "down"])
def test_64_mib_go_through_in_bounded_memory(kernel: Kernel, user: httpx.Client, direction: str) -> None:
    user.get(kernel.address("shop/flood/?mib=1"))
    grown = kernel.server.watch_memory()
    if direction == "up":
        told = echoed(user, kernel, "POST", content=(b"z" * MIB for _ in range(64)))
        assert told["size"] == 64 * MIB
    else:
        with user.stream("GET", kernel.address("shop/flood/?mib=64")) as answer:
            assert sum(map(len, answer.iter_bytes())) == 64 * MIB
    assert grown() < 16 * MIB


def test_a_reader_who_does_not_read_holds_the_kernel_back(kernel: Kernel) -> None:
    """What he does not take stays where it is made, and does not pile up in the Jupyter server."""
    grown = kernel.server.watch_memory()
    parts = urlsplit(kernel.address("shop/flood/?mib=512"))
    with socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_S) as connection:
        head = f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        connection.sendall(f"{head}Authorization: token {kernel.server.token}\r\n\r\n".encode())
        assert connection.recv(1000)
        with kernel.server.client() as user:
            for _ in range(20):
                assert echoed(user, kernel)["method"] == "GET"
    assert grown() < 16 * MIB


def test_what_is_too_large_is_refused_readably_though_all_of_it_is_sent(kernel: Kernel, user: httpx.Client) -> None:
    kernel.run("nbserve.serve(Double(), name='small', body_limit='1MiB')")
    answer = user.post(kernel.address("small/predict/"), content=b"x" * (8 * MIB))
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    kernel.run("nbserve.get('small').stop()")


def test_a_stranger_is_refused_readably_though_all_of_it_is_sent(kernel: Kernel, stranger: httpx.Client) -> None:
    answer = stranger.post(kernel.address("double/predict/"), content=b"x" * (8 * MIB))
    assert (answer.status_code, set(answer.json())) == (403, {"error", "code", "remedy", "detail", "predict_id"})


def test_a_client_that_waits_to_be_asked_for_the_body_is_asked(kernel: Kernel) -> None:
    parts = urlsplit(kernel.address("double/predict/"))
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE_S)
    body = json.dumps({"X": [[1]]}).encode()
    headers = {"Authorization": f"token {kernel.server.token}", "Expect": "100-continue"}
    connection.request("POST", parts.path, body, headers)
    assert json.loads(connection.getresponse().read()) == {"predict_result": [[2]]}
    connection.close()


# --- kernels that are gone


def test_a_stopped_endpoint_and_an_unknown_one_are_not_found(kernel: Kernel, user: httpx.Client) -> None:
    kernel.run("nbserve.serve(Double(), name='brief')")
    assert user.get(kernel.address("brief/metadata/")).status_code == 200
    kernel.run("nbserve.get('brief').stop()")
    for address in (
        kernel.address("brief/metadata/"),
        f"nbserve/e/{'0' * 8}-0000-0000-0000-{'0' * 12}/double/metadata/",
        "nbserve/e/127.0.0.1:22/double/",
        "nbserve/e/x/http://127.0.0.1:22/",
    ):
        answer = user.get(address)
        assert answer.status_code == 404, address
    assert user.get(kernel.address("brief/metadata/")).json()["code"] == "not_found"


def test_a_killed_kernel_is_told_as_gone_and_its_successor_is_not_taken_for_it(
    jupyter: JupyterServer, user: httpx.Client
) -> None:
    kernel = jupyter.start_kernel()
    pid = jupyter.pid_of(kernel, "double")
    with user.stream("GET", kernel.address("shop/events/")) as answer:
        lines = answer.iter_lines()
        next(lines)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            list(lines)
    answers = []

    def is_not_found() -> bool:
        answers.append(user.get(kernel.address("double/metadata/")))
        return answers[-1].status_code == 404

    assert eventually(is_not_found)
    codes = [(answer.status_code, answer.json()["code"]) for answer in answers]
    assert set(codes) <= {(503, "kernel_gone"), (404, "not_found")}
    jupyter.connect(kernel)  # the kernel that the server has started in its place, with the same id
    assert user.get(kernel.address("double/metadata/")).status_code == 404
    kernel.run(SERVED)
    assert user.get(kernel.address("double/metadata/")).status_code == 200


def test_a_listing_whose_port_nobody_listens_on_is_a_gone_kernel(kernel: Kernel, user: httpx.Client) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        path = _forge(kernel, "ghost", url=f"http://127.0.0.1:{taken.getsockname()[1]}/ghost/")
        answer = user.get(kernel.address("ghost/metadata/"))
    assert (answer.status_code, answer.json()["code"]) == (503, "kernel_gone")
    assert "gone" in answer.json()["error"]
    assert "%serve" in answer.json()["remedy"]
    page = user.get(kernel.address("ghost/"), headers={"Accept": "text/html"})
    path.unlink()
    assert page.status_code == 503
    assert "text/html" in page.headers["content-type"]
    assert "gone" in page.text


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "http://example.org:80/forged/"},
        {"url": "http://localhost:1/forged/"},
        {"url": "http://169.254.169.254:80/forged/"},
        {"url": "file:///etc/passwd"},
        {"pid": 1},
        {"kernel_id": "another"},
        {"name": "double"},
    ],
    ids=["another host", "a name", "a metadata server", "a file", "another pid", "another kernel", "another name"],
)
def test_a_forged_listing_leads_nowhere(kernel: Kernel, user: httpx.Client, changes: dict[str, Any]) -> None:
    path = _forge(kernel, "forged", **changes)
    answer, told = user.get(kernel.address("forged/metadata/")), user.get("nbserve/").json()["endpoints"]
    path.unlink()
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert {each["name"] for each in told if each["kernel_id"] == kernel.id} == {"double", "free", "shop"}


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o602])
def test_a_listing_that_others_may_read_or_write_is_ignored(kernel: Kernel, user: httpx.Client, mode: int) -> None:
    path = _forge(kernel, "forged", url=json.loads(kernel.listing("double").read_text())["url"])
    path.chmod(mode)
    assert user.get(kernel.address("forged/metadata/")).status_code == 404
    path.unlink()


def _forge(kernel: Kernel, called: str, /, **changes: Any) -> Path:
    """A listing written by hand by the same user, as one of a kernel that runs."""
    listing = json.loads(kernel.listing("double").read_text())
    path = kernel.listing(called)
    path.write_text(json.dumps(listing | {"name": called} | changes))
    path.chmod(0o600)
    return path


def _connections(kernel: Kernel) -> list[str]:
    """The established connections to the kernel's server."""
    port = urlsplit(json.loads(kernel.listing("double").read_text())["url"]).port
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return [line for line in lines if line.split()[2].endswith(f":{port:04X}") and line.split()[3] == "01"]
