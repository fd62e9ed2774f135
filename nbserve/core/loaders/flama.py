"""Flama's own file: sections of metadata, model and artifacts, each packed, read here without Flama.

Flama itself would keep what it read in memory beside the model, import every framework there is, and extract to a
folder that stays.
"""

from __future__ import annotations

import io
import json
import os
import struct
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ...errors import LoadError
from .keras import described, load_model
from .library import fetched
from .loader import Loaded, Look, Reading
from .pickles import unpickled
from .streams import Base64, opened, read_on

__all__ = ["is_flama", "load_flama", "peek_flama"]

HEADER = struct.Struct("!IIQ")
"""Protocol, packing, and the bytes that follow."""

FIRST = struct.Struct("!QQIQ")
"""Protocol 1: the bytes of metadata and model, the count and the bytes of the artifacts."""

SECOND = struct.Struct("!QQQ")
"""Protocol 2: the bytes of metadata, artifacts and model."""

PACKINGS = {1: "bz2", 2: "xz", 3: "zlib", 4: "zstd"}
INHERITED, UNPACKED = 0, 0xFF
BUNDLE = 1


@dataclass(frozen=True, slots=True)
class Section:
    """Where a part of the file is, and how it is packed."""

    offset: int
    size: int
    packing: str | None


@dataclass(frozen=True, slots=True)
class Layout:
    protocol: int
    metadata: Section
    model: Section
    is_bundle: bool = False


def is_flama(look: Look) -> bool:
    if len(look.head) < HEADER.size:
        return False
    protocol, packing, size = HEADER.unpack_from(look.head)
    is_whole = size == look.size_bytes - HEADER.size  # there is no mark of its own
    return protocol in {1, 2} and packing in PACKINGS and (is_whole or look.path.suffix == ".flm")


def load_flama(reading: Reading) -> Loaded:
    layout = _layout(reading.look)
    metadata = _metadata(reading.look, layout)
    framework = metadata["framework"]
    _refuse_others(reading.look, framework, layout.is_bundle)
    span = (layout.model.offset, layout.model.size)
    with opened(reading.path, layout.model.packing, span=span, progress=reading.progress) as text:
        if layout.is_bundle:
            model = _pipeline(text, framework.get("config") or {})
        else:
            model = _READERS[framework["lib"]](io.BufferedReader(Base64(text)))
        read_on(text)
    return Loaded(model, metadata)


def peek_flama(look: Look) -> dict[str, Any]:
    layout = _layout(look)
    try:
        metadata = _metadata(look, layout)
    except LoadError:  # packed with what cannot be read here
        return {"flama_protocol": layout.protocol}
    framework, model = metadata["framework"], metadata["model"]
    said = {name: model[name] for name in ("params", "metrics") if model.get(name)}
    said |= {name: metadata[name] for name in ("id", "extra") if metadata.get(name)}
    about = _about(framework["lib"], model.get("info"))
    return {
        **about,
        "library": framework["lib"],
        "library_version": framework.get("version"),
        "type": model["obj"],
        "saved_at": metadata.get("timestamp"),
        **said,
    }


def _about(library: str, described_as: Any) -> dict[str, Any]:
    """What Flama has written down of the model, in words that the other formats have, too."""
    if not isinstance(described_as, dict):
        return {}
    if library == "sklearn":
        return {"parameters": described_as}
    if library in {"tensorflow", "keras"}:
        return described(described_as)
    if "modules" in described_as:
        return {"modules": described_as["modules"]}
    return {}


def _layout(look: Look) -> Layout:
    protocol, code, size = HEADER.unpack_from(look.head)
    if size != look.size_bytes - HEADER.size:
        held = look.size_bytes - HEADER.size
        raise LoadError(
            f"{look.name} is damaged or cut short: it should hold {size} bytes and holds {held}.", "Copy it again."
        )
    try:
        return (_first if protocol == 1 else _second)(look, PACKINGS[code])
    except struct.error:
        raise LoadError(f"{look.name} is damaged: its sections do not fit into it.", "Copy it again.") from None


