"""Whatever a model answers: valid JSON, or 500 that says why not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.client import Caller, assert_error, opened
from tests.outputs import OUTPUTS, REFUSED, Output, Refused


class Maker:
    """Answers what it was told last."""

    def __init__(self) -> None:
        self.make: Callable[[], Any] = int

    def predict(self, X):
        return self.make()


MAKER = Maker()


@pytest.fixture(scope="module")
def user() -> Iterator[Caller]:
    with opened() as (session, caller):
        session.serve(MAKER, {"name": "maker"})
        yield caller


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda output: output.id)
def test_an_awkward_answer_is_valid_json(user: Caller, output: Output) -> None:
    MAKER.make = output.make
    answer = user.post("/maker/predict", json={"X": [[1]]})
    assert answer.status_code == 200, answer.text[:500]
    assert answer.headers["content-type"] == "application/json"
    assert int(answer.headers["content-length"]) == len(answer.content)
    read = json.loads(answer.content.decode(), parse_constant=_refuse)
    assert read == {"predict_result": output.expected}


@pytest.mark.parametrize("refused", REFUSED, ids=lambda refused: refused.id)
def test_an_answer_without_a_json_form_is_500_and_says_where(user: Caller, refused: Refused) -> None:
    MAKER.make = refused.make
    body = assert_error(user.post("/maker/predict", json={"X": [[1]]}), 500, "output_invalid")
    assert refused.says in body["error"]
    assert body["remedy"]
    assert body["predict_id"]


def _refuse(word: str) -> None:
    raise AssertionError(f"{word} is not JSON")
