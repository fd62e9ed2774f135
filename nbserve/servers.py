"""Jupyter servers that run the extension, as they announce themselves to the kernels that they start.

A kernel learns from it which address its links begin with, and whether sharing is on. Where the server leaves that to
its user, what he says is a second file beside it, and holds as long as that server runs.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from .private import began_at, folder, has_ended, machine, read, read_all, write

__all__ = [
    "SHARING",
    "JupyterServer",
    "allow_sharing",
    "announce_server",
    "own_server",
    "sweep_servers",
    "withdraw_server",
]

SHARING = ("ask", "on", "off")


@dataclass(frozen=True, slots=True)
class JupyterServer:
    """A Jupyter server with the extension: `url` is where its own machine finds it, `public_url` others, if known.

    Both end with `base`, its path. `sharing` is one of `SHARING`.
    """

    url: str
    public_url: str
    base: str
    sharing: str
    pid: int
    machine: str
    began: int

    @property
    def is_sharing(self) -> bool:
        """Whether links are answered now: it is set so, or its user has allowed it."""
        return self.sharing == "on" or (self.sharing == "ask" and read(_allowance(self.pid), JupyterServer) == self)


def announce_server(url: str, public_url: str, base: str, sharing: str) -> JupyterServer:
    """Of this process. Raises OSError."""
    pid = os.getpid()
    server = JupyterServer(url, public_url, base, sharing, pid, machine(), began_at(pid))
    withdraw_server()
    write(_path(pid), server)
    return server


def withdraw_server() -> None:
    """Remove what this process has announced, and what its user has allowed."""
    for path in (_path(os.getpid()), _allowance(os.getpid())):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def own_server() -> JupyterServer | None:
    """The server that runs this kernel; None when a program without the extension does."""
    for pid in (os.environ.get("JPY_PARENT_PID", ""), str(os.getppid())):
        server = read(_path(int(pid)), JupyterServer) if pid.isascii() and pid.isdigit() else None
        if server is not None and server.machine == machine() and not has_ended(server.pid, server.began):
            return server
    return None


def allow_sharing(server: JupyterServer) -> None:
    """Its user has said so; a server that is set to "off" does not listen. Raises OSError."""
    write(_allowance(server.pid), server)


def sweep_servers() -> None:
    """Remove what servers left that are no more."""
    for place in (_SERVERS, _ALLOWED):
        for path, server in read_all(folder(place), JupyterServer):
            if server.machine == machine() and has_ended(server.pid, server.began):
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)


_SERVERS, _ALLOWED = "servers", "allowed"


def _path(pid: int) -> Path:
    return folder(_SERVERS) / f"{pid}.json"


def _allowance(pid: int) -> Path:
    return folder(_ALLOWED) / f"{pid}.json"
