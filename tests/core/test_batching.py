"""Calls that share runs of a model: when they do, with whom, and that nobody can tell."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from nbserve.core import batching, sharing
from nbserve.core.analysis import analyse
from nbserve.core.batching import Batcher
from nbserve.core.calls import Callee, Method
from nbserve.core.codecs import encode
from nbserve.core.component import Component, State
from nbserve.core.engines import CoroutineThread
from nbserve.core.output import Log
from nbserve.errors import Busy, InputError, LoadError, ModelError, NbserveError
from nbserve.options import Options
from tests.models import iris_array, logistic_on_arrays, titanic_input, titanic_pipeline
from tests.sources import Remembered


class Stored(Remembered):
    """A source that has the model, if it has one."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def load(self) -> Any:
        if self.model is None:
            raise ValueError("nothing there")
        return self.model


ROW = [[5.1, 3.5, 1.4, 0.2]]


class Desk:
    """A model that is called, and how it was."""

    def __init__(self, model: Any, **options: Any) -> None:
        component = Component(Stored(model), model)
        self.callee = Callee("m", component, Options(**options), coroutines=CoroutineThread("m"), log=Log())
        self.methods = {each.method: Method(each) for each in analyse(model).signatures}

    def ask(self, X: Any, method: str = "predict", **rest: Any) -> asyncio.Future[Any]:
        body = orjson.dumps({"X": X, **rest}, option=orjson.OPT_SERIALIZE_NUMPY)
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self.callee.ask(self.methods[method], body, encode, future, loop)
        return future

    def alone(self, X: Any, method: str = "predict", **rest: Any) -> Any:
        body = orjson.dumps({"X": X, **rest}, option=orjson.OPT_SERIALIZE_NUMPY)
        chosen = self.methods[method]
        return self.callee.alone(chosen, lambda method: method.decode.from_bytes(body), encode).value

    def together(self, *bodies: Any, method: str = "predict") -> list[Any]:
        """What each of the bodies is answered, all of them asked in one turn of the loop."""

        async def one(body: Any) -> Any:
            return await self.ask(body, method)

        async def ask() -> list[Any]:
            return await asyncio.gather(*map(one, bodies), return_exceptions=True)

        answers = asyncio.run(ask())
        self.rest()
        return [_told_apart(each) for each in answers]

    def rest(self) -> None:
        """Wait until the lane has nothing to do: an answer is there a moment before."""
        lane = self.callee.lane
        while lane._here or lane._guests:
            lane.submit(lambda: None).result(10)


def _told_apart(answer: Any) -> Any:
    """The value, or the error without the test's own frames, which hold the model."""
    return answer.with_traceback(None) if isinstance(answer, BaseException) else orjson.loads(answer.value)


