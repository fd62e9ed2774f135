"""The formats: one row each. What is recognised first comes first."""

from __future__ import annotations

import json
import lzma
import pickle
import re
import struct
import sys
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from ...errors import LoadError
from ..blame import forget_locals, reason_of
from . import (
    catboost,
    flama,
    keras,
    lightgbm,
    mlflow,
    onnx,
    pickles,
    pytorch,
    safetensors,
    savedmodel,
    skops,
    transformers,
    weights,
    xgboost,
)
from .classes import maker_of
from .library import lacks
from .loader import Loaded, Loader, Look, Progress, Reading
from .registered import registered
from .sniffing import glance, likeness

__all__ = ["LOADERS", "find_loader", "load", "peek", "suffixes", "untrusted"]

LOADERS = (
    Loader(
        "mlflow", "MLflow", (),
        mlflow.is_mlflow, mlflow.load_mlflow, mlflow.peek_mlflow, runs_code=True, contains=mlflow.inside_mlflow,
    ),
    Loader(
        "flama", "Flama", (".flm",),
        flama.is_flama, flama.load_flama, flama.peek_flama, runs_code=True,
    ),
    Loader(
        "skops", "skops", (".skops",),
        skops.is_skops, skops.load_skops, skops.peek_skops, runs_code=False,
    ),
    Loader(
        "keras", "Keras", (".keras",),
        keras.is_keras, keras.load_keras, keras.peek_keras, runs_code=False,
    ),
    Loader(
        "keras-hdf5", "Keras in HDF5", (".h5", ".hdf5"),
        keras.is_hdf5, keras.load_hdf5, keras.peek_hdf5, runs_code=False,
    ),
    Loader(
        "torch-export", "torch.export", (".pt2",),
        pytorch.is_exported, pytorch.load_exported, pytorch.peek_exported, runs_code=True,
    ),
    Loader(
        "torchscript", "TorchScript", (".pt", ".ts"),
        pytorch.is_script, pytorch.load_script, pytorch.peek_script, runs_code=True,
    ),
    Loader(
        "torch-weights", "weights of PyTorch", (".pt", ".pth"),
        weights.is_weights, weights.load_weights, weights.peek_weights, runs_code=False, needs_class=True,
    ),
    Loader(
        "safetensors", "safetensors", (".safetensors",),
        safetensors.is_safetensors, safetensors.load_safetensors, safetensors.peek_safetensors,
        runs_code=False, needs_class=True,
    ),
    Loader(
        "torch", "PyTorch", (".pt", ".pth"),
        pytorch.is_saved_module, pytorch.load_saved_module, pytorch.peek_saved_module, runs_code=True,
    ),
    Loader(
        "tensorflow", "SavedModel", (),
        savedmodel.is_saved_model, savedmodel.load_saved_model, savedmodel.peek_saved_model, runs_code=True,
    ),
    Loader(
        "onnx", "ONNX", (".onnx",),
        onnx.is_onnx, onnx.load_onnx, onnx.peek_onnx, runs_code=False,
    ),
    Loader(
        "lightgbm", "LightGBM", (".lgb",),
        lightgbm.is_lightgbm, lightgbm.load_lightgbm, lightgbm.peek_lightgbm, runs_code=False,
    ),
    Loader(
        "xgboost", "XGBoost", (".ubj", ".xgb"),
        xgboost.is_xgboost, xgboost.load_xgboost, xgboost.peek_xgboost, runs_code=False,
    ),
    Loader(
        "catboost", "CatBoost", (".cbm",),
        catboost.is_catboost, catboost.load_catboost, catboost.peek_catboost, runs_code=False,
    ),
    Loader(
        "catboost-json", "CatBoost in JSON", (),
        catboost.is_catboost_json, catboost.load_catboost_json, catboost.peek_catboost, runs_code=False,
    ),
    Loader(
        "transformers", "transformers", (),
        transformers.is_transformers, transformers.load_transformers, transformers.peek_transformers, runs_code=False,
    ),
    Loader(
        "joblib", "joblib", (".joblib", ".jbl"),
        pickles.is_joblib, pickles.load_joblib, pickles.peek_pickle, runs_code=True,
    ),
    Loader(
        "pickle", "pickle", (".pkl", ".pickle"),
        pickles.is_pickle, pickles.load_pickle, pickles.peek_pickle, runs_code=True,
    ),
)  # fmt: skip


DAMAGED = (
    EOFError, json.JSONDecodeError, lzma.LZMAError, pickle.UnpicklingError, struct.error, zipfile.BadZipFile,
    zlib.error,
)  # fmt: skip
"""What the readers of the standard library raise at bytes that are not what they should be."""

MALFORMED = (*DAMAGED, LoadError, ValueError, KeyError, TypeError, IndexError, AttributeError, OSError, StopIteration)
"""What a glance into a malformed header may run into."""

_UNPICKLERS_WORDS = re.compile(r"[Cc]an't get (?:local )?attribute '([^']+)' on <module '([^']+)'")


def suffixes() -> tuple[str, ...]:
    """What files of models are called, those of the user's own loaders first."""
    return tuple(dict.fromkeys(suffix for loader in _all() for suffix in loader.suffixes))


