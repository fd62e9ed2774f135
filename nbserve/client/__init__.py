"""How a program asks what is served: over HTTP, in its own types, synchronously or not."""

from __future__ import annotations

from .calls import AsyncClient, Client

__all__ = ["AsyncClient", "Client"]
