"""Whatever fsspec reads: s3, gs, az, hf, sftp, memory, …; each through a library that is the user's to install."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...errors import LoadError, nearest
from .address import Address
from .copying import copied
from .storage import Arrived, Found, Part

__all__ = ["check", "find"]

MOST_FILES = 10_000

KEEPING = frozenset({"blockcache", "cached", "filecache", "simplecache"})
"""Links of a chain that would give a model as it once was for what is there now."""

SAME = frozenset({"name", "Key", "size", "Size", "type", "islink", "mode", "uid", "gid", "nlink", "StorageClass"})
"""What may be the same of a file that has changed."""

VOLATILE = frozenset({"atime", "accessed", "last_accessed", "time"})
"""What may be another of a file that has not."""


def check(address: Address) -> None:
    if find_spec("fsspec") is None:
        raise LoadError(
            f"{address.scheme} addresses are read by fsspec, which is not installed.",
            "pip install 'jupyter-nbserve[remote]', or download the file and give its path.",
        )
    for scheme in _schemes(address):
        _check_scheme(scheme)


def _check_scheme(scheme: str) -> None:
    from fsspec.registry import available_protocols, known_implementations, registry

    if scheme in KEEPING:
        raise LoadError(
            f"{scheme}:: keeps a copy of its own, and does not see that what it copied has changed.",
            f"Leave {scheme}:: away: what is fetched is kept here anyway.",
        )
    if scheme in registry:
        return
    known = known_implementations.get(scheme)
    if known is None:
        raise LoadError(
            f"{scheme} addresses are not known.{nearest(scheme, available_protocols())}",
            "Download the file, and give its path.",
        )
    library = known["class"].partition(".")[0]
    if find_spec(library) is None:
        raise LoadError(
            f"{scheme} addresses are read by {library}, which is not installed.",
            f"pip install {library.replace('_', '-')}, or download the file and give its path.",
        )


def _schemes(address: Address) -> list[str]:
    """Of all links of a chain, `zip://member::s3://…`; a path of this machine has none."""
    if "::" not in address.text:
        return [address.scheme]
    links = (link.partition("://") for link in address.text.split("::"))
    return [scheme for scheme, mark, _ in links if mark or scheme.isalpha()]


@contextmanager
def find(address: Address, known: str) -> Iterator[Found | None]:
    with _said(address):
        filesystem, path = _opened(address)
    with _closed_after(filesystem):
        with _said(address):
            facts = filesystem.info(path)
            is_folder = facts["type"] == "directory"
            files = filesystem.find(path, detail=True) if is_folder else {path: facts}
        version = _version(files)
        if version and version == known:
            yield None
            return
        yield Found(version, _parts(address, filesystem, path, files, is_folder=is_folder), is_folder)


@contextmanager
def _said(address: Address) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise LoadError(
            f"There is nothing at {address.shown}.", "Check the address, and with whose credentials it is read."
        ) from None
    except PermissionError:
        raise LoadError(f"{address.shown} is not open to us.", "Check with whose credentials it is read.") from None


@contextmanager
def _closed_after(filesystem: Any) -> Iterator[None]:
    """A connection of SFTP keeps a thread, and itself, until it is closed; the others end with their file system."""
    try:
        yield
    finally:
        while filesystem is not None:
            if "sftp" in filesystem.protocol:
                filesystem.client.close()
            filesystem = getattr(getattr(filesystem, "of", None), "fs", None)  # the next link of a chain


def _opened(address: Address) -> tuple[Any, str]:
    """The file system, made anew: one that is shared keeps the credentials and the listings that it once had."""
    from fsspec.core import url_to_fs

    try:
        filesystem, path = url_to_fs(
            address.text, **{scheme: {"skip_instance_cache": True} for scheme in _schemes(address)}
        )
    except ImportError as error:  # fsspec's own words: what is imported may be installed under another name
        raise LoadError(
            f"{address.scheme} addresses are read by a library that is not installed.", f"{error}.".replace("..", ".")
        ) from None
    return filesystem, path


def _parts(
    address: Address, filesystem: Any, root: str, files: Mapping[str, Any], *, is_folder: bool
) -> tuple[Part, ...]:
    if len(files) > MOST_FILES:
        raise LoadError(f"{address.shown} holds {len(files)} files, more than any model.", "Name the model's folder.")
    above = root.rstrip("/") + "/"
    return tuple(
        Part(
            path.removeprefix(above) if is_folder else address.name,
            facts.get("size"),
            partial(_fetch, filesystem, path),
        )
        for path, facts in files.items()
    )


def _fetch(filesystem: Any, path: str, into: Path, arrived: Arrived) -> None:
    with filesystem.open(path, "rb") as file:
        copied(file.read, into, arrived)


def _version(files: Mapping[str, Mapping[str, Any]]) -> str:
    """All that tells one state of the files from another; empty when there is nothing that does."""
    if not all(set(facts) - SAME - VOLATILE for facts in files.values()):
        return ""
    told = {path: {key: facts[key] for key in sorted(facts) if key not in VOLATILE} for path, facts in files.items()}
    return sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()
