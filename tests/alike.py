"""Whether what is answered among others is what would be answered alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import orjson

from nbserve.errors import NbserveError

__all__ = ["assert_alike", "outcome_of"]


def outcome_of(ask: Callable[..., bytes], *given: Any) -> Any:
    """The value of the JSON that is answered, or the error that is raised instead."""
    try:
        return orjson.loads(ask(*given))
    except NbserveError as error:
        return error


def assert_alike(answer: Any, expected: Any, tolerance: float) -> None:
    """Errors in all that they tell, values to the last bit or within the tolerance."""
    if isinstance(expected, NbserveError):
        assert isinstance(answer, NbserveError), answer
        told = (type(answer), answer.problem, answer.remedy, answer.faults)
        assert told == (type(expected), expected.problem, expected.remedy, expected.faults)
    elif isinstance(expected, dict):
        assert answer.keys() == expected.keys()
        for name, each in expected.items():
            assert_alike(answer[name], each, tolerance)
    elif isinstance(expected, list):
        assert isinstance(answer, list), answer
        assert len(answer) == len(expected)
        for one, other in zip(answer, expected, strict=True):
            assert_alike(one, other, tolerance)
    elif isinstance(expected, float) and tolerance:
        assert type(answer) is float
        assert math.isclose(answer, expected, rel_tol=tolerance, abs_tol=tolerance)
    else:
        assert (type(answer), answer) == (type(expected), expected)
