"""What a hostile visitor asks of a link's own code and beside it, byte by byte, through a real Jupyter server."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.kernel.harness import PATIENCE_S
from tests.serverext.real_jupyter import JupyterServer, Kernel

SERVED = """
%load_ext nbserve
import nbserve
from fastapi import Request, WebSocket
from starlette.responses import PlainTextResponse

SEEN = []

class Holds(nbserve.ModelComponent):
    def load_model(self):
        self.model = lambda X: SEEN.append("predict") or X

class Told(nbserve.ModelResource):
    component = Holds()

    def metadata(self):
        SEEN.append("metadata")
        return "mine"

    @nbserve.resource_method("/docs/", methods=["GET", "POST"])
    def docs(self):
        SEEN.append("docs")
        return "mine"

    @nbserve.resource_method("/result/{key}/", methods=["GET", "PUT", "DELETE"])
    def result(self, key: str):
        SEEN.append("result")
        return "mine"

    @nbserve.resource_method("/score/{rest:path}", methods=["GET", "POST", "OPTIONS", "DELETE", "PATCH"])
    def score(self, rest: str):
        SEEN.append("score")
        return "mine"

ep = nbserve.serve(Told, name="told", eager=True)

async def extra(request: Request):
    SEEN.append("extra")
    return "mine"

async def talk(websocket: WebSocket):
    SEEN.append("talk")
    await websocket.accept()

async def mounted(scope, receive, send):
    SEEN.append("mounted")
    await PlainTextResponse("mine")(scope, receive, send)

ep.app.add_api_route("/told/extra", extra, methods=["GET", "POST"])
ep.app.add_api_route("/told/docs/extra", extra)
ep.app.add_api_route("/beside", extra)
ep.app.add_api_websocket_route("/told/talk", talk)
ep.app.mount("/told/files", mounted)
"""

TICKET = "0123456789abcdefghi_-X"
PATHS = [
    "metadata/",
    "metadata",
    "metadata/?a=/unload/",
    "metadata//",
    "/metadata/",
    "%6detadata/",
    "%6Detadata%2f",
    "metadata%00",
    "metadata;x",
    "docs/",
    "docs",
    "docs/extra",
    "docs%2fextra",
    f"result/{TICKET}/",
    f"result/{TICKET}",
    "result/x/",
    "score/",
    "score/..%2fmetadata/",
    "score/../metadata/",
    "score/%2e%2e/unload/",
    "extra",
    "extra/",
    "files/a",
    "files/../metadata",
    "talk",
    "predict/",
    "predict",
    "Predict/",
    "../beside",
    "..%2fbeside",
    "%2e%2e/beside",
    "..;/beside",
    "\\\\..\\\\beside",
    "%c0%af",
    "\xe9",
    "%ff%fe/",
    "predict/%0d%0aX-Nbserve-Share:%20x",
    "predict/%20HTTP/1.1%0d%0a%0d%0aGET%20/beside",
    "extra?x=%0d%0aX-Nbserve-User:%20x",
]
VERBS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "PROPFIND", "get"]


@dataclass
class Visitor:
    """Somebody who has a link, and speaks HTTP by hand."""

    kernel: Kernel
    owner: httpx.Client
    made: dict[str, Any]

    def say(self, verb: str, path: str, *lines: str, body: bytes = b"") -> bytes:
        """All that comes back until the server has nothing more to say."""
        parts = urlsplit(self.kernel.server.url)
        place = path if path.startswith("http:") else f"{self.made['path']}{path}"
        head = [f"{verb} {place} HTTP/1.1", f"Host: {parts.netloc}", f"Authorization: Bearer {self.made['token']}"]
        ends = () if any(line.startswith("Connection:") for line in lines) else ("Connection: close",)
        sent = "\r\n".join([*head, f"Content-Length: {len(body)}", *ends, *lines, "", ""])
        with socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_S) as connection:
            connection.sendall(sent.encode("latin-1") + body)
            return b"".join(iter(lambda: connection.recv(65536), b"")) if ends else connection.recv(65536)

    @property
    def uses(self) -> dict[str, Any]:
        shares = self.owner.get(self.kernel.address("told/shares/")).json()["shares"]
        return dict(next(each for each in shares if each["id"] == self.made["id"])["uses"])

    def seen(self) -> list[str]:
        """What code of the user's has run since this was asked last."""
        return list(self.kernel.ask("[SEEN.pop(0) for _ in range(len(SEEN))]"))


@pytest.fixture(scope="module")
def told(jupyter: JupyterServer) -> Kernel:
    return jupyter.start_kernel(SERVED)


@pytest.fixture
def visit(told: Kernel, jupyter: JupyterServer) -> Iterator[Any]:
    with jupyter.client() as owner:

        def visiting(**terms: Any) -> Visitor:
            answer = owner.post(told.address("told/shares/"), json={"allow": True} | terms)
            assert answer.status_code == 201, answer.text
            visitor = Visitor(told, owner, answer.json())
            visitor.seen()
            return visitor

        yield visiting


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


