"""What a resource's methods answer, and what they raise."""

# ruff: noqa: B008 - a call as a default is how FastAPI is told

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import numpy as np
import pandas as pd
import pytest
from fastapi import Depends, HTTPException, Response
from fastapi.responses import PlainTextResponse, StreamingResponse
from pydantic import BaseModel
from sklearn.linear_model import LogisticRegression

from nbserve import ModelResource, resource_method
from nbserve.errors import Conflict
from nbserve.notebook.session import Session
from tests.client import PATIENCE_S, Caller, assert_error
from tests.conftest import Serve
from tests.resources import Loads, Scaled


class Point(BaseModel):
    x: float
    y: float | None


FRAME = pd.DataFrame({"a": [1.5, None], "b": pd.to_datetime(["2024-01-01", None])})

ANSWERS: dict[str, tuple[object, object]] = {
    "nothing": (None, None),
    "scalar": (
        {"score": np.float64(0.5), "count": np.int64(3), "is": np.bool_(True)},
        {"score": 0.5, "count": 3, "is": True},
    ),
    "array": (np.eye(2), [[1.0, 0.0], [0.0, 1.0]]),
    "nan": ([float("nan"), np.float32("inf")], [None, None]),
    "frame": (FRAME, [{"a": 1.5, "b": "2024-01-01T00:00:00"}, {"a": None, "b": None}]),
    "date": (date(2024, 2, 29), "2024-02-29"),
    "model": ([Point(x=1, y=None)], [{"x": 1.0, "y": None}]),
    "text": ("<b>", "<b>"),
    "keys": ({1: "one"}, {"1": "one"}),
}


class Answers(ModelResource):
    @resource_method("/sync/{name}/")
    def sync(self, name: str):
        return ANSWERS[name][0]

    @resource_method("/async/{name}/")
    async def awaited(self, name: str):
        return ANSWERS[name][0]

    @resource_method("/generator/")
    def generated(self):
        yield from (np.int64(1), 2)

    @resource_method("/asyncgenerator/")
    async def generated_async(self):
        for value in (1, 2):
            yield value

    @resource_method("/text/")
    def text(self):
        return PlainTextResponse("as it is", 203)

    @resource_method("/created/", methods=["PUT"], status_code=201)
    def create(self, response: Response):
        response.set_cookie("seen", "yes")
        return {"made": 1}

    @resource_method("/empty/", status_code=204)
    def empty(self):
        return None

    @resource_method("/circle/")
    def circle(self):
        return {"itself": self}

    @resource_method("/stream/")
    def stream(self, model: Scaled):
        self.is_streaming.set()

        def parts():
            yield f"{model.model} "
            assert self.may_end.wait(PATIENCE_S)
            yield str(self.component.model is model)

        return StreamingResponse(parts(), media_type="text/plain")

    @resource_method("/endless/{kind}/")
    def endless(self, kind: str):
        def flood():
            try:
                while True:
                    yield b"x" * 65536
            finally:
                self.has_ended.set()

        async def awaited_flood():
            try:
                while True:
                    yield b"x" * 65536
            finally:
                self.has_ended.set()

        return StreamingResponse(flood() if kind == "plain" else awaited_flood(), media_type="text/plain")


@pytest.mark.parametrize("how", ["sync", "async"])
@pytest.mark.parametrize("name", ANSWERS)
def test_whatever_a_method_answers_is_valid_json(serve: Serve, caller: Caller, name: str, how: str) -> None:
    serve(Answers(component=Loads()), name="m")
    answer = caller.get(f"/m/{how}/{name}")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == ANSWERS[name][1]


def test_the_other_forms_of_answers(serve: Serve, caller: Caller) -> None:
    serve(Answers(component=Loads()), name="m")
    assert caller.get("/m/generator/").json() == [1, 2]
    assert caller.get("/m/asyncgenerator/").json() == [1, 2]
    text = caller.get("/m/text/")
    assert (text.text, text.status_code) == ("as it is", 203)
    created = caller.request("PUT", "/m/created/")
    assert (created.status_code, created.json(), created.cookies["seen"]) == (201, {"made": 1}, "yes")
    assert (caller.get("/m/empty/").status_code, caller.get("/m/empty/").content) == (204, b"")
    assert_error(caller.get("/m/circle/"), 500, "output_invalid")


def test_the_model_is_leased_until_the_answer_has_been_sent(serve: Serve, caller: Caller) -> None:
    resource = Answers(component=Loads(7))
    resource.is_streaming, resource.may_end = threading.Event(), threading.Event()
    endpoint = serve(resource, name="m")
    with ThreadPoolExecutor(2) as pool:
        streamed = pool.submit(caller.get, "/m/stream/")
        assert resource.is_streaming.wait(PATIENCE_S)
        unloaded = pool.submit(endpoint.unload)
        resource.may_end.set()
        assert streamed.result().text == "7 True"
        unloaded.result(PATIENCE_S)
    assert not endpoint.loaded


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_a_stream_whose_caller_has_gone_ends_at_once_and_not_when_garbage_is_collected(
    serve: Serve, caller: Caller, kind: str
) -> None:
    resource = Answers(component=Loads())
    resource.has_ended = threading.Event()
    serve(resource, name="m")
    gc.disable()
    try:
        with caller.connect() as connection:
            connection.sendall(caller.head("GET", f"/m/endless/{kind}/"))
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        assert resource.has_ended.wait(PATIENCE_S)
    finally:
        gc.enable()


