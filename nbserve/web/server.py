"""An ASGI application on a daemon thread, with a loop of its own."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import errno
import logging
import os
import socket
import ssl
import threading
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

from ..core.blame import reason_of
from ..core.waiting import never_wait_here
from ..errors import NbserveError, OptionError, PortTaken, ServerError
from .address import LOOPBACK
from .haste import haste

__all__ = ["Server", "bound"]

THREAD_NAME = "nbserve:server"
START_S = 10.0
STOP_S = 3.0

ASGI = Callable[[Any, Any, Any], Awaitable[None]]


class Server:
    """Serves `app` on `host`:`port` from construction until `stop`; with `tls` it speaks HTTPS there.

    With a side door it is also there on a port of the loopback, without TLS: `side_port`, else 0. The sockets are
    bound here, so the port is known and a taken one is an error at once: `PortTaken`, or `OptionError` for a host
    that is not this machine's. A server that does not start raises `ServerError`. `line` makes what speaks HTTP on a
    connection. `enter` is called first in its thread (to tell whose output it prints). What is in flight at the end has
    `grace_s` seconds. `listening` is a socket that listens already, in place of one of its own.
    """

    def __init__(
        self,
        app: ASGI,
        host: str = "127.0.0.1",
        port: int | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        has_side_door: bool = False,
        line: Any = "auto",
        enter: Callable[[], None] | None = None,
        grace_s: float = STOP_S,
        listening: socket.socket | None = None,
    ) -> None:
        doors = [(bound(host, port or 0) if listening is None else listening, tls)]
        if has_side_door:
            doors.append((bound(LOOPBACK.number, 0), None))
        self._sockets = [listening for listening, _ in doors]
        self.host, self.port = self._sockets[0].getsockname()[:2]
        self.side_port: int = self._sockets[1].getsockname()[1] if has_side_door else 0
        self._pid = os.getpid()
        self._grace_s = grace_s
        config = uvicorn.Config(
            app,
            http=line,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=int(grace_s) - 1,
            server_header=False,
        )
        self._server = _Uvicorn(config, doors)
        self._enter = enter
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._live, name=THREAD_NAME, daemon=True)
        self._thread.start()
        self._await_start()
        _living.add(self)

    @property
    def is_alive(self) -> bool:
        return self._pid == os.getpid() and self._thread.is_alive()

    def stop(self) -> None:
        """Answer what is in flight, for a bounded time, and close the port."""
        _living.discard(self)
        if self._pid != os.getpid():
            return
        self._server.should_exit = True
        self._thread.join(self._grace_s + 1)
        self._close_sockets()

    def abandon(self) -> None:
        """In a forked child: the ports are the parent's; keep no hand on them."""
        own = [listening.detach() for listening in self._sockets]
        copies = (each.fileno() for server in getattr(self._server, "servers", ()) for each in server.sockets)
        for descriptor in {*own, *copies}:
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _live(self) -> None:
        never_wait_here()
        if self._enter is not None:
            self._enter()
        loop = _new_loop()
        try:
            asyncio.set_event_loop(loop)
            # never server.run(): once nest_asyncio has been applied it fails on newer Pythons
            loop.run_until_complete(self._server.serve(sockets=self._sockets))
        except BaseException as error:  # noqa: BLE001 - uvicorn leaves a thread by SystemExit; the cell must hear of it
            self._failure = error
        finally:
            self._server.has_started.set()
            for connection in list(self._server.server_state.connections):
                connection.transport.abort()  # who still waits is told, and counted
            _close(loop)
            haste.rest()

    def _await_start(self) -> None:
        in_time = self._server.has_started.wait(START_S)
        if self._server.started and in_time:
            return
        self._server.should_exit = True  # one that comes up late after all serves nobody
        if in_time:
            self._thread.join(STOP_S)
        self._close_sockets()
        reason = "it took too long" if self._failure is None else reason_of(self._failure)
        raise ServerError(f"The server did not start: {reason}.", "Run %serve again; another --port may help.")

    def _close_sockets(self) -> None:
        for listening in self._sockets:
            listening.close()


class _Uvicorn(uvicorn.Server):
    """Tells when it has started, instead of being asked again and again; each of its doors has TLS or has not."""

    def __init__(self, config: uvicorn.Config, doors: list[tuple[socket.socket, ssl.SSLContext | None]]) -> None:
        super().__init__(config)
        self.has_started = threading.Event()
        self._doors = doors

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        opened = []
        for listening, tls in self._doors:
            self.config.ssl = tls
            await super().startup(None if sockets is None else [listening])
            opened += self.servers
        self.servers = opened
        self.has_started.set()


_living: weakref.WeakSet[Server] = weakref.WeakSet()


def bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        if family is socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # `::` is all of them, on every system
        listening.bind((host, port))
        listening.listen(2048)
    except OSError as error:
        listening.close()
        raise _unbound(error, host, port) from None
    listening.set_inheritable(False)
    return listening


def _unbound(error: OSError, host: str, port: int) -> NbserveError:
    if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        return OptionError(f"{host} is no address of this machine.", "Give one that is, or 0.0.0.0 for all of them.")
    return PortTaken(
        f"Port {port} of {host} cannot be listened on: {error.strerror}.",
        "Choose another with --port; --port 0 is any free one.",
    )


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # there is none for this platform
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def _close(loop: asyncio.AbstractEventLoop) -> None:
    pending = asyncio.all_tasks(loop)
    for task in pending:
        task.cancel()
    if pending:
        loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def _is_not_ours(record: logging.LogRecord) -> bool:
    """What the server's thread has to say is for no cell: errors are answered, and kept in the endpoints' logs."""
    return record.threadName != THREAD_NAME


for _name in ("uvicorn.error", "asyncio"):
    logging.getLogger(_name).addFilter(_is_not_ours)


def _stop_all() -> None:
    for server in list(_living):
        server.stop()


def _abandon_all() -> None:
    for server in list(_living):
        server.abandon()
    _living.clear()


atexit.register(_stop_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)
