"""Requests that share runs of a model, over HTTP: with deadlines, callers that hang up, unloads and swaps."""

from __future__ import annotations

import gc
import json
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from nbserve.notebook.session import Session
from nbserve.web import haste as hastes
from nbserve.web.haste import Haste, Setting
from tests.client import PATIENCE_S, Caller, assert_error
from tests.conftest import Serve
from tests.gated import GatedRows
from tests.models import iris_array, logistic_on_arrays, titanic_input, titanic_pipeline


class Rows(GatedRows):
    """13 is too much for it."""

    def answered(self, X: np.ndarray) -> Any:
        if (X == 13).any():
            raise ValueError("13")
        return X.sum(axis=1)


@pytest.fixture
def rows() -> Iterator[Rows]:
    model = Rows()
    yield model
    model.may_leave.set()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


def waiting(caller: Caller, count: int, name: str = "m") -> None:
    """Until so many requests are in flight."""
    while caller.get(f"/{name}/metadata").json()["counters"]["in_flight"] < count:
        pass


def test_requests_that_wait_share_a_run_and_one_that_fails_fails_alone(
    serve: Serve, caller: Caller, pool: ThreadPoolExecutor, rows: Rows
) -> None:
    serve(rows, name="m", batch=True)
    first = pool.submit(caller.predict, "/m/predict", json={"X": [[0, 1]]})
    assert rows.is_inside.wait(PATIENCE_S)
    asked = [pool.submit(caller.post, "/m/predict", json={"X": [[n, 1]]}) for n in (1, 2, 13, 4, 5)]
    waiting(caller, 6)
    rows.may_leave.set()
    assert first.result() == [1.0]
    answers = [each.result() for each in asked]
    assert [each.status_code for each in answers] == [200, 200, 500, 200, 200]
    assert [each.json()["predict_result"] for each in answers if each.status_code == 200] == [[2], [3], [5], [6]]
    body = assert_error(answers[2], 500, "model_failed")
    assert body["predict_id"] == answers[2].headers["x-predict-id"]
    assert rows.sizes[:2] == [1, 5]


def test_the_deadline_ends_the_wait_and_takes_the_request_out_of_the_queue(
    serve: Serve, caller: Caller, pool: ThreadPoolExecutor, rows: Rows
) -> None:
    serve(rows, name="m", batch=True, deadline_s="300ms")
    first = pool.submit(caller.post, "/m/predict", json={"X": [[0, 1]]})
    assert rows.is_inside.wait(PATIENCE_S)
    asked = [pool.submit(caller.post, "/m/predict", json={"X": [[n, 1]]}) for n in range(3)]
    for each in (first, *asked):
        assert_error(each.result(), 504, "deadline_exceeded")
    rows.may_leave.set()
    assert caller.predict("/m/predict", json={"X": [[7, 1]]}) == [8]
    assert rows.sizes == [1, 1]
    assert caller.get("/m/metadata").json()["counters"]["in_flight"] == 0


@pytest.mark.parametrize("batch", [True, False])
def test_a_caller_that_hangs_up_leaves_the_queue(
    serve: Serve, caller: Caller, pool: ThreadPoolExecutor, rows: Rows, batch: bool
) -> None:
    serve(rows, name="m", batch=batch)
    first = pool.submit(caller.predict, "/m/predict", json={"X": [[0, 1]]})
    assert rows.is_inside.wait(PATIENCE_S)
    body = b'{"X":[[1,1]]}'
    sent = caller.head(path="/m/predict", content_length=str(len(body)), content_type="application/json") + body
    gone = caller.connect()
    gone.sendall(sent)
    waiting(caller, 2)
    gone.close()
    while caller.get("/m/metadata").json()["counters"]["in_flight"] > 1:
        pass
    second = pool.submit(caller.predict, "/m/predict", json={"X": [[2, 1]]})
    waiting(caller, 2)
    rows.may_leave.set()
    assert (first.result(), second.result()) == ([1], [3])
    assert rows.sizes == [1, 1]
    assert caller.get("/m/metadata").json()["counters"]["errors"] == 1


