"""Where and when a call runs."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import pytest

from nbserve.core import engines
from nbserve.core.engines import CoroutineThread, Lane
from nbserve.errors import Busy


@contextmanager
def occupied(lane: Lane) -> Iterator[None]:
    """The lane's one thread is busy for the length of the block."""
    begun, gate = threading.Event(), threading.Event()

    def block() -> None:
        begun.set()
        assert gate.wait(10)

    running = lane.submit(block)
    assert begun.wait(10)
    yield
    gate.set()
    running.result(10)


def test_calls_run_one_after_the_other_on_the_lanes_own_thread() -> None:
    lane = Lane("iris")
    names = {lane.submit(lambda: threading.current_thread().name).result(10) for _ in range(5)}
    assert names == {"nbserve:iris"}


def test_at_most_as_many_calls_run_at_once_as_there_are_threads() -> None:
    lane = Lane("iris", threads=3)
    gate, running = threading.Barrier(3), threading.Semaphore(3)

    def work() -> bool:
        alone = running.acquire(blocking=False)
        gate.wait(10)
        running.release()
        return alone

    assert all(each.result(10) for each in [lane.submit(work) for _ in range(9)])


def test_a_full_queue_refuses_one_more_call_and_takes_the_last_one() -> None:
    lane = Lane("iris", limit=2)
    with occupied(lane):
        waiting = [lane.submit(lambda: 1), lane.submit(lambda: 2)]
        with pytest.raises(Busy, match="2 calls waiting"):
            lane.submit(lambda: 3)
    assert [each.result(10) for each in waiting] == [1, 2]


def test_calls_that_were_given_up_make_room_in_a_full_queue() -> None:
    lane = Lane("iris", limit=1)
    with occupied(lane):
        assert lane.submit(lambda: 1).cancel()
        waiting = lane.submit(lambda: 2)
    assert waiting.result(10) == 2


def test_a_call_that_was_taken_back_never_runs() -> None:
    lane = Lane("iris")
    ran = threading.Event()
    with occupied(lane):
        assert lane.submit(ran.set).cancel()
    lane.submit(lambda: None).result(10)
    assert not ran.is_set()


def test_a_model_that_calls_its_own_endpoint_does_not_wait_for_itself() -> None:
    lane = Lane("iris")
    assert lane.submit(lambda: lane.submit(lambda: 7).result(10)).result(10) == 7


def test_a_call_that_raises_harms_nobody_else() -> None:
    lane = Lane("iris")
    with pytest.raises(SystemExit):
        lane.submit(lambda: exit(3)).result(10)
    assert lane.submit(lambda: 1).result(10) == 1


def test_lanes_that_are_asked_in_turn_borrow_one_thread() -> None:
    lanes = [Lane(f"m{number}") for number in range(20)]
    before = set(threading.enumerate())
    threads = set()
    for lane in lanes:
        threads.add(lane.submit(threading.current_thread).result(10))
        while lane._here:  # the answer is there a moment before the thread is given back
            lane.submit(lambda: None).result(10)
            threading.Event().wait(0)
    assert len(threads - before) <= 2


def test_who_is_interrupted_while_he_calls_a_thread_leaves_the_lane_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    lane, run = Lane("iris"), engines._workers.run
    interrupts = iter([KeyboardInterrupt])

    def interrupted(work: Callable[[], None]) -> None:
        for each in interrupts:
            raise each
        run(work)

    monkeypatch.setattr(engines._workers, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lane.submit(lambda: 1)
    assert lane.submit(lambda: 2).result(10) == 2


def test_a_thread_too_many_leaves_and_one_call_runs_at_a_time() -> None:
    lane = Lane("iris")
    with occupied(lane):
        engines._workers.run(lane._live)
        waiting = lane.submit(lambda: len(lane._here))
    assert waiting.result(10) == 1


def test_a_thread_that_was_called_and_never_came_is_called_again(monkeypatch: pytest.MonkeyPatch) -> None:
    lane = Lane("iris")
    monkeypatch.setattr(engines._workers, "run", lambda work: None)
    first = lane.submit(lambda: 1)
    monkeypatch.undo()
    monkeypatch.setattr(engines, "LOST_S", 0.0)
    assert lane.submit(lambda: 2).result(10) == 2
    assert first.result(10) == 1


def test_a_thread_that_has_nothing_to_do_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "IDLE_S", 0.01)
    workers = engines._Workers()
    began = threading.Event()
    workers.run(began.set)
    assert began.wait(10)
    for thread in threading.enumerate():
        if isinstance(thread, engines._Worker) and thread._workers is workers:
            thread.join(10)
            assert not thread.is_alive()
    assert workers._idle == []
    again = threading.Event()
    workers.run(again.set)
    assert again.wait(10)


def test_an_idle_lane_holds_neither_arguments_nor_answers() -> None:
    class Thing:
        pass

    lane, thing = Lane("iris"), Thing()
    alive = weakref.ref(thing)
    future = lane.submit(lambda kept=thing: None)
    future.result(10)
    lane.submit(lambda: None).result(10)
    del thing, future
    assert alive() is None


def test_the_locals_of_a_call_that_failed_are_not_kept_by_its_error() -> None:
    class Thing:
        pass

    seen: list[weakref.ref[Thing]] = []

    def fail() -> None:
        thing = Thing()
        seen.append(weakref.ref(thing))
        raise ValueError("no")

    lane = Lane("iris")
    error = lane.submit(fail).exception(10)
    assert isinstance(error, ValueError)
    assert seen[0]() is None


def test_coroutines_run_at_the_same_time_on_a_thread_of_their_own() -> None:
    thread = CoroutineThread("nbserve:iris:async")
    both = 0
    met: asyncio.Event | None = None

    async def meet() -> str:
        nonlocal both, met
        met = met or asyncio.Event()
        both += 1
        if both == 2:
            met.set()
        await met.wait()
        return threading.current_thread().name

    futures = [thread.submit(meet()), thread.submit(meet())]
    assert {each.result(10) for each in futures} == {"nbserve:iris:async"}
    thread.retire()


def test_an_interrupt_before_a_thread_of_coroutines_began_stops_no_later_call(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer() -> int:
        return 3

    def interrupt(thread: threading.Thread) -> None:
        raise KeyboardInterrupt

    thread = CoroutineThread("interrupted")
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupt)
        with pytest.raises(KeyboardInterrupt):
            _ = thread.loop
    assert thread.submit(answer()).result(10) == 3
    thread.retire()


def test_a_retired_coroutine_thread_ends_when_its_calls_have_and_still_answers_who_comes_late() -> None:
    thread = CoroutineThread("late")
    gate: Future[str] = Future()

    async def wait() -> str:
        return await asyncio.wrap_future(gate)

    waiting = thread.submit(wait())
    running = thread._thread
    assert running is not None
    thread.retire()
    gate.set_result("in flight")
    assert waiting.result(10) == "in flight"
    running.join(10)
    assert not running.is_alive()

    async def answer() -> str:
        return "late"

    assert thread.submit(answer()).result(10) == "late"
    thread.retire()


def test_a_call_that_ends_just_as_its_thread_retires_is_answered() -> None:
    thread = CoroutineThread("ends")

    async def ends() -> str:
        loop = asyncio.get_running_loop()
        last = loop.create_future()
        loop.call_soon(last.set_result, "answered")
        thread.retire()  # looks for unfinished calls just after this one has finished, in the same turn of the loop
        return str(await last)

    assert thread.submit(ends()).result(10) == "answered"
