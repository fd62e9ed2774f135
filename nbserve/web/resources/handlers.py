"""A resource's methods as routes of FastAPI that hold neither the resource nor the model."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, get_origin

from fastapi import Response
from fastapi.exceptions import FastAPIError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.routing import Match

from ...core.blame import reason_of
from ...errors import ModelRefused
from .annotations import hints_of
from .arguments import Arguments, answering, arguments_of, leases
from .docstrings import read_docstring
from .resource import Declaration, ModelResource, OwnRoute, own_routes

__all__ = ["ResourceRoute", "routes_of"]


class Encoded(JSONResponse):
    """An answer that is JSON already."""

    def render(self, content: Any) -> bytes:
        return str(content).encode()


class ResourceRoute(APIRoute):
    """A route of a resource for one verb. It answers with and without the last slash, and HEAD as it does GET."""

    def __init__(self, own: OwnRoute, path: str, endpoint: Callable[..., Any], verb: str, **options: Any) -> None:
        super().__init__(path, endpoint, methods=[verb], operation_id=f"{verb} {path}", **options)
        self.own = own
        self.verb = verb
        self.leases = leases(self.dependant)

    @property
    def verbs(self) -> frozenset[str]:
        """What it answers."""
        return frozenset({"GET", "HEAD"} if self.verb == "GET" else {self.verb})

    def matches(self, scope: Any) -> tuple[Match, Any]:
        as_get = {"method": "GET"} if self.verb == "GET" and scope["method"] == "HEAD" else {}
        match, child = super().matches({**scope, **as_get})
        if match is Match.NONE:
            last = "/" if self.path.endswith("/") else ""
            match, child = super().matches({**scope, **as_get, "path": scope["path"].rstrip("/") + last})
        return match, child


def routes_of(name: str, resource: ModelResource) -> list[ResourceRoute]:
    """The routes of a resource below ``/name``, in the order of their definition. Raises `ModelRefused`."""
    return [route for own in own_routes(type(resource)) for route in _routes_of_method(name, resource, own)]


def _routes_of_method(name: str, resource: ModelResource, own: OwnRoute) -> Iterator[ResourceRoute]:
    method = getattr(resource, own.attribute)
    label = f"{type(resource).__name__}.{own.attribute}"
    hints = _hints(method, resource, label)
    arguments = _arguments(method, hints, resource, own)
    endpoint = _endpoint(own.attribute, arguments)
    for verb in own.verbs:
        options = _options(method, own, name)
        try:
            yield _route(own, f"/{name}{own.path}", endpoint, verb, _answered(hints.get("return")), options)
        except Exception as error:  # noqa: BLE001 - FastAPI has no one error for what it cannot read
            raise _refused(error, arguments.signature, label) from None


def _hints(method: Callable[..., Any], resource: ModelResource, label: str) -> dict[str, Any]:
    try:
        return hints_of(method, resource.nbserve_names())
    except Exception as error:  # noqa: BLE001 - evaluating an annotation runs the user's text
        raise ModelRefused(
            f"The annotations of {label} cannot be read: {reason_of(error)}.", "Define what they name first."
        ) from None


def _arguments(method: Callable[..., Any], hints: dict[str, Any], resource: ModelResource, own: OwnRoute) -> Arguments:
    assert resource.component is not None
    is_sent = own.declaration is None and own.verbs == ("POST",)
    return arguments_of(method, hints, resource.component, is_sent=is_sent)


def _endpoint(attribute: str, arguments: Arguments) -> Callable[..., Any]:
    async def answer(**given: Any) -> Any:
        positional = [given.pop(name) for name in arguments.positional]
        return await answering.get().call(attribute, positional, given)

    answer.__name__ = attribute
    answer.__signature__ = arguments.signature  # type: ignore[attr-defined]
    return answer


def _options(method: Callable[..., Any], own: OwnRoute, name: str) -> dict[str, Any]:
    """What the declaration says about the route, else the docstring."""
    said = own.declaration or Declaration(own.path, own.verbs, None, (), None, None, None, False, True)
    read = read_docstring(inspect.getdoc(method))
    return {
        "name": said.name or own.attribute,
        "tags": list(said.tags or read.tags or (name,)),
        "summary": said.summary or read.summary,
        "description": said.description or read.description,
        "responses": read.responses,
        "deprecated": said.deprecated or read.deprecated or None,
        "status_code": said.status_code,
        "include_in_schema": said.include_in_schema,
    }


def _route(
    own: OwnRoute, path: str, endpoint: Callable[..., Any], verb: str, answered: Any, options: dict[str, Any]
) -> ResourceRoute:
    """The route, with the answer's type described if it can be."""
    fixed = options | {"response_model": None, "response_class": Encoded}
    if answered is not None:
        status = options["status_code"] or 200
        described = options["responses"] | {status: options["responses"].get(status, {}) | {"model": answered}}
        with suppress(Exception):  # the answer need not be of a type that has a schema
            return ResourceRoute(own, path, endpoint, verb, **fixed | {"responses": described})
    return ResourceRoute(own, path, endpoint, verb, **fixed)


def _answered(hint: Any) -> Any:
    """The type to describe: not of what is sent as it is, nor of what says nothing."""
    if hint in (None, Any, object, type(None)) or (isinstance(hint, type) and issubclass(hint, Response)):
        return None
    return hint


def _refused(error: Exception, signature: inspect.Signature, label: str) -> ModelRefused:
    if isinstance(error, FastAPIError):
        for each in signature.parameters.values():
            if each.annotation is not each.empty and str(each.annotation) in str(error):
                return ModelRefused(
                    f"{label} takes {each.name}: {_type_text(each.annotation)}, which no request can carry.",
                    "Use JSON types, a pydantic model, Request or Depends(…); the component and its model are given "
                    "to arguments annotated with their own classes.",
                )
    first_line = reason_of(error).partition("! Hint")[0].rstrip(".!")
    return ModelRefused(f"{label} cannot be a route: {first_line}.", "See FastAPI's rules for the arguments of routes.")


def _type_text(annotation: Any) -> str:
    is_class = isinstance(annotation, type) and get_origin(annotation) is None
    return annotation.__name__ if is_class else str(annotation).replace("typing.", "")
