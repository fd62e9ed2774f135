"""Links to endpoints, for people without an account: what they open, and until when."""

from __future__ import annotations

import http.client
import itertools
import json
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

import nbserve
from nbserve.serverext.share import REFUSED_AFTER_S
from tests.client import assert_error
from tests.kernel.harness import eventually
from tests.serverext.real_jupyter import BASE, JupyterServer, Kernel, started

ROWS = {"X": [[1, 2]]}
PAGE = {"Accept": "text/html,*/*"}
NOBODY = "0123456789abcdef"


def share(user: httpx.Client, kernel: Kernel, name: str = "double", **given: Any) -> dict[str, Any]:
    answer = user.post(kernel.address(f"{name}/shares/"), json={"allow": True} | given)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def visitor(kernel: Kernel, made: dict[str, Any], **headers: str) -> httpx.Client:
    """Somebody with the link, and nothing else."""
    client = kernel.server.client(is_logged_in=False, Authorization=f"Bearer {made['token']}", **headers)
    client.base_url = client.base_url.copy_with(path=made["path"])
    return client


def test_a_link_is_off_until_the_user_allows_it(start_server: Any) -> None:
    server = start_server()
    kernel = server.start_kernel()
    with server.client() as user:
        told = assert_error(user.post(kernel.address("double/shares/"), json={}), 403, "sharing_off")
        assert "%nbserve share double --allow" in told["remedy"]
        assert 'c.NbserveExtension.sharing = "on"' in told["remedy"]
        made = share(user, kernel)
        assert user.post(kernel.address("free/shares/")).status_code == 201
    with visitor(kernel, made) as guest:
        assert guest.post("predict/", json=ROWS).json() == {"predict_result": [[2, 4]]}


def test_a_server_that_is_set_to_off_shares_nothing_whoever_allows_it(start_server: Any) -> None:
    server = start_server("--NbserveExtension.sharing=off")
    kernel = server.start_kernel()
    with server.client() as user:
        answer = user.post(kernel.address("double/shares/"), json={"allow": True})
        assert_error(answer, 403, "sharing_off")
        assert user.get(kernel.address("double/shares/")).json() == {"shares": []}


def test_links_end_with_a_server_that_is_set_to_on_no_more(start_server: Any) -> None:
    server = start_server("--NbserveExtension.sharing=on")
    kernel = server.start_kernel()
    with server.client() as user:
        made = user.post(kernel.address("double/shares/"), json={}).json()
    announced = next((server.runtime / "nbserve" / "servers").iterdir())
    assert stat.S_IMODE(announced.stat().st_mode) == 0o600
    told = json.loads(announced.read_text())
    assert (told["base"], told["sharing"], told["pid"]) == (BASE, "on", server.process.pid)
    assert told["url"].endswith(BASE)
    assert "token" not in announced.read_text()
    with visitor(kernel, made) as guest:
        assert guest.get("metadata/").status_code == 200


@pytest.mark.parametrize("sharing", ["off", "ask"])
def test_a_link_of_before_opens_nothing_where_links_are_not_allowed_any_more(tmp_path: Path, sharing: str) -> None:
    with closing(started(tmp_path, ("--NbserveExtension.sharing=on",))) as server:
        kernel = server.start_kernel()
        with server.client() as user:
            made = share(user, kernel)
        with visitor(kernel, made) as guest:
            guest.get("metadata/").raise_for_status()
    with closing(started(tmp_path, (f"--NbserveExtension.sharing={sharing}",))) as later:
        kernel.server = later
        with visitor(kernel, made) as guest:
            assert_error(guest.get("metadata/"), 403, "sharing_off")
            guest.headers["Authorization"] = "Bearer wrong"
            assert_error(guest.get("metadata/"), 403, "token_refused")


@pytest.fixture(scope="module")
def made(jupyter: JupyterServer, kernel: Kernel) -> dict[str, Any]:
    """A link to `double`."""
    with jupyter.client() as user:
        return share(user, kernel, label="Ann")


