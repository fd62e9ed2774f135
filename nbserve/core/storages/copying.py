"""Bytes on their way into the cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .storage import Arrived

__all__ = ["copied"]

CHUNK_BYTES = 1 << 20


def copied(read: Callable[[int], bytes], into: Path, arrived: Arrived) -> None:
    """Write what is read to a new file; `arrived` is told before the bytes are kept, and may end it."""
    with into.open("xb") as file:
        while part := read(CHUNK_BYTES):
            arrived(len(part))
            file.write(part)
