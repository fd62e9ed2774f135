"""Requests to routes of the user's own below an endpoint: kept with those to its model, under the same rules."""

# ruff: noqa: B008 - a call as a default is how FastAPI is told

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from nbserve import ModelResource, resource_method
from nbserve.core.exchanges import KEPT_BYTES, MOST
from nbserve.notebook.session import Session
from tests.client import Caller, assert_error, handle, opened
from tests.conftest import Serve
from tests.gated import Gated
from tests.resources import Loads, Waits


class Shop(ModelResource):
    def predict(self, X):
        return [1 / each for each in X]

    def inspect(self):
        return {"inspected": True}

    def metadata(self):
        return {"looked": "at"}

    @resource_method("/score/{number}/", methods=["POST", "PUT"])
    def score(self, number: int, body: dict):
        return {"number": number, "age": 9876543210, **body}

    @resource_method("/threshold/")
    def threshold(self):
        return 0.5

    @resource_method("/says/{what}/", methods=["POST"])
    async def says(self, what: str, request: Request):
        body = await request.body()
        if what == "text":
            return PlainTextResponse(f"got {body!r}")
        if what == "created":
            return JSONResponse({"age": 9876543210, "fare": 1}, 201)
        if what == "refused":
            return JSONResponse({"age": 9876543210, "code": "busy"}, 400)
        if what == "packed":
            return Response(b"packed", headers={"content-encoding": "gzip", "content-type": "application/json"})
        if what == "nothing":
            return Response(None, 204)
        if what == "bug":
            raise RuntimeError("age 9876543210")
        if what == "exit":
            raise SystemExit
        raise HTTPException(404, "no age 9876543210")

    @resource_method("/stream/")
    async def stream(self, mib: int):
        async def chunks():
            for _ in range(16 * mib):
                yield b"x" * 65536

        return StreamingResponse(chunks(), media_type="text/plain")

    @resource_method("/unread/", methods=["POST"])
    def unread(self):
        return "unread"


@pytest.fixture(scope="module")
def shop() -> Iterator[tuple[Session, Caller]]:
    with opened() as (session, caller):
        app = handle(session, Shop(component=Loads()), {"name": "shop"}).app
        app.add_api_route("/shop/extra/{word}", lambda word: word, methods=["GET"])
        app.add_api_route("/beside", lambda: "beside")
        app.mount("/shop/files", PlainTextResponse("a file"))
        yield session, caller


def newest(caller: Caller, name: str = "shop") -> dict[str, Any]:
    told = caller.get(f"/{name}/traffic/").json()["exchanges"][0]
    found = caller.get(f"/{name}/traffic/{told['id']}/").json()
    assert told.items() <= found.items()
    return dict(found)


@pytest.mark.parametrize(
    ("verb", "path", "sent", "called"),
    [
        ("POST", "score/7/", {"a": 1}, "score/{number}"),
        ("PUT", "score/7", {"a": 1}, "PUT score/{number}"),
        ("GET", "threshold/?q=1&token=x", None, "GET threshold"),
        ("POST", "predict/", {"X": [1, 2]}, "predict"),
        ("GET", "inspect/", None, "GET inspect"),
        ("GET", "extra/more", None, "GET extra/{word}"),
        ("GET", "files/a.txt", None, "GET files"),
    ],
)
def test_what_reaches_the_users_own_code_is_kept_with_what_it_answers(
    shop: tuple[Session, Caller], verb: str, path: str, sent: Any, called: str
) -> None:
    _, caller = shop
    before = caller.get("/shop/traffic/").json()["exchanges"]
    counted = shop[0].registry["shop"].traffic.counters()["requests"]
    answer = caller.request(verb, f"/shop/{path}", json=sent)
    assert answer.status_code == 200
    told = newest(caller)
    assert told["id"] == answer.headers["x-predict-id"]
    assert (told["method"], told["status"], told["rows"], told["caller"]) == (called, 200, None, "127.0.0.1")
    assert told["answer"] == answer.text
    assert told["answer_bytes"] == len(answer.content)
    assert told["request"] == ("" if sent is None else answer.request.content.decode())
    assert told["query"] == ("q=1&token=•••" if "?" in path else "")
    assert told["request_type"] == ("" if sent is None else "application/json")
    assert told["ms"] > 0
    assert len(caller.get("/shop/traffic/").json()["exchanges"]) == len(before) + 1
    assert shop[0].registry["shop"].traffic.counters()["requests"] == counted + 1