@pytest.fixture
def guest(kernel: Kernel, made: dict[str, Any]) -> Any:
    with visitor(kernel, made) as client:
        yield client


def raw_status(server: JupyterServer, path: str, token: str) -> int:
    """What a path is answered that no client has tidied up."""
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=20)
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
    status = connection.getresponse().status
    connection.close()
    return status


# --- what it opens


def test_its_maker_is_told_link_and_token_and_nobody_again(
    kernel: Kernel, user: httpx.Client, made: dict[str, Any]
) -> None:
    assert made["path"] == f"{BASE}nbserve/s/{made['id']}/"
    assert made["link"] == f"{str(user.base_url).removesuffix(BASE)}{made['path']}#{made['token']}"
    assert len(made["token"]) >= 22
    assert (made["label"], made["state"], made["methods"]) == ("Ann", "open", None)
    listed = user.get(kernel.address("double/shares/")).json()["shares"]
    entry = next(each for each in listed if each["id"] == made["id"])
    assert not {"token", "link", "digest"} & set(entry)
    for file in (kernel.server.runtime / "nbserve").rglob("*.json"):
        assert made["token"] not in file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("path", ["", "metadata/", "metadata", "inspect/", "openapi.json"])
def test_it_opens_what_the_endpoint_tells(guest: httpx.Client, path: str) -> None:
    assert guest.get(path).status_code == 200


def test_it_answers_predictions_as_json_and_in_other_formats(guest: httpx.Client) -> None:
    assert guest.post("predict/", json=ROWS).json() == {"predict_result": [[2, 4]]}
    assert guest.post("predict", json=ROWS).json() == {"predict_result": [[2, 4]]}
    answer = guest.post("predict/", content=b"1,2\n", headers={"Content-Type": "text/csv; header=absent"})
    assert answer.status_code in (200, 422)  # a list that is doubled, or numbers that are none


def test_a_ticket_is_for_the_link_that_it_was_made_with(
    kernel: Kernel, user: httpx.Client, guest: httpx.Client, made: dict[str, Any]
) -> None:
    answer = guest.post("predict/?ticket=1", json=ROWS)
    where = answer.headers["location"]
    assert answer.json()["result_url"] == where
    assert where.endswith(f"{BASE}nbserve/s/{made['id']}/result/{answer.json()['ticket']}/")
    assert guest.get(httpx.URL(str(guest.base_url)).join(where)).json() == {"predict_result": [[2, 4]]}
    assert_error(user.get(kernel.address(f"double/result/{answer.json()['ticket']}/")), 404, "not_found")
    with visitor(kernel, share(user, kernel, methods="predict", rate="1/h")) as other:
        assert_error(other.get(f"result/{answer.json()['ticket']}/"), 404, "not_found")
        own = other.post("predict/?ticket=1", json=ROWS).json()["ticket"]
        assert other.get(f"result/{own}/").json() == {"predict_result": [[2, 4]]}  # it was counted when it was made
        assert other.get(f"result/{own}/").status_code == 200
        assert_error(other.post("predict/", json=ROWS), 429, "rate_exceeded")
        assert other.delete(f"result/{own}/").json()["cancelled"] is False


def test_our_client_uses_it_as_any_endpoint(kernel: Kernel, made: dict[str, Any]) -> None:
    with nbserve.Client(made["link"]) as client:
        assert client.predict([[1, 2]]) == [[2, 4]]
        assert client.metadata()["name"] == "double"
        with pytest.raises(nbserve.NbserveError):
            client.unload()


def test_its_description_begins_where_the_link_does(guest: httpx.Client, made: dict[str, Any]) -> None:
    described = guest.get("openapi.json").json()
    assert set(described["paths"]) == {"/predict/", "/inspect/", "/metadata/", "/result/{ticket}/"}
    assert described["servers"] == [{"url": made["path"].rstrip("/")}]
    assert list(described["components"]["securitySchemes"]) == ["token"]


