"""What a cell that is run again adds to the application, in the place of what it added before."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from starlette.middleware import Middleware
from starlette.routing import BaseRoute

__all__ = ["answers_of", "defined_anew", "replaced"]

ANY_METHOD = "*"


def answers_of(route: Any) -> frozenset[tuple[str, str]]:
    """The paths, each with the methods, that a route answers, or all that are in a router."""
    within = getattr(route, "effective_route_contexts", None)  # newer FastAPI keeps a router that is included whole
    routes = [route] if within is None else [getattr(each, "starlette_route", None) or each for each in within()]
    return frozenset(
        (path, method)
        for each in routes
        if (path := getattr(each, "path", None)) is not None
        for method in getattr(each, "methods", None) or (ANY_METHOD,)
    )


def replaced(routes: Sequence[BaseRoute], *, keep: Collection[BaseRoute]) -> list[BaseRoute]:
    """The routes with the last of them where the first was that answers nothing else; those to `keep` stay."""
    *before, newest = routes
    answers = answers_of(newest)
    old = [each for each in before if each not in keep and answers_of(each) and answers_of(each) <= answers]
    if not old:
        return list(routes)
    place = before.index(old[0])
    kept = [each for each in before if each not in old]
    return [*kept[:place], newest, *kept[place:]]


def defined_anew(newest: Middleware, before: Sequence[Middleware]) -> list[Middleware]:
    """The middleware with the newest outermost, or where the same function or class was under an older definition."""
    for place, each in enumerate(before):
        if _is_anew(_code(newest), _code(each)):
            return [*before[:place], newest, *before[place + 1 :]]
    return [newest, *before]


def _code(middleware: Middleware) -> Any:
    return middleware.kwargs.get("dispatch") or middleware.cls


def _is_anew(newest: Any, older: Any) -> bool:
    """Whether they are two, of one name at the top of one module: those that a function makes are not."""
    name = getattr(newest, "__qualname__", "<")
    is_same_name = (newest.__module__, name) == (older.__module__, getattr(older, "__qualname__", ""))
    return newest is not older and is_same_name and "<" not in name
