"""What has been fetched: a private folder, where each artifact stays until it has changed or others need the room."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import LoadError
from .address import Address

__all__ = ["Cache", "Entry"]

ABOUT = "about.json"
CONTENT = "content"
BEGUN = ".begun-"


@dataclass(frozen=True, slots=True)
class Entry:
    """One artifact in one version. Its `about` is locked by whoever reads or writes it."""

    folder: Path
    version: str
    size_bytes: int
    name: str

    @property
    def path(self) -> Path:
        return self.folder / CONTENT / self.name

    @property
    def used_at(self) -> float:
        with contextlib.suppress(OSError):
            return (self.folder / ABOUT).stat().st_mtime
        return 0.0

    @contextmanager
    def held(self) -> Iterator[Path | None]:
        """Its path: nobody removes it meanwhile. None when it has been removed already."""
        with _locked(self.folder / ABOUT, shared=True) as is_held:
            if is_held:
                os.utime(self.folder / ABOUT)
            yield self.path if is_held else None


class Cache:
    """The folder: `folder/key of an address/a version`. Safe to be used by several processes.

    What is being written is beside the versions under a name that nobody reads, and becomes one by being renamed. What
    an ended process left half written goes when the next is written.
    """

    def __init__(self, folder: Path | None, limit_bytes: int) -> None:
        self.folder = _default() if folder is None else folder.expanduser()
        self._limit_bytes = limit_bytes

    def find(self, address: Address) -> Entry | None:
        """The newest version of what was fetched from there, if it is whole."""
        entries = [entry for entry in map(_read, self._versions(address)) if entry is not None and _is_whole(entry)]
        return max(entries, key=lambda entry: entry.used_at, default=None)

    def put(self, address: Address, version: str, write: Callable[[Path], None], *, is_folder: bool) -> Entry:
        """What `write` writes at the path it is given. Whatever this raises, nothing is left of it."""
        place = self._place(address)
        begun = Path(tempfile.mkdtemp(prefix=BEGUN, dir=place))
        try:
            (begun / ABOUT).touch(0o600)
            with _locked(begun / ABOUT, shared=False):
                path = begun / CONTENT / address.name
                (path if is_folder else path.parent).mkdir(parents=True)
                write(path)
                size_bytes = _weight(path)
                about = {"address": address.shown, "name": address.name, "version": version, "size": size_bytes}
                (begun / ABOUT).write_text(json.dumps(about), encoding="utf-8")
                kept = begun.rename(place / begun.name.removeprefix(BEGUN))
        except BaseException:
            shutil.rmtree(begun, ignore_errors=True)
            raise
        entry = Entry(kept, version, size_bytes, address.name)
        self._tidy(entry)
        return entry

    def _place(self, address: Address) -> Path:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_private(self.folder)
        place = self.folder / address.key
        place.mkdir(mode=0o700, exist_ok=True)
        return place

    def _versions(self, address: Address) -> list[Path]:
        if not self.folder.is_dir():
            return []
        _check_private(self.folder)
        return [each for each in (self.folder / address.key).glob("*") if not each.name.startswith(BEGUN)]

    def _tidy(self, new: Entry) -> None:
        """Older versions of it go, and, while all together are too large, what was used least recently."""
        for other in new.folder.parent.iterdir():
            if other != new.folder:
                _remove(other)
        for begun in self.folder.glob(f"*/{BEGUN}*"):
            _remove(begun)
        entries = [entry for entry in map(_read, self.folder.glob(f"*/[!{BEGUN[0]}]*")) if entry is not None]
        size_bytes = sum(entry.size_bytes for entry in entries)
        for entry in sorted(entries, key=lambda entry: entry.used_at):
            if size_bytes <= self._limit_bytes:
                break
            if entry.folder != new.folder and _remove(entry.folder):
                size_bytes -= entry.size_bytes


def _default() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("nbserve", appauthor=False))


def _check_private(folder: Path) -> None:
    """A model that somebody else could put there would run as the user. Raises `LoadError`."""
    if not hasattr(os, "getuid"):  # Windows: the user's own folders are
        return
    status = folder.stat()
    if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o022:
        raise LoadError(
            f"The cache {folder.name} may be written by others.", "chmod go-w it, or give a folder of your own: cache."
        )


def _read(folder: Path) -> Entry | None:
    try:
        about: dict[str, Any] = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        return Entry(folder, str(about["version"]), int(about["size"]), str(about["name"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_whole(entry: Entry) -> bool:
    with contextlib.suppress(OSError):
        return entry.path.exists() and _weight(entry.path) == entry.size_bytes
    return False


def _weight(path: Path) -> int:
    if path.is_dir():
        return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
    return path.stat().st_size


def _remove(folder: Path) -> bool:
    """Remove a version, or one that was begun, unless somebody is at it."""
    if (folder / ABOUT).exists():
        with _locked(folder / ABOUT, shared=False, patient=False) as is_free:
            if is_free:
                shutil.rmtree(folder, ignore_errors=True)
            return is_free
    return False


@contextmanager
def _locked(path: Path, *, shared: bool, patient: bool = True) -> Iterator[bool]:
    """Hold the lock of a file; whether it is there, and (not `patient`) free. Where there are no locks, it is."""
    try:
        file = os.open(path, os.O_RDWR)
    except OSError:
        yield False
        return
    try:
        yield _take(file, shared=shared, patient=patient) and path.exists()
    finally:
        os.close(file)


def _take(file: int, *, shared: bool, patient: bool) -> bool:
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if patient else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True
