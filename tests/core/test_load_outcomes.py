"""What a load that raised came to."""

from __future__ import annotations

import pytest

from nbserve.core.loading import failure_again, failure_of
from nbserve.errors import Conflict, LoadError, ModelRefused, NbserveError, OverBudget

AGAIN = "Load it again once the cause is gone, or serve another model."


@pytest.mark.parametrize(
    ("raised", "problem", "remedy"),
    [
        (ValueError("the file ends too soon."), "Loading raised ValueError: the file ends too soon.", AGAIN),
        (ModelRefused("There is nothing to call.", "Serve another."), "There is nothing to call.", "Serve another."),
        (Conflict("It loads itself."), "It loads itself.", AGAIN),
    ],
)
def test_whatever_a_load_raises_is_a_failed_load_with_its_reason(raised: Exception, problem: str, remedy: str) -> None:
    failure = failure_of(raised)
    assert (type(failure), failure.problem, failure.remedy) == (LoadError, problem, remedy)
    assert failure.__cause__ is raised


def test_what_there_is_no_room_for_has_not_failed_to_load() -> None:
    raised = OverBudget("There is no room.", "Unload another.")
    assert failure_of(raised) is raised


@pytest.mark.parametrize("kind", [LoadError, OverBudget])
def test_each_caller_raises_an_error_of_its_own_with_the_same_words_and_cause(kind: type[NbserveError]) -> None:
    failure = kind("It is broken.", "Mend it.")
    failure.__cause__ = ValueError("too short")
    again = failure_again(failure)
    assert again is not failure
    assert (type(again), str(again), again.__cause__) == (kind, str(failure), failure.__cause__)
