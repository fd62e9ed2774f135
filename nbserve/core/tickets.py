"""Predictions whose callers come back for the answer: tickets, and what came of them."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ..errors import Busy, NotFound, shortened

__all__ = ["Ticket", "Tickets"]

MOST_TICKETS = 1000
"""Of one endpoint, both those that wait and those whose results are kept."""

MOST_BYTES = 256 * 1024**2
"""Of requests that wait, and of results that are kept: each."""

REMEMBERED = 1000
"""Of tickets that are gone it is known why."""


class Ticket:
    """One prediction, for `owner` alone. Thread-safe."""

    def __init__(self, owner: bytes, size: int) -> None:
        self.id = secrets.token_urlsafe(16)
        self.owner = owner
        self.size = size
        self.result: Any = None
        self.is_done = False
        self.was_asked = False
        self.expires_at = 0.0
        self.give_up: Callable[[], object] = bool
        self._waiters: set[asyncio.Future[None]] = set()
        self._lock = threading.Lock()

    async def wait(self, seconds: float) -> bool:
        """Whether it has ended, in that time at the latest."""
        waiter = asyncio.get_running_loop().create_future()
        with self._lock:
            if self.is_done:
                return True
            self._waiters.add(waiter)
        try:
            async with asyncio.timeout(seconds):
                await waiter
            return True
        except TimeoutError:
            return False
        finally:
            self._waiters.discard(waiter)

    def end(self, result: Any = None) -> None:
        """It comes to this, or to nothing: whoever waits is told."""
        with self._lock:
            self.result, self.is_done, self.give_up = result, True, bool
            waiters = list(self._waiters)
        for each in waiters:
            with suppress(RuntimeError):  # its loop has ended, and nobody waits there any more
                each.get_loop().call_soon_threadsafe(_wake, each)


class Tickets:
    """The tickets of one endpoint, kept over swaps of its model. Thread-safe.

    What has expired leaves by itself, as long as the loop lives on which it was kept.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._clock = clock
        self._lock = threading.RLock()
        self._tickets: OrderedDict[str, Ticket] = OrderedDict()
        self._gone: OrderedDict[str, tuple[bytes, str]] = OrderedDict()

    def open(self, owner: bytes, size: int) -> Ticket:
        """A new ticket, for a request of `size` bytes. Raises `Busy`."""
        with self._lock:
            self._sweep()
            if len(self._tickets) >= MOST_TICKETS:
                self._make_room()
            waiting = [each.size for each in self._tickets.values() if not each.is_done]
            if len(self._tickets) >= MOST_TICKETS or (waiting and sum(waiting) + size > MOST_BYTES):
                raise Busy(f"{self._name} keeps as many tickets as it may.", "Ask for the results of the others first.")
            ticket = Ticket(owner, size)
            self._tickets[ticket.id] = ticket
        return ticket

    def find(self, ticket_id: str, owner: bytes) -> Ticket:
        """Raises `NotFound` for one that is another's, too."""
        with self._lock:
            self._sweep()
            ticket = self._tickets.get(ticket_id)
            if ticket is None or ticket.owner != owner:
                raise self._missing(ticket_id, owner)
            return ticket

    def keep(self, ticket: Ticket, result: Any, size: int, ttl_s: float) -> None:
        """The result of a ticket that is still wanted, for so long; on a loop."""
        with self._lock:
            if self._tickets.get(ticket.id) is not ticket:
                return
            ticket.size, ticket.expires_at = size, self._clock() + ttl_s
            self._tickets.move_to_end(ticket.id)
            ticket.end(result)
            self._shed(ticket)
        asyncio.get_running_loop().call_later(ttl_s, self._sweep)

    def lasts_s(self, ticket: Ticket) -> float:
        """How long the result of an ended ticket is still kept."""
        return max(0.0, ticket.expires_at - self._clock())

    def drop(self, ticket: Ticket, reason: str) -> bool:
        """It is wanted no more; whether it was still waited for."""
        with self._lock:
            was_waiting, give_up = not ticket.is_done, ticket.give_up
            if self._tickets.pop(ticket.id, None) is None:
                return False
            self._gone[ticket.id] = (ticket.owner, reason)
            while len(self._gone) > REMEMBERED:
                self._gone.popitem(last=False)
        ticket.end()
        give_up()
        return was_waiting

    def forget(self, ticket: Ticket) -> None:
        """It was never given to anybody."""
        with self._lock:
            self._tickets.pop(ticket.id, None)

    def check(self, ticket: Ticket) -> None:
        """Raises `NotFound` when it has been dropped."""
        with self._lock:
            if self._tickets.get(ticket.id) is not ticket:
                raise self._missing(ticket.id, ticket.owner)

    def close(self) -> None:
        """The endpoint is served no more."""
        for each in list(self._tickets.values()):
            self.drop(each, f"{self._name} is served no more.")

    def _missing(self, ticket_id: str, owner: bytes) -> NotFound:
        gone_owner, reason = self._gone.get(ticket_id, (None, ""))
        if gone_owner == owner:
            return NotFound(f"The ticket {shortened(ticket_id)} is gone: {reason}", "Ask anew.")
        return NotFound(f"There is no ticket {shortened(ticket_id)} of yours.", "Use the token that it was made with.")

    def _sweep(self) -> None:
        """Let go of what has expired."""
        now = self._clock()
        with self._lock:
            over = [each for each in self._tickets.values() if each.is_done and each.expires_at <= now]
            for each in over:
                self.drop(each, "its result has expired.")

    def _make_room(self) -> None:
        """One result leaves that somebody has seen: the oldest."""
        seen = next((each for each in self._tickets.values() if each.is_done and each.was_asked), None)
        if seen is not None:
            self.drop(seen, "others needed its place.")

    def _shed(self, newest: Ticket) -> None:
        """Results leave, the oldest first, until all that are kept weigh little enough."""
        kept = [each for each in self._tickets.values() if each.is_done and each is not newest]
        weight = newest.size + sum(each.size for each in kept)
        for each in kept:
            if weight <= MOST_BYTES:
                return
            weight -= each.size
            self.drop(each, "newer results needed its place.")


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
