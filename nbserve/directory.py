"""Listings: what kernels announce to the Jupyter server, in private files that both read.

Each holds a key, with which the Jupyter server may do with that endpoint what its owner may; the key is in no answer,
log or `repr`.

A listing is of the kernel that wrote it: kernel id *and* process id must match one that runs, for a killed kernel
restarts under the same kernel id, with its listings left behind. What such a kernel left, `sweep` removes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .private import began_at, folder, has_ended, is_part, machine, read, read_all, sweep_unfinished, write

__all__ = ["Listing", "announce", "find", "listings", "sweep", "withdraw"]


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

    @property
    def is_stale(self) -> bool:
        """Whether its process is known to be no more: of another machine nobody here can tell."""
        return self.machine == machine() and has_ended(self.pid, self.began)


def announce(name: str, url: str, kernel_id: str, key: str, notebook: str = "") -> Listing:
    """List an endpoint of this process. Whoever reads meanwhile finds the listing before, or this. Raises OSError."""
    pid = os.getpid()
    listing = Listing(name, url, kernel_id, pid, key, notebook, machine(), began_at(pid))
    write(listing.path, listing)
    return listing


def withdraw(kernel_id: str, name: str) -> None:
    """Remove a listing that this process wrote; another's is left alone."""
    listing = find(kernel_id, name)
    if listing is not None and listing.pid == os.getpid():
        listing.path.unlink(missing_ok=True)


def find(kernel_id: str, name: str) -> Listing | None:
    """The listing of that kernel and name; what somebody else could have written is none."""
    if not (is_part(kernel_id) and is_part(name)):
        return None
    listing = read(_path(kernel_id, name), Listing)
    return listing if listing is not None and (listing.kernel_id, listing.name) == (kernel_id, name) else None


def listings() -> Iterator[Listing]:
    """All listings of this user; what somebody else could have written, or nobody can read, is passed over."""
    for path, listing in read_all(folder(), Listing):
        if listing.path == path:
            yield listing


def sweep() -> list[Listing]:
    """Remove the listings of processes that are no more, and tell which.

    Never one of a process that lives, whichever server runs it, nor one of another machine or container that shares
    the folder: nobody here can tell whether that lives.
    """
    sweep_unfinished(folder())
    swept = []
    for listing in listings():
        if listing.is_stale and read(listing.path, Listing) == listing:
            with contextlib.suppress(OSError):
                listing.path.unlink(missing_ok=True)
                swept.append(listing)
    return swept


def _path(kernel_id: str, name: str) -> Path:
    return folder() / f"{kernel_id}-{name}.json"
