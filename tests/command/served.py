"""``nbserve run`` as a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.client import PATIENCE_S

__all__ = ["START_S", "Running", "running", "started"]

ROOT = Path(__file__).parents[2]

START_S = 100.0
"""A process has to be started, on a machine that may be busy."""


class Running:
    """A program that serves, and says where in one line."""

    def __init__(self, words: tuple[str, ...], environment: Mapping[str, str], folder: Path) -> None:
        self.process = _process(words, environment, folder)
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline()
        found = re.search(r"(https?://\S+/)(?:\?token=(\S+))?$", self.said)
        self.url, self.token = (found[1], found[2]) if found else ("", None)

    def get(self, path: str) -> httpx.Response:
        return self._ask("GET", path)

    def predict(self, name: str, rows: Any) -> httpx.Response:
        return self._ask("POST", f"{name}/predict/", json={"X": rows})

    def _ask(self, verb: str, path: str, **given: Any) -> httpx.Response:
        headers = {} if self.token is None else {"authorization": f"Bearer {self.token}"}
        return httpx.request(verb, self.url + path, headers=headers, timeout=START_S, trust_env=False, **given)

    def end(self, number: int | None = signal.SIGTERM) -> tuple[int, str, str]:
        """The exit code, and what it has said since on stdout and stderr; None: it has been told to end already."""
        if number is not None and self.process.poll() is None:
            self.process.send_signal(number)
        said, told = self.process.communicate(timeout=START_S)
        return self.process.returncode, said, told


@contextmanager
def running(*words: str, folder: Path, **environment: str) -> Iterator[Running]:
    served = Running(words, environment, folder)
    with _ended(served.process):
        yield served


@contextmanager
def started(*words: str, folder: Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """One that may not serve yet."""
    with _ended(_process(words, environment, folder)) as process:
        yield process


def _process(words: tuple[str, ...], environment: Mapping[str, str], folder: Path) -> subprocess.Popen[str]:
    path = os.pathsep.join((str(ROOT), str(folder)))
    return subprocess.Popen(
        [sys.executable, "-m", "nbserve", "run", *words],
        env={**os.environ, "PYTHONPATH": path, **environment},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def _ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        process.wait()
