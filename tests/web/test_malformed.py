"""The malformed requests of the table, sent to real models: each is refused in the one shape, at the right place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from nbserve.notebook.session import Session
from tests.client import Caller, assert_error, opened
from tests.malformed import CASES, PASSENGER, SIGNATURES, Malformed
from tests.models import iris_array


def first(X):
    return X[:1]


@pytest.fixture(scope="module")
def user() -> Iterator[Caller]:
    """Calls the three models of the table; what they take is described as there."""
    with opened() as (session, caller):
        for name, signature in SIGNATURES.items():
            session.serve(first, {"name": name})
            served = session.registry[name]
            served.describe(served.profile.with_signatures((replace(signature, attribute="__call__"),)))
        yield caller


ACCEPTED = {"iris": iris_array()[:1].tolist(), "titanic": [PASSENGER], "texts": ["a text"]}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_malformed_request_is_422_and_the_next_one_is_answered(user: Caller, case: Malformed) -> None:
    answer = user.post(f"/{case.model}/predict", content=case.body, headers={"content-type": "application/json"})
    code = answer.json()["code"]
    assert code in ("input_invalid", "body_invalid")
    body = assert_error(answer, 422, code)
    assert case.says in body["error"]
    assert tuple(body["detail"][0]["loc"]) == case.loc
    assert body["remedy"]
    assert body["predict_id"]
    good = user.post(f"/{case.model}/predict", json={"X": ACCEPTED[case.model]})
    assert good.status_code == 200, good.text


def test_the_faults_are_counted_as_errors(session: Session, caller: Caller) -> None:
    session.serve(first, {"name": "first"})
    for case in CASES[:5]:
        caller.post("/first/predict", content=case.body)
    counters = caller.get("/first/metadata").json()["counters"]
    assert (counters["requests"], counters["errors"]) == (5, 5)
