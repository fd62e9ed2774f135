"""The newest requests of one endpoint with their answers, kept for its owner to look at."""

from __future__ import annotations

import os
import re
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any

from ..errors import NotFound, shortened
from .masking import Mask, Part, shown_query
from .schema import Signature

__all__ = ["JSON", "KEPT_BYTES", "MOST", "MOST_BYTES", "Exchange", "Exchanges", "compact", "new_id"]

MOST = 200
"""Exchanges that are kept of one endpoint."""

MOST_BYTES = 4 * 1024**2
"""What their requests and answers weigh in all; of the older ones, only that they were there is kept then."""

KEPT_BYTES = 64 * 1024
"""What is kept of one body: so much from its beginning."""

JSON = b"application/json"
FIRST_ERROR = 400
LONGEST_TEXT = 200
LONGEST_QUERY = 2000

OUTDATED = "Not kept any more: newer requests have taken its place."
UNREADABLE = "Not shown: it cannot be read, and so nobody knows which fields in it are marked."
TOO_LARGE = "Not shown: {size:,} bytes are too many to look for marked fields in."
NO_TEXT = "Not shown: {size:,} bytes of {type}."
CUT = "\n… the first {kept:,} of {size:,} bytes."

_TEXT = re.compile(rb"\s*(?:text/|application/json\b|[^;]*\+json\b)", re.IGNORECASE)
"""The types of which something is shown."""

_ids = Random()  # noqa: S311 - it names a request and opens nothing; the user's own numbers stay as they are
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ids.seed)


def new_id() -> bytes:
    """What a request is called, from its beginning on, for whoever has sent it and in the list of exchanges."""
    return b"%032x" % _ids.getrandbits(128)


@dataclass(slots=True)
class Exchange:
    """One request with its answer. Where a body is text, it stands for what is not kept.

    `id` is the one that the caller was told as X-Predict-id, `at` when it was answered (seconds since 1970),
    `took_s` what the caller waited. `sent_bytes` and `answer_bytes` are of the bodies as they were.
    """

    id: bytes
    at: float
    caller: str
    method: str
    rows: int | None
    took_s: float
    status: int
    sent: bytes | str
    sent_type: bytes
    sent_bytes: int
    answer: bytes | str
    answer_type: bytes
    answer_bytes: int
    query: bytes = b""
    kept_bytes: int = 0

    def line(self) -> dict[str, Any]:
        """What a list shows of it."""
        at = datetime.fromtimestamp(self.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {
            "id": self.id.decode(),
            "at": at,
            "caller": self.caller,
            "method": self.method,
            "rows": self.rows,
            "ms": round(self.took_s * 1e3, 3),
            "status": self.status,
        }

    def to_dict(self) -> dict[str, Any]:
        """The same with what was asked and answered, as text."""
        return {
            **self.line(),
            "query": self.query.decode(),
            "request_type": self.sent_type.decode("latin-1"),
            "request_bytes": self.sent_bytes,
            "request": _text(self.sent),
            "answer_type": self.answer_type.decode("latin-1"),
            "answer_bytes": self.answer_bytes,
            "answer": _text(self.answer),
        }


class Exchanges:
    """The newest exchanges of one endpoint, bounded in number and in bytes. Thread-safe.

    What is marked is taken out before anything is kept. Without a mask small bodies of JSON are referred to, and put
    into words only when somebody looks: to note a request costs next to nothing.
    """

    def __init__(self, mask: Mask | None = None) -> None:
        self._mask = mask
        self.is_masked = mask is not None
        self._kept: list[Exchange] = []  # nothing, as long as nothing is asked
        self._lock = threading.Lock()
        self._bare = 0
        """So many of the oldest have no bodies any more."""
        self.bytes = 0

    def note(self, exchange: Exchange, signature: Signature | None = None) -> None:
        """`signature` is that of the method that was asked: with a mask, it tells which fields are where."""
        size = exchange.sent_bytes + exchange.answer_bytes
        if self._mask is not None or size > KEPT_BYTES or exchange.sent_type != JSON or exchange.answer_type != JSON:
            self._prepare(exchange, signature)
            size = sum(len(body) for body in (exchange.sent, exchange.answer) if isinstance(body, bytes))
        exchange.kept_bytes = size
        if exchange.query:
            exchange.query = shown_query(exchange.query, self._mask)[:LONGEST_QUERY].encode()
        with self._lock:
            self._kept.append(exchange)
            self.bytes += size
            if self.bytes > MOST_BYTES or len(self._kept) > MOST:
                self._make_room()

    def lines(self) -> list[dict[str, Any]]:
        """The newest first."""
        with self._lock:
            kept = list(self._kept)
        return [exchange.line() for exchange in reversed(kept)]

    def find(self, ident: str) -> dict[str, Any]:
        """One of them with what was asked and answered. Raises `NotFound`."""
        wanted = ident.encode("utf-8", "replace")
        with self._lock:
            found = next((each for each in self._kept if each.id == wanted), None)
            if found is not None:
                return found.to_dict()
        raise NotFound(f"No request {shortened(ident)} is kept.", f"The newest {MOST} are.")

    def _make_room(self) -> None:
        if len(self._kept) > MOST:
            self.bytes -= self._kept.pop(0).kept_bytes
            if self._bare:
                self._bare -= 1
        while self.bytes > MOST_BYTES:
            oldest = self._kept[self._bare]
            self.bytes -= oldest.kept_bytes
            oldest.sent, oldest.answer, oldest.kept_bytes = OUTDATED, OUTDATED, 0
            self._bare += 1

    def _prepare(self, exchange: Exchange, signature: Signature | None) -> None:
        """What may be kept of it, and what is too much."""
        exchange.sent_type, exchange.answer_type = (
            exchange.sent_type[:LONGEST_TEXT],
            exchange.answer_type[:LONGEST_TEXT],
        )
        part = Part.ANSWER if exchange.status < FIRST_ERROR else Part.ERROR
        sent, answer = (exchange.sent_type, exchange.sent_bytes), (exchange.answer_type, exchange.answer_bytes)
        exchange.sent = self._kept_of(exchange.sent, *sent, Part.REQUEST, signature)
        exchange.answer = self._kept_of(exchange.answer, *answer, part, signature)

    def _kept_of(
        self, body: bytes | str, type_: bytes, size: int, part: Part, signature: Signature | None
    ) -> bytes | str:
        """`size` is that of the whole body, of which the rest may not have been held."""
        if isinstance(body, str) or not body:
            return body
        if not _TEXT.match(type_):
            return NO_TEXT.format(size=size, type=type_.decode("latin-1"))
        if self._mask is None:
            return _cut(body, size)
        if size > KEPT_BYTES:
            return TOO_LARGE.format(size=size)
        masked = self._mask.applied(body, part, signature, is_csv=type_.lower().startswith(b"text/csv"))
        return UNREADABLE if masked is None else _cut(masked, len(masked))


def _cut(body: bytes, size: int) -> bytes:
    """The body, or a copy of its beginning, which says so: what is large is let go of."""
    if size <= len(body) <= KEPT_BYTES:
        return body
    kept = body[:KEPT_BYTES]
    return kept + CUT.format(kept=len(kept), size=size).encode()


def _text(body: bytes | str) -> str:
    return body if isinstance(body, str) else body.decode("utf-8", "ignore")


def compact(body: bytes) -> bytes:
    """The same in no more memory than it needs: what orjson has written sits in kilobytes of it, however short."""
    return bytes(memoryview(body))
