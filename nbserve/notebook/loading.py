"""A file or an address → a model, while whoever waits for it sees how far it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from time import perf_counter
from typing import Any

from ..core.artifact import Artifact, to_load
from ..core.loaders import Loaded
from .bar import screen_here, shown

__all__ = ["load"]

PATIENCE_S = 0.5
"""What is sooner there shows nothing."""


def load(path: str | os.PathLike[str], *, trust: bool | None = None, **given: Any) -> Loaded:
    """The model at a path or an address, and what its file says about it. Raises `LoadError`.

    Reading some formats runs the code in them. `trust=True` says that this is wanted, `trust=False` refuses such files;
    without either, a file of this machine is loaded, with a warning the first time, and one from elsewhere refused.
    `artifact_limit`, `cache`, `cache_limit`, `load_deadline_s` and `model_class` are those of `serve`. What takes long
    shows a bar in a cell or a terminal, and nothing elsewhere.
    """
    artifact = to_load(path, trust, given)
    with shown(artifact.label, _loading(artifact), screen_here(), after_s=PATIENCE_S):
        return artifact.loaded()


def _loading(artifact: Artifact) -> Callable[[], dict[str, Any]]:
    began = perf_counter()

    def loading() -> dict[str, Any]:
        done, total = artifact.progress or (None, None)
        return {"seconds": perf_counter() - began, "done_bytes": done, "total_bytes": total}

    return loading
