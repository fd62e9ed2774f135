"""The FastAPI application that users add to while it serves."""

from __future__ import annotations

import inspect
import threading
import traceback
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.params import Depends
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Match, NoMatchFound

from ..errors import ModelError, NbserveError
from .answers import error_body
from .asgi import App, Receive, Scope, Send
from .replacing import answers_of, defined_anew, replaced

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
        self._own_routes: tuple[BaseRoute, ...] = ()
        self._turn = threading.RLock()

    def complete(self) -> None:
        """What was added so far is ours, and what comes is the user's."""
        self._ours = dict(self.exception_handlers)
        self._own_routes = tuple(self.router.routes)
        # `@app.get` and its like call it on the router, past the application's own method
        self.router.add_api_route = partial(self._add, self.router.add_api_route)  # type: ignore[method-assign]
        self.middleware_stack = self.build_middleware_stack()

    @property
    def is_plain(self) -> bool:
        return self.around is None and not self.users_errors and not self.router.dependencies

    @property
    def first_parts(self) -> frozenset[str]:
        """What the paths of all routes begin with."""
        paths = (path for route in self.routes for path, _ in answers_of(route))
        return frozenset(path.strip("/").partition("/")[0] for path in paths)

    def include_router(self, *given: Any, **options: Any) -> None:
        self._add(super().include_router, *given, **options)

    def mount(self, *given: Any, **options: Any) -> None:
        self._add(super().mount, *given, **options)

    def _add(self, add: Callable[..., Any], *given: Any, **options: Any) -> None:
        """A cell that is run again adds its routes again: the new ones answer, in the place of the old."""
        with self._turn:
            add(*given, **options)
            self.router.routes = replaced(self.router.routes, keep=self._own_routes)

    def add_middleware(self, middleware_class: Any, *args: Any, **kwargs: Any) -> None:
        """Put it around all that there is; instances of what was added before are made anew.

        What a cell that is run again defines anew takes the place of the old.
        """
        with self._turn:
            wanted = defined_anew(Middleware(middleware_class, *args, **kwargs), self.user_middleware)
            around: Any = _inside
            for cls, positional, named in reversed(wanted):
                around = cls(around, *positional, **named)
            self.user_middleware, self.around = wanted, around

    def add_exception_handler(self, exc_class_or_status_code: Any, handler: Any) -> None:
        if not _is_status(exc_class_or_status_code) and not _is_kind_of_error(exc_class_or_status_code):
            raise TypeError(f"{exc_class_or_status_code!r} is neither a class of exceptions nor a status.")
        if not callable(handler):
            raise TypeError(f"{handler!r} is no function of the request and the exception.")
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
        try:
            response: Any = await _handled(found, request, error)
        except Exception as failed:  # noqa: BLE001 - the user's own code
            self.state.log.write("".join(traceback.format_exception(failed)))
            told = ModelError(f"A handler of errors raised {type(failed).__name__}.", "The server's log has more.")
            response = JSONResponse(error_body(told, error.predict_id), 500)
        if error.predict_id is not None and isinstance(response, Response):
            response.headers.setdefault("x-predict-id", error.predict_id)
        return response  # type: ignore[no-any-return]  # what is none of a response, fails as in any application


async def _handled(handler: Handler, request: Request, error: Exception) -> Any:
    if inspect.iscoroutinefunction(handler):
        return await handler(request, error)
    return await run_in_threadpool(handler, request, error)


def _is_status(given: Any) -> bool:
    return isinstance(given, int) and not isinstance(given, bool)


def _is_kind_of_error(given: Any) -> bool:
    return isinstance(given, type) and issubclass(given, Exception)


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
