"""The owner's routes to the links of an endpoint: make one, list them, revoke one."""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from ..errors import BodyError, SharingOff, TokenRefused
from .asgi import header
from .routes import Endpoint, EndpointRoute, grant_of
from .threads import in_thread

__all__ = ["Links", "link_routes"]


class Links(Protocol):
    """Who makes links to endpoints. Raises `NbserveError`s."""

    def share(self, name: str, origin: str = "", /, **given: Any) -> dict[str, Any]:
        """A new link, with its token; `origin` is where its maker has found the Jupyter server."""
        ...

    def shares(self, name: str | None = None) -> list[dict[str, Any]]: ...

    def revoke(self, share_id: str, name: str | None = None) -> list[dict[str, Any]]:
        """The link opens nothing any more. Raises `NotFound` when `name` has no such link."""
        ...


link_routes = APIRouter(route_class=EndpointRoute, include_in_schema=False)


@link_routes.api_route("/{name}/shares/", methods=["GET", "POST"], response_model=None)
async def shares(served: Endpoint, request: Request) -> Response:
    links = _links(request, served.name)
    if request.method != "POST":
        return await in_thread(served, lambda: JSONResponse({"shares": links.shares(served.name)}))
    given = _terms(await request.body())
    made = partial(links.share, served.name, _origin(request), **given)
    return await in_thread(served, lambda: JSONResponse(made(), 201))


@link_routes.delete("/{name}/shares/{share_id}/", response_model=None)
async def revoke(served: Endpoint, share_id: str, request: Request) -> Response:
    links = _links(request, served.name)
    return await in_thread(served, lambda: JSONResponse({"revoked": links.revoke(share_id, served.name)}))


def _links(request: Request, name: str) -> Links:
    """Raises `TokenRefused` unless the owner asks, and `SharingOff` where nobody makes links."""
    if not grant_of(request).owns(name):
        raise TokenRefused("This token does not share endpoints.", "Share it in the notebook: %nbserve share NAME.")
    links: Links | None = request.app.state.links
    if links is None:
        raise SharingOff("Nothing makes links here.", "Serve it in a notebook of a Jupyter server.")
    return links


def _terms(sent: bytes) -> dict[str, Any]:
    """Raises `BodyError`."""
    try:
        given = orjson.loads(sent or b"{}")
    except orjson.JSONDecodeError as error:
        raise BodyError(f"The body is not JSON: {error}.", 'Send {"for": "2h"}, or nothing.') from None
    if not isinstance(given, dict):
        raise BodyError("The body is no object.", 'Send {"for": "2h"}, or nothing.')
    return given


def _origin(request: Request) -> str:
    """`https://hub.example`, as the Jupyter server was asked, where the request has come by it."""
    host, scheme = header(request.scope, b"x-forwarded-host"), header(request.scope, b"x-forwarded-proto")
    return f"{scheme}://{host}" if host and scheme in ("http", "https") else ""
