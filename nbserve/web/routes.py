"""Every route that is not a model's method."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.routing import APIRoute
from starlette.routing import Match

from ..core.codecs import to_plain
from ..core.registry import Registry
from ..core.served import Served
from ..errors import NotFound, TokenRefused
from . import pages
from .access import Grant
from .answers import Captured, Exchange, Health, Metadata, Ready, Stopped, Unloaded, Unloading
from .asgi import Scope, wants_page
from .meters import Meter
from .openapi import describe, describe_one
from .shown import described_by, shown_by
from .threads import in_thread
from .tickets import give_up, result_of

__all__ = [
    "PAGE_HEADERS",
    "Endpoint",
    "EndpointRoute",
    "endpoint_routes",
    "grant_of",
    "is_listing",
    "is_public",
    "session_routes",
]

PAGE_HEADERS = {
    "content-security-policy": pages.CONTENT_SECURITY_POLICY,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


class SessionRoute(APIRoute):
    """A route that answers with and without the last slash, and HEAD as it does GET."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        if self.methods is not None and "GET" in self.methods:
            self.methods.add("HEAD")

    def matches(self, scope: Any) -> tuple[Match, Any]:
        if scope["type"] == "http":
            last = "/" if self.path.endswith("/") else ""
            scope = {**scope, "path": scope["path"].rstrip("/") + last}
        return super().matches(scope)


class EndpointRoute(SessionRoute):
    """A route below an endpoint's name: it exists for the names that are served, and where nothing replaces it.

    Any other first part of a path is left to the routes that users add.
    """

    def matches(self, scope: Any) -> tuple[Match, Any]:
        match, child = super().matches(scope)
        if match is Match.NONE:
            return match, child
        served = scope["app"].state.registry.get(child["path_params"]["name"])
        if served is None or self.path.split("/")[2] in served.replaced:
            return Match.NONE, {}
        return match, child


async def _served(name: str, request: Request) -> Served:
    registry: Registry = request.app.state.registry
    return registry[name]


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", "")).rstrip("/")


def grant_of(request: Request) -> Grant:
    """What the request's token allows, as the door has found."""
    grant: Grant = request.scope["nbserve.grant"]
    return grant


def _page_token(served: Served, request: Request) -> str:
    """The token that a page calls with when its address has none; only the owner's proxy may give it one."""
    given = request.scope.get("nbserve.x-nbserve-page-token")
    return str(given) if given is not None and grant_of(request).owns(served.name) else ""


def _page(text: str) -> HTMLResponse:
    return HTMLResponse(text, headers=PAGE_HEADERS)


Endpoint = Annotated[Served, Depends(_served)]

endpoint_routes = APIRouter(route_class=EndpointRoute, include_in_schema=False)


@endpoint_routes.api_route("/{name}/", methods=["GET", "DELETE"], response_model=None)
async def show(served: Endpoint, request: Request) -> Response:
    if request.method == "DELETE":
        return await _stop(served, request)
    grant = grant_of(request)
    if not wants_page(request.scope):
        return await in_thread(served, lambda: JSONResponse(_view(served, grant)))
    drawn = partial(pages.endpoint_page, root=_root(request), token=_page_token(served, request))
    return await in_thread(served, lambda: _page(drawn(_view(served, grant))))


@endpoint_routes.get("/{name}/docs/", response_model=None)
async def endpoint_docs(served: Endpoint, request: Request) -> Response:
    """The documentation of one endpoint alone, as `/docs` is of all."""
    title = f"{served.name} · {request.app.title}"
    page = pages.docs_page(root=_root(request), title=title, name=served.name, token=_page_token(served, request))
    return _page(page)


@endpoint_routes.get("/{name}/openapi.json", response_model=None)
async def endpoint_openapi(served: Endpoint, request: Request) -> Response:
    described = partial(describe_one, request.app, served, _root(request))
    meter = grant_of(request).meter
    return await in_thread(served, lambda: JSONResponse(described_by(described(), served.name, meter)))


@endpoint_routes.get("/{name}/inspect/", response_model=None)
async def inspect(served: Endpoint) -> Response:
    return await in_thread(served, lambda: JSONResponse(to_plain(served.inspect())), waits=True)


@endpoint_routes.get("/{name}/metadata/")
async def metadata(served: Endpoint, request: Request) -> Metadata:
    return await in_thread(served, partial(_metadata, served, grant_of(request).meter))


@endpoint_routes.post("/{name}/load/")
async def load(served: Endpoint) -> Metadata:
    await in_thread(served, served.load, waits=True)
    return await in_thread(served, partial(_metadata, served))


