"""A call over HTTP: what it may look like, what it comes to, and that none waits for another."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from nbserve.core.codecs import to_plain
from nbserve.core.component import Component
from nbserve.errors import Busy
from nbserve.notebook.session import Session
from tests.client import PATIENCE_S, Caller, assert_error, handle, opened
from tests.conftest import Serve
from tests.gated import Gated
from tests.models import text_pipeline
from tests.sources import Remembered

FRAME = pd.DataFrame({"age": [20.0, 30.0, 40.0], "fare": [1.0, 2.0, 4.0], "size": [0.5, 0.1, 0.9]})
RECORDS = FRAME.head(2).to_dict("records")


def fitted() -> LinearRegression:
    return LinearRegression().fit(FRAME, [1.0, 5.0, 2.0])


EXPECTED = fitted().predict(FRAME.head(2)).tolist()


@pytest.fixture(scope="module")
def shop() -> Iterator[tuple[Session, Caller]]:
    with opened() as (session, caller):
        session.serve(fitted(), {"name": "house"})
        session.serve(arguments, {"name": "arguments"})
        session.serve(echo, {"name": "echo"})
        session.serve(text_pipeline(), {"name": "texts"})
        yield session, caller


@pytest.fixture
def user(shop: tuple[Session, Caller]) -> Caller:
    return shop[1]


def echo(X):
    return X


def arguments(a: int, b: int = 2, *, c: str = "c") -> str:
    return f"{a} {b} {c}"


# --- forms


FORMS: dict[str, Any] = {
    "records": {"X": RECORDS},
    "records, shuffled": {"X": [dict(sorted(row.items(), reverse=True)) for row in RECORDS]},
    "records, each in an order of its own": {"X": [RECORDS[0], dict(reversed(RECORDS[1].items()))]},
    "lists": {"X": FRAME.head(2).to_numpy().tolist()},
    "columns": {"X": FRAME.head(2).to_dict("list")},
    "columns, shuffled": {"X": FRAME.head(2)[["size", "age", "fare"]].to_dict("list")},
    "bare records": RECORDS,
    "bare lists": FRAME.head(2).to_numpy().tolist(),
    **{f"as {alias}": {alias: RECORDS} for alias in ("x", "input", "inputs", "instances", "data_for_predict")},
}


@pytest.mark.parametrize("form", FORMS)
def test_rows_in_any_form_and_order_give_the_same_answer(user: Caller, form: str) -> None:
    assert user.predict("/house/predict", json=FORMS[form]) == EXPECTED


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "APPLICATION/JSON",
        "application/json;charset=utf-8",
        'application/json; charset="UTF-8"; profile=x',
        "application/vnd.api+json",
        "text/json",
        None,
    ],
)
def test_json_is_read_whatever_it_is_called(user: Caller, content_type: str | None) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    assert user.predict("/echo/predict", content='{"X": ["é"]}'.encode(), headers=headers) == ["é"]


def test_arguments_go_by_name_and_the_rest_have_their_defaults(user: Caller) -> None:
    assert user.predict("/arguments/predict", json={"a": 1}) == "1 2 c"
    assert user.predict("/arguments/predict", json={"c": "x", "b": 3, "a": 1}) == "1 3 x"
    body = assert_error(user.post("/arguments/predict", json={"b": 1, "d": 1}), 422, "input_invalid")
    assert [fault["loc"] for fault in body["detail"]] == [["d"], ["a"]]


def test_every_answer_has_an_id_of_its_own(user: Caller) -> None:
    answers = [user.post("/echo/predict", json={"X": [1]}) for _ in range(3)]
    answers += [user.post("/echo/predict", content=b"{") for _ in range(3)]
    ids = [answer.headers["x-predict-id"] for answer in answers]
    assert len(set(ids)) == 6
    assert [answer.json()["predict_id"] for answer in answers[3:]] == ids[3:]


def test_the_answer_is_json_and_nothing_else(user: Caller) -> None:
    answer = user.post("/house/predict", json={"X": RECORDS})
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"predict_result": EXPECTED}
    assert list(answer.json()) == ["predict_result"]


def test_requests_errors_and_rows_are_counted(serve: Serve, caller: Caller) -> None:
    serve(echo, name="echo")
    caller.predict("/echo/predict", json={"X": [[1], [2]]})
    caller.post("/echo/predict", content=b"{")
    caller.post("/echo/predict", content=b"{}", headers={"content-type": "text/plain"})
    caller.post("/echo/predict", json={"X": [[1]]}, token=None)
    counters = caller.get("/echo/metadata").json()["counters"]
    assert {name: counters[name] for name in ("requests", "errors", "rows", "in_flight")} == {
        "requests": 3,
        "errors": 2,
        "rows": 2,
        "in_flight": 0,
    }


# --- what models do


async def awaited(X):
    await asyncio.sleep(0)
    return X


def before_awaited(X):
    return awaited(X)


def generated(X):
    yield from X


async def generated_slowly(X):
    for value in X:
        await asyncio.sleep(0)
        yield value


class Asynchronous:
    async def predict(self, X):
        return X

    async def __aenter__(self):
        return self


class AsynchronousCall:
    async def __call__(self, X):
        return X


@pytest.mark.parametrize(
    "model",
    [awaited, before_awaited, lambda X: awaited(X), generated, generated_slowly, Asynchronous(), AsynchronousCall()],
    ids=["async", "before async", "lambda", "generator", "async generator", "async method", "async call"],
)
def test_whatever_way_a_model_answers_its_values_arrive(shop: tuple[Session, Caller], model: Any) -> None:
    session, user = shop
    session.serve(model, {"name": "model"})
    assert user.predict("/model/predict", json={"X": [1, 2]}) == [1, 2]


def raising(error: BaseException) -> Callable[[Any], Any]:
    def model(X):
        raise error

    return model


def raising_async(error: BaseException) -> Callable[[Any], Any]:
    async def model(X):
        raise error

    return model


def raising_late(error: BaseException) -> Callable[[Any], Any]:
    def model(X):
        yield 1
        raise error

    return model


def raising_late_async(error: BaseException) -> Callable[[Any], Any]:
    async def model(X):
        yield 1
        raise error

    return model


class Speechless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even this")


FAULTS = [
    ValueError("X has 3 features, but I expect 4"),
    TypeError(),
    KeyError("age"),
    SystemExit(1),
    KeyboardInterrupt(),
    StopIteration(),
    StopAsyncIteration(),
    GeneratorExit(),
    asyncio.CancelledError(),
    TimeoutError(),
    MemoryError(),
    BaseException("bare"),
    ValueError("\ud800 \x00 \r\n <b>"),
    Speechless(),
    ExceptionGroup("many", [ValueError("one")]),
]


@pytest.mark.parametrize("way", [raising, raising_async, raising_late, raising_late_async])
def test_whatever_a_model_raises_is_500_and_the_server_lives(
    shop: tuple[Session, Caller], way: Callable[[BaseException], Any]
) -> None:
    session, user = shop
    for error in FAULTS:
        endpoint = handle(session, way(error), {"name": "model"})
        answer = user.post("/model/predict", json={"X": [1]})
        body = assert_error(answer, 500, "model_failed")
        assert body["predict_id"], error
        assert "model.predict raised" in body["error"]
        assert "Traceback" not in answer.text
        assert any("Traceback" in line for line in endpoint.log)
    assert user.predict("/echo/predict", json={"X": [1]}) == [1]


def test_a_model_that_calls_itself_for_ever_is_500(serve: Serve, caller: Caller) -> None:
    def model(X):
        return model(X)

    serve(model, name="model")
    assert_error(caller.post("/model/predict", json={"X": [1]}), 500, "model_failed")


def test_what_scikit_learn_refuses_itself_is_the_callers_fault(serve: Serve, caller: Caller) -> None:
    class Model:
        """Takes anything, and hands it on."""

        def __init__(self) -> None:
            self.inner = LinearRegression().fit(FRAME.to_numpy(), [1.0, 5.0, 2.0])

        def predict(self, X):
            return self.inner.predict(np.asarray(X))

    serve(Model(), name="model")
    assert len(caller.predict("/model/predict", json={"X": [[1, 2, 3]]})) == 1
    body = assert_error(caller.post("/model/predict", json={"X": [[1, 2]]}), 422, "input_invalid")
    assert "3 features" in body["error"]


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
@pytest.mark.parametrize("name", ["nonsense", "", "a 'quoted' name", "self", "é" * 1000])
def test_an_argument_that_a_pipeline_cannot_hand_on_is_the_callers_fault(user: Caller, method: str, name: str) -> None:
    answer = user.post(f"/texts/{method}", json={"X": ["a text"], name: 1})
    assert_error(answer, 422, "input_invalid")
    assert len(answer.content) < 20_000


def test_a_keyword_that_the_function_behind_does_not_take_is_the_callers_fault(serve: Serve, caller: Caller) -> None:
    def behind(X, scale=1):
        return [value * scale for value in X]

    def model(X, **options):
        return behind(X, **options)

    serve(model, name="model")
    assert caller.predict("/model/predict", json={"X": [1], "scale": 2}) == [2]
    body = assert_error(caller.post("/model/predict", json={"X": [1], "scales": 2}), 422, "input_invalid")
    assert body["detail"] == [{"loc": ["scales"], "msg": "Unknown argument 'scales'.", "type": "unknown_argument"}]
    assert_error(caller.post("/model/predict", json={"X": [None]}), 500, "model_failed")


def test_a_model_that_failed_is_not_held_by_its_errors(serve: Serve, session: Session, caller: Caller) -> None:
    class Fails:
        def predict(self, X):
            raise ValueError("no")

    class FailsAsync:
        async def predict(self, X):
            raise ValueError("no")

    for kind in (Fails, FailsAsync):
        model = kind()
        seen = weakref.ref(model)
        serve(model, name="model")
        del model
        assert caller.post("/model/predict", json={"X": [1]}).status_code == 500
        session.unserve("model")
        gc.collect()
        assert seen() is None


def test_what_a_model_prints_goes_to_its_log(serve: Serve, caller: Caller, capsys: pytest.CaptureFixture[str]) -> None:
    def talks(X):
        print("a word from the model")
        return X

    async def talks_too(X):
        print("a word from the loop")
        return X

    for model, words in ((talks, "a word from the model"), (talks_too, "a word from the loop")):
        endpoint = serve(model, name="talks")
        caller.predict("/talks/predict", json={"X": [1]})
        assert any(words in line for line in endpoint.log)
    assert "a word" not in capsys.readouterr().out


def test_a_model_may_call_its_own_endpoint(serve: Serve, caller: Caller) -> None:
    class Recursive:
        endpoint: Any = None

        def predict(self, X):
            return X if len(X) == 1 else [X[0], *self.endpoint.predict(X[1:])]

    Recursive.endpoint = serve(Recursive(), name="recursive")
    assert caller.predict("/recursive/predict", json={"X": [1, 2, 3]}) == [1, 2, 3]


# --- none waits for another


def test_a_slow_answer_delays_nothing_but_its_own_endpoint(serve: Serve, caller: Caller, gated: Gated) -> None:
    serve(gated, name="gated")
    serve(echo, name="echo")
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(caller.predict, "/gated/predict", json={"X": [1]})
        assert gated.is_inside.wait(PATIENCE_S)
        assert caller.get("/health").status_code == 200
        assert caller.get("/ready").status_code == 200
        assert caller.get("/gated/metadata").json()["counters"]["in_flight"] == 1
        for path in ("/", "/gated/", "/gated/inspect", "/openapi.json", "/docs", "/echo/metadata"):
            assert caller.get(path).status_code == 200
        assert caller.predict("/echo/predict", json={"X": [2]}) == [2]
        assert not slow.done()
        gated.may_leave.set()
        assert slow.result() == [1]


def test_a_slow_load_delays_nothing_but_its_own_endpoint(
    serve: Serve, caller: Caller, session: Session, gated: Gated
) -> None:
    serve(echo, name="slow")
    serve(lambda X: X, name="echo")
    session.registry["slow"].component = Component(_Waiting(gated))
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(caller.predict, "/slow/predict", json={"X": [1]})
        assert gated.is_inside.wait(PATIENCE_S)
        assert caller.get("/health").status_code == 200
        assert caller.get("/slow/metadata").json()["state"] == "loading"
        for path in ("/", "/slow/", "/slow/inspect", "/openapi.json"):
            assert caller.get(path).status_code == 200
        assert caller.predict("/echo/predict", json={"X": [2]}) == [2]
        gated.may_leave.set()
        assert slow.result() == [1]


@pytest.mark.parametrize("model", [echo, awaited], ids=["sync", "async"])
def test_requests_that_arrive_together_at_an_unloaded_model_make_one_load(
    serve: Serve, caller: Caller, session: Session, gated: Gated, model: Any
) -> None:
    serve(model, name="model", threads=8)
    source = _Waiting(gated, model)
    component = session.registry["model"].component = Component(source)
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(caller.predict, "/model/predict", json={"X": [n]}) for n in range(8)]
        assert gated.is_inside.wait(PATIENCE_S)
        while caller.get("/model/metadata").json()["counters"]["in_flight"] < 8:
            pass
        gated.may_leave.set()
        assert [each.result() for each in answers] == [[n] for n in range(8)]
    assert (source.loads, component.loads) == (1, 1)


def test_a_load_that_nobody_waits_for_any_more_leaves_no_lease_behind(
    serve: Serve, caller: Caller, session: Session, gated: Gated
) -> None:
    serve(awaited, name="model", deadline_s="50ms")
    component = session.registry["model"].component = Component(_Waiting(gated, awaited))
    assert_error(caller.post("/model/predict", json={"X": [1]}), 504, "deadline_exceeded")
    gated.may_leave.set()
    component.load()
    assert caller.post("/model/unload").json()["state"] == "unloaded"


def test_calls_that_race_with_unloads_never_fail(serve: Serve, caller: Caller) -> None:
    serve(fitted(), name="house")
    is_over = threading.Event()

    def unloads() -> int:
        count = 0
        while not is_over.is_set():
            assert caller.post("/house/unload").status_code == 200
            count += 1
        return count

    with ThreadPoolExecutor(1) as pool:
        unloading = pool.submit(unloads)
        answers = [caller.predict("/house/predict", json={"X": RECORDS}) for _ in range(20)]
        is_over.set()
        assert unloading.result() > 0
    assert answers == [EXPECTED] * 20


def test_a_swap_drops_no_request_and_answers_in_flight_are_of_the_old_model(
    serve: Serve, caller: Caller, gated: Gated
) -> None:
    serve(gated, name="model")
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(caller.predict, "/model/predict", json={"X": [1]})
        assert gated.is_inside.wait(PATIENCE_S)
        serve(lambda X: ["new"], name="model")
        assert caller.predict("/model/predict", json={"X": [1]}) == ["new"]
        gated.may_leave.set()
        assert slow.result() == [1]
    assert caller.get("/model/metadata").json()["version"] == 2


class _Waiting(Remembered):
    """Where a model comes back from, once the gate is open."""

    def __init__(self, gate: Gated, model: Any = echo) -> None:
        self._gate, self._model, self.loads = gate, model, 0

    def load(self) -> Any:
        self.loads += 1
        self._gate.predict(None)
        return self._model


def test_a_function_without_arguments_needs_no_body(serve: Serve, caller: Caller) -> None:
    serve(lambda: 42, name="answer")
    assert caller.post("/answer/predict").json() == {"predict_result": 42}
    assert caller.predict("/answer/predict", json={}) == 42


def test_an_async_model_that_blocks_holds_no_other_endpoint_up(serve: Serve) -> None:
    begun, gate = threading.Event(), threading.Event()

    async def blocks(X: list[int]) -> int:
        begun.set()
        assert gate.wait(20)
        return 1

    async def quick(X: list[int]) -> int:
        return 2

    slow, fast = serve(blocks, name="blocks"), serve(quick, name="quick")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(slow.predict, X=[1])
        assert begun.wait(10)
        assert fast.predict(X=[1]) == 2
        gate.set()
        assert waiting.result(10) == 1


def test_a_full_queue_refuses_one_more_call_of_an_async_model(serve: Serve) -> None:
    gate: Future[None] = Future()

    async def waits(X: list[int]) -> int:
        await asyncio.wrap_future(gate)
        return 1

    served = serve(waits, name="waits", queue=2)._served
    method = served.methods["predict"]

    def ask() -> Future[Any]:
        return served.submit(method, lambda chosen: chosen.decode({"X": [1]}), to_plain)

    waiting = [ask(), ask()]
    with pytest.raises(Busy, match="2 calls waiting"):
        ask()
    gate.set_result(None)
    assert [each.result(10).value for each in waiting] == [1, 1]
    assert ask().result(10).value == 1
