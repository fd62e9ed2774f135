"""What comes out of the methods of an object that keeps scikit-learn's conventions, and what goes back in."""

# ruff: noqa: ARG001  # the functions of a table have one form

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..schema import Container, DataKind, Datatype, Feature, Task
from .columns import kinds_of
from .conventions import attribute_of, from_sklearn
from .sklearn import Input, everything_inside, first_estimator, is_multi_output, last_estimator, task_of

__all__ = ["inverse_input_of", "outputs_of"]

NO_INVERSE = frozenset(["SimpleImputer", "KernelPCA", "FunctionTransformer", "KBinsDiscretizer"])
"""Their `inverse_transform` needs settings or values that cannot be made up."""


def outputs_of(model: Any, method: str, classes: tuple[Any, ...] | None) -> tuple[Feature, ...]:
    """The columns of one answered row, as far as the model tells them."""
    make = OUTPUTS.get(method)
    return () if make is None else make(model, classes)


def _predicted(model: Any, classes: tuple[Any, ...] | None) -> tuple[Feature, ...]:
    groups = classes if is_multi_output(classes) else [classes]
    count = max(len(groups), _output_count(model)) if groups else 1
    names = ["prediction"] if count == 1 else [f"prediction_{index}" for index in range(count)]
    padded = list(groups or []) + [None] * (count - len(groups or []))
    return tuple(_class_feature(name, group) for name, group in zip(names, padded, strict=True))


def _class_feature(name: str, group: Any) -> Feature:
    if not isinstance(group, (tuple, list)):
        return Feature(name, Datatype.NUMBER)
    kinds = {type(value) for value in group}
    datatype = {str: Datatype.STRING, bool: Datatype.BOOLEAN, int: Datatype.INTEGER, float: Datatype.NUMBER}
    found = datatype.get(kinds.pop(), Datatype.ANY) if len(kinds) == 1 else Datatype.ANY
    return Feature(name, found, categories=tuple(group), closed=True, example=group[0] if group else None)


def _output_count(model: Any) -> int:
    for each in (model, last_estimator(model)):
        count = attribute_of(each, "n_outputs_")
        if isinstance(count, int):
            return count
        members = attribute_of(each, "estimators_")
        if kinds_of(each) & {"_MultiOutputEstimator", "_BaseChain"} and members is not None:
            return len(members)
    coefficients = attribute_of(last_estimator(model), "coef_")
    is_regression = task_of(model)[0] is Task.REGRESSION
    return int(coefficients.shape[0]) if is_regression and getattr(coefficients, "ndim", 0) == 2 else 1


def _per_class(model: Any, classes: tuple[Any, ...] | None) -> tuple[Feature, ...]:
    if classes is None or is_multi_output(classes):
        return ()
    return tuple(Feature(str(name), Datatype.NUMBER) for name in classes)


def _decided(model: Any, classes: tuple[Any, ...] | None) -> tuple[Feature, ...]:
    """Two classes share one score: of the second."""
    if classes is not None and len(classes) == 2 and not is_multi_output(classes):
        return (Feature(str(classes[1]), Datatype.NUMBER),)
    is_one_to_one = attribute_of(last_estimator(model), "decision_function_shape") == "ovo"
    return () if is_one_to_one else _per_class(model, classes)


def _transformed(model: Any, classes: tuple[Any, ...] | None) -> tuple[Feature, ...]:
    return tuple(Feature(name, Datatype.NUMBER) for name in output_names(model))


def output_names(model: Any) -> list[str]:
    """`get_feature_names_out()`, of scikit-learn's own classes only; empty when it cannot be told."""
    if not all(from_sklearn(each) for each in everything_inside(model)):
        return []
    try:
        return [str(name) for name in model.get_feature_names_out()]
    except Exception:  # noqa: BLE001  # each transformer has reasons of its own not to know
        return []


def inverse_input_of(model: Any, seen: Input) -> Input | None:
    """What `inverse_transform` takes: rows as wide as `transform` answers. None when that is not known to work."""
    if any(kinds_of(each) & NO_INVERSE for each in everything_inside(model)):
        return None
    if seen.kind is DataKind.VALUE:
        return None
    names = output_names(model)
    if not names:
        return None
    value = 0.0 if "OrdinalEncoder" in kinds_of(first_estimator(model)) else 1.0
    features = tuple(Feature(name, Datatype.NUMBER, example=value) for name in names)
    return Input(DataKind.MATRIX, Container.NUMPY, features, len(names), [value] * len(names), because="transform")


OUTPUTS: dict[str, Callable[[Any, tuple[Any, ...] | None], tuple[Feature, ...]]] = {
    "predict": _predicted,
    "predict_proba": _per_class,
    "predict_log_proba": _per_class,
    "predict_joint_log_proba": _per_class,
    "decision_function": _decided,
    "transform": _transformed,
}