def test_routes_answer_with_and_without_slash_and_to_head(serve: Serve, caller: Caller) -> None:
    serve(Answers(component=Loads()), name="m")
    for path in ("/m/sync/text", "/m/sync/text/"):
        assert caller.get(path).json() == "<b>"
        head = caller.request("HEAD", path)
        assert (head.status_code, head.content) == (200, b"")
    refused = caller.request("DELETE", "/m/created")
    assert_error(refused, 405, "method_not_allowed")
    assert refused.headers["allow"] == "PUT"


# --- what goes wrong


LINEAR = LogisticRegression().fit([[0, 0], [1, 1]], [0, 1])


class Raises(ModelResource):
    @resource_method("/bug/")
    def bug(self):
        print("about to fail")
        raise ValueError("a secret in /home/somebody/project/code.py")

    @resource_method("/async-bug/")
    async def async_bug(self):
        raise ValueError("a secret in /home/somebody/project/code.py")

    @resource_method("/exit/")
    def leave(self):
        raise SystemExit(3)

    @resource_method("/async-exit/")
    async def async_leave(self):
        raise KeyboardInterrupt

    @resource_method("/stop/")
    def stop(self):
        raise StopIteration

    @resource_method("/http/")
    def http(self):
        raise HTTPException(418, "I am a teapot", headers={"x-tea": "yes"})

    @resource_method("/missing/")
    def missing(self):
        raise HTTPException(404)

    @resource_method("/conflict/")
    async def conflict(self):
        raise Conflict("There is one already.", "Take another name.")

    @resource_method("/number/")
    def number(self, n: int):
        return n

    @resource_method("/shape/", methods=["POST"])
    def shape(self, rows: list[list[float]]):
        return LINEAR.predict(rows)


@pytest.mark.parametrize("path", ["bug", "async-bug", "exit", "async-exit", "stop"])
def test_what_a_method_raises_is_a_500_and_its_traceback_is_in_the_log(
    serve: Serve, caller: Caller, session: Session, path: str
) -> None:
    serve(Raises(component=Loads()), name="m")
    body = assert_error(caller.get(f"/m/{path}/"), 500, "model_failed")
    assert "/home/somebody" not in str(body)
    log = "\n".join(session.registry["m"].log.lines())
    assert "Traceback" in log
    assert "test_resource_answers.py" in log
    if path == "bug":
        assert "about to fail" in log
        assert "ValueError: a secret in …/code.py" in body["error"]
    assert caller.get("/m/number/?n=1").json() == 1


def test_errors_that_mean_something_keep_their_meaning(serve: Serve, caller: Caller) -> None:
    serve(Raises(component=Loads()), name="m")
    teapot = caller.get("/m/http/")
    assert (assert_error(teapot, 418, "http_418")["error"], teapot.headers["x-tea"]) == ("I am a teapot", "yes")
    assert_error(caller.get("/m/missing/"), 404, "http_404")
    assert assert_error(caller.get("/m/conflict/"), 409, "conflict")["remedy"] == "Take another name."
    assert assert_error(caller.get("/m/number/?n=x"), 422, "input_invalid")["detail"][0]["loc"] == ["query", "n"]
    assert_error(
        caller.post("/m/shape/", content=b"{", headers={"content-type": "application/json"}), 422, "body_invalid"
    )
    assert caller.post("/m/shape/", json=[[1, 1]]).json() == [1]
    assert_error(caller.post("/m/shape/", json=[[1, 1, 1]]), 422, "input_invalid")
    assert_error(caller.get("/m/nothing/"), 404, "not_found")


def test_a_component_that_cannot_load_is_503_with_the_reason_until_it_can(serve: Serve, caller: Caller) -> None:
    class Broken(Loads):
        is_broken = True

        def load_model(self):
            if self.is_broken:
                raise OSError("the disk is away")
            super().load_model()

    class Takes(Answers):
        @resource_method("/factor/")
        async def factor(self, model: Scaled):
            return model.model

    component = Broken()
    endpoint = serve(Takes(component=component), name="m")

    @endpoint.app.get("/elsewhere")
    async def elsewhere(model=Depends(component)):
        return model.model

    for path in ("/m/factor/", "/m/factor/", "/elsewhere"):
        assert "the disk is away" in assert_error(caller.get(path), 503, "load_failed")["error"]
    assert endpoint.state == "failed"
    component.is_broken = False
    assert caller.post("/m/load/").status_code == 200
    assert caller.get("/m/factor/").json() == caller.get("/elsewhere").json() == 2
