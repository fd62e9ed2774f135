"""Links to endpoints with routes of the user's own: none of these is reached uncounted, or beside what a link opens."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import Depends, HTTPException, Request, WebSocket
from fastapi.responses import JSONResponse

from nbserve import ModelResource, NbserveError, resource_method
from nbserve.notebook.session import Session
from nbserve.shares import Use, new_share
from tests.client import Caller, assert_error, handle, opened
from tests.conftest import Serve
from tests.resources import Loads

HERE = "the user's own code was here"
TICKET = "0123456789abcdefghi_-X"
SOME = {"name": "shop", "notebook": "", "kernel_id": "k", "label": "", "methods": (), "rate": "", "rows": 0}


@pytest.fixture(autouse=True, scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        yield


class Shop(ModelResource):
    """Its own code answers wherever it may, under names that a link always opens too."""

    def metadata(self):
        return HERE

    @resource_method("/docs/", methods=["GET", "POST"])
    def docs(self):
        return HERE

    @resource_method("/docs/{page}/", methods=["GET", "DELETE"])
    def page(self, page: str):
        return HERE

    @resource_method("/openapi.json", methods=["GET"])
    def described(self):
        return HERE

    @resource_method("/result/{key}/", methods=["GET", "PUT", "DELETE"])
    def result(self, key: str):
        return HERE

    @resource_method("/score/{number}/", methods=["GET", "POST", "OPTIONS"])
    def score(self, number: str):
        return HERE

    @resource_method("/", methods=["GET"])
    def home(self):
        return HERE


class Link:
    """A visitor with a link: what he is answered, and what that was counted as."""

    def __init__(self, session: Session, caller: Caller, key: str, **terms: Any) -> None:
        self.share, _ = new_share(**(SOME | {"until": time.time() + 60, "created": 0.0} | terms))
        self._session, self._caller, self._key = session, caller, key

    def ask(self, verb: str, path: str, **options: Any) -> httpx.Response:
        headers = {"X-Nbserve-Share": self.share.id, **options.pop("headers", {})}
        return self._caller.request(verb, f"/{self.share.name}/{path}", token=self._key, headers=headers, **options)

    @property
    def use(self) -> Use:
        return self._session.access.meters.use_of(self.share.id)


@pytest.fixture(scope="module")
def shop() -> Iterator[tuple[Session, Caller, str]]:
    """A resource, and beside it what a user may have added to the application below its name."""
    with opened() as (session, caller):
        app = handle(session, Shop(component=Loads()), {"name": "shop"}).app
        app.add_api_route("/shop/extra", lambda: HERE, methods=["GET", "POST"])
        app.add_api_route("/shop/metadata/extra", lambda: HERE)
        app.mount("/shop/files", _answers)
        app.add_api_websocket_route("/shop/talk", _talks)
        yield session, caller, session._credentials.key("shop")


async def _answers(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": HERE.encode()})


async def _talks(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(HERE)


PATHS = [
    "",
    "/",
    "metadata",
    "metadata/",
    "metadata//",
    "/metadata",
    "metadata/extra",
    "metadata/?x=1",
    "meta%64ata/",
    "%6detadata",
    "metadata%2Fextra",
    "docs",
    "docs/",
    "docs/one/",
    "docs//one",
    "docs/..",
    "docs/%2e%2e/",
    "openapi.json",
    "openapi.json/",
    "openapi%2ejson",
    f"result/{TICKET}",
    f"result/{TICKET}/",
    f"result/{TICKET}/?timeout=0",
    "result/other/",
    "score/1/",
    "score/metadata",
    "score/..%2Fmetadata",
    "./metadata",
    "../shop/metadata/",
    "extra",
    "extra/",
    "files/",
    "files/metadata",
    "talk",
]
VERBS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "QUERY"]


@pytest.mark.parametrize("path", PATHS)
def test_no_code_of_the_users_answers_uncounted(shop: tuple[Session, Caller, str], path: str) -> None:
    for verb in VERBS:
        link = Link(*shop)
        answer, use = link.ask(verb, path), link.use
        assert use.requests + use.refused <= 1, verb
        if HERE in answer.text or (verb == "HEAD" and answer.status_code == 200):
            assert (use.requests, use.errors, use.rows) == (1, 0, 1), verb
        elif answer.status_code >= 400:
            assert use.rows == 0, verb


@pytest.mark.parametrize("path", PATHS)
def test_no_code_of_the_users_answers_that_a_link_does_not_name(shop: tuple[Session, Caller, str], path: str) -> None:
    for verb in VERBS:
        link = Link(*shop, methods=("predict",))
        answer = link.ask(verb, path)
        assert answer.status_code in (403, 404), verb
        assert HERE not in answer.text, verb
        assert (link.use.requests, link.use.refused) == (0, 1), verb


@pytest.mark.parametrize("path", ["metadata/", "docs/", "openapi.json", f"result/{TICKET}/", ""])
def test_rate_and_rows_hold_for_what_a_resource_answers_itself(shop: tuple[Session, Caller, str], path: str) -> None:
    rated, two = Link(*shop, rate="2/h"), Link(*shop, rows=2)
    assert [rated.ask("GET", path).status_code for _ in range(3)] == [200, 200, 429]
    assert [two.ask("GET", path).status_code for _ in range(3)] == [200, 200, 410]


def test_a_route_of_a_resource_is_opened_by_the_first_part_of_its_path(shop: tuple[Session, Caller, str]) -> None:
    link = Link(*shop, methods=("metadata", "score"))
    assert link.ask("GET", "metadata/").json() == HERE
    assert link.ask("POST", "score/7/").json() == HERE
    for path in ("docs/", "openapi.json", "", "result/x/", "extra"):
        assert_error(link.ask("GET", path), 403, "token_refused")


@pytest.mark.parametrize("path", ["talk", "predict/", "metadata/"])
def test_no_websocket_is_opened_by_a_link(shop: tuple[Session, Caller, str], path: str) -> None:
    _, caller, key = shop
    link = Link(*shop)
    head = caller.head(
        "GET",
        f"/shop/{path}",
        authorization=f"Bearer {key}",
        x_nbserve_share=link.share.id,
        connection="Upgrade",
        upgrade="websocket",
        sec_websocket_version="13",
        sec_websocket_key="dGhlIHNhbXBsZSBub25jZQ==",
    )
    with caller.connect() as connection:
        connection.sendall(head)
        answer = connection.recv(65536)
    assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 200"))  # as if it had not been asked for
    assert link.use.requests == 1


def test_what_looks_like_a_look_is_none_once_a_route_is_put_before_it(serve: Serve, session: Session) -> None:
    endpoint = serve(lambda X: X, name="shop")
    caller = Caller(session)
    link = Link(session, caller, session._credentials.key("shop"))
    assert link.ask("GET", "metadata/").json()["name"] == "shop"
    assert link.use.requests == 0
    endpoint.app.add_api_route("/shop/metadata/", lambda: HERE)
    endpoint.app.router.routes.insert(0, endpoint.app.router.routes.pop())
    assert link.ask("GET", "metadata/").json() == HERE
    assert link.use.requests == 1
    caller.close()


def test_a_route_that_takes_any_word_is_counted_under_the_words_of_looks(serve: Serve, session: Session) -> None:
    class Catches(ModelResource):
        @resource_method("/{word}/", methods=["GET"])
        def any_word(self, word: str):
            return HERE

    serve(Catches(component=Loads()), name="shop")
    caller = Caller(session)
    link, narrow = (
        Link(session, caller, session._credentials.key("shop"), methods=methods) for methods in ((), ("predict",))
    )
    for number, word in enumerate(("metadata", "docs", "openapi.json", "other"), 1):
        assert link.ask("GET", word).json() == HERE
        assert link.use.requests == number
        assert_error(narrow.ask("GET", word), 403, "token_refused")
    for word in ("load", "unload", "shares", "traffic"):
        assert_error(link.ask("GET", word), 403, "token_refused")
    caller.close()


def test_a_page_names_no_route_that_the_link_does_not_open(shop: tuple[Session, Caller, str], serve: Serve) -> None:
    class Own(ModelResource):
        def metadata(self):
            return HERE

        def predict(self, X):
            return X

        @resource_method("/secret/")
        def secret(self):
            return HERE

    session, caller, _ = shop
    session.serve(Own(component=Loads()), {"name": "own"})
    key = session._credentials.key("own")
    assert Link(session, caller, key, name="own").ask("GET", "").json()["replaced"] == ["metadata", "predict", "secret"]
    told = Link(session, caller, key, name="own", methods=("predict",)).ask("GET", "")
    assert told.json()["replaced"] == ["metadata", "predict"]
    assert "secret" not in told.text


@pytest.mark.parametrize(("said", "error"), [("fine", 0), ("refused", 1), ("bug", 1)])
def test_what_a_middleware_answers_itself_is_counted(
    serve: Serve, session: Session, caller: Caller, said: str, error: int
) -> None:
    serve(lambda X: X, name="shop")

    @session.app.middleware("http")
    async def cached(request: Request, call_next):
        if "x-cached" not in request.headers:
            return await call_next(request)
        if said == "bug":
            raise RuntimeError("a bug")
        return JSONResponse(HERE, 200 if said == "fine" else 403)

    link = Link(session, caller, session._credentials.key("shop"))
    assert link.ask("POST", "predict/", json=[1]).status_code == 200
    assert link.ask("GET", "metadata/").status_code == 200
    assert (link.use.requests, link.use.errors) == (1, 0)
    assert link.ask("POST", "predict/", json=[1], headers={"x-cached": "yes"}).status_code >= 200
    assert (link.use.requests, link.use.errors) == (2, error)
    assert caller.post("/shop/predict/", json=[1], headers={"x-cached": "yes"}).status_code >= 200
    assert (link.use.requests, link.use.errors) == (2, error)


# --- behind what the whole application depends on


class Fails(ModelResource):
    @resource_method("/bug/", methods=["GET"])
    def bug(self):
        raise RuntimeError("a bug")

    @resource_method("/exit/", methods=["GET"])
    def exit(self):
        raise SystemExit

    @resource_method("/missing/", methods=["GET"])
    def missing(self):
        raise HTTPException(404, "no such thing")

    @resource_method("/fine/", methods=["GET"])
    def fine(self):
        return HERE


@pytest.mark.parametrize("is_guarded", [False, True])
def test_every_end_is_counted_once(serve: Serve, session: Session, caller: Caller, is_guarded: bool) -> None:
    serve(Fails(component=Loads()), name="shop")
    if is_guarded:
        session.app.router.dependencies.append(Depends(_only_with_a_hat))
    link = Link(session, caller, session._credentials.key("shop"), rows=4)
    hat = {"headers": {"x-hat": "on"}}
    for number, (path, status) in enumerate({"bug/": 500, "exit/": 500, "missing/": 404, "nothing/": 404}.items(), 1):
        assert link.ask("GET", path, **hat).status_code == status
        assert (link.use.requests, link.use.errors, link.use.rows) == (number, number, 0)
    assert link.ask("POST", "predict/?ticket=perhaps", json=[1], **hat).status_code == 422
    assert link.ask("POST", "predict/", json={"Y": 1}, **hat).status_code == 422
    assert (link.use.requests, link.use.errors, link.use.rows) == (6, 6, 0)
    assert link.ask("GET", "fine/", **hat).json() == HERE
    assert link.ask("POST", "predict/", json=[1, 2], **hat).status_code == 200
    assert (link.use.requests, link.use.errors, link.use.rows) == (8, 6, 3)
    if is_guarded:
        assert link.ask("GET", "fine/").status_code == 401
        assert link.ask("POST", "predict/", json=[1]).status_code == 401
        assert (link.use.requests, link.use.errors, link.use.rows) == (10, 8, 3)


def _only_with_a_hat(request: Request) -> None:
    if "x-hat" not in request.headers:
        raise HTTPException(401)


@pytest.mark.parametrize("is_guarded", [False, True])
def test_a_ticket_is_counted_when_its_result_is_there(
    serve: Serve, session: Session, caller: Caller, is_guarded: bool
) -> None:
    serve(lambda X: [1 / each for each in X], name="shop")
    if is_guarded:
        session.app.router.dependencies.append(Depends(lambda: None))
    link = Link(session, caller, session._credentials.key("shop"))
    for number, divisor in enumerate((1, 0), 1):
        ticket = link.ask("POST", "predict/?ticket=1", json=[divisor]).json()["ticket"]
        link.ask("GET", f"result/{ticket}/")
        assert (link.use.requests, link.use.errors, link.use.rows) == (number, number - 1, 1)


def test_users_handlers_of_our_errors_are_counted_once(serve: Serve, session: Session, caller: Caller) -> None:
    serve(Fails(component=Loads()), name="shop")
    session.app.add_exception_handler(NbserveError, lambda request, error: JSONResponse({"mine": error.code}, 418))
    link = Link(session, caller, session._credentials.key("shop"))
    for number, (verb, path) in enumerate((("GET", "bug/"), ("GET", "nothing/"), ("POST", "predict/?ticket=x")), 1):
        assert link.ask(verb, path).status_code == 418
        assert (link.use.requests, link.use.errors) == (number, number)
    assert link.ask("POST", "predict/", json={"Y": 1}).status_code == 418
    assert (link.use.requests, link.use.errors) == (4, 4)
