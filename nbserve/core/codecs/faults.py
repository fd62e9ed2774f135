"""What is wrong with one request, gathered before it is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from ...errors import Fault, InputError, nearest

__all__ = ["MOST_FAULTS", "Faults", "Loc", "hint", "shown"]

MOST_FAULTS = 20
LONGEST_KEY = 200
"""Characters of a sent key that a refusal repeats."""

Loc = tuple[str | int, ...]


class Faults:
    """The faults of one request, in the order they were found.

    `add` and `check` raise `InputError`: `add` as soon as there are `MOST_FAULTS`, `check` if there is any.
    """

    def __init__(self) -> None:
        self._found: list[Fault] = []
        self._remedy = ""

    def __len__(self) -> int:
        return len(self._found)

    def add(self, loc: Loc, problem: str, kind: str, remedy: str = "") -> None:
        if not self._found:
            self._remedy = remedy
        place = tuple(part[:LONGEST_KEY] if isinstance(part, str) else part for part in loc)
        self._found.append(Fault(place, problem, kind))
        if len(self._found) >= MOST_FAULTS:
            raise self._error(" at least")

    def check(self) -> None:
        if self._found:
            raise self._error()

    def _error(self, bound: str = "") -> InputError:
        problem, others = self._found[0].msg, len(self._found) - 1
        if others:
            problem += f" ({others} more fault{'s' if others > 1 else ''}{bound}.)"
        return InputError(problem, self._remedy, faults=self._found)


def shown(value: Any) -> str:
    """A value in a sentence, in the words of JSON and never long: ``'n/a'``, ``null``, ``a list``."""
    told = _TOLD.get(type(value))
    if told is not None:
        return told(value)
    return f"a {type(value).__name__}"


def hint(word: Any, known: Iterable[Any]) -> str:
    """`nearest`, for words that anybody may send: neither a long word nor a long list makes it slow."""
    return nearest(word[:80], [str(each) for each in islice(known, 500)]) if isinstance(word, str) else ""


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:36]}…{text[-1]}"


_TOLD: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "null",
    bool: lambda value: "true" if value else "false",
    int: lambda value: _short(str(value)) if value.bit_length() < 1024 else "a huge integer",
    float: repr,
    str: lambda value: _short(repr(value[:60])),
    list: lambda _: "a list",
    dict: lambda _: "an object",
}
