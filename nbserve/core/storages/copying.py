"""Bytes on their way into the cache."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from .storage import Arrived

__all__ = ["copied"]

CHUNK_BYTES = 1 << 20


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def copied(source: Readable, into: Path, arrived: Arrived) -> None:
    """Write what `source` gives to a new file; `arrived` is told before the bytes are kept, and may end it."""
    with into.open("xb") as file:
        while part := source.read(CHUNK_BYTES):
            arrived(len(part))
            file.write(part)
