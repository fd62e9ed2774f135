"""Folders of MLflow: what is in them is loaded by its own library where that has a file of its own, else by MLflow."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...errors import LoadError
from .library import fetched
from .loader import Loaded, Look, Reading

__all__ = ["EXAMPLE", "example_of", "inside_mlflow", "is_mlflow", "load_mlflow", "peek_mlflow"]

DESCRIPTION = "MLmodel"
LARGEST_BYTES = 16 << 20
PYFUNC = "python_function"
EXAMPLE = "input_example"

FILES = {
    "catboost": "data", "keras": "data", "lightgbm": "data", "onnx": "data", "pytorch": "model_data",
    "sklearn": "pickled_model", "tensorflow": "data", "xgboost": "data",
}  # fmt: skip
"""The flavors whose model is a file that is read here, and what they call it."""

BELOW = ("model.keras", "model.h5", "model.pth", "model.pt2", "model")
"""… or a folder with one of these in it."""


def is_mlflow(look: Look) -> bool:
    return look.is_folder and DESCRIPTION in look.members and isinstance(_description(look).get("flavors"), dict)


def inside_mlflow(look: Look) -> Path | None:
    """The file or folder in it that is the model. Raises `LoadError` for one that is somewhere else."""
    flavors = _description(look)["flavors"]
    if any(isinstance(flavor, dict) and flavor.get("code") for flavor in flavors.values()):
        return None  # modules that MLflow puts on the path
    for flavor, name in FILES.items():
        told = flavors.get(flavor)
        if isinstance(told, dict) and isinstance(told.get(name), str):
            return next(_candidates(look, told[name]), None)
    return None


def load_mlflow(reading: Reading) -> Loaded:
    if PYFUNC not in _description(reading.look)["flavors"]:
        raise LoadError(
            f"{reading.path.name} has no flavor that is read here: {', '.join(_flavors(reading.look))}.",
            "Load it in the notebook, and serve that.",
        )
    return Loaded(fetched("mlflow.pyfunc").load_model(str(reading.path)), peek_mlflow(reading.look))


def peek_mlflow(look: Look) -> dict[str, Any]:
    """What goes in and out by its signature, and rows that were saved with it."""
    described = _description(look)
    signature = described.get("signature") or {}
    told = {
        "flavors": _flavors(look),
        "mlflow_version": described.get("mlflow_version"),
        "saved_at": described.get("utc_time_created"),
        "inputs": _columns(signature.get("inputs")),
        "outputs": _columns(signature.get("outputs")),
        EXAMPLE: _example(look, described.get("saved_input_example_info")),
    }
    return {name: value for name, value in told.items() if value is not None}


def example_of(meta: Mapping[str, Any]) -> Any:
    """The rows that were saved with a model, as a frame; None if there are none, or no pandas."""
    told = meta.get(EXAMPLE)
    if not isinstance(told, Mapping) or "pandas" not in sys.modules:
        return None
    try:
        return sys.modules["pandas"].DataFrame(told["data"], columns=told["columns"])
    except (TypeError, ValueError):  # rows of other lengths
        return None


def _description(look: Look) -> Mapping[str, Any]:
    import yaml

    path = look.path / DESCRIPTION
    try:
        read = yaml.safe_load(path.read_bytes()) if path.stat().st_size <= LARGEST_BYTES else None
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return {}
    return read if isinstance(read, dict) else {}


def _flavors(look: Look) -> list[str]:
    return sorted(str(name) for name in _description(look)["flavors"])


def _candidates(look: Look, name: str) -> Iterator[Path]:
    whole = _within(look, name)
    if whole.is_file():
        yield whole
    for below in BELOW:
        if (inner := _within(look, f"{name}/{below}")).exists():
            yield inner


def _within(look: Look, name: str) -> Path:
    folder, path = look.path.resolve(), (look.path / name).resolve()
    if not path.is_relative_to(folder) or path == folder:
        raise LoadError(f"{look.name} says that its model is {name[:80]!r}, which leads out of it.", "Do not use it.")
    return path


def _columns(told: Any) -> list[dict[str, Any]] | None:
    try:
        specs = json.loads(told) if isinstance(told, str) else None
    except ValueError:
        return None
    return [_column(spec) for spec in specs if isinstance(spec, dict)] if isinstance(specs, list) else None


def _column(spec: dict[str, Any]) -> dict[str, Any]:
    tensor = spec.get("tensor-spec")
    if not isinstance(tensor, dict):
        return {"name": spec.get("name"), "dtype": spec.get("type"), "required": spec.get("required", True)}
    shape = [None if size == -1 else size for size in tensor.get("shape", ())]
    return {"name": spec.get("name"), "shape": shape, "dtype": tensor.get("dtype")}


def _example(look: Look, told: Any) -> dict[str, Any] | None:
    """The columns and rows of an example that was saved as a frame."""
    if not isinstance(told, dict) or told.get("pandas_orient") != "split":
        return None
    path = _within(look, str(told.get("artifact_path")))
    if not path.is_file() or path.stat().st_size > LARGEST_BYTES:
        return None
    try:
        read = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    is_split = isinstance(read, dict) and isinstance(read.get("columns"), list) and isinstance(read.get("data"), list)
    return {"columns": read["columns"], "data": read["data"]} if is_split else None
