"""Deadlines of requests: one timer for all of one length, where a timer each would cost more than the model."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Patience", "Wait"]


class Wait:
    """How long one request may take; it ends its task when that is over."""

    __slots__ = ("_queue", "due", "is_over", "task")

    def __init__(self, queue: _Queue, task: asyncio.Task[object]) -> None:
        self._queue = queue
        self.task = task
        self.due = 0.0
        self.is_over = False

    def begin(self) -> None:
        """From now on, also when it has begun before."""
        queue = self._queue
        queue.waits.pop(self, None)
        self.due = queue.loop.time() + queue.seconds
        queue.waits[self] = None
        if queue.timer is None:
            queue.timer = queue.loop.call_at(self.due, queue.expire)

    def end(self) -> None:
        self._queue.waits.pop(self, None)


class _Queue:
    """The waits of one length, on one loop: the first to begin is the first to end."""

    def __init__(self, seconds: float, loop: asyncio.AbstractEventLoop) -> None:
        self.seconds = seconds
        self.loop = loop
        self.waits: dict[Wait, None] = {}
        self.timer: asyncio.TimerHandle | None = None

    def expire(self) -> None:
        """End what is over; the timer is set anew for the first of the others."""
        now, self.timer = self.loop.time(), None
        over = []
        for wait in self.waits:
            if wait.due > now:
                self.timer = self.loop.call_at(wait.due, self.expire)
                break
            over.append(wait)
        for wait in over:
            wait.end()
            wait.is_over = True
            wait.task.cancel()


class Patience:
    """The deadlines of all requests of a server, by their length."""

    def __init__(self) -> None:
        self._queues: dict[float, _Queue] = {}

    @contextmanager
    def of(self, seconds: float) -> Iterator[Wait]:
        """Raises `TimeoutError` in the task that it is entered in, `seconds` after `Wait.begin`."""
        task = asyncio.current_task()
        assert task is not None
        wait = Wait(self._queue(seconds), task)
        wait.begin()
        try:
            yield wait
        except asyncio.CancelledError:
            if wait.is_over and task.uncancel() == 0:
                raise TimeoutError from None
            raise
        finally:
            wait.end()

    def _queue(self, seconds: float) -> _Queue:
        loop = asyncio.get_running_loop()
        queue = self._queues.get(seconds)
        if queue is None or queue.loop is not loop:
            queue = self._queues[seconds] = _Queue(seconds, loop)
        return queue
