"""The heartbeat, with the waiting done by the test: no test here sleeps."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from queue import Queue

import pytest

from nbserve.notebook.pulse import Pulse

SOON_S = 5.0


class Heart:
    """What has a pulse: counts its beats."""

    def __init__(self) -> None:
        self.is_open = True
        self.is_moving = False
        self.beats: Queue[int] = Queue()
        self.count = 0

    def push(self) -> None:
        self.count += 1
        self.beats.put(self.count)


class BrokenHeart(Heart):
    def push(self) -> None:
        super().push()
        raise RuntimeError("no beat")


class Gate:
    """Stands in for `Event.wait`: says what is waited for, and waits until the test lets it go on."""

    def __init__(self) -> None:
        self.asked: Queue[float] = Queue()
        self._go = threading.Semaphore(0)

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        self.asked.put(timeout_s)
        assert self._go.acquire(timeout=SOON_S)
        return event.is_set()

    def pass_(self) -> float:
        """Let the thread go on from its next wait; how long that would have been."""
        waited_s = self.asked.get(timeout=SOON_S)
        self._go.release()
        return waited_s

    def open(self) -> None:
        for _ in range(100):
            self._go.release()


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def pulse(gate: Gate) -> Iterator[Pulse]:
    made = Pulse(1.0, gap_s=0.25, wait=gate.wait)
    yield made
    gate.open()
    made.stop()


def test_without_a_card_there_is_no_thread(pulse: Pulse) -> None:
    assert not pulse.is_running


def test_every_card_is_pushed_once_an_interval(pulse: Pulse, gate: Gate) -> None:
    hearts = [Heart(), Heart()]
    for heart in hearts:
        pulse.add(heart)
    assert hearts[0].beats.get(timeout=SOON_S) == 1
    assert gate.pass_() + gate.pass_() == 1.0
    assert hearts[0].beats.get(timeout=SOON_S) == 2
    assert hearts[1].beats.get(timeout=SOON_S) == 1


def test_a_wake_ends_the_rest_and_never_the_gap() -> None:
    rests: Queue[tuple[bool, float]] = Queue()
    go = threading.Semaphore(0)

    def wait(event: threading.Event, timeout_s: float) -> bool:
        rests.put((event.is_set(), timeout_s))
        go.acquire(timeout=SOON_S)
        return event.is_set()

    pulse, heart = Pulse(1.0, gap_s=0.25, wait=wait), Heart()
    pulse.add(heart)
    assert rests.get(timeout=SOON_S) == (False, 0.25)
    for _ in range(50):
        pulse.wake()
    go.release()
    assert rests.get(timeout=SOON_S) == (True, 0.75)
    go.release()
    assert rests.get(timeout=SOON_S) == (False, 0.25)
    assert heart.count == 2
    go.release()
    assert rests.get(timeout=SOON_S) == (False, 0.75), "fifty wakes make one push"
    go.release(50)
    pulse.stop()


def test_while_a_card_moves_there_is_no_rest_after_the_gap(pulse: Pulse, gate: Gate) -> None:
    heart = Heart()
    heart.is_moving = True
    pulse.add(heart)
    assert [gate.pass_() for _ in range(4)] == [0.25] * 4
    gate.asked.get(timeout=SOON_S)
    assert heart.count == 5
    heart.is_moving = False
    gate._go.release()
    assert [gate.pass_() for _ in range(3)] == [0.25, 0.75, 0.25]


def test_a_real_wake_pushes_long_before_the_interval_is_over() -> None:
    pulse, heart = Pulse(3600.0, gap_s=0.0), Heart()
    pulse.add(heart)
    assert heart.beats.get(timeout=SOON_S) == 1
    pulse.wake()
    assert heart.beats.get(timeout=SOON_S) == 2
    pulse.stop()


def test_a_card_that_breaks_does_not_stop_the_others(pulse: Pulse, gate: Gate) -> None:
    broken, whole = BrokenHeart(), Heart()
    pulse.add(broken)
    pulse.add(whole)
    for _ in range(4):
        gate.pass_()
    gate.asked.get(timeout=SOON_S)
    assert broken.count >= 2
    assert whole.count >= 2


def test_a_closed_card_leaves_and_the_thread_goes_with_the_last(pulse: Pulse, gate: Gate) -> None:
    heart = Heart()
    pulse.add(heart)
    gate.pass_()
    thread = pulse._thread
    assert thread is not None
    heart.is_open = False
    gate.pass_()
    thread.join(SOON_S)
    assert not pulse.is_running
    assert heart.count == 1


def test_a_card_that_comes_after_the_thread_has_gone_starts_another(pulse: Pulse, gate: Gate) -> None:
    gone = Heart()
    gone.is_open = False
    pulse.add(gone)
    thread = pulse._thread
    if thread is not None:
        thread.join(SOON_S)
    late = Heart()
    pulse.add(late)
    assert late.beats.get(timeout=SOON_S) == 1
    assert gone.count == 0


def test_a_card_that_nobody_holds_is_not_kept(pulse: Pulse, gate: Gate) -> None:
    heart = Heart()
    kept = weakref.ref(heart)
    pulse.add(heart)
    gate.asked.get(timeout=SOON_S)
    del heart
    gc.collect()
    assert kept() is None


def test_stop_ends_the_thread_and_add_begins_again() -> None:
    pulse, heart = Pulse(3600.0), Heart()
    pulse.add(heart)
    assert heart.beats.get(timeout=SOON_S) == 1
    thread = pulse._thread
    pulse.stop()
    assert thread is not None
    assert not thread.is_alive()
    assert not pulse.is_running
    pulse.add(heart)
    assert heart.beats.get(timeout=SOON_S) == 2
    pulse.stop()


def test_the_thread_never_keeps_the_interpreter(pulse: Pulse) -> None:
    pulse.add(heart := Heart())
    assert heart.beats.get(timeout=SOON_S) == 1
    assert pulse._thread is not None
    assert pulse._thread.daemon
