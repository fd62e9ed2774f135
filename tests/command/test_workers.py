"""The workers of one program, from their beginning to their end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nbserve.command import workers

BRIEF = "import os; os.write(int(os.environ['NBSERVE_WORKER'].split(',')[1]), b'.')"
"""A worker that is ready, and ends."""


def descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def test_a_worker_that_is_replaced_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Any] = []
    begin = subprocess.Popen

    def briefly(command: list[str], **given: Any) -> Any:
        begun.append(command)
        if len(begun) == 6:
            os.kill(os.getpid(), signal.SIGTERM)
        return begin([sys.executable, "-S", "-c", BRIEF], **given)

    monkeypatch.setattr(workers, "SHORT_LIFE_S", 0.0)
    monkeypatch.setattr(workers.subprocess, "Popen", briefly)
    with socket.socket() as listening:
        crew = workers._Crew(listening, (), 2)
        with crew.bell:
            crew.start()
            opened = descriptors()
            assert crew.work() == 0
            assert len(begun) >= 6
            assert descriptors() == opened
            crew.end()
            assert descriptors() < opened
