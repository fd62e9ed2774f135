"""Many calls of resources at once: what is slow keeps nobody else waiting, and nothing is held when it is over."""

# ruff: noqa: B008 - a call as a default is how FastAPI is told

import asyncio
import gc
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi import BackgroundTasks, Depends, Request

from nbserve import ModelResource, resource_method
from nbserve.core.custom import component_of
from nbserve.notebook.session import Session
from tests.client import PATIENCE_S, Caller, assert_error
from tests.conftest import Serve
from tests.resources import Loads, Scaled, Scores, Waits


@pytest.fixture
def waits(serve: Serve) -> Iterator[Waits]:
    resource = Waits(Loads())
    serve(resource, name="slow")
    yield resource
    resource.may_leave.set()


@pytest.mark.parametrize("path", ["slow", "slow-async"])
def test_slow_methods_of_one_endpoint_keep_no_other_waiting(
    session: Session, serve: Serve, caller: Caller, waits: Waits, path: str
) -> None:
    serve(Waits(Loads()), name="other")
    others = Caller(session)
    with ThreadPoolExecutor(100) as pool:
        calls = [pool.submit(others.get, f"/slow/{path}/") for _ in range(100)]
        assert waits.entered.acquire(timeout=PATIENCE_S)
        assert caller.get("/health").status_code == 200
        assert caller.get("/other/quick/").json() == "quick"
        assert caller.get("/slow/").status_code == 200
        assert caller.predict("/slow/predict/", json=[1]) == [2]
        assert not any(call.done() for call in calls)
        waits.may_leave.set()
        assert [call.result(PATIENCE_S).json() for call in calls] == ["slow"] * 100
    others.close()


def test_methods_that_wait_for_the_end_of_leases_do_not_keep_them_from_ending(caller: Caller, waits: Waits) -> None:
    with ThreadPoolExecutor(40) as pool:
        held = [pool.submit(caller.get, "/slow/held/")]
        assert waits.entered.acquire(timeout=PATIENCE_S)
        drops = [pool.submit(caller.get, "/slow/drop/") for _ in range(20)]
        assert waits.entered.acquire(timeout=PATIENCE_S)
        held += [pool.submit(caller.get, "/slow/held/") for _ in range(10)]
        waits.may_leave.set()
        assert [call.result(PATIENCE_S).json() for call in held] == [2] * 11
        assert all(call.result(PATIENCE_S).status_code == 200 for call in drops)


def test_a_coroutine_that_waits_for_the_end_of_leases_keeps_none_from_ending(serve: Serve, caller: Caller) -> None:
    component = Loads()

    async def nested(model=Depends(component)):
        return model

    class Coroutines(ModelResource):
        def __init__(self, component: Loads):
            self.component = component
            self.is_held = threading.Event()
            self.is_dropping = threading.Event()

        @resource_method("/held/")
        async def held(self, model=Depends(nested)):
            self.is_held.set()
            assert await asyncio.to_thread(self.is_dropping.wait, PATIENCE_S)
            while not component_of(component).is_unloading:  # noqa: ASYNC110 - nobody tells when an unload waits
                await asyncio.sleep(0)
            return model.model

        @resource_method("/drop/")
        async def drop(self):
            self.is_dropping.set()
            self.component.unload_model()

    resource = Coroutines(component)
    serve(resource, name="m")
    with ThreadPoolExecutor(2) as pool:
        held = pool.submit(caller.get, "/m/held/")
        assert resource.is_held.wait(PATIENCE_S)
        dropped = pool.submit(caller.get, "/m/drop/")
        assert held.result(PATIENCE_S).json() == 2
        assert dropped.result(PATIENCE_S).status_code == 200
    assert component.model is None


def test_the_model_of_a_call_cannot_be_unloaded_by_it(serve: Serve, caller: Caller) -> None:
    class Stubborn(ModelResource):
        @resource_method("/sync/")
        def sync(self, model: Scaled):
            self.component.unload_model()

        @resource_method("/async/")
        async def awaited(self, model: Scaled):
            self.component.unload_model()

    serve(Stubborn(component=Loads()), name="m")
    for path in ("/m/sync/", "/m/async/"):
        assert_error(caller.get(path), 409, "conflict")


