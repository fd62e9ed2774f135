"""Whether an estimator has learned anything yet."""

from __future__ import annotations

import dis
import sys
from types import FunctionType
from typing import Any

from ...errors import NotFitted
from ..schema import Finding
from .columns import kinds_of
from .conventions import attribute_of, from_sklearn, is_users_own
from .sklearn import everything_inside

__all__ = ["check_fitted"]


def check_fitted(model: Any) -> tuple[bool | None, Finding | None]:
    """Raises NotFitted; None when it cannot be told."""
    is_fitted, because = _fitted(model)
    if is_fitted is False:
        names = kinds_of(model)
        data = "X, y" if names & {"ClassifierMixin", "RegressorMixin"} or hasattr(type(model), "score") else "X"
        raise NotFitted(f"{type(model).__name__} is not fitted yet.", f"Call model.fit({data}) and serve it again.")
    return is_fitted, None if is_fitted is None else Finding("fitted", is_fitted, because)


def _fitted(model: Any) -> tuple[bool | None, str]:
    if not callable(attribute_of(model, "fit")):
        return None, ""
    if from_sklearn(model) or not is_users_own(type(model)):
        is_fitted = _checked(model)
        return (None, "") if is_fitted is False and _has_fitted_parts(model) else (is_fitted, "check_is_fitted")
    if any(_is_learned(name) for name in getattr(model, "__dict__", {})):
        return True, "attributes that end with an underscore"
    if _checked(model):
        return True, "check_is_fitted"
    return (False, "no attribute that fit sets") if _fit_would_set(model) else (None, "")


def _has_fitted_parts(model: Any) -> bool:
    """Whether it is refused only for a step of the user's that has nothing to learn."""
    parts = everything_inside(model)[1:]
    return bool(parts) and all(_fitted(each)[0] is not False for each in parts)


def _checked(model: Any) -> bool | None:
    validation = sys.modules.get("sklearn.utils.validation")
    check = getattr(validation, "check_is_fitted", None)
    try:
        if check is None:
            return any(_is_learned(name) for name in getattr(model, "__dict__", {})) or None
        check(model)
    except Exception as error:  # noqa: BLE001  # an estimator's own __sklearn_is_fitted__ may fail in any way
        return False if type(error).__name__ == "NotFittedError" else None
    return True


def _is_learned(name: str) -> bool:
    return name.endswith("_") and not name.startswith("__")


def _fit_would_set(model: Any) -> bool:
    """Whether the user's own `fit` sets attributes, and none but the settings are there yet."""
    fit = getattr(type(model), "fit", None)
    if not isinstance(fit, FunctionType):
        return False
    sets = {each.argval for each in dis.get_instructions(fit.__code__) if each.opname == "STORE_ATTR"}
    own = set(getattr(model, "__dict__", {}))
    return bool(sets) and not sets & own
