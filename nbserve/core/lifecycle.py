"""The words of a model's life: its states, where it comes back from, who is told, and what an unload did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeVar

__all__ = ["Listener", "Source", "State", "UnloadReport", "megabytes"]

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
    def label(self) -> str:
        """What it is called: ``the notebook``, ``model.joblib``, the class of a user's component."""
        ...

    @property
    def spilled_bytes(self) -> int:
        """What was put aside weighs on disk."""
        ...

    @property
    def expected_bytes(self) -> int:
        """About what a load will weigh in memory, as far as that is known before it; 0: unknown."""
        ...

    @property
    def progress(self) -> tuple[int, int] | None:
        """Bytes read, and bytes in all, of the load that runs now; None when that is not known."""
        ...

    def load(self) -> M:
        """The model; whatever this raises is the reason why the component failed."""
        ...

    def keep(self, model: M) -> None:
        """Make sure that `load` can give the model back; called before it leaves memory. Raises `SpillError`."""
        ...

    def leave(self) -> None:
        """Let go of whatever else holds the model; called once the slot is empty. Raises `UnloadError`."""
        ...

    def peek(self, look: Callable[[M], R]) -> R | None:
        """`look(model)` if the model is in memory although it is unloaded; else None."""
        ...

    def release(self) -> None:
        """Let go of whatever `keep` put aside: the model is in memory again."""
        ...


class Listener(Protocol):
    """Who is told about loads and unloads. Called in the thread that loads."""

    def before_load(self) -> None:
        """Raises what keeps the model out of memory: `OverBudget`."""
        ...

    def arriving(self, model: Any) -> None:
        """The model is in memory, and nobody has it yet; what this raises turns it away."""
        ...

    def after_load(self, error: BaseException | None) -> None:
        """The load has ended, well or not."""
        ...

    def after_unload(self) -> None:
        """The model has left memory. Called in the thread that unloads."""
        ...


@dataclass(frozen=True, slots=True)
class UnloadReport:
    """What an unload did: the state it left, the bytes that the process gave back, who still holds the model.

    `resident_before_bytes` and `resident_after_bytes` are the process's resident set, 0 where the platform does not
    tell. `was_loaded` is false when there was nothing to unload; `forgotten` are the names that were let go of.
    """

    state: State
    freed_bytes: int = 0
    holders: tuple[str, ...] = ()
    was_loaded: bool = True
    resident_before_bytes: int = 0
    resident_after_bytes: int = 0
    forgotten: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "state": str(self.state),
            "freed_bytes": self.freed_bytes,
            "resident_before_bytes": self.resident_before_bytes,
            "resident_after_bytes": self.resident_after_bytes,
            "holders": list(self.holders),
            "forgotten": list(self.forgotten),
            "said": self.sentence(),
        }

    def sentence(self) -> str:
        """The report as a person reads it."""
        held = f"it is still held as {', '.join(self.holders)}" if self.holders else ""
        if not self.was_loaded:
            return "It was unloaded already." + (f" {held[0].upper()}{held[1:]}." if held else "")
        if self.state != State.UNLOADED:
            return f"It is {self.state}: somebody asked for it meanwhile."
        forgotten = f" {', '.join(self.forgotten)} let go of it." if self.forgotten else ""
        if held:
            return f"Unloaded; {held}, so no memory came back.{forgotten}"
        return f"Unloaded; {megabytes(self.freed_bytes)} came back{self._resident()}.{forgotten}"

    def _resident(self) -> str:
        """`: the process went from 512.0 MB to 308.1 MB`, where the platform tells."""
        if not self.resident_after_bytes:
            return ""
        before, after = map(megabytes, (self.resident_before_bytes, self.resident_after_bytes))
        return f": the process went from {before} to {after}"


def megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 50_000 else f"{size_bytes / 1e3:.1f} kB"
