"""The FastAPI application that users add to while it serves."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.params import Depends
from fastapi.routing import APIRoute
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Match, NoMatchFound

from ..errors import NbserveError
from .asgi import App, Receive, Scope, Send

__all__ = ["Application", "Guard", "asking_route"]

METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]

Handler = Callable[[Request, Exception], Response | Awaitable[Response]]


class Application(FastAPI):
    """Takes middleware, exception handlers and dependencies at any time, and has them in force with the next request.

    The user's middleware is around the door, and not around the routes alone: it sees every request, those for models
    and those that are refused, too. While there is none, and no dependency or handler that predictions are subject to
    (`is_plain`), nobody pays for it.
    """

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self.around: App | None = None
        self.users_errors: tuple[type[NbserveError], ...] = ()
        self._ours: dict[Any, Any] = {}
        self._turn = threading.RLock()

    def complete(self) -> None:
        """What was added so far is ours, and what comes is the user's."""
        self._ours = dict(self.exception_handlers)
        self.middleware_stack = self.build_middleware_stack()

    @property
    def is_plain(self) -> bool:
        return self.around is None and not self.users_errors and not self.router.dependencies

    def add_middleware(self, middleware_class: Any, *args: Any, **kwargs: Any) -> None:
        """Put it around all that there is; instances of what was added before are made anew."""
        with self._turn:
            wanted = [Middleware(middleware_class, *args, **kwargs), *self.user_middleware]
            around: Any = _inside
            for cls, positional, named in reversed(wanted):
                around = cls(around, *positional, **named)
            self.user_middleware, self.around = wanted, around

    def add_exception_handler(self, exc_class_or_status_code: Any, handler: Any) -> None:
        with self._turn:
            super().add_exception_handler(exc_class_or_status_code, handler)
            if self.middleware_stack is not None:
                self.middleware_stack = self.build_middleware_stack()
            kinds = (kind for kind, each in self.exception_handlers.items() if self._ours.get(kind) is not each)
            if self._ours:
                self.users_errors = tuple(filter(_is_error_of_ours, kinds))

    def build_middleware_stack(self) -> Any:
        """Of what is inside the door: the user's is not."""
        with self._turn:
            users, self.user_middleware = self.user_middleware, []
            try:
                return super().build_middleware_stack()
            finally:
                self.user_middleware = users

    async def answer_for(self, error: NbserveError, request: Request) -> Response | None:
        """What the user's own handler makes of the error; None where there is none."""
        if not isinstance(error, self.users_errors):
            return None
        found: Handler = next(each for kind in type(error).__mro__ if (each := self.exception_handlers.get(kind)))
        if inspect.iscoroutinefunction(found):
            response: Response = await found(request, error)
            return response
        return await run_in_threadpool(found, request, error)  # type: ignore[arg-type]


def _is_error_of_ours(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, NbserveError)


async def _inside(scope: Scope, receive: Receive, send: Send) -> None:
    """What the user's middleware is around: the door that the request has come in by."""
    await scope["nbserve.inside"](scope, receive, send)


class Guard(BaseRoute):
    """Asks the dependencies of the whole application before it lets a request below an endpoint's name go on.

    `scope["nbserve.onward"]` is where to; without it there is nothing to guard.
    """

    def __init__(self) -> None:
        self._made: tuple[list[Depends], APIRoute] | None = None

    def matches(self, scope: Any) -> tuple[Match, Any]:
        return (Match.FULL, {}) if "nbserve.onward" in scope else (Match.NONE, {})

    def url_path_for(self, name: str, /, **path_params: Any) -> Any:
        """It has no path of its own."""
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        scope["nbserve.then"] = scope.pop("nbserve.onward")
        route = self._route_for(scope["app"].router.dependencies)
        _, child = route.matches(scope)
        scope.update(child)
        await route.app(scope, receive, send)

    def _route_for(self, dependencies: list[Depends]) -> APIRoute:
        made = self._made
        if made is None or made[0] != dependencies:
            made = self._made = (list(dependencies), asking_route(dependencies, METHODS))
        return made[1]


def asking_route(dependencies: list[Depends], methods: list[str]) -> APIRoute:
    """The route that FastAPI makes of these dependencies and nothing else."""
    return APIRoute("/{path:path}", _let_on, dependencies=dependencies, methods=methods, response_model=None)


async def _let_on(request: Request) -> Response:
    return _Onward(request)


class _Onward(Response):
    """In place of a response: whatever comes next answers."""

    def __init__(self, request: Request) -> None:
        super().__init__()
        self._request = request

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        for key in ("endpoint", "route", "path_params"):
            scope.pop(key, None)
        await scope["nbserve.then"](scope, self._replayed(receive), send)

    def _replayed(self, receive: Any) -> Any:
        """A dependency may have read the body."""
        body = getattr(self._request, "_body", None)
        if body is None:
            return receive
        waiting = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Any:
            return waiting.pop() if waiting else await receive()

        return again
