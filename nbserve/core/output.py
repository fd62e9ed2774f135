"""What models print: to their endpoint's log, never into the cell that happens to run.

A notebook's `sys.stdout` writes into whichever cell is running, whoever prints. `catch_prints` puts a switch before
it: code that runs for an endpoint writes to that endpoint's log, everything else as before.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from contextvars import ContextVar
from typing import Any

__all__ = ["Log", "catch_prints", "is_serving", "mirror_logs", "release_prints", "write_to", "writing_to"]

REMEMBERED_LINES = 1000
LONGEST_LINE = 2000

_mirror: Any = None

_log: ContextVar[Log | None] = ContextVar("nbserve_log", default=None)


class Log:
    """The newest lines that one endpoint's model printed, warned and raised. Thread-safe."""

    def __init__(self) -> None:
        self._lines: deque[tuple[float, str]] | None = None  # most models print nothing, and an empty one weighs, too
        self._open = ""
        self._lock = threading.Lock()

    def write(self, text: str) -> int:
        with self._lock:
            *lines, self._open = (self._open + text).split("\n")
            self._open = self._open[-LONGEST_LINE:]
            now = time.time()
            if self._lines is None:
                self._lines = deque(maxlen=REMEMBERED_LINES)
            self._lines.extend((now, line[:LONGEST_LINE]) for line in lines)
            if _mirror is not None:
                _mirror.writelines(f"{line[:LONGEST_LINE]}\n" for line in lines)
        return len(text)

    def lines(self) -> list[str]:
        """`21:05:13 text`, oldest first."""
        with self._lock:
            kept = list(self._lines or ()) + ([(time.time(), self._open)] if self._open else [])
        return [f"{time.strftime('%H:%M:%S', time.localtime(at))} {line}" for at, line in kept]


class _Switch:
    """Stands for a text stream; what is written for an endpoint goes to its log."""

    def __init__(self, stream: Any) -> None:
        self.nbserve_stream = stream

    def write(self, text: str) -> int:
        log = _log.get()
        return int(self.nbserve_stream.write(text) or 0) if log is None else log.write(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if _log.get() is None:
            self.nbserve_stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.nbserve_stream, name)


class writing_to:  # noqa: N801 - used as a function; a generator would take twice as long in each call
    """What this thread or task prints in the block goes to `log`."""

    __slots__ = ("_before", "_log")

    def __init__(self, log: Log) -> None:
        self._log = log

    def __enter__(self) -> None:
        self._before = _log.set(self._log)

    def __exit__(self, *_: object) -> None:
        _log.reset(self._before)


def is_serving() -> bool:
    """Whether the code that asks runs for an endpoint."""
    return _log.get() is not None


def write_to(log: Log) -> None:
    """From here on, what this thread or task prints goes to `log`."""
    _log.set(log)


def mirror_logs(stream: Any) -> None:
    """Write what goes to logs to `stream` as well, where nobody is there who could ask for them; None ends that."""
    global _mirror
    _mirror = stream


def catch_prints() -> None:
    """Put the switch before stdout and stderr, once."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, _Switch):
            setattr(sys, name, _Switch(stream))


def release_prints() -> None:
    """Take the switch away again, where it still is."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, _Switch):
            setattr(sys, name, stream.nbserve_stream)
