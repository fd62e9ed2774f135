"""What a loader is, and what it is shown of a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Loaded", "Loader", "Look", "Progress", "Reading"]

Progress = Callable[[int, int], None]
"""Called with the bytes that were read and the bytes there are."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that came from a file, and what the file itself says about it."""

    model: Any
    meta: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Look:
    """What a glance shows of a file or a folder: enough to tell its format.

    `content` is the beginning of what is in it: of `head` unpacked, when the file is packed. `members` are the names in
    a zip archive, or in a folder.
    """

    path: Path
    size_bytes: int
    head: bytes = b""
    packing: str | None = None
    content: bytes = b""
    members: tuple[str, ...] = ()
    is_folder: bool = False

    @property
    def name(self) -> str:
        return self.path.name

    def member(self, end: str) -> str | None:
        """The first member whose name ends so."""
        return next((name for name in self.members if name.endswith(end)), None)


@dataclass(frozen=True, slots=True)
class Reading:
    """One load: of what, whether its code may run, whom to tell how far it is; for weights, what makes their model."""

    look: Look
    trust: bool
    progress: Progress | None
    make: Callable[..., Any] | None = None

    @property
    def path(self) -> Path:
        return self.look.path


@dataclass(frozen=True, slots=True)
class Loader:
    """One format: how to tell it, how to read it, what can be known without reading it.

    `runs_code`: reading such a file may run any code that somebody has put into it. `needs_class`: it holds weights
    only. `contains`: the file in a folder that is the model, and is read as what it is itself. `peek` imports no
    framework and runs nothing of the file.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    sniff: Callable[[Look], bool]
    load: Callable[[Reading], Loaded]
    peek: Callable[[Look], dict[str, Any]] | None = None
    runs_code: bool = field(kw_only=True)
    contains: Callable[[Look], Path | None] | None = field(default=None, kw_only=True)
    needs_class: bool = field(default=False, kw_only=True)
