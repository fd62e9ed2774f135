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

from ..errors import QuotaUsed, RateExceeded, ShareEnded, TokenRefused
from ..shares import Share, Use, find_share, use_of, write_use
from ..terms import CLOSED, LOOKING, rate_from
from .asgi import Send

__all__ = ["Meter", "Meters", "metered"]

WRITTEN_EVERY_S = 1.0

_TICKET = re.compile(r"result/[\w-]{22}/?")
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

    def begin(self, verb: str, path: str) -> Meter | None:
        """A request for `path` below the endpoint; None when it only looks, and nothing of it is counted.

        Raises `TokenRefused`, `ShareEnded`, and `RateExceeded`.
        """
        method = path.strip("/").partition("/")[0]
        with self._lock:
            try:
                self._check_open()
                if (method in LOOKING and verb in ("GET", "HEAD")) or (verb != "POST" and _TICKET.fullmatch(path)):
                    return None
                self._check_method(method)
                self._check_rate()
            except Exception:
                self.use = replace(self.use, refused=self.use.refused + 1)
                self._used()
                raise
        return self

    def take(self, rows: int | None) -> None:
        """An answer is about to leave: its rows count; what has no rows counts as one. Raises `QuotaUsed`."""
        rows = 1 if rows is None else rows
        with self._lock:
            left = self.share.rows - self.use.rows
            if self.share.rows and rows > left:
                raise QuotaUsed(f"This link has {left:,} rows left, and the request has {rows:,}.", "Send fewer rows.")
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


def metered(send: Send, meter: Meter) -> Send:
    """What a route that is no model's method answers with, counted when its head leaves.

    Raises `QuotaUsed`: how many rows it is about nobody knows, so it is one; an error costs none.
    """
    meter.take(1)

    async def counted(message: Any) -> None:
        if message["type"] == "http.response.start":
            is_error = message["status"] >= 400
            if is_error:
                meter.give_back(1)
            meter.end(is_error=is_error)
        await send(message)

    return counted
