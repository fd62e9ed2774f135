"""The door, and the routes that users add behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import Body, FastAPI, HTTPException, Query, Request
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel

from nbserve.errors import Busy, Conflict, InputError, LoadError, NbserveError, SpillError
from nbserve.notebook.session import Session
from nbserve.web import door as door_module
from tests.client import Caller, assert_error, opened
from tests.conftest import Serve

MARKUP = "<script>alert('x')</script>"


class Item(BaseModel):
    name: str
    count: int


def echo(X):
    return X


@pytest.fixture(scope="module")
def shop() -> Iterator[tuple[Session, Caller]]:
    with opened() as (session, caller):
        session.serve(echo, {"name": "echo"})
        _add_routes(session.app)
        yield session, caller


@pytest.fixture
def user(shop: tuple[Session, Caller]) -> Caller:
    """Calls routes that the user added."""
    return shop[1]


RAISED: dict[str, BaseException] = {
    "bug": ValueError("a secret in /home/somebody/project/code.py"),
    "exit": SystemExit(3),
    "interrupt": KeyboardInterrupt(),
    "stop": StopIteration(),
    "markup": HTTPException(418, MARKUP),
    "missing": HTTPException(404, "No such passenger"),
    "nothing": HTTPException(404),
    "unchanged": HTTPException(304),
    "empty": HTTPException(204),
    "headers": HTTPException(503, "Closed", headers={"Retry-After": "7"}),
    "structured": HTTPException(400, {"why": MARKUP}),
    "input": InputError("Too old.", "Send a younger one."),
    "busy": Busy("Too many.", retry_after_s=2.5),
    "conflict": Conflict("There is one already.", "Take another name."),
    "load": LoadError("The file is gone."),
    "spill": SpillError("The disk is full."),
    "half": ValueError("\ud800"),
    "half-input": InputError("half a \ud800 character"),
}


def _add_routes(app: FastAPI) -> None:
    for name, error in RAISED.items():

        def raises(error: BaseException = error) -> None:
            raise error

        async def raises_too(error: BaseException = error) -> None:
            raise error

        app.add_api_route(f"/sync/{name}", lambda raises=raises: raises())
        app.add_api_route(f"/async/{name}", _without_arguments(raises_too))

    @app.post("/items")
    def items(item: Item, limit: Annotated[int, Query(ge=1)] = 1) -> dict[str, Any]:
        return {"name": item.name, "limit": limit}

    @app.post("/bytes")
    async def count(request: Request) -> int:
        return len(await request.body())

    @app.post("/text")
    def text(value: Annotated[str, Body()]) -> str:
        return value

    @app.get("/echo/extra")
    def extra() -> str:
        return "beside the model's methods"


def _without_arguments(call: Any) -> Any:
    async def called() -> None:
        await call()

    return called


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("bug", 500, "model_failed"),
        ("exit", 500, "model_failed"),
        ("interrupt", 500, "model_failed"),
        ("stop", 500, "model_failed"),
        ("half", 500, "model_failed"),
        ("markup", 418, "http_418"),
        ("missing", 404, "http_404"),
        ("nothing", 404, "http_404"),
        ("headers", 503, "http_503"),
        ("structured", 400, "http_400"),
        ("input", 422, "input_invalid"),
        ("half-input", 422, "input_invalid"),
        ("busy", 429, "busy"),
        ("conflict", 409, "conflict"),
        ("load", 503, "load_failed"),
        ("spill", 507, "spill_failed"),
    ],
)
def test_whatever_a_users_route_raises_has_the_one_shape(
    user: Caller, kind: str, name: str, status: int, code: str
) -> None:
    answer = user.get(f"/{kind}/{name}")
    body = assert_error(answer, status, code)
    assert "/home/somebody" not in answer.text
    assert "Traceback" not in answer.text
    assert body["predict_id"] is None
    assert user.get("/health").status_code == 200


def test_what_a_users_route_says_is_kept(user: Caller) -> None:
    assert user.get("/sync/missing").json()["error"] == "No such passenger"
    assert user.get("/sync/input").json()["remedy"] == "Send a younger one."
    assert user.get("/sync/headers").headers["retry-after"] == "7"
    assert user.get("/sync/busy").headers["retry-after"] == "3"


@pytest.mark.parametrize(("name", "status"), [("unchanged", 304), ("empty", 204)])
def test_an_answer_that_has_no_body_gets_none(user: Caller, name: str, status: int) -> None:
    for _ in range(2):
        answer = user.get(f"/sync/{name}")
        assert (answer.status_code, answer.content) == (status, b"")


def test_a_bug_in_a_users_route_is_told_in_the_log_only(shop: tuple[Session, Caller]) -> None:
    session, user = shop
    user.get("/sync/bug")
    assert any("a secret in" in line for line in session.log.lines())


@pytest.mark.parametrize(
    ("sent", "loc"),
    [
        ({"json": {"name": "a"}}, ["body", "count"]),
        ({"json": {"name": "a", "count": "x"}}, ["body", "count"]),
        ({"json": {"name": "a", "count": 1}, "params": {"limit": 0}}, ["query", "limit"]),
        ({"json": None}, ["body"]),
    ],
    ids=["missing", "wrong type", "query", "null"],
)
def test_what_a_users_route_does_not_accept_is_422_with_the_place(user: Caller, sent: Any, loc: list[str]) -> None:
    body = assert_error(user.post("/items", **sent), 422, "input_invalid")
    assert body["detail"][0]["loc"] == loc


def test_a_body_that_is_no_json_is_422_for_a_users_route(user: Caller) -> None:
    answer = user.post("/items", content=b"{", headers={"content-type": "application/json"})
    assert_error(answer, 422, "body_invalid")


def test_a_users_route_can_stand_below_an_endpoints_name(user: Caller) -> None:
    assert user.get("/echo/extra").json() == "beside the model's methods"
    assert_error(user.get("/echo/extra", token=None), 401, "token_missing")


def test_a_users_route_needs_a_token_too(user: Caller) -> None:
    assert_error(user.post("/items", json={"name": "a", "count": 1}, token=None), 401, "token_missing")


@pytest.mark.parametrize("chunked", [False, True], ids=["by its length", "chunk by chunk"])
def test_the_body_of_a_users_route_is_bounded(user: Caller, chunked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door_module, "BODY_LIMIT", 1000)
    for size, status in ((1000, 200), (1001, 413)):
        content = b"x" * size
        answer = user.post("/bytes", content=iter([content[:600], content[600:]]) if chunked else content)
        assert answer.status_code == status
    assert_error(answer, 413, "body_too_large")


def test_what_a_user_mounts_is_served_behind_the_tokens(serve: Serve, caller: Caller, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("a note")
    serve(echo, name="echo").app.mount("/files", StaticFiles(directory=tmp_path))
    assert caller.get("/files/notes.txt").text == "a note"
    assert_error(caller.get("/files/notes.txt", token=None), 401, "token_missing")
    assert_error(caller.get("/files/nothing.txt"), 404, "http_404")
    assert_error(caller.get("/files/%2e%2e/%2e%2e/etc/passwd"), 404, "http_404")


def test_a_route_may_be_added_while_it_serves(serve: Serve, caller: Caller) -> None:
    endpoint = serve(echo, name="echo")
    assert caller.get("/late").status_code == 404
    endpoint.app.add_api_route("/late", lambda: "here")
    assert caller.get("/late").json() == "here"


def test_a_name_that_a_users_route_has_taken_is_refused(serve: Serve) -> None:
    serve(echo, name="echo").app.add_api_route("/taken/by/me", lambda: "here")
    with pytest.raises(Conflict, match="taken"):
        serve(echo, name="taken")


# --- pages


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nothing", 404),
        (f"/{MARKUP}", 404),
        (f"/echo/{MARKUP}", 404),
        ("/echo/predict", 405),
        ("/sync/bug", 500),
        ("/sync/markup", 418),
        ("/sync/structured", 400),
    ],
)
def test_a_browser_gets_an_error_as_a_page_with_everything_escaped(user: Caller, path: str, status: int) -> None:
    answer = user.get(path, headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "<html" in answer.text
    assert "alert('x')" not in answer.text
    assert "<script>" not in answer.text


def test_a_browser_without_a_token_gets_a_page_to_type_it_in(user: Caller) -> None:
    answer = user.get("/echo/", token=None, headers={"accept": "text/html"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "<form" in answer.text


@pytest.mark.parametrize("accept", ["*/*", "application/json", "", "text/plain"])
def test_a_program_gets_json(user: Caller, accept: str) -> None:
    assert_error(user.get("/nothing", headers={"accept": accept}), 404, "not_found")


def test_a_fault_of_the_server_itself_is_answered_and_logged(
    shop: tuple[Session, Caller], monkeypatch: pytest.MonkeyPatch
) -> None:
    session, user = shop

    def fails(*_: object) -> None:
        raise RuntimeError("the door is broken")

    monkeypatch.setattr(session.access, "admit_to_pages", fails)
    assert_error(user.get("/"), 500, "nbserve_error")
    monkeypatch.undo()
    assert any("the door is broken" in line for line in session.log.lines())
    assert user.get("/").status_code == 200


def test_every_kind_of_error_has_a_status() -> None:
    def kinds(kind: type[NbserveError]) -> Iterator[type[NbserveError]]:
        yield kind
        for each in kind.__subclasses__():
            yield from kinds(each)

    assert {kind.code for kind in kinds(NbserveError) if kind.__module__ == "nbserve.errors"} == set(door_module.STATUS)
