"""A server that runs in a process group of its own, until its answer was measured."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from .environments import HERE, ROOT
from .peers import Peer

START_S = 90
STOP_S = 8
FAILURES = 20


class DidNotStart(Exception):
    """A server did not answer in time: the end of what it printed."""


class Server:
    """Started on a free port of loopback; `with` ends it, and what it started."""

    def __init__(
        self, peer: Peer, python: Path, model: Path, rows: list[list[float]], variant: str | None = None
    ) -> None:
        self.peer = peer
        self.port = _free_port()
        self.token = ""
        self.cell: list[tuple[float, float]] = []
        """When, and how many steps a second the cell made of late; for servers that run one."""
        self._printed: list[str] = []
        self._request = peer.request(rows)
        script = HERE / "servers" / f"serve_{peer.environment}.py"
        if (variant or "").startswith("thread-"):
            script = script.with_name("serve_thread.py")
            variant = (variant or "").removeprefix("thread-")
        command = [str(python), str(script), str(model), str(self.port), peer.variant if variant is None else variant]
        began = time.perf_counter()
        self._process = subprocess.Popen(
            command,
            cwd=script.parent,
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._seen: dict[int, str] = {}
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise
        self.first_answer_s = time.perf_counter() - began

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def headers(self) -> dict[str, str]:
        sent = {"Content-Type": "application/json"}
        return sent | ({"Authorization": f"Bearer {self.token}"} if self.token else {})

    def ask(self, body: bytes, timeout: float = 30) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("POST", self.peer.path, body, self.headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def memory_mb(self) -> float:
        """Proportional resident memory of the process and all that it started."""
        return sum(_pss(pid) for pid in self._family()) / 1e6

    def stop(self) -> None:
        """End the group that was started here, and those of its children that made groups of their own."""
        family = {pid: _born(pid) for pid in self._family()} | self._seen
        _send(-self._process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_S)
        _send(-self._process.pid, signal.SIGKILL)
        for pid, born in family.items():
            if born and _born(pid) == born:
                _send(pid, signal.SIGKILL)
        self._process.wait(STOP_S)

    def _family(self) -> list[int]:
        """The process and its descendants, by what /proc says now."""
        parents: dict[int, list[int]] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
        family, look_at = [], [self._process.pid]
        while look_at:
            pid = look_at.pop()
            family.append(pid)
            look_at.extend(parents.get(pid, []))
        self._seen |= {pid: _born(pid) for pid in family}
        return family

    def _wait(self) -> None:
        """Until it answers a prediction. Many answer 404 or 503 at first; a model that fails goes on failing."""
        ends, failures, last = time.monotonic() + START_S, 0, "no answer"
        while time.monotonic() < ends and failures < FAILURES:
            if self._process.poll() is not None:
                raise DidNotStart(f"it ended with {self._process.returncode}: {self._tail()}")
            try:
                status, body = self.ask(self._request, timeout=10)
            except (OSError, http.client.HTTPException) as error:
                last = repr(error)
            else:
                if status == 200:
                    return
                failures += status in (422, 500)
                last = f"{status}: {body[:200].decode(errors='replace')}"
            time.sleep(0.01)
        raise DidNotStart(f"it did not answer a prediction: {last} {self._tail()}")

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if found := re.match(r"CELL (\S+) (\S+)", line):
                self.cell.append((float(found[1]), float(found[2])))
            elif line.startswith("TOKEN "):
                self.token = line.split()[1]
            else:
                self._printed = [*self._printed[-20:], line.strip()]

    def _tail(self) -> str:
        return " / ".join(line for line in self._printed if line)[-300:]


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _send(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(-pid, number) if pid < 0 else os.kill(pid, number)


def _born(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _pss(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next(float(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
