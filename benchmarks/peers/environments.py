"""An environment of its own for each peer, with plain venv and pip, below a folder that is kept."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CACHE = ROOT / ".cache" / "peers"
TORCH = HERE / "requirements" / "torch.txt"


class NotInstalled(Exception):
    """A peer cannot be had here: why."""


def python_of(name: str, own: dict[str, Path], *, with_torch: bool = False) -> Path:
    """The interpreter of the peer's environment, which is set up first if it is not there or has changed."""
    if name in own:
        return own[name]
    requirements = [HERE / "requirements" / f"{name}.txt", *([TORCH] if with_torch else [])]
    folder = CACHE / name
    python, ready = folder / "env" / "bin" / "python", folder / "ready"
    wanted = _fingerprint(requirements if name != "nbserve" else [*requirements, ROOT / "pyproject.toml"])
    if ready.exists() and wanted in ready.read_text().split():
        return python
    print(f"setting up {name} …", file=sys.stderr, flush=True)
    if not python.exists():
        _run([sys.executable, "-m", "venv", str(folder / "env")])
    given = [argument for path in requirements for argument in ("--requirement", str(path))]
    _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *given], cwd=ROOT)
    with ready.open("a") as found:
        found.write(f"{wanted}\n")
    return python


def model_of(name: str, python: Path, model: str) -> Path:
    """The model's file, fitted and written by the peer's own environment."""
    folder = CACHE / name / "models"
    path = folder / f"{model}.joblib"
    if not path.exists():
        _run([str(python), str(HERE / "models.py"), str(folder)])
    if not path.exists():
        raise NotInstalled(f"{model} cannot be made in the environment of {name}")
    return path


def _fingerprint(paths: list[Path]) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:16]


def _run(command: list[str], cwd: Path | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, env=os.environ, capture_output=True, text=True)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        reason = (errors or done.stderr.splitlines() or ["no reason given"])[-1]
        raise NotInstalled(reason.removeprefix("ERROR: ")[:200])