def test_a_load_runs_once_however_many_ask(serve: Serve, caller: Caller) -> None:
    may_load = threading.Event()

    class Slow(Loads):
        def load_model(self):
            assert may_load.wait(PATIENCE_S)
            super().load_model()

    class Takes(ModelResource):
        @resource_method("/sync/")
        def sync(self, model: Scaled):
            return model.model

        @resource_method("/async/")
        async def awaited(self, model: Scaled):
            return model.model

        @resource_method("/own/")
        def own(self):
            return self.model.model

    component = Slow()
    serve(Takes(component=component), name="m")
    with ThreadPoolExecutor(12) as pool:
        calls = [pool.submit(caller.get, f"/m/{path}/") for path in ("sync", "async", "own") * 4]
        assert caller.get("/health").status_code == 200
        may_load.set()
        assert [call.result(PATIENCE_S).json() for call in calls] == [2] * 12
    assert component.loads == 1


def test_resources_come_and_go_while_others_are_served(serve: Serve, caller: Caller, waits: Waits) -> None:
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(caller.get, "/slow/slow/")
        assert waits.entered.acquire(timeout=PATIENCE_S)
        for number in range(10):
            endpoint = serve(Scores(component=Loads(number)), name="m")
            assert caller.post("/m/score/").json() == {"score": number}
            if number % 2:
                endpoint.stop()
                assert_error(caller.post("/m/score/"), 404, "not_found")
        waits.may_leave.set()
        assert slow.result(PATIENCE_S).json() == "slow"


def test_a_request_in_flight_ends_well_though_its_endpoint_is_gone(
    session: Session, caller: Caller, waits: Waits
) -> None:
    with ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(caller.get, f"/slow/{path}/") for path in ("slow", "held")]
        for _ in calls:
            assert waits.entered.acquire(timeout=PATIENCE_S)
        session.unserve("slow")
        waits.may_leave.set()
        assert [call.result(PATIENCE_S).json() for call in calls] == ["slow", 2]


def test_nothing_holds_a_resource_nor_its_model_when_it_is_gone(session: Session, caller: Caller) -> None:
    class Plain(ModelResource):
        @resource_method("/plain/")
        def plain(self):
            return "plain"

    class Holds(Plain):
        @resource_method("/nested/")
        def nested(self, request: Request, tasks: BackgroundTasks, factor: int, model: Scaled, also=Depends(_noted)):
            super().plain()  # so that the method holds its class
            raise RuntimeError(f"{factor} {model}")

    component = Holds.component = Loads()
    resource = Holds()
    session.serve(resource, {"name": "m"})
    assert_error(caller.get("/m/nested/?factor=1"), 500, "model_failed")
    assert caller.get("/m/plain/").json() == "plain"
    assert caller.get("/openapi.json").status_code == 200
    watched = [weakref.ref(resource), weakref.ref(component), weakref.ref(component.model)]
    session.unserve("m")
    del resource, component, Holds, Plain
    _until_released(watched)


def _noted(request: Request) -> str:
    return request.url.path


def _until_released(watched: list[weakref.ref]) -> None:
    """Threads that have just done with an object let go of it in their own time."""
    ended = threading.Event()
    for _ in range(200):
        gc.collect()
        if all(each() is None for each in watched):
            return
        ended.wait(0.01)
    assert [each() for each in watched] == [None] * len(watched)


def test_middleware_of_the_users_own_goes_around_resources(serve: Serve, caller: Caller, session: Session) -> None:
    @session.app.middleware("http")
    async def marked(request: Request, call_next):
        response = await call_next(request)
        response.headers["x-marked"] = request.method
        return response

    class Echoes(ModelResource):
        @resource_method("/echo/", methods=["POST"])
        async def echo(self, request: Request):
            return len(await request.body())

    serve(Echoes(component=Loads()), name="m")
    answer = caller.post("/m/echo/", content=b"x" * 200_000)
    assert (answer.json(), answer.headers["x-marked"]) == (200_000, "POST")


def test_calls_are_counted_and_looks_are_not(serve: Serve, caller: Caller, session: Session) -> None:
    class Counts(ModelResource):
        def metadata(self):
            return {}

        def predict(self, X):
            return [1 / value for value in X]

        @resource_method("/score/{number}/", methods=["POST"])
        def score(self, number: int):
            return number

    serve(Counts(component=Loads()), name="m")
    assert caller.get("/m/metadata/").status_code == 200
    assert caller.post("/m/score/3/").json() == 3
    assert caller.post("/m/predict/", json={"X": [1]}).json() == [1.0]
    assert_error(caller.post("/m/predict/", json={"X": [0]}), 500, "model_failed")
    assert_error(caller.post("/m/predict/", json={"Y": [0]}), 422, "input_invalid")
    assert session.registry["m"].traffic.counters() == {"requests": 4, "errors": 2, "rows": 0, "in_flight": 0}
