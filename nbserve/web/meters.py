"""Meters: what the links to endpoints are used for, counted, and held to what they allow."""

from __future__ import annotations

import atexit
import os
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ..core.codecs import Call
from ..errors import QuotaUsed, RateExceeded, ShareEnded, TokenRefused
from ..parts import CLOSED, LOOKING
from ..shares import Share, Use, find_share, use_of, write_use
from ..terms import rate_from
from .asgi import Send

__all__ = ["Meter", "Meters", "Visit"]

WRITTEN_EVERY_S = 1.0

_TICKET = re.compile(r"result/[\w-]{22}/?", re.ASCII)
"""What came of a request that was counted when it was made."""


class Meter:
    """One share in use: its bounds hold exactly, whoever asks at once. Thread-safe.

    `used` is called after each change.
    """

    def __init__(self, share: Share, use: Use, used: Callable[[], None], clock: Callable[[], float]) -> None:
        self.share = share
        self.use = use
        self._used = used
        self._clock = clock
        self._rate = rate_from(share.rate)
        self._newest: deque[float] = deque(maxlen=self._rate.calls if self._rate else 1)
        self._lock = threading.Lock()

    def allows(self, method: str) -> bool:
        return method not in CLOSED and (not self.share.methods or method in self.share.methods)

    def begin(self, verb: str, path: str, is_ours: Callable[[], bool] = bool) -> Visit | None:
        """A request for `path` below the endpoint; None when it only looks, and nothing of it is counted.

        `is_ours` tells whether no code of the user's answers it, which it may: that is a use, whatever it is called.
        Raises `TokenRefused`, `ShareEnded`, and `RateExceeded`.
        """
        is_look = _may_look(verb, path) and is_ours()
        with self._lock:
            try:
                self._check_open()
                if is_look:
                    return None
                self._check_method(path.strip("/").partition("/")[0])
                self._check_rate()
            except Exception:
                self.use = replace(self.use, refused=self.use.refused + 1)
                self._used()
                raise
        return Visit(self)

    def check_rows(self, rows: int) -> None:
        """Whether so many are left, as it looks now. Raises `QuotaUsed`."""
        left = self.share.rows - self.use.rows
        if self.share.rows and rows > left:
            raise QuotaUsed(f"This link has {left:,} rows left, and the request has {rows:,}.", "Send fewer rows.")

    def take(self, rows: int) -> None:
        """Raises `QuotaUsed`."""
        with self._lock:
            self.check_rows(rows)
            self.use = replace(self.use, rows=self.use.rows + rows)

    def give_back(self, rows: int) -> None:
        """They were taken, and not answered."""
        with self._lock:
            self.use = replace(self.use, rows=self.use.rows - rows)

    def end(self, *, is_error: bool) -> None:
        """A request was answered."""
        with self._lock:
            use = self.use
            errors = use.errors + is_error
            self.use = replace(use, requests=use.requests + 1, errors=errors, last_used=time.time())
        self._used()

    def _check_open(self) -> None:
        """What the Jupyter server cannot know: it, and not this, sees to the time and to revocation."""
        if self.share.rows and self.use.rows >= self.share.rows:
            raise ShareEnded("The rows that this link allowed are used up.", "Ask its owner for a new one.")

    def _check_method(self, method: str) -> None:
        if not self.allows(method):
            allowed = ", ".join(self.share.methods)
            problem = f"This link does not open {method[:64]!r}." if method else "This link does not allow that."
            raise TokenRefused(problem, f"It opens {allowed}." if allowed else "")

    def _check_rate(self) -> None:
        """At most so many in any stretch of that length. Raises `RateExceeded`."""
        if self._rate is None:
            return
        now = self._clock()
        if len(self._newest) == self._rate.calls:
            wait_s = self._newest[0] + self._rate.per_s - now
            if wait_s > 0:
                problem = f"This link may be used {self.share.rate.replace('/', ' times per ', 1)}."
                raise RateExceeded(problem, "Ask again later.", retry_after_s=wait_s)
        self._newest.append(now)