def test_a_full_queue_is_429_and_says_when_to_come_again(
    serve: Serve, caller: Caller, pool: ThreadPoolExecutor, rows: Rows
) -> None:
    serve(rows, name="m", batch=True, queue=2)
    asked = [pool.submit(caller.predict, "/m/predict", json={"X": [[0, 1]]})]
    assert rows.is_inside.wait(PATIENCE_S)
    asked += [pool.submit(caller.predict, "/m/predict", json={"X": [[n, 1]]}) for n in range(2)]
    waiting(caller, 3)
    answer = caller.post("/m/predict", json={"X": [[3, 1]]})
    assert_error(answer, 429, "busy")
    assert int(answer.headers["retry-after"]) >= 1
    rows.may_leave.set()
    assert [each.result() for each in asked] == [[1], [1], [2]]


def test_many_callers_get_each_their_own_answer(serve: Serve, caller: Caller, pool: ThreadPoolExecutor) -> None:
    model = logistic_on_arrays()
    serve(model, name="iris")
    expected = model.predict(iris_array()).tolist()

    def ask(start: int) -> bool:
        with_own = [(n, (n + start) % 3 + 1) for n in range(0, 140, 3)]
        return all(
            caller.predict("/iris/predict", json={"X": iris_array()[n : n + many].tolist()}) == expected[n : n + many]
            for n, many in with_own
        )

    assert all(pool.map(ask, range(8)))
    counters = caller.get("/iris/metadata").json()["counters"]
    assert (counters["requests"], counters["errors"], counters["in_flight"]) == (8 * 47, 0, 0)


def test_good_and_bad_requests_among_each_other_get_each_their_own_answer(
    serve: Serve, caller: Caller, pool: ThreadPoolExecutor
) -> None:
    model = titanic_pipeline()
    serve(model, name="titanic")
    rows = json.loads(titanic_input().head(20).to_json(orient="records"))
    expected = model.predict(titanic_input().head(20)).tolist()

    def ask(n: int) -> Any:
        row = {**rows[n % 20], **({"pclass": 99} if n % 5 == 0 else {})}
        answer = caller.post("/titanic/predict", json={"X": [row]})
        return answer.json()["predict_result"] if answer.status_code == 200 else answer.json()["code"]

    answers = list(pool.map(ask, range(120)))
    assert answers == ["input_invalid" if n % 5 == 0 else [expected[n % 20]] for n in range(120)]


def test_shared_runs_that_race_with_unloads_and_swaps_never_fail(
    serve: Serve, caller: Caller, pool: ThreadPoolExecutor
) -> None:
    model = logistic_on_arrays()
    serve(model, name="iris")
    is_over = threading.Event()

    def ask() -> set[Any]:
        found = set()
        while not is_over.is_set():
            found.add(tuple(caller.predict("/iris/predict", json={"X": iris_array()[:2].tolist()})))
        return found

    asking = [pool.submit(ask) for _ in range(6)]
    for _ in range(10):
        assert caller.post("/iris/unload").status_code == 200
        serve(model, name="iris")
    is_over.set()
    assert [each.result() for each in asking] == [{(0, 0)}] * 6


def test_what_waits_for_the_old_model_is_answered_by_it(
    serve: Serve, caller: Caller, pool: ThreadPoolExecutor, rows: Rows
) -> None:
    serve(rows, name="m", batch=True)
    old = [pool.submit(caller.predict, "/m/predict", json={"X": [[n, 1]]}) for n in range(4)]
    assert rows.is_inside.wait(PATIENCE_S)
    waiting(caller, 4)
    serve(lambda X: ["new"], name="m")
    assert caller.predict("/m/predict", json={"X": [[1, 1]]}) == ["new"]
    rows.may_leave.set()
    assert [each.result() for each in old] == [[1], [2], [3], [4]]


