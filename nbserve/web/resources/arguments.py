"""What a user's method is given: FastAPI's parameters, the component, and the model it resolves to."""

from __future__ import annotations

import inspect
import types
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, Union, get_args, get_origin

from fastapi import Body, params
from fastapi.dependencies.models import Dependant

from ...core.custom import Model, ModelComponent
from .annotations import hints_of

__all__ = ["Answering", "Arguments", "answering", "arguments_of", "leases"]

_TOO_PLAIN = frozenset({"abc", "builtins", "collections", "pydantic", "typing"})
"""Modules of classes that say nothing about a model, though a model's class may inherit from them."""


class Answering(Protocol):
    """Who calls a resource's methods while a request is answered."""

    @property
    def component(self) -> ModelComponent: ...

    async def call(self, attribute: str, positional: list[Any], given: dict[str, Any]) -> Any: ...


answering: ContextVar[Answering] = ContextVar("nbserve_answering")
"""Found by those that FastAPI calls: it remembers them, and so they may hold neither a resource nor a component."""


async def the_component() -> ModelComponent:
    return answering.get().component


async def leased_model() -> AsyncIterator[Any]:
    """The model, until the request has been answered. Raises `LoadError`."""
    async with asynccontextmanager(answering.get().component.__call__)() as model:
        yield model


@dataclass(frozen=True, slots=True)
class Arguments:
    """A method's parameters as FastAPI is to see them; `positional` are passed by position."""

    signature: inspect.Signature
    positional: tuple[str, ...]


def arguments_of(
    method: Callable[..., Any], hints: dict[str, Any], component: ModelComponent, *, is_sent: bool
) -> Arguments:
    """With `is_sent`, arguments of which nothing is said are parts of the body, as they are of a model's method."""
    parameters = inspect.signature(method).parameters.values()
    shown = [
        _shown(each, hints.get(each.name, Any), component, is_sent=is_sent)
        for each in parameters
        if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]
    positional = tuple(each.name for each in parameters if each.kind is each.POSITIONAL_ONLY)
    return Arguments(inspect.Signature(shown), positional)


def leases(dependant: Dependant) -> bool:
    """Whether a route, or something that it depends on, holds the model while it answers."""
    return any(
        each.call is leased_model or isinstance(each.call, ModelComponent) or leases(each)
        for each in dependant.dependencies
    )


def _shown(parameter: inspect.Parameter, hint: Any, component: ModelComponent, *, is_sent: bool) -> inspect.Parameter:
    is_plain = parameter.annotation is inspect.Parameter.empty
    annotation, default = (inspect.Parameter.empty if is_plain else hint), parameter.default
    asked = _dependency(hint, component)
    if isinstance(default, params.Depends):
        default = _redirected(default, asked, component)
    elif get_origin(hint) is Annotated:
        parts = (_redirected(part, asked, component) for part in hint.__metadata__)
        annotation = Annotated[(get_args(hint)[0], *parts)]
        if asked is not None and not any(isinstance(part, params.Depends) for part in hint.__metadata__):
            default = params.Depends(asked)
    elif asked is not None:
        default = params.Depends(asked)
    elif is_plain and default is inspect.Parameter.empty and is_sent:
        default = Body(embed=True)
    return inspect.Parameter(parameter.name, parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _redirected(part: Any, asked: Callable[..., Any] | None, component: ModelComponent) -> Any:
    """The same dependency, of what does not hold the component."""
    if not isinstance(part, params.Depends):
        return part
    if part.dependency is component:
        return params.Depends(leased_model, use_cache=part.use_cache)
    return part if part.dependency is not None or asked is None else params.Depends(asked, use_cache=part.use_cache)


def _dependency(hint: Any, component: ModelComponent) -> Callable[..., Any] | None:
    """What an argument annotated so gets of the endpoint itself."""
    kind = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if not isinstance(kind, type) or kind.__module__.partition(".")[0] in _TOO_PLAIN:
        return None
    if issubclass(kind, ModelComponent):
        return the_component if isinstance(component, kind) else None
    return leased_model if _is_of_model(kind, component) else None


def _is_of_model(kind: type, component: ModelComponent) -> bool:
    """Whether the component is known to resolve to a `kind`."""
    known = list(_resolved_types(component))
    if not known:
        return issubclass(kind, Model)
    return kind is Model or any(
        issubclass(each, kind) if isinstance(each, type) else each in (kind.__name__, kind.__qualname__)
        for each in known
    )


def _resolved_types(component: ModelComponent) -> Iterator[type | str]:
    """What `resolve` is annotated with: classes, or the text of an annotation that cannot be evaluated any more."""
    text = inspect.unwrap(component.resolve).__annotations__.get("return")
    try:
        hint = hints_of(component.resolve, vars(type(component))).get("return")
    except Exception:  # noqa: BLE001 - evaluating an annotation runs the user's text
        hint = text
    for each in get_args(hint) if get_origin(hint) in (Union, types.UnionType) else [hint]:
        if isinstance(each, str) or (isinstance(each, type) and each not in (Any, object, type(None))):
            yield each
    if isinstance(component.model, Model):
        yield type(component.model)
