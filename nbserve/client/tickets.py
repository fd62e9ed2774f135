"""A prediction that was asked for and is fetched later, by either client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from .plans import Plan, Plans

__all__ = ["AsyncTicket", "Ticket"]


class Ticket:
    """A prediction that goes on while its caller does something else. It keeps what it was asked with.

    It belongs to the token that the client asks with.
    """

    def __init__(self, run: Callable[[Plan[Any]], Any], plans: Plans, ticket_id: str, given: Mapping[str, Any]) -> None:
        self.id = ticket_id
        self._run = run
        self._plans = plans
        self._given = given

    def result(self, timeout: float | None = None) -> Any:
        """What the call would have answered, waited for. Raises `ResultPending` after `timeout` seconds."""
        return self._run(self._plans.result(self.id, self._given, timeout))

    def cancel(self) -> bool:
        """Take it back; whether there was no result yet."""
        return bool(self._run(self._plans.cancel(self.id)))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"


class AsyncTicket:
    """The same as `Ticket`, to be awaited."""

    def __init__(
        self, run: Callable[[Plan[Any]], Awaitable[Any]], plans: Plans, ticket_id: str, given: Mapping[str, Any]
    ) -> None:
        self.id = ticket_id
        self._run = run
        self._plans = plans
        self._given = given

    async def result(self, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - as in Ticket
        """What the call would have answered, waited for. Raises `ResultPending` after `timeout` seconds."""
        return await self._run(self._plans.result(self.id, self._given, timeout))

    async def cancel(self) -> bool:
        """Take it back; whether there was no result yet."""
        return bool(await self._run(self._plans.cancel(self.id)))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"
