"""The hot path: bytes in → call → bytes out."""

from __future__ import annotations

import asyncio
import os
import traceback
from functools import partial
from random import Random
from time import perf_counter
from typing import Any

from ..core.codecs import encode
from ..core.served import Served
from ..errors import BodyIncomplete, BodyTooLarge, MediaTypeError, NbserveError
from .answers import STATUS, error_bytes, error_headers
from .asgi import Receive, Scope, Send, header, said_at_once, send_json
from .haste import haste
from .patience import Patience, overdue

__all__ = ["predict", "refuse_large", "send_error"]

JSON_TYPES = ("application/json", "text/json")

_ids = Random()  # noqa: S311 - it names a request and opens nothing; the user's own numbers stay as they are
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ids.seed)


async def predict(served: Served, method: str, scope: Scope, receive: Receive, send: Send, patience: Patience) -> None:
    """Answer one request to a model's method. Reading and answering may take as long as the deadline each."""
    predict_id = b"%032x" % _ids.getrandbits(128)
    began = perf_counter()
    rows, failure, body = None, None, b""
    served.traffic.begin()
    haste.begin()
    try:
        limit = served.options.body_limit
        headers = dict(reversed(scope["headers"]))  # of several, the first is what counts
        _check_type(headers)
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
        answer = await served.ask(served.method(method), sent, encode, patience.loop, watch)
        rows, body = answer.rows, b'{"predict_result":' + answer.value + b"}"
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
        await send_json(send, 200, body, [(b"x-predict-id", predict_id)])


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
    await send_json(send, STATUS[error.code], error_bytes(error, predict_id), encoded)


def _check_type(headers: dict[bytes, bytes]) -> None:
    given = headers.get(b"content-type")
    if given is None:
        return
    if given != b"application/json":
        _check_words(given.decode("latin-1"))
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise MediaTypeError("A compressed body is not read here.", "Send it without Content-Encoding.")


def _check_words(given: str) -> None:
    media_type, _, parameters = given.partition(";")
    media_type = media_type.strip().lower()
    if media_type not in JSON_TYPES and not media_type.endswith("+json"):
        raise MediaTypeError(
            f"The content type {media_type!r} is not read here.", "Send JSON with 'Content-Type: application/json'."
        )
    charset = parameters.replace(" ", "").lower().partition("charset=")[2].partition(";")[0].strip('"')
    if charset not in ("", "utf-8", "utf8"):
        raise MediaTypeError(f"JSON in {charset!r} is not read here.", "Send it as UTF-8.")


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is larger than {limit / 1024**2:g} MiB.", "Send fewer rows at a time.")
