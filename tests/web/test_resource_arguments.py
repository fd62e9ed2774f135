"""What a resource's methods may take: all that FastAPI injects, the component, and its model.

The annotations of this module are text, as those of many notebooks: they are found wherever they were defined.
"""

# ruff: noqa: B008 - a call as a default is how FastAPI is told

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import pytest
from fastapi import BackgroundTasks, Body, Cookie, Depends, Header, Query, Request, Response
from pydantic import BaseModel

from nbserve import Model, ModelComponent, ModelResource, resource_method
from nbserve.errors import ModelRefused
from nbserve.web.resources import resource_of
from nbserve.web.resources.bridge import Bridge
from tests.client import Caller, assert_error
from tests.conftest import Serve


class Scaled(Model):
    pass


class Loads(ModelComponent):
    def __init__(self, factor: int = 2) -> None:
        self.factor = factor

    def load_model(self) -> None:
        self.model = Scaled(self.factor)

    def resolve(self) -> Scaled | None:
        if self.model is None:
            self.load_model()
        return self.model


class Untold(ModelComponent):
    """It does not say what it resolves to."""

    def load_model(self):
        return Scaled(3)


class Item(BaseModel):
    name: str
    count: int = 1


@dataclass
class Pair:
    left: int
    right: int


class Paging:
    def __init__(self, limit: int = 10) -> None:
        self.limit = limit


def doubled(number: int) -> int:
    return 2 * number


async def opened() -> AsyncIterator[str]:
    yield "opened"


class Takes(ModelResource):
    """Each method answers what it was given."""

    noted: Any = None

    @resource_method("/path/{number}/{word}/")
    def path(self, number: int, word: str):
        return [number, word]

    @resource_method("/rest/{rest:path}")
    def rest(self, rest: str):
        return rest

    @resource_method("/query/")
    def query(self, a: int, b: float | None = None, c: Annotated[list[str], Query(alias="d")] = ()):
        return [a, b, list(c)]

    @resource_method("/body/", methods=["POST"])
    def body(self, item: Item, pair: Pair):
        return [item.count, pair.right]

    @resource_method("/one/", methods=["POST"])
    async def one(self, item: Item):
        return item

    @resource_method("/parts/", methods=["POST"])
    def parts(self, rows: list[list[float]] = Body(embed=True), k: int = Body(3)):
        return [rows, k]

    @resource_method("/heads/")
    def heads(self, x_thing: str = Header(), seen: str | None = Cookie(None)):
        return [x_thing, seen]

    @resource_method("/request/")
    async def request(self, request: Request):
        return [request.method, request.path_params, request.query_params["q"]]

    @resource_method("/raw/", methods=["POST"])
    async def raw(self, request: Request):
        return len(await request.body())

    @resource_method("/stream/", methods=["POST"])
    async def stream(self, request: Request):
        is_gone = await request.is_disconnected()
        return [is_gone, sum([len(chunk) async for chunk in request.stream()])]

    @resource_method("/depends/")
    def depends(
        self, twice: int = Depends(doubled), paging: Paging = Depends(), text: Annotated[str, Depends(opened)] = ""
    ):
        return [twice, paging.limit, text]

    @resource_method("/later/")
    def later(self, tasks: BackgroundTasks):
        tasks.add_task(self.note, "done")
        return "soon"

    def note(self, text: str) -> None:
        self.noted = text

    @resource_method("/status/")
    def status(self, response: Response):
        response.status_code = 202
        response.headers["x-mine"] = "1"

    @resource_method("/component/")
    def take_component(self, component: Loads, any_component: ModelComponent):
        return [component.factor, component is any_component is self.component]

    @resource_method("/model/")
    def take_model(self, first: Scaled, second: Model):
        return [first.model, first is second]

    @resource_method("/async-model/")
    async def take_model_async(self, q: int, model: Scaled):
        return q * model.model

    @resource_method("/odd/", methods=["POST"])
    def odd(self, number: int, /, *rest: int, item: Item, **others: Any):
        return [number, item.name, rest, others]

    @staticmethod
    @resource_method("/static/")
    def static(number: int):
        return number

    @classmethod
    @resource_method("/class/")
    def of_class(cls, number: int):
        return [cls.__name__, number]

    @resource_method("/get/", methods=["GET"])
    @resource_method("/post/", methods=["POST", "PUT"])
    def both(self):
        return "both"


