"""The extension of the Jupyter server: what the notebooks of this server serve, shown and passed on."""

from __future__ import annotations

import contextlib
import os
from typing import Any
from urllib.parse import urlsplit

from jupyter_server.extension.application import ExtensionApp
from traitlets import Enum, Float

from ..servers import SHARING, JupyterServer, announce_server, withdraw_server
from .activity import Watch
from .asking import Asking
from .endpoint import EndpointHandler, KernelAssetHandler
from .kernels import Kernels
from .overview import AssetHandler, HomeHandler, OverviewHandler
from .passes import Passes
from .share import ShareHandler

__all__ = ["NbserveExtension"]

KERNEL = r"/nbserve/e/[^/]*"
SHARE = r"/nbserve/s/[^/]*"
LEAST_LOOK_S = 1.0


class NbserveExtension(ExtensionApp):
    """Enabled by `jupyter-config/` when nbserve is installed."""

    name = "nbserve"
    extension_url = "/nbserve/"

    look_every_s = Float(
        60.0,
        min=LEAST_LOOK_S,
        help="Seconds between two looks at what endpoints were asked past this server, which is activity of their "
        "kernels. A third of MappingKernelManager.cull_idle_timeout where that is shorter.",
    ).tag(config=True)

    sharing = Enum(
        SHARING,
        "ask",
        help="Whether links to endpoints may be made for people who have no account here: 'on', 'off', or 'ask': when "
        "the user of this server has said so (%nbserve share NAME --allow), for as long as it runs.",
    ).tag(config=True)

    _announced: JupyterServer | None = None

    def initialize_handlers(self) -> None:
        assert self.serverapp is not None
        self._asking = Asking()
        self._kernels = Kernels(self.serverapp.kernel_manager, self.serverapp.web_app.settings)
        kernels: dict[str, Any] = {"kernels": self._kernels}
        self.handlers += [
            (r"/nbserve/?", OverviewHandler, {**kernels, "asking": self._asking}),
            (r"/nbserve/_pages/([\w.-]+)", AssetHandler),
            (rf"{KERNEL}/?", HomeHandler),
            (rf"{KERNEL}/docs/?", HomeHandler),
            (rf"{KERNEL}/_pages/.*", KernelAssetHandler, kernels),
            (rf"{KERNEL}/.*", EndpointHandler, {**kernels, "passes": Passes()}),
            (rf"{SHARE}(?:/.*)?", ShareHandler, kernels | {"is_sharing": self._is_sharing}),
        ]

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        await super()._start_jupyter_server_extension(serverapp)  # type: ignore[no-untyped-call]
        with contextlib.suppress(OSError):  # its kernels know no server that could answer a link
            self._announced = announce_server(
                serverapp.connection_url, _public_url(serverapp), serverapp.base_url, self.sharing
            )
        self._watch = Watch(self._kernels, self._asking, self._look_s())
        self._watch.start()

    async def stop_extension(self) -> None:
        withdraw_server()
        if hasattr(self, "_watch"):
            self._watch.stop()
        self._asking.close()

    def _is_sharing(self) -> bool:
        return self._announced is not None and self._announced.is_sharing

    def _look_s(self) -> float:
        assert self.serverapp is not None
        cull_s = getattr(self.serverapp.kernel_manager, "cull_idle_timeout", 0)
        return max(LEAST_LOOK_S, min(self.look_every_s, cull_s / 3)) if cull_s > 0 else self.look_every_s


def _public_url(serverapp: Any) -> str:
    """Where others find this server, if it was told: by its own setting, or by the hub that runs it. Else nothing."""
    for told in (serverapp.custom_display_url, os.environ.get("JUPYTERHUB_PUBLIC_URL", "")):
        parts = urlsplit(told or "")
        if parts.scheme in ("http", "https") and parts.netloc:
            return f"{parts.scheme}://{parts.netloc}{serverapp.base_url}"
    return ""
