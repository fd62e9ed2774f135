"""One request to one endpoint and its answer, both streamed.

`ProxiedHandler` is what Tornado calls; who may ask for what is its subclasses' matter: they say so in `admit`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import JupyterHandler
from tornado import httputil, web
from tornado.http1connection import HTTP1Connection, HTTP1ConnectionParameters
from tornado.iostream import IOStream, StreamClosedError

from ..directory import Listing
from ..errors import KernelGone, NbserveError
from .passing import Way, is_chunked
from .refusal import in_shape, page_of, status_of

__all__ = ["SANDBOX", "Answer", "ProxiedHandler", "wants_page"]

SANDBOX = "sandbox allow-scripts allow-forms allow-downloads; frame-ancestors 'self'"
"""What is served is somebody's model and what that says: never anything that may act as the user of Jupyter."""

Answer = Callable[[], object]

CONNECT_S = 5.0
CORS_AGE_S = 600
READ_AWAY_S = 30.0
"""Many clients send all before they listen: so long, what is refused already is read all the same."""
CHUNK_BYTES = 256 * 1024
HEADERS_BYTES = 64 * 1024


@web.stream_request_body
class ProxiedHandler(JupyterHandler):
    """Answers with what an endpoint answers, to whom `admit` lets in."""

    is_for_any_origin = False
    """Whether pages of other origins, such as those in a sandbox, may read the answer: no cookie opened it."""
    _relay: Relay | None = None
    _refusal: Exception | None = None
    _own_answer: Answer | None = None

    async def admit(self) -> Way | Answer:
        """Where the request may go, or what answers it otherwise.

        Nothing of the body has been read, and nothing may be answered yet: the connection would be closed. Raises
        `NbserveError`, or `tornado.web.HTTPError`.
        """
        raise NotImplementedError

    async def prepare(self) -> None:  # type: ignore[override]  # it may not be awaited there, and is
        self._transforms = []  # not compressed once more: it is passed on as it comes
        try:
            admitted = await self.admit()
            if isinstance(admitted, Way):
                connection = cast("HTTP1Connection", self.request.connection)
                connection.set_max_body_size(sys.maxsize)  # the kernel has a limit of its own
                self._relay = Relay(self, admitted)
                await self._relay.begin()
            else:
                self._own_answer = admitted
        except (NbserveError, web.HTTPError) as error:
            self._relay, self._refusal = None, error

    async def data_received(self, chunk: bytes) -> None:
        if self._relay is not None:
            await self._relay.send(chunk)

    @allow_unauthenticated
    async def answer(self, *_: str) -> None:
        """Called when the body is complete; who is not admitted was found out before."""
        if self._refusal is not None:
            raise self._refusal
        if self._own_answer is not None:
            self._own_answer()
        if self._relay is not None:
            await self._relay.end()

    get = head = post = put = patch = delete = options = answer

    def on_end(self) -> None:
        """The request has ended in whichever way; may be called more than once."""

    def on_finish(self) -> None:
        self.on_end()

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self.leave()
        self.on_end()

    def leave(self) -> None:
        """The request is wanted no more: the kernel is told so."""
        if self._relay is not None:
            self._relay.leave()

    def cut(self) -> None:
        """End the connection: what breaks off must not look as if it were whole."""
        self.detach().close()
        self.on_end()

    def log_exception(self, typ: object, value: object, tb: object) -> None:
        if not isinstance(value, NbserveError):
            super().log_exception(typ, value, tb)  # type: ignore[arg-type]

    def send_error(self, status_code: int = 500, **kwargs: object) -> None:
        error = _error_of(kwargs)
        super().send_error(status_of(error) if isinstance(error, NbserveError) else status_code, **kwargs)

    def write_error(self, status_code: int, **kwargs: object) -> None:
        error = self.told(_error_of(kwargs) or web.HTTPError(status_code))
        if wants_page(self.request):
            self.finish(page_of(error, f"{self.base_url}nbserve/"))
        else:
            self.set_header("Content-Type", "application/json")
            self.finish(json.dumps(in_shape(error)))

    def bearer(self) -> str:
        """The token that the request comes with, if it is none of Jupyter's; else nothing."""
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""

    def is_preflight(self) -> bool:
        return self.request.method == "OPTIONS" and "Access-Control-Request-Method" in self.request.headers

    def answer_preflight(self) -> None:
        """A page in its sandbox may ask, with its pass: whether that opens anything is seen when it does."""
        self.is_for_any_origin = True
        self.set_default_headers()
        self.set_header("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
        self.set_header("Access-Control-Allow-Headers", "authorization, content-type, *")
        self.set_header("Access-Control-Max-Age", str(CORS_AGE_S))
        self.set_status(204)
        self.finish()

    def told(self, error: BaseException) -> BaseException:
        """What the visitor is told of an error."""
        return error

    def set_default_headers(self) -> None:
        super().set_default_headers()
        if self.is_for_any_origin:
            self.set_header("Access-Control-Allow-Origin", "*")
            self.set_header("Access-Control-Expose-Headers", "*")

    @property
    def content_security_policy(self) -> str:
        """Both hold, since neither takes anything from the other: the sandbox, and what this server is set up with."""
        return f"{SANDBOX}, {super().content_security_policy}"


class Relay(httputil.HTTPMessageDelegate):
    """One exchange with a kernel on behalf of a handler, over a connection of its own."""

    def __init__(self, handler: ProxiedHandler, way: Way) -> None:
        self._handler = handler
        self._way = way
        self._stream: IOStream | None = None
        self._is_chunked = is_chunked(handler.request)
        self._has_sent = asyncio.Event()
        self._has_left: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._has_begun = False
        self._is_complete = False

    async def begin(self) -> None:
        """Send the request's head, and wait for the answer from now on. Raises `KernelGone` and `BodyError`."""
        request = self._handler.request
        headers = self._way.asked(request)
        self._stream = await _connected(self._way.listing)
        limits = HTTP1ConnectionParameters(
            chunk_size=CHUNK_BYTES, max_header_size=HEADERS_BYTES, max_body_size=sys.maxsize
        )
        kernel = HTTP1Connection(self._stream, True, limits)
        kernel.write_headers(httputil.RequestStartLine(str(request.method), self._way.target(request), ""), headers)
        self._receiving = asyncio.ensure_future(self._receive(kernel))

    async def send(self, chunk: bytes) -> None:
        """A part of the body; returns when the kernel has room for more."""
        await self._write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if self._is_chunked else chunk)

    async def end(self) -> None:
        """The body is complete; returns when the answer is. Raises `KernelGone`."""
        if self._is_chunked:
            await self._write(b"0\r\n\r\n")
        self._has_sent.set()
        await self._receiving

    def leave(self) -> None:
        """The visitor has gone: so does the request."""
        self._has_sent.set()
        if not self._has_left.done():
            self._has_left.set_result(None)
        self._close()

    async def _write(self, chunk: bytes) -> None:
        assert self._stream is not None
        # past the connection, which forgets what is being written when the answer is complete; if the kernel has
        # answered already, or has gone, the answer tells
        with contextlib.suppress(StreamClosedError):
            await self._stream.write(chunk)

    async def _receive(self, kernel: HTTP1Connection) -> None:
        try:
            with contextlib.suppress(StreamClosedError):
                await kernel.read_response(self)
        finally:
            self._close()
        if self._has_left.done():
            return
        if not self._has_begun:
            raise _gone(self._way.listing)
        if self._is_complete:
            self._handler.finish()
        else:
            self._handler.cut()

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.close()

    # --- what the connection to the kernel tells

    async def headers_received(
        self, start_line: httputil.RequestStartLine | httputil.ResponseStartLine, headers: httputil.HTTPHeaders
    ) -> None:
        assert isinstance(start_line, httputil.ResponseStartLine)
        if start_line.code < 200:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._has_sent.wait(), READ_AWAY_S)
        self._has_begun = True
        self._handler.set_status(start_line.code, start_line.reason)
        self._answer_headers(headers)
        await self._flush()

    async def data_received(self, chunk: bytes) -> None:
        self._handler.write(chunk)
        await self._flush()

    def finish(self) -> None:
        self._is_complete = True
        self._close()

    def on_connection_close(self) -> None:
        self._close()

    async def _flush(self) -> None:
        """Returns when the visitor has taken it, or has gone: then nobody tells that it was taken."""
        flushed = self._handler.flush()
        await asyncio.wait((flushed, self._has_left), return_when=asyncio.FIRST_COMPLETED)
        if self._has_left.done() or flushed.exception() is not None:
            self._close()

    def _answer_headers(self, given: httputil.HTTPHeaders) -> None:
        handler, headers = self._handler, self._way.answered(given)
        handler.clear_header("Content-Type")
        for name in headers:
            if name.lower() != "content-security-policy":  # the sandbox stays
                handler.clear_header(name)
        for name, text in headers.get_all():
            with contextlib.suppress(ValueError):  # no header that could be passed on
                handler.add_header(name, text)


def wants_page(request: httputil.HTTPServerRequest) -> bool:
    """Whether a browser asks, who would rather read a page than JSON."""
    return request.method in ("GET", "HEAD") and "text/html" in request.headers.get("Accept", "")


async def _connected(listing: Listing) -> IOStream:
    """Raises `KernelGone`."""
    parts = urlsplit(listing.url)
    host = parts.hostname or ""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    stream = IOStream(socket.socket(family, socket.SOCK_STREAM), read_chunk_size=CHUNK_BYTES)
    stream.set_nodelay(True)
    try:
        await asyncio.wait_for(stream.connect((host, parts.port)), CONNECT_S)
    except (OSError, StreamClosedError, TimeoutError):
        stream.close()
        raise _gone(listing) from None
    return stream


def _gone(listing: Listing) -> KernelGone:
    return KernelGone(
        f"The kernel that serves {listing.name!r} is gone, or has stopped to answer.",
        "Run the notebook's cell with %serve again.",
    )


def _error_of(given: dict[str, object]) -> BaseException | None:
    raised = given.get("exc_info")
    return raised[1] if isinstance(raised, tuple) else None