ANSWERS: list[tuple[str, dict[str, Any], Any]] = [
    ("GET /path/3/abc", {}, [3, "abc"]),
    ("GET /rest/a/b/c", {}, "a/b/c"),
    ("GET /query/?a=1&b=2.5&d=x&d=y", {}, [1, 2.5, ["x", "y"]]),
    ("GET /query?a=1", {}, [1, None, []]),
    ("POST /body/", {"json": {"item": {"name": "n", "count": 4}, "pair": {"left": 1, "right": 2}}}, [4, 2]),
    ("POST /one/", {"json": {"name": "n"}}, {"name": "n", "count": 1}),
    ("POST /parts/", {"json": {"rows": [[1]], "k": 5}}, [[[1.0]], 5]),
    ("GET /heads/", {"headers": {"x-thing": "t", "cookie": "seen=yes"}}, ["t", "yes"]),
    ("GET /request/?q=1", {}, ["GET", {}, "1"]),
    ("POST /raw/", {"content": b"x" * 300_000}, 300_000),
    ("POST /stream/", {"content": b"x" * 300_000}, [False, 300_000]),
    ("GET /depends/?number=4&limit=7", {}, [8, 7, "opened"]),
    ("GET /component/", {}, [2, True]),
    ("GET /model/", {}, [2, True]),
    ("GET /async-model/?q=4", {}, 8),
    ("POST /odd/?number=1", {"json": {"name": "n"}}, [1, "n", [], {}]),
    ("GET /static/?number=1", {}, 1),
    ("GET /class/?number=1", {}, ["Takes", 1]),
    ("GET /get/", {}, "both"),
    ("POST /post/", {}, "both"),
    ("PUT /post/", {}, "both"),
]


@pytest.mark.parametrize(("line", "sent", "expected"), ANSWERS, ids=[each[0] for each in ANSWERS])
def test_a_method_takes_what_fastapi_injects_and_its_model(
    serve: Serve, caller: Caller, line: str, sent: dict[str, Any], expected: Any
) -> None:
    serve(Takes(component=Loads()), name="m")
    verb, _, path = line.partition(" ")
    answer = caller.request(verb, f"/m{path}", **sent)
    assert answer.status_code == 200, answer.text
    assert answer.json() == expected


def test_work_may_be_left_for_later_and_the_response_changed(serve: Serve, caller: Caller) -> None:
    resource = Takes(component=Loads())
    serve(resource, name="m")
    changed = caller.get("/m/status/")
    assert (changed.status_code, changed.headers["x-mine"], changed.json()) == (202, "1", None)
    assert caller.get("/m/later/").json() == "soon"
    assert caller.get("/m/query/?a=1").status_code == 200  # the connection is free once the work is done
    assert resource.noted == "done"


def test_the_component_can_be_asked_for_as_fastapi_does(serve: Serve, caller: Caller) -> None:
    component_ = Loads(7)

    class Asks(ModelResource):
        component = component_

        @resource_method("/default/")
        def default(self, model: Scaled = Depends(component_)):
            return model.model

        @resource_method("/annotated/")
        async def annotated(self, model: Annotated[Scaled, Depends(component_)]):
            return model.model

        @resource_method("/shortest/")
        def shortest(self, model: Scaled = Depends(), same: Annotated[Scaled, "the same"] = None):
            return [model.model, same is model]

    serve(Asks, name="m")
    assert caller.get("/m/default/").json() == caller.get("/m/annotated/").json() == 7
    assert caller.get("/m/shortest/").json() == [7, True]


def test_a_component_that_does_not_say_what_it_resolves_to_gives_any_kind_of_model(
    serve: Serve, caller: Caller
) -> None:
    class Asks(ModelResource):
        component = Untold()

        @resource_method("/model/")
        def take(self, model: Scaled):
            return model.model

    serve(Asks, name="m")
    assert caller.get("/m/model/").json() == 3