@pytest.mark.parametrize(
    ("path", "sent", "status"),
    [
        ("says/bug/", b"1", 500),
        ("says/missing/", b"1", 404),
        ("says/refused/", b"1", 400),
        ("says/nothing/", b"1", 204),
        ("score/x/", b"{}", 422),
        ("score/7/", b"{", 422),
        ("predict/", b'{"X": [0]}', 500),
        ("predict/", b'{"Y": [0]}', 422),
    ],
)
def test_errors_are_kept_as_they_were_told(shop: tuple[Session, Caller], path: str, sent: bytes, status: int) -> None:
    _, caller = shop
    answer = caller.post(f"/shop/{path}", content=sent, headers={"content-type": "application/json"})
    told = newest(caller)
    assert (told["id"], told["status"]) == (answer.headers["x-predict-id"], status)
    assert told["answer"] == answer.text
    if status in (404, 422, 500):
        assert answer.json()["predict_id"] == told["id"]


def test_what_nobody_answers_is_kept_without_an_answer(shop: tuple[Session, Caller]) -> None:
    _, caller = shop
    assert_error(caller.post("/shop/says/exit/"), 500, "model_failed")
    assert (newest(caller)["status"], newest(caller)["method"]) == (500, "says/{what}")


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("GET", "shop/metadata/"),
        ("HEAD", "shop/metadata/"),
        ("GET", "shop/"),
        ("GET", "shop/traffic/"),
        ("GET", "shop/docs/"),
        ("GET", "shop/openapi.json"),
        ("GET", "shop/nothing/"),
        ("PUT", "shop/threshold/"),
        ("POST", "shop/load/"),
        ("GET", "beside"),
        ("GET", "health"),
    ],
)
def test_what_reaches_none_of_it_or_only_watches_is_not_kept(
    shop: tuple[Session, Caller], verb: str, path: str
) -> None:
    session, caller = shop
    before, counted = caller.get("/shop/traffic/").json(), session.registry["shop"].traffic.counters()
    answer = caller.request(verb, f"/{path}")
    assert caller.get("/shop/traffic/").json() == before
    assert session.registry["shop"].traffic.counters() == counted
    assert "x-predict-id" not in answer.headers


def test_who_was_not_let_in_is_not_kept(shop: tuple[Session, Caller]) -> None:
    _, caller = shop
    before = caller.get("/shop/traffic/").json()
    assert_error(caller.get("/shop/threshold/", token=None), 401, "token_missing")
    assert caller.get("/shop/traffic/").json() == before


def test_of_a_long_answer_its_beginning_is_kept_and_its_size(shop: tuple[Session, Caller]) -> None:
    _, caller = shop
    before = caller.get("/shop/traffic/").json()["captured_bytes"]
    assert len(caller.get("/shop/stream/?mib=2").content) == 2 * 1024**2
    told = newest(caller)
    assert told["answer_bytes"] == 2 * 1024**2
    assert told["answer"].endswith(f"\n… the first {KEPT_BYTES:,} of 2,097,152 bytes.")
    assert caller.get("/shop/traffic/").json()["captured_bytes"] - before < KEPT_BYTES + 100


def test_a_body_that_nobody_reads_is_told_by_its_size(shop: tuple[Session, Caller]) -> None:
    _, caller = shop
    assert caller.post("/shop/unread/", content=b"x" * 100).json() == "unread"
    assert (newest(caller)["request_bytes"], newest(caller)["answer"]) == (100, '"unread"')


def test_what_is_packed_or_no_text_is_told_by_its_type(shop: tuple[Session, Caller]) -> None:
    _, caller = shop
    with caller._http.stream(
        "POST", f"{shop[0].url}shop/says/packed/", headers={"authorization": f"Bearer {shop[0].access.session_token}"}
    ) as answer:
        assert answer.status_code == 200
        list(answer.iter_raw())
    assert newest(caller)["answer"] == "Not shown: 6 bytes of gzip."
    caller.post("/shop/says/text/", content=b"\x00\xff", headers={"content-type": "image/png"})
    assert newest(caller)["request"] == "Not shown: 2 bytes of image/png."
    assert newest(caller)["answer"] == "got b'\\x00\\xff'"


def test_so_many_are_kept(serve: Serve, caller: Caller) -> None:
    serve(Shop(component=Loads()), name="shop")
    idents = [caller.get("/shop/threshold/").headers["x-predict-id"] for _ in range(MOST + 1)]
    assert [each["id"] for each in caller.get("/shop/traffic/").json()["exchanges"]] == idents[:0:-1]