def test_a_cell_and_callers_over_http_do_not_use_the_model_at_once(
    serve: Serve, caller: Caller, pool: ThreadPoolExecutor
) -> None:
    class Exclusive:
        inside = threading.Lock()

        def predict(self, X: np.ndarray) -> Any:
            assert self.inside.acquire(blocking=False)
            try:
                return X.sum(axis=1)
            finally:
                self.inside.release()

    endpoint = serve(Exclusive(), name="m", batch=True)
    cells = [pool.submit(endpoint.predict, X=[[n, 1]]) for n in range(40)]
    others = [pool.submit(caller.predict, "/m/predict", json={"X": [[n, 1]]}) for n in range(40)]
    assert [each.result() for each in cells] == [[n + 1.0] for n in range(40)]
    assert [each.result() for each in others] == [[n + 1.0] for n in range(40)]


# --- haste


class Dial:
    """A setting of the interpreter that somebody may turn."""

    def __init__(self, value: int) -> None:
        self.value = value

    def setting(self, hasty: int) -> Setting:
        return Setting(lambda: self.value, lambda value: setattr(self, "value", value), lambda _: hasty)


class Timers:
    """A loop that calls later when it is told that it is later."""

    def __init__(self) -> None:
        self.due: list[Any] = []

    def call_later(self, seconds: float, call: Any, *given: Any) -> None:
        self.due.append((call, given))

    def pass_time(self) -> None:
        due, self.due = self.due, []
        for call, given in due:
            call(*given)


def test_the_interpreter_hurries_while_requests_are_in_flight_and_a_little_longer() -> None:
    dial, loop = Dial(5), Timers()
    haste = Haste((dial.setting(1),))
    haste.begin()
    haste.begin()
    assert dial.value == 1
    haste.end(loop)  # type: ignore[arg-type]
    assert (dial.value, loop.due) == (1, [])
    haste.end(loop)  # type: ignore[arg-type]
    assert dial.value == 1
    loop.pass_time()
    assert (dial.value, loop.due) == (5, [])


def test_requests_that_come_again_and_again_keep_it_hurried() -> None:
    dial, loop = Dial(5), Timers()
    haste = Haste((dial.setting(1),))
    for _ in range(3):
        haste.begin()
        haste.end(loop)  # type: ignore[arg-type]
        assert len(loop.due) == 1
        haste.begin()
        haste.end(loop)  # type: ignore[arg-type]
        loop.pass_time()
        assert dial.value == 1
    loop.pass_time()
    assert dial.value == 5


def test_what_the_user_has_set_meanwhile_stays() -> None:
    dial, loop = Dial(5), Timers()
    haste = Haste((dial.setting(1),))
    haste.begin()
    dial.value = 3
    haste.end(loop)  # type: ignore[arg-type]
    loop.pass_time()
    assert dial.value == 3


def test_a_loop_that_ends_puts_everything_back() -> None:
    dial, loop = Dial(5), Timers()
    haste = Haste((dial.setting(1),))
    haste.begin()
    haste.end(loop)  # type: ignore[arg-type]
    haste.rest()
    assert dial.value == 5
    haste.begin()
    assert dial.value == 1
    haste.forget()
    assert dial.value == 5


@pytest.mark.parametrize(
    ("before", "hasty"),
    [((700, 10, 10), (10_000, 10, 10)), ((50_000, 5, 5), (50_000, 5, 5)), ((0, 10, 10), (0, 10, 10))],
)
def test_a_collector_that_is_off_or_slower_still_is_left_alone(before: Any, hasty: Any) -> None:
    assert hastes._hasty_thresholds(before) == hasty


def test_the_interpreters_settings_are_as_before_when_all_is_answered(
    serve: Serve, caller: Caller, session: Session, rows: Rows, pool: ThreadPoolExecutor
) -> None:
    before = sys.getswitchinterval(), gc.get_threshold()
    serve(rows, name="m")
    asked = pool.submit(caller.predict, "/m/predict", json={"X": [[1, 1]]})
    assert rows.is_inside.wait(PATIENCE_S)
    assert sys.getswitchinterval() < before[0]
    assert gc.get_threshold()[0] > before[1][0]
    rows.may_leave.set()
    assert asked.result() == [2]
    session.stop_all()
    assert (sys.getswitchinterval(), gc.get_threshold()) == before
