"""Keras: its own archive, and HDF5 as it was written before."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...errors import LoadError
from .archive import read_json, sizes
from .library import fetched
from .loader import Loaded, Look, Reading

__all__ = [
    "described",
    "is_hdf5",
    "is_keras",
    "load_hdf5",
    "load_keras",
    "load_model",
    "peek_hdf5",
    "peek_keras",
]

HDF5 = b"\x89HDF\r\n\x1a\n"
WEIGHTS = "model.weights.h5"

CONFINED_SINCE = (3, 12)
"""Older ones can be made to run what a file names (CVE-2025-1550, CVE-2025-9906, CVE-2025-12060)."""


def is_keras(look: Look) -> bool:
    return {"config.json", "metadata.json"} <= set(look.members)


def is_hdf5(look: Look) -> bool:
    return look.head.startswith(HDF5)


def load_keras(reading: Reading) -> Loaded:
    config = read_json(reading.path, "config.json")
    return Loaded(_loaded(reading, config, (".keras",)), peek_keras(reading.look))


def load_hdf5(reading: Reading) -> Loaded:
    config, _ = _of_hdf5(reading.look)
    if config is None:
        raise LoadError(
            f"{reading.path.name} is an HDF5 file without a Keras model: weights perhaps, or other data.",
            "Save the whole model: model.save('model.keras').",
        )
    return Loaded(_loaded(reading, config, (".h5", ".hdf5")), peek_hdf5(reading.look))


def peek_keras(look: Look) -> dict[str, Any]:
    metadata = read_json(look.path, "metadata.json")
    told = described(read_json(look.path, "config.json"))
    return {
        **told,
        "library_version": metadata.get("keras_version"),
        "saved_at": metadata.get("date_saved"),
        "parameter_bytes": sizes(look.path).get(WEIGHTS),
    }


def peek_hdf5(look: Look) -> dict[str, Any]:
    config, version = _of_hdf5(look)
    return {} if config is None else {**described(config), "library_version": version}


def described(config: dict[str, Any]) -> dict[str, Any]:
    """What a model's configuration says: its layers, and what goes in."""
    inner = config["config"]
    layers = [_layer(layer) for layer in inner.get("layers", ()) if layer["class_name"] != "InputLayer"]
    inputs = [_input(layer["config"]) for layer in inner.get("layers", ()) if layer["class_name"] == "InputLayer"]
    told = {"library": "keras", "type": config["class_name"], "name": inner.get("name")}
    return {**told, "layers": layers, "inputs": inputs}


def _layer(layer: dict[str, Any]) -> dict[str, Any]:
    return {"type": layer["class_name"], "name": layer["config"].get("name")}


def _input(config: dict[str, Any]) -> dict[str, Any]:
    shape = config.get("batch_shape", config.get("batch_input_shape"))  # as Keras 3 calls it, and Keras 2
    return {"name": config.get("name"), "shape": shape, "dtype": config.get("dtype")}


def _loaded(reading: Reading, config: Any, suffixes: tuple[str, ...]) -> Any:
    if not reading.trust:
        _refuse_lambdas(reading.look, config)
        _refuse_unconfined(reading.look)
    with _named(reading.path, suffixes) as path:
        return load_model(path, reading.trust)


def load_model(path: str, trust: bool) -> Any:
    """Without what it was trained with: an optimizer's state weighs twice the model, and predicts nothing."""
    return fetched("keras").saving.load_model(path, compile=False, safe_mode=not trust)


def _refuse_lambdas(look: Look, config: Any) -> None:
    code = sorted({str(name) for name in _lambdas(config)})
    if code:
        raise LoadError(
            f"{look.name} holds code: {', '.join(code)} of type Lambda.",
            "Say that you trust it with --trust (in Python: trust=True).",
        )


def _refuse_unconfined(look: Look) -> None:
    version = fetched("keras").__version__
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < CONFINED_SINCE:
        raise LoadError(
            f"Keras {version} may run code that {look.name} names.",
            "pip install -U keras, or say that you trust the file with --trust (in Python: trust=True).",
        )


def _lambdas(config: Any, name: str = "a function") -> Iterator[str]:
    """The names of the layers that carry code."""
    if isinstance(config, dict):
        inner = config.get("config")
        here = str(inner.get("name", name)) if isinstance(inner, dict) else name
        if config.get("class_name") in {"Lambda", "__lambda__"}:
            yield here
            return
        for value in config.values():
            yield from _lambdas(value, here)
    elif isinstance(config, list):
        for value in config:
            yield from _lambdas(value, name)


def _of_hdf5(look: Look) -> tuple[dict[str, Any] | None, str | None]:
    """A model's configuration in an HDF5 file, and the version of Keras that wrote it."""
    h5py = fetched("h5py")
    with h5py.File(look.path, "r") as file:
        config, version = file.attrs.get("model_config"), file.attrs.get("keras_version")
    version = version.decode() if isinstance(version, bytes) else version  # as h5py before 3 gave it
    return None if config is None else json.loads(config), version


@contextmanager
def _named(path: Path, suffixes: tuple[str, ...]) -> Iterator[str]:
    """The path under a name that Keras takes: it goes by the suffix, and by nothing else."""
    if path.name.endswith(suffixes):
        yield str(path)
        return
    with tempfile.TemporaryDirectory(prefix="nbserve-") as folder:
        link = Path(folder) / f"model{suffixes[0]}"
        try:
            link.symlink_to(path)
        except OSError:  # Windows, without the right to
            os.link(path, link)
        yield str(link)
