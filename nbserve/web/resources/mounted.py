"""One endpoint's resource as it is served: its routes, and where they run."""

from __future__ import annotations

import asyncio
import inspect
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from fastapi.dependencies import models as fastapi_callables
from starlette.responses import Response, StreamingResponse

from ...core.blame import forget_locals, is_callers_fault, reason_of
from ...core.codecs import encode
from ...core.custom import ModelComponent
from ...core.engines import CoroutineThread, Lane
from ...core.output import Log, write_to
from ...errors import InputError, ModelError, OutputError
from ..asgi import Receive, Scope, Send
from .arguments import answering
from .bridge import Bridge
from .handlers import ResourceRoute, routes_of
from .resource import ModelResource

__all__ = ["Mounted"]

THREADS = 8
"""Plain methods of one endpoint that run at once, and as many again of those that hold the model."""

WAITING = 1024

MOST_ITEMS = 10_000_000


class _Place:
    """An event loop and threads of an endpoint's own, both started when there is work."""

    def __init__(self, name: str) -> None:
        self.loop = CoroutineThread(f"nbserve:{name}:routes")
        self.lane = Lane(f"{name}:routes", THREADS, WAITING)


@dataclass(frozen=True, slots=True)
class _Call:
    """What the user's methods are called by while one request is answered."""

    resource: ModelResource
    lane: Lane
    opened: AsyncExitStack = field(default_factory=AsyncExitStack)
    """What is to be closed when the request has ended."""

    @property
    def component(self) -> ModelComponent:
        assert self.resource.component is not None
        return self.resource.component

    async def call(self, attribute: str, positional: list[Any], given: dict[str, Any]) -> Any:
        """What the method answers: a response as it is, anything else as the text of its JSON."""
        answer = await self._answer(attribute, positional, given)
        if isinstance(answer, StreamingResponse) and hasattr(answer.body_iterator, "aclose"):
            # whoever streams it leaves it where it stands when the caller goes, until a collection of garbage
            self.opened.push_async_callback(answer.body_iterator.aclose)
        return answer

    async def _answer(self, attribute: str, positional: list[Any], given: dict[str, Any]) -> Any:
        method = getattr(self.resource, attribute)
        if inspect.iscoroutinefunction(method):
            return _encoded(await method(*positional, **given))
        work = partial(_called, method, positional, given)
        value = await asyncio.wrap_future(self.lane.submit(partial(copy_context().run, work)))
        if inspect.isawaitable(value):
            return _encoded(await value)
        return _encoded(await _listed(value)) if isinstance(value, AsyncIterator) else value


class Mounted:
    """A resource behind an endpoint's name.

    It is answered for on event loops and threads of its own: whatever a method does there, other endpoints and the
    server itself go on. Methods that hold the model have theirs apart, so that those that wait for the end of all
    leases cannot keep them from ending.
    """

    def __init__(self, name: str, resource: ModelResource) -> None:
        """Raises `ModelRefused`."""
        self.routes = tuple(routes_of(name, resource))
        self._name = name
        self._resource = resource
        self._leasing, self._other = _Place(name), _Place(name)
        self._is_retired = False

    async def answer(self, route: ResourceRoute, log: Log, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request to one of the routes. Raises what the user's code could not be answered for."""
        place = self._leasing if route.leases else self._other
        bridge = Bridge(receive, send)
        call = _Call(self._resource, place.lane)
        try:
            await asyncio.wrap_future(place.loop.submit(self._answer(route, call, log, scope, bridge)))
        finally:
            bridge.close()
            if self._is_retired:
                place.loop.retire()

    def retire(self) -> None:
        """No longer served: let everything go when the requests in flight have ended."""
        self._is_retired = True
        for place in (self._leasing, self._other):
            place.loop.retire()
        _forget_callables()

    async def _answer(self, route: ResourceRoute, call: _Call, log: Log, scope: Scope, bridge: Bridge) -> None:
        write_to(log)
        answering.set(call)
        try:
            async with call.opened:
                await route.app(scope, bridge.receive, bridge.send)
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and _is_cancelled():
                raise
            failure = self._failure(error, route, log)
            forget_locals(error)
        else:
            return
        raise failure

    def _failure(self, error: BaseException, route: ResourceRoute, log: Log) -> InputError | ModelError:
        if is_callers_fault(error):
            return InputError(f"The model does not accept this data: {reason_of(error)}.", "See /docs.")
        log.write("".join(traceback.format_exception(error)) + "\n")
        return ModelError(
            f"{self._name}.{route.own.attribute} raised {reason_of(error)}.",
            f"Its traceback is in the endpoint's log: %nbserve log {self._name}",
        )


def _called(method: Callable[..., Any], positional: list[Any], given: dict[str, Any]) -> Any:
    try:
        value = method(*positional, **given)
    except StopIteration as error:
        raise RuntimeError("StopIteration") from error  # no future can hold one
    return value if inspect.isawaitable(value) or isinstance(value, AsyncIterator) else _encoded(value)


def _encoded(value: Any) -> Response | str:
    return value if isinstance(value, Response) else encode(value).decode()


async def _listed(values: AsyncIterator[Any]) -> list[Any]:
    listed: list[Any] = []
    async for value in values:
        listed.append(value)
        if len(listed) > MOST_ITEMS:
            raise OutputError("The method's answer does not end.", "Yield a bounded number of values.")
    return listed


def _is_cancelled() -> bool:
    """Whether the running task is asked to end: a method may raise `CancelledError` for reasons of its own."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _forget_callables() -> None:
    """FastAPI remembers what kind of thing each dependency is, and so the dependency: a user's may hold a model."""
    for each in vars(fastapi_callables).values():
        clear = getattr(each, "cache_clear", None)
        if callable(clear):
            clear()
