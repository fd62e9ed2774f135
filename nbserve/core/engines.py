"""Where and when a call runs: on an endpoint's own threads, or on the loop of the asynchronous models."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from ..errors import Busy, ServerError
from .blame import forget_locals
from .cost import Cost

__all__ = ["CoroutineThread", "Lane", "Places", "lane_of", "release_threads"]

T = TypeVar("T")

IDLE_S = 10.0
"""How long a thread waits for the next call, of whichever endpoint, before it leaves."""


LOST_S = 1.0
"""A thread that was called so long ago and has not come is given up: who called it was interrupted."""

FAREWELL_S = 1.0


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
        self._guests = 0
        self._called = 0
        self._called_at = 0.0
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
            self._queue.append((future, work))
            needs_thread = self._needs_thread()
        if needs_thread:
            self._call_thread()
        return future

    def push(self, work: Callable[[], None]) -> None:
        """Run it in its turn; it is no call, raises nothing, and is not refused."""
        self._begin(Future(), work)

    def _begin(self, future: Future[Any], work: Callable[[], Any]) -> None:
        with self._lock:
            self._queue.append((future, work))
            needs_thread = self._needs_thread()
        if needs_thread:
            self._call_thread()

    def enter(self) -> bool:
        """Take a free place to run a call in the thread that one is in; whether there was one."""
        with self._lock:
            is_free = not self._queue and self._has_room()
            self._guests += is_free
            return is_free

    def leave(self) -> None:
        """Give the place back, to whoever has begun to wait for it."""
        with self._lock:
            self._guests -= 1
            needs_thread = bool(self._queue) and self._needs_thread()
        if needs_thread:
            self._call_thread()

    def _has_room(self) -> bool:
        return len(self._here) + self._guests < self.threads

    def _busy(self) -> Busy:
        wait_s = len(self._queue) * (self._pace.of(1) or 0.0) / self.threads
        return Busy(f"{self.owner} has {self._limit} calls waiting.", "Ask again later.", retry_after_s=wait_s)

    def is_like(self, threads: int, limit: int) -> bool:
        return (self.threads, self._limit) == (threads, limit)

    def _needs_thread(self) -> bool:
        """Whether to call one more; those that were called and have yet to come count. The caller holds the lock."""
        missing = self.threads - self._guests - len(self._here)
        if missing <= 0:
            return False
        now = time.monotonic()
        on_their_way = self._called if now - self._called_at < LOST_S else 0
        if on_their_way >= missing:
            return False
        self._called, self._called_at = on_their_way + 1, now
        return True

    def _call_thread(self) -> None:
        try:
            _workers.run(self._live)
        except BaseException:
            # a cell was interrupted half-way: once more, for who waits behind it; one too many leaves by itself
            _workers.run(self._live)
            raise

    def _forget_cancelled(self) -> None:
        """Calls whose callers have given up wait no more."""
        self._queue = deque(task for task in self._queue if not task[0].cancelled())

    def _live(self) -> None:
        """In a borrowed thread: call after call, until none waits."""
        thread = threading.current_thread()
        if not self._enter(thread):
            return
        while (task := self._next(thread)) is not None:
            began = time.perf_counter()
            _run(*task)
            self._pace.note(1, time.perf_counter() - began)
            del task  # while it waits for the next, a thread holds neither arguments nor answers

    def _enter(self, thread: threading.Thread) -> bool:
        with self._lock:
            self._called = max(0, self._called - 1)
            if not self._has_room():
                return False
            self._here.add(thread)
        thread.name = f"nbserve:{self.owner}"
        return True

    def _next(self, thread: threading.Thread) -> tuple[Future[Any], Callable[[], Any]] | None:
        with self._lock:
            if self._queue:
                return self._queue.popleft()
            self._here.discard(thread)
            return None


class Places:
    """So many may be taken at once; nobody waits for one. Thread-safe, and a tenth of a semaphore in weight."""

    __slots__ = ("_free", "_lock")

    def __init__(self, count: int) -> None:
        self._free = count
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Whether there was one left."""
        with self._lock:
            has_one = self._free > 0
            self._free -= has_one
            return has_one

    def give_back(self) -> None:
        with self._lock:
            self._free += 1


class _Turnstile(Lane):
    """A lane before which nobody waits: a call runs at once, or is refused."""

    def __init__(self, name: str, threads: int) -> None:
        super().__init__(name, threads, limit=0)
        self._free = Places(threads)

    def submit(self, work: Callable[[], T]) -> Future[T]:
        if threading.current_thread() in self._here:
            return super().submit(work)
        if not self._free.take():
            calls = "a call runs" if self.threads == 1 else f"{self.threads} calls run"
            wait_s = self._pace.of(1) or 0.0
            raise Busy(f"{self.owner} is busy: {calls}, and none may wait.", "Ask again later.", retry_after_s=wait_s)
        future: Future[T] = Future()
        self._begin(future, partial(_left_after, self._free, work))
        future.add_done_callback(partial(_left_if_cancelled, self._free))
        return future


def _left_after(free: Places, work: Callable[[], T]) -> T:
    """The place is free before anybody is told: who asks again at once finds it so."""
    try:
        return work()
    finally:
        free.give_back()


def _left_if_cancelled(free: Places, future: Future[Any]) -> None:
    if future.cancelled():
        free.give_back()


def lane_of(name: str, threads: int, limit: int) -> Lane:
    """A lane, at which nobody waits where the `limit` is 0."""
    return Lane(name, threads, limit) if limit else _Turnstile(name, threads)


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
        """Whether it was idle, and may leave; else somebody is about to give it work."""
        with self._lock:
            is_idle = worker in self._idle
            if is_idle:
                self._idle.remove(worker)
            return is_idle

    def release(self) -> None:
        """Let those go that have nothing to do, and see them off."""
        with self._lock:
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.jobs.put(None)
        for worker in idle:
            worker.join(FAREWELL_S)

    def forget(self) -> None:
        """In a forked child, which has no thread but its own."""
        self._idle, self._lock = [], threading.Lock()


class _Worker(threading.Thread):
    def __init__(self, workers: _Workers) -> None:
        super().__init__(daemon=True)
        self._workers = workers
        self.jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    def run(self) -> None:
        is_forgotten = False
        while True:
            try:
                work = self.jobs.get(timeout=IDLE_S)
            except Empty:
                if self._workers.dismiss(self) or is_forgotten:
                    return
                is_forgotten = True  # whoever was about to was interrupted, if nothing comes for as long again
                continue
            is_forgotten = False
            if work is None:
                return
            work()
            del work
            self.name = "nbserve:idle-call"
            self._workers.rest(self)


_workers = _Workers()


def release_threads() -> None:
    """Let the threads go that no call is running in: nothing is served any more."""
    _workers.release()


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
            if self._loop is not None and not self._is_live():
                _close(self._loop)
                self._loop = None
            if self._loop is None:
                self._loop = asyncio.SelectorEventLoop()
                self._thread = threading.Thread(target=self._live, args=(self._loop,), name=self._name, daemon=True)
                self._thread.start()
            return self._loop

    def _is_live(self) -> bool:
        """Whether its thread runs: the one who was to start it may have been interrupted before."""
        return self._thread is not None and self._thread.is_alive()

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
        if loop is None:
            return
        if self._is_live():
            asyncio.run_coroutine_threadsafe(_end(loop), loop)
        else:
            _close(loop)

    @staticmethod
    def _live(loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            loop.close()


def _close(loop: asyncio.AbstractEventLoop) -> None:
    if not loop.is_running():  # it may have been, in the process that this one was forked from
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
