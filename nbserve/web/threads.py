"""Work that blocks, away from the event loop: each endpoint has a few threads of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar
from weakref import WeakKeyDictionary

from anyio import CapacityLimiter, to_thread

__all__ = ["in_thread"]

T = TypeVar("T")

THREADS = 8
"""At once, for one endpoint: who waits for a slow one keeps nobody else waiting."""

_quick: WeakKeyDictionary[object, CapacityLimiter] = WeakKeyDictionary()
_waiting: WeakKeyDictionary[object, CapacityLimiter] = WeakKeyDictionary()


async def in_thread(owner: object, work: Callable[[], T], *, waits: bool = False) -> T:
    """Run `work` in one of the threads of `owner`; called on the server's loop only.

    What `waits` for a load or an unload has threads of its own, so that what does not can still be answered.
    """
    limiters = _waiting if waits else _quick
    limiter = limiters.get(owner)
    if limiter is None:
        limiter = limiters[owner] = CapacityLimiter(THREADS)
    return await to_thread.run_sync(work, limiter=limiter)
