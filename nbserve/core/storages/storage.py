"""What a storage is, and on which terms something is fetched from it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from .address import Address

__all__ = ["Arrived", "Find", "Found", "Part", "Storage", "Terms"]

Arrived = Callable[[int], None]
"""Told the bytes that have come; raises when no more are wanted."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How much may be fetched, how long that may take, and where it is kept how long.

    `cache` is a folder; None is the user's own. At `cache_limit_bytes` what was used least recently leaves it.
    """

    limit_bytes: int = 8 << 30
    deadline_s: float = 600.0
    cache: Path | None = None
    cache_limit_bytes: int = 32 << 30


@dataclass(frozen=True, slots=True)
class Part:
    """One file of an artifact: its path in a folder (a single file: any), what it weighs if that is known.

    `fetch` writes it, and tells the bytes as they come.
    """

    name: str
    size_bytes: int | None
    fetch: Callable[[Path, Arrived], None]


@dataclass(frozen=True, slots=True)
class Found:
    """What is at an address. `version` is another one when it has changed; empty: nobody can tell."""

    version: str
    parts: tuple[Part, ...]
    is_folder: bool = False

    @property
    def size_bytes(self) -> int | None:
        """What all of it weighs; None if that is not known before it has come."""
        sizes = [part.size_bytes for part in self.parts]
        return None if None in sizes else sum(size or 0 for size in sizes)


Find = Callable[[Address, str], AbstractContextManager[Found | None]]
"""What is at an address, which can be fetched inside the block; None: what is known under this version already."""


@dataclass(frozen=True, slots=True)
class Storage:
    """One kind of place: its schemes, and how something is found there.

    `check` raises `LoadError` for an address that could never be read here: its library is not installed. `find` may
    raise anything: what it says is told without what opens the address.
    """

    name: str
    schemes: tuple[str, ...]
    check: Callable[[Address], None]
    find: Find