def test_routes_of_a_resource_are_opened_and_their_redirects_stay_below_the_link(
    kernel: Kernel, user: httpx.Client
) -> None:
    made = share(user, kernel, "shop")
    with visitor(kernel, made) as guest:
        told = guest.put("echo/?a=1", content=b"abc").json()
        assert (told["method"], told["size"], told["query"]) == ("PUT", 3, "a=1")
        names = {name for name, _ in told["headers"]}
        assert not names & {"authorization", "cookie", "x-nbserve-share", "x-nbserve-user"}
        for where in ("/shop/echo/", f"{made['path']}echo/"):
            assert guest.get("to/", params={"where": where}).headers["location"] == f"{made['path']}echo/"


def test_a_browser_without_the_token_is_shown_a_page_that_tells_nothing(
    kernel: Kernel, stranger: httpx.Client, made: dict[str, Any]
) -> None:
    shown = [stranger.get(f"nbserve/s/{name}/", headers=PAGE) for name in (made["id"], NOBODY)]
    assert [answer.status_code for answer in shown] == [200, 200]
    texts = {answer.text.replace(name, "ID") for answer, name in zip(shown, (made["id"], NOBODY), strict=True)}
    assert len(texts) == 1
    assert "double" not in texts.pop()
    policy = shown[0].headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'")
    assert "sandbox allow-scripts" in policy
    assert shown[0].headers["referrer-policy"] == "no-referrer"
    assert stranger.get(f"nbserve/s/{made['id']}/docs", headers=PAGE).status_code == 200
    assert stranger.get(f"nbserve/s/{made['id']}/predict/", headers=PAGE).status_code == 401


def test_a_sandboxed_page_may_ask_with_the_header(guest: httpx.Client) -> None:
    asked = {"Origin": "null", "Access-Control-Request-Method": "POST"}
    answer = guest.options("predict/", headers=asked)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, "*")
    answer = guest.post("predict/", json=ROWS, headers={"Origin": "null"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


# --- what it does not open


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("POST", "load/"),
        ("POST", "unload/"),
        ("POST", "unload"),
        ("POST", "%75nload/"),
        ("POST", "/unload/"),
        ("DELETE", ""),
        ("GET", "shares/"),
        ("POST", "shares/"),
        ("DELETE", f"shares/{NOBODY}/"),
        ("GET", "traffic/"),
        ("GET", "traffic/1/"),
    ],
)
def test_what_is_the_owners_stays_his(kernel: Kernel, guest: httpx.Client, verb: str, path: str) -> None:
    assert_error(guest.request(verb, path, json={}), 403, "token_refused")
    with kernel.server.client() as user:
        assert user.get(kernel.address("double/metadata/")).json()["state"] == "loaded"


@pytest.mark.parametrize(
    "path",
    [
        "../double/metadata/",
        "..%2fdouble/metadata/",
        "%2e%2e/free/metadata/",
        "../../free/metadata/",
        "..%2f..%2ffree%2fmetadata/",
        "/free/metadata/",
        "free/metadata/",
        "..%5cfree%5cmetadata",
        "%00",
        "metadata/../../free/metadata/",
    ],
)
def test_no_path_leads_to_another_endpoint(kernel: Kernel, made: dict[str, Any], path: str) -> None:
    assert raw_status(kernel.server, made["path"] + path, made["token"]) in (401, 403, 404)


@pytest.mark.parametrize("name", ["..", "%2e%2e", "../shares", "a%2fb", "*", "", "%00", "%c3%a9"])
def test_no_id_leads_out_of_the_folder(kernel: Kernel, made: dict[str, Any], name: str) -> None:
    assert raw_status(kernel.server, f"{BASE}nbserve/s/{name}/metadata/", made["token"]) in (403, 404)


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("GET", "api/kernels"),
        ("POST", "api/kernels"),
        ("GET", "api/contents"),
        ("PUT", "api/contents/a.txt"),
        ("GET", "api/sessions"),
        ("POST", "api/terminals"),
        ("GET", "api/me"),
        ("POST", "api/shutdown"),
        ("GET", "nbserve/"),
        ("GET", "nbserve/e/{kernel}/double/metadata/"),
        ("POST", "nbserve/e/{kernel}/double/predict/"),
        ("GET", "nbserve/e/{kernel}/free/metadata/"),
        ("POST", "nbserve/e/{kernel}/double/shares/"),
    ],
)
@pytest.mark.parametrize("how", ["Bearer", "token", "query"])
def test_its_token_is_worth_nothing_on_any_other_route(
    kernel: Kernel, stranger: httpx.Client, made: dict[str, Any], verb: str, path: str, how: str
) -> None:
    place = path.format(kernel=kernel.id)
    given: dict[str, Any] = (
        {"params": {"token": made["token"]}}
        if how == "query"
        else {"headers": {"Authorization": f"{how} {made['token']}"}}
    )
    assert stranger.request(verb, place, json={}, **given).status_code in (401, 403)


