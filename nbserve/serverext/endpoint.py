"""An endpoint through the Jupyter server, for whoever is logged in there."""

from __future__ import annotations

import re
from functools import partial
from typing import Any
from urllib.parse import urlunsplit

from jupyter_core.utils import ensure_async
from jupyter_server.auth.utils import HTTP_METHOD_TO_AUTH_ACTION
from tornado import web

from ..directory import Listing
from ..errors import AccessError, NotFound, TokenRefused
from ..parts import WATCHED, part_of
from .kernels import Kernels
from .passes import Passes
from .passing import Way, query_without
from .proxy import Answer, ProxiedHandler, wants_page

__all__ = ["AUTH_RESOURCE", "EndpointHandler", "KernelAssetHandler", "is_watching"]

AUTH_RESOURCE = "nbserve"

_NUMBER = re.compile(r"[0-9a-f]{32}")


def is_watching(verb: str | None, path: str) -> bool:
    """To look at an endpoint's page, and at what it does, is no use of it."""
    return verb in ("GET", "HEAD") and part_of(path) in {"", *WATCHED}


class EndpointHandler(ProxiedHandler):
    """``{base}nbserve/e/{kernel_id}/{name}/…``

    The Jupyter way: authenticated, authorized for `nbserve`, with a XSRF check of what comes with a cookie. The
    endpoint's own pages run in a sandbox, without cookies, and come with a pass.
    """

    auth_resource = AUTH_RESOURCE

    def initialize(self, kernels: Kernels, passes: Passes) -> None:
        self._kernels = kernels
        self._passes = passes
        self._used = ""

    async def admit(self) -> Way | Answer:
        kernel_id, name, path = self._parts()
        if self.is_preflight():
            return self.answer_preflight
        token = self.bearer()
        if self._passes.is_one(token):
            listing = self._admit_page(token, kernel_id, name)
            user = self._passes.user(token)
        else:
            elsewhere = await self._admit_user()
            if elsewhere is not None:
                return elsewhere
            listing = self._listing(kernel_id, name)
            user = _name_of(self.current_user)
        page_token = await self._page_token(listing) if wants_page(self.request) else ""
        if not is_watching(self.request.method, path):
            self._used = kernel_id
            self._kernels.begin_use(kernel_id)
        return Way(listing, path, self._prefix(kernel_id), page_token, user=user)

    def on_end(self) -> None:
        if self._used:
            self._kernels.end_use(self._used)
            self._used = ""

    def _admit_page(self, token: str, kernel_id: str, name: str) -> Listing:
        """Raises `AccessError`, or `NotFound`."""
        self.is_for_any_origin = True
        self.set_default_headers()
        if not self.check_host():
            raise AccessError("This server is not to be asked under that name.")
        listing = self._listing(kernel_id, name)
        if self._action() not in self._passes.actions(token, listing):
            raise TokenRefused("The page's token does not open this, or not any more.", "Reload the page.")
        return listing

    async def _admit_user(self) -> Answer | None:
        """None if there is a user, who may; else where his browser is sent. Raises as `admit` does."""
        try:
            await super(ProxiedHandler, self).prepare()
        except web.HTTPError:  # the cookie that comes with a user's XSRF token is missed first
            if self.current_user:
                raise
        if not self.current_user:
            if not wants_page(self.request):
                raise AccessError("This is for users of this Jupyter server.", "Send its token, or log in.")
            return partial(web.authenticated(_nothing), self)
        if not self.check_origin():
            raise AccessError("This is not answered to pages of another origin.")
        if not await self._may(self._action()):
            raise AccessError(f"You may not {self._action()} what is served here.")
        if wants_page(self.request) and "token" in self.request.query_arguments:
            # the pages read their address: there they must not find what opens the whole Jupyter server
            address = urlunsplit(("", "", self.request.path, query_without(self.request.query), ""))
            return partial(self.redirect, address)
        return None

    async def _may(self, action: str) -> bool:
        user = self.current_user
        return bool(await ensure_async(self.authorizer.is_authorized(self, user, action, self.auth_resource)))

    async def _page_token(self, listing: Listing) -> str:
        """For a page that may come back: it may do what its user may."""
        if self.is_for_any_origin:
            return ""
        allowed = [action for action in ("read", "write") if await self._may(action)]
        return self._passes.issue(listing, allowed, _name_of(self.current_user))

    def _action(self) -> str:
        return str(HTTP_METHOD_TO_AUTH_ACTION[str(self.request.method)])

    def _listing(self, kernel_id: str, name: str) -> Listing:
        """Raises `NotFound`."""
        listing = self._kernels.find(kernel_id, name)
        if listing is None:
            raise NotFound(
                "Nothing is served here, or not any more.",
                f"Run the notebook's cell with %serve again; {self.base_url}nbserve/ lists what is served.",
            )
        return listing

    def _parts(self) -> tuple[str, str, str]:
        """Kernel, name, and the path in the kernel: all as they were sent, so that nothing is read in two ways."""
        below = self.request.path.removeprefix(f"{self.base_url}nbserve/e/")
        kernel_id, _, path = below.partition("/")
        return kernel_id, path.partition("/")[0], f"/{path}"

    def _prefix(self, kernel_id: str) -> str:
        return f"{self.base_url}nbserve/e/{kernel_id}"


class KernelAssetHandler(ProxiedHandler):
    """``{base}nbserve/e/{kernel_id}/_pages/{file}``: scripts and styles of an endpoint's pages.

    They are for everybody, in the kernel and here: a page in a sandbox fetches its scripts without a cookie, and they
    are the same for all models.
    """

    is_for_any_origin = True

    def initialize(self, kernels: Kernels) -> None:
        self._kernels = kernels

    async def admit(self) -> Way:
        kernel_id, _, path = self.request.path.removeprefix(f"{self.base_url}nbserve/e/").partition("/")
        if not self.check_host():
            raise AccessError("This server is not to be asked under that name.")
        listing = self._kernels.any_of(kernel_id) if self.request.method in ("GET", "HEAD") else None
        if listing is None:
            raise NotFound("There is nothing here.")
        return Way(listing, f"/{path}", f"{self.base_url}nbserve/e/{kernel_id}", has_key=False)


def _name_of(user: Any) -> str:
    """What a user is called; who has no account, and so a number in place of a name, as Jupyter shows him."""
    name = str(getattr(user, "username", ""))
    return str(getattr(user, "display_name", "") or name) if _NUMBER.fullmatch(name) else name


def _nothing(_: Any) -> None:
    """What is left to do for somebody who is logged in."""
