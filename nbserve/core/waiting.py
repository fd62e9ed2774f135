"""Where nothing may wait, and who would wait for himself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["is_leased_here", "is_loading_here", "leased_here", "loading_here", "may_wait", "never_wait_here"]

_thread = threading.local()

_loading: ContextVar[tuple[int, ...]] = ContextVar("nbserve_loading", default=())
_leased: ContextVar[tuple[int, ...]] = ContextVar("nbserve_leased", default=())


def never_wait_here() -> None:
    """The calling thread runs the loop that answers everybody: nothing may wait in it for a load or an unload."""
    _thread.is_everybodys = True


def may_wait() -> bool:
    return not getattr(_thread, "is_everybodys", False)


@contextmanager
def leased_here(component: object) -> Iterator[None]:
    """What runs inside holds a lease of the component: to wait for the end of all leases would be for ever."""
    before = _leased.get()
    _leased.set((*before, id(component)))
    try:
        yield
    finally:
        _leased.set(before)


def is_leased_here(component: object = None) -> bool:
    """Whether the caller holds a lease of that component, or (None) of any."""
    return bool(_leased.get()) if component is None else id(component) in _leased.get()


def loading_here(component: object) -> None:
    """What this thread does from here on is the component's load."""
    _loading.set((*_loading.get(), id(component)))


def is_loading_here(component: object) -> bool:
    """Whether the caller is the load itself: to wait for its end would be for ever."""
    return id(component) in _loading.get()
