"""Asks a server as fast as it answers, with wrk."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("wrk.lua")


class NoFigures(Exception):
    """wrk printed none."""


@dataclass(frozen=True, slots=True)
class Run:
    """What came of one run. Times in seconds."""

    per_s: float
    p50_s: float
    p99_s: float
    failed: int
    """Answers other than 2xx or 3xx, and connections that failed or timed out."""

    def record(self) -> dict[str, Any]:
        return asdict(self)


def parsed(printed: str) -> Run:
    """Raises `NoFigures` where there is no result."""
    line = next((line for line in printed.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        raise NoFigures(printed.strip()[-300:] or "wrk printed nothing")
    figures = json.loads(line.removeprefix("RESULT "))
    failed = sum(figures[key] for key in ("refused", "connect", "read", "write", "timeout"))
    answered = max(0, figures["requests"] - figures["refused"])
    seconds = figures["duration_us"] / 1e6
    return Run(answered / seconds, figures["p50_us"] / 1e6, figures["p99_us"] / 1e6, failed)


def run(url: str, bodies: list[bytes], headers: dict[str, str], connections: int, seconds: float) -> Run:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for index, body in enumerate(bodies):
            (folder / f"body{index}").write_bytes(body)
        listed = folder / "bodies"
        listed.write_text("".join(f"{folder}/body{index}\n" for index in range(len(bodies))))
        sent = folder / "headers"
        sent.write_text("".join(f"{key}: {value}\n" for key, value in headers.items()))
        command = ["wrk", "-t1", f"-c{connections}", f"-d{_whole(seconds)}s", "--timeout", "10s", "-s", SCRIPT, url]
        done = subprocess.run(
            [str(part) for part in command],
            env=os.environ | {"BENCH_BODIES": str(listed), "BENCH_HEADERS": str(sent)},
            capture_output=True,
            text=True,
            timeout=seconds + 60,
        )
    return parsed(done.stdout + done.stderr)


def _whole(seconds: float) -> int:
    """wrk counts in whole seconds."""
    return max(1, round(seconds))
