"""The hot path: bytes in → call → bytes out."""

from __future__ import annotations

import asyncio
import os
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from time import perf_counter
from typing import Any

from ..core.codecs import Body, Bounds, Medium, accepted, arguments_of, encode, sent_as
from ..core.schema import Signature
from ..core.served import Served
from ..errors import BodyIncomplete, BodyTooLarge, MediaTypeError, NbserveError, NotAcceptable
from .answers import STATUS, error_bytes, error_headers
from .asgi import Receive, Scope, Send, header, said_at_once, send_body
from .haste import haste
from .patience import Patience, overdue

__all__ = ["predict", "refuse_large", "send_error"]

JSON = b"application/json"
_ANYTHING = frozenset({b"*/*", JSON})
_NO_MEDIUM: tuple[None, dict[str, str]] = (None, {})

_ids = Random()  # noqa: S311 - it names a request and opens nothing; the user's own numbers stay as they are
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ids.seed)


async def predict(served: Served, method: str, scope: Scope, receive: Receive, send: Send, patience: Patience) -> None:
    """Answer one request to a model's method. Reading and answering may take as long as the deadline each."""
    predict_id = b"%032x" % _ids.getrandbits(128)
    began = perf_counter()
    rows, failure, body = None, None, b""
    wanted: Medium | None = None
    served.traffic.begin()
    haste.begin()
    try:
        limit = served.options.body_limit
        headers = dict(reversed(scope["headers"]))  # of several, the first is what counts
        kind, accept = headers.get(b"content-type"), headers.get(b"accept")
        medium, parameters = _NO_MEDIUM if kind is None or kind == JSON else sent_as(kind.decode("latin-1"))
        wanted = None if accept is None or accept in _ANYTHING else accepted(accept.decode("latin-1"))
        _check_coding(headers)
        _check_length(headers, limit)
        message, rest = said_at_once(receive)
        if rest is None and not message.get("more_body") and message["type"] == "http.request":
            sent = message.get("body", b"")
            if len(sent) > limit:
                raise _too_large(limit)
        else:
            sent = await _read_in_time(message, rest, receive, limit, served.options.deadline_s)
        if not served.is_described:
            await _described_in_time(served)
        watch = partial(patience.watch, receive=receive)
        asked = served.method(method)
        if medium is not None:
            sent = _body(medium, parameters, sent, scope, limit)
        answer = await served.ask(
            asked, sent, encode if wanted is None else _writer(wanted, asked.signature), patience.loop, watch
        )
        rows, body = answer.rows, b'{"predict_result":' + answer.value + b"}" if wanted is None else answer.value
    except NbserveError as error:
        failure = error
    except Exception as error:  # noqa: BLE001 - a fault of ours is answered like any other
        served.log.write("".join(traceback.format_exception(error)))
        failure = NbserveError(
            "The server failed.", f"Its traceback is in the endpoint's log: %nbserve log {served.name}"
        )
    finally:
        haste.end(patience.loop)
        served.traffic.end(perf_counter() - began, rows, failure is not None or not body)
    if failure is not None:
        await send_error(scope, send, failure, predict_id.decode())
    else:
        kind = JSON if wanted is None else wanted.answered_as.encode()
        await send_body(send, 200, kind, body, [(b"x-predict-id", predict_id)])


async def _read_in_time(message: Any, rest: Any, receive: Receive, limit: int, patience_s: float) -> bytes:
    """A body that comes in parts, or late. Raises `BodyIncomplete` when its end does not come in time."""
    try:
        async with asyncio.timeout(patience_s):
            return await _read_all(message if rest is None else await rest, receive, limit)
    except TimeoutError:
        raise BodyIncomplete(f"The body did not come to its end in {patience_s:g} s.", "Send all of it.") from None


async def _read_all(message: Any, receive: Receive, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise BodyIncomplete("The body ended before it was complete.", "Send all of it.")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > limit:
            raise _too_large(limit)
        if not message.get("more_body"):
            return b"".join(chunks)
        message = await receive()


async def _described_in_time(served: Served) -> None:
    try:
        async with asyncio.timeout(served.options.deadline_s):
            await served.described()
    except TimeoutError:
        raise overdue(served.options.deadline_s) from None


def refuse_large(scope: Scope, limit: int) -> None:
    """Raises `BodyTooLarge` when the request itself says that it is."""
    _check_length(dict(reversed(scope["headers"])), limit)


def _check_length(headers: dict[bytes, bytes], limit: int) -> None:
    length = headers.get(b"content-length", b"")
    if length.isdigit() and int(length) > limit:
        raise _too_large(limit)


async def send_error(scope: Scope, send: Send, error: NbserveError, predict_id: str | None = None) -> None:
    """Answer with an error. The server reads the rest of the body away: many clients send all before they listen."""
    headers = error_headers(error)
    if predict_id is not None:
        headers["x-predict-id"] = predict_id
    if header(scope, b"expect") is not None:
        headers["connection"] = "close"  # the body was never asked for, and what comes next may be none
    encoded = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
    await send_body(send, STATUS[error.code], JSON, error_bytes(error, predict_id), encoded)


def _check_coding(headers: dict[bytes, bytes]) -> None:
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise MediaTypeError("A compressed body is not read here.", "Send it without Content-Encoding.")


def _body(medium: Medium, parameters: Mapping[str, str], content: bytes, scope: Scope, limit: int) -> Body:
    if not medium.is_available:
        raise MediaTypeError(f"{medium.title} is not read here.", medium.remedy)
    return Body(medium, content, Bounds(limit), parameters, arguments_of(scope["query_string"]))


def _writer(medium: Medium, signature: Signature) -> Callable[[Any], bytes]:
    if not medium.is_available:
        raise NotAcceptable(f"{medium.title} is not written here.", medium.remedy)
    return lambda answer: medium.write(answer, signature)


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is larger than {limit / 1024**2:g} MiB.", "Send fewer rows at a time.")
