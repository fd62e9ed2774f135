"""One row a request, over loopback: nbserve with everything on, beside what there is to be reached.

    python benchmarks/hot.py [--rounds 5] [--seconds 2] [--only logistic-32,…]

- echo: uvicorn parses the JSON and answers it, without a model: the limit;
- direct: raw ASGI that calls predict for each request, on the loop;
- probe: raw ASGI with opportunistic batches: what waits while one runs is the next, on a thread;
- nbserve: token, validation, counters, deadlines and errors on.

Each is a process of its own; all are up, one at a time is asked by wrk, in turn. Prints medians and their ratios.
With `--busy` a thread of each process runs pure Python meanwhile, and tells how much of it got done.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

COLUMNS = 8
ROW = [round(0.1 * (i + 1), 1) for i in range(COLUMNS)]

MODELS = f"""
import json, sys, threading, time
import numpy as np, orjson
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

draw = np.random.default_rng(0)
X = draw.normal(size=(500, {COLUMNS}))
y = (X[:, 0] + X[:, 1] > 0).astype(int)
models = {{
    "logistic": LogisticRegression().fit(X, y),
    "forest": RandomForestClassifier(100, random_state=0).fit(X, y),
}}
"""

RAW = """
import asyncio, socket, uvicorn
from concurrent.futures import ThreadPoolExecutor

