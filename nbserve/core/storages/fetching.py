"""One fetch at a time of one address: shared by all who want it, counted, bounded, and given up in time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import copy_context
from pathlib import Path, PurePosixPath

from ...errors import LoadError
from ..blame import reason_of
from ..loaders.streams import readable_bytes
from .address import Address
from .cache import Cache, Entry
from .storage import Found, Part, Storage, Terms

__all__ = ["Fetch", "fetched"]

RACES = 3
"""How often something that another process removed at once is fetched again."""


class Fetch:
    """A fetch that runs on a thread of its own. Once nobody waits for it any more it ends with its next bytes."""

    def __init__(self, address: Address, storage: Storage, terms: Terms) -> None:
        self.done_bytes = 0
        self.total_bytes = 0
        self.outcome: Future[Entry] = Future()
        self.waiting = 0
        self._address = address
        self._storage = storage
        self._terms = terms
        self._is_abandoned = threading.Event()

    @property
    def progress(self) -> tuple[int, int] | None:
        """Bytes that have come, and bytes in all; None while that is not known."""
        return (self.done_bytes, self.total_bytes) if self.total_bytes else None

    @property
    def is_abandoned(self) -> bool:
        return self._is_abandoned.is_set()

    def abandon(self) -> None:
        self._is_abandoned.set()

    def run(self) -> None:
        try:
            entry = self._fetched()
        except LoadError as error:
            problem, remedy = error.problem, error.remedy
        except Exception as error:  # noqa: BLE001 - whatever the library of a storage raises
            problem, remedy = self._told(error)
        else:
            self.outcome.set_result(entry)
            return
        # a new one, which leads to none that may say what opens the address
        self.outcome.set_exception(LoadError(self._address.scrubbed(problem), self._address.scrubbed(remedy)))

    def _fetched(self) -> Entry:
        cache = Cache(self._terms.cache, self._terms.cache_limit_bytes)
        kept = cache.find(self._address)
        with self._storage.find(self._address, "" if kept is None else kept.version) as found:
            if found is None:
                assert kept is not None  # else nothing was known
                self._check_size(kept.size_bytes)
                return kept
            self._check_size(found.size_bytes or 0)
            self.total_bytes = found.size_bytes or 0
            return cache.put(
                self._address, found.version, lambda path: self._write(found, path), is_folder=found.is_folder
            )

    def _write(self, found: Found, path: Path) -> None:
        for part in found.parts:
            into = path / _inside(self._address, part.name) if found.is_folder else path
            into.parent.mkdir(parents=True, exist_ok=True)
            self._write_part(part, into)

    def _write_part(self, part: Part, into: Path) -> None:
        before = self.done_bytes
        part.fetch(into, self._arrived)
        came = self.done_bytes - before
        if part.size_bytes is not None and came != part.size_bytes:
            raise LoadError(
                f"{self._address.name} did not come whole: {came} bytes of {part.size_bytes}.", "Load it again."
            )

    def _arrived(self, size_bytes: int) -> None:
        self.done_bytes += size_bytes
        self._check_size(self.done_bytes)
        if self.is_abandoned:
            raise LoadError(f"{self._address.name} is not waited for any more.")

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self._terms.limit_bytes:
            limit = readable_bytes(self._terms.limit_bytes)
            raise LoadError(
                f"{self._address.name} is larger than the {limit} that may be fetched.",
                "Raise artifact_limit (--artifact-limit), if you expect that.",
            )

    def _told(self, error: Exception) -> tuple[str, str]:
        if isinstance(error, TimeoutError):
            return f"{self._address.shown} has stopped answering.", "Load it again later."
        return f"{self._address.shown} could not be fetched: {reason_of(error)}.", "Load it again once that is mended."


@contextmanager
def fetched(
    address: Address, storage: Storage, terms: Terms, began: Callable[[Fetch], None] = lambda _: None
) -> Iterator[Path]:
    """Where the artifact is on this machine, for the length of the block. Raises `LoadError`.

    It is fetched unless it is there and has not changed. `began` is told of the fetch that is waited for.
    """
    for _ in range(RACES):
        entry = _waited_for(address, storage, terms, began)
        with entry.held() as path:
            if path is not None:
                yield path
                return
    raise LoadError(f"{address.name} was removed from the cache while it was fetched.", "Make cache_limit larger.")


_running: dict[tuple[Address, Terms], Fetch] = {}
_turn = threading.Lock()


def _waited_for(address: Address, storage: Storage, terms: Terms, began: Callable[[Fetch], None]) -> Entry:
    fetch = _joined(address, storage, terms)
    try:
        began(fetch)
        return fetch.outcome.result(min(terms.deadline_s, threading.TIMEOUT_MAX))
    except TimeoutError:
        problem = f"{address.name} did not arrive within {terms.deadline_s:g} s."
    except LoadError as error:  # several may wait for this one: each raises his own
        problem, remedy = error.problem, error.remedy
        raise LoadError(problem, remedy) from None
    finally:
        _left(address, terms, fetch)
    raise LoadError(problem, "Give it longer: load_deadline_s (--load-deadline).")


def _joined(address: Address, storage: Storage, terms: Terms) -> Fetch:
    with _turn:
        fetch = _running.get((address, terms))
        if fetch is None:
            fetch = _running[address, terms] = Fetch(address, storage, terms)
            run = copy_context().run  # what a library prints belongs where the load's prints belong
            threading.Thread(target=run, args=(fetch.run,), name="nbserve:fetch", daemon=True).start()
        fetch.waiting += 1
    return fetch


def _left(address: Address, terms: Terms, fetch: Fetch) -> None:
    """Who comes after the last has left begins anew."""
    with _turn:
        fetch.waiting -= 1
        if fetch.waiting == 0 or fetch.outcome.done():
            if _running.get((address, terms)) is fetch:
                del _running[address, terms]
            fetch.abandon()


def _inside(address: Address, name: str) -> PurePosixPath:
    """The path of a part, if it stays in the artifact's folder. Raises `LoadError`."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in name or not path.parts:
        raise LoadError(f"{address.name} holds the file {name!r}, which leads out of it.", "Do not use it.")
    return path
