"""Models and runs of MLflow's, through MLflow itself: it alone knows where they are."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...errors import LoadError
from .address import Address
from .storage import Arrived, Found, Part

__all__ = ["check", "find"]

MOST_FILES = 10_000


def check(address: Address) -> None:
    if find_spec("mlflow") is None:
        raise LoadError(f"{address.scheme} addresses are read by mlflow, which is not installed.", "pip install mlflow")


@contextmanager
def find(address: Address, known: str) -> Iterator[Found | None]:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    repository = get_artifact_repository(address.text)
    files = sorted(_files(repository, ""))
    version = _version(repository, files)
    if version == known:
        yield None
    elif files:
        parts = (Part(path, size, partial(_fetch, repository, path)) for path, size in files)
        yield Found(version, tuple(parts), is_folder=True)
    else:  # a file by itself is listed as nothing
        yield Found("", (Part(address.name, None, partial(_fetch_alone, address)),))


def _files(repository: Any, folder: str, found: int = 0) -> Iterator[tuple[str, int | None]]:
    for entry in repository.list_artifacts(folder or None):
        found += 1
        if found > MOST_FILES:
            raise LoadError(f"There are more than {MOST_FILES} files, more than in any model.", "Name the model.")
        if entry.is_dir:
            yield from _files(repository, entry.path, found)
        else:
            yield entry.path, entry.file_size


def _version(repository: Any, files: list[tuple[str, int | None]]) -> str:
    """Where an alias or a stage leads to may change; what lies there is written once."""
    actual = getattr(repository, "repo", repository).artifact_uri
    return sha256(json.dumps([actual, files]).encode()).hexdigest()


def _fetch(repository: Any, path: str, into: Path, arrived: Arrived) -> None:
    arrived(0)  # whether it is still wanted
    with tempfile.TemporaryDirectory(dir=into.parent, prefix=".nbserve-") as folder:
        _take(Path(repository.download_artifacts(path, folder)), into, arrived)


def _fetch_alone(address: Address, into: Path, arrived: Arrived) -> None:
    from mlflow.artifacts import download_artifacts

    arrived(0)
    with tempfile.TemporaryDirectory(dir=into.parent, prefix=".nbserve-") as folder:
        _take(Path(download_artifacts(artifact_uri=address.text, dst_path=folder)), into, arrived)


def _take(came: Path, into: Path, arrived: Arrived) -> None:
    if not came.is_file():
        raise LoadError(f"{into.name} is no file where it is kept.", "Name the model, or a file of it.")
    arrived(came.stat().st_size)
    shutil.move(came, into)