def find_loader(path: Path, *, model_class: Any = None) -> Loader:
    """The loader of a file, found by what is in it. Raises `LoadError` for what is no model that can be read.

    So are weights without their `model_class`, and whole models with one.
    """
    look, loader = _recognised(path)
    _check_class(look, loader, model_class)
    return loader


def load(path: Path, *, trust: bool = False, progress: Progress | None = None, model_class: Any = None) -> Loaded:
    """The model in a file. Raises `LoadError`.

    Without `trust` no code of the file's is run: a format that would run it is refused. `progress` is called, in the
    thread of the caller, with the bytes read and the bytes in all, by the formats that are read as a stream.
    `model_class` makes the model for a file that has its weights alone: a class or function, or `module.Name`.
    """
    look, loader = _recognised(path)
    _check_class(look, loader, model_class)
    if loader.runs_code and not trust:
        raise untrusted(look.name, loader)
    try:
        return loader.load(Reading(look, trust, progress, maker_of(model_class)))
    except LoadError as error:
        forget_locals(error)
        raise
    except Exception as error:  # code of the file's own, or of its library: it may raise anything
        forget_locals(error)  # half a model
        raise _sentence(look, loader, error) from error


def peek(path: Path) -> dict[str, Any] | None:
    """What a file's header tells of its model: nothing of it is run, and no framework imported.

    A plain dict for JSON. `format` is always there; `library`, `library_version`, `type`, `module`, `layers`, `inputs`,
    `outputs`, `parameters`, `parameter_bytes`, `saved_at` as far as the format has them. None when it tells nothing.
    Raises `LoadError` for what is no model that can be read.
    """
    look, loader = _recognised(path)
    if loader.peek is None:
        return None
    try:
        told = loader.peek(look)
    except MALFORMED:  # the load will say what is wrong with it
        return None
    return {"format": loader.name, **told} if told else None


def untrusted(name: str, loader: Loader) -> LoadError:
    """The sentence for a file whose format runs code, when nobody said that it may."""
    return LoadError(
        f"Loading {name} ({loader.title}) would run the code that is in it.",
        "Say that you trust it with --trust (in Python: trust=True).",
    )


def _all() -> tuple[Loader, ...]:
    return (*registered(), *LOADERS)


def _recognised(path: Path) -> tuple[Look, Loader]:
    look = glance(path)
    loader = next((loader for loader in _all() if loader.sniff(look)), None)
    if loader is None:
        like = likeness(look)
        raise LoadError(f"{look.name} is {like.what}.", like.remedy or f"What is read: {_titles()}.")
    inside = None if loader.contains is None else loader.contains(look)
    return look, loader if inside is None else _opened(look, loader, *_recognised(inside))


def _opened(look: Look, outer: Loader, inside: Look, loader: Loader) -> Loader:
    """The loader of a folder whose model is one file of it: that of the file, which tells what the folder does, too."""

    def load(reading: Reading) -> Loaded:
        loaded = loader.load(replace(reading, look=inside))
        return Loaded(loaded.model, {**loaded.meta, **told(look)})

    def told(look: Look) -> dict[str, Any]:
        return {} if outer.peek is None else outer.peek(look)

    def peek(look: Look) -> dict[str, Any]:
        return {**(loader.peek(inside) if loader.peek else {}), **told(look)}

    title = f"{outer.title}, {loader.title}"
    return replace(loader, name=outer.name, title=title, load=load, peek=peek)


def _check_class(look: Look, loader: Loader, model_class: Any) -> None:
    if loader.needs_class and model_class is None:
        raise pytorch.weights_sentence(look)
    if model_class is not None and not loader.needs_class:
        raise LoadError(
            f"{look.name} ({loader.title}) holds the whole model, and needs no class.", "Leave --model-class away."
        )


def _titles() -> str:
    return ", ".join(loader.title for loader in _all())


def _sentence(look: Look, loader: Loader, error: Exception) -> LoadError:
    """Why a load failed, and what to do about it."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return lacks(error.name)
    missing = _missing_name(error) if isinstance(error, AttributeError) else None
    if missing is not None:
        return _lacks_name(look, *missing)
    if isinstance(error, MemoryError):
        return LoadError(f"{look.name} does not fit into memory.", "Unload other models first.")
    if isinstance(error, DAMAGED):
        return LoadError(f"{look.name} is damaged or cut short ({reason_of(error)}).", "Save or copy it again.")
    return LoadError(f"{look.name} could not be loaded ({loader.title}): {reason_of(error)}.")


def _missing_name(error: AttributeError) -> tuple[str, str] | None:
    """The name that a module does not have, and the module."""
    if isinstance(error.obj, ModuleType):
        return str(error.name), error.obj.__name__
    said = _UNPICKLERS_WORDS.search(str(error))
    return None if said is None else (said.group(1), said.group(2))


def _lacks_name(look: Look, name: str, module: str) -> LoadError:
    if module in {"__main__", sys.modules["__main__"].__name__}:
        return LoadError(
            f"{look.name} needs {name}, which the program that saved it had defined.",
            f"Define {name} in the notebook first, or import it from a module that both know.",
        )
    return LoadError(
        f"{look.name} needs {module}.{name}, which the {module.partition('.')[0]} that is installed does not have.",
        "Install the version that the model was saved with.",
    )
