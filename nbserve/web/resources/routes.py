"""All resources' routes, as one route of the application."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from starlette.datastructures import URLPath
from starlette.routing import BaseRoute, Match, NoMatchFound

from ...core.output import Log
from ...core.served import Served
from ...errors import MethodNotAllowed, NotFound
from ..asgi import Receive, Scope, Send
from .handlers import ResourceRoute
from .mounted import Mounted
from .resource import ModelResource

__all__ = ["ResourceRoutes"]

_FOUND = "nbserve.resource"


class ResourceRoutes(BaseRoute):
    """The routes that resources declare, below the names of their endpoints. Thread-safe; a look-up takes no lock."""

    def __init__(self) -> None:
        self._mounted: dict[str, Mounted] = {}
        self._lock = threading.Lock()

    def put(self, endpoint_name: str, resource: ModelResource) -> None:
        """Answer for the resource from now on. Raises `ModelRefused`, and changes nothing then."""
        mounted = Mounted(endpoint_name, resource)
        self._replace(endpoint_name, mounted)

    def remove(self, endpoint_name: str) -> None:
        """Answer no more; that there was no resource is no error."""
        self._replace(endpoint_name, None)

    def of(self, endpoint_names: Iterable[str]) -> list[ResourceRoute]:
        """The routes of these endpoints."""
        mounted = self._mounted
        return [route for name in endpoint_names if name in mounted for route in mounted[name].routes]

    def answers(self, scope: Scope) -> bool:
        """Whether one of the routes is for this request."""
        return self.matches(scope)[0] is Match.FULL

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http":
            return Match.NONE, {}
        name, _, rest = scope["path"].lstrip("/").partition("/")
        mounted = self._mounted.get(name)
        if mounted is None:
            return Match.NONE, {}
        allowed: set[str] = set()
        served = _served(scope, name)
        for route in mounted.routes:
            if route.own.is_guess and not _may_have(served, route.own.attribute):
                continue
            match, child = route.matches(scope)
            if match is Match.FULL:
                return match, {**child, _FOUND: (mounted, route)}
            if match is Match.PARTIAL:
                allowed |= route.verbs
        if not allowed:
            return Match.NONE, {}
        shown = {"DELETE", "GET", "HEAD"} if not rest else set()  # the endpoint's page
        return Match.PARTIAL, {_FOUND: sorted(allowed | shown)}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = scope.pop(_FOUND)
        if isinstance(found, list):
            raise MethodNotAllowed(
                f"{scope['method']} is not answered here.", f"Use {' or '.join(found)}.", allowed=found
            )
        mounted, route = found
        name = scope["path"].lstrip("/").partition("/")[0]
        served = _served(scope, name)
        if route.own.is_guess and served is not None:
            await _check_has(served, route.own.attribute)
        log = served.log if served is not None else getattr(scope["app"].state, "log", None) or Log()
        await mounted.answer(route, log, scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """A route of a resource is called ``endpoint:name``."""
        endpoint, _, own_name = name.partition(":")
        for route in self.of([endpoint]):
            if route.name == own_name and set(route.param_convertors) == set(path_params):
                return route.url_path_for(own_name, **path_params)
        raise NoMatchFound(name, path_params)

    def _replace(self, name: str, mounted: Mounted | None) -> None:
        with self._lock:
            before = self._mounted.get(name)
            others = {other: each for other, each in self._mounted.items() if other != name}
            self._mounted = others if mounted is None else {**others, name: mounted}
        if before is not None:
            before.retire()


def _served(scope: Scope, name: str) -> Served | None:
    registry = getattr(scope["app"].state, "registry", None) if "app" in scope else None
    return None if registry is None else registry.get(name)


def _may_have(served: Served | None, method: str) -> bool:
    return served is not None and (not served.is_described or served.profile.signature(method) is not None)


async def _check_has(served: Served, method: str) -> None:
    """Raises `NotFound` where the model turns out to have no such method for the resource's to take the place of."""
    await served.described()
    if served.profile.signature(method) is None:
        known = list(served.methods)
        raise NotFound(f"{served.name} has no method {method!r}.", f"It has {', '.join(known)}." if known else "")
