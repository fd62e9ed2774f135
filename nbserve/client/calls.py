"""A client of one endpoint, and the same to be awaited: they send and wait, and leave what and why to the plans."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from os import PathLike
from types import TracebackType
from typing import Any, Self, TypedDict

import httpx

from ..errors import OptionError, Unreachable
from ..version import __version__
from .address import is_loopback, parted
from .answers import Reply
from .exchange import Outcome, Patience, Send, Wait
from .failures import broken, late
from .plans import NOTHING, Plan, Plans, R
from .tickets import AsyncTicket, Ticket

__all__ = ["AsyncClient", "Client"]

TIMEOUT_S = 90.0
"""More than the deadline of an endpoint: it is the one to say that the time is over."""

LOAD_TIMEOUT_S = 660.0
"""The same for a load."""

CONNECT_S = 10.0
KEPT_S = 4.0
"""How long an idle connection is used again. The server drops it after 5 s: no request may cross with that."""

Verify = bool | str | PathLike[str] | ssl.SSLContext


class Client:
    """Calls a served model: ``Client(url, token).predict(rows)``.

    The data may be lists, records, columns, arrays, frames, tensors; an array is answered with an array, a frame with a
    frame or a series under the same index, all else with Python values. Every method of the model is a method here:
    ``client.decision_function(rows)``; arguments have their names: ``client.predict(X=rows, return_std=True)``.

    What goes wrong raises a `NbserveError`. A question is repeated, up to `retries` times, where it is certain that it
    was not carried out: nobody listened, or the endpoint said to come again later. `timeout` is seconds for a call
    with all its repetitions. `verify` is a file with the certificate to trust, when it is the owner's own.

    Thread-safe. It keeps connections: close it, or use it in a `with` block.
    """

    _sleep = staticmethod(time.sleep)

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout: float | None = TIMEOUT_S,
        retries: int = 3,
        verify: Verify = True,
    ) -> None:
        self.url, token = parted(url, token)
        self._plans = Plans(self.url, Patience(timeout, retries))
        self._http = httpx.Client(**_settings(self.url, token, verify))

    def call(self, method: str, data: Any = NOTHING, /, **arguments: Any) -> Any:
        """Any method of the model, by its name."""
        return self._run(self._plans.call(method, data, arguments))

    def submit(self, method: str, data: Any = NOTHING, /, **arguments: Any) -> Ticket:
        """Ask a method of the model for what takes long; the ticket's `result` waits for what comes of it."""
        return Ticket(self._run, self._plans, *self._run(self._plans.submit(method, data, arguments)))

    def predict(self, data: Any = NOTHING, /, **arguments: Any) -> Any:
        """What the model predicts for the rows."""
        return self.call("predict", data, **arguments)

    def predict_proba(self, data: Any = NOTHING, /, **arguments: Any) -> Any:
        """How probable each class is, a row of probabilities for each row."""
        return self.call("predict_proba", data, **arguments)

    def inspect(self) -> Any:
        """What the model is and takes. Loads it if need be."""
        return self._run(self._plans.get("inspect"))

    def metadata(self) -> Any:
        """State, memory and counters. Never loads."""
        return self._run(self._plans.get("metadata"))

    def load(self, *, timeout: float | None = LOAD_TIMEOUT_S) -> Any:
        """Bring the model into memory, and wait for it; answers the metadata."""
        return self._run(_loading(self._plans, timeout))

    def unload(self) -> Any:
        """Let the model's memory go; answers what came back, and who still holds the model."""
        return self._run(self._plans.order("unload", is_harmless=False))

    def request(self, verb: str, path: str, /, *, params: Mapping[str, Any] | None = None, json: Any = NOTHING) -> Any:
        """Any other route below the endpoint's URL: ``client.request("GET", "threshold/")``."""
        return self._run(self._plans.request(verb, path, params, json))

    def close(self) -> None:
        """Let the connections go."""
        self._http.close()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return _method(self, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"nbserve.Client({self.url!r})"

    def _run(self, plan: Plan[R]) -> R:
        outcome: Outcome | None = None
        while True:
            try:
                step = plan.send(outcome)
            except StopIteration as end:
                answer: R = end.value
                return answer
            outcome = self._sleep(step.seconds) if isinstance(step, Wait) else self._sent(step)

    def _sent(self, step: Send) -> Outcome:
        _check_open(self._http)
        ends_s = None if step.timeout_s is None else time.monotonic() + step.timeout_s
        chunks: list[bytes] = []
        try:
            with self._http.stream(**_request(step)) as response:
                for chunk in response.iter_bytes():
                    chunks.append(chunk)
                    if ends_s is not None and time.monotonic() > ends_s:  # httpx's own limit is for each chunk
                        return late(step)
                return _reply(response, chunks)
        except httpx.HTTPError as error:
            return broken(step, error)


class AsyncClient:
    """The same as `Client`, to be awaited: ``await AsyncClient(url, token).predict(rows)``. For asyncio, one loop each.

    Close it with ``await client.close()``, or use it in an `async with` block.
    """

    _sleep = staticmethod(asyncio.sleep)

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout: float | None = TIMEOUT_S,
        retries: int = 3,
        verify: Verify = True,
    ) -> None:
        self.url, token = parted(url, token)
        self._plans = Plans(self.url, Patience(timeout, retries))
        self._http = httpx.AsyncClient(**_settings(self.url, token, verify))

    async def call(self, method: str, data: Any = NOTHING, /, **arguments: Any) -> Any:
        """Any method of the model, by its name."""
        return await self._run(self._plans.call(method, data, arguments))

    async def submit(self, method: str, data: Any = NOTHING, /, **arguments: Any) -> AsyncTicket:
        """Ask a method of the model for what takes long; the ticket's `result` waits for what comes of it."""
        return AsyncTicket(self._run, self._plans, *await self._run(self._plans.submit(method, data, arguments)))

    async def predict(self, data: Any = NOTHING, /, **arguments: Any) -> Any:
        """What the model predicts for the rows."""
        return await self.call("predict", data, **arguments)

    async def predict_proba(self, data: Any = NOTHING, /, **arguments: Any) -> Any:
        """How probable each class is, a row of probabilities for each row."""
        return await self.call("predict_proba", data, **arguments)

    async def inspect(self) -> Any:
        """What the model is and takes. Loads it if need be."""
        return await self._run(self._plans.get("inspect"))

    async def metadata(self) -> Any:
        """State, memory and counters. Never loads."""
        return await self._run(self._plans.get("metadata"))

    async def load(self, *, timeout: float | None = LOAD_TIMEOUT_S) -> Any:  # noqa: ASYNC109 - as in Client
        """Bring the model into memory, and wait for it; answers the metadata."""
        return await self._run(_loading(self._plans, timeout))

    async def unload(self) -> Any:
        """Let the model's memory go; answers what came back, and who still holds the model."""
        return await self._run(self._plans.order("unload", is_harmless=False))

    async def request(
        self, verb: str, path: str, /, *, params: Mapping[str, Any] | None = None, json: Any = NOTHING
    ) -> Any:
        """Any other route below the endpoint's URL: ``await client.request("GET", "threshold/")``."""
        return await self._run(self._plans.request(verb, path, params, json))

    async def close(self) -> None:
        """Let the connections go."""
        await self._http.aclose()

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        return _method(self, name)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"nbserve.AsyncClient({self.url!r})"

    async def _run(self, plan: Plan[R]) -> R:
        outcome: Outcome | None = None
        while True:
            try:
                step = plan.send(outcome)
            except StopIteration as end:
                answer: R = end.value
                return answer
            outcome = await (self._sleep(step.seconds) if isinstance(step, Wait) else self._sent(step))

    async def _sent(self, step: Send) -> Outcome:
        _check_open(self._http)
        try:
            async with asyncio.timeout(step.timeout_s), self._http.stream(**_request(step)) as response:
                return _reply(response, [chunk async for chunk in response.aiter_bytes()])
        except TimeoutError:
            return late(step)
        except httpx.HTTPError as error:
            return broken(step, error)


