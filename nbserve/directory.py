"""Listings: what kernels announce to the Jupyter server, in private files that both read.

No secret is in them. A listing is of the kernel that wrote it: kernel id *and* process id must match one that runs, for
a killed kernel restarts under the same kernel id, with its listings left behind.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from jupyter_core.paths import jupyter_runtime_dir, secure_write

__all__ = ["Listing", "announce", "listings", "withdraw"]


@dataclass(frozen=True, slots=True)
class Listing:
    """One endpoint, as announced: where it is, and whose it is. `notebook` is a label and may be empty."""

    name: str
    url: str
    kernel_id: str
    pid: int
    notebook: str = ""

    @property
    def path(self) -> Path:
        return _folder() / f"{self.kernel_id}-{self.name}.json"


def announce(listing: Listing) -> None:
    """Write the listing, mode 0600 in a folder of mode 0700. Raises OSError."""
    _folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    with secure_write(str(listing.path)) as file:
        json.dump(asdict(listing), file)


def withdraw(kernel_id: str, name: str) -> None:
    """Remove a listing that this process wrote; another's is left alone."""
    path = _folder() / f"{kernel_id}-{name}.json"
    listing = _read(path)
    if listing is not None and listing.pid == os.getpid():
        path.unlink(missing_ok=True)


def listings() -> Iterator[Listing]:
    """All listings of this user; what somebody else could have written, or nobody can read, is passed over."""
    for path in sorted(_folder().glob("*.json")):
        listing = _read(path)
        if listing is not None and listing.path == path:
            yield listing


def _folder() -> Path:
    return Path(jupyter_runtime_dir()) / "nbserve"


def _read(path: Path) -> Listing | None:
    try:
        about = path.lstat()
        if not stat.S_ISREG(about.st_mode) or stat.S_IMODE(about.st_mode) & 0o077 or about.st_uid != os.getuid():
            return None
        found = json.loads(path.read_text("utf-8"))
        values = {field.name: found[field.name] for field in fields(Listing)}
        kinds = {name: type(value).__name__ for name, value in values.items()}
        return Listing(**values) if kinds == {field.name: field.type for field in fields(Listing)} else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
