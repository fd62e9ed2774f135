"""When a client asks again and when no more, without a server and without waiting."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import httpx
import pytest

from nbserve.client.answers import Reply, retry_after_s
from nbserve.client.exchange import Again, Broken, Outcome, Patience, Question, Send, Wait, exchange
from nbserve.errors import Busy, DeadlineExceeded, LoadError, NbserveError, OptionError, TokenMissing, Unreachable
from nbserve.web.answers import STATUS, error_bytes

URL = "http://127.0.0.1:8123/iris/predict/"
PREDICT = Question("POST", URL, body=b"{}")
LOOK = Question("GET", URL, is_harmless=True)
REFUSED = Broken(Unreachable("Nothing answers."), Again.SAFE)
BROKE = Broken(Unreachable("It broke."), Again.IF_HARMLESS)
HOPELESS = Broken(Unreachable("No."), Again.NEVER)


def reply(status: int, error: NbserveError | None = None, **headers: str) -> Reply:
    given = httpx.Headers({name.replace("_", "-"): value for name, value in headers.items()})
    if error is None:
        return Reply(URL, status, given, b"<html>")
    return Reply(URL, status, httpx.Headers({**given, "content-type": "application/json"}), error_bytes(error))


GOOD = reply(200)
BUSY = reply(429, Busy("Full."), retry_after="2")


@dataclass
class World:
    """Plays the outcomes to an exchange, and turns its clock."""

    outcomes: list[Outcome]
    took_s: float = 0.0
    now: float = 100.0
    sent: list[Send] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def play(self, question: Question, *, timeout_s: float | None = 90.0, retries: int = 3) -> Reply:
        steps = exchange(question, Patience(timeout_s, retries, lambda: self.now, lambda: 1.0))
        outcome = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                return end.value
            outcome = self._done(step)

    def _done(self, step: Send | Wait) -> Outcome | None:
        if isinstance(step, Wait):
            self.waits.append(step.seconds)
            self.now += step.seconds
            return None
        self.sent.append(step)
        self.now += self.took_s
        return self.outcomes.pop(0)


REPEATED = {
    "nobody listens": (PREDICT, REFUSED),
    "the queue is full": (PREDICT, BUSY),
    "too many, of a proxy": (PREDICT, reply(429)),
    "come again later": (PREDICT, reply(503, retry_after="1")),
    "a look that broke": (LOOK, BROKE),
    "a look, bad gateway": (LOOK, reply(502)),
    "a look, unavailable": (LOOK, reply(503)),
    "a look, gateway timeout": (LOOK, reply(504)),
}


@pytest.mark.parametrize(("question", "outcome"), REPEATED.values(), ids=REPEATED)
def test_what_was_certainly_not_carried_out_or_does_no_harm_is_asked_again(
    question: Question, outcome: Outcome
) -> None:
    world = World([outcome, outcome, GOOD])
    assert world.play(question) is GOOD
    assert [step.question for step in world.sent] == [question] * 3


FINAL = {
    "a prediction, bad gateway": (PREDICT, reply(502)),
    "a prediction, unavailable": (PREDICT, reply(503)),
    "a prediction, gateway timeout": (PREDICT, reply(504)),
    "a failed load": (LOOK, reply(503, LoadError("No."))),
    "a failed load, with a time": (PREDICT, reply(503, LoadError("No."), retry_after="1")),
    "the deadline of the endpoint": (LOOK, reply(504, DeadlineExceeded("Too long."))),
    "the model's fault": (LOOK, reply(500)),
    "the caller's fault": (LOOK, reply(422)),
    "no token": (LOOK, reply(401)),
}


@pytest.mark.parametrize(("question", "outcome"), FINAL.values(), ids=FINAL)
def test_what_may_have_been_carried_out_or_would_end_the_same_is_not(question: Question, outcome: Reply) -> None:
    world = World([outcome])
    assert world.play(question) is outcome
    assert world.waits == []


@pytest.mark.parametrize(
    ("question", "outcome"), [(PREDICT, BROKE), (PREDICT, HOPELESS), (LOOK, HOPELESS)], ids=["broke", "never", "look"]
)
def test_what_broke_for_good_is_raised(question: Question, outcome: Broken) -> None:
    with pytest.raises(Unreachable) as raised:
        World([outcome]).play(question)
    assert raised.value is outcome.error


def test_the_waits_grow_to_a_bound() -> None:
    world = World([REFUSED] * 9 + [GOOD])
    world.play(PREDICT, retries=9)
    assert world.waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0])


def test_no_two_clients_wait_equally_long() -> None:
    assert Patience(draw=lambda: 0.0).pause_s(0) == pytest.approx(0.05)
    assert Patience(draw=lambda: 1.0).pause_s(0) == pytest.approx(0.1)


def test_the_endpoint_says_how_long_to_wait_at_least() -> None:
    world = World([BUSY, GOOD])
    world.play(PREDICT)
    assert world.waits == pytest.approx([2.1])


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_it_is_asked_again_so_often_and_no_more(retries: int) -> None:
    world = World([BUSY] * 5)
    assert world.play(PREDICT, retries=retries) is BUSY
    assert len(world.sent) == 1 + retries


def test_nobody_waits_for_what_comes_too_late() -> None:
    world = World([BUSY])
    assert world.play(PREDICT, timeout_s=2.1) is BUSY
    assert world.waits == []
    in_time = World([BUSY, GOOD])
    assert in_time.play(PREDICT, timeout_s=2.2) is GOOD


def test_the_time_is_for_all_attempts_together() -> None:
    world = World([REFUSED, REFUSED, GOOD], took_s=3.0)
    world.play(PREDICT, timeout_s=10.0)
    assert [step.timeout_s for step in world.sent] == pytest.approx([10.0, 6.9, 3.7])


def test_an_answer_that_eats_the_time_up_is_the_last() -> None:
    world = World([reply(307, location=URL)] * 2, took_s=3.0)
    with pytest.raises(DeadlineExceeded):
        world.play(PREDICT, timeout_s=5.0)
    assert len(world.sent) == 2


def test_without_an_end_it_waits_as_long_as_it_is_told() -> None:
    world = World([reply(429, retry_after="86400"), GOOD])
    assert world.play(PREDICT, timeout_s=None) is GOOD
    assert world.waits == pytest.approx([86400.1])
    assert world.sent[0].timeout_s is None


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("0", 0.0),
        ("17", 17.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("soon", None),
        ("-1", None),
        ("9" * 400, math.inf),
    ],
    ids=["now", "seconds", "a date that is over", "words", "negative", "endless"],
)
def test_retry_after_is_read_in_both_forms(given: str, seconds: float | None) -> None:
    assert retry_after_s(reply(429, retry_after=given)) == seconds


def test_retry_after_may_be_a_date_to_come() -> None:
    waits = retry_after_s(reply(429, retry_after="Fri, 31 Dec 9999 23:59:59 GMT"))
    assert waits is not None
    assert waits > 1e9


# --- redirects


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_the_same_path_of_the_same_server_is_followed_with_the_same_question(status: int) -> None:
    world = World([reply(status, location="/hub/iris/predict"), GOOD])
    assert world.play(PREDICT) is GOOD
    assert world.sent[1].question == Question("POST", "http://127.0.0.1:8123/hub/iris/predict", body=b"{}")
    assert world.waits == []


@pytest.mark.parametrize(
    "target",
    [
        "http://evil.example/iris/predict/",
        "https://127.0.0.1:8123/iris/predict/",
        "http://127.0.0.1:8124/iris/predict/",
        "//evil.example/predict",
        "/elsewhere/",
        "http://[::1",
    ],
    ids=["host", "scheme", "port", "relative", "path", "no URL"],
)
def test_any_other_address_is_told_and_not_asked(target: str) -> None:
    world = World([reply(307, location=target)])
    with pytest.raises(Unreachable, match="sends the request on"):
        world.play(PREDICT)
    assert len(world.sent) == 1


def test_what_the_address_may_hold_of_secrets_is_not_told() -> None:
    with pytest.raises(Unreachable) as raised:
        World([reply(307, location="https://me:sesame@other.example/x?token=sesame#sesame")]).play(PREDICT)
    assert "https://other.example/x" in str(raised.value)
    assert "sesame" not in str(raised.value)


def test_a_page_to_sign_in_is_no_endpoint() -> None:
    with pytest.raises(TokenMissing, match="signed in"):
        World([reply(302, location="/hub/login?next=%2Firis")]).play(PREDICT)


def test_a_server_that_sends_round_in_circles_is_left() -> None:
    circle = reply(307, location=URL)
    world = World([circle] * 20)
    assert world.play(PREDICT) is circle
    assert len(world.sent) == 6


@pytest.mark.parametrize("timeout", [0, -1, math.nan, math.inf, "5", True], ids=repr)
def test_a_time_that_is_none_is_refused(timeout: object) -> None:
    with pytest.raises(OptionError, match="timeout"):
        Patience(timeout)  # type: ignore[arg-type]


@pytest.mark.parametrize("retries", [-1, 1.5, True, None], ids=repr)
def test_a_number_of_retries_that_is_none_is_refused(retries: object) -> None:
    with pytest.raises(OptionError, match="retries"):
        Patience(1.0, retries)  # type: ignore[arg-type]


def test_every_status_of_ours_is_decided() -> None:
    repeated = {status for status in STATUS.values() if len(_sent(status)) > 1}
    assert repeated == {429}


def _sent(status: int) -> list[Send]:
    error = NbserveError("No.")
    world = World([reply(status, error)] * 9)
    world.play(PREDICT)
    return world.sent