def test_its_token_is_worth_nothing_at_the_kernel_itself(kernel: Kernel, made: dict[str, Any]) -> None:
    url = kernel.ask("nbserve.get('double').url")
    for headers in ({}, {"X-Nbserve-Share": made["id"]}):
        answer = httpx.get(f"{url}metadata/", headers=headers | {"Authorization": f"Bearer {made['token']}"})
        assert_error(answer, 401, "token_missing")


def test_no_other_token_opens_it(
    kernel: Kernel, user: httpx.Client, stranger: httpx.Client, made: dict[str, Any]
) -> None:
    other = share(user, kernel, "free")
    key = json.loads(kernel.listing("double").read_text())["key"]
    digest = json.loads((kernel.server.runtime / "nbserve" / "shares" / f"{made['id']}.json").read_text())["digest"]
    own = kernel.ask("nbserve.get('double').token")
    for token in (other["token"], key, digest, own, kernel.server.token, made["token"][:-1], f"{made['token']}x"):
        answer = stranger.get(f"nbserve/s/{made['id']}/metadata/", headers={"Authorization": f"Bearer {token}"})
        assert_error(answer, 403, "token_refused")


def test_a_user_of_the_jupyter_server_needs_the_token_like_everybody(
    kernel: Kernel, browser: httpx.Client, user: httpx.Client, made: dict[str, Any]
) -> None:
    headers = {"Accept": "*/*", "X-XSRFToken": browser.cookies["_xsrf"]}
    assert_error(browser.get(f"nbserve/s/{made['id']}/metadata/", headers=headers), 401, "token_missing")
    assert_error(user.get(f"nbserve/s/{made['id']}/metadata/"), 401, "token_missing")


@pytest.mark.parametrize("path", ["", "metadata/", "docs/"])
def test_a_name_that_an_attacker_gave_this_machine_opens_no_link(guest: httpx.Client, path: str) -> None:
    for headers in ({}, PAGE):
        assert guest.get(path, headers=headers | {"Host": "evil.example"}).status_code == 403
    del guest.headers["Authorization"]
    assert guest.get(path, headers=PAGE | {"Host": "evil.example"}).status_code == 403


def test_an_unknown_link_and_a_wrong_token_cannot_be_told_apart(stranger: httpx.Client, made: dict[str, Any]) -> None:
    answers = [
        stranger.get(f"nbserve/s/{name}/metadata/", headers={"Authorization": f"Bearer {token}"})
        for name, token in ((made["id"], "wrong"), (NOBODY, "wrong"), (NOBODY, made["token"]))
    ]
    assert len({(answer.status_code, answer.text) for answer in answers}) == 1
    assert len({tuple(sorted(set(answer.headers) - {"date"})) for answer in answers}) == 1
    # nor by the time: none is answered before it, however little there was to look up
    assert min(answer.elapsed.total_seconds() for answer in answers) > 0.9 * REFUSED_AFTER_S


