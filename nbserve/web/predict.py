"""The hot path: bytes in → call → bytes out."""

from __future__ import annotations

import asyncio
import traceback
from functools import partial
from time import perf_counter
from uuid import uuid4

from ..core.calls import Answer, Method
from ..core.codecs import Call, encode
from ..core.served import Served
from ..errors import BodyIncomplete, BodyTooLarge, DeadlineExceeded, MediaTypeError, NbserveError
from .answers import STATUS, error_bytes, error_headers
from .asgi import Receive, Scope, Send, header, send_json

__all__ = ["predict", "read_body", "refuse_large", "send_error"]

JSON_TYPES = ("application/json", "text/json")


async def predict(served: Served, method: str, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request to a model's method."""
    predict_id = uuid4().hex
    began = perf_counter()
    rows, failure, body = None, None, b""
    served.traffic.begin()
    try:
        _check_type(scope)
        sent = await read_body(scope, receive, served.options.body_limit, served.options.deadline_s)
        answer = await _in_time(served, method, sent)
        rows, body = answer.rows, b'{"predict_result":' + answer.value + b"}"
    except NbserveError as error:
        failure = error
    except Exception as error:  # noqa: BLE001 - a fault of ours is answered like any other
        served.log.write("".join(traceback.format_exception(error)))
        failure = NbserveError(
            "The server failed.", f"Its traceback is in the endpoint's log: %nbserve log {served.name}"
        )
    finally:
        served.traffic.end(perf_counter() - began, rows, failure is not None or not body)
    if failure is not None:
        await send_error(scope, send, failure, predict_id)
    else:
        await send_json(send, 200, body, {"x-predict-id": predict_id})


async def read_body(scope: Scope, receive: Receive, limit: int, patience_s: float) -> bytes:
    """The whole body.

    Raises `BodyTooLarge` as soon as it is known to be over `limit` bytes, `BodyIncomplete` when its end does not come
    within `patience_s`.
    """
    refuse_large(scope, limit)
    try:
        async with asyncio.timeout(patience_s):
            return await _read_all(receive, limit)
    except TimeoutError:
        raise BodyIncomplete(f"The body did not come to its end in {patience_s:g} s.", "Send all of it.") from None


async def _read_all(receive: Receive, limit: int) -> bytes:
    chunks: list[bytes] = []
    size, is_complete = 0, False
    while not is_complete and size <= limit:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BodyIncomplete("The body ended before it was complete.", "Send all of it.")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        is_complete = not message.get("more_body")
    if size > limit:
        raise _too_large(limit)
    return b"".join(chunks)


def refuse_large(scope: Scope, limit: int) -> None:
    """Raises `BodyTooLarge` when the request itself says that it is."""
    length = header(scope, b"content-length")
    if length is not None and length.isdigit() and int(length) > limit:
        raise _too_large(limit)


async def send_error(scope: Scope, send: Send, error: NbserveError, predict_id: str | None = None) -> None:
    """Answer with an error. The server reads the rest of the body away: many clients send all before they listen."""
    headers = error_headers(error)
    if predict_id is not None:
        headers["x-predict-id"] = predict_id
    if header(scope, b"expect") is not None:
        headers["connection"] = "close"  # the body was never asked for, and what comes next may be none
    await send_json(send, STATUS[error.code], error_bytes(error, predict_id), headers)


async def _in_time(served: Served, method: str, sent: bytes) -> Answer[bytes]:
    try:
        async with asyncio.timeout(served.options.deadline_s):
            return await _answer(served, method, sent)
    except TimeoutError:
        raise DeadlineExceeded(
            f"The answer took longer than {served.options.deadline_s:g} s.", "Send fewer rows, or raise --deadline."
        ) from None


async def _answer(served: Served, method: str, sent: bytes) -> Answer[bytes]:
    if not served.is_described:
        await served.described()
    chosen = served.method(method)
    return await asyncio.wrap_future(served.submit(chosen, partial(_read, chosen, sent), encode))


def _read(method: Method, sent: bytes) -> Call:
    return method.decode.from_bytes(sent)


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
    charset = parameters.replace(" ", "").lower().partition("charset=")[2].partition(";")[0].strip('"')
    if charset not in ("", "utf-8", "utf8"):
        raise MediaTypeError(f"JSON in {charset!r} is not read here.", "Send it as UTF-8.")
    if header(scope, b"content-encoding") not in (None, "identity"):
        raise MediaTypeError("A compressed body is not read here.", "Send it without Content-Encoding.")


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is larger than {limit / 1024**2:g} MiB.", "Send fewer rows at a time.")
