"""Where unloaded models lie, and what becomes of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nbserve.notebook.folder import LOCK, PREFIX, PrivateFolder

HOLD = """
import sys
from nbserve.notebook.folder import PrivateFolder
folder = PrivateFolder()
(folder.path / "model.spill").write_bytes(b"x")
print(folder.path, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_it_is_private_and_goes_with_its_object(temporary: Path) -> None:
    folder = PrivateFolder()
    (folder.path / "model.spill").write_bytes(b"x")
    assert folder.path.parent == temporary
    assert folder.path.stat().st_mode & 0o777 == 0o700
    del folder
    assert list(temporary.iterdir()) == []


def test_it_can_be_removed_and_is_removed_once(temporary: Path) -> None:
    folder = PrivateFolder()
    folder.remove()
    folder.remove()
    assert list(temporary.iterdir()) == []


def test_that_of_another_process_is_left_alone(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = PrivateFolder()
    monkeypatch.setattr(os, "getpid", lambda: folder.pid + 1)
    folder.remove()
    assert folder.path.exists()


@pytest.mark.parametrize(("end", "is_left"), [("exit", False), ("kill", True)])
def test_what_a_killed_process_left_behind_goes_when_the_next_one_begins(
    temporary: Path, end: str, is_left: bool
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        its = Path(other.stdout.readline().strip())
        mine = PrivateFolder()
        assert (its / "model.spill").exists(), "it lives: its folder is its own"
        if end == "kill":
            other.send_signal(signal.SIGKILL)
        other.communicate("")
    assert its.exists() is is_left
    another = PrivateFolder()
    assert not its.exists()
    assert mine.path.exists()
    assert another.path.exists()


def test_what_is_not_ours_is_never_swept(temporary: Path) -> None:
    (temporary / f"{PREFIX}of-somebody").mkdir()
    (temporary / f"{PREFIX}file").write_text("x")
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / LOCK).write_text("")
    (temporary / f"{PREFIX}link").symlink_to(elsewhere)
    before = set(temporary.iterdir())
    folder = PrivateFolder()
    assert before < set(temporary.iterdir())
    folder.remove()
    assert (elsewhere / LOCK).exists()
