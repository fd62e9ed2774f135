"""`nbserve.load` in a program: a terminal shows how far it is, a pipe nothing."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

PROGRAM = """
import sys, nbserve

@nbserve.register_loader(".slow")
def load(path):
    return sys.stdin.readline()

print(nbserve.load(sys.argv[1], trust=True).model.strip())
"""

PATIENCE_S = 60.0


def begun(path: Path, stderr: int) -> subprocess.Popen[str]:
    path.write_text("slow")
    command = [sys.executable, "-c", PROGRAM, str(path)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True, cwd=path.parent
    )


def read_until(terminal: int, wanted: str) -> str:
    seen, until = b"", time.monotonic() + PATIENCE_S
    while wanted not in seen.decode(errors="replace"):
        assert time.monotonic() < until, seen
        if select.select([terminal], [], [], 1.0)[0]:
            seen += os.read(terminal, 1024)
    return seen.decode()


def test_a_terminal_shows_a_load_that_takes_long_and_is_empty_afterwards(tmp_path: Path) -> None:
    screen, stderr = pty.openpty()
    with begun(tmp_path / "model.slow", stderr) as program:
        read_until(screen, "Loading model.slow … 1 s")
        out, _ = program.communicate("loaded\n", PATIENCE_S)
        os.write(stderr, b"|")
        *_, last, after = read_until(screen, "|").split("\r")
    for each in (screen, stderr):
        os.close(each)
    assert (program.returncode, out) == (0, "loaded\n")
    assert (last.strip(), after) == ("", "|")


def test_a_pipe_gets_nothing_however_long_it_takes(tmp_path: Path) -> None:
    with begun(tmp_path / "model.slow", subprocess.PIPE) as program:
        assert program.stderr is not None
        assert not select.select([program.stderr], [], [], 3.0)[0]
        assert program.communicate("loaded\n", PATIENCE_S) == ("loaded\n", "")