def test_a_token_in_the_address_is_refused_and_never_logged(
    kernel: Kernel, stranger: httpx.Client, user: httpx.Client
) -> None:
    made = share(user, kernel)
    for name in (made["id"], NOBODY):
        answer = stranger.get(f"nbserve/s/{name}/metadata/", params={"token": made["token"]})
        assert "logged" in assert_error(answer, 403, "token_refused")["error"]
    with visitor(kernel, made) as guest:
        guest.get("metadata/").raise_for_status()
        guest.get("", headers=PAGE).raise_for_status()
        guest.post("predict/", json={"X": "wrong"})
        guest.get("nothing/")
    assert eventually(lambda: f"s/{made['id']}/nothing" in kernel.server.log.read_text())
    assert made["token"] not in kernel.server.log.read_text()


@pytest.mark.parametrize("name", ["X-Nbserve-Share", "x-nbserve-share", "X_Nbserve_Share", "X-Nbserve-User"])
def test_a_visitor_cannot_say_that_he_is_another(
    kernel: Kernel, user: httpx.Client, made: dict[str, Any], name: str
) -> None:
    """Neither to be counted as another, nor to be held for the owner."""
    wide, narrow = share(user, kernel), share(user, kernel, methods="inspect")
    with visitor(kernel, narrow) as guest:
        for said in (wide["id"], "", "owner"):
            answer = guest.post("predict/", json=ROWS, headers={name: said, "Connection": name})
            assert_error(answer, 403, "token_refused")
            assert_error(guest.delete("", headers={name: said, "X-Nbserve-Page-Token": "x"}), 403, "token_refused")


def test_a_forged_record_opens_nothing(kernel: Kernel, user: httpx.Client, made: dict[str, Any]) -> None:
    """What others could have written is not read."""
    folder = kernel.server.runtime / "nbserve" / "shares"
    forged = folder / f"{NOBODY}.json"
    forged.write_text((folder / f"{made['id']}.json").read_text().replace(made["id"], NOBODY))
    forged.chmod(0o644)
    headers = {"Authorization": f"Bearer {made['token']}"}
    with kernel.server.client(is_logged_in=False) as client:
        assert client.get(f"nbserve/s/{NOBODY}/metadata/", headers=headers).status_code == 403
    forged.unlink()


# --- its bounds


def test_only_the_methods_that_it_names_are_opened(kernel: Kernel, user: httpx.Client) -> None:
    made = share(user, kernel, "shop", methods=["echo"])
    with visitor(kernel, made) as guest:
        assert guest.get("echo/").status_code == 200
        assert guest.get("metadata/").json()["methods"] == []
        for verb, path in (("GET", "inspect/"), ("POST", "predict/"), ("GET", "events/"), ("POST", "metadata/")):
            assert "echo" in assert_error(guest.request(verb, path), 403, "token_refused")["remedy"]
        assert set(guest.get("openapi.json").json()["paths"]) - {"/result/{ticket}/"} == {"/echo/", "/metadata/"}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"methods": "predikt"}, "predict"),
        ({"methods": "unload"}, "owner"),
        ({"methods": []}, "names"),
        ({"for": "0s"}, "time"),
        ({"for": "91d"}, "90 days"),
        ({"for": "soon"}, "time"),
        ({"rate": "10"}, "10/s"),
        ({"rate": "0/s"}, "10/s"),
        ({"rows": 0}, "whole number"),
        ({"rows": 1.5}, "whole number"),
        ({"rows": True}, "whole number"),
        ({"label": "a\nb"}, "line"),
        ({"label": "x" * 81}, "80"),
        ({"allow": "yes"}, "True"),
        ({"lable": "Ann"}, "label"),
    ],
)
def test_a_term_that_cannot_be_is_refused_with_what_can(
    kernel: Kernel, user: httpx.Client, given: dict[str, Any], says: str
) -> None:
    before = user.get(kernel.address("double/shares/")).json()
    told = assert_error(user.post(kernel.address("double/shares/"), json=given), 422, "option_invalid")
    assert says in told["error"] + told["remedy"]
    assert user.get(kernel.address("double/shares/")).json() == before


@pytest.mark.parametrize("body", [b"[]", b"{", b"1", b'"x"'])
def test_a_body_that_is_no_object_is_refused(kernel: Kernel, user: httpx.Client, body: bytes) -> None:
    assert_error(user.post(kernel.address("double/shares/"), content=body), 422, "body_invalid")


