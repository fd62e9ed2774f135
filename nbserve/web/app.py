"""The FastAPI application of a session, and what its errors look like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException

from ..core.output import Log
from ..core.registry import Registry
from ..errors import (
    BodyError,
    Fault,
    InputError,
    MethodNotAllowed,
    ModelError,
    NbserveError,
    NotFound,
    nearest,
    shortened,
)
from . import pages
from .access import Grant
from .answers import STATUS, error_body, error_headers
from .application import Application, Guard
from .asgi import Scope, wants_page
from .links import Links, link_routes
from .resources import ResourceRoutes
from .routes import PAGE_HEADERS, endpoint_routes, session_routes

__all__ = ["create_app", "error_response", "middleware_failed", "route_failed"]

_WITHOUT_BODY = frozenset({204, 205, 304})


def create_app(
    registry: Registry,
    log: Log,
    resources: ResourceRoutes | None = None,
    *,
    stop: Callable[[str], None] | None = None,
    links: Links | None = None,
    title: str = "nbserve",
    version: str = "",
    description: str = "",
) -> Application:
    """The FastAPI application of everything but the models' methods; users add their own routes to it.

    `stop` serves an endpoint no more, and raises `NotFound`; `links` makes links to endpoints.
    """
    resources = ResourceRoutes() if resources is None else resources
    app = Application(
        title=title, version=version or "1", description=description, docs_url=None, redoc_url=None, openapi_url=None
    )
    app.state.registry = registry
    app.state.is_opening = False
    app.state.log = log
    app.state.resources = resources
    app.state.stop = stop or registry.remove
    app.state.links = links
    app.router.routes.append(Guard())
    app.include_router(session_routes)
    app.router.routes.append(resources)
    app.router.routes.extend((*endpoint_routes.routes, *link_routes.routes))
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)
    app.complete()
    return app


async def _respond(error: NbserveError, request: Request) -> Response:
    predict_id = request.scope.get("nbserve.predict_id")
    if predict_id is not None:
        error.predict_id = predict_id
    own: Response | None = await request.app.answer_for(error, request)
    shape = error_body(error, error.predict_id)
    return own or error_response(shape, STATUS[error.code], error_headers(error), request.scope)


def error_response(shape: dict[str, Any], status: int, headers: Mapping[str, str], scope: Scope) -> Response:
    """The page for a browser, the JSON for a program."""
    if not wants_page(scope):
        return JSONResponse(shape, status, headers)
    root = str(scope.get("root_path", "")).rstrip("/")
    if status == 401:
        text = pages.sign_in_page(root=root, problem=shape["error"])
    else:
        text = pages.error_page(shape, status, root=root)
    return HTMLResponse(text, status, PAGE_HEADERS | dict(headers))


async def _on_ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, NbserveError)
    return await _respond(error, request)


async def _on_http(request: Request, error: Exception) -> Response:
    """Starlette's and the user's own `HTTPException`, in the one shape."""
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, NbserveError):
        return await _respond(error.__cause__, request)
    headers = error.headers or {}
    if error.status_code == 404 and "endpoint" not in request.scope:  # no route was found
        return await _respond(_not_found(request), request)
    if error.status_code == 405 and "Allow" in headers:
        allowed = sorted(headers["Allow"].split(", "))
        problem, remedy = f"{request.method} is not answered here.", f"Use {' or '.join(allowed)}."
        return await _respond(MethodNotAllowed(problem, remedy, allowed=allowed), request)
    if error.status_code in _WITHOUT_BODY:
        return Response(None, error.status_code, headers)
    predict_id = request.scope.get("nbserve.predict_id")
    shape = error_body(NbserveError(str(error.detail)), predict_id) | {"code": f"http_{error.status_code}"}
    return error_response(shape, error.status_code, headers, request.scope)


async def _on_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [Fault(tuple(each["loc"]), str(each["msg"]), str(each["type"])) for each in error.errors()]
    kind = BodyError if any(fault.type == "json_invalid" for fault in faults) else InputError
    problem = f"{'.'.join(map(str, faults[0].loc))}: {faults[0].msg}." if faults else "The request is not valid."
    return await _respond(kind(problem, "See /docs for what is expected.", faults=faults), request)


async def _on_bug(request: Request, error: Exception) -> Response:
    return await _respond(route_failed(error), request)


def route_failed(error: BaseException) -> ModelError:
    return ModelError(f"The route raised {type(error).__name__}.", "The server's log has more.")


def middleware_failed(error: BaseException) -> ModelError:
    return ModelError(f"A middleware raised {type(error).__name__}.", "The server's log has more.")


def _not_found(request: Request) -> NotFound:
    """Names the nearest endpoint, of those that the caller may know, or the nearest method."""
    name, _, rest = request.scope["path"].lstrip("/").partition("/")
    served = request.app.state.registry.get(name)
    if served is None:
        grant: Grant | None = request.scope.get("nbserve.grant")
        known = [each.name for each in request.app.state.registry if grant is not None and grant.covers(each.name)]
        return NotFound(
            f"No endpoint is called {shortened(name)}.{nearest(name, known)}", "GET / lists what is served."
        )
    try:
        served.method(rest.rstrip("/"))
    except NotFound as error:
        return error
    return NotFound(f"There is nothing at {shortened(rest)}.", "GET /docs shows what there is.")


_HANDLERS = {
    NbserveError: _on_ours,
    HTTPException: _on_http,
    RequestValidationError: _on_validation,
    Exception: _on_bug,
}
