"""The hot path: bytes in → call → bytes out."""

from __future__ import annotations

import asyncio
from functools import partial
from time import perf_counter
from typing import Any
from uuid import uuid4

from ..core.codecs import Call, encode, parse_json
from ..core.served import Method, Served
from ..errors import BodyError, BodyTooLarge, DeadlineExceeded, MediaTypeError, NbserveError
from .answers import STATUS, error_bytes, error_headers
from .asgi import Receive, Scope, Send, header, send_json

__all__ = ["predict", "read_body", "refuse_large", "send_error"]

JSON_TYPES = ("application/json", "text/json")


async def predict(served: Served, method: Method, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request to a model's method."""
    predict_id = uuid4().hex
    began = perf_counter()
    rows, failure, body = None, None, b""
    served.traffic.begin()
    try:
        _check_type(scope)
        sent = await read_body(scope, receive, served.options.body_limit)
        answer = await _in_time(served, method, sent)
        rows, body = answer.rows, b'{"predict_result":' + answer.value + b"}"
    except NbserveError as error:
        failure = error
    finally:
        served.traffic.end(perf_counter() - began, rows, failure is not None or not body)
    if failure is not None:
        await send_error(send, failure, predict_id)
    else:
        await send_json(send, 200, body, {"x-predict-id": predict_id})


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The whole body. Raises `BodyTooLarge` as soon as it is known to be over `limit` bytes."""
    refuse_large(scope, limit)
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        if len(body) > limit:
            raise _too_large(limit)
        return body
    chunks, size = [body], len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BodyError("The body ended before it was complete.")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > limit:
            raise _too_large(limit)
    return b"".join(chunks)


def refuse_large(scope: Scope, limit: int) -> None:
    """Raises `BodyTooLarge` when the request itself says that it is."""
    length = header(scope, b"content-length")
    if length is not None and length.isdigit() and int(length) > limit:
        raise _too_large(limit)


async def send_error(send: Send, error: NbserveError, predict_id: str | None = None) -> None:
    headers = error_headers(error)
    if predict_id is not None:
        headers["x-predict-id"] = predict_id
    if isinstance(error, BodyTooLarge):
        headers["connection"] = "close"  # the rest of the body is not read
    await send_json(send, STATUS[error.code], error_bytes(error, predict_id), headers)


async def _in_time(served: Served, method: Method, sent: bytes) -> Any:
    future = served.submit(method, partial(_read, method, sent), encode)
    try:
        return await asyncio.wait_for(asyncio.wrap_future(future), served.options.deadline_s)
    except TimeoutError:
        raise DeadlineExceeded(
            f"The answer took longer than {served.options.deadline_s:g} s.", "Send fewer rows, or raise --deadline."
        ) from None


def _read(method: Method, sent: bytes) -> Call:
    return method.decode(parse_json(sent))


def _check_type(scope: Scope) -> None:
    given = header(scope, b"content-type")
    if given is None:
        return
    media_type, _, parameters = given.partition(";")
    media_type = media_type.strip().lower()
    if media_type not in JSON_TYPES and not media_type.endswith("+json"):
        raise MediaTypeError(
            f"The content type {media_type!r} is not read here.", "Send JSON with 'Content-Type: application/json'."
        )
    charset = parameters.replace(" ", "").lower().partition("charset=")[2].strip('"')
    if charset not in ("", "utf-8", "utf8"):
        raise MediaTypeError(f"JSON in {charset!r} is not read here.", "Send it as UTF-8.")
    if header(scope, b"content-encoding") not in (None, "identity"):
        raise MediaTypeError("A compressed body is not read here.", "Send it without Content-Encoding.")


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is larger than {limit / 1024**2:g} MiB.", "Send fewer rows at a time.")
