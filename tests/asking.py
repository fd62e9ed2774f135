"""How tests use the clients: both in one way, and before a server that answers as it is told to."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import nbserve

__all__ = ["Awaited", "Scripted", "answer", "scripted"]

Part = Callable[[socket.socket], None]


class Awaited:
    """An `AsyncClient` whose calls are awaited for the test, on a loop of its own."""

    def __init__(self, *given: Any, **options: Any) -> None:
        self.client = nbserve.AsyncClient(*given, **options)
        self.loop = asyncio.new_event_loop()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        member = getattr(self.client, name)
        return (
            (lambda *given, **named: self.loop.run_until_complete(member(*given, **named)))
            if callable(member)
            else member
        )

    def __repr__(self) -> str:
        return repr(self.client)

    def end(self) -> None:
        self.loop.run_until_complete(self.client.close())
        self.loop.close()


class Scripted:
    """A server of one test: each connection gets the next part of the script, bytes or something to be done."""

    def __init__(self, *parts: bytes | Part, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.is_over = threading.Event()
        self._parts = list(parts)
        self._tls = tls
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http{'' if tls is None else 's'}://127.0.0.1:{self._socket.getsockname()[1]}/iris/"
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.is_over.set()
        with suppress(OSError):
            socket.create_connection(self._socket.getsockname(), timeout=5).close()
        self._thread.join(5)
        self._socket.close()

    def _live(self) -> None:
        while not self.is_over.is_set():
            connection, _ = self._socket.accept()
            connection.settimeout(5)
            with suppress(OSError), connection, self._spoken(connection) as spoken:
                sent = _request(spoken)
                if sent:
                    self.requests.append(sent)
                    self._answer(spoken)

    def _spoken(self, connection: socket.socket) -> socket.socket:
        return connection if self._tls is None else self._tls.wrap_socket(connection, server_side=True)

    def _answer(self, connection: socket.socket) -> None:
        part = self._parts.pop(0) if self._parts else answer(599, b"the script is over", "text/plain")
        if callable(part):
            part(connection)
        else:
            connection.sendall(part)


def answer(status: int, body: bytes, content_type: str = "application/json", **headers: str) -> bytes:
    """A whole response; underscores in names of headers stand for dashes."""
    given = {"content-type": content_type, "content-length": str(len(body)), "connection": "close"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} Phrase", *(f"{name}: {value}" for name, value in given.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextmanager
def scripted(*parts: bytes | Part, tls: ssl.SSLContext | None = None) -> Iterator[Scripted]:
    server = Scripted(*parts, tls=tls)
    try:
        yield server
    finally:
        server.stop()


def _request(connection: socket.socket) -> bytes:
    """Head and body, as far as the head says how long that is."""
    sent = b""
    while b"\r\n\r\n" not in sent:
        chunk = connection.recv(65536)
        if not chunk:
            return b""
        sent += chunk
        if sent.startswith(b"\x16\x03"):  # TLS, where none is spoken
            return sent
    head, _, body = sent.partition(b"\r\n\r\n")
    lengths = [line.partition(b":")[2] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while lengths and len(body) < int(lengths[0]):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body
