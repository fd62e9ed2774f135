"""Tells the Jupyter server what this kernel serves, where there is one."""

from __future__ import annotations

import contextlib
import os
import re
import sys

from ..directory import announce, withdraw

__all__ = ["announce_endpoint", "withdraw_endpoint"]


def announce_endpoint(name: str, url: str, key: str) -> None:
    """`key` lets the Jupyter server do with the endpoint what its owner may."""
    kernel_id = _kernel_id()
    if kernel_id is not None:
        notebook = os.environ.get("JPY_SESSION_NAME", "")
        with contextlib.suppress(OSError):  # the endpoint is served all the same; only the server's list lacks it
            announce(name, url, kernel_id, key, notebook)


def withdraw_endpoint(name: str) -> None:
    kernel_id = _kernel_id()
    if kernel_id is not None:
        with contextlib.suppress(OSError):
            withdraw(kernel_id, name)


def _kernel_id() -> str | None:
    """The id that the Jupyter server knows this kernel by; None outside a kernel."""
    connect = sys.modules.get("ipykernel.connect")
    if connect is None:
        return None
    try:
        found = re.match(r"kernel-(.+)\.json$", os.path.basename(connect.get_connection_file()))  # noqa: PTH119 - a str
    except RuntimeError:  # ipykernel was imported, but no kernel runs
        return None
    return None if found is None else found[1]
