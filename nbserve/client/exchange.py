"""One question and what is done until it is answered, without doing it: when it is repeated, and when no more."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from urllib.parse import urljoin, urlsplit

from ..errors import DeadlineExceeded, NbserveError, OptionError, TokenMissing, Unreachable
from .answers import Reply, code_of, retry_after_s

__all__ = ["Again", "Broken", "Outcome", "Patience", "Question", "Send", "Steps", "Wait", "exchange"]

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
MOST_HOPS = 5

_CHECK_URL = "Check the URL: the endpoint's card shows it."

_OF_A_PROXY = frozenset({502, 503, 504})


class Again(StrEnum):
    """Whether a question that was not answered may be asked again."""

    SAFE = "nobody has seen it"
    IF_HARMLESS = "it may have been carried out"
    NEVER = "it would end the same"


@dataclass(frozen=True, slots=True)
class Question:
    """A request. A harmless one does the same when it is carried out twice as when once."""

    verb: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    is_harmless: bool = False


@dataclass(frozen=True, slots=True)
class Broken:
    """No reply came."""

    error: NbserveError
    again: Again


@dataclass(frozen=True, slots=True)
class Send:
    """To be done: send the question, and come back with its outcome."""

    question: Question
    timeout_s: float | None


@dataclass(frozen=True, slots=True)
class Wait:
    """To be done: nothing, for so long."""

    seconds: float


Outcome = Reply | Broken
Steps = Generator[Send | Wait, Outcome | None, Reply]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a question may take in all (None: for ever), and how often it is repeated at most."""

    timeout_s: float | None = None
    retries: int = 3
    clock: Callable[[], float] = time.monotonic
    draw: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        if self.timeout_s is not None and not (_is_number(self.timeout_s) and 0 < self.timeout_s < math.inf):
            raise OptionError("timeout is a number of seconds above 0, or None for no end.", "Give it like timeout=30.")
        if not isinstance(self.retries, int) or isinstance(self.retries, bool) or self.retries < 0:
            raise OptionError("retries is a whole number, 0 or more.", "Give it like retries=3.")

    def pause_s(self, repeats: int) -> float:
        """The wait before the next attempt: twice as long each time, and no two clients' the same."""
        longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(repeats, 60))
        return longest * (0.5 + self.draw() / 2)


def exchange(question: Question, patience: Patience) -> Steps:
    """What is to be done, one step after the other, until there is a reply.

    Raises what broke it, and `DeadlineExceeded`. A reply that says to come again later than there is time for is
    returned as it is.
    """
    ends = math.inf if patience.timeout_s is None else patience.clock() + patience.timeout_s
    repeats = hops = 0
    while True:
        left = ends - patience.clock()
        if left <= 0:
            raise DeadlineExceeded(f"There was no answer in {patience.timeout_s:g} s.", "Raise the client's timeout.")
        outcome = yield Send(question, None if left == math.inf else left)
        assert outcome is not None
        target = _redirect(question, outcome)
        if target is not None and hops < MOST_HOPS:
            question, hops = replace(question, url=target), hops + 1
            continue
        earliest_s = _earliest_s(question, outcome)
        pause_s = patience.pause_s(repeats) + (earliest_s or 0)
        if earliest_s is None or repeats >= patience.retries or patience.clock() + pause_s >= ends:
            return _settled(outcome)
        repeats += 1
        yield Wait(pause_s)


def _settled(outcome: Outcome) -> Reply:
    if isinstance(outcome, Broken):
        raise outcome.error
    return outcome


def _earliest_s(question: Question, outcome: Outcome) -> float | None:
    """In how many seconds the question may be asked again at the earliest; None: it may not."""
    if isinstance(outcome, Broken):
        is_safe = outcome.again is Again.SAFE or (outcome.again is Again.IF_HARMLESS and question.is_harmless)
        return 0 if is_safe else None
    given = retry_after_s(outcome)
    if outcome.status == 429:
        return given or 0
    code = code_of(outcome)
    if outcome.status == 503 and given is not None and code != "load_failed":
        return given
    return 0 if question.is_harmless and outcome.status in _OF_A_PROXY and code is None else None


def _redirect(question: Question, outcome: Outcome) -> str | None:
    """Where the same question is to be asked instead, if it says so.

    Followed only to the same path of the same server: anywhere else the token must not go, and a page to sign in is
    not the endpoint. Raises `TokenMissing` and `Unreachable`.
    """
    if not isinstance(outcome, Reply) or not 300 <= outcome.status < 400 or "location" not in outcome.headers:
        return None
    here = urlsplit(question.url)
    try:
        target = urljoin(question.url, outcome.headers["location"])
        there = urlsplit(target)
    except ValueError:
        raise Unreachable(f"{here.netloc} sends the request on to what is no URL.", _CHECK_URL) from None
    is_same = (here.scheme, here.netloc, _last(here.path)) == (there.scheme, there.netloc, _last(there.path))
    if is_same and outcome.status != 303:
        return target
    named = f"{there.scheme}://{there.hostname}{there.path}"  # and no more of it: the rest may hold secrets
    if "login" in there.path:
        problem = f"{here.netloc} wants to be signed in to: it points to {named}."
        raise TokenMissing(problem, "Use a link that was shared, with its token.")
    raise Unreachable(
        f"{here.netloc} sends the request on to {named}.", "If you trust that address, give it to the client."
    )


def _last(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