def test_the_rate_is_held_and_says_when_to_come_again(kernel: Kernel, user: httpx.Client) -> None:
    made = share(user, kernel, rate="3/h")
    with visitor(kernel, made) as guest:
        assert [guest.post("predict/", json=ROWS).status_code for _ in range(3)] == [200, 200, 200]
        answer = guest.post("predict/", json=ROWS)
        assert_error(answer, 429, "rate_exceeded")
        assert 3000 < int(answer.headers["retry-after"]) <= 3600
        assert guest.get("metadata/").status_code == 200  # to look is no use of it


def test_the_rate_is_held_whoever_asks_at_once(kernel: Kernel, user: httpx.Client) -> None:
    made = share(user, kernel, rate="10/h")
    with visitor(kernel, made) as guest, ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: guest.post("predict/", json=ROWS).status_code, range(40)))
    assert sorted(statuses) == [200] * 10 + [429] * 30


def test_no_row_more_than_allowed_is_answered_whoever_asks_at_once(kernel: Kernel, user: httpx.Client) -> None:
    made = share(user, kernel, rows=10)
    with visitor(kernel, made) as guest:
        told = assert_error(guest.post("predict/", json={"X": [[1]] * 11}), 403, "quota_used")
        assert "10 rows left" in told["error"]
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: guest.post("predict/", json={"X": [[1], [2]]}), range(20)))
        assert [answer.status_code for answer in answers].count(200) == 5
        assert {answer.status_code for answer in answers} <= {200, 403, 410}
        for verb, path in (("POST", "predict/"), ("GET", ""), ("GET", "metadata/")):
            told = assert_error(guest.request(verb, path), 410, "share_ended")
            assert "used up" in told["error"]
    (entry,) = [
        each for each in user.get(kernel.address("double/shares/")).json()["shares"] if each["id"] == made["id"]
    ]
    assert (entry["state"], entry["uses"]["rows"]) == ("used up", 10)


def test_it_ends_with_its_time(kernel: Kernel, user: httpx.Client) -> None:
    made = share(user, kernel, **{"for": "0.2s"})
    with visitor(kernel, made) as guest:
        assert eventually(lambda: guest.get("metadata/").status_code != 200)
        assert "expired" in assert_error(guest.get("metadata/"), 410, "share_ended")["error"]
        guest.headers["Authorization"] = "Bearer wrong"
        assert_error(guest.get("metadata/"), 403, "token_refused")


def test_a_revoked_link_opens_nothing_from_the_next_request_on(kernel: Kernel, user: httpx.Client) -> None:
    made = share(user, kernel)
    with visitor(kernel, made) as guest:
        assert guest.post("predict/", json=ROWS).status_code == 200
        (revoked,) = user.delete(kernel.address(f"double/shares/{made['id']}/")).json()["revoked"]
        assert (revoked["id"], revoked["state"]) == (made["id"], "revoked")
        for _ in range(2):
            assert "revoked" in assert_error(guest.post("predict/", json=ROWS), 410, "share_ended")["error"]
    assert user.delete(kernel.address(f"double/shares/{made['id']}/")).status_code == 200
    assert_error(user.delete(kernel.address(f"free/shares/{made['id']}/")), 404, "not_found")
    assert_error(user.delete(kernel.address(f"double/shares/{NOBODY}/")), 404, "not_found")


@pytest.mark.parametrize("ends", ["by being revoked", "by its time"])
def test_an_answer_without_an_end_ends_with_its_link(kernel: Kernel, user: httpx.Client, ends: str) -> None:
    made = share(user, kernel, "shop", **({"for": "5s"} if ends == "by its time" else {}))
    with visitor(kernel, made) as guest, guest.stream("GET", "events/") as answer:
        told = itertools.islice(answer.iter_text(), 2000)
        assert next(told).startswith("data: 0")
        if ends == "by being revoked":
            user.delete(kernel.address(f"shop/shares/{made['id']}/")).raise_for_status()
        with pytest.raises(httpx.RemoteProtocolError):
            list(told)
    assert eventually(lambda: kernel.ask("len(Shop.begun) - len(Shop.ended)") == 0)


