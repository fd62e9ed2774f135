"""The storages: one row each. Whatever no row names is asked of fsspec, which knows some fifty more."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ...errors import LoadError
from . import filesystems, mlflow, web
from .address import Address
from .storage import Storage

__all__ = ["STORAGES", "local_path", "storage_of"]

STORAGES = (
    Storage("web", ("http", "https"), web.check, web.find),
    Storage("MLflow", ("models", "runs", "mlflow-artifacts"), mlflow.check, mlflow.find),
    Storage("fsspec", (), filesystems.check, filesystems.find),
)


def storage_of(address: Address) -> Storage:
    """Where it is. Raises `LoadError` for an address that nothing here can read."""
    storage = next((row for row in STORAGES if address.scheme in row.schemes), STORAGES[-1])
    storage.check(address)
    return storage


def local_path(address: Address) -> Path | None:
    """The path that a `file:` address is of; None for an address of somewhere else. Raises `LoadError`."""
    if address.scheme not in ("file", "local"):
        return None
    parts = urlsplit(address.text)
    if parts.netloc not in ("", "localhost"):
        raise LoadError(f"{address.shown} is a file of another machine.", "Give the path of a file of this one.")
    return Path(os.path.abspath(url2pathname(parts.path)))  # noqa: PTH100 - links are the artifact's to follow
