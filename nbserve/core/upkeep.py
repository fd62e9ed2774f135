"""Keeps a session's models within its memory budget, and unloads what is idle for too long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..errors import NbserveError, OverBudget
from .component import Component
from .lifecycle import State
from .memory import give_back

if TYPE_CHECKING:
    from .served import Served

__all__ = ["Upkeep"]

RETURN_GAP_S = 1.0
"""The allocator is trimmed, and cycles are collected, at most so often: both take long in a large process."""


PATIENCE_S = 2.0
"""How long each model that is in use is waited for when there is no room otherwise."""

SHOWN_S = 1.0
"""What all models weigh together is shown beside each of them, and is counted anew at most so often."""


class Upkeep:
    """The memory budget and the idle clock of all that a session serves. Thread-safe.

    With a budget, room is made before and after each load: the models that were used least recently are unloaded, never
    one that is in use, nor one that the notebook holds (nothing would come back). `wait` is `Condition.wait` for
    everybody but a test.
    """

    def __init__(
        self,
        served: Callable[[], Iterable[Served]],
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[threading.Condition, float | None], Any] = threading.Condition.wait,
    ) -> None:
        self._all = served
        self._clock = clock
        self._wait = wait
        self.budget_bytes: int | None = None
        self._expected: dict[Component[Any], int] = {}
        self._room = threading.RLock()
        self._returned_at = -RETURN_GAP_S
        self._shown = (-SHOWN_S, 0)
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._news = 0
        self._is_closed = False

    # --- the budget

    def used_bytes(self) -> int:
        """What the loaded models weigh, and those that are being loaded are expected to."""
        with self._room:
            loading = sum(self._expected.values())
            return loading + sum(weight for component, weight in self._loaded() if component not in self._expected)

    def shown_bytes(self) -> int:
        """The same for those who look again and again: not measured anew before anything was loaded or has left."""
        at, shown = self._shown
        if self._clock() - at >= SHOWN_S:
            shown = self.used_bytes()
            self._shown = (self._clock(), shown)
        return shown

    def expect(self, component: Component[Any], size_bytes: int, model: object = None) -> None:
        """Make room for a model that is about to weigh so much, or has turned out to. Raises `OverBudget`.

        One that is in memory already under another name weighs nothing more.
        """
        if self.budget_bytes is None:
            return
        with self._room:
            self._expected[component] = 0 if self._is_loaded_elsewhere(component, model) else size_bytes
        if not self.make_room(component):
            with self._room:
                self._expected.pop(component, None)
            raise self._over(size_bytes)

    def arrived(self, component: Component[Any]) -> None:
        """The load has ended, well or not."""
        with self._room:
            self._expected.pop(component, None)
        self.left()
        self.wake()

    def left(self) -> None:
        """A model has left memory."""
        self._shown = (-SHOWN_S, 0)

    def make_room(self, newcomer: Component[Any] | None = None) -> bool:
        """Unload what was used least recently until all fits; whether it does.

        What is in use is waited for, a little. Nothing is locked while a model is unloaded, which may take long.
        """
        if self._fits():
            return True
        for patience_s in (0.0, PATIENCE_S):
            for victim in self._victims(newcomer, in_use=patience_s > 0):
                with suppress(NbserveError):  # what cannot be put aside stays, and the next one goes
                    self._evict(victim, patience_s)
                if self._fits():
                    self._give_back()
                    return True
        return False

    def _fits(self) -> bool:
        budget = self.budget_bytes
        return budget is None or self.used_bytes() <= budget

    def _evict(self, victim: Served, patience_s: float) -> None:
        if patience_s and victim.component.is_in_use:
            victim.component.unload(patience_s)
        else:
            victim.component.try_unload()

    def _is_loaded_elsewhere(self, component: Component[Any], model: object) -> bool:
        others = (each.component for each in self._all() if each.component is not component)
        return model is not None and any(other.peek(lambda loaded: loaded is model) for other in others)

    def _loaded(self) -> Iterator[tuple[Component[Any], int]]:
        """Each loaded model once, whatever its names, and what it weighs."""
        seen: set[int] = set()
        for served in self._all():
            if served.component.state is not State.LOADED:
                continue
            identity = served.component.peek(id)
            if identity is not None and identity not in seen:
                seen.add(identity)
                yield served.component, served.model_bytes()

    def _victims(self, newcomer: Component[Any] | None, *, in_use: bool) -> Iterator[Served]:
        loaded = [each for each in self._all() if each.component.state is State.LOADED]
        for served in sorted(loaded, key=lambda each: each.component.unused_s, reverse=True):
            component = served.component
            if component is not newcomer and (in_use or not component.is_in_use) and not served.holders():
                yield served

    def _over(self, size_bytes: int) -> OverBudget:
        budget = self.budget_bytes or 0
        others = self.used_bytes()
        needs = f"The model needs about {_size(size_bytes)} of a memory budget of {_size(budget)}"
        if size_bytes > budget or not others:
            return OverBudget(f"{needs}.", "Raise --budget.")
        return OverBudget(
            f"{needs}, and {_size(others)} are in use or held by the notebook.",
            "Ask again when others are idle, unload one with --forget, or raise --budget.",
        )

    def _give_back(self) -> None:
        if self._clock() - self._returned_at >= RETURN_GAP_S:
            self._returned_at = self._clock()
            give_back()

    # --- the idle clock

    def wake(self) -> None:
        """Something was served, loaded or set: look at the idle clock anew."""
        with self._changed:
            self._news += 1
            if self._thread is None and not self._is_closed and any(self._dues()):
                self._thread = threading.Thread(target=self._live, name="nbserve:idle", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def idle_unload_in_s(self, served: Served) -> float | None:
        """Seconds until it is unloaded as idle; None where it is not going to be."""
        component = served.component
        if served.options.idle_s is None or component.state is not State.LOADED or component.is_in_use:
            return None
        return max(0.0, served.options.idle_s - component.unused_s)

    def unload_idle(self) -> float | None:
        """Unload what is due; seconds until the next one is, None if none is."""
        for due_s, served in list(self._dues()):
            if due_s <= 0:
                with suppress(NbserveError):  # it stays, and is tried again
                    if served.component.try_unload():
                        give_back()
        return min(
            (due_s if due_s > 0 else served.options.idle_s or 0.0 for due_s, served in self._dues()), default=None
        )

    def _dues(self) -> Iterator[tuple[float, Served]]:
        """What may become idle, and in how many seconds; what is in use begins anew."""
        for served in self._all():
            idle_s = served.options.idle_s
            if idle_s is not None and served.component.state is State.LOADED:
                yield idle_s if served.component.is_in_use else idle_s - served.component.unused_s, served

    def _live(self) -> None:
        while True:
            seen = self._news
            next_s = self.unload_idle()
            with self._changed:
                if self._is_closed or (next_s is None and seen == self._news):
                    self._thread = None
                    return
                if seen == self._news:
                    self._wait(self._changed, next_s)


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.1f} MB" if size_bytes >= 100_000 else f"{size_bytes / 1e3:,.1f} kB"