def test_annotations_may_name_what_is_local_to_a_function(serve: Serve, caller: Caller) -> None:
    class Local(Model):
        pass

    class Row(BaseModel):
        x: int

    class LocalComponent(ModelComponent):
        def load_model(self) -> None:
            self.model = Local(4)

        def resolve(self) -> Local:
            if self.model is None:
                self.load_model()
            return self.model

    class Takes(ModelResource):
        component = LocalComponent()

        @resource_method("/rows/", methods=["POST"])
        def rows(self, rows: list[Row], model: Local, component: LocalComponent):
            return [rows[0].x, model.model, component is self.component]

        def predict(self, rows: list[Row]):
            return rows[0].x

    serve(Takes, name="m")
    assert caller.post("/m/rows/", json=[{"x": 1}]).json() == [1, 4, True]
    assert caller.post("/m/predict/", json=[{"x": 2}]).json() == 2


def test_annotations_are_found_in_the_notebooks_namespace(serve: Serve, caller: Caller) -> None:
    cell = """
from __future__ import annotations
from nbserve import ModelComponent, ModelResource, resource_method
from pydantic import BaseModel

class Loads(ModelComponent):
    def load_model(self):
        return "the model"
    def resolve(self) -> Loaded:
        return Loaded()

class Row(BaseModel):
    x: int

class Resource(ModelResource):
    component = Loads()

    @resource_method("/row/", methods=["POST"])
    def row(self, row: Row, model: Loaded):
        return [row.x, type(model).__name__]

class Loaded:
    def predict(self, X):
        return X
"""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(cell, namespace)
    serve(namespace["Resource"], name="m")
    assert caller.post("/m/row/", json={"x": 1}).json() == [1, "Loaded"]


def test_arguments_of_an_overriding_method_are_parts_of_the_body(serve: Serve, caller: Caller) -> None:
    class Overrides(ModelResource):
        def predict(self, rows, k: int = 2):
            return [rows, k]

    serve(Overrides(component=Loads()), name="m")
    assert caller.post("/m/predict/?k=3", json={"rows": [[1]]}).json() == [[[1]], 3]
    body = assert_error(caller.post("/m/predict/", json={"row": 1}), 422, "input_invalid")
    assert body["detail"][0]["loc"] == ["body", "rows"]


def _refused(annotation: Any) -> str:
    class Odd(ModelResource):
        component = Loads()

        def score(self, rows, *, k=1):
            return rows

    Odd.score.__annotations__["rows"] = annotation
    Odd.score = resource_method("/score/", methods=["POST"])(Odd.score)
    with pytest.raises(ModelRefused) as refusal:
        resource_of(Odd)
    return str(refusal.value)


class Elsewhere(ModelComponent):
    pass


@pytest.mark.parametrize(
    ("annotation", "says"),
    [
        (np.ndarray, "Odd.score takes rows: ndarray, which no request can carry. Use JSON types"),
        ("Missing", "The annotations of Odd.score cannot be read: NameError: name 'Missing' is not defined."),
        ("no type", "The annotations of Odd.score cannot be read: SyntaxError"),
        (Elsewhere, "Odd.score takes rows: Elsewhere, which no request can carry."),
        (type("OtherModel", (Model,), {}), "Odd.score takes rows: OtherModel, which no request can carry."),
    ],
    ids=["array", "unknown", "no annotation", "another component", "another model"],
)
def test_what_cannot_be_injected_is_refused_with_a_sentence(annotation: Any, says: str) -> None:
    assert _refused(annotation).startswith(says)


def test_a_receive_that_is_given_up_loses_no_message() -> None:
    async def main() -> list[Any]:
        arrived = asyncio.Event()

        async def receive() -> Any:
            await arrived.wait()
            return {"type": "http.request", "body": b"all"}

        async def send(message: Any) -> None:
            raise AssertionError(message)

        bridge = Bridge(receive, send)

        def elsewhere() -> list[Any]:
            async def ask() -> list[Any]:
                given_up = asyncio.ensure_future(bridge.receive())
                await asyncio.sleep(0)
                given_up.cancel()
                home.call_soon_threadsafe(arrived.set)
                return [(await bridge.receive())["body"], given_up.cancelled()]

            return asyncio.run(ask())

        home = asyncio.get_running_loop()
        return await asyncio.to_thread(elsewhere)

    assert asyncio.run(main()) == [b"all", True]
