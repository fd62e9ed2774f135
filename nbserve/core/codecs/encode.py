"""Any answer of a model → JSON.

Two ways lead to the same bytes. The quick one hands the value to orjson, which asks `simpler` for each thing it does
not know. When it gives up (keys that are no strings, integers beyond 64 bits, half characters, generators) the
exact one walks the value itself, with the same forms, and either ends or says where the thing without a form is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sized
from enum import Enum
from typing import Any

import orjson

from ...errors import OutputError
from .forms import NO_FORM, key_text, repaired, simpler
from .libraries import Unwritable, is_plain_array

__all__ = ["DEEPEST", "MOST_ITEMS", "encode", "to_plain", "written"]

DEEPEST = 254
"""Levels of lists and objects that an answer may have; orjson's own limit."""

MOST_ITEMS = 2_000_000
"""Items that are taken from a generator or a range before it is held to be endless."""

_OPTIONS = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
_REMEDY = "numbers, strings, lists, dicts, arrays or frames"


def encode(value: Any) -> bytes:
    """The JSON of a model's answer. Raises `OutputError`, and whatever a generator in the answer raises."""
    if type(value).__name__ == "ndarray" and is_plain_array(value):
        return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    return _encoded(value)[0]


def to_plain(value: Any) -> Any:
    """What a client reads from `encode(value)`: dicts, lists, strings, numbers, booleans and None."""
    body, is_exact = _encoded(value)
    return json.loads(body) if is_exact else orjson.loads(body)


def written(value: Any) -> bytes:
    """The JSON of anything. Raises `Unwritable`, and whatever a generator in the value raises."""
    return _written(value)[0]


def _encoded(value: Any) -> tuple[bytes, bool]:
    try:
        return _written(value)
    except Unwritable as error:
        raise OutputError(f"The model's answer {error.fault}.", f"Return {error.wanted}.") from None


def _written(value: Any) -> tuple[bytes, bool]:
    """The JSON, and whether the exact way made it."""
    try:
        return orjson.dumps(value, default=_quick_form, option=_OPTIONS), False
    except TypeError:
        return _walked(value), True


def _quick_form(value: Any) -> Any:
    form = simpler(value)
    if form is NO_FORM or isinstance(form, (Iterator, range)):
        raise TypeError  # the walk says where it is, and reads only once what can be read only once
    return form


def _walked(value: Any) -> bytes:
    try:
        return orjson.dumps(_Walk().plain(value, 0))
    except RecursionError:
        raise _too_deep() from None
    except orjson.JSONEncodeError as error:
        raise _too_deep() if "recursion" in str(error).lower() else error from None


class _Walk:
    """One walk through an answer; it knows where it is, and what it is inside of."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self._around: set[int] = set()

    def plain(self, value: Any, depth: int) -> Any:
        """The value in the types that orjson writes without asking."""
        leaf = _LEAVES.get(type(value))
        if leaf is not None:
            return leaf(value)
        if id(value) in self._around:
            raise Unwritable(f"holds itself{self._place()}", "a value without circles")
        self._around.add(id(value))
        try:
            return self._opened(value, depth)
        finally:
            self._around.discard(id(value))

    def _opened(self, value: Any, depth: int) -> Any:
        if depth > DEEPEST:
            raise _too_deep()
        if isinstance(value, dict) and not isinstance(value, Enum):
            return self._object(value, depth)
        if isinstance(value, list) and not isinstance(value, Enum):
            return self._items(list.__iter__(value), depth)
        form = simpler(value)
        if form is NO_FORM:
            name = type(value).__qualname__
            article = "an" if name[:1] in "AEIOUaeiou" else "a"
            raise Unwritable(f"holds {article} {name}{self._place()}, which has no JSON form", _REMEDY)
        if isinstance(form, (Iterator, range)):
            return self._items(form, depth)
        return self.plain(form, depth)

    def _object(self, value: dict[Any, Any], depth: int) -> dict[str, Any]:
        plain: dict[str, Any] = {}
        for key, each in dict.items(value):
            name = key_text(key)
            if name in plain:
                raise Unwritable(f"has two keys {name!r}{self._place()}", "keys that differ as text")
            self._path.append(f"[{name!r}]")
            plain[name] = self.plain(each, depth + 1)
            self._path.pop()
        return plain

    def _items(self, values: Iterable[Any], depth: int) -> list[Any]:
        if isinstance(values, Sized) and len(values) > MOST_ITEMS:
            raise self._endless()
        plain: list[Any] = []
        is_bounded = isinstance(values, type(iter([])))
        for i, each in enumerate(values):
            if i >= MOST_ITEMS and not is_bounded:
                raise self._endless()
            self._path.append(f"[{i}]")
            plain.append(self.plain(each, depth + 1))
            self._path.pop()
        return plain

    def _endless(self) -> Unwritable:
        return Unwritable(f"has more than {MOST_ITEMS:,} items{self._place()}", "a list, or a generator that ends")

    def _place(self) -> str:
        return f" at {''.join(self._path[:12])}" if self._path else ""


def _too_deep() -> Unwritable:
    return Unwritable(f"is nested deeper than {DEEPEST} levels", "fewer levels")


def _integer(value: int) -> Any:
    if -(2**63) <= value < 2**64:
        return value
    try:
        return orjson.Fragment(str(value).encode())
    except ValueError:
        raise Unwritable("holds an integer of thousands of digits", _REMEDY) from None


def _same(value: Any) -> Any:
    return value


_LEAVES: dict[type, Callable[[Any], Any]] = {
    type(None): _same,
    bool: _same,
    float: _same,
    int: _integer,
    str: repaired,
    orjson.Fragment: _same,
}
