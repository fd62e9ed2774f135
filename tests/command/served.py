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

__all__ = ["START_S", "Running", "running"]

ROOT = Path(__file__).parents[2]

START_S = 100.0
"""A process has to be started, on a machine that may be busy."""


class Running:
    """A program that serves, and says where in one line."""

    def __init__(self, words: tuple[str, ...], environment: Mapping[str, str], folder: Path) -> None:
        path = os.pathsep.join((str(ROOT), str(folder)))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "nbserve", "run", *words],
            env={**os.environ, "PYTHONPATH": path, **environment},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
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
    started = Running(words, environment, folder)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.process.send_signal(signal.SIGTERM)
            try:
                started.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                started.process.kill()
        for stream in (started.process.stdout, started.process.stderr):
            if stream is not None:
                stream.close()
        started.process.wait()
