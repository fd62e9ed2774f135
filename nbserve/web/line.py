"""A connection whose requests to models' methods are answered without the detour through ASGI.

uvicorn speaks HTTP and answers everything else. A request that comes in one piece, for a method that is served now,
goes from its bytes to the engine and from the answer to the socket; to uvicorn it is one more that it waits for.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ..core.served import Served
from ..core.sharing import Answer
from .asgi import Scope
from .door import Door
from .patience import Patience, hung_up
from .predict import Prediction, Reply

__all__ = ["Line"]

APART_BYTES = 64 * 1024
"""A larger body is not copied for the sake of being sent together with its headers."""

_STATUS_LINES = {each.value: f"HTTP/1.1 {each.value} {each.phrase}\r\n".encode() for each in HTTPStatus}


class Line(HttpToolsProtocol):
    """One connection. `door` knows who answers."""

    def __init__(self, *given: Any, door: Door, **rest: Any) -> None:
        super().__init__(*given, **rest)
        self._door = door
        self._called: tuple[Served, str] | None = None
        self._sent = b""
        self._exchange: Exchange | None = None

    def on_headers_complete(self) -> None:
        if self.timeout_keep_alive_task is not None:  # one that came in the same piece was answered at once
            self._unset_keepalive_if_required()
        self._called = self._door.called(self.url) if self._is_plain() else None
        if self._called is None:
            super().on_headers_complete()

    def _is_plain(self) -> bool:
        """Whether nothing but an answer is expected, and nobody else waits on this connection."""
        parser = self.parser
        is_alone = (self.cycle is None or self.cycle.response_complete) and not self.flow.write_paused
        is_usual = parser.get_method() == b"POST" and parser.should_keep_alive() and not parser.should_upgrade()
        return is_alone and is_usual and parser.get_http_version() == "1.1" and not self.expect_100_continue

    def on_body(self, body: bytes) -> None:
        if self._called is None:
            super().on_body(body)
        else:
            self._sent = self._sent + body if self._sent else body

    def on_message_complete(self) -> None:
        if self._called is None:
            super().on_message_complete()
            return
        (served, method), self._called = self._called, None
        sent, self._sent = self._sent, b""
        self.cycle = self._exchange = exchange = Exchange(self)  # type: ignore[assignment]
        self._door.answer(served, method, cast(Scope, self.scope), sent, exchange)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._called is not None:  # it comes in several pieces: somebody has to wait for the others
            self._called = None
            sent, self._sent = self._sent, b""
            super().on_headers_complete()
            if sent:
                super().on_body(sent)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._exchange is not None:  # the cycle may be another's, who has sent his request behind it
            self._exchange.hang_up()


class _Unheard:
    """In place of the event that tells a cycle of uvicorn's that something has come."""

    def set(self) -> None: ...


class Exchange:
    """One request on a connection, and the caller who waits for its answer.

    To the engine it is used like a future, whose result is written at once. To uvicorn it is the cycle in flight:
    `response_complete`, `disconnected`, `keep_alive` and `message_event` are what it asks of one.
    """

    __slots__ = ("_heard", "_line", "_prediction", "disconnected", "keep_alive", "response_complete")

    message_event = _Unheard()

    def __init__(self, line: Line) -> None:
        self._line = line
        self._heard: list[Callable[[Any], object]] = []
        self._prediction: Prediction | None = None
        self.response_complete = False
        self.disconnected = False
        self.keep_alive = True

    def begin(self, served: Served, method: str, headers: dict[bytes, bytes], sent: bytes, patience: Patience) -> None:
        """It is let in: from here on it is counted."""
        self._prediction = prediction = Prediction(served, patience.loop)
        try:
            prediction.ask(method, headers, sent, self, patience.limit)
        except Exception as error:  # noqa: BLE001 - it is told
            self.set_exception(error)

    def done(self) -> bool:
        return self.response_complete

    def set_result(self, answer: Answer[bytes], /) -> None:
        assert self._prediction is not None
        self.reply(self._prediction.answered(answer))

    def set_exception(self, error: BaseException, /) -> None:
        assert self._prediction is not None
        self.reply(self._prediction.failed(error))

    def add_done_callback(self, fn: Callable[[Any], object], /) -> None:
        self._heard.append(fn)

    def hang_up(self) -> None:
        if not self.response_complete:
            self.set_exception(hung_up())

    def reply(self, reply: Reply) -> None:
        """Write the answer, if anybody is there to read it, and let the connection go on."""
        self.response_complete = True
        self._prediction = None  # uvicorn keeps a cycle until the next: it must not keep the model
        line = self._line
        if not (self.disconnected or line.transport.is_closing()):
            _write(line, reply, is_last=not self.keep_alive)
            line.on_response_complete()
        heard, self._heard = self._heard, []
        for each in heard:
            each(self)


def _write(line: Line, reply: Reply, *, is_last: bool) -> None:
    """The answer, in one piece."""
    parts = [_STATUS_LINES[reply.status]]
    for name, value in line.server_state.default_headers:
        parts += (name, b": ", value, b"\r\n")
    for name, value in reply.headers:
        parts += (name, b": ", value, b"\r\n")
    if is_last:
        parts.append(b"connection: close\r\n")
    parts.append(b"content-type: %b\r\ncontent-length: %d\r\n\r\n" % (reply.content_type, len(reply.body)))
    if len(reply.body) > APART_BYTES:
        line.transport.write(b"".join(parts))
        line.transport.write(reply.body)
    else:
        parts.append(reply.body)
        line.transport.write(b"".join(parts))
    if is_last:
        line.transport.close()
