"""The kernel's own event loop, for async models that use what was made on it.

The only place where nest_asyncio is ever applied: when a cell, which runs on that loop, waits for such a model.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from ..errors import OptionError, ServerError

__all__ = ["KernelLoop"]

R = TypeVar("R")


class KernelLoop:
    """Runs coroutines on the kernel's loop: between its cells, and while one awaits."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    @classmethod
    def running(cls) -> KernelLoop | None:
        """That of the loop which runs in this thread, if one does."""
        try:
            return cls(asyncio.get_running_loop())
        except RuntimeError:
            return None

    @staticmethod
    def missing() -> OptionError:
        return OptionError("There is no kernel loop here.", "Use loop='own', or serve from a notebook.")

    def submit(self, coroutine: Coroutine[Any, Any, R]) -> Future[R]:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def retire(self) -> None:
        """The loop is the kernel's, and goes on."""

    def is_here(self) -> bool:
        """Whether the calling thread is the one that the loop runs in."""
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    def wait_here(self, future: Future[R]) -> R:
        """The future's result; the loop runs on meanwhile. Raises `ServerError` on a loop that cannot nest."""
        import nest_asyncio2

        try:
            nest_asyncio2.apply(self._loop)
        except ValueError as error:  # uvloop
            future.cancel()
            raise ServerError(
                f"This kernel's loop cannot wait for itself: {error}.", "Use 'await ep.async_predict(…)'."
            ) from None
        return self._loop.run_until_complete(asyncio.wrap_future(future, loop=self._loop))
