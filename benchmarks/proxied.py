"""What the way through the Jupyter server costs: a prediction by it and directly, and what large bodies weigh in it.

    python -m benchmarks.proxied [rounds]

A real Jupyter server runs a real kernel. One client asks for a prediction of one row over connections that it keeps,
in turn: directly, through the server as its user, and by a share link. Prints the medians, and how much more memory
the server takes at its peak while 64 MiB go through, up and down.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from time import perf_counter
from urllib.parse import urlsplit

import httpx

from tests.serverext.real_jupyter import JupyterServer, Kernel, started

MIB = 1024**2
WARM_UP = 50
BODY = json.dumps({"X": [[5.1, 3.5, 1.4, 0.2]]})

SERVED = """
%load_ext nbserve
import nbserve
from fastapi import Request
from fastapi.responses import StreamingResponse
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

class Nothing(nbserve.ModelComponent):
    def load_model(self):
        self.model = len

class Large(nbserve.ModelResource):
    component = Nothing()

    @nbserve.resource_method("/up/", methods=["POST"])
    async def up(self, request: Request) -> int:
        return sum([len(chunk) async for chunk in request.stream()])

    @nbserve.resource_method("/down/", methods=["GET"])
    async def down(self, mib: int):
        return StreamingResponse(iter([b"x" * 65536] * (16 * mib)), media_type="application/octet-stream")

nbserve.serve(LogisticRegression(max_iter=500).fit(*load_iris(return_X_y=True)), name="iris")
nbserve.serve(Large, name="large")
"""


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as folder:
        server = started(Path(folder), ("--NbserveExtension.sharing=on", "--ServerApp.log_level=30"))
        try:
            kernel = server.start_kernel(SERVED)
            print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, Python {platform.python_version()}")
            began_s = _worked_s(server.process.pid)
            _show_times(_times(_ways(server, kernel), rounds))
            each_ms = 1e3 * (_worked_s(server.process.pid) - began_s) / (2 * (WARM_UP + rounds))
            print(f"\nThe Jupyter server works {each_ms:.2f} ms for each request that it passes on.\n")
            _show_memory(server, kernel)
        finally:
            server.close()


def _ways(server: JupyterServer, kernel: Kernel) -> dict[str, Callable[[], None]]:
    url, token = kernel.ask("[nbserve.get('iris').url, nbserve.get('iris').token]")
    with server.client() as user:
        made = user.post(kernel.address("iris/shares/"), json={}).json()
    link = f"{made['link'].partition('#')[0]}"
    return {
        "directly": _way(url, f"Bearer {token}"),
        "through the Jupyter server": _way(kernel.address("iris/"), f"token {server.token}"),
        "by a share link": _way(link, f"Bearer {made['token']}"),
    }


def _way(url: str, authorization: str) -> Callable[[], None]:
    """Asks once, over a connection of its own."""
    parts = urlsplit(url)
    connection = HTTPConnection(str(parts.hostname), parts.port, timeout=30)
    headers = {"authorization": authorization, "content-type": "application/json"}

    def ask() -> None:
        connection.request("POST", f"{parts.path}predict/", BODY, headers)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body

    return ask


def _times(ways: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each question, asked in turn."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(WARM_UP + rounds):
        for name, ask in ways.items():
            began = perf_counter()
            ask()
            if turn >= WARM_UP:
                found[name].append(1e3 * (perf_counter() - began))
    return found


def _show_times(found: dict[str, list[float]]) -> None:
    direct = statistics.median(found["directly"])
    print("| ms | p50 | p99 | more than directly |\n|---|---|---|---|")
    for name, times in found.items():
        p50, p99 = statistics.median(times), statistics.quantiles(times, n=100)[98]
        print(f"| {name} | {p50:.2f} | {p99:.1f} | {p50 - direct:.2f} |")


def _show_memory(server: JupyterServer, kernel: Kernel) -> None:
    print("| 64 MiB through the Jupyter server | more memory at its peak |\n|---|---|")
    with server.client() as user:
        user.get(kernel.address("large/down/?mib=1")).raise_for_status()
        for name, ask in (("down", _down), ("up", _up)):
            grown = server.watch_memory()
            assert ask(user, kernel) == 64 * MIB
            print(f"| {name} | {grown() / MIB:.1f} MiB |")


def _down(user: httpx.Client, kernel: Kernel) -> int:
    with user.stream("GET", kernel.address("large/down/?mib=64")) as answer:
        return sum(map(len, answer.iter_bytes()))


def _up(user: httpx.Client, kernel: Kernel) -> int:
    return int(user.post(kernel.address("large/up/"), content=(b"x" * MIB for _ in range(64))).json())


def _worked_s(pid: int) -> float:
    """Time of a processor that a process has used: that of a busy machine is not longer."""
    counted = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(counted[11]) + int(counted[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
