"""Names → what is served under them."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from ..errors import NotFound, nearest
from .served import Served

__all__ = ["Registry"]


class Registry:
    """The one place that knows which model answers to a name. Thread-safe; a look-up takes no lock."""

    def __init__(self) -> None:
        self._served: dict[str, Served] = {}
        self._lock = threading.Lock()

    def __getitem__(self, name: str) -> Served:
        """Raises `NotFound`."""
        served = self._served.get(name)
        if served is None:
            raise NotFound(f"No endpoint is called {name!r}.{nearest(name, list(self._served))}", self._remedy())
        return served

    def get(self, name: str) -> Served | None:
        return self._served.get(name)

    def __iter__(self) -> Iterator[Served]:
        return iter(list(self._served.values()))

    def __len__(self) -> int:
        return len(self._served)

    def __contains__(self, name: object) -> bool:
        return name in self._served

    def put(self, served: Served) -> Served | None:
        """Serve under the name from now on; answers what was served there before."""
        with self._lock:
            before = self._served.get(served.name)
            self._served[served.name] = served
        return before

    def remove(self, name: str) -> Served:
        """Raises `NotFound`."""
        with self._lock:
            served = self[name]
            del self._served[name]
        return served

    def _remedy(self) -> str:
        return f"Served are: {', '.join(sorted(self._served))}." if self._served else "Nothing is served."
