"""The columns that CatBoost, LightGBM and XGBoost tell in ways of their own: those of categories."""

from __future__ import annotations

from typing import Any

from ..schema import Datatype, Feature
from .columns import kinds_of
from .conventions import attribute_of
from .plain import plain

__all__ = ["columns_of_trees", "header_of_lightgbm", "lightgbm_columns"]

CATBOOST_TEXTS = ("get_cat_feature_indices", "get_text_feature_indices")


def columns_of_trees(model: Any) -> tuple[Feature, ...]:
    """The named columns, where the conventions of scikit-learn do not tell all of them."""
    kinds = kinds_of(model)
    if "_CatBoostBase" in kinds:
        return _catboost_columns(model)
    if "XGBModel" in kinds:
        return _xgboost_columns(model)
    return lightgbm_columns(attribute_of(model, "booster_")) if "LGBMModel" in kinds else ()


def _xgboost_columns(model: Any) -> tuple[Feature, ...]:
    """Those of a frame with categories; of any other the conventions tell enough."""
    booster = model.get_booster()
    names, types = booster.feature_names, booster.feature_types
    if not names or not types or "c" not in types:
        return ()
    categories = _xgboost_categories(booster)
    return tuple(
        _category(name, categories.get(name)) if kind == "c" else _number(name)
        for name, kind in zip(names, types, strict=True)
    )


def _xgboost_categories(booster: Any) -> dict[str, tuple[Any, ...]]:
    """What newer versions know of them, and tell by way of pyarrow."""
    try:
        told = booster.get_categories(export_to_arrow=True).to_arrow()
        return {name: tuple(values.to_pylist()) for name, values in told if values is not None}
    except Exception:  # noqa: BLE001  # an older version, no pyarrow, a model that was saved without them
        return {}


def _catboost_columns(model: Any) -> tuple[Feature, ...]:
    """None when they had no names and are all numbers; it takes categories as texts or whole numbers."""
    names = [str(name) for name in attribute_of(model, "feature_names_", None) or []]
    if not names:
        return ()
    texts = {index for told in CATBOOST_TEXTS for index in _indices(model, told)}
    if not texts and names == [str(index) for index in range(len(names))]:
        return ()
    return tuple(
        Feature(name, Datatype.ANY, example="a text") if index in texts else _number(name)
        for index, name in enumerate(names)
    )


def _indices(model: Any, told: str) -> list[int]:
    tell = attribute_of(model, told)
    return list(tell()) if callable(tell) else []


def _number(name: str) -> Feature:
    return Feature(name, Datatype.NUMBER, nullable=True, example=1.0)


def lightgbm_columns(booster: Any) -> tuple[Feature, ...]:
    """Those of a booster that was trained on a frame with categories; none of any other."""
    known = attribute_of(booster, "pandas_categorical")
    if not known:
        return ()
    names, infos = booster.feature_name(), header_of_lightgbm(booster).get("feature_infos", "").split()
    places = [index for index, each in enumerate(infos) if not each.startswith("[") and each != "none"]
    if len(places) != len(known) or len(infos) != len(names):
        return ()
    categories = {place: tuple(plain(each) for each in values) for place, values in zip(places, known, strict=True)}
    return tuple(
        _category(name, categories[index]) if index in categories else _number(name) for index, name in enumerate(names)
    )


def _category(name: str, values: tuple[Any, ...] | None) -> Feature:
    """One that is not among them counts as missing; None when the model does not know them."""
    kinds = {type(value) for value in values or ()}
    datatype = {str: Datatype.STRING, bool: Datatype.BOOLEAN, int: Datatype.INTEGER, float: Datatype.NUMBER}
    found = datatype.get(kinds.pop(), Datatype.ANY) if len(kinds) == 1 else Datatype.ANY
    return Feature(name, found, "category", nullable=True, categories=values, example=values[0] if values else None)


def header_of_lightgbm(booster: Any) -> dict[str, str]:
    """What the model's text says before its first tree."""
    lines = booster.model_to_string(num_iteration=1).partition("\nTree=")[0].splitlines()
    return {name: value for name, _, value in (line.partition("=") for line in lines)}
