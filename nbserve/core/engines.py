"""Where and when a call runs: on an endpoint's own threads, or on the loop of the asynchronous models."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from ..errors import Busy, ServerError
from .blame import forget_locals

__all__ = ["CoroutineThread", "Lane"]

T = TypeVar("T")

IDLE_S = 10.0
"""How long a lane's thread waits for the next call before it leaves."""


class Lane:
    """An endpoint's own daemon threads, and the bounded queue before them.

    At most `threads` calls run at once and at most `limit` wait; threads are started when there is work and leave
    when there is none.
    """

    def __init__(self, name: str, threads: int = 1, limit: int = 1024) -> None:
        self._name = name
        self._most_threads = threads
        self._limit = limit
        self._queue: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._threads: set[threading.Thread] = set()
        self._idle = 0
        self._is_retired = False
        self._changed = threading.Condition()

    def submit(self, work: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        if threading.current_thread() in self._threads:
            # the model calls its own endpoint: waiting for itself would be for ever
            _run(future, work)
            return future
        with self._changed:
            if len(self._queue) >= self._limit:
                self._forget_cancelled()
            if len(self._queue) >= self._limit:
                raise Busy(f"{self._name} has {self._limit} calls waiting.", "Ask again later.")
            self._queue.append((future, work))
            if self._idle >= len(self._queue):
                self._changed.notify()
            elif len(self._threads) < self._most_threads:
                self._start_thread()
        return future

    def is_like(self, threads: int, limit: int) -> bool:
        return (self._most_threads, self._limit) == (threads, limit)

    def retire(self) -> None:
        with self._changed:
            self._is_retired = True
            self._changed.notify_all()

    def _forget_cancelled(self) -> None:
        """Calls whose callers have given up wait no more."""
        self._queue = deque(task for task in self._queue if not task[0].cancelled())

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._live, name=f"nbserve:{self._name}", daemon=True)
        self._threads.add(thread)
        thread.start()

    def _live(self) -> None:
        while (task := self._next()) is not None:
            _run(*task)
            del task  # an idle thread holds neither arguments nor answers

    def _next(self) -> tuple[Future[Any], Callable[[], Any]] | None:
        with self._changed:
            self._idle += 1
            self._changed.wait_for(lambda: self._queue or self._is_retired, IDLE_S)
            self._idle -= 1
            if self._queue:
                return self._queue.popleft()
            self._threads.discard(threading.current_thread())
            return None


class CoroutineThread:
    """A daemon thread with an event loop, on which an endpoint's asynchronous model runs: never on the server's.

    It is started with the first call.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.SelectorEventLoop()
                self._thread = threading.Thread(target=self._live, args=(self._loop,), name=self._name, daemon=True)
                self._thread.start()
            return self._loop

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def is_here(self) -> bool:
        """Whether the calling thread is the one that the loop runs in."""
        return threading.current_thread() is self._thread

    def wait_here(self, future: Future[T]) -> T:
        """Raises `ServerError`: the loop that would have to go on is the one that waits."""
        future.cancel()
        raise ServerError("An asynchronous model cannot wait for its own loop.", "Use 'await ep.async_predict(…)'.")

    def retire(self) -> None:
        """Let the thread go when the calls in flight have ended; one that comes late starts another."""
        with self._starting:
            loop, self._loop = self._loop, None
        if loop is not None:
            asyncio.run_coroutine_threadsafe(_end(loop), loop)

    @staticmethod
    def _live(loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            loop.close()


async def _end(loop: asyncio.AbstractEventLoop) -> None:
    others = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
    await asyncio.gather(*others, return_exceptions=True)
    loop.stop()


def _run(future: Future[T], work: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        answer = work()
    except BaseException as error:  # noqa: BLE001 - the user's code: what it raises belongs to the one who asked
        del work  # the frames behind the error hold this one
        forget_locals(error)
        future.set_exception(error)
    else:
        future.set_result(answer)