async def answer(send, body):
    await send({"type": "http.response.start", "status": 200, "headers": [
        (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})

async def sent(receive):
    message = await receive()
    body = message["body"]
    while message.get("more_body"):
        message = await receive()
        body += message["body"]
    return orjson.loads(body)

async def echo(scope, receive, send):
    await answer(send, orjson.dumps(await sent(receive)))

async def direct(scope, receive, send):
    model = models[scope["path"].strip("/").split("/")[0]]
    found = model.predict(np.array((await sent(receive))["X"]))
    await answer(send, orjson.dumps({"predict_result": found.tolist()}))

class Probe:
    def __init__(self, model):
        self.model, self.waiting, self.thread, self.runs = model, [], ThreadPoolExecutor(1), False

    async def ask(self, rows):
        future = asyncio.get_running_loop().create_future()
        self.waiting.append((rows, future))
        if not self.runs:
            self.runs = True
            asyncio.ensure_future(self.run())
        return await future

    async def run(self):
        loop = asyncio.get_running_loop()
        while self.waiting:
            batch, self.waiting = self.waiting, []
            rows = np.array([row for rows, _ in batch for row in rows])
            found = (await loop.run_in_executor(self.thread, self.model.predict, rows)).tolist()
            at = 0
            for rows, future in batch:
                future.set_result(found[at:at + len(rows)])
                at += len(rows)
        self.runs = False

probes = {name: Probe(model) for name, model in models.items()}

async def probe(scope, receive, send):
    found = await probes[scope["path"].strip("/").split("/")[0]].ask((await sent(receive))["X"])
    await answer(send, orjson.dumps({"predict_result": found}))

listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
print(json.dumps({"port": listening.getsockname()[1], "token": ""}), flush=True)
config = uvicorn.Config(globals()[sys.argv[1]], log_config=None, access_log=False, lifespan="off", ws="none")
serve = lambda: uvicorn.Server(config).run(sockets=[listening])
"""

OURS = """
from nbserve.notebook.session import Session

session = Session({})
for name, model in models.items():
    session.serve(model, {"name": name})
port = int(session.url.rstrip("/").rpartition(":")[2])
print(json.dumps({"port": port, "token": session.access.session_token}), flush=True)
serve = lambda: threading.Event().wait()
"""

LIVE = """
def live():
    \"\"\"Pure Python, as a cell runs it, from the line `busy` to the line `idle`; then how fast it was.\"\"\"
    is_on = threading.Event()
    def spin():
        count, total, began, cpu = 0, 0, 0.0, 0.0
        while True:
            if not is_on.is_set():
                if count:
                    print(json.dumps({"rate": count / (time.perf_counter() - began)}), flush=True)
                    count = 0
                is_on.wait()
                began = time.perf_counter()
            for i in range(1000):
                total += i * i % 7
            count += 1
    threading.Thread(target=spin, daemon=True).start()
    for line in sys.stdin:
        (is_on.set if line.strip() == "busy" else is_on.clear)()

threading.Thread(target=live, daemon=True).start()
serve()
"""

CONTENDERS = ("echo", "direct", "probe", "nbserve")


@dataclass(frozen=True)
class Workload:
    model: str
    connections: int
    contenders: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.model}-{self.connections}"


WORKLOADS = (
    Workload("logistic", 1, ("echo", "direct", "probe", "nbserve")),
    Workload("logistic", 32, CONTENDERS),
    Workload("logistic", 512, ("echo", "probe", "nbserve")),
    Workload("forest", 1, ("direct", "nbserve")),
    Workload("forest", 32, ("probe", "nbserve")),
    Workload("forest", 512, ("probe", "nbserve")),
)


@dataclass(frozen=True)
class Measured:
    rate: float
    p50_us: float
    p99_us: float
    failed: int
    cell_rate: float


class Server:
    """A contender in a process of its own."""

    def __init__(self, name: str) -> None:
        code = MODELS + (OURS if name == "nbserve" else RAW) + LIVE
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started = self._heard()
        self.port, self.token = started["port"], started["token"]

    def say(self, word: str) -> None:
        assert self._process.stdin is not None
        print(word, file=self._process.stdin, flush=True)

    def cell_rate(self) -> float:
        """Ends the busy time; how fast the cell was."""
        self.say("idle")
        return float(self._heard()["rate"])

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def _heard(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--only", default="")
    parser.add_argument("--contenders", default=",".join(CONTENDERS))
    parser.add_argument("--busy", action="store_true")
    given = parser.parse_args()
    print(f"Python {platform.python_version()}, {platform.machine()}, medians of {given.rounds} of {given.seconds} s\n")
    chosen = [each for each in WORKLOADS if not given.only or each.name in given.only.split(",")]
    with _servers(given.contenders.split(",")) as servers:
        for workload in chosen:
            _report(workload, _measured(workload, servers, given))


@contextmanager
def _servers(names: list[str]) -> Iterator[dict[str, Server]]:
    with ExitStack() as stack:
        servers: dict[str, Server] = {}
        for name in names:
            servers[name] = Server(name)
            stack.callback(servers[name].stop)
        yield servers


def _measured(workload: Workload, servers: dict[str, Server], given: Any) -> dict[str, list[Measured]]:
    names = [name for name in workload.contenders if name in servers]
    figures: dict[str, list[Measured]] = {name: [] for name in names}
    for name in names:
        _asked(servers[name], workload, 1, is_busy=False)
    for _ in range(given.rounds):
        for name in names:
            figures[name].append(_asked(servers[name], workload, given.seconds, is_busy=False))
            if given.busy:
                busy = _asked(servers[name], workload, given.seconds, is_busy=True)
                figures.setdefault(f"{name}, busy", []).append(busy)
    return figures


def _asked(server: Server, workload: Workload, seconds: int, *, is_busy: bool) -> Measured:
    if is_busy:
        server.say("busy")
    script = _SCRIPT % (json.dumps({"X": [ROW]}), server.token)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        url = f"http://127.0.0.1:{server.port}/{workload.model}/predict/"
        threads = 1
        command = ["wrk", f"-t{threads}", f"-c{workload.connections}", f"-d{seconds}s", "-s", file.name, url]
        said = subprocess.run([*command, "--latency"], capture_output=True, text=True, check=True).stdout
    found = json.loads(re.search(r"FIGURES (.*)", said)[1])  # type: ignore[index]
    return Measured(**found, cell_rate=server.cell_rate() if is_busy else 0.0)


_SCRIPT = """
wrk.method = "POST"
wrk.body = '%s'
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer %s"
done = function(summary, latency, requests)
  local failed = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
  io.write(string.format('FIGURES {"rate": %%f, "p50_us": %%f, "p99_us": %%f, "failed": %%d}\\n',
    summary.requests / summary.duration * 1e6, latency:percentile(50), latency:percentile(99), failed))
end
"""


def _report(workload: Workload, figures: dict[str, list[Measured]]) -> None:
    print(f"{workload.model}, {workload.connections} connections")
    ours = figures.get("nbserve", [])
    for name, runs in figures.items():
        rate, spread = _middle([each.rate for each in runs])
        p50, _ = _middle([each.p50_us for each in runs])
        line = f"  {name:14} {rate:8.0f} req/s ({spread})  p50 {p50:7.0f} us  p99 "
        line += f"{_middle([each.p99_us for each in runs])[0]:7.0f} us"
        if ours and name != "nbserve":
            line += f"   nbserve is {_middle([each.rate for each in ours])[0] / rate:5.2f} of its rate"
            line += f", {_middle([each.p50_us for each in ours])[0] / p50:5.2f} of its p50"
        failed = sum(each.failed for each in runs)
        cell = statistics.median(each.cell_rate for each in runs)
        print(line + (f"   cell {cell:6.0f}/s" if cell else "") + (f"   FAILED {failed}" if failed else ""))
    print(flush=True)


def _middle(values: list[float]) -> tuple[float, str]:
    return statistics.median(values), f"{min(values):.0f} to {max(values):.0f}"


if __name__ == "__main__":
    sys.exit(main())
