"""Notices that a caller has hung up, without a task that waits for it."""

from __future__ import annotations

import asyncio
from typing import Any

from ..errors import BodyIncomplete
from .asgi import Receive

__all__ = ["Hangup"]


class Hangup:
    """For the length of a block, the future is cancelled when the caller of a request whose body was read hangs up.

    `receive` then has one thing left to say, and what it waits for is looked at directly. The block raises
    `BodyIncomplete`.
    """

    def __init__(self, receive: Receive, future: asyncio.Future[Any]) -> None:
        self._future = future
        self._said: Any = receive()
        self._has_hung_up = False

    def __enter__(self) -> None:
        self._look()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._said.close()
        if self._has_hung_up and kind is asyncio.CancelledError:
            raise BodyIncomplete("The caller has hung up.") from None

    def _look(self, _: object = None) -> None:
        if self._future.done():
            return
        try:
            awaited = self._said.send(None)
        except StopIteration as end:
            self._has_hung_up = end.value["type"] == "http.disconnect"
            if self._has_hung_up:
                self._future.cancel()
        except RuntimeError:  # it has ended, or runs already: nothing is to be learned
            return
        else:
            if isinstance(awaited, asyncio.Future):
                awaited.add_done_callback(self._look)
