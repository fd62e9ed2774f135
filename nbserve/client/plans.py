"""What each call of a client asks, and what it answers: no input or output of its own, and so the same for both."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from ..errors import InputError, OptionError
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
        if not isinstance(method, str) or not method.isidentifier():
            raise OptionError(f"{str(method)[:80]!r} is no name of a method.", "metadata()['methods'] lists them.")
        given = _named(data, arguments)
        question = self._question("POST", f"{quote(method)}/", JSON.write(sendable(given)))
        answer = json_of((yield from self._asked(question)))
        is_whole = isinstance(answer, dict) and answer.keys() == {RESULT}
        return alike(answer[RESULT] if is_whole else answer, given.values())

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


def _named(data: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    if data is NOTHING:
        return dict(arguments)
    if DATA in arguments:
        raise InputError("The data is given twice: alone, and as X.", "Give it once.")
    return {DATA: data, **arguments}
