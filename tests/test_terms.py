"""What a share may be given."""

from __future__ import annotations

from typing import Any

import pytest

from nbserve.errors import OptionError
from nbserve.parts import CLOSED
from nbserve.terms import Rate, Terms, rate_from, terms_from


def test_nothing_given_is_a_day_for_everybody_and_everything() -> None:
    assert terms_from({}) == Terms("", 86400.0, (), "", 0, allow=False)
    assert terms_from({"label": None, "for": None, "rows": None}) == Terms()


@pytest.mark.parametrize("word", ["for", "for_s"])
def test_the_time_has_two_names(word: str) -> None:
    assert terms_from({word: "2h"}).for_s == 7200.0


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"for": 90}, {"for_s": 90.0}),
        ({"for": "1.5d"}, {"for_s": 129600.0}),
        ({"for": "90d"}, {"for_s": 7776000.0}),
        ({"methods": "predict, inspect,predict"}, {"methods": ("predict", "inspect")}),
        ({"methods": ["predict"]}, {"methods": ("predict",)}),
        ({"rate": "10 / S"}, {"rate": "10/s"}),
        ({"rate": "10000/d"}, {"rate": "10000/d"}),
        ({"rows": "1"}, {"rows": 1}),
        ({"rows": 10**12}, {"rows": 10**12}),
        ({"label": " Ann "}, {"label": "Ann"}),
        ({"label": "x" * 80}, {"label": "x" * 80}),
        ({"allow": True}, {"allow": True}),
    ],
    ids=str,
)
def test_what_is_allowed_is_read(given: dict[str, Any], read: dict[str, Any]) -> None:
    assert terms_from(given) == Terms(**read)


@pytest.mark.parametrize(
    "given",
    [
        {"for": 0},
        {"for": -1},
        {"for": "90.001d"},
        {"for": "inf"},
        {"for": "nan"},
        {"for": True},
        {"for": "2 weeks"},
        {"for": "9" * 400},
        {"methods": ""},
        {"methods": []},
        {"methods": {"predict": 1}},
        {"methods": "a b"},
        {"methods": "../x"},
        {"methods": [1]},
        {"methods": "x" * 101},
        *({"methods": closed} for closed in sorted(CLOSED)),
        {"rate": "10001/s"},
        {"rate": "0/s"},
        {"rate": ""},
        {"rate": 10},
        {"rate": "1/w"},
        {"rows": 0},
        {"rows": -1},
        {"rows": 10**12 + 1},
        {"rows": 1.0},
        {"rows": True},
        {"rows": "9" * 5000},
        {"label": ""},
        {"label": "x" * 81},
        {"label": "a\tb"},
        {"label": 5},
        {"allow": 1},
        {"allow": "true"},
    ],
    ids=lambda given: repr(given)[:40],
)
def test_what_is_not_is_refused_with_what_is(given: dict[str, Any]) -> None:
    with pytest.raises(OptionError) as refused:
        terms_from(given)
    assert refused.value.remedy.startswith("Allowed: ")
    assert len(str(refused.value)) < 400


def test_an_unknown_term_is_refused_with_the_nearest_known() -> None:
    with pytest.raises(OptionError, match="Did you mean 'methods'"):
        terms_from({"method": "predict"})


def test_a_rate_is_calls_in_a_stretch_of_time() -> None:
    assert rate_from("") is None
    assert [rate_from(f"7/{unit}") for unit in "smhd"] == [Rate(7, 1), Rate(7, 60), Rate(7, 3600), Rate(7, 86400)]
