"""Tells the Jupyter server what this kernel serves, where there is one."""

from __future__ import annotations

import contextlib
import os
import re
import sys

from ..directory import announce, withdraw

__all__ = ["announce_endpoint", "kernel_id", "notebook", "withdraw_endpoint"]


def announce_endpoint(name: str, url: str, key: str) -> None:
    """`key` lets the Jupyter server do with the endpoint what its owner may."""
    kernel = kernel_id()
    if kernel is not None:
        with contextlib.suppress(OSError):  # the endpoint is served all the same; only the server's list lacks it
            announce(name, url, kernel, key, notebook())


def withdraw_endpoint(name: str) -> None:
    kernel = kernel_id()
    if kernel is not None:
        with contextlib.suppress(OSError):
            withdraw(kernel, name)


def notebook() -> str:
    """The path of the notebook that this kernel runs, as the Jupyter server has it; empty where there is none."""
    return os.environ.get("JPY_SESSION_NAME", "")


def kernel_id() -> str | None:
    """The id that the Jupyter server knows this kernel by; None outside a kernel."""
    connect = sys.modules.get("ipykernel.connect")
    if connect is None:
        return None
    try:
        found = re.match(r"kernel-(.+)\.json$", os.path.basename(connect.get_connection_file()))  # noqa: PTH119 - a str
    except RuntimeError:  # ipykernel was imported, but no kernel runs
        return None
    return None if found is None else found[1]
