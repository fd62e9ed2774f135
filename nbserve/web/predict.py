"""The hot path: bytes in → call → bytes out."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from functools import partial
from time import perf_counter, time
from typing import Any, NamedTuple

from ..core.calls import Method
from ..core.codecs import Body, Bounds, Medium, accepted, arguments_of, encode, sent_as
from ..core.exchanges import JSON, Exchange, Exchanges, compact, new_id
from ..core.schema import Signature
from ..core.served import Served
from ..core.sharing import Answer, Caller
from ..errors import LONGEST_NAME, BodyIncomplete, BodyTooLarge, Busy, MediaTypeError, NbserveError, NotAcceptable
from ..options import Options
from .answers import STATUS, error_bytes, error_headers
from .asgi import Headers, Receive, Scope, Send, header, headers_of, said_at_once, send_body
from .haste import haste
from .meters import Visit
from .patience import Patience, overdue

__all__ = [
    "Prediction",
    "Reply",
    "cut_short",
    "predict",
    "read_whole",
    "refusal",
    "refuse_large",
    "send_error",
    "send_reply",
]

_ANYTHING = frozenset({b"*/*", JSON})


class Reply(NamedTuple):
    """What goes back: status, body and its type, and the headers, but for the length."""

    status: int
    body: bytes
    headers: list[tuple[bytes, bytes]]
    content_type: bytes = JSON


class Prediction:
    """One request to a model's method, on a loop: counted from its beginning to its answer, also as a link's visit."""

    __slots__ = (
        "_began",
        "_caller",
        "_is_let_in",
        "_loop",
        "_method",
        "_query",
        "_sent",
        "_sent_as",
        "_served",
        "_visit",
        "_wanted",
        "predict_id",
    )

    def __init__(
        self, served: Served, method: str, caller: str, loop: asyncio.AbstractEventLoop, visit: Visit | None = None
    ) -> None:
        self._served = served
        self._method = method
        self._caller = caller
        self._loop = loop
        self._visit = visit
        if visit is not None:
            visit.is_handed_on = True
        self._sent, self._sent_as, self._query = b"", JSON, b""
        self.predict_id = new_id()
        self._wanted: Medium | None = None
        self._is_let_in = False
        self._began = perf_counter()
        served.traffic.begin()
        haste.begin()

    def ask(
        self,
        headers: Headers,
        sent: bytes,
        caller: Caller,
        watch: Callable[[Any], None],
        query: bytes = b"",
    ) -> None:
        """Pass the body on to the model, if it is one. Raises `NbserveError`s."""
        self._sent, self._sent_as, self._query = sent, headers.get(b"content-type", JSON), query
        options = self._served.options
        if len(sent) > options.body_limit:
            raise _too_large(options.body_limit)
        self._check_coding(headers)
        asked = self._served.method(self._method)
        if options.max_requests is not None:
            self._let_in(options.max_requests, asked)
        body = self._body(headers, sent, query)
        finish = self._writer(headers, asked.signature)
        is_slow = self._wanted is not None and not self._wanted.is_at_hand
        check = None if self._visit is None else self._visit.check
        self._served.ask(asked, body, finish, caller, self._loop, watch, is_slow=is_slow, check=check)

    def _let_in(self, limit: int, asked: Method) -> None:
        self._is_let_in = self._served.traffic.let_in(limit)
        if not self._is_let_in:
            requests = "1 request" if limit == 1 else f"{limit:,} requests"
            problem = f"{self._served.name} has {requests} in flight, and may have no more."
            raise Busy(problem, "Ask again later.", retry_after_s=asked.pace.of(1) or 1.0)

    def _body(self, headers: Headers, sent: bytes, query: bytes) -> bytes | Body:
        given = headers.get(b"content-type")
        if given is None or given == JSON:
            return sent
        medium, parameters = sent_as(given.decode("latin-1"))
        if medium is None:
            return sent
        if not medium.is_available:
            raise MediaTypeError(f"{medium.title} is not read here.", medium.remedy)
        return Body(medium, sent, Bounds(self._served.options.body_limit), parameters, arguments_of(query))

    def _writer(self, headers: Headers, signature: Signature) -> Callable[[Any], bytes]:
        """What makes the bytes of an answer: of JSON the value alone."""
        given = headers.get(b"accept")
        if given is None or given in _ANYTHING:
            return encode
        medium = self._wanted = accepted(given.decode("latin-1"))
        if medium is None:
            return encode
        if not medium.is_available:
            raise NotAcceptable(f"{medium.title} is not written here.", medium.remedy)
        return partial(_written, medium, signature)

    def answered(self, answer: Answer[bytes]) -> Reply:
        """Raises `QuotaUsed`; nothing is counted then."""
        if self._visit is not None:
            self._visit.take(answer.rows)
        headers = [(b"x-predict-id", self.predict_id)]
        if self._wanted is None:
            reply = Reply(200, b'{"predict_result":' + answer.value + b"}", headers)
        else:
            reply = Reply(200, answer.value, headers, self._wanted.answered_as.encode())
        self.end(answer.rows, reply)
        return reply

    def failed(self, error: BaseException) -> Reply:
        if not isinstance(error, NbserveError):  # a fault of ours is answered like any other
            self._served.log.write("".join(traceback.format_exception(error)))
            remedy = f"Its traceback is in the endpoint's log: %nbserve log {self._served.name}"
            error = NbserveError("The server failed.", remedy)
        reply = refusal(error, self.predict_id)
        self.end(None, reply)
        return reply

    def end(self, rows: int | None, reply: Reply | None) -> None:
        """It has its answer, or (None) there will not be any."""
        haste.end(self._loop)
        if self._is_let_in:
            self._is_let_in = False
            self._served.traffic.let_out()
        is_error = reply is None or reply.status != 200
        if self._visit is not None:
            self._visit.end(is_error=is_error)
        served, took_s = self._served, perf_counter() - self._began
        served.traffic.end(took_s, rows, is_error)
        if served.exchanges is not None and reply is not None:
            self._note(served.exchanges, rows, took_s, reply)

    def _note(self, exchanges: Exchanges, rows: int | None, took_s: float, reply: Reply) -> None:
        sent, (status, body, _, answered_as) = self._sent, reply
        exchange = Exchange(
            self.predict_id,
            time(),
            self._caller,
            self._method[:LONGEST_NAME],
            rows,
            took_s,
            status,
            sent,
            self._sent_as,
            len(sent),
            body if status == 200 else compact(body),
            answered_as,
            len(body),
            self._query,
        )
        method = self._served.methods.get(self._method) if exchanges.is_masked else None
        exchanges.note(exchange, None if method is None else method.signature)

    def _check_coding(self, headers: Headers) -> None:
        coding = headers.get(b"content-encoding", b"identity")
        if coding != b"identity":
            self._sent_as = coding
            raise MediaTypeError("A compressed body is not read here.", "Send it without Content-Encoding.")


async def predict(
    served: Served,
    method: str,
    scope: Scope,
    receive: Receive,
    send: Send,
    patience: Patience,
    visit: Visit | None = None,
) -> None:
    """Answer one request to a model's method. Reading and answering may take as long as the deadline each."""
    prediction = Prediction(served, method, scope["nbserve.caller"], patience.loop, visit)
    try:
        headers, sent = await read_whole(served, scope, receive)
        if not served.is_described:
            await _described_in_time(served)
        future = patience.loop.create_future()
        # the connection itself: what the user's middleware has put before it is not made to be left half-way
        watch = partial(patience.watch, receive=scope.get("nbserve.heard", receive))
        prediction.ask(headers, sent, future, watch, scope["query_string"])
        reply = prediction.answered(await future)
    except Exception as error:
        reply = prediction.failed(error)
        if isinstance(error, scope.get("nbserve.raises", ())):  # the user has a handler of his own
            error.predict_id = prediction.predict_id.decode()
            raise
    except BaseException:
        prediction.end(None, None)
        raise
    await send_reply(scope, send, reply)


