"""What each call of a client asks, and what it answers: no input or output of its own, and so the same for both."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from ..errors import InputError, OptionError, ResultPending
from .address import below
from .answers import Reply, failure_of, json_of, value_of
from .exchange import Outcome, Patience, Question, Send, Wait, exchange
from .formats import JSON
from .kinds import alike, sendable

__all__ = ["NOTHING", "Plan", "Plans", "R"]

R = TypeVar("R")

Plan = Generator[Send | Wait, Outcome | None, R]
"""The steps of a call, and what it comes to."""

DATA = "X"
"""What the data is called when it comes without a name: every method that takes data knows it by this one, too."""

RESULT = "predict_result"

WAIT_S = 30.0
"""How long one request waits for the result of a ticket."""


class _Nothing:
    def __repr__(self) -> str:
        return "NOTHING"


NOTHING: Any = _Nothing()
"""Stands for data that was not given: None may be data."""


class Plans:
    """The calls of one endpoint, as steps for whoever can take them."""

    def __init__(self, url: str, patience: Patience) -> None:
        self.url = url
        self.patience = patience

    def call(self, method: str, data: Any, arguments: Mapping[str, Any]) -> Plan[Any]:
        """A method of the model; answered in the kind of the data."""
        given = _named(data, arguments)
        question = self._question("POST", f"{_name(method)}/", JSON.write(sendable(given)))
        return _value((yield from self._asked(question)), given)

    def submit(self, method: str, data: Any, arguments: Mapping[str, Any]) -> Plan[tuple[str, dict[str, Any]]]:
        """The same, to be fetched later; answers the ticket's id, and what was given."""
        given = _named(data, arguments)
        question = self._question("POST", f"{_name(method)}/?ticket=1", JSON.write(sendable(given)))
        receipt = json_of((yield from self._asked(question)))
        if not isinstance(receipt, dict) or not isinstance(receipt.get("ticket"), str):
            raise OptionError(f"{method} gives no tickets.", "Call it: what answers is a route of its resource.")
        return receipt["ticket"], given

    def result(self, ticket: str, given: Mapping[str, Any], timeout_s: float | None) -> Plan[Any]:
        """What a ticket came to. Raises `ResultPending` when there is nothing in time."""
        patience = replace(self.patience, timeout_s=timeout_s)
        ends = math.inf if timeout_s is None else patience.clock() + timeout_s
        while True:
            wait_s = max(0.0, min(WAIT_S, ends - patience.clock()))
            question = self._question("GET", f"result/{quote(ticket)}/?timeout={wait_s:.3f}")
            longest = self.patience.timeout_s
            asking = replace(self.patience, timeout_s=None if longest is None else wait_s + longest)
            reply = yield from exchange(question, asking)
            failure = failure_of(reply)
            if failure is None:
                return _value(reply, given)
            if not isinstance(failure, ResultPending) or patience.clock() >= ends:
                raise failure

    def cancel(self, ticket: str) -> Plan[bool]:
        answer = json_of((yield from self._asked(self._question("DELETE", f"result/{quote(ticket)}/"))))
        return bool(answer["cancelled"])

    def get(self, route: str) -> Plan[Any]:
        """A route of every endpoint that is looked at."""
        return json_of((yield from self._asked(self._question("GET", f"{route}/"))))

    def order(self, route: str, *, is_harmless: bool) -> Plan[Any]:
        """A route of every endpoint that does something."""
        question = self._question("POST", f"{route}/", is_harmless=is_harmless)
        return json_of((yield from self._asked(question)))

    def request(self, verb: str, path: str, params: Mapping[str, Any] | None, json: Any) -> Plan[Any]:
        """Whatever else there is below the endpoint's URL."""
        verb = verb.upper()
        target = path if not params else f"{path}?{urlencode(params, doseq=True)}"
        body = None if json is NOTHING else JSON.write(sendable({"": json})[""])
        question = self._question(verb, target, body, is_harmless=verb in ("HEAD", "OPTIONS"))
        return value_of((yield from self._asked(question)))

    def _question(self, verb: str, path: str, body: bytes | None = None, *, is_harmless: bool = False) -> Question:
        headers = {} if body is None else {"content-type": JSON.media_type}
        return Question(verb, below(self.url, path), headers, body, is_harmless or verb == "GET")

    def _asked(self, question: Question) -> Plan[Reply]:
        """A good answer. Raises the error that it is else."""
        reply = yield from exchange(question, self.patience)
        failure = failure_of(reply)
        if failure is not None:
            raise failure
        return reply


def _name(method: Any) -> str:
    """Raises `OptionError` for what can be none."""
    if not isinstance(method, str) or not method.isidentifier():
        raise OptionError(f"{str(method)[:80]!r} is no name of a method.", "metadata()['methods'] lists them.")
    return quote(method)


def _value(reply: Reply, given: Mapping[str, Any]) -> Any:
    """The answer of a method, in the kind of the data."""
    answer = json_of(reply)
    is_whole = isinstance(answer, dict) and answer.keys() == {RESULT}
    return alike(answer[RESULT] if is_whole else answer, given.values())


def _named(data: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    if data is NOTHING:
        return dict(arguments)
    if DATA in arguments:
        raise InputError("The data is given twice: alone, and as X.", "Give it once.")
    return {DATA: data, **arguments}