def test_every_use_is_counted_and_shown_to_the_owner(kernel: Kernel, user: httpx.Client) -> None:
    made = share(user, kernel, label="Ann & <b>Bob</b>", methods="predict")
    with visitor(kernel, made) as guest:
        guest.post("predict/", json={"X": [[1], [2], [3]]}).raise_for_status()
        assert guest.post("predict/", json={"X": 5}).status_code >= 400
        guest.get("inspect/")
        guest.get("metadata/").raise_for_status()
    newest = user.get(kernel.address("double/shares/")).json()["shares"][0]
    assert (newest["id"], newest["label"]) == (made["id"], "Ann & <b>Bob</b>")
    uses = newest["uses"]
    assert (uses["requests"], uses["rows"], uses["errors"], uses["refused"]) == (2, 3, 1, 1)
    assert uses["last_used"].endswith("Z")


def test_only_the_owner_makes_and_sees_links(kernel: Kernel, stranger: httpx.Client) -> None:
    for verb in ("GET", "POST"):
        assert stranger.request(verb, kernel.address("double/shares/")).status_code == 403
    url, token = kernel.ask("[nbserve.get('double').url, nbserve.get('double').token]")
    for verb in ("GET", "POST"):
        answer = httpx.request(verb, f"{url}shares/", headers={"Authorization": f"Bearer {token}"})
        assert_error(answer, 403, "token_refused")


# --- a kernel that goes and comes back


def test_the_same_link_opens_what_the_notebook_serves_after_a_restart(jupyter: JupyterServer) -> None:
    kernel = jupyter.start_kernel()
    with jupyter.client() as user:
        made = share(user, kernel, rows=10)
        with visitor(kernel, made) as guest:
            guest.post("predict/", json={"X": [[1], [2]]}).raise_for_status()
            user.post(f"api/kernels/{kernel.id}/restart").raise_for_status()
            answer = guest.get("metadata/")
            assert_error(answer, 503, "kernel_gone")
            assert int(answer.headers["retry-after"]) > 0
            jupyter.connect(kernel)
            assert_error(guest.get("metadata/"), 503, "kernel_gone")
            from tests.serverext.real_jupyter import SERVED

            kernel.run(SERVED)
            assert guest.post("predict/", json=ROWS).json() == {"predict_result": [[2, 4]]}
        (entry,) = user.get(kernel.address("double/shares/")).json()["shares"]
        assert (entry["uses"]["requests"], entry["uses"]["rows"]) == (2, 3)


def test_another_kernel_of_the_same_notebook_takes_the_link_along_and_one_of_another_does_not(
    jupyter: JupyterServer,
) -> None:
    def opened(path: str) -> Kernel:
        with jupyter.client() as user:
            session = {"path": path, "name": path, "type": "notebook", "kernel": {"name": "python3"}}
            kernel_id = user.post("api/sessions", json=session).raise_for_status().json()["kernel"]["id"]
        kernel = Kernel(kernel_id, None, jupyter)  # type: ignore[arg-type]
        jupyter.kernels.append(kernel)
        jupyter.connect(kernel)
        kernel.run("%load_ext nbserve\nimport nbserve\nnbserve.serve(lambda x: x, name='same')")
        return kernel

    first = opened("a.ipynb")
    with jupyter.client() as user:
        made = share(user, first, "same")
        other = opened("b.ipynb")
        assert user.get(other.address("same/shares/")).json()["shares"] == []
        with visitor(first, made) as guest:
            for kernel in user.get("api/sessions").json():
                if kernel["path"] == "a.ipynb":
                    user.delete(f"api/sessions/{kernel['id']}")
            assert_error(guest.get("metadata/"), 503, "kernel_gone")
            again = opened("a.ipynb")
            assert again.id != first.id
            assert guest.get("metadata/").status_code == 200
        assert [each["id"] for each in user.get(again.address("same/shares/")).json()["shares"]] == [made["id"]]
