"""From `nbserve run model.joblib` to the first 200, beside a script of uvicorn and FastAPI written by hand.

    python benchmarks/start_cli.py [rounds]

Both are processes of their own that load the same fitted pipeline, and are started in turn. What is measured ends when
the first prediction has been answered 200. Prints medians and their ratio.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path

import joblib
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

ROOT = Path(__file__).parents[1]

BY_HAND = """
import sys
import joblib
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

model = joblib.load("model.joblib")
app = FastAPI()

class Rows(BaseModel):
    X: list[list[float]]

@app.post("/model/predict/")
def predict(rows: Rows):
    return {"predict_result": model.predict(rows.X).tolist()}

uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
"""

TOKEN = "benchmark"
HEADERS = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
PATIENCE_S = 120


def main(rounds: int) -> None:
    X, y = load_iris(return_X_y=True)
    with tempfile.TemporaryDirectory() as folder:
        joblib.dump(make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y), Path(folder, "model.joblib"))
        Path(folder, "by_hand.py").write_text(BY_HAND)
        rows = json.dumps({"X": X[:2].tolist()})
        run = [sys.executable, "-m", "nbserve", "run", "model.joblib", "--trust", "--port"]
        hand = [sys.executable, "by_hand.py"]
        took: dict[str, list[float]] = {"by hand": [], "nbserve run": []}
        for _ in range(rounds + 1):
            took["by hand"].append(_first_answer(hand, folder, rows))
            took["nbserve run"].append(_first_answer(run, folder, rows))
    medians = {name: statistics.median(times[1:]) for name, times in took.items()}  # the first have filled the caches
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {rounds} rounds")
    for name, median in medians.items():
        print(f"{name:<12} {median:6.2f} s")
    print(f"ratio        {medians['nbserve run'] / medians['by hand']:6.2f}")


def _first_answer(command: list[str], folder: str, rows: str) -> float:
    port = _free_port()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NBSERVE_SESSION_TOKEN": TOKEN}
    began = time.perf_counter()
    process = subprocess.Popen([*command, str(port)], cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    try:
        while not _is_answered(port, rows):
            assert process.poll() is None
            assert time.perf_counter() - began < PATIENCE_S
            time.sleep(0.002)
        return time.perf_counter() - began
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)


def _is_answered(port: int, rows: str) -> bool:
    connection = HTTPConnection("127.0.0.1", port)
    try:
        connection.request("POST", "/model/predict/", rows, HEADERS)
        answer = connection.getresponse()
    except ConnectionError:
        return False
    else:
        assert answer.status in (200, 404), answer.read()  # it listens before it serves
        return answer.status == 200
    finally:
        connection.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
