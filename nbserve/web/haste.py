"""How the interpreter shares its time while requests are in flight.

Two of its settings cost a server dearly in a process that has something else to do:

- a thread that computes in Python keeps the interpreter for `sys.getswitchinterval()` each time another one wants it,
  5 ms, and a request wants it several times;
- the garbage collector looks at the youngest 700 objects each time; with many requests in flight these are theirs,
  they count as old then, and soon all objects of the process are looked at for their sake.

Both are changed with the first request and put back soon after the last, unless somebody has set them himself.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Haste", "haste"]

SWITCH_S = 0.5e-3
YOUNGEST = 10_000

LINGER_S = 0.1
"""How long after the last request the next is waited for: its arrival itself wants the interpreter."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of the interpreter: `hasty` is what it should be, given what it is."""

    get: Callable[[], Any]
    set: Callable[[Any], None]
    hasty: Callable[[Any], Any]


def _set_thresholds(thresholds: tuple[int, int, int]) -> None:
    gc.set_threshold(*thresholds)


def _hasty_thresholds(now: tuple[int, int, int]) -> tuple[int, int, int]:
    """0 is a collector that was switched off."""
    return now if now[0] == 0 else (max(now[0], YOUNGEST), *now[1:])


SETTINGS = (
    Setting(sys.getswitchinterval, sys.setswitchinterval, lambda now: min(now, SWITCH_S)),
    Setting(gc.get_threshold, _set_thresholds, _hasty_thresholds),
)


class Haste:
    """Counts the requests in flight, of all loops of the process. Thread-safe."""

    def __init__(self, settings: tuple[Setting, ...] = SETTINGS) -> None:
        self._settings = settings
        self._in_flight = 0
        self._begun = 0
        self._is_leaving = False
        self._changed: list[tuple[Setting, Any, Any]] = []
        self._lock = threading.Lock()

    def begin(self) -> None:
        with self._lock:
            self._in_flight += 1
            self._begun += 1
            if not self._changed:
                self._hurry()

    def end(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            self._in_flight -= 1
            if self._in_flight or self._is_leaving or not self._changed:
                return
            self._is_leaving = True
        loop.call_later(LINGER_S, self._leave, loop, self._begun)

    def rest(self) -> None:
        """A loop has ended: it looks no more whether others come."""
        with self._lock:
            self._is_leaving = False
            if not self._in_flight:
                self.restore()

    def restore(self) -> None:
        """Put everything back, but for what somebody else has set meanwhile."""
        changed, self._changed = self._changed, []
        for setting, before, ours in changed:
            if setting.get() == ours:
                setting.set(before)

    def forget(self) -> None:
        """In a forked child, which answers nobody."""
        self._lock = threading.Lock()
        self._in_flight, self._is_leaving = 0, False
        self.restore()

    def _hurry(self) -> None:
        for setting in self._settings:
            before = setting.get()
            setting.set(setting.hasty(before))
            ours = setting.get()
            if ours != before:
                self._changed.append((setting, before, ours))

    def _leave(self, loop: asyncio.AbstractEventLoop, seen: int) -> None:
        """Put back what was changed, unless somebody has come since the last look."""
        with self._lock:
            if not self._in_flight and self._begun == seen:
                self._is_leaving = False
                self.restore()
                return
        loop.call_later(LINGER_S, self._leave, loop, self._begun)


haste = Haste()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=haste.forget)
