"""What users add to the FastAPI application is in force at once: on the live server, for every request."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.security import APIKeyHeader
from starlette.middleware.gzip import GZipMiddleware

from nbserve.errors import Conflict, InputError, ModelError, NbserveError, NotFound, TokenMissing
from nbserve.notebook.session import Session
from tests.client import PATIENCE_S, Caller, assert_error
from tests.conftest import Serve


def echo(X: list[int]) -> list[int]:
    if X == [13]:
        raise RuntimeError("thirteen")
    return X


class Counting:
    """A middleware that knows what it has seen, and marks the answers."""

    seen: list[str]

    def __init__(self, app: Any, seen: list[str], mark: str = "x-mark") -> None:
        self.app = app
        self.seen = seen
        self.mark = mark.encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.seen.append(f"{scope['method']} {scope['path']}")

        async def marked(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (self.mark, b"seen")]
            await send(message)

        await self.app(scope, receive, marked)


@contextmanager
def asked_all_the_time(caller: Caller, session: Session) -> Iterator[tuple[list[int], threading.Semaphore]]:
    """Four who predict until the end of the block; the statuses, and a turn for each answer."""
    statuses: list[int] = []
    turns, is_over = threading.Semaphore(0), threading.Event()

    def ask() -> None:
        own = Caller(session)
        while not is_over.is_set():
            statuses.append(own.post("/echo/predict", json={"X": [1]}).status_code)
            turns.release()
        own.close()

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        try:
            yield statuses, turns
        finally:
            is_over.set()
        for each in asking:
            each.result(PATIENCE_S)


# --- middleware


def test_middleware_sees_every_request_predictions_and_refusals_too(serve: Serve, caller: Caller) -> None:
    app = serve(echo, name="echo").app
    assert caller.predict("/echo/predict", json={"X": [1]}) == [1]
    seen: list[str] = []
    app.add_middleware(Counting, seen=seen)
    assert caller.predict("/echo/predict", json={"X": [1]}) == [1]
    answers = [
        caller.post("/echo/predict", json={"X": [1]}),
        caller.post("/echo/predict", json={"X": [1]}, token=None),
        caller.get("/echo/inspect"),
        caller.get("/health", token=None),
        caller.get("/nothing/there"),
    ]
    assert [answer.status_code for answer in answers] == [200, 401, 200, 200, 404]
    assert all(answer.headers["x-mark"] == "seen" for answer in answers)
    assert len(seen) == 6
    assert seen[2:] == ["POST /echo/predict", "GET /echo/inspect", "GET /health", "GET /nothing/there"]


def test_a_function_is_middleware_and_the_newest_is_the_outermost(serve: Serve, caller: Caller) -> None:
    app = serve(echo, name="echo").app
    order: list[str] = []

    @app.middleware("http")
    async def inner(request: Request, call_next: Any) -> Any:
        order.append("inner")
        response = await call_next(request)
        response.headers["x-inner"] = "1"
        return response

    @app.middleware("http")
    async def outer(request: Request, call_next: Any) -> Any:
        order.append("outer")
        return await call_next(request)

    answer = caller.post("/echo/predict", json={"X": [1, 2]})
    assert (answer.json()["predict_result"], answer.headers["x-inner"]) == ([1, 2], "1")
    assert order == ["outer", "inner"]
    assert caller.post("/echo/predict", json={"X": list(range(50_000))}).json()["predict_result"][-1] == 49_999


def test_pages_of_other_origins_may_be_let_in(serve: Serve, caller: Caller) -> None:
    app = serve(echo, name="echo").app
    asked = {"origin": "https://page.example", "access-control-request-method": "POST"}
    assert caller.request("OPTIONS", "/echo/predict/", token=None, headers=asked).status_code == 401
    app.add_middleware(
        CORSMiddleware, allow_origins=["https://page.example"], allow_methods=["POST"], allow_headers=["authorization"]
    )
    asked["access-control-request-headers"] = "authorization"
    allowed = caller.request("OPTIONS", "/echo/predict/", token=None, headers=asked)
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, "https://page.example")
    for token in ("", None):
        origin = {"origin": "https://page.example"}
        answer = caller.post("/echo/predict/", json={"X": [1]}, token=token, headers=origin)
        assert answer.headers["access-control-allow-origin"] == "https://page.example"
        assert answer.status_code == (401 if token is None else 200)


def test_answers_are_packed_if_the_user_says_so(serve: Serve, caller: Caller) -> None:
    serve(echo, name="echo").app.add_middleware(GZipMiddleware, minimum_size=100)
    answer = caller.post("/echo/predict", json={"X": [1] * 1000}, headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.json()["predict_result"] == [1] * 1000


def test_middleware_that_answers_itself_keeps_requests_from_the_model(serve: Serve, caller: Caller) -> None:
    endpoint = serve(echo, name="echo")

    @endpoint.app.middleware("http")
    async def closed(request: Request, call_next: Any) -> Any:
        return JSONResponse({"closed": True}, 503)

    assert caller.post("/echo/predict", json={"X": [1]}).json() == {"closed": True}
    assert endpoint.metadata()["counters"]["requests"] == 0


def test_middleware_that_fails_is_answered_in_json_and_logged(session: Session, serve: Serve, caller: Caller) -> None:
    app = serve(echo, name="echo").app

    @app.middleware("http")
    async def fails(request: Request, call_next: Any) -> Any:
        if request.headers.get("x-fail"):
            raise ValueError("secret")
        return await call_next(request)

    body = assert_error(caller.post("/echo/predict", json={"X": [1]}, headers={"x-fail": "1"}), 500, "model_failed")
    assert body["error"] == "A middleware raised ValueError."
    assert any("secret" in line for line in session.log.lines())
    assert caller.predict("/echo/predict", json={"X": [1]}) == [1]


def test_middleware_that_cannot_be_made_is_an_error_where_it_is_added(serve: Serve, caller: Caller) -> None:
    app = serve(echo, name="echo").app
    with pytest.raises(TypeError):
        app.add_middleware(Counting)
    assert app.is_plain
    assert caller.predict("/echo/predict", json={"X": [1]}) == [1]


def test_the_jupyter_servers_key_is_seen_by_no_middleware(session: Session, serve: Serve, caller: Caller) -> None:
    endpoint = serve(echo, name="echo")
    key = session.access.issue_key("echo")
    shown: list[dict[str, str]] = []

    @endpoint.app.middleware("http")
    async def looks(request: Request, call_next: Any) -> Any:
        shown.append(dict(request.headers))
        return await call_next(request)

    answer = caller.post("/echo/predict", json={"X": [1]}, token=key, headers={"x-nbserve-user": "ada"})
    assert answer.status_code == 200
    assert not any("authorization" in each or "x-nbserve-user" in each for each in shown)
    caller.post("/echo/predict", json={"X": [1]}, headers={"x-nbserve-user": "the queen"})
    assert "authorization" in shown[-1]
    assert "x-nbserve-user" not in shown[-1]


def test_middleware_is_added_under_load_without_a_failed_request(
    session: Session, serve: Serve, caller: Caller
) -> None:
    app = serve(echo, name="echo").app
    seen: list[str] = []
    with asked_all_the_time(caller, session) as (statuses, turns):
        for turn in range(5):
            app.add_middleware(Counting, seen=seen, mark=f"x-{turn}")
            app.add_exception_handler(KeyError, lambda request, error: Response("key"))
            for _ in range(12):
                assert turns.acquire(timeout=PATIENCE_S)
    assert set(statuses) == {200}
    assert seen


# --- dependencies


def test_dependencies_of_the_application_are_asked_before_models_and_routes(serve: Serve, caller: Caller) -> None:
    endpoint = serve(echo, name="echo")
    assert caller.predict("/echo/predict", json={"X": [1]}) == [1]
    left: list[str] = []

    async def paid(request: Request, x_paid: str = Header()) -> Any:
        if x_paid != "yes":
            raise HTTPException(402, "Pay first.")
        yield
        left.append(request.url.path)

    endpoint.app.router.dependencies.append(Depends(paid))
    for path in ("/echo/predict", "/echo/predict/"):
        assert caller.post(path, json={"X": [1]}, headers={"x-paid": "yes"}).json()["predict_result"] == [1]
    assert left == ["/echo/predict", "/echo/predict/"]
    refused = caller.post("/echo/predict", json={"X": [1]}, headers={"x-paid": "no"})
    assert assert_error(refused, 402, "http_402")["error"] == "Pay first."
    assert_error(caller.post("/echo/predict", json={"X": [1]}), 422, "input_invalid")
    assert_error(caller.get("/echo/metadata"), 422, "input_invalid")
    assert caller.get("/echo/metadata", headers={"x-paid": "yes"}).json()["counters"]["requests"] == 3
    assert_error(caller.get("/echo/nothing", headers={"x-paid": "yes"}), 404, "not_found")
    assert_error(caller.post("/echo/predict", json={"X": [1]}, token=None), 401, "token_missing")
    assert caller.get("/health", token=None).status_code == 200
    del endpoint.app.router.dependencies[:]
    assert caller.predict("/echo/predict", json={"X": [1]}) == [1]


def test_a_dependency_may_read_the_body_that_the_model_gets(serve: Serve, caller: Caller) -> None:
    endpoint = serve(echo, name="echo")
    bodies: list[bytes] = []

    async def reads(request: Request) -> None:
        bodies.append(await request.body())

    endpoint.app.router.dependencies.append(Depends(reads))
    assert caller.predict("/echo/predict", json={"X": [1] * 100_000}) == [1] * 100_000
    assert len(bodies[0]) > 100_000


def test_what_dependencies_ask_for_is_in_the_documents(serve: Serve, caller: Caller) -> None:
    endpoint = serve(echo, name="echo")

    def limited(limit: int = Query(description="At most.")) -> None: ...

    endpoint.app.router.dependencies += [Depends(limited), Depends(APIKeyHeader(name="x-key"))]
    for path in ("/openapi.json", "/echo/openapi.json"):
        document = caller.get(path, params={"limit": 1}, headers={"x-key": "k"}).json()
        operation = document["paths"]["/echo/predict/"]["post"]
        assert [each["name"] for each in operation["parameters"] if each["name"] == "limit"] == ["limit"]
        assert operation["security"] == [{"token": [], "APIKeyHeader": []}, {"tokenInQuery": [], "APIKeyHeader": []}]
        assert document["components"]["securitySchemes"]["APIKeyHeader"]["name"] == "x-key"


# --- exception handlers


def test_an_exception_handler_answers_for_routes_that_were_there_before(serve: Serve, caller: Caller) -> None:
    app = serve(echo, name="echo").app
    app.add_api_route("/mine", lambda: {}["missing"])
    assert_error(caller.get("/mine"), 500, "model_failed")

    @app.exception_handler(KeyError)
    async def missing(request: Request, error: Exception) -> Response:
        return JSONResponse({"missing": str(error)}, 410)

    assert (caller.get("/mine").status_code, caller.get("/mine").json()) == (410, {"missing": "'missing'"})


def test_an_exception_handler_for_errors_of_ours_answers_for_predictions_too(serve: Serve, caller: Caller) -> None:
    endpoint = serve(echo, name="echo")

    @endpoint.app.exception_handler(ModelError)
    async def failed(request: Request, error: ModelError) -> Response:
        return JSONResponse({"own": error.code, "id": error.predict_id}, 500)

    @endpoint.app.exception_handler(TokenMissing)
    def nobody(request: Request, error: TokenMissing) -> Response:
        return Response("Who are you?", 401)

    answer = caller.post("/echo/predict", json={"X": [13]})
    assert answer.json()["own"] == "model_failed"
    assert len(answer.json()["id"]) == 32
    assert caller.post("/echo/predict", json={"X": [1]}, token=None).text == "Who are you?"
    assert_error(caller.post("/echo/predict", content=b"{"), 422, "body_invalid")
    assert caller.predict("/echo/predict", json={"X": [1]}) == [1]
    assert endpoint.metadata()["counters"]["errors"] == 2


def test_a_handler_that_fails_is_told_in_json_and_one_that_is_none_changes_nothing(
    serve: Serve, caller: Caller
) -> None:
    endpoint = serve(echo, name="echo")
    for kind, handler in (("x", len), (int, len), (True, len), (ModelError, None)):
        with pytest.raises(TypeError):
            endpoint.app.add_exception_handler(kind, handler)
    endpoint.app.add_exception_handler(ModelError, lambda request, error: {}["no"])
    answer = caller.post("/echo/predict", json={"X": [13]})
    assert_error(answer, 500, "model_failed")
    assert answer.json()["error"] == "A handler of errors raised KeyError."
    assert len(answer.json()["predict_id"]) == 32
    assert caller.predict("/echo/predict", json={"X": [1]}) == [1]


def test_a_prediction_keeps_its_id_whoever_answers_for_its_error(serve: Serve, caller: Caller) -> None:
    app = serve(echo, name="echo").app
    app.add_exception_handler(ModelError, lambda request, error: JSONResponse({}, 418))
    app.add_exception_handler(InputError, lambda request, error: None)
    assert len(caller.post("/echo/predict", json={"X": [13]}).headers["x-predict-id"]) == 32
    answer = caller.post("/echo/predict", json={"Y": [1]})
    assert_error(answer, 422, "input_invalid")
    assert answer.json()["predict_id"] == answer.headers["x-predict-id"]


def test_a_handler_of_the_root_answers_for_all_errors_of_ours(serve: Serve, caller: Caller) -> None:
    app = serve(echo, name="echo").app
    app.add_exception_handler(NbserveError, lambda request, error: JSONResponse({"code": error.code}, 418))
    for answer in (caller.post("/echo/predict", content=b"{"), caller.get("/nobody/predict"), caller.get("/echo/x")):
        assert (answer.status_code, set(answer.json())) == (418, {"code"})
    assert caller.post("/echo/predict", json={"Y": 1}).json() == {"code": InputError.code}
    assert NotFound.code == "not_found"


# --- cells that are run again


def test_a_route_that_is_added_again_answers_in_the_place_of_the_old(serve: Serve, caller: Caller) -> None:
    app = serve(echo, name="echo").app
    for version in (1, 2):

        @app.get("/mine/first")
        def first(version: int = version) -> int:
            return version

        app.add_api_route("/mine/{name}", lambda name, version=version: [name, version])
        app.mount("/files", PlainTextResponse(f"files {version}"))
        assert caller.get("/mine/first").json() == version
        assert caller.get("/mine/other").json()[0] == "other"
        assert caller.get("/files/a").text == f"files {version}"
    app.add_api_route("/mine/first", lambda: "posted", methods=["POST"])
    assert (caller.get("/mine/first").json(), caller.post("/mine/first").json()) == (2, "posted")
    app.add_api_route("/health", lambda: "mine")
    assert caller.get("/health").json() == {"status": "ok"}


def test_a_router_that_is_included_again_answers_in_the_place_of_the_old(serve: Serve, caller: Caller) -> None:
    app = serve(echo, name="echo").app
    late = APIRouter()
    app.include_router(late)
    for version in (1, 2):
        router, inner = APIRouter(prefix="/mine"), APIRouter(prefix="/inner")
        inner.add_api_route("/a", lambda version=version: version)
        router.include_router(inner)
        app.include_router(router)
        assert caller.get("/mine/inner/a").json() == version
    late.add_api_route("/late", lambda: "late")
    assert caller.get("/late").json() == "late"
    with pytest.raises(Conflict, match="A route of your own begins with /mine"):
        serve(echo, name="mine")


def test_middleware_that_is_defined_again_is_in_the_place_of_the_old(serve: Serve, caller: Caller) -> None:
    app = serve(echo, name="echo").app
    cell = (
        "@app.middleware('http')\n"
        "async def told(request, call_next):\n"
        "    answer = await call_next(request)\n"
        "    answer.headers['x-told'] = answer.headers.get('x-told', '') + version\n"
        "    return answer\n"
    )
    for version in ("1", "2"):
        exec(cell, {"app": app, "version": version, "__name__": "__main__"})
    assert caller.post("/echo/predict", json={"X": [1]}).headers["x-told"] == "2"
    seen: list[str] = []
    app.add_middleware(Counting, seen=seen)
    app.add_middleware(Counting, seen=seen, mark="x-other")
    assert caller.predict("/echo/predict", json={"X": [1]}) == [1]
    assert len(seen) == 2


# --- routers


def test_a_router_with_dependencies_of_its_own_is_served_and_documented(serve: Serve, caller: Caller) -> None:
    app = serve(echo, name="echo").app
    caller.get("/docs")
    router = APIRouter(prefix="/mine", tags=["mine"], dependencies=[Depends(lambda q: q)])

    @router.get("/{number}", summary="Twice as much")
    def twice(number: int) -> int:
        return 2 * number

    app.include_router(router)
    assert caller.get("/mine/4?q=1").json() == 8
    assert_error(caller.get("/mine/4"), 422, "input_invalid")
    assert_error(caller.get("/mine/four?q=1"), 422, "input_invalid")
    operation = caller.get("/openapi.json").json()["paths"]["/mine/{number}"]["get"]
    assert (operation["summary"], operation["tags"]) == ("Twice as much", ["mine"])
