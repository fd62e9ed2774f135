"""Files → models: a table of formats, each with a way to tell it, to read it, and to look at it without reading it."""

from __future__ import annotations

from .classes import maker_of
from .loader import Loaded, Loader, Progress
from .mlflow import EXAMPLE, example_of
from .registered import register_loader, unregister_loader
from .sniffing import no_such_file
from .table import LOADERS, find_loader, load, peek, suffixes, untrusted

__all__ = [
    "EXAMPLE",
    "LOADERS",
    "Loaded",
    "Loader",
    "Progress",
    "example_of",
    "find_loader",
    "load",
    "maker_of",
    "no_such_file",
    "peek",
    "register_loader",
    "suffixes",
    "unregister_loader",
    "untrusted",
]
