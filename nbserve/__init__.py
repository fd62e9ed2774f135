"""Serve the model in your notebook with one line: ``%serve model``.

Importing this imports nothing heavy: each public name is fetched when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .errors import NbserveError
    from .notebook.calls import endpoints, get, serve, stop_all
    from .notebook.handle import Endpoint
    from .notebook.magics import load_ipython_extension, unload_ipython_extension

__all__ = [
    "Endpoint",
    "NbserveError",
    "__version__",
    "endpoints",
    "get",
    "load_ipython_extension",
    "serve",
    "stop_all",
    "unload_ipython_extension",
]

_HOMES = {
    "Endpoint": ".notebook.handle",
    "NbserveError": ".errors",
    "endpoints": ".notebook.calls",
    "get": ".notebook.calls",
    "load_ipython_extension": ".notebook.magics",
    "serve": ".notebook.calls",
    "stop_all": ".notebook.calls",
    "unload_ipython_extension": ".notebook.magics",
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
