"""What a user's method is given: FastAPI's parameters, the component, and the model it resolves to."""

from __future__ import annotations

import dataclasses
import inspect
import types
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from fastapi import Body, params

from ...core.custom import Model, ModelComponent
from .annotations import hints_of

__all__ = ["Arguments", "Given", "arguments_of", "given_by"]

_TOO_PLAIN = frozenset({"abc", "builtins", "collections", "pydantic", "typing"})
"""Modules of classes that say nothing about a model, though a model's class may inherit from them."""


@dataclass(frozen=True, slots=True)
class Given:
    """The dependencies of one endpoint. Neither holds the component: FastAPI remembers what it calls."""

    component: Callable[[], Any]
    lease: Callable[[], AsyncIterator[Any]]


@dataclass(frozen=True, slots=True)
class Arguments:
    """A method's parameters as FastAPI is to see them.

    `positional` are passed by position; `leases` says whether one of them is the model.
    """

    signature: inspect.Signature
    positional: tuple[str, ...]
    leases: bool


def given_by(component_here: Callable[[], ModelComponent]) -> Given:
    """`component_here` finds the component while a request is answered."""

    async def component() -> ModelComponent:
        return component_here()

    async def lease() -> AsyncIterator[Any]:
        async with asynccontextmanager(component_here().__call__)() as model:
            yield model

    return Given(component, lease)


def arguments_of(
    method: Callable[..., Any], hints: dict[str, Any], component: ModelComponent, given: Given, *, is_sent: bool
) -> Arguments:
    """With `is_sent`, arguments of which nothing is said are parts of the body, as they are of a model's method."""
    shown: list[inspect.Parameter] = []
    positional: list[str] = []
    for each in inspect.signature(method).parameters.values():
        if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
            continue
        if each.kind is each.POSITIONAL_ONLY:
            positional.append(each.name)
        shown.append(_shown(each, hints.get(each.name, Any), component, given, is_sent=is_sent))
    leases = any(
        isinstance(part, params.Depends) and part.dependency is given.lease
        for each in shown
        for part in (each.default, *getattr(each.annotation, "__metadata__", ()))
    )
    return Arguments(inspect.Signature(shown), tuple(positional), leases)


def _shown(
    parameter: inspect.Parameter, hint: Any, component: ModelComponent, given: Given, *, is_sent: bool
) -> inspect.Parameter:
    is_plain = parameter.annotation is inspect.Parameter.empty
    annotation, default = (inspect.Parameter.empty if is_plain else hint), parameter.default
    asked = _dependency(hint, component, given)
    if isinstance(default, params.Depends):
        default = _redirected(default, asked, component, given)
    elif get_origin(hint) is Annotated:
        parts = (_redirected(part, asked, component, given) for part in hint.__metadata__)
        annotation = Annotated[(get_args(hint)[0], *parts)]
        if asked is not None and not any(isinstance(part, params.Depends) for part in hint.__metadata__):
            default = params.Depends(asked)
    elif asked is not None:
        default = params.Depends(asked)
    elif is_plain and default is inspect.Parameter.empty and is_sent:
        default = Body(embed=True)
    return inspect.Parameter(parameter.name, parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _redirected(part: Any, asked: Callable[[], Any] | None, component: ModelComponent, given: Given) -> Any:
    """The same dependency, of what does not hold the component."""
    if not isinstance(part, params.Depends):
        return part
    if part.dependency is component:
        return dataclasses.replace(part, dependency=given.lease)
    return part if part.dependency is not None or asked is None else dataclasses.replace(part, dependency=asked)


def _dependency(hint: Any, component: ModelComponent, given: Given) -> Callable[[], Any] | None:
    """What an argument annotated so gets of the endpoint itself."""
    kind = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if not isinstance(kind, type) or kind.__module__.partition(".")[0] in _TOO_PLAIN:
        return None
    if issubclass(kind, ModelComponent):
        return given.component if isinstance(component, kind) else None
    return given.lease if _is_of_model(kind, component) else None


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
        if isinstance(each, str) or (isinstance(each, type) and each is not type(None)):
            yield each
    if isinstance(component.model, Model):
        yield type(component.model)