@endpoint_routes.post("/{name}/unload/")
async def unload(served: Endpoint, request: Request, asked: Unloading | None = None) -> Unloaded:
    """The notebook's own variables are let go of for their owner only."""
    forget = asked is not None and asked.forget
    if forget and not grant_of(request).owns(served.name):
        raise TokenRefused("This token does not reach into the notebook.", "Leave 'forget' away.")
    return Unloaded(**(await in_thread(served, partial(served.unload, forget=forget), waits=True)).to_dict())


@endpoint_routes.get("/{name}/traffic/")
async def traffic(served: Endpoint, request: Request) -> Captured:
    _refuse_visitors(served, request)
    return await in_thread(served, lambda: Captured(**served.captured()))


@endpoint_routes.get("/{name}/traffic/{ident}/")
async def exchange(served: Endpoint, ident: str, request: Request) -> Exchange:
    _refuse_visitors(served, request)
    return await in_thread(served, lambda: Exchange(**served.exchange(ident)))


def _refuse_visitors(served: Served, request: Request) -> None:
    """What others have asked is the owner's to see. Raises `TokenRefused`."""
    if not grant_of(request).owns(served.name):
        raise TokenRefused(
            "This token does not show the traffic.", "Look at it in the notebook: %nbserve traffic NAME."
        )


@endpoint_routes.api_route("/{name}/result/{ticket}/", methods=["GET", "DELETE"], response_model=None)
async def result(served: Endpoint, ticket: str, request: Request) -> Response:
    if request.method == "DELETE":
        return JSONResponse(give_up(served, ticket, request.scope))
    reply, kept = await result_of(served, ticket, request.scope)
    headers = {name.decode(): text.decode("latin-1") for name, text in reply.headers}
    headers |= {"content-type": reply.content_type.decode(), "cache-control": "no-store", **kept}
    return Response(reply.body, reply.status, headers)


async def _stop(served: Served, request: Request) -> Response:
    """Serve it no more. Who has called it already is answered."""
    if not grant_of(request).owns(served.name):
        raise TokenRefused("This token does not stop endpoints.", "Stop it in the notebook: %unserve NAME.")
    await in_thread(served, partial(request.app.state.stop, served.name), waits=True)
    return JSONResponse(Stopped(name=served.name, stopped=True).model_dump())


def _view(served: Served, grant: Grant) -> dict[str, Any]:
    told = {**served.metadata(), "replaced": sorted(served.replaced), "model": served.profile.to_dict()}
    return shown_by(told, grant.meter)


def _metadata(served: Served, meter: Meter | None = None) -> Metadata:
    return Metadata(**shown_by(served.metadata(), meter))


session_routes = APIRouter(route_class=SessionRoute, include_in_schema=False)


@session_routes.get("/", response_model=None)
def index(request: Request) -> Response:
    grant = grant_of(request)
    registry: Registry = request.app.state.registry
    views = [_view(each, grant) for each in registry if grant.covers(each.name)]
    if wants_page(request.scope):
        return _page(pages.index_page(views, root=_root(request)))
    told = [{key: value for key, value in view.items() if key not in ("model", "replaced")} for view in views]
    return JSONResponse({"endpoints": told})


@session_routes.get("/health")
async def health() -> Health:
    return Health(status="ok")


@session_routes.get("/ready", response_model=None)
async def ready(request: Request) -> Response:
    """503 while an endpoint cannot answer: it failed to load, or a program has not yet served all that it is to."""
    registry: Registry = request.app.state.registry
    is_opening: bool = request.app.state.is_opening
    is_ready = not is_opening and all(each.component.state != "failed" for each in registry)
    return JSONResponse(Ready(ready=is_ready, endpoints=len(registry)).model_dump(), 200 if is_ready else 503)


@session_routes.get("/docs", response_model=None)
async def docs(request: Request) -> Response:
    page = pages.docs_page(root=_root(request), title=request.app.title)
    return _page(page)


@session_routes.get("/openapi.json", response_model=None)
def openapi(request: Request) -> Response:
    grant = grant_of(request)
    registry: Registry = request.app.state.registry
    document = describe(request.app, [each for each in registry if grant.covers(each.name)], _root(request))
    return JSONResponse(document)


@session_routes.get("/_pages/{file:path}", response_model=None)
async def asset(file: str) -> Response:
    found = pages.asset(file)
    if found is None:
        raise NotFound(f"There is no {file!r} here.")
    headers = {"cache-control": "no-cache", "x-content-type-options": "nosniff"}
    return Response(found[0], media_type=found[1], headers=headers)


def is_listing(scope: Scope) -> bool:
    """Whether a path is one of the pages that show what the caller may see."""
    return str(scope["path"]).rstrip("/") in ("", "/docs", "/openapi.json")


def is_public(scope: Scope) -> bool:
    """Whether a path says nothing about any model, and so needs no token to be looked at."""
    path: str = scope["path"]
    if scope["method"] not in ("GET", "HEAD"):
        return False
    return path.rstrip("/") in ("/health", "/ready", "/favicon.ico") or path.startswith("/_pages/")
