"""Private files: how the processes of one user tell each other what nobody else may know.

Kept as Jupyter keeps the keys of its kernels: mode 0600, in folders of mode 0700 of the runtime directory. What
somebody else could have written is not read.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import socket
import stat
import time
from collections.abc import Iterator
from dataclasses import asdict, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from jupyter_core.paths import jupyter_runtime_dir, secure_write

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["began_at", "folder", "has_ended", "is_part", "machine", "read", "read_all", "sweep_unfinished", "write"]

R = TypeVar("R", bound="DataclassInstance")

_PART = re.compile(r"\w[\w.-]*", re.ASCII)
_UNFINISHED = re.compile(r"\.[0-9a-f]{16}-.+")
_LARGEST = 64 * 1024

UNFINISHED_S = 3600.0
"""Nobody takes so long to write a record: who has begun it was killed."""

_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (float, int),
    "tuple[str, ...]": (list,),
}
"""A field's annotation → what JSON has for it."""


def folder(*below: str) -> Path:
    """A folder of ours in the runtime directory; it need not exist yet."""
    return Path(jupyter_runtime_dir(), "nbserve", *below)


def is_part(word: str) -> bool:
    """Whether a word can be a part of a file's name: no path leads out of the folder by it."""
    return _PART.fullmatch(word) is not None


def write(path: Path, record: DataclassInstance, *, lasts: bool = False) -> None:
    """Whoever reads meanwhile finds the record before, or this, and so does who writes meanwhile. Raises OSError.

    So it is whenever this process is killed; with `lasts` also when the machine fails, and once written it stays.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # a name of its own for each: threads write at once, and so do containers whose processes have the same id
    written = path.parent / f".{secrets.token_hex(8)}-{path.stem}"
    try:
        with secure_write(str(written)) as file:
            json.dump(asdict(record), file)
            if lasts:
                file.flush()
                os.fsync(file.fileno())
        written.replace(path)
        if lasts:
            _settle(path.parent)
    except BaseException:
        written.unlink(missing_ok=True)
        raise


def _settle(place: Path) -> None:
    """Which files the folder holds is on its disk."""
    with contextlib.suppress(OSError):  # not every file system has that
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sweep_unfinished(place: Path) -> None:
    """Remove what processes that were killed had begun to write."""
    for path in place.glob(".*-*"):
        with contextlib.suppress(OSError):
            if _UNFINISHED.fullmatch(path.name) and time.time() - path.lstat().st_mtime > UNFINISHED_S:
                path.unlink()


def read(path: Path, kind: type[R]) -> R | None:
    """The record, if it is a whole one, and this user alone could have written it."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode) or stat.S_IMODE(about.st_mode) & 0o077 or about.st_uid != os.getuid():
                return None
            found = json.loads(file.read(_LARGEST).decode("utf-8"))
        return kind(**{each.name: _value(found[each.name], str(each.type)) for each in fields(kind)})
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def read_all(place: Path, kind: type[R]) -> Iterator[tuple[Path, R]]:
    """All records of a folder, and where each stands; what is none is passed over."""
    for path in sorted(place.glob("*.json")):
        record = read(path, kind)
        if record is not None:
            yield path, record


def _value(given: Any, kind: str) -> Any:
    """Raises TypeError for what is not of that kind."""
    if type(given) not in _KINDS[kind]:
        raise TypeError(kind)
    if type(given) is not list:
        return given
    if not all(type(each) is str for each in given):
        raise TypeError(kind)
    return tuple(given)


# --- the processes that wrote them


def has_ended(pid: int, began: int) -> bool:
    """Whether the process of this machine that had this id, and began then, is no more."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # it lives and is somebody else's, or it is no number of a process
        return _is_another(pid, began)
    return _is_another(pid, began)


def _is_another(pid: int, began: int) -> bool:
    """Whether the process of that id began at another time: the id was used again."""
    now = began_at(pid)
    return bool(now and began) and now != began


def began_at(pid: int) -> int:
    """When a process began, in ticks since the machine did; 0 where that cannot be known."""
    try:
        # what follows the name, which may hold anything: the process's state is the first, its start the 20th
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


@cache
def machine() -> str:
    """What an id of a process means something in: this host, and in it this container."""
    try:
        space = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - its target is no path
    except OSError:
        space = ""
    return f"{socket.gethostname()} {space}".strip()
