"""Zip archives: looked at before anything else opens them."""

from __future__ import annotations

import json
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

from ...errors import LoadError
from .streams import largest_bytes, readable_bytes

__all__ = ["checked_members", "read_json", "read_member", "sizes"]

LARGEST_MEMBER_BYTES = 64 << 20
"""A description larger than this is not read for a peek."""


def checked_members(path: Path) -> tuple[str, ...]:
    """The names in a zip archive. Raises `LoadError` for one that is damaged, or would do harm when unpacked."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, EOFError, NotImplementedError, ValueError) as error:
        raise LoadError(
            f"{path.name} begins as a zip archive and is damaged or cut short ({error}).", "Save or copy it again."
        ) from None
    for entry in entries:
        if _leads_outside(entry):
            raise LoadError(f"{path.name} holds the entry {entry.filename!r}, which leads out of it.", "Do not use it.")
    declared = sum(entry.file_size for entry in entries)
    if declared > largest_bytes():
        raise LoadError(
            f"{path.name} unpacks to {readable_bytes(declared)}; this machine can hold "
            f"{readable_bytes(largest_bytes())} at all.",
            "It is damaged, or meant to do harm.",
        )
    return tuple(entry.filename for entry in entries)


def sizes(path: Path) -> dict[str, int]:
    """What each member weighs, unpacked."""
    with zipfile.ZipFile(path) as archive:
        return {entry.filename: entry.file_size for entry in archive.infolist()}


def read_member(path: Path, name: str) -> bytes:
    """One member. Raises `ValueError` for one that is too large to be a description, or damaged."""
    with zipfile.ZipFile(path) as archive:
        if archive.getinfo(name).file_size > LARGEST_MEMBER_BYTES:
            raise ValueError(f"{name} is too large")
        try:
            return archive.read(name)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise ValueError(str(error)) from None


def read_json(path: Path, name: str) -> Any:
    return json.loads(read_member(path, name))


def _leads_outside(entry: zipfile.ZipInfo) -> bool:
    name = entry.filename.replace("\\", "/")
    parts = PurePosixPath(name).parts
    is_link = stat.S_ISLNK(entry.external_attr >> 16)
    return is_link or name.startswith("/") or ".." in parts or name[1:2] == ":"
