"""What a slow load and a slow prediction of one endpoint cost everybody else.

    python benchmarks/beside.py [seconds]

In a real kernel one endpoint loads for five seconds, then predicts for five; meanwhile another process asks `/health`
and another endpoint, again and again. Prints the medians and the worst of each, beside those of an idle server.
"""

from __future__ import annotations

import json
import platform
import statistics
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from http.client import HTTPConnection
from time import monotonic, perf_counter

from jupyter_client.manager import start_new_kernel

SETUP = """
import json, threading, time
import nbserve

class Slow:
    def predict(self, X: list) -> list:
        time.sleep(SECONDS)
        return X

class SlowComponent(nbserve.ModelComponent):
    def load_model(self):
        time.sleep(SECONDS)
        self.model = Slow()

class Quick:
    def predict(self, X: list) -> list:
        return X

slow = nbserve.serve(SlowComponent(), name="slow")
quick = nbserve.serve(Quick(), name="quick")
print(json.dumps({"port": int(quick.url.split(":")[2].split("/")[0]), "token": quick.token}))
"""

PHASES = {
    "idle": "pass",
    "while another loads": "loading = threading.Thread(target=slow.load); loading.start()",
    "while another predicts": "calling = threading.Thread(target=slow.predict, args=([[1]],)); calling.start()",
}


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    manager, client = start_new_kernel(extra_arguments=["--IPKernelApp.log_level=ERROR"])
    try:
        said: list[str] = []

        def hear(message: dict[str, dict[str, str]]) -> None:
            said.append(message["content"].get("text", ""))

        def run(code: str) -> None:
            client.execute_interactive(code, output_hook=hear, timeout=60)

        run(f"SECONDS = {seconds}\n{SETUP}")
        place = json.loads("".join(said))
        print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, Python {platform.python_version()}")
        print("| ms, median (worst) | `/health` | a prediction of another endpoint |\n|---|---|---|")
        for phase, code in PHASES.items():
            run(code)
            health, prediction = _asked(place["port"], place["token"], 0.8 * seconds)
            print(f"| {phase} | {_shown(health)} | {_shown(prediction)} |")
            run("loading.join()" if "loads" in phase else "pass")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def _asked(port: int, token: str, seconds: float) -> tuple[list[float], list[float]]:
    """Milliseconds of each question, in turn, for so long."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}

    def ask(verb: str, path: str, body: str | None = None) -> None:
        connection.request(verb, path, body, headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()

    health: list[float] = []
    prediction: list[float] = []
    until = monotonic() + seconds
    while monotonic() < until:
        health.append(_timed(lambda: ask("GET", "/health")))
        prediction.append(_timed(lambda: ask("POST", "/quick/predict/", '{"X": [[1]]}')))
    connection.close()
    return health, prediction


def _timed(ask: Callable[[], None]) -> float:
    began = perf_counter()
    ask()
    return 1e3 * (perf_counter() - began)


def _shown(milliseconds: list[float]) -> str:
    return f"{statistics.median(milliseconds):.2f} ({max(milliseconds):.1f})"


if __name__ == "__main__":
    main()
