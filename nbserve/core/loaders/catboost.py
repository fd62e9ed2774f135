"""CatBoost's own files: its binary form, and its JSON."""

from __future__ import annotations

import json
import re
from typing import Any

from ...errors import LoadError
from .library import fetched
from .loader import Loaded, Look, Reading

__all__ = ["is_catboost", "is_catboost_json", "load_catboost", "load_catboost_json", "peek_catboost"]

MARK = b"CBM1"
HEADER_BYTES = 8
FIRST_KEY = re.compile(rb'\s*\{\s*"(ctr_data|features_info)"\s*:')
LARGEST_LOOK_BYTES = 64 << 20

LOSS = re.compile(rb'"loss_function"\s*:\s*\{[^{}]*(?:\{[^{}]*\}[^{}]*)?"type"\s*:\s*"(\w+)"')
RELEASE = re.compile(rb"CatBoost release ([0-9][0-9.]*)")
CLASSES = (b"class_params", b"multiclass_params")
"""What only classifiers have, today and before 1.0."""

RANKING = ("Yeti", "Query", "Pair", "StochasticRank", "LambdaMart")


def is_catboost(look: Look) -> bool:
    return look.head.startswith(MARK)


def is_catboost_json(look: Look) -> bool:
    return FIRST_KEY.match(look.head) is not None and b'"flat_feature_index"' in look.head


def load_catboost(reading: Reading) -> Loaded:
    size = int.from_bytes(reading.look.head[len(MARK) : HEADER_BYTES], "little") + HEADER_BYTES
    if size > reading.look.size_bytes:
        raise LoadError(f"{reading.path.name} is cut short.", "Save or copy it again.")
    return _loaded(reading, "cbm")


def load_catboost_json(reading: Reading) -> Loaded:
    json.loads(reading.path.read_bytes())  # CatBoost itself takes one that is cut short for whole
    return _loaded(reading, "json")


def peek_catboost(look: Look) -> dict[str, Any]:
    is_small = look.size_bytes <= LARGEST_LOOK_BYTES
    return _described(look.path.read_bytes()) if is_small else {"library": "catboost"}


def _described(data: bytes) -> dict[str, Any]:
    loss, release = LOSS.search(data), RELEASE.search(data)
    objective = None if loss is None else loss[1].decode()
    return {
        "library": "catboost",
        "library_version": None if release is None else release[1].decode(),
        "type": _estimator(objective, any(name in data for name in CLASSES)),
        "objective": objective,
    }


def _estimator(objective: str | None, has_classes: bool) -> str:
    if has_classes:
        return "CatBoostClassifier"
    if objective is None:
        return "CatBoost"
    return "CatBoostRanker" if objective.startswith(RANKING) else "CatBoostRegressor"


def _loaded(reading: Reading, form: str) -> Loaded:
    """As the estimator that it was saved from: it knows the names of its classes."""
    told = _described(reading.path.read_bytes())
    model = getattr(fetched("catboost"), told["type"])()
    model.load_model(str(reading.path), format=form)
    return Loaded(model, told)
