"""Where and when a call runs: on an endpoint's own threads, or on the loop of the asynchronous models."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from ..errors import Busy, ServerError
from .blame import forget_locals
from .cost import Cost

__all__ = ["CoroutineThread", "Lane"]

T = TypeVar("T")

IDLE_S = 10.0
"""How long a thread waits for the next call, of whichever endpoint, before it leaves."""


class Lane:
    """An endpoint's calls: at most `threads` run at once, and at most `limit` wait.

    The threads are daemons, and borrowed: while nothing is asked of the endpoint it has none.
    """

    def __init__(self, name: str, threads: int = 1, limit: int = 1024) -> None:
        self.owner = name
        self.threads = threads
        self._limit = limit
        self._pace = Cost()
        self._queue: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._here: set[threading.Thread] = set()
        self._running = 0
        self._lock = threading.Lock()

    def submit(self, work: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        if threading.current_thread() in self._here:
            # the model calls its own endpoint: waiting for itself would be for ever
            _run(future, work)
            return future
        with self._lock:
            if len(self._queue) >= self._limit:
                self._forget_cancelled()
            if len(self._queue) >= self._limit:
                raise self._busy()
            needs_thread = self._put(future, work)
        if needs_thread:
            _workers.run(self._live)
        return future

    def push(self, work: Callable[[], None]) -> None:
        """Run it in its turn; it is no call, raises nothing, and is not refused."""
        with self._lock:
            needs_thread = self._put(Future(), work)
        if needs_thread:
            _workers.run(self._live)

    def enter(self) -> bool:
        """Take a free place to run a call in the thread that one is in; whether there was one."""
        with self._lock:
            is_free = not self._queue and self._running < self.threads
            self._running += is_free
            return is_free

    def leave(self) -> None:
        """Give the place back, to whoever has begun to wait for it."""
        with self._lock:
            is_wanted = bool(self._queue)
            self._running -= not is_wanted
        if is_wanted:
            _workers.run(self._live)

    def _put(self, future: Future[Any], work: Callable[[], Any]) -> bool:
        """Whether one more thread is wanted for it; the caller holds the lock."""
        self._queue.append((future, work))
        needs_thread = self._running < self.threads
        self._running += needs_thread
        return needs_thread

    def _busy(self) -> Busy:
        wait_s = len(self._queue) * (self._pace.of(1) or 0.0) / self.threads
        return Busy(f"{self.owner} has {self._limit} calls waiting.", "Ask again later.", retry_after_s=wait_s)

    def is_like(self, threads: int, limit: int) -> bool:
        return (self.threads, self._limit) == (threads, limit)

    def _forget_cancelled(self) -> None:
        """Calls whose callers have given up wait no more."""
        self._queue = deque(task for task in self._queue if not task[0].cancelled())

    def _live(self) -> None:
        """In a borrowed thread: call after call, until none waits."""
        thread = threading.current_thread()
        thread.name = f"nbserve:{self.owner}"
        self._here.add(thread)
        while (task := self._next(thread)) is not None:
            began = time.perf_counter()
            _run(*task)
            self._pace.note(1, time.perf_counter() - began)
            del task  # while it waits for the next, a thread holds neither arguments nor answers

    def _next(self, thread: threading.Thread) -> tuple[Future[Any], Callable[[], Any]] | None:
        with self._lock:
            if self._queue:
                return self._queue.popleft()
            self._running -= 1
            self._here.discard(thread)
            return None


class _Workers:
    """Threads that have nothing to do just now, for whichever lane needs one next; the last used first."""

    def __init__(self) -> None:
        self._idle: list[_Worker] = []
        self._lock = threading.Lock()

    def run(self, work: Callable[[], None]) -> None:
        with self._lock:
            worker = self._idle.pop() if self._idle else None
        if worker is None:
            worker = _Worker(self)
            worker.start()
        worker.jobs.put(work)

    def rest(self, worker: _Worker) -> None:
        with self._lock:
            self._idle.append(worker)

    def dismiss(self, worker: _Worker) -> bool:
        """Whether it may leave: nobody has just given it work."""
        with self._lock:
            is_idle = worker in self._idle
            if is_idle:
                self._idle.remove(worker)
            return is_idle

    def forget(self) -> None:
        """In a forked child, which has no thread but its own."""
        self._idle, self._lock = [], threading.Lock()


class _Worker(threading.Thread):
    def __init__(self, workers: _Workers) -> None:
        super().__init__(daemon=True)
        self._workers = workers
        self.jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def run(self) -> None:
        while True:
            try:
                work = self.jobs.get(timeout=IDLE_S)
            except Empty:
                if self._workers.dismiss(self):
                    return
                continue
            work()
            del work
            self.name = "nbserve:idle-call"
            self._workers.rest(self)


_workers = _Workers()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_workers.forget)


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
    while others := asyncio.all_tasks(loop) - {asyncio.current_task(loop)}:
        await asyncio.gather(*others, return_exceptions=True)
    await asyncio.sleep(0)  # a task that has ended this very moment has yet to tell those who wait for it
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