async def read_whole(served: Served, scope: Scope, receive: Receive) -> tuple[Headers, bytes]:
    """Headers and body of a request. Raises `BodyTooLarge`, `BodyIncomplete`."""
    headers = headers_of(scope)
    _check_length(headers, served.options.body_limit)
    message, rest = said_at_once(receive)
    if rest is None and not message.get("more_body") and message["type"] == "http.request":
        return headers, message.get("body", b"")
    return headers, await _read_in_time(message, rest, receive, served.options)


async def _read_in_time(message: Any, rest: Any, receive: Receive, options: Options) -> bytes:
    """A body that comes in parts, or late. Raises `BodyIncomplete` when its end does not come in time."""
    try:
        async with asyncio.timeout(options.deadline_s):
            return await _read_all(message if rest is None else await rest, receive, options.body_limit)
    except TimeoutError:
        raise cut_short(options.deadline_s) from None


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
    _check_length(headers_of(scope), limit)


def _check_length(headers: Headers, limit: int) -> None:
    length = headers.get(b"content-length", b"")
    if length.isdigit() and int(length) > limit:
        raise _too_large(limit)


def cut_short(seconds: float) -> BodyIncomplete:
    return BodyIncomplete(f"The body did not come to its end in {seconds:g} s.", "Send all of it.")


def refusal(error: NbserveError, predict_id: bytes | None = None) -> Reply:
    headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in error_headers(error).items()]
    if predict_id is None and error.predict_id is not None:
        predict_id = error.predict_id.encode()
    if predict_id is None:
        return Reply(STATUS[error.code], error_bytes(error), headers)
    return Reply(STATUS[error.code], error_bytes(error, predict_id.decode()), [*headers, (b"x-predict-id", predict_id)])


async def send_error(scope: Scope, send: Send, error: NbserveError) -> None:
    """Answer with an error. The server reads the rest of the body away: many clients send all before they listen."""
    await send_reply(scope, send, refusal(error))


async def send_reply(scope: Scope, send: Send, reply: Reply) -> None:
    if reply.status >= 300 and header(scope, b"expect") is not None:
        # the body was never asked for, and what comes next may be none
        reply.headers.append((b"connection", b"close"))
    await send_body(send, reply.status, reply.content_type, reply.body, reply.headers)


def _written(medium: Medium, signature: Signature, answer: Any) -> bytes:
    return medium.write(answer, signature)


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is larger than {limit / 1024**2:g} MiB.", "Send fewer rows at a time.")