class Rows:
    """Sums each row; keeps how many there were in each call, and who called; waits at a gate."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.threads: list[str] = []
        self.may_leave = threading.Event()
        self.is_inside = threading.Event()
        self.may_leave.set()

    def predict(self, X: list[list[float]], scale: float = 1.0) -> Any:
        self.sizes.append(len(X))
        self.threads.append(threading.current_thread().name)
        self.is_inside.set()
        assert self.may_leave.wait(10)
        return [sum(row) * scale for row in X]


def behind_a_first(model: Rows, ask: Callable[[], list[asyncio.Future[Any]]], desk: Desk) -> list[Any]:
    """What is answered to those who come while the model is busy with somebody else."""

    async def main() -> list[Any]:
        model.may_leave.clear()
        first = desk.ask([[0.0]])
        await asyncio.to_thread(model.is_inside.wait, 10)
        waiting = ask()
        await asyncio.sleep(0)
        model.may_leave.set()
        answers = await asyncio.gather(first, *waiting, return_exceptions=True)
        return [each if isinstance(each, BaseException) else orjson.loads(each.value) for each in answers[1:]]

    return asyncio.run(main())


# --- when, and with whom


def test_calls_that_come_while_one_runs_are_the_next_run() -> None:
    model = Rows()
    desk = Desk(model, batch="on")
    answers = behind_a_first(model, lambda: [desk.ask([[float(n), 1.0]] * n) for n in (1, 2, 3)], desk)
    assert model.sizes == [1, 6]
    assert answers == [[2.0], [3.0, 3.0], [4.0, 4.0, 4.0]]


def test_a_lone_call_runs_at_once() -> None:
    model = Rows()
    assert Desk(model, batch="on").together([[1.0, 2.0]]) == [[3.0]]
    assert model.sizes == [1]


def test_a_run_is_held_back_while_each_turn_of_the_loop_brings_more_of_those_who_ran_together_lately() -> None:
    model = Rows()
    model.may_leave.set()
    desk = Desk(model, batch="on")

    async def main() -> None:
        await asyncio.gather(*[desk.ask([[1.0]]) for _ in range(4)])
        await asyncio.to_thread(desk.rest)
        model.sizes.clear()
        asked = []
        for _ in range(4):
            asked.append(desk.ask([[1.0]]))
            await asyncio.sleep(0)
        await asyncio.gather(*asked)
        await asyncio.to_thread(desk.rest)
        assert model.sizes == [4]
        model.sizes.clear()
        asked = [desk.ask([[1.0]])]
        for _ in range(3):  # nobody comes any more
            await asyncio.sleep(0)
        assert desk.methods["predict"].batcher._runs or model.sizes == [1]
        await asked[0]

    asyncio.run(main())


@pytest.mark.parametrize("batch", ["auto", "off"])
def test_calls_of_a_model_that_nobody_knows_run_by_themselves(batch: str) -> None:
    model = Rows()
    desk = Desk(model, batch=batch)
    assert behind_a_first(model, lambda: [desk.ask([[1.0]]), desk.ask([[2.0]])], desk) == [[1.0], [2.0]]
    assert model.sizes == [1, 1, 1]


def test_a_method_that_is_known_to_be_row_wise_shares_unless_it_is_told_not_to() -> None:
    for batch, shares in (("auto", True), ("on", True), ("off", False)):
        desk = Desk(logistic_on_arrays(), batch=batch)
        desk.together([[5.1, 3.5, 1.4, 0.2]])
        assert (desk.methods["predict"].batcher is not None) is shares


def test_only_calls_with_the_same_other_arguments_share_a_run() -> None:
    model = Rows()
    desk = Desk(model, batch="on")
    answers = behind_a_first(
        model, lambda: [desk.ask([[1.0]], scale=scale) for scale in (2.0, 3.0, 2.0, 1)] + [desk.ask([[1.0]])], desk
    )
    assert answers == [[2.0], [3.0], [2.0], [1.0], [1.0]]
    assert sorted(model.sizes) == [1, 1, 1, 1, 2]


def test_whole_numbers_and_fractions_are_not_mixed_where_the_model_could_tell() -> None:
    class Types:
        def predict(self, X: list[list[Any]]) -> Any:
            return np.array([row[0] for row in X])

    desk = Desk(Types(), batch="on")
    assert [repr(each) for each in desk.together([[1]], [[1.5]], [[2]])] == ["[1]", "[1.5]", "[2]"]


def test_a_run_has_no_more_rows_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "MOST_ROWS", 8)
    model = Rows()
    desk = Desk(model, batch="on")
    answers = behind_a_first(model, lambda: [desk.ask([[float(n)]] * 3) for n in range(5)], desk)
    assert answers == [[float(n)] * 3 for n in range(5)]
    assert sum(model.sizes) == 16
    assert max(model.sizes) <= 8


def test_a_call_of_too_many_rows_runs_in_pieces_and_its_answer_is_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "MOST_ROWS", 10)
    sizes: list[int] = []

    class Doubles:
        def predict(self, X: np.ndarray) -> Any:
            sizes.append(len(X))
            return X * 2

    desk = Desk(Doubles(), batch="on")
    rows = np.arange(50.0).reshape(25, 2)
    assert desk.together(rows) == [(rows * 2).tolist()]
    assert sizes == [10, 10, 5]


# --- where


def test_a_short_run_takes_place_on_the_loop_and_a_long_one_on_the_lane() -> None:
    desk = Desk(logistic_on_arrays())
    method = desk.methods["predict"]
    seen: list[str] = []
    inner = type(method).__call__

    class Seen(Method):
        def __call__(self, model: Any, call: Any) -> Any:
            seen.append(threading.current_thread().name)
            return inner(self, model, call)

    method.__class__ = Seen
    row = [[5.1, 3.5, 1.4, 0.2]]
    here = threading.current_thread().name
    assert desk.together(row) == [[0]]
    assert seen == ["nbserve:m"], "what it costs is not known yet"
    for busy_s, taken_s, place in ((1e-4, 1e-4, here), (1e-4, 0.1, "nbserve:m"), (1e-2, 1e-2, "nbserve:m")):
        for _ in range(200):
            method.cost.note(1, busy_s)
            method.pace.note(1, taken_s)
        seen.clear()
        assert desk.together(row, row) == [[0], [0]]
        assert seen == [place]


class Sleepy(KNeighborsClassifier):
    """Takes as long as it is told to, and knows in which threads."""

    def predict(self, X: Any) -> Any:
        self.threads.append(threading.current_thread().name)
        time.sleep(self.pause_s)
        return np.zeros(len(X), int)


def sleepy() -> tuple[Sleepy, Desk]:
    """A model that is known to be fast, and so runs on the loop."""
    model = Sleepy().fit(iris_array(), np.arange(150) // 50)
    model.pause_s, model.threads = 0.0, []
    desk = Desk(model, batch="on")
    method = desk.methods["predict"]
    method.batcher = Batcher(method, desk.callee.lane, 1024, may_run_here=True)
    desk.together(ROW)
    for _ in range(100):
        method.cost.note(1, 1e-5)
        method.pace.note(1, 1e-5)
    desk.together(ROW)
    assert model.threads[-1] == threading.current_thread().name
    model.threads.clear()
    return model, desk


def test_a_model_that_has_become_slow_holds_the_loop_up_once() -> None:
    model, desk = sleepy()
    model.pause_s = 2 * batching.LONG_HERE_S
    for _ in range(2 * batching.AWAY):
        assert desk.together(ROW) == [[0]]
    assert model.threads == [threading.current_thread().name] + ["nbserve:m"] * (2 * batching.AWAY - 1)


def test_a_model_that_was_slow_once_comes_back_to_the_loop() -> None:
    model, desk = sleepy()
    model.pause_s = 2 * batching.LONG_HERE_S
    desk.together(ROW)
    model.pause_s = 0.0
    for _ in range(3 * batching.AWAY):
        desk.together(ROW)
    here = threading.current_thread().name
    assert model.threads[1 : batching.AWAY + 1] == ["nbserve:m"] * batching.AWAY
    assert model.threads[-1] == here


def test_runs_that_cannot_be_shared_do_not_hold_the_loop_up_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, desk = sleepy()
    monkeypatch.setattr(batching, "AWAITED_HERE_S", 0.0)
    monkeypatch.setattr(desk.methods["predict"].batcher._sharing, "_key_of", id)
    monkeypatch.setattr(Batcher, "_rows_here", lambda self: 0 if self._runs or not self._waiting else 100)
    assert desk.together(ROW, ROW, ROW) == [[0]] * 3
    assert model.threads[0] == threading.current_thread().name
    assert set(model.threads[1:]) == {"nbserve:m"}


def test_what_cannot_be_told_apart_is_not_tried_on_the_loop_again() -> None:
    model, desk = sleepy()
    batcher = desk.methods["predict"].batcher
    assert batcher is not None
    batcher._sharing.can_part = False
    assert desk.together(ROW, ROW) == [[0], [0]]
    assert model.threads == ["nbserve:m"] * 2


def test_a_fault_of_ours_is_told_to_everybody_who_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    _, desk = sleepy()

    def fails(*_: Any, **__: Any) -> Any:
        raise RuntimeError("broken")

    with monkeypatch.context() as broken:
        broken.setattr(sharing.Sharing, "groups", fails)
        assert [type(each) for each in desk.together(ROW, ROW)] == [RuntimeError] * 2
    assert desk.together(ROW, ROW) == [[0], [0]]


def test_a_loop_that_has_ended_meanwhile_leaves_the_others_their_turn() -> None:
    model = Rows()
    desk = Desk(model, batch="on")
    batcher = desk.callee._batcher_of(desk.methods["predict"])
    assert batcher is not None
    batcher._rows_here = lambda: 1  # type: ignore[method-assign]

    async def leave() -> None:
        model.may_leave.clear()
        desk.ask([[0.0]])
        batcher._to_lane(desk.callee)
        await asyncio.to_thread(model.is_inside.wait, 10)
        desk.ask([[1.0]])
        batcher._is_planned = False

    asyncio.run(leave())
    model.may_leave.set()
    desk.rest()
    del batcher._rows_here
    assert desk.together([[2.0]])[-1] == [2]


def test_a_large_body_is_read_on_the_lane_however_short_the_runs_are() -> None:
    desk = Desk(logistic_on_arrays())
    for _ in range(100):
        desk.methods["predict"].cost.note(1, 1e-5)
    rows = np.resize(iris_array(), (2000, 4)).tolist()
    small = [[5.1, 3.5, 1.4, 0.2]]
    answers = desk.together(small, rows, small)
    assert [len(each) for each in answers] == [1, 2000, 1]
    assert desk.together(rows) == [answers[1]]


def test_the_users_own_code_never_runs_on_the_loop() -> None:
    model = Rows()
    desk = Desk(model, batch="on")
    for _ in range(5):
        desk.together([[1.0]])
    assert set(model.threads) == {"nbserve:m"}


def test_nothing_runs_on_the_loop_while_the_lane_is_taken() -> None:
    desk = Desk(logistic_on_arrays())
    row = [[5.1, 3.5, 1.4, 0.2]]
    desk.together(row)
    for _ in range(100):
        desk.methods["predict"].cost.note(1, 1e-5)
    gate, begun = threading.Event(), threading.Event()

    def blocks() -> None:
        begun.set()
        assert gate.wait(10)

    blocking = desk.callee.lane.submit(blocks)
    assert begun.wait(10)

    async def main() -> Any:
        asked = desk.ask(row)
        for _ in range(3):
            await asyncio.sleep(0)
        assert not asked.done()
        gate.set()
        return (await asked).value

    assert asyncio.run(main()) == b"[0]"
    blocking.result(10)


def test_a_model_that_is_not_loaded_is_loaded_on_the_lane() -> None:
    desk = Desk(logistic_on_arrays())
    row = [[5.1, 3.5, 1.4, 0.2]]
    for _ in range(3):
        desk.together(row)
    assert desk.callee.component.unload() is State.UNLOADED
    assert desk.together(row, row) == [[0], [0]]
    assert desk.callee.component.loads == 1


# --- nobody pays for another


def test_one_bad_row_fails_its_own_request_only() -> None:
    desk = Desk(titanic_pipeline())
    good = titanic_input().head(6).astype(object).where(titanic_input().head(6).notna(), None).to_dict("records")
    bodies: list[Any] = [[row] for row in good]
    bodies[3] = [{**good[3], "pclass": 99}]
    answers = desk.together(*bodies)
    expected = [_settled(desk, each) for each in bodies]
    assert [_told(each) for each in answers] == [_told(each) for each in expected]
    assert isinstance(answers[3], InputError)
    assert sum(isinstance(each, NbserveError) for each in answers) == 1


@pytest.mark.parametrize("bad", [[["x", 1, 2, 3]], [[1, 2]], [], [[None, 1, 2, 3]], "x", [[1, 2, 3, 1e300]]])
def test_what_cannot_be_read_is_told_to_its_sender_as_ever(bad: Any) -> None:
    desk = Desk(logistic_on_arrays())
    good = iris_array()[:3].tolist()
    bodies = [[good[0]], bad, [good[1]], [good[2]]]
    answers = desk.together(*bodies)
    assert [_told(each) for each in answers] == [_told(_settled(desk, each)) for each in bodies]
    assert answers[0] == [0]


class Picky:
    """Refuses the number 13, whoever it comes with; the last answer that it gave is spoilt."""

    def __init__(self) -> None:
        self.calls = 0

    def predict(self, X: np.ndarray) -> Any:
        self.calls += 1
        X += 1  # in place: a call that is tried again must not see it
        if (X == 14).any():
            raise ArithmeticError("not 13")
        return X.sum(axis=1)


@pytest.mark.parametrize("bad", [(), (0,), (7,), (3, 4), (0, 2, 4, 6), tuple(range(8))], ids=str)
def test_however_many_fail_the_others_are_answered(bad: tuple[int, ...]) -> None:
    model = Picky()
    desk = Desk(model, batch="on")
    answers = desk.together(*[[[13.0 if n in bad else float(n)]] for n in range(8)])
    for n, answer in enumerate(answers):
        if n in bad:
            assert isinstance(answer, ModelError)
            assert "not 13" in str(answer)
        else:
            assert answer == [n + 1.0]
    tracebacks = [line for line in desk.callee.log.lines() if "Traceback" in line]
    assert len(tracebacks) == len(bad), "one for each request that failed, and none for what was tried together"


def test_a_load_that_fails_is_told_to_all() -> None:
    desk = Desk(logistic_on_arrays())
    desk.callee.component = Component(Stored(None))
    row = [[5.1, 3.5, 1.4, 0.2]]
    answers = desk.together(row, row, row)
    assert [type(each) for each in answers] == [LoadError] * 3
    assert len({id(each) for each in answers}) == 3


# --- answers that cannot be told apart


class Odd:
    """Answers in ways that rows cannot be taken from."""

    def __init__(self, answer: Callable[[list[Any]], Any]) -> None:
        self.answer = answer
        self.sizes: list[int] = []

    def predict(self, X: list[list[float]]) -> Any:
        self.sizes.append(len(X))
        return self.answer(X)


ODD: dict[str, Callable[[list[Any]], Any]] = {
    "a number": lambda X: float(len(X)),
    "a total": lambda X: [sum(row[0] for row in X)],
    "a mapping": lambda X: {"n": len(X)},
    "a text": lambda X: "x" * len(X),
    "columns": lambda X: [np.array([row[0] for row in X]), np.array([row[0] for row in X])],
    "an array of columns": lambda X: np.array([[row[0] for row in X]] * 7),
    "a generator": lambda X: (row[0] for row in X),
    "nothing": lambda X: None,
    "a scalar array": lambda X: np.array(3.0),
    "a bare number for one row": lambda X: np.array([row[0] for row in X]).squeeze(),
}


@pytest.mark.parametrize("kind", ODD)
def test_answers_that_have_no_row_for_each_row_are_those_of_single_calls(kind: str) -> None:
    desk = Desk(Odd(ODD[kind]), batch="on")
    bodies = [[[1.0]], [[2.0]], [[3.0]]]
    for _ in range(2):
        assert desk.together(*bodies) == [orjson.loads(desk.alone(each)) for each in bodies]


def test_how_one_row_is_answered_is_seen_once_before_runs_are_shared() -> None:
    model = Rows()
    desk = Desk(model, batch="on")
    desk.together([[1.0]], [[2.0]], [[3.0]])
    desk.together([[1.0]], [[2.0]], [[3.0]])
    assert model.sizes == [1, 2, 3]


def test_what_a_model_does_to_rows_is_not_there_when_they_are_tried_again() -> None:
    class Changes:
        def predict(self, X: list[list[float]]) -> Any:
            for row in X:
                row[0] += 1
            if len(X) > 1 and any(row[0] > 90 for row in X):
                raise ValueError("too much")
            return [row[0] for row in X]

    desk = Desk(Changes(), batch="on")
    desk.together([[0.0]])
    assert desk.together([[1.0]], [[99.0]], [[2.0]], [[3.0]]) == [[2], [100], [3], [4]]


def test_what_was_learned_about_answers_is_kept() -> None:
    model = Odd(ODD["a mapping"])
    desk = Desk(model, batch="on")
    desk.together([[1.0]], [[2.0]])
    model.sizes.clear()
    desk.together([[1.0]], [[2.0]])
    assert model.sizes == [1, 1]


def test_several_arrays_with_a_row_for_each_row_are_told_apart() -> None:
    model = KNeighborsClassifier(2).fit(iris_array(), np.arange(150) // 50)
    desk = Desk(model)
    bodies = [iris_array()[n : n + 2].tolist() for n in range(4)]
    answers = desk.together(*bodies, method="kneighbors")
    assert answers == [orjson.loads(desk.alone(each, "kneighbors")) for each in bodies]


@pytest.mark.parametrize("kind", [list, np.array, pd.Series, lambda rows: pd.DataFrame({"a": rows})])
def test_rows_are_taken_from_whatever_holds_them(kind: Callable[[list[Any]], Any]) -> None:
    model = Odd(lambda X: kind([row[0] for row in X]))
    desk = Desk(model, batch="on")
    bodies = [[[1.0], [2.0]], [[3.0]]]
    desk.together([[0.0]])
    assert desk.together(*bodies) == [orjson.loads(desk.alone(each)) for each in bodies]
    assert 3 in model.sizes


# --- giving up


def test_who_gives_up_leaves_the_queue() -> None:
    model = Rows()
    desk = Desk(model, batch="on")

    def ask() -> list[asyncio.Future[Any]]:
        asked = [desk.ask([[1.0]]), desk.ask([[2.0]]), desk.ask([[3.0]])]
        asked[1].cancel()
        return asked

    answers = behind_a_first(model, ask, desk)
    assert (answers[0], answers[2]) == ([1.0], [3.0])
    assert isinstance(answers[1], asyncio.CancelledError)
    assert model.sizes == [1, 2]


def test_a_full_queue_refuses_one_more_call_and_says_when_to_come_again() -> None:
    model = Rows()
    desk = Desk(model, batch="on", queue=2)

    def ask() -> list[asyncio.Future[Any]]:
        asked = [desk.ask([[1.0]]), desk.ask([[2.0]])]
        for _ in range(100):
            desk.methods["predict"].pace.note(1, 7.0)
        with pytest.raises(Busy, match="2 calls waiting") as refused:
            desk.ask([[3.0]])
        assert 5 < refused.value.retry_after_s < 20
        asked[0].cancel()
        return [*asked, desk.ask([[4.0]])]

    answers = behind_a_first(model, ask, desk)
    assert answers[1:] == [[2.0], [4.0]]


def test_who_has_to_wait_is_watched_and_who_does_not_is_not() -> None:
    desk = Desk(logistic_on_arrays())
    method, body = desk.methods["predict"], b'{"X":[[5.1,3.5,1.4,0.2]]}'
    watched: list[asyncio.Future[Any]] = []

    async def ask() -> None:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        desk.callee.ask(method, body, encode, future, loop, watched.append)
        await future

    asyncio.run(ask())
    desk.rest()
    assert len(watched) == 1
    for _ in range(100):
        method.cost.note(1, 1e-5)
    asyncio.run(ask())
    assert len(watched) == 1


# --- what is left behind


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_holds_the_model_when_the_calls_have_ended(fails: bool) -> None:
    class Fails(LogisticRegression):
        def predict(self, X: Any) -> Any:
            if fails:
                raise ValueError("no")
            return super().predict(X)

    model = Fails(max_iter=500).fit(iris_array(), np.arange(150) // 50)
    alive = weakref.ref(model)
    desk = Desk(model, batch="on")
    answers = desk.together(*[[row] for row in iris_array()[:4].tolist()])
    assert all(isinstance(each, ModelError) is fails for each in answers)
    methods = desk.methods
    del model, desk
    gc.collect()
    assert alive() is None
    assert methods


def _settled(desk: Desk, body: Any) -> Any:
    try:
        return orjson.loads(desk.alone(body))
    except NbserveError as error:
        return error


def _told(answer: Any) -> Any:
    if isinstance(answer, NbserveError):
        return type(answer), answer.problem, answer.remedy, answer.faults
    return answer


def test_frames_of_other_columns_or_types_do_not_share_a_run() -> None:
    desk = Desk(titanic_pipeline())
    rows = titanic_input().head(4).to_dict("records")
    whole = [{**row, "pclass": 1, "age": 20, "fare": 1} for row in rows]
    gaps = [{**row, "age": None} for row in rows]
    bodies = [[each] for each in (*whole, *gaps)]
    assert desk.together(*bodies) == [_settled(desk, each) for each in bodies]