def _first(look: Look, packing: str) -> Layout:
    metadata, model, _, artifacts = FIRST.unpack_from(look.head, HEADER.size)
    at = HEADER.size + FIRST.size
    _check_sum(look, at + metadata + model + artifacts)
    return Layout(1, Section(at, metadata, packing), Section(at + metadata, model, packing))


def _second(look: Look, packing: str) -> Layout:
    """Each section begins with a byte that says how it is packed; the model's, with a second one: what it is."""
    metadata, artifacts, model = SECOND.unpack_from(look.head, HEADER.size)
    at = HEADER.size + SECOND.size
    model_at = at + metadata + artifacts
    _check_sum(look, model_at + model)
    with look.path.open("rb") as file:
        file.seek(at)
        (how,) = struct.unpack("!B", file.read(1))
        file.seek(model_at)
        model_how, kind = struct.unpack("!BB", file.read(2))
    return Layout(
        2,
        Section(at + 1, metadata - 1, _packing(look, how, packing)),
        Section(model_at + 2, model - 2, _packing(look, model_how, packing)),
        is_bundle=kind == BUNDLE,
    )


def _check_sum(look: Look, end: int) -> None:
    if end != look.size_bytes:
        raise struct.error("the sections end elsewhere")


def _packing(look: Look, how: int, inherited: str) -> str | None:
    if how == INHERITED:
        return inherited
    if how == UNPACKED:
        return None
    if how not in PACKINGS:
        raise LoadError(f"{look.name} is packed in a way that is not known ({how}).", "Save it again.")
    return PACKINGS[how]


def _metadata(look: Look, layout: Layout) -> dict[str, Any]:
    """What the file says of its model, without the weights that Flama writes into it for PyTorch."""
    section = layout.metadata
    with opened(look.path, section.packing, span=(section.offset, section.size)) as file:
        metadata: dict[str, Any] = json.loads(file.read())
    info = metadata["model"].get("info")
    if metadata["framework"]["lib"] == "torch" and isinstance(info, dict):
        metadata["model"]["info"] = {"modules": info.get("modules")}
    return metadata


def _torch(payload: BinaryIO) -> Any:
    export = fetched("torch.export")
    with _file_of(payload, ".pt2") as path:
        return export.load(path).module()


def _keras(payload: BinaryIO) -> Any:
    with _file_of(payload, ".keras") as path:
        return load_model(path, trust=True)  # as every load of this format is


def _pipeline(payload: BinaryIO, config: dict[str, Any]) -> Any:
    """A folder, as Hugging Face has them, in a tar archive."""
    transformers = fetched("transformers")
    with tempfile.TemporaryDirectory(prefix="nbserve-", ignore_cleanup_errors=True) as folder:
        with tarfile.open(fileobj=payload, mode="r|") as archive:
            archive.extractall(folder, filter="data")  # nothing that leads out of the folder
        return transformers.pipeline(task=config.get("task"), model=folder)


def _refuse_others(look: Look, framework: dict[str, Any], is_bundle: bool) -> None:
    if framework.get("family") == "llm":
        raise LoadError(f"{look.name} holds a language model.", "Serve it with Flama.")
    if framework["lib"] not in ({"transformers"} if is_bundle else _READERS):
        raise LoadError(
            f"{look.name} holds a model of {framework['lib']} in a form that is not read.", "Load it with Flama."
        )


@contextmanager
def _file_of(payload: BinaryIO, suffix: str) -> Iterator[str]:
    """A file of its own for a library that reads nothing else."""
    with tempfile.TemporaryDirectory(prefix="nbserve-") as folder:
        path = Path(folder) / f"model{suffix}"
        with path.open("wb") as file:
            while chunk := payload.read(1 << 20):
                file.write(chunk)
        yield os.fspath(path)


_READERS: dict[str, Callable[[BinaryIO], Any]] = {
    "sklearn": unpickled,
    "torch": _torch,
    "keras": _keras,
    "tensorflow": _keras,
}
