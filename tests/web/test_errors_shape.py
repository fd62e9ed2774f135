"""Every route with every error: one JSON shape, and the status that it stands for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from nbserve.notebook.session import Session
from tests.client import PATIENCE_S, Caller, assert_error, handle, opened
from tests.gated import Gated

METHODS = ("predict", "again")
ROUTES: dict[str, tuple[str, ...]] = {
    "/": ("GET", "HEAD"),
    "/model": ("GET", "HEAD", "DELETE"),
    "/model/docs": ("GET", "HEAD"),
    "/model/openapi.json": ("GET", "HEAD"),
    "/model/inspect": ("GET", "HEAD"),
    "/model/metadata": ("GET", "HEAD"),
    "/model/load": ("POST",),
    "/model/unload": ("POST",),
    "/model/predict": ("POST",),
    "/model/again": ("POST",),
    "/docs": ("GET", "HEAD"),
    "/openapi.json": ("GET", "HEAD"),
}
OPEN_ROUTES: dict[str, tuple[str, ...]] = {"/health": ("GET", "HEAD"), "/ready": ("GET", "HEAD")}
VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
SLASHES = pytest.mark.parametrize("slash", ["", "/"], ids=["without slash", "with slash"])
EVERY_ROUTE = pytest.mark.parametrize("path", ROUTES)


def body_for(path: str) -> dict[str, object]:
    """Rows, but for the one route that takes something else, and nothing unknown."""
    return {} if path == "/model/unload" else {"X": [[1, 2]]}


class Model:
    """Two methods, so that nothing holds for the main one only."""

    def predict(self, X):
        return [sum(row) for row in X]

    def again(self, X):
        return [sum(row) for row in X]


@pytest.fixture(scope="module")
def shop() -> Iterator[tuple[Session, Caller]]:
    with opened() as (session, caller):
        session.serve(Model(), {"name": "model", "body_limit": 1000})
        session.serve(Model(), {"name": "other"})
        yield session, caller


@pytest.fixture
def user(shop: tuple[Session, Caller]) -> Caller:
    return shop[1]


@EVERY_ROUTE
@SLASHES
def test_every_route_answers_with_and_without_the_last_slash(user: Caller, path: str, slash: str) -> None:
    answer = user.request(ROUTES[path][0], path.rstrip("/") + slash or "/", json=body_for(path))
    assert answer.status_code == 200, answer.text


@EVERY_ROUTE
@SLASHES
def test_every_route_refuses_a_caller_without_a_token(user: Caller, path: str, slash: str) -> None:
    answer = user.request(ROUTES[path][0], path.rstrip("/") + slash or "/", token=None)
    assert_error(answer, 401, "token_missing")
    assert answer.headers["www-authenticate"] == "Bearer"


@EVERY_ROUTE
def test_every_route_refuses_a_token_that_nobody_issued(user: Caller, path: str) -> None:
    answer = user.request(ROUTES[path][0], path, token="wrong")
    assert_error(answer, 401, "token_missing")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", [path for path in ROUTES if path.startswith("/model")])
def test_every_route_of_an_endpoint_refuses_the_token_of_another(shop: tuple[Session, Caller], path: str) -> None:
    session, user = shop
    assert_error(user.request(ROUTES[path][0], path, token=session.token("other")), 403, "token_refused")


@pytest.mark.parametrize(
    ("verb", "path"),
    [(verb, path) for verb in VERBS for path in ROUTES | OPEN_ROUTES if (verb, path) != ("DELETE", "/model")],
)
@SLASHES
def test_every_route_refuses_every_other_verb_and_tells_which_it_answers(
    user: Caller, path: str, verb: str, slash: str
) -> None:
    allowed = (ROUTES | OPEN_ROUTES)[path]
    answer = user.request(verb, path.rstrip("/") + slash or "/", json=body_for(path))
    if verb in allowed:
        assert answer.status_code == 200
        return
    assert answer.status_code == 405
    assert answer.headers["allow"] == ", ".join(sorted(allowed))
    if verb != "HEAD":
        assert_error(answer, 405, "method_not_allowed")


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("path", ["/modell", "/modell/predict", "/model/predictt", "/model/predict/more", "/a/b/c/d"])
@SLASHES
def test_what_does_not_exist_is_404_whatever_the_verb(user: Caller, path: str, verb: str, slash: str) -> None:
    answer = user.request(verb, path + slash)
    assert answer.status_code == 404
    if verb != "HEAD":
        assert_error(answer, 404, "not_found")


def test_what_is_nearly_right_is_named(user: Caller) -> None:
    assert "'model'" in user.get("/modell/").json()["error"]
    assert "'predict'" in user.post("/model/predictt").json()["error"]
    assert "again" in user.post("/model/nothing-like-it").json()["remedy"]


# --- what a method's call can come to


Provoke = Callable[[Caller, str], httpx.Response]

CALLS: dict[str, tuple[int, str, dict[str, Any]]] = {
    "too large by its length": (413, "body_too_large", {"content": b" " * 1001}),
    "too large chunk by chunk": (413, "body_too_large", {"content": [b" " * 600, b" " * 401]}),
    "form": (415, "media_type_unsupported", {"data": {"X": "1"}}),
    "plain text": (415, "media_type_unsupported", {"content": b"[[1]]", "headers": {"content-type": "text/plain"}}),
    "files": (415, "media_type_unsupported", {"files": {"X": b"1"}}),
    "compressed": (415, "media_type_unsupported", {"json": [], "headers": {"content-encoding": "gzip"}}),
    "latin-1": (
        415,
        "media_type_unsupported",
        {"content": b"[]", "headers": {"content-type": "application/json; charset=latin-1"}},
    ),
    "no content": (422, "body_invalid", {}),
    "no JSON": (422, "body_invalid", {"content": b"{"}),
    "another form": (422, "input_invalid", {"json": 1}),
    "no such argument": (422, "input_invalid", {"json": {"X": [[1]], "y": 1}}),
    "no argument": (422, "input_invalid", {"json": {}}),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("call", CALLS)
@SLASHES
def test_every_refused_call_has_the_one_shape_and_an_id(user: Caller, method: str, call: str, slash: str) -> None:
    status, code, sent = CALLS[call]
    content = sent.get("content")
    sent = sent | {"content": iter(content)} if isinstance(content, list) else sent
    body = assert_error(user.post(f"/model/{method}{slash}", **sent), status, code)
    assert body["predict_id"]
    assert body["remedy"]


@pytest.mark.parametrize("chunked", [False, True], ids=["by its length", "chunk by chunk"])
@pytest.mark.parametrize(("size", "status"), [(999, 200), (1000, 200), (1001, 413)])
def test_the_limit_of_a_body_is_the_last_size_that_is_read(user: Caller, chunked: bool, size: int, status: int) -> None:
    body = b'{"X": [[1, 2]]}'.ljust(size)
    answer = user.post("/model/predict", content=iter([body[:500], body[500:]]) if chunked else body)
    assert answer.status_code == status
    assert user.post("/model/predict", json={"X": [[1, 2]]}).status_code == 200


class Broken:
    def predict(self, X):
        raise ValueError("X is wrong, said /home/somebody/models/broken.py")

    def again(self, X):
        return object()


class Lost:
    """Cannot be brought back once it has left memory."""

    def __reduce__(self):
        return (_gone, ())

    def predict(self, X):
        return X

    def again(self, X):
        return X


def _gone() -> None:
    raise OSError("cannot read '/home/somebody/secret folder/model.bin'")


def test_a_model_that_fails_is_500_without_a_path_and_its_traceback_is_in_the_log_only(
    session: Session, caller: Caller
) -> None:
    endpoint = handle(session, Broken(), {"name": "broken"})
    answer = caller.post("/broken/predict", json={"X": [[1]]})
    body = assert_error(answer, 500, "model_failed")
    assert body["predict_id"]
    assert "X is wrong" in body["error"]
    assert "Traceback" not in answer.text
    assert "somebody" not in answer.text
    log = "\n".join(endpoint.log)
    assert "Traceback" in log
    assert "test_errors_shape.py" in log
    body = assert_error(caller.post("/broken/again", json={"X": [[1]]}), 500, "output_invalid")
    assert body["predict_id"]


def test_a_model_that_cannot_be_loaded_is_503_until_load_or_unload_is_asked_for(
    session: Session, caller: Caller
) -> None:
    session.serve(Lost(), {"name": "lost"})
    assert caller.post("/lost/unload").json()["state"] == "unloaded"
    for method, path in (("POST", "/lost/predict"), ("POST", "/lost/again"), ("POST", "/lost/load")):
        answer = caller.request(method, path, json={"X": [[1]]})
        body = assert_error(answer, 503, "load_failed")
        assert "cannot read" in body["error"]
        assert "somebody" not in answer.text
        assert (body["predict_id"] is None) == (path == "/lost/load")
    assert caller.get("/lost/metadata").json()["state"] == "failed"
    assert caller.get("/ready").status_code == 503
    assert caller.get("/ready").json() == {"ready": False, "endpoints": 1}
    assert caller.post("/lost/unload").json()["state"] == "unloaded"
    assert caller.get("/ready").status_code == 200


def test_a_full_queue_is_429_and_says_when_to_come_again(session: Session, caller: Caller, gated: Gated) -> None:
    session.serve(gated, {"name": "gated", "queue": 1})
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(caller.predict, "/gated/predict", json={"X": [1]})
        assert gated.is_inside.wait(PATIENCE_S)
        waiting = pool.submit(caller.predict, "/gated/predict", json={"X": [2]})
        _until(lambda: caller.get("/gated/metadata").json()["counters"]["in_flight"] == 2)
        answer = caller.post("/gated/predict", json={"X": [3]})
        body = assert_error(answer, 429, "busy")
        assert body["predict_id"]
        assert int(answer.headers["retry-after"]) >= 1
        gated.may_leave.set()
        assert (running.result(), waiting.result()) == ([1], [2])
    assert caller.predict("/gated/predict", json={"X": [3]}) == [3]


def test_an_answer_that_takes_too_long_is_504_and_what_waits_behind_it_is_given_up(
    session: Session, caller: Caller, gated: Gated
) -> None:
    session.serve(gated, {"name": "gated", "deadline_s": "50ms"})
    for _ in range(2):
        body = assert_error(caller.post("/gated/predict", json={"X": [1]}), 504, "deadline_exceeded")
        assert body["predict_id"]
    gated.may_leave.set()
    assert gated.calls == 1


def test_an_async_answer_that_takes_too_long_is_504_and_is_cancelled(session: Session, caller: Caller) -> None:
    was_cancelled = threading.Event()

    async def sleepy(X):
        import asyncio

        try:
            await asyncio.Event().wait()
        finally:
            was_cancelled.set()

    session.serve(sleepy, {"name": "sleepy", "deadline_s": "50ms"})
    assert_error(caller.post("/sleepy/predict", json={"X": [1]}), 504, "deadline_exceeded")
    assert was_cancelled.wait(PATIENCE_S)


def _until(is_so: Callable[[], bool]) -> None:
    """Ask again and again: what is waited for can only be seen over HTTP."""
    for _ in range(1000):
        if is_so():
            return
    raise AssertionError("it never was so")
