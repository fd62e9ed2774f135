"""Calls from the notebook, kept with an endpoint's requests."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ..core.codecs import encode
from ..core.exchanges import JSON, Exchange, compact, new_id
from ..core.served import Served
from ..core.sharing import Answer
from ..errors import LONGEST_NAME, NbserveError

__all__ = ["keep_call"]

CALLER = "notebook"
OK = 200

MOST_VALUES = 1000
"""What has more rows, or is an array or a frame of more values, is not written down."""

_PLAIN = (str, int, float, bool, type(None))
_LIBRARIES = frozenset({"builtins", "numpy", "pandas", "polars"})


def keep_call(
    served: Served, method: str | None, payload: Any, took_s: float, came_to: Answer[Any] | NbserveError
) -> None:
    """Note what was asked and what it came to. Nothing of it is referred to: it is written down, or described."""
    exchanges = served.exchanges
    if exchanges is None:
        return
    ident = new_id()
    name = method or served.profile.main.method
    rows, status, answer = _outcome(came_to, ident.decode())
    sent = _written(payload)
    exchange = Exchange(
        id=ident,
        at=time.time(),
        caller=CALLER,
        method=name[:LONGEST_NAME],
        rows=rows,
        took_s=took_s,
        status=status,
        sent=sent,
        sent_type=JSON,
        sent_bytes=_size(sent),
        answer=answer,
        answer_type=JSON,
        answer_bytes=_size(answer),
    )
    known = served.methods.get(name)
    exchanges.note(exchange, None if known is None else known.signature)


def _outcome(came_to: Answer[Any] | NbserveError, ident: str) -> tuple[int | None, int, bytes | str]:
    """Rows, status and answer, as they would be over HTTP."""
    if isinstance(came_to, Answer):
        written = _written(came_to.value)
        answer = b'{"predict_result":' + written + b"}" if isinstance(written, bytes) else written
        return came_to.rows, OK, answer
    from ..web.answers import STATUS, error_bytes

    return None, STATUS[came_to.code], compact(error_bytes(came_to, ident))


def _written(value: Any) -> bytes | str:
    """The value as JSON, if that is quickly done; else what kind of thing it is."""
    parts = list(value.values()) if isinstance(value, dict) else [value]
    if all(map(_is_small, parts)):
        try:
            return compact(encode(value))
        except Exception:  # noqa: BLE001 - objects of the user's in a list: the call has ended, whatever they say
            return "Not shown: it has no JSON form."
    return f"Not shown: {', '.join(map(_described, parts))[:200]}."


def _is_small(value: Any) -> bool:
    if isinstance(value, _PLAIN):
        return not isinstance(value, str) or len(value) <= MOST_VALUES
    is_known = type(value).__module__.partition(".")[0] in _LIBRARIES and hasattr(value, "__len__")
    return is_known and _count(value) <= MOST_VALUES


def _count(value: Any) -> int:
    """The values of an array or a frame, the parts of anything else."""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        count = 1
        for length in shape:
            count *= int(length)
        return count
    if isinstance(value, Mapping):
        return sum(len(each) if hasattr(each, "__len__") else 1 for each in value.values())
    return len(value)


def _described(value: Any) -> str:
    shape = getattr(value, "shape", None)
    size = f" of {' x '.join(map(str, shape))}" if isinstance(shape, tuple) else ""
    if not size and hasattr(value, "__len__"):
        size = f" of {len(value):,}"
    return f"{type(value).__name__}{size}"


def _size(body: bytes | str) -> int:
    return len(body) if isinstance(body, bytes) else 0
