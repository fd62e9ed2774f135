"""Where a model's bytes are while it is not in memory."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import LoadError, SpillError
from .spill import Spill

__all__ = ["LiveObject"]


class LiveObject:
    """Brings back an object that was born in this process and has no file of its own.

    While the notebook holds the object, keeping it costs nothing: it is found again through a weak reference. Else it
    is spilled to `folder`; the very object is still taken back if somebody has kept it alive. Thread-safe.
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
        with self._turn:
            self._borrowed = _weakly(model)
            if self._borrowed is None or not self._is_held(model):
                self._spill = Spill.write(model, self._folder())

    def load(self) -> Any:
        with self._turn:
            model = None if self._borrowed is None else self._borrowed()
            if model is not None:
                return model
            if self._spill is not None:
                return self._spill.read()
        raise LoadError("The notebook let go of the model while it was unloaded.", "Serve it again.")

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
        with self._turn:
            if self._pinned is None:
                return
            if not self._is_held(self._pinned):
                try:
                    self._spill = Spill.write(self._pinned, self._folder())
                except SpillError:
                    return
            self._pinned = None


def _weakly(model: object) -> weakref.ref[Any] | None:
    try:
        return weakref.ref(model)
    except TypeError:  # lists, slotted objects
        return None
