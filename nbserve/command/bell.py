"""What wakes the main thread: a signal that says to end, or a thread that has something to tell."""

from __future__ import annotations

import select
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any, Self

__all__ = ["Bell", "ending_signals"]

LONGEST_RING = 4096


class Bell:
    """SIGTERM, SIGINT, and SIGHUP (unless `nohup` said otherwise), in a block; the second of one kind ends at once.

    Python hears a signal between two steps of its own: one that comes when it is about to wait for a lock is heard
    after the wait. So the main thread waits for a socket, into which each signal writes a byte.
    """

    def __init__(self, heard: Callable[[], None] | None = None) -> None:
        self.is_over = False
        self._heard = heard

    def __enter__(self) -> Self:
        self._ears, self._rope = socket.socketpair()
        self._rope.setblocking(False)
        self._rung_before = signal.set_wakeup_fd(self._rope.fileno(), warn_on_full_buffer=False)
        self._before: dict[signal.Signals, Any] = {each: signal.signal(each, self._hear) for each in ending_signals()}
        return self

    def __exit__(self, *_: object) -> None:
        for each, before in self._before.items():
            signal.signal(each, before)
        signal.set_wakeup_fd(self._rung_before)
        self._ears.close()
        self._rope.close()

    def ring(self) -> None:
        """Wake the main thread, from any thread."""
        with suppress(OSError):  # it is full, and wakes it anyway; or nobody waits any more
            self._rope.send(b"\0")

    def wait(self, *descriptors: int) -> bool:
        """Until it is over (True), or somebody rings or one of the descriptors can be read (False)."""
        if not self.is_over:
            waited_for: list[Any] = [self._ears, *descriptors]
            readable, _, _ = select.select(waited_for, [], [])
            numbers = self._ears.recv(LONGEST_RING) if self._ears in readable else b""
            if not self._before.keys().isdisjoint(numbers):
                self.over()
        return self.is_over

    def over(self) -> None:
        """It is to end; whoever waits is told."""
        self.is_over = True
        self.ring()

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        self.is_over = True
        if self._heard is not None:
            self._heard()


def ending_signals() -> list[signal.Signals]:
    """A terminal that is closed says SIGHUP, where there is such a thing and it is not to be ignored."""
    hangup: signal.Signals | None = getattr(signal, "SIGHUP", None)
    is_heard = hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN
    return [signal.SIGTERM, signal.SIGINT, *([hangup] if hangup is not None and is_heard else [])]
