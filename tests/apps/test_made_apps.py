"""What make-app wrote runs in an environment of its own, and gives the same answers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import joblib
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nbserve.making import make_app
from nbserve.notebook.session import Session
from tests.client import handle
from tests.models import iris_array, iris_target

pytestmark = [pytest.mark.app, pytest.mark.timeout(400)]

TOKEN = "a-token-of-the-tests-own"
ROWS = iris_array()[::7].tolist()
STARTS_WITHIN_S = 60.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tmp = tmp_path_factory.mktemp("made")
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(iris_array(), iris_target())
    joblib.dump(model, tmp / "churn.joblib")
    make_app(tmp / "churn.joblib", tmp / "app", deadline_s="20s")
    return tmp / "app"


@pytest.fixture(scope="module")
def python(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with what the program asks for, and nothing else."""
    home = tmp_path_factory.mktemp("environment") / "venv"
    venv.create(home, with_pip=True)
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    install = [
        python,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--quiet",
        "-r",
        folder / "requirements.txt",
    ]
    subprocess.run(install, check=True, cwd=home, env=environment())
    return python


def environment(**more: str) -> dict[str, str]:
    """Without what would let it import this checkout."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "NBSERVE"))} | more


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@contextmanager
def running(python: Path, folder: Path) -> Iterator[tuple[httpx.Client, subprocess.Popen[str]]]:
    port = free_port()
    given = environment(PORT=str(port), NBSERVE_SESSION_TOKEN=TOKEN)
    program = subprocess.Popen([python, folder / "app.py"], cwd=folder.parent, env=given, text=True)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False, timeout=60) as client:
            wait_for(client, program)
            yield client, program
    finally:
        program.kill()
        program.wait(10)


def wait_for(client: httpx.Client, program: subprocess.Popen[str]) -> None:
    until = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < until:
        assert program.poll() is None
        try:
            client.get("/health").raise_for_status()
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("it does not answer")


def test_it_gives_the_same_answers_and_ends_when_it_is_told_to(python: Path, folder: Path) -> None:
    session = Session({})
    try:
        here = handle(session, folder / "churn.joblib", {"trust": True, "name": "churn"})
        expected: dict[str, Any] = {
            method: here.predict(X=ROWS, method=method) for method in ("predict", "predict_proba")
        }
    finally:
        session.close()
    with running(python, folder) as (client, program):
        for method, answer in expected.items():
            came = client.post(f"/churn/{method}/", json={"X": ROWS})
            assert came.status_code == 200, came.text
            assert came.json()["predict_result"] == answer
        assert (
            client.post("/churn/predict/", json={"X": ROWS}, headers={"Authorization": "Bearer no"}).status_code == 401
        )
        program.send_signal(signal.SIGTERM)
        assert program.wait(20) in (0, -signal.SIGTERM)


def test_its_environment_is_of_the_versions_that_are_here_and_holds_no_other_library_of_models(
    python: Path, folder: Path
) -> None:
    frozen = subprocess.run(
        [python, "-m", "pip", "--disable-pip-version-check", "freeze"],
        check=True, capture_output=True, text=True, env=environment(),
    ).stdout.lower()  # fmt: skip
    for line in (folder / "requirements.txt").read_text().splitlines():
        if "==" in line and not line.startswith("jupyter-nbserve"):
            assert line in frozen.replace("_", "-")
    assert not any(f"\n{name}==" in frozen for name in ("pandas", "torch", "pyarrow", "jupyterlab", "pytest"))
    where = subprocess.run(
        [python, "-c", "import nbserve; print(nbserve.__file__)"], check=True, capture_output=True, text=True,
        env=environment(), cwd=folder,
    ).stdout  # fmt: skip
    assert str(python.parent.parent) in where
    assert sys.prefix not in where
