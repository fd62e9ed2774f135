"""The two ends of an ASGI connection, reached from another event loop."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

from ..asgi import Receive, Send

__all__ = ["Bridge"]


class Bridge:
    """`receive` and `send` of the loop that makes this, for the application of another loop.

    A `receive` that is given up loses no message: whoever asks next gets it.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self._home = asyncio.get_running_loop()
        self._receive = receive
        self._send = send
        self._awaited: asyncio.Future[MutableMapping[str, Any]] | None = None

    async def receive(self) -> MutableMapping[str, Any]:
        if self._awaited is None:
            self._awaited = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._received(), self._home))
        message = await asyncio.shield(self._awaited)
        self._awaited = None
        return message

    async def send(self, message: MutableMapping[str, Any]) -> None:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._sent(message), self._home))

    def close(self) -> None:
        """Nothing more is asked for."""
        if self._awaited is not None:
            self._awaited.cancel()

    async def _received(self) -> MutableMapping[str, Any]:
        return await self._receive()

    async def _sent(self, message: MutableMapping[str, Any]) -> None:
        await self._send(message)