@pytest.mark.parametrize("verb", VERBS)
def test_whatever_runs_for_a_visitor_is_counted(visit: Any, verb: str) -> None:
    visitor = visit()
    statuses = [status_of(visitor.say(verb, path, body=b"[[1]]" if verb == "POST" else b"")) for path in PATHS]
    assert max(statuses) < 500, statuses
    seen, uses = visitor.seen(), visitor.uses
    assert "talk" not in seen
    turned = statuses.count(307)  # to the same without its last slash
    assert uses["requests"] - uses["errors"] == uses["rows"] == len(seen) + turned, (seen, uses)
    assert seen or verb in ("TRACE", "CONNECT", "PROPFIND", "get")


@pytest.mark.parametrize("verb", VERBS)
def test_nothing_runs_that_a_link_does_not_name(visit: Any, verb: str) -> None:
    visitor = visit(methods="predict")
    for path in PATHS:
        answer = visitor.say(verb, path)
        assert status_of(answer) in (0, 204, 400, 403, 404, 405, 422), (path, answer[:200])
    assert visitor.seen() == []
    assert visitor.uses["rows"] == 0


@pytest.mark.parametrize("terms", [{"rows": 7}, {"rate": "7/h"}], ids=str)
@pytest.mark.parametrize("path", ["metadata/", "docs/", f"result/{TICKET}/", "extra", "files/a"])
def test_bounds_hold_for_what_the_users_own_code_answers_whoever_asks_at_once(
    visit: Any, terms: dict[str, Any], path: str
) -> None:
    visitor = visit(**terms)
    with ThreadPoolExecutor(8) as pool:
        statuses = [status_of(each) for each in pool.map(lambda _: visitor.say("GET", path), range(24))]
    assert statuses.count(200) == len(visitor.seen()) == visitor.uses["rows"] == 7
    assert set(statuses) == ({200, 429} if "rate" in terms else {200, 403, 410} & set(statuses))


@pytest.mark.parametrize("path", ["talk", "predict/", "files/a", ""])
def test_no_websocket_is_opened(visit: Any, path: str) -> None:
    visitor = visit()
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    answer = visitor.say("GET", path, "Upgrade: websocket", "Sec-WebSocket-Version: 13", key, "Connection: Upgrade")
    assert status_of(answer) != 101
    assert "talk" not in visitor.seen()


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL"])
def test_no_header_says_what_is_asked_for(visit: Any, name: str) -> None:
    visitor = visit(methods="predict")
    for said in ("DELETE", "/told/score/", f"{visitor.made['path']}score/"):
        assert status_of(visitor.say("GET", "score/", f"{name}: {said}")) == 403
        assert status_of(visitor.say("POST", "predict/", f"{name}: {said}", body=b"[[1]]")) == 200
    assert visitor.seen() == ["predict"] * 3


def test_an_address_with_a_host_in_it_is_none_of_a_link(visit: Any) -> None:
    visitor = visit()
    for host in (urlsplit(visitor.kernel.server.url).netloc, "127.0.0.1:1", "example.org"):
        answer = visitor.say("GET", f"http://{host}{visitor.made['path']}metadata/")
        assert status_of(answer) in (400, 403, 404)
    assert visitor.seen() == []


def test_the_second_request_on_a_connection_has_no_rights_of_the_first(visit: Any) -> None:
    visitor = visit()
    parts = urlsplit(visitor.kernel.server.url)
    first = f"GET {visitor.made['path']}extra HTTP/1.1\r\nHost: {parts.netloc}\r\n"
    second = f"{first}Connection: close\r\n\r\n"
    first += f"Authorization: Bearer {visitor.made['token']}\r\n\r\n"
    with socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_S) as connection:
        connection.sendall((first + second).encode())
        answers = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answers.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 401 " in answers
    assert visitor.seen() == ["extra"]
    assert visitor.uses["requests"] == 1


def test_what_visitors_send_is_kept_for_the_owner_as_text_under_their_label(visit: Any) -> None:
    visitor = visit(label="<b>Ann")
    evil = "<script>alert(1)</script>"
    visitor.say("POST", f"score/x?a={'%3Cb%3E' * 1000}", "Content-Type: text/html", body=evil.encode())
    kept = visitor.owner.get(visitor.kernel.address("told/traffic/")).json()["exchanges"][0]
    assert (kept["caller"], kept["method"], kept["status"]) == ("<b>Ann", "score/{rest}", 200)
    told = visitor.owner.get(visitor.kernel.address(f"told/traffic/{kept['id']}/"))
    assert told.headers["content-type"] == "application/json"
    assert told.json()["request_bytes"] == len(evil)
    assert len(told.json()["query"]) <= 2000
    assert visitor.made["token"] not in told.text


def test_the_traffic_of_all_stays_the_owners(visit: Any) -> None:
    visitor = visit()
    visitor.say("POST", "score/x", body=b"secret of Ann")
    for path in ("traffic/", "traffic", "%74raffic/", "traffic%2f", "traffic/1/", "/traffic/", "shares/", "s%68ares/"):
        answer = visitor.say("GET", path)
        assert status_of(answer) in (403, 404)
        assert b"secret" not in answer
