"""What an endpoint has been asked, and how long it took."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Traffic"]

REMEMBERED = 512
"""Latencies that the percentiles are taken from: the newest."""

HISTORY_S = 60

RATE_S = 10
"""The requests of so many seconds tell how many come in one."""


@dataclass(slots=True)
class _Second:
    at_s: int
    requests: int = 0
    errors: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    stride: int = 1
    """One of so many is among them: of a busy second, all of it is told alike."""


class Traffic:
    """Counters of one endpoint, kept over swaps of its model. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._latencies_ms: deque[float] = deque(maxlen=REMEMBERED)
        self._seconds: deque[_Second] = deque(maxlen=HISTORY_S)
        self.requests = 0
        self.errors = 0
        self.rows = 0
        self.in_flight = 0
        self._let_in = 0

    def let_in(self, limit: int) -> bool:
        """Whether one more may go to the model, of so many at once; who was let in is `let_out`."""
        with self._lock:
            has_room = self._let_in < limit
            self._let_in += has_room
            return has_room

    def let_out(self) -> None:
        with self._lock:
            self._let_in -= 1

    def begin(self) -> None:
        with self._lock:
            self.in_flight += 1

    def end(self, seconds: float, rows: int | None, is_error: bool) -> None:
        """Note one answered request; `seconds` is what the caller waited."""
        latency_ms = seconds * 1e3
        with self._lock:
            self.in_flight -= 1
            self.requests += 1
            self.errors += is_error
            self.rows += rows or 0
            self._latencies_ms.append(latency_ms)
            second = self._this_second()
            if second.requests % second.stride == 0:
                second.latencies_ms.append(latency_ms)
                if len(second.latencies_ms) == REMEMBERED:
                    second.latencies_ms, second.stride = second.latencies_ms[::2], 2 * second.stride
            second.requests += 1
            second.errors += is_error

    def counters(self) -> dict[str, int]:
        with self._lock:
            return {
                "requests": self.requests,
                "errors": self.errors,
                "rows": self.rows,
                "in_flight": self.in_flight,
            }

    def latency_ms(self) -> dict[str, float | None]:
        with self._lock:
            newest = sorted(self._latencies_ms)
        return {"p50": percentile(newest, 0.5), "p99": percentile(newest, 0.99)}

    def rate(self) -> float:
        """Requests a second, lately."""
        now = self._clock()
        first = int(now) - RATE_S + 1
        with self._lock:
            requests = sum(each.requests for each in self._seconds if each.at_s >= first)
        return round(requests / max(1.0, now - first), 2)

    def history(self) -> list[list[Any]]:
        """``[second, requests, errors, p50 ms, p99 ms]`` of each of the last 60 s in which anything was asked.

        The last is that of now, asked or not: from there the others are as long ago as they were.
        """
        now = int(self._clock())
        with self._lock:
            seconds = [
                (each.at_s, each.requests, each.errors, sorted(each.latencies_ms))
                for each in self._seconds
                if each.at_s > now - HISTORY_S
            ]
        rows: list[list[Any]] = [
            [at_s, requests, errors, percentile(latencies, 0.5), percentile(latencies, 0.99)]
            for at_s, requests, errors, latencies in seconds
        ]
        return [*rows, [now, 0, 0, None, None]] if rows and rows[-1][0] < now else rows

    def _this_second(self) -> _Second:
        now = int(self._clock())
        if not self._seconds or self._seconds[-1].at_s != now:
            self._seconds.append(_Second(now))
        return self._seconds[-1]


def percentile(ordered: list[float], share: float) -> float | None:
    """The nearest-rank percentile of an ordered list, in its own unit; None of an empty one."""
    if not ordered:
        return None
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)
