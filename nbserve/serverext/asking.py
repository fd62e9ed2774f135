"""What endpoints say of themselves: asked of all at once, with little patience."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

from tornado.httpclient import HTTPError
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from ..directory import Listing

__all__ = ["Asking"]

PATIENCE_S = 2.0
"""A kernel that is stopped, or whose model holds the interpreter, keeps no list waiting for longer."""
AT_ONCE = 32


class Asking:
    """Asks endpoints for their metadata."""

    def __init__(self) -> None:
        self._http: SimpleAsyncHTTPClient | None = None

    async def all(self, listings: Iterable[Listing]) -> list[tuple[Listing, dict[str, Any] | None]]:
        """What each of them tells, without loading anything; None where it tells nothing."""
        asked = list(listings)
        return list(zip(asked, await asyncio.gather(*map(self._metadata, asked)), strict=True))

    def close(self) -> None:
        if self._http is not None:
            self._http.close()

    async def _metadata(self, listing: Listing) -> dict[str, Any] | None:
        told = await self._get(listing, "metadata/")
        if told is None or not _is_metadata(told):  # a resource answers that itself: the page's data have it, too
            told = await self._get(listing, "") if told is not None else None
        return told if told is not None and _is_metadata(told) else None

    async def _get(self, listing: Listing, path: str) -> Any:
        """None when it does not answer."""
        headers = {"Authorization": f"Bearer {listing.key}", "Accept": "application/json"}
        try:
            answer = await self._client().fetch(
                listing.url + path, headers=headers, request_timeout=PATIENCE_S, follow_redirects=False
            )
            return json.loads(answer.body)
        except HTTPError as refused:
            return {} if refused.code < 599 else None
        except (OSError, ValueError):
            return None

    def _client(self) -> SimpleAsyncHTTPClient:
        """Made where it is used: it belongs to the event loop that runs there."""
        if self._http is None:
            self._http = SimpleAsyncHTTPClient(force_instance=True, max_clients=AT_ONCE)
        return self._http


def _is_metadata(told: Any) -> bool:
    return isinstance(told, dict) and isinstance(told.get("state"), str) and isinstance(told.get("counters"), dict)
