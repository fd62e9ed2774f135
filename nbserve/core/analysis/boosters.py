"""The boosters of LightGBM and XGBoost by themselves, without the estimator around them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..schema import Finding, Parameter, Signature, Task
from .callables import read_callable
from .conventions import attribute_of
from .description import Description, data_argument, number_columns, numeric_input, one_output
from .plain import words
from .sklearn import table_of
from .trees import header_of_lightgbm, lightgbm_columns

__all__ = ["describe_lightgbm", "describe_xgboost"]

DATA = "data"
"""What both call the rows."""

ROW_WISE = "a booster answers each row by itself"

LIGHTGBM_PARAMETERS = words("start_iteration num_iteration raw_score pred_leaf pred_contrib")
XGBOOST_PARAMETERS = words("iteration_range predict_type strict_shape output_margin pred_leaf pred_contribs")
"""Of these none carries a value for each row, as `base_margin` does."""


def describe_lightgbm(booster: Any) -> Description | None:
    names, header = booster.feature_name(), header_of_lightgbm(booster)
    objective, *settings = header.get("objective", "").split() or [""]
    classes = _count(settings, "num_class")
    task = _task(objective)
    told = f"objective={objective}"
    found = _booster(booster.predict, LIGHTGBM_PARAMETERS, names, task, classes, told, "feature_name()")
    columns = lightgbm_columns(booster)
    if not columns:
        return None if attribute_of(booster, "pandas_categorical") else found
    seen = table_of(columns)  # it wants a frame, to know the categories
    return replace(found, seen=seen, signature=replace(found.signature, data=data_argument(DATA, seen)))


def _count(settings: Sequence[str], name: str) -> int | None:
    found = [value for key, _, value in (each.partition(":") for each in settings) if key == name]
    return int(found[0]) if found else None


def describe_xgboost(booster: Any) -> Description | None:
    learner = json.loads(booster.save_config())["learner"]
    objective = learner["objective"]["name"]
    names = attribute_of(booster, "feature_names") or booster.num_features()
    classes = int(learner["learner_model_param"]["num_class"]) if objective == "multi:softprob" else None
    is_linear = learner["gradient_booster"]["name"] == "gblinear"
    call = booster.predict if is_linear else booster.inplace_predict
    told = "feature_names" if not isinstance(names, int) else "num_features()"
    found = _booster(call, XGBOOST_PARAMETERS, names, _task(objective), classes, objective, told)
    attribute, convention = ("predict", "dmatrix") if is_linear else ("inplace_predict", "")
    return replace(found, signature=replace(found.signature, attribute=attribute, convention=convention))


def _task(objective: str) -> Task:
    """What the library calls its objectives: ``binary:logistic``, ``multiclass``, ``regression_l1``."""
    if objective.startswith(("binary", "multi", "cross_entropy")):
        return Task.CLASSIFICATION
    is_other = objective in ("", "custom", "none") or objective.startswith(("rank", "lambdarank", "survival"))
    return Task.UNKNOWN if is_other else Task.REGRESSION


def _booster(
    call: Any,
    allowed: frozenset[str],
    names: Sequence[str] | int,
    task: Task,
    classes: int | None,
    objective: str,
    because: str,
) -> Description:
    reading = read_callable(call, "predict", is_prediction=True, reads_code=False)
    width = names if isinstance(names, int) else len(names)
    seen = numeric_input(number_columns(names, nullable=True), width, because)
    signature = Signature(
        "predict",
        data_argument(DATA, seen),
        parameters=_parameters(reading.signature.parameters, allowed),
        outputs=one_output(task, classes),
        row_wise=True,
        doc=reading.signature.doc,
    )
    return Description(
        signature, seen, task, objective, is_fitted=True, findings=(Finding("row-wise", True, ROW_WISE),)
    )


def _parameters(read: Sequence[Parameter], allowed: frozenset[str]) -> tuple[Parameter, ...]:
    return tuple(replace(each, annotation=None, keyword_only=True) for each in read if each.name in allowed)
