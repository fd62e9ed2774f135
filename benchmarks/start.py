"""From `%serve` to the first 200, beside a FastAPI application written by hand.

    python benchmarks/start.py [rounds]

Both serve the same fitted pipeline from a thread of a real kernel, and are measured in one run, in turn:

- warm: everything is imported already, both are started again and again in the same kernel;
- cold: a fresh kernel for each start, so that the imports count.

What is measured ends when the first prediction has been answered 200 over HTTP. Prints medians and their ratio.
"""

from __future__ import annotations

import json
import platform
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jupyter_client.manager import start_new_kernel

SETUP = """
import json, time
from http.client import HTTPConnection
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

X, y = load_iris(return_X_y=True)
model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
ip = get_ipython()
ip.run_line_magic("load_ext", "nbserve")
ROWS = json.dumps({"X": X[:2].tolist()})

def first_answer(port, path, token=""):
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    while True:
        connection = HTTPConnection("127.0.0.1", port)
        try:
            connection.request("POST", path, ROWS, headers)
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            return json.loads(answer.read())["predict_result"]
        except ConnectionRefusedError:
            time.sleep(0.0005)
        finally:
            connection.close()

def hand_written():
    import asyncio, socket, threading
    import numpy as np
    import uvicorn
    from fastapi import FastAPI
    from pydantic import BaseModel

    class Rows(BaseModel):
        X: list[list[float]]

    app = FastAPI()

    @app.post("/predict/")
    def predict(rows: Rows) -> dict[str, list[int]]:
        return {"predict_result": model.predict(np.array(rows.X)).tolist()}

    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), daemon=True)
    thread.start()
    answered = first_answer(listening.getsockname()[1], "/predict/")

    def stop():
        server.should_exit = True
        thread.join()

    return answered, stop

def nbserve_magic():
    endpoint = ip.run_line_magic("serve", "model --name iris")
    port = int(endpoint.url.split(":")[2].split("/")[0])
    answered = first_answer(port, "/iris/predict/", endpoint.token)
    return answered, lambda: ip.run_line_magic("unserve", "--all")

def timed(start):
    began = time.perf_counter()
    answered, stop = start()
    took = time.perf_counter() - began
    assert answered == [0, 0], answered
    stop()
    return took
"""

WARM = """
timed(hand_written), timed(nbserve_magic)
figures = {"hand": [], "nbserve": []}
for _ in range(%d):
    figures["hand"].append(timed(hand_written))
    figures["nbserve"].append(timed(nbserve_magic))
print("FIGURES", json.dumps(figures))
"""

COLD = 'print("FIGURES", json.dumps(timed(%s)))'


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    print(f"Python {platform.python_version()}, {platform.machine()}, medians of {rounds} starts in turn\n")
    with _kernel() as run:
        warm = run(WARM % rounds)
    _report("warm", warm["hand"], warm["nbserve"])
    cold: dict[str, list[float]] = {"hand_written": [], "nbserve_magic": []}
    for _ in range(max(3, rounds // 3)):
        for start, figures in cold.items():
            with _kernel() as run:
                figures.append(run(COLD % start))
    _report("cold", cold["hand_written"], cold["nbserve_magic"])


def _report(name: str, hand: list[float], nbserve: list[float]) -> None:
    by_hand, ours = statistics.median(hand), statistics.median(nbserve)
    pairs = sorted(b / a for a, b in zip(hand, nbserve, strict=True))
    print(
        f"{name}: by hand {by_hand * 1e3:7.1f} ms   %serve {ours * 1e3:7.1f} ms   "
        f"ratio {ours / by_hand:.2f} (pairs {pairs[0]:.2f} to {pairs[-1]:.2f})"
    )


@contextmanager
def _kernel() -> Iterator[Any]:
    manager, client = start_new_kernel(extra_arguments=["--IPKernelApp.log_level=ERROR"])

    def run(code: str) -> Any:
        printed: list[str] = []
        reply = client.execute_interactive(
            code, timeout=300, output_hook=lambda message: printed.append(_text_of(message["content"]))
        )
        if reply["content"]["status"] != "ok":
            sys.exit("".join(printed))
        lines = "".join(printed).splitlines()
        return next((json.loads(line.removeprefix("FIGURES")) for line in lines if line.startswith("FIGURES")), None)

    try:
        run(SETUP)
        yield run
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def _text_of(content: dict[str, Any]) -> str:
    return str(content.get("text") or "\n".join(content.get("traceback", [])))


if __name__ == "__main__":
    main()