def test_without_capture_they_are_counted_and_none_is_kept(serve: Serve, session: Session, caller: Caller) -> None:
    serve(Shop(component=Loads()), name="shop", capture=False)
    answer = caller.get("/shop/threshold/")
    assert caller.get("/shop/traffic/").json() == {"captures": False, "captured_bytes": 0, "exchanges": []}
    assert_error(caller.get(f"/shop/traffic/{answer.headers['x-predict-id']}/"), 404, "not_found")
    assert session.registry["shop"].traffic.counters()["requests"] == 1


def test_a_ticket_is_kept_with_its_result_once_and_to_fetch_it_is_none(serve: Serve, caller: Caller) -> None:
    serve(lambda X: [1 / each for each in X], name="m")
    for divisor, status in ((1, 200), (0, 500)):
        ticket = caller.post("/m/predict/?ticket=1", json=[divisor]).json()["ticket"]
        fetched = [caller.get(f"/m/result/{ticket}/") for _ in range(2)][-1]
        told = newest(caller, "m")
        assert (told["status"], told["answer"]) == (status, fetched.text)
        assert (told["query"], told["id"]) == ("ticket=1", fetched.headers["x-predict-id"])
    assert len(caller.get("/m/traffic/").json()["exchanges"]) == 2


def test_a_ticket_that_is_taken_back_is_kept_as_one_who_hung_up(serve: Serve, caller: Caller, gated: Gated) -> None:
    serve(gated, name="m")
    running, waiting = (caller.post("/m/predict/?ticket=1", json=[1]).json()["ticket"] for _ in range(2))
    assert gated.is_inside.wait(20)
    for ticket in (running, waiting):
        caller.request("DELETE", f"/m/result/{ticket}/")
    while len(kept := caller.get("/m/traffic/").json()["exchanges"]) < 2:
        pass
    assert [each["status"] for each in kept] == [408, 408]


def test_a_stream_that_its_caller_leaves_is_kept_when_it_has_ended(serve: Serve, caller: Caller) -> None:
    class Endless(ModelResource):
        @resource_method("/events/")
        async def events(self):
            async def told():
                while True:
                    yield "data: x\n\n"
                    await asyncio.sleep(0.01)

            return StreamingResponse(told(), media_type="text/event-stream")

    serve(Endless(component=Loads()), name="m")
    with caller.connect() as connection:
        connection.sendall(caller.head("GET", "/m/events/"))
        assert b"200 OK" in connection.recv(65536)
        assert caller.get("/m/traffic/").json()["exchanges"] == []
    while not caller.get("/m/traffic/").json()["exchanges"]:
        pass
    told = newest(caller, "m")
    assert (told["status"], told["answer"].startswith("data: x")) == (200, True)


def test_requests_behind_dependencies_are_kept_once_they_are_let_on(
    serve: Serve, session: Session, caller: Caller
) -> None:
    async def reads(request: Request) -> None:
        await request.body()
        if "x-hat" not in request.headers:
            raise HTTPException(401)

    serve(Shop(component=Loads()), name="shop")
    session.app.router.dependencies.append(Depends(reads))
    assert caller.post("/shop/score/1/", json={"a": 1}).status_code == 401
    assert caller.get("/shop/traffic/", headers={"x-hat": "on"}).json()["exchanges"] == []
    answer = caller.post("/shop/score/1/", json={"a": 1}, headers={"x-hat": "on"})
    assert_error(caller.post("/shop/says/bug/", headers={"x-hat": "on"}), 500, "model_failed")
    kept = caller.get("/shop/traffic/", headers={"x-hat": "on"}).json()["exchanges"]
    assert [(each["method"], each["status"]) for each in kept] == [("says/{what}", 500), ("score/{number}", 200)]
    told = caller.get(f"/shop/traffic/{kept[1]['id']}/", headers={"x-hat": "on"}).json()
    assert (json.loads(told["request"]), told["answer"]) == ({"a": 1}, answer.text)


@pytest.mark.parametrize("how", ["directly", "by a router", "through another"])
def test_a_route_beside_the_endpoint_that_is_given_its_model_is_kept_there(
    serve: Serve, session: Session, caller: Caller, how: str
) -> None:
    component, other = Loads(3), Loads(4)
    serve(Shop(component=component), name="shop")
    serve(Shop(component=other), name="other")

    async def nested(model=Depends(component)):
        return model

    def average(word: str, model=Depends(nested if how == "through another" else component)):
        return model.model / len(word)

    if how == "by a router":
        router = APIRouter(prefix="/mine")
        router.add_api_route("/average/{word}", average)
        session.app.include_router(router)
    else:
        session.app.add_api_route("/mine/average/{word}", average)
    session.app.add_api_route("/mine/own", lambda: "no model")
    assert caller.get("/mine/average/abc").json() == 1
    assert caller.get("/mine/own").json() == "no model"
    told = newest(caller)
    assert (told["method"], told["status"], told["answer"]) == ("GET /mine/average/{word}", 200, "1.0")
    assert told["caller"] == "127.0.0.1"
    assert len(caller.get("/shop/traffic/").json()["exchanges"]) == 1
    assert session.registry["shop"].traffic.counters()["requests"] == 1
    assert session.registry["shop"].traffic.counters()["in_flight"] == 0
    assert caller.get("/other/traffic/").json()["exchanges"] == []


