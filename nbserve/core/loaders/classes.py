"""What makes the model that weights are for: a class or a function of the user's, given as itself or by its name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from ...errors import LoadError, nearest
from ..blame import reason_of

__all__ = ["made", "maker_of", "named"]

REQUIRED = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def maker_of(given: Any, namespace: Mapping[str, Any] | None = None) -> Callable[..., Any] | None:
    """The class or function: a name is looked up in the notebook, then as `module.Name`. Raises `LoadError`."""
    if given is None:
        return None
    found = _found(given, namespace or {}) if isinstance(given, str) else given
    if isinstance(found, type) or (callable(found) and not hasattr(found, "state_dict")):
        made_by: Callable[..., Any] = found
        return made_by
    raise LoadError(
        f"{given if isinstance(given, str) else type(given).__name__} is an object, and not what makes one.",
        "Give its class, or a function that makes it: model_class=lambda: Net(…).",
    )


def made(make: Callable[..., Any], settings: Mapping[str, Any], file: str) -> Any:
    """What `make` makes, with those of the `settings` from the file that it has parameters for."""
    parameters = _parameters(make)
    missing = [
        each.name
        for each in parameters.values()
        if each.kind in REQUIRED and each.default is each.empty and each.name not in settings
    ]
    if missing:
        raise LoadError(
            f"{named(make)} needs {', '.join(missing)}, which {file} does not tell.",
            f"Give a function that makes it: model_class=lambda: {named(make)}(…).",
        )
    try:
        return make(**{name: settings[name] for name in parameters if name in settings})
    except Exception as error:
        raise LoadError(f"{named(make)} could not be made: {reason_of(error)}.") from error


def named(make: Any) -> str:
    return str(getattr(make, "__name__", type(make).__name__))


def _parameters(make: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(make).parameters
    except (TypeError, ValueError):  # written in C
        return {}


def _found(name: str, namespace: Mapping[str, Any]) -> Any:
    first, *rest = name.replace(":", ".").split(".")
    if first in namespace:
        return _attribute(namespace[first], rest, name)
    module, _, attribute = name.replace(":", ".").rpartition(".")
    if not module:
        raise LoadError(f"There is no class {name!r}.{nearest(name, list(namespace))}", "Define it, or import it.")
    try:
        return _attribute(import_module(module), [attribute], name)
    except ImportError as error:
        raise LoadError(f"The class {name!r} is in no module that can be imported: {reason_of(error)}.") from error


def _attribute(owner: Any, names: list[str], whole: str) -> Any:
    for name in names:
        if not hasattr(owner, name):
            raise LoadError(f"There is no class {whole!r}.{nearest(name, dir(owner))}", "Define it, or import it.")
        owner = getattr(owner, name)
    return owner
