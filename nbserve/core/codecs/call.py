"""The arguments of one call, and where each goes: by position or by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..schema import Signature

__all__ = ["Call", "Placement"]


@dataclass(frozen=True, slots=True)
class Call:
    """The arguments of one call of a model's method, ready to be given to it.

    `rows` is how many things are predicted, None when that is unknown.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    rows: int | None


@dataclass(frozen=True, slots=True)
class _Place:
    name: str
    by_position: bool
    by_name: bool
    has_default: bool = False
    default: Any = None


class Placement:
    """How a method wants its arguments: by name wherever it can be, by position where it must be or is told to."""

    def __init__(self, signature: Signature) -> None:
        places = [
            _Place(each.name, not each.keyword_only, not each.positional, not each.required, each.default)
            for each in signature.parameters
            if not each.is_variadic
        ]
        data = signature.data
        self._data: _Place | None = None
        if data is not None:
            self._data = _Place(data.name, not data.by_keyword, not data.positional)
            places.insert(data.position, self._data)
        self._ordered = [place for place in places if place.by_position]
        self._variadic = next((each.name for each in signature.parameters if each.is_variadic), None)
        self._prefers_position = signature.by_position
        self._is_simple = (
            self._variadic is None and all(place.by_name for place in places) and not signature.by_position
        )

    def call(self, values: Mapping[str, Any], rows: int | None) -> Call:
        kwargs = dict(values)
        if self._is_simple:
            return Call((), kwargs, rows)
        rest = tuple(kwargs.pop(self._variadic, None) or ()) if self._variadic is not None else ()
        return Call((*self._leading(kwargs, bool(rest)), *rest), kwargs, rows)

    def data_of(self, call: Call) -> Any:
        """The rows among the arguments."""
        assert self._data is not None
        return call.kwargs[self._data.name] if self._data.name in call.kwargs else call.args[self._seat]

    def with_data(self, call: Call, data: Any, rows: int) -> Call:
        """The same call of other rows."""
        assert self._data is not None
        if self._data.name in call.kwargs:
            return Call(call.args, {**call.kwargs, self._data.name: data}, rows)
        args = (*call.args[: self._seat], data, *call.args[self._seat + 1 :])
        return Call(args, call.kwargs, rows)

    @property
    def _seat(self) -> int:
        """Which of the arguments by position the rows are."""
        assert self._data is not None
        return self._ordered.index(self._data)

    def _leading(self, kwargs: dict[str, Any], everything: bool) -> list[Any]:
        """Take out of `kwargs` what goes by position; what is left out before another gets its default."""
        last = max((i for i, place in enumerate(self._ordered) if self._must(place, kwargs, everything)), default=-1)
        count = max(last + 1, self._given_at_first(kwargs) if self._prefers_position else 0)
        return [kwargs.pop(place.name, place.default) for place in self._ordered[:count]]

    def _given_at_first(self, kwargs: Mapping[str, Any]) -> int:
        """How many arguments are given before the first that is left out."""
        absent = (i for i, place in enumerate(self._ordered) if place.name not in kwargs)
        return next(absent, len(self._ordered))

    @staticmethod
    def _must(place: _Place, kwargs: Mapping[str, Any], everything: bool) -> bool:
        return everything or (not place.by_name and place.name in kwargs)
