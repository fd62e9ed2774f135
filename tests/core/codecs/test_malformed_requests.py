"""Every malformed request is refused with its place and a remedy, and never otherwise."""

from __future__ import annotations

import pytest

from nbserve.core.codecs import Decoder, parse_json
from nbserve.errors import BodyError, InputError
from tests.malformed import CASES, PASSENGER, SIGNATURES, Malformed


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_malformed_request_is_refused_with_place_words_and_remedy(case: Malformed) -> None:
    with pytest.raises(InputError) as caught:
        Decoder(SIGNATURES[case.model])(parse_json(case.body))
    assert case.says in caught.value.problem
    assert caught.value.faults[0].loc == case.loc
    assert caught.value.faults[0].type
    assert caught.value.remedy


def test_the_table_is_long_and_names_each_case_once() -> None:
    assert len(CASES) >= 60
    assert len({case.id for case in CASES}) == len(CASES)


def test_bytes_that_are_no_json_are_told_apart_from_wrong_data() -> None:
    with pytest.raises(BodyError):
        parse_json(b"[1, 2")
    with pytest.raises(InputError) as caught:
        Decoder(SIGNATURES["iris"])([1, 2])
    assert not isinstance(caught.value, BodyError)


def test_all_faults_are_told_at_once_up_to_twenty() -> None:
    rows = [{**PASSENGER, "age": "x", "sex": "y"}]
    with pytest.raises(InputError) as caught:
        Decoder(SIGNATURES["titanic"])({"X": rows, "k": 1})
    assert [fault.loc for fault in caught.value.faults] == [("k",), ("X", 0, "age"), ("X", 0, "sex")]
    assert "2 more faults" in caught.value.problem
    with pytest.raises(InputError) as caught:
        Decoder(SIGNATURES["titanic"])({"X": rows * 1000})
    assert len(caught.value.faults) == 20
