"""A web server of this machine's that has what it is given, and remembers what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Host:
    """What is at each path: bytes, or a function that answers."""

    port: int = 0
    has: dict[str, bytes | Answer] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    given_up: threading.Event = field(default_factory=threading.Event)
    """Set at the end: who waits for ever waits for this."""

    def address(self, path: str, user: str = "") -> str:
        return f"http://{user}127.0.0.1:{self.port}/{path}"

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]


@contextmanager
def hosted() -> Iterator[Host]:
    host = Host()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            host.asked.append((self.path, dict(self.headers)))
            found = host.has.get(self.path.partition("?")[0].lstrip("/"))
            if callable(found):
                found(self)
            elif found is None:
                status(404)(self)
            else:
                self.give(found)

        def give(self, data: bytes) -> None:
            tag = f'"{sha256(data).hexdigest()[:16]}"'
            if self.headers.get("If-None-Match") == tag:
                status(304)(self)
            else:
                told(200, data, ETag=tag)(self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    host.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield host
    finally:
        host.given_up.set()
        server.shutdown()
        server.server_close()
        thread.join(10)


def told(code: int, data: bytes = b"", **headers: str) -> Answer:
    """An answer of this status, with these headers."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            handler.send_header("Content-Length", str(len(data)))
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(data)
        handler.close_connection = True

    return answer


def status(code: int) -> Answer:
    return told(code)
