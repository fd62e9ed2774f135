"""Serve the model in your notebook with one line: ``%serve model``.

Importing this imports nothing heavy: each public name is fetched when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .client import AsyncClient, Client
    from .core.custom import Model, ModelComponent
    from .core.loaders import register_loader, unregister_loader
    from .errors import NbserveError
    from .making import make_app
    from .notebook.calls import endpoints, get, serve, stop_all
    from .notebook.handle import Endpoint
    from .notebook.loading import load
    from .notebook.magics import load_ipython_extension, unload_ipython_extension
    from .program import App, run
    from .web.resources import ModelResource, resource_method

__all__ = [
    "App",
    "AsyncClient",
    "Client",
    "Endpoint",
    "Model",
    "ModelComponent",
    "ModelResource",
    "NbserveError",
    "__version__",
    "endpoints",
    "get",
    "load",
    "load_ipython_extension",
    "make_app",
    "register_loader",
    "resource_method",
    "run",
    "serve",
    "stop_all",
    "unload_ipython_extension",
    "unregister_loader",
]

_HOMES = {
    "App": ".program",
    "AsyncClient": ".client",
    "Client": ".client",
    "Endpoint": ".notebook.handle",
    "Model": ".core.custom",
    "ModelComponent": ".core.custom",
    "ModelResource": ".web.resources",
    "NbserveError": ".errors",
    "endpoints": ".notebook.calls",
    "get": ".notebook.calls",
    "load": ".notebook.loading",
    "load_ipython_extension": ".notebook.magics",
    "make_app": ".making",
    "register_loader": ".core.loaders",
    "resource_method": ".web.resources",
    "run": ".program",
    "serve": ".notebook.calls",
    "stop_all": ".notebook.calls",
    "unload_ipython_extension": ".notebook.magics",
    "unregister_loader": ".core.loaders",
}


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from .serverext.extension import NbserveExtension

    return [{"module": "nbserve", "app": NbserveExtension}]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home, __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
