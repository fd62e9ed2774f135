"""Who keeps scikit-learn's conventions, what methods are called that predict, and who wrote a class."""

from __future__ import annotations

import functools
import inspect
import sys
import sysconfig
from collections.abc import Callable, Iterator
from typing import Any

from .plain import root_package, words

__all__ = [
    "PREDICTION_METHODS",
    "attribute_of",
    "definer",
    "from_sklearn",
    "is_users_own",
    "keeps_conventions",
    "method_of",
    "served_methods",
]

PREDICTION_METHODS = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "predict_joint_log_proba",
    "decision_function",
    "transform",
    "score_samples",
    "mahalanobis",
    "kneighbors",
    "inverse_transform",
    "apply",
    "encode",
    "embed",
    "generate",
)
"""The names that are known, in the order of preference."""

CONVENTION_METHODS = frozenset(PREDICTION_METHODS[:11])
"""Those that other libraries use for other things are served only by who keeps the conventions: `Module.apply`."""

CONVENTION_BASES = frozenset(
    ["BaseEstimator", "ClassifierMixin", "RegressorMixin", "TransformerMixin", "ClusterMixin", "OutlierMixin"]
)
CONVENTION_ATTRIBUTES = ("n_features_in_", "feature_names_in_")

NOT_ANSWERS = words(
    "fit partial train retrain learn set get load save score reset init initialize build compile update configure add "
    "register close open dump to from evaluate eval validate plot show print log delete remove clear warm start stop "
    "check describe summary setup prepare download upload"
)
"""First words of methods that train, configure or store rather than answer."""

ABSENT = object()


def keeps_conventions(value: object) -> bool:
    """Whether the object is a scikit-learn estimator, or says about itself what one says."""
    if any(kind.__name__ in CONVENTION_BASES for kind in type(value).__mro__):
        return True
    own = getattr(value, "__dict__", {})
    return any(name in own or hasattr(type(value), name) for name in CONVENTION_ATTRIBUTES)


def from_sklearn(value: object) -> bool:
    """Whether the very class of the object is scikit-learn's."""
    return root_package(type(value)) == "sklearn"


def attribute_of(model: object, name: str, default: Any = None) -> Any:
    """An attribute, or the default when there is none or the code behind it fails."""
    try:
        return getattr(model, name, default)
    except Exception:  # noqa: BLE001  # a property runs the user's code
        return default


def method_of(model: object, name: str) -> Callable[..., Any] | None:
    """The method of that name if this instance has it now (`available_if` may hide it)."""
    if inspect.getattr_static(model, name, ABSENT) is ABSENT and not _delegates(model, name):
        return None
    found = attribute_of(model, name)
    return found if callable(found) and not isinstance(found, type) else None


def definer(kind: type, name: str) -> type:
    """Which of the class's bases defines a name; `object` when none does."""
    return next((each for each in kind.__mro__ if name in vars(each)), object)


def served_methods(model: object) -> dict[str, Callable[..., Any]]:
    """The methods to serve, the main one first."""
    known = PREDICTION_METHODS if keeps_conventions(model) else [name for name in PREDICTION_METHODS if name != "apply"]
    found = {name: method for name in known if (method := method_of(model, name)) is not None}
    if "predict" in found:
        found |= {name: method for name in _own_methods(type(model)) if (method := method_of(model, name)) is not None}
    return found


def _delegates(model: object, name: str) -> bool:
    """Whether `__getattr__` passes on this name, and not simply any name."""
    if not hasattr(type(model), "__getattr__"):
        return False
    return inspect.isroutine(attribute_of(model, name)) and attribute_of(model, "no_such_method_") is None


def _own_methods(kind: type) -> Iterator[str]:
    """The public methods that the user's own classes define and that look like answering."""
    for each in kind.__mro__:
        if is_users_own(each):
            for name, value in vars(each).items():
                if _looks_like_answering(name, value):
                    yield name


def _looks_like_answering(name: str, value: object) -> bool:
    if name.startswith("_") or name in PREDICTION_METHODS or name.partition("_")[0] in NOT_ANSWERS:
        return False
    function = value.__func__ if isinstance(value, staticmethod) else value
    if not inspect.isfunction(function) or "fit" in name.split("_"):
        return False
    code = function.__code__
    is_bound = 0 if isinstance(value, staticmethod) else 1
    return code.co_argcount + code.co_kwonlyargcount > is_bound or bool(code.co_flags & inspect.CO_VARARGS)


@functools.lru_cache(maxsize=1)
def _library_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple({paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def is_users_own(kind: type) -> bool:
    """Whether the class was written in the notebook or beside it, not in an installed library."""
    if kind.__module__ in ("__main__", "builtins"):
        return kind.__module__ == "__main__"
    module = sys.modules.get(kind.__module__)
    file = getattr(module, "__file__", None)
    return module is not None and (file is None or not file.startswith(_library_folders()))
