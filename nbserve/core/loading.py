"""One load of a model: since when it runs, how long it may, and what it came to."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass

from ..errors import LoadError, NbserveError, OverBudget
from .blame import reason_of

__all__ = ["Loading", "failure_again", "failure_of"]

_REMEDY = "Load it again once the cause is gone, or serve another model."


@dataclass(eq=False, slots=True)
class Loading:
    """A load that runs on a thread of its own, and everybody who waits for it.

    The future comes to None, or to what went wrong.
    """

    outcome: Future[NbserveError | None]
    began: float
    overdue_at: float


def failure_of(error: BaseException) -> NbserveError:
    """What a load that raised came to."""
    if isinstance(error, OverBudget):
        return error
    if isinstance(error, NbserveError):
        failure = LoadError(error.problem, error.remedy or _REMEDY)
    else:
        failure = LoadError(f"Loading raised {reason_of(error).rstrip('.')}.", _REMEDY)
    failure.__cause__ = error
    return failure


def failure_again(error: NbserveError) -> NbserveError:
    """The same error, to be raised by one more caller: an exception that several threads raise is nobody's."""
    again = type(error)(error.problem, error.remedy)
    again.__cause__ = error.__cause__
    return again
