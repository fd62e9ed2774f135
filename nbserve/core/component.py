"""One model, loaded at most once at a time: the only way to reach it is a lease."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from contextvars import copy_context
from typing import Generic, TypeVar

from ..errors import Conflict, LoadError, NbserveError, OverBudget
from .blame import forget_locals
from .lifecycle import Listener, Source, State
from .loading import Loading, failure_again, failure_of
from .waiting import is_leased_here, is_loading_here, leased_here, loading_here, may_wait

__all__ = ["Component"]

M = TypeVar("M")
R = TypeVar("R")

LONGEST_LOOK_S = 1.0
"""How long an unload that gives way to every use waits for those who only look at the model."""

NESTED_S = 30.0
"""How long an unload waits that is asked for from inside a call of another model."""


class Component(Generic[M]):
    """Holds at most one loaded model, and the only way to reach it.

    Thread-safe. Callers that arrive during a load share it. It runs on a thread of its own: who waits for it may give
    up, and one that takes longer than `load_deadline_s` seconds is a failure; its thread is waited for, and not
    doubled, by the next load. A load that fails stays failed, with its reason, until `load` or `unload` is asked for.

    An unload waits for the leases in flight, and a caller that arrives meanwhile takes the model back: there is never
    a second copy, and nobody is refused.
    """

    def __init__(
        self,
        source: Source[M],
        model: M | None = None,
        *,
        load_deadline_s: float = threading.TIMEOUT_MAX,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.source = source
        self.load_deadline_s = load_deadline_s
        self._clock = clock
        self._slot = model
        self._leases = 0
        self._looks = 0
        self._is_leaving = False
        self._is_departing = False
        self._loading: Loading | None = None
        self._overdue: Loading | None = None
        self._failure: NbserveError | None = None
        self._changed = threading.Condition(threading.Lock())
        self._unloading = threading.Lock()
        self._listeners: tuple[Listener, ...] = ()
        self.loads = 0
        self.unloads = 0
        self.loaded_at = clock()
        self.used_at: float | None = None

    # --- what is true

    @property
    def state(self) -> State:
        with self._changed:
            if self._slot is not None:
                return State.LOADED
            if self._loading is not None and not self._is_overdue(self._loading):
                return State.LOADING
            return State.UNLOADED if self._failure is None else State.FAILED

    @property
    def failure(self) -> str | None:
        """Why the last load failed, in one sentence."""
        failure = self._failure
        return None if failure is None else failure.problem

    @property
    def is_in_use(self) -> bool:
        """Whether a lease is held."""
        return self._leases > 0

    @property
    def is_unloading(self) -> bool:
        """Whether an unload is on its way: the model may leave at once."""
        return self._unloading.locked()

    @property
    def unused_s(self) -> float:
        """Seconds since the model was used or loaded."""
        return self._clock() - max(self.loaded_at, self.used_at or 0.0)

    @property
    def last_used_s(self) -> float | None:
        """Seconds since the last lease ended; None before the first."""
        return None if self.used_at is None else self._clock() - self.used_at

    @property
    def loading_s(self) -> float | None:
        """Seconds since the load that runs began."""
        loading = self._loading
        return None if loading is None else self._clock() - loading.began

    # --- leases

    @contextmanager
    def lease(self) -> Iterator[M]:
        """The model, loaded if need be; it stays for the length of the block. Raises `LoadError`."""
        model = self.acquire()
        try:
            with leased_here(self):
                yield model
        finally:
            del model  # before the release, so that whoever waits for it finds this frame empty
            self.release()

    def acquire(self) -> M:
        """A lease without a block: every `acquire` needs its `release`."""
        while True:
            model = self.try_acquire()
            if model is not None:
                return model
            loading = self.begin_load()
            if loading is not None:
                self._wait_for(loading)

    def try_acquire(self) -> M | None:
        """The same without waiting: None when the model is not in memory."""
        with self._changed:
            if self._slot is None:
                return None
            if self._is_leaving:
                self._is_leaving = False
                self._changed.notify_all()
            self._leases += 1
            return self._slot

    def release(self) -> None:
        with self._changed:
            self._leases -= 1
            self.used_at = self._clock()
            if self._leases == 0:
                self._changed.notify_all()

    def peek(self, look: Callable[[M], R]) -> R | None:
        """`look(model)` if the model is in memory, else None; never loads, and is no use of it."""
        with self._changed:
            model = self._slot
            if model is None:
                return None
            self._looks += 1  # an unload waits for the look, and is not taken back by it
        try:
            return look(model)
        finally:
            del model
            with self._changed:
                self._looks -= 1
                self._changed.notify_all()

    # --- loading

    def load(self) -> None:
        """Bring the model into memory, also after a failure. Raises `LoadError`."""
        with self._changed:
            self._failure = None
        self.acquire()
        used_at = self.used_at
        self.release()
        self.used_at = used_at  # to load it is no use of it

    def begin_load(self) -> Loading | None:
        """Start a load, or join the one that runs; None when the model is there. Raises `LoadError` once it failed.

        Who waits without a thread waits for the `outcome`, for `patience_s` seconds, and says `settle` then.
        """
        with self._changed:
            if self._slot is not None:
                return None
            if self._loading is not None and not self._is_overdue(self._loading) and not self.is_loading_here():
                return self._loading
            if self._failure is not None:
                raise failure_again(self._failure)
            if self.is_loading_here():
                raise Conflict("A model cannot be loaded by its own load.", "Use what it has loaded so far itself.")
            loading = self._loading = self._resumed() or self._started()
        return loading

    def is_loading_here(self) -> bool:
        """Whether the caller is the load itself: to wait for its end would be for ever."""
        return is_loading_here(self)

    def patience_s(self, loading: Loading) -> float:
        """How long the load may still take."""
        return max(0.0, loading.overdue_at - self._clock())

    def settle(self, loading: Loading) -> None:
        """After waiting: raise what the load came to, if not to a model. Raises `LoadError`."""
        if not loading.outcome.done():
            with self._changed:
                self._is_overdue(loading)
                failure = self._failure
            if failure is not None:
                raise failure_again(failure)
            return
        error = loading.outcome.result()
        if error is not None:
            raise failure_again(error)

    def replace(self, model: M | None) -> None:
        """The model that the owner of the source has put, or (None) taken, itself."""
        if model is not None:
            for listener in self._listeners:
                listener.arriving(model)
        with self._changed:
            self._slot, self._failure = model, None
            self.loads += model is not None
            self.loaded_at = self._clock()

    def listen(self, listener: Listener) -> None:
        with self._changed:
            self._listeners = (*self._listeners, listener)

    def unlisten(self, listener: Listener) -> None:
        with self._changed:
            self._listeners = tuple(each for each in self._listeners if each is not listener)

    @property
    def has_listeners(self) -> bool:
        return bool(self._listeners)

    # --- unloading

    def unload(self, timeout_s: float | None = None) -> State:
        """Let the model go once the leases in flight have ended; answers the state that it left.

        Raises `SpillError` when the model could not be put aside: it stays loaded then. After `timeout_s` seconds of
        waiting for leases the model stays too. Raises `Conflict` where the caller holds a lease itself, `UnloadError`
        when what else holds the model does not let go of it.
        """
        if is_leased_here(self):
            raise Conflict("A model cannot be unloaded by its own call.", "Unload it from outside.")
        if not may_wait():
            if self._slot is None or self.try_unload():
                return self.state
            raise Conflict("The model is in use.", "On a loop: await asyncio.to_thread(component.unload_model).")
        if timeout_s is None and is_leased_here():
            timeout_s = NESTED_S  # who unloads from inside a call may be waited for by what he waits for
        if not self._unloading.acquire(timeout=-1 if timeout_s is None else timeout_s):
            raise Conflict("The model is being unloaded by somebody else, who waits for long.", "Try it again later.")
        try:
            self._settle_load()
            return self._unload(timeout_s)
        finally:
            self._unloading.release()

    def try_unload(self) -> bool:
        """Unload the model if it is loaded, and nobody uses, loads or unloads it just now. Raises `SpillError`."""
        if self._leases or self._slot is None or not self._unloading.acquire(blocking=False):
            return False
        try:
            unloads = self.unloads
            self._unload(LONGEST_LOOK_S)
            return self.unloads > unloads
        finally:
            self._unloading.release()

    def _unload(self, timeout_s: float | None) -> State:
        with self._changed:
            self._failure = None
            model = self._slot
        if model is not None:
            self.source.keep(model)
            del model
            if self._is_emptied(timeout_s):
                self._depart()
        return self.state

    def _is_emptied(self, timeout_s: float | None) -> bool:
        """Whether the slot is empty now; if not, or when the caller is interrupted, the model stays."""
        is_empty = False
        try:
            is_empty = self._empty_slot(timeout_s)
        finally:
            if not is_empty:
                self.source.release()
        return is_empty

    def _depart(self) -> None:
        """The slot is empty: whatever else holds the model lets go of it, before anybody loads again."""
        self.unloads += 1
        try:
            self.source.leave()
        finally:
            with self._changed:
                self._is_departing = False
                self._changed.notify_all()
            for listener in self._listeners:
                listener.after_unload()

    def _empty_slot(self, timeout_s: float | None) -> bool:
        with self._changed:
            self._is_leaving = True
            try:
                self._changed.wait_for(lambda: not (self._leases or self._looks) or not self._is_leaving, timeout_s)
                if self._leases or self._looks or not self._is_leaving:
                    return False
            finally:
                self._is_leaving = False
            self._slot = None
            self._is_departing = True
            return True

    # --- the load itself

    def _settle_load(self) -> None:
        loading = self._loading
        if loading is not None:
            with suppress(NbserveError):
                self._wait_for(loading)

    def _wait_for(self, loading: Loading) -> None:
        if not may_wait():
            raise Conflict("The model is loading.", "On a loop: await asyncio.to_thread(component.resolve).")
        with suppress(TimeoutError):
            loading.outcome.result(min(self.patience_s(loading), threading.TIMEOUT_MAX))
        self.settle(loading)

    def _is_overdue(self, loading: Loading) -> bool:
        """Whether a load has taken too long: then it is given up. The caller holds the lock."""
        if self._clock() < loading.overdue_at or loading.outcome.done():
            return False
        if loading is self._loading:
            self._loading, self._overdue = None, loading
            took = f"Loading has taken longer than {self.load_deadline_s:g} s."
            self._failure = LoadError(took, "Load it again to wait on, or serve it with a longer --load-deadline.")
        return True

    def _resumed(self) -> Loading | None:
        """The load that was given up and still runs, to be waited for anew. The caller holds the lock."""
        loading, self._overdue = self._overdue, None
        if loading is not None:
            loading.began = self._clock()
            loading.overdue_at = loading.began + self.load_deadline_s
        return loading

    def _started(self) -> Loading:
        now = self._clock()
        loading = Loading(Future(), now, now + self.load_deadline_s)
        run = copy_context().run  # what a load prints belongs where its first caller's prints belong
        threading.Thread(target=run, args=(self._load, loading), name="nbserve:load", daemon=True).start()
        return loading

    def _load(self, loading: Loading) -> None:
        listeners = self._listeners
        model, raised = None, None
        loading_here(self)
        try:
            self._wait_for_departure()
            model = self._brought(listeners)
        except BaseException as error:  # noqa: BLE001 - the user's own code: what it raises is the reason
            raised = error
            forget_locals(error)
        failure = None if raised is None else failure_of(raised)
        has_model = model is not None
        is_wanted = self._finish(loading, model, failure)
        del model
        if has_model and is_wanted:
            self.source.release()
        elif has_model:
            self._leave_quietly()
            with self._changed:
                self._is_departing = False
                self._changed.notify_all()
        for listener in listeners:
            listener.after_load(raised)
        loading.outcome.set_result(failure)

    def _brought(self, listeners: tuple[Listener, ...]) -> M:
        for listener in listeners:
            listener.before_load()
        model = self.source.load()
        try:
            if model is None:
                raise LoadError("The load gave no model back.", "It must answer the model.")
            for listener in listeners:
                listener.arriving(model)
        except BaseException:
            del model
            self._leave_quietly()
            raise
        return model

    def _wait_for_departure(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._is_departing)

    def _leave_quietly(self) -> None:
        """Nobody gets this model; what the source says to that is not what went wrong."""
        with suppress(Exception):
            self.source.leave()

    def _finish(self, loading: Loading, model: M | None, failure: NbserveError | None) -> bool:
        """Whether the model was still wanted."""
        with self._changed:
            if loading is self._overdue:
                self._overdue = None
                self._is_departing = model is not None
                return False
            self._slot, self._loading = model, None
            self._failure = None if isinstance(failure, OverBudget) else failure
            self.loads += model is not None
            self.loaded_at = self._clock()
            return True
