"""A model that is kept in a file of the user's."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ..errors import LoadError, SpillError
from . import loaders
from .blame import reason_of
from .loaders import Loaded

__all__ = ["ArtifactFile", "load"]

R = TypeVar("R")

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/(?:/|\S)")
"""`s3://bucket/key`, `models:/name/1`; a drive has one letter."""

_warned: set[Path] = set()


HARMLESS = frozenset((".cbm", ".h5", ".json", ".keras", ".npy", ".npz", ".onnx", ".safetensors", ".skops", ".ubj"))
"""Names of formats that run no code: a pickle that is called so is not loaded unless somebody says that it may be."""


class ArtifactFile:
    """Brings a model back from its file, as often as it is unloaded.

    The file is recognised at once, and read only by `load`. Raises `LoadError` for one that is missing, is no model, or
    is not trusted although it must be. Where a relative path, `~` or a link leads to is settled here, once.

    `trust` is whether code in the file may run. None: it may in a format that cannot be read otherwise, and `advice`
    says so; not in one that can.
    """

    def __init__(self, path: str | os.PathLike[str], *, trust: bool | None = None) -> None:
        self.path = _settled(path)
        self.label = Path(path).name or self.path.name
        self.loader = loaders.find_loader(self.path)
        self.ask_trust(trust)
        self.meta: dict[str, Any] = {}
        self._expected_bytes = _size(self.path)
        self._progress: tuple[int, int] | None = None

    def ask_trust(self, trust: bool | None) -> None:
        """Take over whether code in the file may run. Raises `LoadError` where it must and may not."""
        runs_code = self.loader.runs_code
        if runs_code and (trust is False or (trust is None and _is_disguised(self.path))):
            raise loaders.untrusted(self.path.name, self.loader)
        self.trust = runs_code if trust is None else trust
        self.advice = _advice(self.path, "--trust") if trust is None and runs_code else ""

    @property
    def spilled_bytes(self) -> int:
        """Nothing is ever put aside: the file is there."""
        return 0

    @property
    def expected_bytes(self) -> int:
        """About what the model will weigh: what the file does."""
        return self._expected_bytes

    @property
    def progress(self) -> tuple[int, int] | None:
        return self._progress

    def peek_header(self) -> dict[str, Any] | None:
        """What the file tells of the model without being loaded. Raises `LoadError`."""
        return loaders.peek(self.path)

    def load(self) -> Any:
        try:
            loaded = loaders.load(self.path, trust=self.trust, progress=self._note_progress)
        finally:
            self._progress = None
        self.meta = loaded.meta
        return loaded.model

    def keep(self, model: object) -> None:  # noqa: ARG002  # it is in the file already
        if not self.path.exists():
            raise SpillError(f"{self.label} is gone, and the model could not come back.", "It stays loaded.")

    def leave(self) -> None:
        """Nobody else holds the model on behalf of the file."""

    def release(self) -> None:
        """Nothing was put aside."""

    def peek(self, look: Callable[[Any], R]) -> R | None:  # noqa: ARG002  # there is nothing to look at
        return None

    def _note_progress(self, done: int, total: int) -> None:
        self._progress = (done, total)


def load(path: str | os.PathLike[str], *, trust: bool | None = None) -> Loaded:
    """The model in a file, and what the file says about it. Raises `LoadError`.

    Reading some formats runs the code in them. `trust=True` says that this is wanted, `trust=False` refuses such files;
    without either they are loaded, with a warning the first time.
    """
    settled = _settled(path)
    if trust is None:
        trust = loaders.find_loader(settled).runs_code and not _is_disguised(settled)
        if trust and settled not in _warned:
            _warned.add(settled)
            warnings.warn(_advice(settled, "trust=True"), UserWarning, stacklevel=2)
    return loaders.load(settled, trust=trust)


def _advice(path: Path, how: str) -> str:
    return f"Loading {path.name} runs the code that is in it; {how} says that you trust it."


def _settled(path: str | os.PathLike[str]) -> Path:
    if isinstance(path, str) and _ADDRESS.match(path):
        raise LoadError(f"{path.partition(':')[0]} addresses are not read.", "Download the file, and give its path.")
    try:
        settled = Path(path).expanduser().resolve()
        exists = settled.exists()
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        raise LoadError(f"{str(path)[:80]!r} is no path: {reason_of(error)}.", "Give the path of a file.") from None
    if not exists:
        raise loaders.no_such_file(settled)
    return settled


def _is_disguised(path: Path) -> bool:
    """Whether a file whose name promises that it runs no code is one that does, as a pickle would be."""
    return path.suffix.lower() in HARMLESS


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(entry.stat().st_size for entry in path.rglob("*") if entry.is_file())
    return path.stat().st_size
