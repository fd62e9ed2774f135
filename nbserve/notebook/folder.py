"""Where unloaded models lie: a folder of this process alone."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path

__all__ = ["PrivateFolder"]

PREFIX = "nbserve-"
LOCK = "in-use"
ON_DISK = Path("/var/tmp")  # noqa: S108 - what is made there is private, as everywhere


class PrivateFolder:
    """A folder (0700) that goes with its process; what a killed process left behind goes when the next one begins.

    Its lock is held for as long as the process lives, however it ends: that tells which folders are nobody's.
    """

    def __init__(self) -> None:
        temporary = _temporary()
        for forgotten in _forgotten(temporary):
            shutil.rmtree(forgotten, ignore_errors=True)
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=temporary))
        self.pid = os.getpid()
        unnamed = self.path / f"{LOCK}-soon"
        lock = os.open(unnamed, os.O_RDWR | os.O_CREAT, 0o600)
        _take(lock)
        unnamed.rename(self.path / LOCK)  # nobody finds it before it is taken
        self.remove = weakref.finalize(self, _remove_if_ours, self.path, lock, self.pid)


def _temporary() -> Path:
    """Where temporary files lie; not in memory, if there is a choice: nothing would be gained by it."""
    chosen = Path(tempfile.gettempdir())
    if "TMPDIR" not in os.environ and _is_in_memory(chosen) and os.access(ON_DISK, os.W_OK):
        return ON_DISK
    return chosen


def _is_in_memory(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        mounts = (line.split() for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines())
        return any(fields[1:3] == [str(folder), "tmpfs"] for fields in mounts)
    return False


def _forgotten(temporary: Path) -> Iterator[Path]:
    """The folders of ours whose processes have ended."""
    for folder in temporary.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError, AttributeError):
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW)
            try:
                if _take(lock):
                    yield folder
            finally:
                os.close(lock)


def _take(lock: int) -> bool:
    """Take the lock; whether it was free. Where there are no such locks, none ever is."""
    try:
        import fcntl

        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return False
    return True


def _remove_if_ours(folder: Path, lock: int, pid: int) -> None:
    """A forked child inherits the object and the lock, never the folder."""
    os.close(lock)
    if os.getpid() == pid:
        shutil.rmtree(folder, ignore_errors=True)
