"""What ends the wait for an answer: its deadline, and a caller that hangs up."""

from __future__ import annotations

import asyncio
from typing import Any

from ..core.sharing import Caller
from ..errors import BodyIncomplete, DeadlineExceeded
from .asgi import Receive

__all__ = ["Patience", "hung_up", "overdue", "taken_back"]


class Patience:
    """The deadlines of one length, on one loop: one timer for all that wait, since the first to begin ends first."""

    def __init__(self, seconds: float, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._seconds = seconds
        self._waits: dict[Caller, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def limit(self, caller: Caller) -> None:
        """From now on the caller has to be answered in time."""
        due = self._waits[caller] = self.loop.time() + self._seconds
        if self._timer is None:
            self._timer = self.loop.call_at(due, self._expire)
        caller.add_done_callback(self._forget)

    def watch(self, future: asyncio.Future[Any], receive: Receive) -> None:
        """The same of a future, which fails when the caller that `receive` is of hangs up, too."""
        hangup = _Hangup(receive, future)
        future.add_done_callback(hangup.end)
        self.limit(future)

    def _forget(self, caller: Caller) -> None:
        self._waits.pop(caller, None)

    def _expire(self) -> None:
        """End what is over; the timer is set anew for the first of the others."""
        now, self._timer = self.loop.time(), None
        for caller, due in list(self._waits.items()):
            if due > now:
                self._timer = self.loop.call_at(due, self._expire)
                return
            self._forget(caller)
            if not caller.done():
                caller.set_exception(overdue(self._seconds))


class _Hangup:
    """Fails a future when the caller of a request whose body was read hangs up, without a task that waits for that.

    `receive` then has one thing left to say, and what it waits for is looked at directly.
    """

    def __init__(self, receive: Receive, future: asyncio.Future[Any]) -> None:
        self._future = future
        self._said: Any = receive()
        if asyncio.iscoroutine(self._said):
            self._look()

    def end(self, _: object) -> None:
        if asyncio.iscoroutine(self._said):
            self._said.close()

    def _look(self, _: object = None) -> None:
        if self._future.done():
            return
        try:
            awaited = self._said.send(None)
        except StopIteration as end:
            if end.value["type"] == "http.disconnect":
                self._future.set_exception(hung_up())
        except RuntimeError:  # it has ended already
            return
        else:
            if isinstance(awaited, asyncio.Future):
                awaited.add_done_callback(self._look)


def hung_up() -> BodyIncomplete:
    return BodyIncomplete("The caller has hung up.")


def taken_back() -> BodyIncomplete:
    return BodyIncomplete("The ticket was taken back.")


def overdue(seconds: float) -> DeadlineExceeded:
    return DeadlineExceeded(f"The answer took longer than {seconds:g} s.", "Send fewer rows, or raise --deadline.")
