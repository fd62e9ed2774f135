"""The extension of the Jupyter server: what the notebooks of this server serve."""

from __future__ import annotations

from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.application import ExtensionApp
from tornado import web

from ..directory import Listing, listings

__all__ = ["NbserveExtension"]


class NbserveExtension(ExtensionApp):
    """Enabled by `jupyter-config/` when nbserve is installed."""

    name = "nbserve"
    extension_url = "/nbserve/"

    def initialize_handlers(self) -> None:
        self.handlers.append((r"/nbserve/?", EndpointsHandler))


class EndpointsHandler(APIHandler):
    """``GET {base}nbserve/``: the endpoints of the kernels that this server runs."""

    auth_resource = "nbserve"

    @web.authenticated
    @authorized
    async def get(self) -> None:
        await self.finish({"endpoints": [_shown(each) for each in listings() if self._runs(each)]})

    def _runs(self, listing: Listing) -> bool:
        if listing.kernel_id not in self.kernel_manager:
            return False
        provisioner: Any = self.kernel_manager.get_kernel(listing.kernel_id).provisioner
        return getattr(provisioner, "pid", None) == listing.pid


def _shown(listing: Listing) -> dict[str, str]:
    return {
        "name": listing.name,
        "url": listing.url,
        "kernel_id": listing.kernel_id,
        "notebook": listing.notebook,
    }
