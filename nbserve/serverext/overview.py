"""The page of all endpoints of all notebooks of this server, and the same as JSON."""

from __future__ import annotations

import json
from functools import lru_cache
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from jupyter_server.auth.decorator import allow_unauthenticated, authorized
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from tornado import web

from ..directory import Listing
from .asking import Asking
from .endpoint import AUTH_RESOURCE
from .kernels import Kernels
from .proxy import wants_page

__all__ = ["AssetHandler", "HomeHandler", "OverviewHandler"]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'self'; base-uri 'none'"
)

_MEDIA_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
_OWN = {name: name for name in ("endpoints.css", "endpoints.js", "share.css", "share.js", "sharing.js", "qr.js")} | {
    "qrcode.js": "qrcode/qrcode.js"
}
_VENDORED = {name: f"swagger-ui/{name}" for name in ("swagger-ui-bundle.js", "swagger-ui.css")}
"""Of the pages that kernels serve, like all scripts and styles beside it: read as files, since importing their package
would import the web floor."""

_TOLD = (
    "title",
    "version",
    "source",
    "state",
    "loaded",
    "reason",
    "memory",
    "last_used_s",
    "loading",
    "counters",
    "rate",
)
SILENT = "silent"
"""The state of an endpoint that does not answer: its kernel is stopped, or its model holds the interpreter."""


class OverviewHandler(APIHandler):
    """``GET {base}nbserve/``: what the kernels that this server runs serve."""

    auth_resource = AUTH_RESOURCE

    def initialize(self, kernels: Kernels, asking: Asking) -> None:
        self._kernels = kernels
        self._asking = asking

    @web.authenticated
    @authorized
    async def get(self) -> None:
        if wants_page(self.request):
            await self._show()
            return
        told = await self._asking.all(self._kernels.listed())
        await self.finish({"endpoints": [_entry(listing, of_it, self.base_url) for listing, of_it in told]})

    async def _show(self) -> None:
        self.xsrf_token  # noqa: B018 - asking for it sets the cookie that the page's buttons need
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Cache-Control", "no-store")
        text = files(__package__).joinpath("pages/endpoints.html").read_text(encoding="utf-8")
        page = Template(text).substitute(base=escape(self.base_url))
        await self.finish(page, set_content_type="text/html; charset=utf-8")

    def get_login_url(self) -> str:
        """A browser is sent to log in, where a program is refused."""
        return JupyterHandler.get_login_url(self) if wants_page(self.request) else super().get_login_url()


class HomeHandler(JupyterHandler):
    """What an endpoint's pages link to as the list of all: it is this server's."""

    @web.authenticated
    def get(self, *_: str) -> None:
        self.redirect(f"{self.base_url}nbserve/")


class AssetHandler(JupyterHandler):
    """``{base}nbserve/_pages/{file}``: scripts and styles of the page; the same for everybody."""

    async def prepare(self) -> None:  # type: ignore[override]  # it may not be awaited there, and is
        """Nobody is asked who he is, as long as he asks this server."""
        if not self.check_host():
            raise web.HTTPError(403)

    @allow_unauthenticated
    def get(self, name: str) -> None:
        found = _asset(name)
        if found is None:
            raise web.HTTPError(404)
        self.set_header("Content-Type", _MEDIA_TYPES[Path(name).suffix])
        self.set_header("Cache-Control", "no-cache")
        self.set_header("Access-Control-Allow-Origin", "*")  # a page in a sandbox is of no origin
        self.finish(found)


@lru_cache(maxsize=64)
def _asset(name: str) -> bytes | None:
    if name in _OWN:
        return files(__package__).joinpath("pages", _OWN[name]).read_bytes()
    shared = Path(__file__).parents[1].joinpath("web", "pages", _VENDORED.get(name, name))
    return shared.read_bytes() if shared.suffix in _MEDIA_TYPES and shared.is_file() else None


def _entry(listing: Listing, told: dict[str, Any] | None, base: str) -> dict[str, Any]:
    """What is told of an endpoint: never its key."""
    told = told or {"state": SILENT}
    return {
        "name": listing.name,
        "url": listing.url,
        "path": f"{base}nbserve/e/{listing.kernel_id}/{listing.name}/",
        "kernel_id": listing.kernel_id,
        "notebook": listing.notebook,
        **{word: json.loads(json.dumps(told.get(word))) for word in _TOLD},
    }
