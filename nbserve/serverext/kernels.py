"""Which listings are of kernels that this server runs, and that those kernels are in use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from ..directory import Listing, find, listings

__all__ = ["Kernels"]


class Kernels:
    """The kernels of a Jupyter server, as far as they serve something.

    `settings` are those of its web application, where extensions tell of their activity.
    """

    def __init__(self, kernel_manager: Any, settings: dict[str, Any]) -> None:
        self._kernels = kernel_manager
        self._settings = settings
        self._asked: Counter[str] = Counter()

    def listed(self) -> list[Listing]:
        return [listing for listing in listings() if self._runs(listing)]

    def find(self, kernel_id: str, name: str) -> Listing | None:
        """What that kernel serves under that name."""
        if kernel_id not in self._kernels:
            return None
        listing = find(kernel_id, name)
        return listing if listing is not None and self._runs(listing) else None

    def any_of(self, kernel_id: str) -> Listing | None:
        """One of the endpoints of a kernel."""
        return next(self._all_of(kernel_id), None)

    def note_use(self, kernel_id: str, seconds_ago: float = 0) -> None:
        """The kernel was in use, as was the server: neither is idle then, for whoever stops what is."""
        if kernel_id not in self._kernels:
            return
        kernel, then = self._kernels.get_kernel(kernel_id), datetime.now(UTC) - timedelta(seconds=seconds_ago)
        kernel.last_activity = max(then, getattr(kernel, "last_activity", then))
        self._kernels.last_kernel_activity = max(then, self._kernels.last_kernel_activity)
        self._settings["nbserve_last_activity"] = max(then, self._settings.get("nbserve_last_activity", then))

    def begin_use(self, kernel_id: str) -> None:
        """A request goes to the kernel; it is in use until `end_use`."""
        self._asked[kernel_id] += 1
        self.note_use(kernel_id)

    def end_use(self, kernel_id: str) -> None:
        self._asked[kernel_id] -= 1
        self._asked += Counter()  # those of no more requests are forgotten
        self.note_use(kernel_id)

    def note_lasting_use(self) -> None:
        """Requests that take long are use all the time."""
        for kernel_id in self._asked:
            self.note_use(kernel_id)

    def _all_of(self, kernel_id: str) -> Iterator[Listing]:
        if kernel_id in self._kernels:
            yield from (each for each in listings() if each.kernel_id == kernel_id and self._runs(each))

    def _runs(self, listing: Listing) -> bool:
        """Whether it is of a kernel of this server, and of that kernel's present process; on this machine."""
        if listing.kernel_id not in self._kernels or not _is_local(listing.url):
            return False
        provisioner = getattr(self._kernels.get_kernel(listing.kernel_id), "provisioner", None)
        return getattr(provisioner, "pid", None) == listing.pid


def _is_local(url: str) -> bool:
    """Whether it is by number an address that no other machine has: no name is looked up for a listing."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "http" and parts.port is not None and ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
