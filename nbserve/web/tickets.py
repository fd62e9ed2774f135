"""A prediction that is answered at once with a ticket, and its result when somebody comes for it."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qs

import orjson

from ..core.served import Served
from ..core.tickets import Ticket
from ..errors import Fault, InputError, ResultPending
from .access import Grant, token_in
from .asgi import Headers, Receive, Scope, Send
from .meters import Visit
from .patience import Patience, taken_back
from .predict import Prediction, Reply, read_whole, send_reply

__all__ = ["LONGEST_WAIT_S", "WAIT_S", "give_up", "predict_later", "result_of", "wants_ticket"]

WAIT_S = 30.0
LONGEST_WAIT_S = 600.0

_WORDS = {"1": True, "true": True, "0": False, "false": False}


def wants_ticket(scope: Scope) -> bool:
    """Raises `InputError` for what is neither yes nor no."""
    given = _in_query(scope, "ticket")
    wanted = False if given is None else _WORDS.get(given.lower())
    if wanted is None:
        raise _wrong("ticket", given, "1 or 0")
    return wanted


async def predict_later(
    served: Served,
    method: str,
    scope: Scope,
    receive: Receive,
    send: Send,
    patience: Patience,
    visit: Visit | None = None,
) -> None:
    """Answer one request to a model's method with a ticket; what is plainly wrong with it is told at once."""
    prediction = Prediction(served, method, scope["nbserve.caller"], patience.loop, visit)
    try:
        headers, sent = await read_whole(served, scope, receive)
        errand = _Errand(prediction, served, headers, sent, scope["query_string"])
        ticket = served.tickets.open(_owner_of(scope), len(sent))
        try:
            errand.begin(patience.loop)
        except Exception:
            served.tickets.forget(ticket)
            raise
        task = patience.loop.create_task(errand.run(ticket))
        task.add_done_callback(errand.end_if_cancelled)
        ticket.give_up = partial(patience.loop.call_soon_threadsafe, task.cancel)
        reply = _receipt(served, ticket, prediction, scope)
    except Exception as error:  # noqa: BLE001 - it is told
        reply = prediction.failed(error)
    except BaseException:
        prediction.end(None, None)
        raise
    await send_reply(scope, send, reply)


class _Errand:
    """One prediction that goes on while its caller is elsewhere: without a deadline, until it is given up."""

    def __init__(self, prediction: Prediction, served: Served, headers: Headers, sent: bytes, query: bytes) -> None:
        self._prediction = prediction
        self._served = served
        self._request = (headers, sent)
        self._query = query
        self._asked: asyncio.Future[Any] | None = None

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Pass it on to a model that has been seen; any other is loaded first, by `run`. Raises `NbserveError`s."""
        if self._served.is_described:
            self._asked = loop.create_future()
            self._prediction.ask(*self._request, self._asked, _nobody_watches, self._query)
            self._request = ({}, b"")

    async def run(self, ticket: Ticket) -> None:
        """See it to its end, and keep what it comes to."""
        reply = await self._reply()
        self._served.tickets.keep(ticket, reply, len(reply.body), self._served.options.result_ttl_s)

    def end_if_cancelled(self, task: asyncio.Task[None]) -> None:
        """Take the call back; the task may not have begun."""
        if task.cancelled():
            self._prediction.failed(taken_back())
            if self._asked is not None:
                self._asked.cancel()

    async def _reply(self) -> Reply:
        try:
            if self._asked is None:
                await self._served.described()
                self.begin(asyncio.get_running_loop())
            assert self._asked is not None
            return self._prediction.answered(await self._asked)
        except Exception as error:  # noqa: BLE001 - it is told to whoever comes for it
            return self._prediction.failed(error)


def _nobody_watches(_: object) -> None: ...


def _receipt(served: Served, ticket: Ticket, prediction: Prediction, scope: Scope) -> Reply:
    root = str(scope.get("root_path", "")).rstrip("/")
    grant: Grant = scope["nbserve.grant"]
    name = f"/{served.name}" if grant.meter is None else ""  # a link is the endpoint's own address
    url = f"{root}{name}/result/{ticket.id}/"
    body = {"ticket": ticket.id, "result_url": url, "kept_s": served.options.result_ttl_s}
    headers = [(b"location", url.encode("latin-1")), (b"x-predict-id", prediction.predict_id)]
    return Reply(202, orjson.dumps(body), headers)


# --- its result


async def result_of(served: Served, ticket_id: str, scope: Scope) -> tuple[Reply, dict[str, str]]:
    """What the ticket came to, and until when it is kept: waited for as long as the query says.

    Raises `ResultPending` after that, `NotFound` for no ticket of the caller's.
    """
    seconds = _timeout(_in_query(scope, "timeout"))
    ticket = served.tickets.find(ticket_id, _owner_of(scope))
    if not await ticket.wait(seconds):
        raise ResultPending(f"There is no result after {seconds:g} s.", "Ask for it again.")
    served.tickets.check(ticket)
    ticket.was_asked = True
    return ticket.result, {"x-result-expires-in": str(math.floor(served.tickets.lasts_s(ticket)))}


def give_up(served: Served, ticket_id: str, scope: Scope) -> Mapping[str, object]:
    """The ticket is wanted no more: a call that waits is taken back, a result forgotten. Raises `NotFound`."""
    ticket = served.tickets.find(ticket_id, _owner_of(scope))
    return {"ticket": ticket.id, "cancelled": served.tickets.drop(ticket, "it was cancelled.")}


def _owner_of(scope: Scope) -> bytes:
    """Whose a ticket is: the token that was sent, and (of the Jupyter server's key) the share that it asks for."""
    token = token_in(scope) or scope.get("nbserve.authorization") or ""
    grant: Grant = scope["nbserve.grant"]
    share = "" if grant.meter is None else grant.meter.share.id
    return hashlib.sha256(f"{token}\n{share}".encode("utf-8", "surrogateescape")).digest()


def _timeout(given: str | None) -> float:
    if given is None:
        return WAIT_S
    try:
        seconds = float(given.removesuffix("s"))
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= LONGEST_WAIT_S:
        raise _wrong("timeout", given, f"seconds from 0 to {LONGEST_WAIT_S:g}")
    return seconds


def _in_query(scope: Scope, name: str) -> str | None:
    query: bytes = scope["query_string"]
    if name.encode() not in query:
        return None
    return parse_qs(query.decode("latin-1"), keep_blank_values=True).get(name, [None])[-1]


def _wrong(name: str, given: str | None, allowed: str) -> InputError:
    problem = f"{name} cannot be {(given or '')[:60]!r}."
    return InputError(problem, f"Allowed: {allowed}.", faults=[Fault((name,), problem, "query")])
