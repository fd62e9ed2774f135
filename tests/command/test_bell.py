"""Whoever waits is woken by a signal, by a thread, or by what can be read; and nobody sleeps through a signal."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from nbserve.command.bell import Bell
from tests.client import PATIENCE_S

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


@pytest.fixture
def bell() -> Iterator[Bell]:
    with Bell() as bell:
        yield bell


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_that_came_before_the_wait_is_not_missed(bell: Bell, number: signal.Signals) -> None:
    os.kill(os.getpid(), number)
    assert bell.wait()
    assert bell.wait()
    assert signal.getsignal(number) is signal.SIG_DFL  # the second one ends at once


def test_a_signal_that_python_has_not_heard_yet_wakes_who_waits(bell: Bell) -> None:
    """The byte alone, as it is when the signal came in the very moment in which the wait began."""
    os.write(bell._rope.fileno(), bytes([signal.SIGTERM]))
    assert bell.wait()


def test_a_thread_wakes_who_waits_and_it_is_not_over(bell: Bell) -> None:
    ringing = threading.Thread(target=bell.ring)
    ringing.start()
    assert not bell.wait()
    ringing.join(PATIENCE_S)
    for _ in range(100_000):
        bell.ring()  # nobody listens, and nobody is held up
    assert not bell.wait()
    ending = threading.Thread(target=bell.over)
    ending.start()
    ending.join(PATIENCE_S)
    assert bell.wait()


def test_what_can_be_read_wakes_who_waits(bell: Bell) -> None:
    reading, writing = os.pipe()
    os.close(writing)
    assert not bell.wait(reading)
    os.close(reading)


def test_afterwards_signals_are_what_they_were() -> None:
    def mine(number: int, frame: object) -> None: ...

    before = signal.signal(signal.SIGTERM, mine)
    heard: list[str] = []
    try:
        with Bell(lambda: heard.append("over")) as bell:
            os.kill(os.getpid(), signal.SIGTERM)
            assert bell.wait()
        assert heard == ["over"]
        assert signal.getsignal(signal.SIGTERM) is mine
        assert signal.set_wakeup_fd(-1) == -1
        bell.ring()  # nobody waits any more
    finally:
        signal.signal(signal.SIGTERM, before)
