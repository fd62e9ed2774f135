"""The values of one column or parameter: checked against what the model knows of them, and made what it takes."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from ..schema import Datatype, Feature
from .faults import Faults, Loc, hint, shown

__all__ = ["LARGEST", "WORDS", "Column", "Misfit", "fitters", "integer_range", "is_missing", "plain_scalar"]

WORDS = {
    Datatype.NUMBER: "a number",
    Datatype.INTEGER: "an integer",
    Datatype.BOOLEAN: "true or false",
    Datatype.STRING: "a string",
    Datatype.DATETIME: "a date and time in ISO 8601",
    Datatype.ANY: "a value",
}

MOST_CATEGORIES_SHOWN = 8
LARGEST = {"float16": 65504.0, "float32": 3.4028234663852886e38}
"""The largest finite number of the dtypes that are narrower than JSON's own."""

_INTEGER = re.compile(r"(u?)int(8|16|32|64)", re.IGNORECASE)


class Misfit(Exception):
    """A value is not what is expected; the message says what it is instead."""


class Column:
    """Checks the values of one feature.

    A check of the values' types as a whole, in C, lets good columns pass quickly; only what it does not let pass is
    looked at one by one.
    """

    def __init__(self, feature: Feature) -> None:
        self.feature = feature
        self.name = feature.name
        self._fit = fitters(feature.datatype, feature.dtype)
        self._quick = frozenset() if feature.shape else _QUICK[feature.datatype]
        self._has_range = feature.datatype in (Datatype.NUMBER, Datatype.INTEGER)
        self._allowed = _allowed(feature)
        self._title = f"Feature {feature.name!r}"

    def check(self, values: Sequence[Any], loc: Callable[[int], Loc], faults: Faults) -> list[Any]:
        """The values, converted, None where one is missing. `loc` tells where the value of a row was sent."""
        if self._is_good(values):
            return list(values)
        checked: list[Any] = []
        for row, value in enumerate(values):
            try:
                checked.append(self._checked(value))
            except Misfit as misfit:
                checked.append(None)
                problem, kind, remedy = self._refusal(row, value, str(misfit))
                faults.add(loc(row), problem, kind, remedy)
        return checked

    @property
    def is_closed(self) -> bool:
        """Whether only the values that are known are let in."""
        return self._allowed is not None

    def lets_in(self, values: Sequence[Any]) -> bool:
        """Whether none of the values would be refused."""
        try:
            for value in values:
                self._checked(value)
        except Misfit:
            return False
        return True

    def _is_good(self, values: Sequence[Any]) -> bool:
        types = set(map(type, values))
        if not types <= self._quick:
            return False
        if self._allowed is not None:
            return types <= _TEXT and self._allowed.keys() >= set(values)
        return not self._has_range or _is_in_range(values, self._fit)

    def _checked(self, value: Any) -> Any:
        value = plain_scalar(value)
        if is_missing(value):
            if not self.feature.nullable:
                raise Misfit("null")
            return None
        value = self._list(value) if self.feature.shape else self._fit(value)
        if self._allowed is not None and not self._is_known(value, self._allowed):
            raise Misfit("category")
        return value

    def _is_known(self, value: Any, allowed: dict[Any, None]) -> bool:
        return all(_is_among(each, allowed) for each in (value if self.feature.shape else [value]))

    def _list(self, value: Any) -> list[Any]:
        """Each value of a list; of one that is in it, null is none."""
        if isinstance(value, tuple):
            value = list(value)
        if not isinstance(value, list):
            raise Misfit("")
        return [self._inner(plain_scalar(each)) for each in value]

    def _inner(self, value: Any) -> Any:
        try:
            return self._fit(value)
        except Misfit as misfit:
            raise Misfit(", ".join(filter(None, (f"in which is {shown(value)}", str(misfit))))) from None

    def _refusal(self, row: int, value: Any, reason: str) -> tuple[str, str, str]:
        """Problem, type and remedy of one value that does not fit."""
        if reason == "null":
            problem = f"{self._title} of row {row} is null; the model does not accept missing values."
            return problem, "null", f"Send {self._wanted()}."
        if reason == "category":
            allowed = self._allowed or {}
            value = (
                next((each for each in value if not _is_among(each, allowed)), None) if self.feature.shape else value
            )
            near = hint(value, allowed)
            problem = f"{self._title} expects {self._choices()}; row {row} holds {shown(value)}.{near}"
            return problem, "category", f"Send {self._choices()}{self._or_null()}."
        problem = f"{self._title} expects {self._wanted()}, row {row} holds {shown(plain_scalar(value))}."
        if reason:
            problem = f"{problem[:-1]}, {reason}."
        return problem, f"{self.feature.datatype}_expected", f"Send {self._wanted()}{self._or_null()}."

    def _wanted(self) -> str:
        return f"a list, each {WORDS[self.feature.datatype]}" if self.feature.shape else WORDS[self.feature.datatype]

    def _or_null(self) -> str:
        return " or null" if self.feature.nullable else ""

    def _choices(self) -> str:
        values = list(self._allowed or ())
        listed = ", ".join(shown(value) for value in values[:MOST_CATEGORIES_SHOWN])
        hidden = len(values) - MOST_CATEGORIES_SHOWN
        return f"one of {listed}" + (f" and {hidden} others" if hidden > 0 else "")


