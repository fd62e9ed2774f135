"""Parts of an endpoint's address, ``/{name}/{part}/``, that mean the same wherever requests are let in or counted."""

from __future__ import annotations

__all__ = ["CLOSED", "LOOKING", "WATCHED", "part_of"]

CLOSED = frozenset({"load", "unload", "shares", "traffic"})
"""They are its owner's: no share opens them."""

LOOKING = frozenset({"", "metadata", "docs", "openapi.json"})
"""Every share opens them, and that is no use of it: what the page of an endpoint shows."""

WATCHED = frozenset({"metadata", "shares", "traffic"})
"""What pages, cards and the Jupyter server ask for again and again: that is no traffic, and no use of the kernel."""


def part_of(path: str) -> str:
    """All behind the name, without a last slash; empty for the endpoint's page."""
    return path.lstrip("/").partition("/")[2].removesuffix("/")