class _Settings(TypedDict):
    headers: dict[str, str]
    cookies: CookieJar
    limits: httpx.Limits
    trust_env: bool
    verify: bool | ssl.SSLContext


def _settings(url: str, token: str | None, verify: Verify) -> _Settings:
    headers = {"accept": "application/json", "user-agent": f"nbserve/{__version__}"}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    return {
        "headers": headers,
        "cookies": CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # none is kept: each call stands alone
        "limits": httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=KEPT_S),
        # the proxies of the environment lead out of this machine, not back to it
        "trust_env": not is_loopback(url),
        "verify": _trusting(verify),
    }


def _trusting(verify: Verify) -> bool | ssl.SSLContext:
    if isinstance(verify, (bool, ssl.SSLContext)):
        return verify
    try:
        return ssl.create_default_context(cafile=verify)
    except OSError as error:
        problem = f"The certificate {str(verify)!r} cannot be read: {error.strerror or error}."
        raise OptionError(problem, "Give the path of a PEM file.") from None


def _request(step: Send) -> Any:
    question, timeout_s = step.question, step.timeout_s
    connect_s = CONNECT_S if timeout_s is None else min(CONNECT_S, timeout_s)
    return {
        "method": question.verb,
        "url": question.url,
        "headers": question.headers,
        "content": question.body,
        "timeout": httpx.Timeout(timeout_s, connect=connect_s),
    }


def _reply(response: httpx.Response, chunks: list[bytes]) -> Reply:
    return Reply(str(response.url), response.status_code, response.headers, b"".join(chunks))


def _check_open(http: httpx.Client | httpx.AsyncClient) -> None:
    if http.is_closed:
        raise Unreachable("This client is closed.", "Make a new one.")


def _loading(plans: Plans, timeout_s: float | None) -> Plan[Any]:
    """A load takes longer than anything else, and does no harm when it is asked for twice."""
    return Plans(plans.url, Patience(timeout_s, plans.patience.retries)).order("load", is_harmless=True)


def _method(client: Client | AsyncClient, name: str) -> Callable[..., Any]:
    """What is not the client's own is the model's; what begins with an underscore is neither's."""
    if name.startswith("_"):
        raise AttributeError(f"{type(client).__name__!r} object has no attribute {name!r}")
    return partial(client.call, name)