def fitters(datatype: Datatype, dtype: str | None = None) -> Callable[[Any], Any]:
    """What checks and converts one value of a datatype; it raises `Misfit`."""
    if datatype is Datatype.INTEGER:
        low, high = integer_range(dtype)
        return lambda value: _integer(value, low, high)
    if datatype is Datatype.NUMBER and dtype in LARGEST:
        return lambda value: _number(value, LARGEST[dtype])
    if datatype is Datatype.DATETIME and dtype is not None and "[ns" in dtype:
        return _nanosecond_moment
    return _FITTERS[datatype]


def integer_range(dtype: str | None) -> tuple[int, int]:
    """The smallest and the largest integer of a dtype; those of 64 bits for all that is no integer dtype."""
    match = _INTEGER.fullmatch(dtype or "")
    bits = int(match[2]) if match is not None else 64
    return (0, 2**bits - 1) if match is not None and match[1] else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def plain_scalar(value: Any) -> Any:
    """A numpy scalar as the Python value that it is; anything else as it is."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic) and not isinstance(value, numpy.datetime64):
        return value.item()
    return value


def is_missing(value: Any) -> bool:
    """None, NaN, NaT or NA: what stands for a missing value in Python, of which JSON has null only."""
    if value is None:
        return True
    if isinstance(value, float):
        return math.isnan(value)
    return type(value).__name__ in ("NAType", "NaTType")


def _number(value: Any, largest: float = sys.float_info.max) -> Any:
    if not isinstance(value, (int, float)):
        raise Misfit("")
    if not -largest <= value <= largest:
        raise Misfit("which is out of range")
    return value


SMALLEST = -(2.0**63)
"""What JSON's integers that 64 bits do not hold are read as, when they are just too small."""


def _integer(value: Any, low: int, high: int) -> Any:
    if not isinstance(value, (int, float)) or (isinstance(value, float) and not value.is_integer()):
        raise Misfit("")
    if not low <= value <= high or (isinstance(value, float) and value <= SMALLEST):
        raise Misfit("which is out of range")
    return value if isinstance(value, bool) else int(value)


def _boolean(value: Any) -> bool:
    if isinstance(value, (int, float)) and value in (0, 1):
        return bool(value)
    raise Misfit("")


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise Misfit("")
    return value


def _datetime(value: Any) -> Any:
    """The text of a moment, or a datetime object as it is; times with a zone are brought to UTC later."""
    if isinstance(value, str):
        try:
            _utc(datetime.fromisoformat(value))
        except (ValueError, OverflowError):
            raise Misfit("") from None
        return value
    if isinstance(value, datetime) or type(value).__name__ == "datetime64":
        return value
    raise Misfit("")


def _nanosecond_moment(value: Any) -> Any:
    """One that 64 bits of nanoseconds hold: from 1678 to 2261."""
    value = _datetime(value)
    year = datetime.fromisoformat(value).year if isinstance(value, str) else getattr(value, "year", 1970)
    if not 1678 <= year <= 2261:
        raise Misfit("which is out of range")
    return value


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is None else moment.astimezone(UTC)


def _allowed(feature: Feature) -> dict[Any, None] | None:
    """The values that are let in, in their order; None when all are."""
    if not feature.closed or feature.categories is None:
        return None
    return dict.fromkeys(value for value in map(plain_scalar, feature.categories) if not is_missing(value))


def _is_among(value: Any, allowed: dict[Any, None]) -> bool:
    try:
        if value not in allowed:
            return False
    except TypeError:  # a list or an object is no category
        return False
    return not isinstance(value, bool) or any(isinstance(each, bool) for each in allowed)


def _is_in_range(values: Sequence[Any], fit: Callable[[Any], Any]) -> bool:
    try:
        if not math.isfinite(sum(values)):
            return False
        fit(min(values))
        fit(max(values))
    except (Misfit, OverflowError):
        return False
    return True


_TEXT = frozenset({str})

_QUICK: dict[Datatype, frozenset[type]] = {
    Datatype.NUMBER: frozenset({int, float, bool}),
    Datatype.INTEGER: frozenset({int, bool}),
    Datatype.BOOLEAN: frozenset({bool}),
    Datatype.STRING: frozenset({str}),
    Datatype.DATETIME: frozenset(),
    Datatype.ANY: frozenset({int, float, bool, str}),
}

_FITTERS: dict[Datatype, Callable[[Any], Any]] = {
    Datatype.NUMBER: _number,
    Datatype.BOOLEAN: _boolean,
    Datatype.STRING: _string,
    Datatype.DATETIME: _datetime,
    Datatype.ANY: lambda value: value,
}
