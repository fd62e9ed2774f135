"""Whether what was given to be served is a resource that can be."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

from starlette.routing import compile_path

from ...core.blame import reason_of
from ...core.custom import FileComponent, ModelComponent
from ...core.served import BUILT_IN
from ...errors import ModelRefused, OptionError
from ...options import check_name
from .handlers import routes_of
from .resource import ModelResource, OwnRoute, own_routes

__all__ = ["replaced_by", "resource_of"]

VERBS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})

_PART = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@%-]|\{\w+(?::\w+)?\})+")
_BUILT_IN = BUILT_IN | {"predict"}


def resource_of(given: type[ModelResource] | ModelResource) -> ModelResource:
    """An instance that can be served: with a component, and with methods that are routes. Raises `ModelRefused`."""
    resource = _made(given) if isinstance(given, type) else given
    label = type(resource).__name__
    if not isinstance(resource, ModelResource):
        raise ModelRefused(f"{label} is no ModelResource.", "Derive it from nbserve.ModelResource.")
    _check_called(resource, label)
    resource.component = _component_of(resource, label)
    _check_routes(type(resource), label)
    routes_of("name", resource)
    return resource


def replaced_by(resource: ModelResource) -> frozenset[str]:
    """The built-in routes and the model's methods that the resource answers for itself, as far as they exist."""
    routes = own_routes(type(resource))
    overridden = {each.attribute for each in routes if each.declaration is None or each.attribute in _BUILT_IN}
    return frozenset(overridden | {each.place for each in routes if each.place})


def _made(kind: type[Any]) -> Any:
    if not issubclass(kind, ModelResource):
        raise ModelRefused(f"{kind.__name__} is no ModelResource.", "Derive it from nbserve.ModelResource.")
    try:
        return kind()
    except Exception as error:
        raise ModelRefused(f"{kind.__name__}() raised {reason_of(error)}.", "Make one, and serve that.") from error


def _check_called(resource: ModelResource, label: str) -> None:
    try:
        if resource.name is not None:
            check_name(resource.name)
    except OptionError as error:
        raise ModelRefused(f"The name of {label} cannot be {resource.name!r}.", error.remedy) from None


def _component_of(resource: ModelResource, label: str) -> ModelComponent:
    component, path = resource.component, resource.model_path
    if isinstance(component, type):
        raise ModelRefused(f"{label}.component is a class.", f"Make one: component = {component.__name__}(…).")
    if component is not None and not isinstance(component, ModelComponent):
        problem = f"{label}.component is a {type(component).__name__}, and no ModelComponent."
        raise ModelRefused(problem, "Derive its class from nbserve.ModelComponent, or serve the model itself.")
    if path is None:
        if component is None:
            raise ModelRefused(f"{label} has no model.", "Give it a component, or a model_path.")
        return component
    if not isinstance(path, (str, os.PathLike)):
        raise ModelRefused(f"{label}.model_path is a {type(path).__name__}, and no path.", "Name the model's file.")
    if isinstance(component, FileComponent) and os.fspath(component.path) == os.fspath(path):
        return component  # it has been served before
    if component is not None:
        raise ModelRefused(f"{label} has a component and a model_path.", "Leave one of them away.")
    return FileComponent(path if isinstance(path, str) else Path(path))


def _check_routes(kind: type[ModelResource], label: str) -> None:
    routes = own_routes(kind)
    for each in routes:
        _check_route(each, f"{label}.{each.attribute}")
    places = Counter((re.sub(r"{[^}]*}", "{}", each.place), verb) for each in routes for verb in each.verbs)
    for (place, verb), count in places.items():
        if count > 1:
            same = [each for each in routes if verb in each.verbs and re.sub(r"{[^}]*}", "{}", each.place) == place]
            names = " and ".join(dict.fromkeys(each.attribute for each in same))
            raise ModelRefused(f"{label} answers {verb} {same[0].path} by {names}.", "Give each a path of its own.")


def _check_route(route: OwnRoute, label: str) -> None:
    path = route.path
    if not path.startswith("/"):
        raise ModelRefused(f"The path of {label}, {path!r}, has no slash before it.", f"Write '/{path}'.")
    parts = path.strip("/").split("/") if path.strip("/") else []
    odd = next((part for part in parts if not _PART.fullmatch(part) or part in (".", "..")), None)
    if odd is not None or "//" in path:
        raise ModelRefused(f"The path of {label} cannot be {path!r}.", "Write it like '/stats/' or '/stats/{kind}/'.")
    try:
        compile_path(path)
    except (AssertionError, ValueError) as error:
        raise ModelRefused(f"The path of {label} cannot be {path!r}: {error}", "Name each part once.") from None
    unknown = [verb for verb in route.verbs if verb not in VERBS]
    if unknown or not route.verbs:
        what = f"There is no HTTP method {unknown[0]!r}" if unknown else "There is no HTTP method"
        raise ModelRefused(f"{what} for {label} to answer.", f"Allowed are {', '.join(sorted(VERBS))}.")
