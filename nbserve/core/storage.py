"""Where a model's bytes are while it is not in memory."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ..errors import LoadError, SpillError
from .reduction import watch
from .sizing import size_of
from .spill import Spill

__all__ = ["LiveObject"]

R = TypeVar("R")


class LiveObject:
    """Brings back an object that was born in this process and has no file of its own.

    While the notebook holds the object, or another component has it loaded, keeping it costs nothing, and it is held
    on to until somebody looks (`settle`) and finds that nobody else does. Else it is spilled to `folder`; the very
    object is still taken back if somebody has kept it alive.

    Thread-safe, and shared by the components that serve the object under several names. Each `keep` that succeeds is
    followed by one `release`, when the model is back in its slot (or never left it). One file is read or written at a
    time; who finds the object alive waits for none, nor does `settle`, which belongs to the cells.
    """

    label = "the notebook"

    def __init__(self, folder: Callable[[], Path], is_held: Callable[[object], bool], model: Any = None) -> None:
        """`is_held(model)`: whether the notebook holds it, or a component that is not just letting go of it.

        `model`: the object, if there is something to remember of it now (a file that it was made from).
        """
        self._folder = folder
        self._is_held = is_held
        self._borrowed: weakref.ref[Any] | None = None
        self._pinned: Any = None
        self._spill: Spill | None = None
        self._away = 0
        self._reading: _Reading | None = None
        self._turn = threading.Lock()
        self._filing = threading.RLock()
        watch(model)

    @property
    def spilled_bytes(self) -> int:
        spill = self._spill
        return 0 if spill is None else spill.size_bytes

    @property
    def expected_bytes(self) -> int:
        spilled_bytes = self.spilled_bytes
        return spilled_bytes or self.peek(size_of) or 0

    @property
    def progress(self) -> tuple[int, int] | None:
        reading = self._reading
        return None if reading is None else (reading.done_bytes, reading.total_bytes)

    def load(self) -> Any:
        model = self._alive()
        if model is not None:
            return model
        with self._filing:
            model = self._alive()  # another component may have read the file meanwhile
            return self._restored() if model is None else model

    def keep(self, model: Any) -> None:
        with self._filing:
            reference = _weakly(model)
            is_borrowed = reference is not None and self._is_held(model)
            spill = None if is_borrowed else Spill.write(model, self._folder())
            with self._turn:
                self._away += 1
                self._borrowed, self._spill = reference, spill
                self._pinned = model if is_borrowed else None

    def leave(self) -> None:
        """Two components that left at once may each have counted on the other one."""
        with self._filing:
            pinned = self._pinned
            if pinned is not None and not self._is_held(pinned):
                self._spill_pinned(pinned)

    def release(self) -> None:
        """The model is in a slot again; also for a component that is thrown away while its model is not.

        While another component has not taken it back, what was put aside stays.
        """
        with self._turn:
            self._away = max(0, self._away - 1)
            if self._away:
                return
            spill, self._spill, self._pinned = self._spill, None, None
        if spill is not None:
            spill.remove()

    def peek(self, look: Callable[[Any], R]) -> R | None:
        model = self._alive()
        return None if model is None else look(model)

    def settle(self) -> None:
        """After code of the user's has run: spill the object if nobody holds it any more.

        What cannot be spilled is held on to: a model is never lost.
        """
        if self._pinned is None or not self._filing.acquire(blocking=False):
            return  # whoever is at the file says what becomes of the object, or the next time does
        try:
            pinned = self._pinned
            if pinned is not None and not self._is_held(pinned):
                self._spill_pinned(pinned)
        finally:
            self._filing.release()

    def _spill_pinned(self, pinned: Any) -> None:
        try:
            spill = Spill.write(pinned, self._folder())
        except SpillError:
            return
        with self._turn:
            if self._pinned is pinned:  # else it has been taken back meanwhile
                self._pinned, self._spill = None, spill

    def _alive(self) -> Any:
        with self._turn:
            if self._pinned is not None:
                return self._pinned
            return None if self._borrowed is None else self._borrowed()

    def _restored(self) -> Any:
        spill = self._spill
        if spill is None:
            raise LoadError("The notebook let go of the model while it was unloaded.", "Serve it again.")
        self._reading = reading = _Reading(spill.size_bytes)
        try:
            model = spill.read(reading.arrived)
        finally:
            self._reading = None
        with self._turn:
            self._borrowed = _weakly(model)
        return model


class _Reading:
    """How far a file has been read, by several threads."""

    def __init__(self, total_bytes: int) -> None:
        self.total_bytes = total_bytes
        self.done_bytes = 0
        self._turn = threading.Lock()

    def arrived(self, size_bytes: int) -> None:
        with self._turn:
            self.done_bytes += size_bytes


def _weakly(model: object) -> weakref.ref[Any] | None:
    try:
        return weakref.ref(model)
    except TypeError:  # lists, slotted objects
        return None
