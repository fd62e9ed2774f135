"""What cannot be served, and what can be instead."""

from __future__ import annotations

import inspect
from types import ModuleType

from ...errors import ModelRefused
from .conventions import PREDICTION_METHODS, is_users_own
from .plain import root_package

__all__ = ["nothing_to_call", "refuse_what_is_no_model"]

DATA_PACKAGES = frozenset(["pandas", "polars", "pyarrow", "dask"])
VALUES = (int, float, complex, str, bytes, list, tuple, dict, set)
REMEDY = "Serve an object with a predict method, or a function."


def refuse_what_is_no_model(model: object) -> None:
    """Raises ModelRefused for classes, modules and data."""
    if isinstance(model, type):
        raise ModelRefused(f"{model.__name__} is a class, not a model.", _class_remedy(model))
    if isinstance(model, ModuleType):
        raise ModelRefused(f"{model.__name__} is a module, not a model.", "Serve one of its functions or objects.")
    is_data = root_package(type(model)) in DATA_PACKAGES and not inspect.isroutine(model)
    if is_data or model is None or _is_value(model):
        raise nothing_to_call(model)


def _is_value(model: object) -> bool:
    """Whether it is a builtin value, and no more than that: a class made from `dict` may well have a `predict`."""
    kind = next((each for each in VALUES if isinstance(model, each)), None)
    if kind is None or callable(model):
        return False
    return not any(hasattr(type(model), name) and not hasattr(kind, name) for name in PREDICTION_METHODS)


def nothing_to_call(model: object) -> ModelRefused:
    """The error for an object without a method that predicts."""
    kind = type(model)
    name = "None" if model is None else f"an object of type {kind.__name__}"
    return ModelRefused(f"There is nothing to call in {name}.", _object_remedy(model))


def _object_remedy(model: object) -> str:
    if hasattr(type(model), "fit_predict") or hasattr(type(model), "fit_transform"):
        return "It can only answer for the rows that it is fitted on."
    if is_users_own(type(model)):
        own = [name for name, value in vars(type(model)).items() if inspect.isfunction(value) and name[0] != "_"]
        return f"{REMEDY[:-1]}, such as its method {own[0]} alone." if own else REMEDY
    return REMEDY


def _class_remedy(kind: type) -> str:
    if any(hasattr(kind, name) for name in PREDICTION_METHODS) or "__call__" in vars(kind):
        return f"Make an instance: {kind.__name__}()."
    return REMEDY
