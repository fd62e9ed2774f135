"""Listings: what kernels announce to the Jupyter server, in private files that both read.

Each holds a key, with which the Jupyter server may do with that endpoint what its owner may. So they are kept as
Jupyter keeps the keys of its kernels: files of mode 0600 in a folder of mode 0700 of the runtime directory; and the
key is in no answer, log or `repr`.

A listing is of the kernel that wrote it: kernel id *and* process id must match one that runs, for a killed kernel
restarts under the same kernel id, with its listings left behind. What such a kernel left, `sweep` removes.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from pathlib import Path

from jupyter_core.paths import jupyter_runtime_dir, secure_write

__all__ = ["Listing", "announce", "find", "listings", "sweep", "withdraw"]

_PART = re.compile(r"\w[\w.-]*", re.ASCII)
_LARGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class Listing:
    """One endpoint, as announced: where it is, and whose it is. `notebook` is a label and may be empty.

    `machine` and `began` tell the process from another one of the same id: elsewhere, or later.
    """

    name: str
    url: str
    kernel_id: str
    pid: int
    key: str = field(repr=False)
    notebook: str = ""
    machine: str = ""
    began: int = 0

    @property
    def path(self) -> Path:
        return _path(self.kernel_id, self.name)


def announce(name: str, url: str, kernel_id: str, key: str, notebook: str = "") -> Listing:
    """List an endpoint of this process. Whoever reads meanwhile finds the listing before, or this. Raises OSError."""
    pid = os.getpid()
    listing = Listing(name, url, kernel_id, pid, key, notebook, _machine(), _began(pid))
    folder = _folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    written = folder / f".{pid}-{name}"
    with secure_write(str(written)) as file:
        json.dump(asdict(listing), file)
    written.replace(listing.path)
    return listing


def withdraw(kernel_id: str, name: str) -> None:
    """Remove a listing that this process wrote; another's is left alone."""
    listing = find(kernel_id, name)
    if listing is not None and listing.pid == os.getpid():
        listing.path.unlink(missing_ok=True)


def find(kernel_id: str, name: str) -> Listing | None:
    """The listing of that kernel and name; what somebody else could have written is none."""
    if not (_PART.fullmatch(kernel_id) and _PART.fullmatch(name)):
        return None
    listing = _read(_path(kernel_id, name))
    return listing if listing is not None and (listing.kernel_id, listing.name) == (kernel_id, name) else None


def listings() -> Iterator[Listing]:
    """All listings of this user; what somebody else could have written, or nobody can read, is passed over."""
    for path in sorted(_folder().glob("*.json")):
        listing = _read(path)
        if listing is not None and listing.path == path:
            yield listing


def sweep() -> list[Listing]:
    """Remove the listings of processes that are no more, and tell which.

    Never one of a process that lives, whichever server runs it, nor one of another machine or container that shares
    the folder: nobody here can tell whether that lives.
    """
    swept = []
    for listing in listings():
        if listing.machine == _machine() and _has_ended(listing) and _read(listing.path) == listing:
            with contextlib.suppress(OSError):
                listing.path.unlink(missing_ok=True)
                swept.append(listing)
    return swept


def _folder() -> Path:
    return Path(jupyter_runtime_dir()) / "nbserve"


def _path(kernel_id: str, name: str) -> Path:
    return _folder() / f"{kernel_id}-{name}.json"


def _read(path: Path) -> Listing | None:
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode) or stat.S_IMODE(about.st_mode) & 0o077 or about.st_uid != os.getuid():
                return None
            found = json.loads(file.read(_LARGEST).decode("utf-8"))
        values = {field.name: found[field.name] for field in fields(Listing)}
        kinds = {name: type(value).__name__ for name, value in values.items()}
        return Listing(**values) if kinds == {field.name: field.type for field in fields(Listing)} else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _has_ended(listing: Listing) -> bool:
    try:
        os.kill(listing.pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # it lives and is somebody else's, or it is no number of a process
        return _is_another(listing)
    return _is_another(listing)


def _is_another(listing: Listing) -> bool:
    """Whether the process of that id began at another time: the id was used again."""
    began = _began(listing.pid)
    return bool(began and listing.began) and began != listing.began


def _began(pid: int) -> int:
    """When a process began, in ticks since the machine did; 0 where that cannot be known."""
    try:
        # what follows the name, which may hold anything: the process's state is the first, its start the 20th
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


@cache
def _machine() -> str:
    """What an id of a process means something in: this host, and in it this container."""
    try:
        space = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - its target is no path
    except OSError:
        space = ""
    return f"{socket.gethostname()} {space}".strip()
