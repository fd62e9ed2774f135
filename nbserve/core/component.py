"""One model, loaded at most once at a time: the only way to reach it is a lease."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from ..errors import Conflict, LoadError, NbserveError
from .blame import reason_of

__all__ = ["Component", "Source", "State", "UnloadReport"]

M = TypeVar("M")
R = TypeVar("R")


class State(StrEnum):
    UNLOADED = "unloaded"
    LOADING = "loading"
    LOADED = "loaded"
    FAILED = "failed"


class Source(Protocol[M]):
    """Where a component's model comes back from."""

    @property
    def spilled_bytes(self) -> int:
        """What was put aside weighs on disk."""
        ...

    def load(self) -> M:
        """The model; whatever this raises is the reason why the component failed."""
        ...

    def keep(self, model: M) -> None:
        """Make sure that `load` can give the model back; called before it leaves memory. Raises `SpillError`."""
        ...

    def peek(self, look: Callable[[M], R]) -> R | None:
        """`look(model)` if the model is in memory although it is unloaded; else None."""
        ...

    def release(self) -> None:
        """Let go of whatever `keep` put aside: the model is in memory again."""
        ...


@dataclass(frozen=True, slots=True)
class UnloadReport:
    """What an unload did: the state it left, the bytes that the process gave back, who still holds the model.

    `was_loaded` is false when there was nothing to unload.
    """

    state: State
    freed_bytes: int = 0
    holders: tuple[str, ...] = ()
    was_loaded: bool = True

    def to_dict(self) -> dict[str, Any]:
        return {"state": str(self.state), "freed_bytes": self.freed_bytes, "holders": list(self.holders)}


class Component(Generic[M]):
    """Holds at most one loaded model, and the only way to reach it.

    Thread-safe. Callers that arrive during a load share it; a load that fails stays failed, with its reason, until
    `load` or `unload` is asked for. An unload waits for the leases in flight, and a caller that arrives meanwhile
    takes the model back: there is never a second copy, and nobody is refused.
    """

    def __init__(self, source: Source[M], model: M | None = None) -> None:
        self.source = source
        self._slot = model
        self._leases = 0
        self._is_leaving = False
        self._loading: Future[None] | None = None
        self._failure: str | None = None
        self._changed = threading.Condition()
        self._unloading = threading.Lock()
        self._here = threading.local()
        self.loads = 0
        self.unloads = 0

    @property
    def state(self) -> State:
        with self._changed:
            if self._slot is not None:
                return State.LOADED
            if self._loading is not None:
                return State.LOADING
            return State.UNLOADED if self._failure is None else State.FAILED

    @property
    def failure(self) -> str | None:
        """Why the last load failed, in one sentence."""
        return self._failure

    @contextmanager
    def lease(self) -> Iterator[M]:
        """The model, loaded if need be; it stays for the length of the block. Raises `LoadError`."""
        model = self.acquire()
        self._here.leases = self._leases_here + 1
        try:
            yield model
        finally:
            del model  # before the release, so that whoever waits for it finds this frame empty
            self._here.leases -= 1
            self.release()

    def acquire(self) -> M:
        """A lease without a block: every `acquire` needs its `release`."""
        while True:
            model = self.try_acquire()
            if model is not None:
                return model
            self._load_once()

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
            if self._leases == 0:
                self._changed.notify_all()

    def load(self) -> None:
        """Bring the model into memory, also after a failure. Raises `LoadError`."""
        with self._changed:
            self._failure = None
        with self.lease():
            pass

    def unload(self, timeout_s: float | None = None) -> State:
        """Let the model go once the leases in flight have ended; answers the state that it left.

        Raises `SpillError` when the model could not be put aside: it stays loaded then. After `timeout_s` seconds of
        waiting for leases the model stays too. Raises `Conflict` in a thread that holds a lease itself.
        """
        if self._leases_here:
            raise Conflict("A model cannot be unloaded by its own call.", "Unload it from outside.")
        with self._unloading:
            self._settle_load()
            with self._changed:
                self._failure = None
                model = self._slot
            if model is None:
                return self.state
            self.source.keep(model)
            del model
            if self._empty_slot(timeout_s):
                self.unloads += 1
            else:
                self.source.release()
        return self.state

    def peek(self, look: Callable[[M], R]) -> R | None:
        """`look(model)` if the model is in memory, else None; never loads."""
        with self._changed:
            model = self._slot
            if model is None:
                return None
            self._leases += 1  # an unload waits for the look, and is not taken back by it
        try:
            return look(model)
        finally:
            del model
            self.release()

    @property
    def _leases_here(self) -> int:
        return getattr(self._here, "leases", 0)

    def _empty_slot(self, timeout_s: float | None) -> bool:
        with self._changed:
            self._is_leaving = True
            self._changed.wait_for(lambda: self._leases == 0 or not self._is_leaving, timeout_s)
            if self._leases or not self._is_leaving:
                self._is_leaving = False
                return False
            self._is_leaving = False
            self._slot = None
            return True

    def _settle_load(self) -> None:
        loading = self._loading
        if loading is not None:
            loading.exception()

    def _load_once(self) -> None:
        """Load, or wait for the load that somebody else began. Raises `LoadError`."""
        with self._changed:
            if self._slot is not None:
                return
            if self._failure is not None:
                raise LoadError(self._failure, "Load it again once the cause is gone, or serve another model.")
            loading, is_mine = self._loading, self._loading is None
            if loading is None:
                loading = self._loading = Future()
        if is_mine:
            self._load(loading)
        loading.result()

    def _load(self, loading: Future[None]) -> None:
        failure: str | None = None  # and no model: an interrupt, which goes on and is no failure
        model: M | None = None
        try:
            model = self.source.load()
            if model is None:
                failure = "The load gave no model back."
            else:
                self.source.release()
        except NbserveError as error:
            failure = error.problem
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's own code: what it raises is the reason
            failure = f"Loading raised {reason_of(error)}."
        finally:
            self._finish(loading, model, failure)

    def _finish(self, loading: Future[None], model: M | None, failure: str | None) -> None:
        with self._changed:
            self._slot, self._failure, self._loading = model, failure, None
            self.loads += model is not None
        loading.set_result(None)
