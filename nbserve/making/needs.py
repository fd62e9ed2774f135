"""What a model needs to be loaded and called, pinned to what is installed here."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from ..core.loaders import find_loader, peek
from ..core.loaders.mlflow import inside_mlflow
from ..core.loaders.opcodes import refers_to
from ..core.loaders.sniffing import glance
from ..core.loaders.streams import opened
from ..errors import OptionError

__all__ = ["Needs", "needs_of", "of_storage", "together"]

READERS: dict[str, tuple[str, ...]] = {
    "catboost": ("catboost",),
    "catboost-json": ("catboost",),
    "joblib": ("joblib",),
    "keras": ("keras", "h5py"),
    "keras-hdf5": ("keras", "h5py"),
    "lightgbm": ("lightgbm",),
    "mlflow": ("mlflow",),
    "onnx": ("onnxruntime",),
    "safetensors": ("safetensors", "torch"),
    "skops": ("skops",),
    "tensorflow": ("tensorflow",),
    "torch": ("torch",),
    "torch-export": ("torch",),
    "torch-weights": ("torch",),
    "torchscript": ("torch",),
    "transformers": ("transformers", "torch"),
    "xgboost": ("xgboost",),
}
"""The modules that each format is read with, beside those that the file itself names."""

BACKENDS = ("tensorflow", "torch", "jax")
"""One of them is under Keras, which does not say which it needs."""

UNPACKERS = {"lz4": "lz4", "zstd": "zstandard"}

SYSTEM = {"lightgbm": "libgomp1"}
"""Packages of Debian's that a library needs and does not bring."""

NAMING = frozenset({"joblib", "pickle", "skops", "flama", "torch"})
"""Formats that name modules, as pickles do."""

_SHORT = re.compile(rb"\x8c([\x01-\xff])([A-Za-z_][\w.]*)", re.DOTALL)
"""A text of a pickle, with its length before it."""

_GLOBAL = re.compile(rb"c([A-Za-z_][\w.]*)\n|\"__module__\": ?\"([A-Za-z_][\w.]*)\"")
"""A module in older pickles, and in skops."""

_REQUIRED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
Installed = Mapping[str, list[str]]
"""The distributions of each module."""

CHUNK_BYTES, OVERLAP_BYTES = 1 << 20, 80


@dataclass(frozen=True, slots=True)
class Needs:
    """Distributions with their versions, packages of the system, and modules of the user's own."""

    pins: dict[str, str]
    system: tuple[str, ...] = ()
    modules: tuple[Path, ...] = ()


def needs_of(path: Path, loader: str) -> Needs:
    """What the file at `path` needs, whose format is called `loader`; no code of it is run. Raises `OptionError`."""
    look = glance(path)
    inside = inside_mlflow(look) if loader == "mlflow" else None
    if inside is not None:
        return needs_of(inside, find_loader(inside).name)
    named: set[str] = {_library(path)} if loader in NAMING else set()
    for file in _files(path) if loader in NAMING else ():
        named |= _named(file, look.packing)
    if b"__main__" in look.content and loader in NAMING and not (loader == "pickle" and _is_whole(path, look.packing)):
        raise OptionError(
            f"{path.name} needs what a notebook has defined, which no program has.",
            "Move it into a module, import it from there, and save the model again.",
        )
    installed = metadata.packages_distributions()
    modules = {*READERS.get(loader, ()), *named, UNPACKERS.get(look.packing or "", "")}
    if "keras" in modules:
        modules |= set(next(([name] for name in BACKENDS if find_spec(name)), []))
    own = (_own(name) for name in named - installed.keys())
    needs = _pinned(modules, [each for each in own if each is not None], installed)
    return together([needs, _listed(path / "requirements.txt")]) if loader == "mlflow" else needs


def _is_whole(path: Path, packing: str | None) -> bool:
    """Whether the code is in the pickle that a notebook has defined, as cloudpickle puts it there."""
    with opened(path, packing) as file:
        return not refers_to("__main__", file)


def _listed(file: Path) -> Needs:
    """What a folder of MLflow's says that its model needs."""
    pins: dict[str, str] = {}
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        found = _REQUIRED.match(line)
        if found is not None:
            _pin(found[0], pins)
    return Needs(pins)


def _files(path: Path) -> list[Path]:
    return [each for each in path.rglob("*") if each.is_file()] if path.is_dir() else [path]


def _library(path: Path) -> str:
    """What its header says that it is of."""
    return str((peek(path) or {}).get("library") or "")


def of_storage(storage: str, scheme: str) -> Needs:
    """What an address is read with."""
    if storage == "MLflow":
        return _pinned({"mlflow"})
    if storage != "fsspec":
        return Needs({})
    from fsspec.registry import known_implementations

    library = known_implementations.get(scheme, {}).get("class", "fsspec").partition(".")[0]
    return _pinned({"fsspec", library})


def together(needs: Iterable[Needs]) -> Needs:
    needs = list(needs)
    pins = {name: version for each in needs for name, version in each.pins.items()}
    system = sorted({package for each in needs for package in each.system})
    modules = dict.fromkeys(module for each in needs for module in each.modules)
    return Needs(pins, tuple(system), tuple(modules))


def _named(path: Path, packing: str | None) -> set[str]:
    """The first parts of the modules that a pickle names, or looks as if it did: one too many does no harm."""
    found: set[bytes] = set()
    with opened(path, packing) as file:
        rest = b""
        while part := file.read(CHUNK_BYTES):
            found.update(_texts(rest + part))
            rest = part[-OVERLAP_BYTES:]
    return {name.partition(b".")[0].decode() for name in found}


def _texts(data: bytes) -> Iterator[bytes]:
    for length, text in _SHORT.findall(data):
        if len(text) >= length[0]:
            yield text[: length[0]]
    for older, of_skops in _GLOBAL.findall(data):
        yield older or of_skops


def _own(name: str) -> Path | None:
    """The file or folder of a module that belongs to no distribution: one that the user has written."""
    if name in sys.stdlib_module_names or name in ("__main__", "nbserve"):
        return None
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        return None
    origin = Path(spec.origin)
    return origin.parent if origin.name == "__init__.py" else origin


def _pinned(modules: Iterable[str], own: Sequence[Path] = (), installed: Installed | None = None) -> Needs:
    homes = metadata.packages_distributions() if installed is None else installed
    pins: dict[str, str] = {}
    for module in modules:
        for distribution in homes.get(module, [])[:1]:
            _pin(distribution, pins)
    pins.pop("jupyter-nbserve", None)
    system = {SYSTEM[name] for name in pins if name in SYSTEM}
    return Needs(pins, tuple(sorted(system)), tuple(own))


def _pin(distribution: str, pins: dict[str, str]) -> None:
    """Pin it, and all that it needs."""
    name = re.sub(r"[-_.]+", "-", distribution).lower()
    if name in pins:
        return
    try:
        found = metadata.distribution(distribution)
    except metadata.PackageNotFoundError:  # needed elsewhere, or for something else
        return
    pins[name] = found.version.partition("+")[0]  # of 2.13.0+cpu an index has 2.13.0
    for required in _required(found.requires or []):
        _pin(required, pins)


def _required(lines: list[str]) -> Iterator[str]:
    """The names of what is needed here, without extras."""
    from packaging.requirements import InvalidRequirement, Requirement

    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement.name
