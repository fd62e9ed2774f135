"""The hot path: bytes in → call → bytes out."""

from __future__ import annotations

import os
import traceback
from random import Random
from time import perf_counter

from ..core.batching import Answer
from ..core.codecs import encode
from ..core.served import Served
from ..errors import BodyIncomplete, BodyTooLarge, DeadlineExceeded, MediaTypeError, NbserveError
from .answers import STATUS, error_bytes, error_headers
from .asgi import Receive, Scope, Send, header, send_json
from .hangup import Hangup
from .patience import Patience

__all__ = ["predict", "refuse_large", "send_error"]

JSON_TYPES = ("application/json", "text/json")

_ids = Random()  # noqa: S311 - it names a request and opens nothing; the user's own numbers stay as they are
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ids.seed)


async def predict(served: Served, method: str, scope: Scope, receive: Receive, send: Send, patience: Patience) -> None:
    """Answer one request to a model's method."""
    predict_id = f"{_ids.getrandbits(128):032x}"
    began = perf_counter()
    rows, failure, body = None, None, b""
    served.traffic.begin()
    try:
        answer = await _in_time(served, method, scope, receive, patience)
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


async def _in_time(served: Served, method: str, scope: Scope, receive: Receive, patience: Patience) -> Answer[bytes]:
    """Reading and answering may take `deadline_s` each."""
    headers = dict(reversed(scope["headers"]))  # of several, the first is what counts
    _check_type(headers)
    limit, patience_s = served.options.body_limit, served.options.deadline_s
    _refuse_large(headers, limit)
    sent = None
    try:
        with patience.of(patience_s) as wait:
            sent = await _read_all(receive, limit)
            wait.begin()
            return await _answer(served, method, sent, receive)
    except TimeoutError:
        if sent is None:
            raise BodyIncomplete(f"The body did not come to its end in {patience_s:g} s.", "Send all of it.") from None
        raise DeadlineExceeded(
            f"The answer took longer than {patience_s:g} s.", "Send fewer rows, or raise --deadline."
        ) from None


async def _answer(served: Served, method: str, sent: bytes, receive: Receive) -> Answer[bytes]:
    if not served.is_described:
        await served.described()
    future = served.ask(served.method(method), sent, encode)
    if future.done():
        return future.result()
    with Hangup(receive, future):
        return await future


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
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def refuse_large(scope: Scope, limit: int) -> None:
    """Raises `BodyTooLarge` when the request itself says that it is."""
    _refuse_large(dict(reversed(scope["headers"])), limit)


def _refuse_large(headers: dict[bytes, bytes], limit: int) -> None:
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
    await send_json(send, STATUS[error.code], error_bytes(error, predict_id), headers)


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
