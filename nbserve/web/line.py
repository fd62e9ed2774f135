"""A connection whose requests to models' methods are answered without the detour through ASGI.

uvicorn speaks HTTP and answers everything else. A request for a method that is served now goes from its bytes to the
engine and from the answer to the socket; to uvicorn it is one more that it waits for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ..core.served import Served
from ..core.sharing import Answer
from .asgi import Headers, Scope, headers_of
from .door import Door
from .meters import Visit
from .patience import Patience, hung_up
from .predict import Prediction, Reply, cut_short

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
        self._parts: list[bytes] = []
        self._exchange: Exchange | None = None
        self._deadline: asyncio.TimerHandle | None = None

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
            self._parts.append(body)

    def on_message_complete(self) -> None:
        if self._called is None:
            super().on_message_complete()
            return
        (served, method), self._called = self._called, None
        sent = self._taken()
        if self._deadline is None:
            exchange = self._begin_exchange()
            self._door.answer(served, method, cast(Scope, self.scope), sent, exchange)
        elif self._exchange is not None:
            self._stop_waiting()
            self._exchange.ask(headers_of(self.scope), sent)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._called is not None and self._deadline is None:
            self._wait_for_rest(*self._called)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_waiting()
        if self._exchange is not None:  # the cycle may be another's, who has sent his request behind it
            self._exchange.hang_up()

    def _begin_exchange(self) -> Exchange:
        self.cycle = self._exchange = Exchange(self)  # type: ignore[assignment]
        return self._exchange

    def _taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return parts[0] if len(parts) == 1 else b"".join(parts)

    # --- a body that comes in several pieces

    def _wait_for_rest(self, served: Served, method: str) -> None:
        """Here, if it is known who sends how much of it; else as ASGI does."""
        caller = self._door.expected(served, cast(Scope, self.scope))
        if caller is not None:
            self._begin_exchange().begin(served, method, caller, self._door.patience_of(served))
            self._deadline = self.loop.call_later(served.options.deadline_s, self._give_up, served.options.deadline_s)
            return
        self._called = None
        sent = self._taken()
        super().on_headers_complete()
        if sent:
            super().on_body(sent)

    def _give_up(self, seconds: float) -> None:
        self._called, self._parts, self._deadline = None, [], None
        if self._exchange is not None and not self._exchange.done():
            self._exchange.set_exception(cut_short(seconds))

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class _Unheard:
    """In place of the event that tells a cycle of uvicorn's that something has come."""

    def set(self) -> None: ...


class Exchange:
    """One request on a connection, and the caller who waits for its answer.

    To the engine it is used like a future, whose result is written at once. To uvicorn it is the cycle in flight:
    `response_complete`, `disconnected`, `keep_alive` and `message_event` are what it asks of one.
    """

    __slots__ = ("_heard", "_line", "_patience", "_prediction", "disconnected", "keep_alive", "response_complete")

    message_event = _Unheard()

    def __init__(self, line: Line) -> None:
        self._line = line
        self._heard: list[Callable[[Any], object]] = []
        self._prediction: Prediction | None = None
        self._patience: Patience
        self.response_complete = False
        self.disconnected = False
        self.keep_alive = True

    def begin(self, served: Served, method: str, caller: str, patience: Patience, visit: Visit | None = None) -> None:
        """It is let in: from here on it is counted."""
        self._patience = patience
        self._prediction = Prediction(served, method, caller, patience.loop, visit)

    def ask(self, headers: Headers, sent: bytes) -> None:
        """It is complete: what it comes to is replied in time."""
        assert self._prediction is not None
        try:
            self._prediction.ask(headers, sent, self, self._patience.limit)
        except Exception as error:  # noqa: BLE001 - it is told
            self.set_exception(error)

    def done(self) -> bool:
        return self.response_complete

    def set_result(self, answer: Answer[bytes], /) -> None:
        assert self._prediction is not None
        try:
            reply = self._prediction.answered(answer)
        except Exception as error:  # noqa: BLE001 - a fault of ours: nobody waits for ever, nor those who ran with him
            reply = self._prediction.failed(error)
        self.reply(reply)

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