def test_what_a_router_adds_below_an_endpoint_is_called_as_it_was_declared(
    serve: Serve, session: Session, caller: Caller
) -> None:
    serve(Shop(component=Loads()), name="shop", mask="age")
    router = APIRouter()
    router.add_api_route("/of/{age}", lambda age: {"age": age})
    session.app.include_router(router, prefix="/shop")
    assert caller.get("/shop/of/37").json() == {"age": "37"}
    told = newest(caller)
    assert told["method"] == "GET of/{age}"
    assert json.loads(told["answer"]) == {"age": "•••"}


# --- masked


@pytest.fixture(scope="module")
def masked() -> Iterator[Caller]:
    with opened() as (session, caller):
        session.serve(Shop(component=Loads()), {"name": "shop", "mask": "age"})
        yield caller


@pytest.mark.parametrize(
    ("path", "sent", "request_kept", "answer_kept"),
    [
        (
            "score/7/",
            b'{"age": 9876543210, "fare": 1}',
            {"age": "•••", "fare": 1},
            {"number": 7, "age": "•••", "fare": 1},
        ),
        ("score/7/", b'{"AGE": 9876543210, "in": [{"age": 9876543210}]}', {"AGE": "•••", "in": [{"age": "•••"}]}, None),
        ("says/created/", b'{"age": 9876543210}', {"age": "•••"}, {"age": "•••", "fare": 1}),
        ("says/refused/", b'{"age": 9876543210}', {"age": "•••"}, ...),
        ("says/text/", b"age 9876543210", ..., ...),
        ("says/text/", b'["age", 9876543210]', "•••", ...),
        ("predict/?age=9876543210", b'{"X": [9876543210], "age": 9876543210}', {"X": ["•••"], "age": "•••"}, None),
    ],
)
def test_marked_fields_are_masked(masked: Caller, path: str, sent: bytes, request_kept: Any, answer_kept: Any) -> None:
    masked.post(f"/shop/{path}", content=sent, headers={"content-type": "application/json"})
    told = newest(masked)
    assert "9876543210" not in told["request"] + told["answer"] + told["query"] + told["method"]
    for text, expected in ((told["request"], request_kept), (told["answer"], answer_kept)):
        if expected is ...:
            assert text.startswith("Not shown:")
        elif expected == "•••":
            assert "•••" in text
        elif expected is not None:
            assert json.loads(text) == expected


@pytest.mark.parametrize("path", ["says/bug/", "says/missing/", "score/9876543210/"])
def test_the_words_of_errors_are_masked(masked: Caller, path: str) -> None:
    answer = masked.post(f"/shop/{path}", content=b"9876543210", headers={"content-type": "application/json"})
    told = newest(masked)
    assert "9876543210" not in told["answer"] + told["method"]
    assert json.loads(told["answer"])["code"] == answer.json()["code"]
    assert told["status"] == answer.status_code


def test_what_is_too_large_to_look_through_is_not_kept(masked: Caller) -> None:
    masked.post("/shop/says/text/", content=b'"' + b"33" * KEPT_BYTES + b'"', headers={"content-type": "text/plain"})
    assert newest(masked)["request"].startswith(f"Not shown: {2 * KEPT_BYTES + 2:,} bytes")


# --- memory


def test_nothing_that_is_kept_or_in_flight_holds_the_resource_when_it_is_gone(
    serve: Serve, session: Session, caller: Caller
) -> None:
    resource = Waits(Loads())
    resource.may_leave.set()
    watched = weakref.ref(resource)
    serve(resource, name="m")
    assert caller.get("/m/slow/").json() == "slow"
    exchanges = session.registry["m"].exchanges
    assert exchanges is not None
    session.unserve("m")
    del resource
    for _ in range(200):
        gc.collect()
        if watched() is None:
            break
        caller.get("/health")
    assert watched() is None
    assert len(exchanges.lines()) == 1
