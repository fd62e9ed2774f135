"""How much of an endpoint may be asked at once, and the ways in which calls run; both sides of each threshold."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from nbserve.errors import Busy, TooManyRows
from tests.bodies import TYPES, arrow, npy
from tests.client import PATIENCE_S, Caller, assert_error
from tests.conftest import Serve
from tests.gated import Gated, GatedRows
from tests.models import iris_array, logistic_on_arrays, text_pipeline


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


def echo(X):
    return X


class Crowd:
    """Counts how many calls are inside at once, until they may leave."""

    def __init__(self, awaited: int) -> None:
        self.inside = self.most = 0
        self.is_full = threading.Event()
        self.may_leave = threading.Event()
        self._awaited = awaited
        self._lock = threading.Lock()

    def predict(self, X):
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            if self.inside == self._awaited:
                self.is_full.set()
        assert self.may_leave.wait(PATIENCE_S)
        with self._lock:
            self.inside -= 1
        return X


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    model = Crowd(2)
    yield model
    model.may_leave.set()


def in_flight(caller: Caller, count: int, name: str = "m") -> None:
    while caller.get(f"/{name}/metadata").json()["counters"]["in_flight"] != count:
        pass


# --- requests at once


@pytest.mark.parametrize("path", ["/m/predict", "/m/predict/?by=asgi"])
def test_as_many_requests_as_may_be_in_flight_are_and_one_more_is_429(
    serve: Serve, caller: Caller, pool: ThreadPoolExecutor, gated: Gated, path: str
) -> None:
    serve(gated, name="m", max_requests=2)
    asked = [pool.submit(caller.predict, path, json={"X": [n]}) for n in range(2)]
    in_flight(caller, 2)
    answer = caller.post(path, json={"X": [2]})
    body = assert_error(answer, 429, "busy")
    assert body["error"] == "m has 2 requests in flight, and may have no more."
    assert int(answer.headers["retry-after"]) >= 1
    gated.may_leave.set()
    assert [each.result() for each in asked] == [[0], [1]]
    assert caller.predict(path, json={"X": [3]}) == [3]


def test_whoever_is_answered_with_an_error_or_hangs_up_makes_room(
    serve: Serve, caller: Caller, gated: Gated, pool: ThreadPoolExecutor
) -> None:
    serve(gated, name="m", max_requests=1, deadline_s="200ms")
    for _ in range(2):
        assert_error(caller.post("/m/predict", content=b"{"), 422, "body_invalid")
        assert_error(caller.post("/m/predict", json={"Y": 1}), 422, "input_invalid")
    assert_error(caller.post("/m/predict", json={"X": [1]}), 504, "deadline_exceeded")
    body = b'{"X": [1]}'
    gone = caller.connect()
    gone.sendall(caller.head(path="/m/predict", content_length=str(len(body))) + body)
    in_flight(caller, 1)
    gone.close()
    in_flight(caller, 0)
    gated.may_leave.set()
    assert caller.predict("/m/predict", json={"X": [4]}) == [4]


def test_the_limit_holds_over_a_swap(serve: Serve, caller: Caller, pool: ThreadPoolExecutor, gated: Gated) -> None:
    serve(gated, name="m", max_requests=1)
    slow = pool.submit(caller.predict, "/m/predict", json={"X": [1]})
    assert gated.is_inside.wait(PATIENCE_S)
    serve(echo, name="m", max_requests=1)
    assert_error(caller.post("/m/predict", json={"X": [2]}), 429, "busy")
    gated.may_leave.set()
    assert slow.result() == [1]
    assert caller.predict("/m/predict", json={"X": [2]}) == [2]


# --- rows of a request

LIMIT = 3


def rows(count: int) -> Any:
    return iris_array()[:count]


FORMS: dict[str, Any] = {
    "lists": lambda count: {"json": {"X": rows(count).tolist()}},
    "bare": lambda count: {"json": rows(count).tolist()},
    "records": lambda count: {"json": {"X": [dict(zip("abcd", row, strict=True)) for row in rows(count).tolist()]}},
    "npy": lambda count: {"content": npy(rows(count)), "headers": {"content-type": TYPES["npy"]}},
    "columns": lambda count: {"json": {"X": dict(zip("abcd", rows(count).T.tolist(), strict=True))}},
}


@pytest.mark.parametrize("form", FORMS)
def test_as_many_rows_as_a_request_may_have_are_answered_and_one_more_is_413(
    serve: Serve, caller: Caller, form: str
) -> None:
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit(iris_array(), iris_array()[:, 0])
    if form in ("records", "columns"):
        import pandas as pd

        model = LinearRegression().fit(pd.DataFrame(iris_array(), columns=list("abcd")), iris_array()[:, 0])
    serve(model, name="m", max_rows=LIMIT)
    assert len(caller.predict("/m/predict", **FORMS[form](LIMIT))) == LIMIT
    body = assert_error(caller.post("/m/predict", **FORMS[form](LIMIT + 1)), 413, "too_many_rows")
    assert body["error"] == "These are 4 rows; one request may have 3."
    assert [(each["loc"], each["type"]) for each in body["detail"]] == [(["X"], "too_many_rows")]
    assert len(caller.predict("/m/predict", **FORMS[form](1))) == 1


def test_texts_and_values_of_any_kind_are_rows_too(serve: Serve, caller: Caller) -> None:
    serve(text_pipeline(), name="texts", max_rows=2)
    serve(echo, name="values", max_rows=2)
    for name in ("texts", "values"):
        assert len(caller.predict(f"/{name}/predict", json=["a", "b"])) == 2
        assert_error(caller.post(f"/{name}/predict", json=["a", "b", "c"]), 413, "too_many_rows")
    table = {"content": arrow({"X": ["a", "b", "c"]}), "headers": {"content-type": TYPES["arrow"]}}
    assert_error(caller.post("/texts/predict", **table), 413, "too_many_rows")
    assert caller.predict("/values/predict", json={"X": 7}) == 7


def test_requests_that_share_a_run_are_each_held_to_the_rows_of_one(
    serve: Serve, caller: Caller, pool: ThreadPoolExecutor
) -> None:
    serve(logistic_on_arrays(), name="m", mode="batch", max_rows=2)
    sent = [rows(1 + n % 3).tolist() for n in range(60)]
    answers = list(pool.map(lambda X: caller.post("/m/predict", json={"X": X}).status_code, sent))
    assert answers == [413 if len(X) == 3 else 200 for X in sent]


def test_a_cell_is_held_to_the_same_rows(serve: Serve) -> None:
    endpoint = serve(logistic_on_arrays(), name="m", max_rows=2)
    assert len(endpoint.predict(X=rows(2))) == 2
    with pytest.raises(TooManyRows, match="3 rows; one request may have 2"):
        endpoint.predict(X=rows(3))


# --- modes


def test_a_direct_call_runs_at_once_and_one_that_would_have_to_wait_is_429(
    serve: Serve, caller: Caller, pool: ThreadPoolExecutor, crowd: Crowd
) -> None:
    serve(crowd, name="m", mode="direct", threads=2)
    asked = [pool.submit(caller.predict, "/m/predict", json={"X": [n]}) for n in range(2)]
    assert crowd.is_full.wait(PATIENCE_S)
    answer = caller.post("/m/predict", json={"X": [2]})
    assert assert_error(answer, 429, "busy")["error"] == "m is busy: 2 calls run, and none may wait."
    assert int(answer.headers["retry-after"]) >= 1
    crowd.may_leave.set()
    assert [each.result() for each in asked] == [[0], [1]]


def test_who_asks_a_direct_model_again_as_soon_as_he_is_answered_finds_it_free(serve: Serve, caller: Caller) -> None:
    endpoint = serve(echo, name="m", mode="direct")
    assert [caller.predict("/m/predict", json={"X": [n]}) for n in range(300)] == [[n] for n in range(300)]
    assert [endpoint.predict(X=[n]) for n in range(300)] == [[n] for n in range(300)]


def test_a_direct_model_in_a_cell_is_busy_or_not_alike(
    serve: Serve, caller: Caller, pool: ThreadPoolExecutor, gated: Gated
) -> None:
    endpoint = serve(gated, name="m", mode="direct")
    asked = pool.submit(caller.predict, "/m/predict", json={"X": [1]})
    assert gated.is_inside.wait(PATIENCE_S)
    with pytest.raises(Busy, match="a call runs, and none may wait"):
        endpoint.predict(X=[2])
    gated.may_leave.set()
    assert asked.result() == [1]


def test_a_model_that_was_given_up_by_its_caller_is_not_free_before_it_has_ended(
    serve: Serve, caller: Caller, gated: Gated
) -> None:
    serve(gated, name="m", mode="direct", deadline_s="100ms")
    assert_error(caller.post("/m/predict", json={"X": [1]}), 504, "deadline_exceeded")
    assert_error(caller.post("/m/predict", json={"X": [2]}), 429, "busy")
    gated.may_leave.set()
    while (answer := caller.post("/m/predict", json={"X": [3]})).status_code == 429:
        pass
    assert answer.json()["predict_result"] == [3]
    assert gated.calls == 2


@pytest.mark.parametrize(("mode", "sizes"), [("queue", [1, 1, 1, 1]), ("batch", [1, 3]), ("auto", [1, 1, 1, 1])])
def test_calls_in_a_queue_run_one_after_another_and_in_batches_together(
    serve: Serve, caller: Caller, pool: ThreadPoolExecutor, mode: str, sizes: list[int]
) -> None:
    model = GatedRows()
    serve(model, name="m", mode=mode)
    asked = [pool.submit(caller.predict, "/m/predict", json={"X": [[0, 1]]})]
    assert model.is_inside.wait(PATIENCE_S)
    asked += [pool.submit(caller.predict, "/m/predict", json={"X": [[n, 1]]}) for n in (1, 2, 3)]
    in_flight(caller, 4)
    model.may_leave.set()
    assert [each.result() for each in asked] == [[1], [2], [3], [4]]
    assert model.sizes == sizes


def test_async_models_run_one_after_another_in_a_queue_too(
    serve: Serve, caller: Caller, pool: ThreadPoolExecutor
) -> None:
    inside: list[int] = []

    async def slow(X: list[int]) -> list[int]:
        inside.append(1)
        most = sum(inside)
        for _ in range(20):
            await asyncio.sleep(0)
        inside.pop()
        return [most]

    serve(slow, name="queued", mode="queue")
    assert set(pool.map(lambda n: caller.predict("/queued/predict", json={"X": [n]})[0], range(20))) == {1}


@pytest.mark.parametrize("mode", ["direct", "queue", "batch", "auto"])
def test_the_answers_are_the_same_in_every_mode(serve: Serve, caller: Caller, mode: str) -> None:
    model = logistic_on_arrays()
    serve(model, name="m", mode=mode)
    answer = caller.predict("/m/predict_proba", content=json.dumps(iris_array().tolist()))
    assert np.array_equal(answer, model.predict_proba(iris_array()))
