"""Where a model's bytes are while it is not in memory."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ..errors import LoadError, SpillError
from .spill import Spill

__all__ = ["LiveObject"]

R = TypeVar("R")


class LiveObject:
    """Brings back an object that was born in this process and has no file of its own.

    While the notebook holds the object, keeping it costs nothing: it is found again through a weak reference. Else it
    is spilled to `folder`; the very object is still taken back if somebody has kept it alive.

    Thread-safe; `load`, `keep` and `release` come from one component, which never calls two of them at once. Nobody
    waits for a file that somebody else reads or writes: `pin` and `settle` belong to the cells.
    """

    def __init__(self, folder: Callable[[], Path], is_held: Callable[[object], bool]) -> None:
        self._folder = folder
        self._is_held = is_held
        self._borrowed: weakref.ref[Any] | None = None
        self._pinned: Any = None
        self._spill: Spill | None = None
        self._turn = threading.Lock()

    @property
    def spilled_bytes(self) -> int:
        spill = self._spill
        return 0 if spill is None else spill.size_bytes

    def keep(self, model: Any) -> None:
        reference = _weakly(model)
        is_borrowed = reference is not None and self._is_held(model)
        spill = None if is_borrowed else Spill.write(model, self._folder())
        with self._turn:
            self._borrowed, self._spill = reference, spill
            self._pinned = model if is_borrowed else None  # a cell may be running that lets go of it

    def load(self) -> Any:
        with self._turn:
            model = None if self._borrowed is None else self._borrowed()
            spill = self._spill
        if model is not None:
            return model
        if spill is not None:
            return spill.read()
        raise LoadError("The notebook let go of the model while it was unloaded.", "Serve it again.")

    def peek(self, look: Callable[[Any], R]) -> R | None:
        borrowed = self._borrowed
        model = None if borrowed is None else borrowed()
        return None if model is None else look(model)

    def release(self) -> None:
        with self._turn:
            spill, self._spill, self._borrowed, self._pinned = self._spill, None, None, None
        if spill is not None:
            spill.remove()

    def pin(self) -> None:
        """Hold a borrowed object while the notebook may be letting go of it: before a cell runs."""
        with self._turn:
            if self._borrowed is not None and self._spill is None:
                self._pinned = self._borrowed()

    def settle(self) -> None:
        """After a cell has run: spill the object if the notebook has let go of it, and hold it no longer.

        What cannot be spilled is held on to: a model is never lost.
        """
        pinned, spill = self._pinned, None
        if pinned is None:
            return
        if not self._is_held(pinned):
            try:
                spill = Spill.write(pinned, self._folder())
            except SpillError:
                return
        with self._turn:
            if self._pinned is pinned:  # else it has been taken back meanwhile
                self._pinned, self._spill = None, spill


def _weakly(model: object) -> weakref.ref[Any] | None:
    try:
        return weakref.ref(model)
    except TypeError:  # lists, slotted objects
        return None