class Visit:
    """One request by a link: counted once, whatever becomes of it.

    With `is_handed_on` somebody else sees to its end than who has let it in.
    """

    __slots__ = ("_has_ended", "_meter", "_taken", "is_handed_on")

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._has_ended = False
        self._taken = 0
        self.is_handed_on = False

    @property
    def check(self) -> Callable[[Call], None] | None:
        """What refuses a call of more rows than are left before the model has work with it; None without a limit."""
        return self._check if self._meter.share.rows else None

    def _check(self, call: Call) -> None:
        self._meter.check_rows(call.rows or 1)

    def take(self, rows: int | None) -> None:
        """An answer is about to leave: its rows count; what has no rows counts as one. Raises `QuotaUsed`."""
        rows = 1 if rows is None else rows
        self._meter.take(rows)
        self._taken = rows

    def end(self, *, is_error: bool) -> None:
        """It was answered, or never will be; an error costs no rows."""
        if self._has_ended:
            return
        self._has_ended = True
        if is_error and self._taken:
            self._meter.give_back(self._taken)
        self._meter.end(is_error=is_error)

    def counting(self, send: Send) -> Send:
        """What it is answered with, counted when the head leaves."""

        async def counted(message: Any) -> None:
            if message["type"] == "http.response.start" and not self.is_handed_on:
                self.end(is_error=message["status"] >= 400)
            await send(message)

        return counted


def _may_look(verb: str, path: str) -> bool:
    """Whether what every link opens is asked for, or what came of a ticket."""
    if verb in ("GET", "HEAD") and path.rstrip("/") in LOOKING:
        return True
    return verb in ("GET", "HEAD", "DELETE") and _TICKET.fullmatch(path) is not None


class Meters:
    """The meters of this kernel's shares; what they count is written soon after, and at the end. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._meters: dict[str, Meter] = {}
        self._written: dict[str, Use] = {}
        self._timer: threading.Timer | None = None
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._writing = threading.Lock()

    def of(self, share_id: str, endpoint: str) -> Meter:
        """Raises `TokenRefused` when there is no such share of that endpoint."""
        meter = self._meters.get(share_id) or self._found(share_id)
        if meter is None or meter.share.name != endpoint:
            raise TokenRefused("This link is for another endpoint.", "Ask its owner for a new one.")
        return meter

    def use_of(self, share_id: str) -> Use:
        """What it was used for up to now, here or in a kernel before."""
        meter = self._meters.get(share_id)
        return use_of(share_id) if meter is None else meter.use

    def write(self) -> None:
        """Write what was counted since."""
        self._timer = None
        if os.getpid() != self._pid:  # a fork's: the counts are its parent's
            return
        with self._writing:
            for share_id, meter in list(self._meters.items()):
                use = meter.use
                if self._written.get(share_id) != use:
                    with suppress(OSError):  # it is counted on, and written next time
                        write_use(share_id, use)
                        self._written[share_id] = use

    def forget(self, share_id: str) -> None:
        """Another kernel may have counted meanwhile: what that has written is gone on with."""
        with self._lock:
            self._meters.pop(share_id, None)
            self._written.pop(share_id, None)

    def close(self) -> None:
        """Write what was counted."""
        with self._lock:
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        self.write()
        atexit.unregister(self.close)

    def _found(self, share_id: str) -> Meter | None:
        share = find_share(share_id)
        if share is None:
            return None
        with self._lock:
            if not self._meters:
                atexit.register(self.close)
            fresh = Meter(share, use_of(share_id), self._note, self._clock)
            return self._meters.setdefault(share_id, fresh)

    def _note(self) -> None:
        if self._timer is None:
            timer = threading.Timer(WRITTEN_EVERY_S, self.write)
            timer.name, timer.daemon = "nbserve:uses", True
            self._timer = timer
            timer.start()
