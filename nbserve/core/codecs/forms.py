"""The JSON form of every type that has one: a table from types' names to functions.

A type is known by its name and its library's, never by importing the library: whoever holds a tensor has imported
torch. Each function goes one step, from a thing to something simpler; what it answers is looked up again.

    numbers that are not finite, None, NA, NaT, masked     null
    float16, float32                                       the shortest text that reads back as the same number
    Decimal                                                a number with exactly its digits
    Fraction, longdouble                                   the nearest double
    complex                                                {"real": …, "imag": …}
    dates and times                                        ISO 8601; seconds with 0, 6 or 9 digits behind the point
    durations                                              ISO 8601, like P1DT2H3M4.5S
    bytes                                                  base64
    Enum                                                   its value
    tuples, sets, deques, iterators, arrays, series        lists
    named tuples, dataclasses, pydantic models, records    objects by field; fields that start with _ are left out
    frames                                                 a list of one object a row
    Interval                                               {"left": …, "right": …, "closed": …}
    UUID, Path, Period                                     their text
    keys of objects                                        text; numbers, booleans and None as JSON writes them
    half a surrogate pair                                  U+FFFD
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, Sequence, Set, ValuesView
from enum import Enum
from typing import Any

import orjson

from .libraries import LIBRARIES, frame_rows
from .moments import duration

__all__ = ["NO_FORM", "key_text", "repaired", "simpler"]

NO_FORM = object()


def simpler(value: Any) -> Any:
    """The value one step nearer to JSON, an iterator as it is, `NO_FORM` for what has none."""
    for kind in type(value).__mro__:
        form = _FORMS.get((kind.__module__.partition(".")[0], kind.__name__))
        if form is not None:
            return form(value)
    if hasattr(type(value), "__dataclass_fields__"):
        return _public({name: getattr(value, name) for name in type(value).__dataclass_fields__})
    return _by_protocol(value)


def key_text(key: Any) -> str:
    """The key of a JSON object. What is no scalar is its `str`."""
    if type(key) is str:
        return repaired(key)
    if key is None or (isinstance(key, (bool, int, float)) and not isinstance(key, Enum)):
        return _number_text(key)
    form = simpler(key)
    if isinstance(form, str):
        return repaired(form)
    if form is None or isinstance(form, (bool, int, float)):
        return key_text(form)
    return repaired(str(key))


def repaired(text: str) -> str:
    """Text that UTF-8 can hold: pairs of surrogates joined, single ones replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _number_text(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(int(value))
    return orjson.dumps(float(value) if isinstance(value, float) else value).decode()


def _by_protocol(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Iterator):
        return value
    if isinstance(value, (Set, Sequence, KeysView, ValuesView, ItemsView)):
        return list(value)
    return NO_FORM


def _public(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if not name.startswith("_")}


def _tuple(value: tuple[Any, ...]) -> Any:
    names = getattr(value, "_fields", None)
    return list(value) if names is None else dict(zip(names, value, strict=True))


def _decimal(value: Any) -> Any:
    if not value.is_finite() or math.isinf(float(value)):
        return None
    text = str(value)
    return int(value) if text.lstrip("-").isdecimal() else orjson.Fragment(text.encode())


def _fraction(value: Any) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None


def _base64(value: Any) -> str:
    return b64encode(value).decode()


def _iso(value: Any) -> str:
    text: str = value.isoformat()
    return text


_FORMS: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("builtins", "bytearray"): _base64,
    ("builtins", "bytes"): _base64,
    ("builtins", "complex"): lambda value: {"real": float(value.real), "imag": float(value.imag)},
    ("builtins", "float"): float,
    ("builtins", "frozenset"): list,
    ("builtins", "int"): int,
    ("builtins", "memoryview"): lambda value: _base64(value.tobytes()),
    ("builtins", "range"): lambda value: value,
    ("builtins", "set"): list,
    ("builtins", "str"): lambda value: str.__str__(value),
    ("builtins", "tuple"): _tuple,
    ("array", "array"): lambda value: value.tolist(),
    ("collections", "deque"): list,
    ("datetime", "date"): _iso,
    ("datetime", "datetime"): _iso,
    ("datetime", "time"): _iso,
    ("datetime", "timedelta"): duration,
    ("decimal", "Decimal"): _decimal,
    ("enum", "Enum"): lambda value: value.value,
    ("fractions", "Fraction"): _fraction,
    ("pandas", "DataFrame"): lambda frame: frame_rows(frame, key_text),  # names of columns are keys of objects
    ("pathlib", "PurePath"): str,
    ("pydantic", "BaseModel"): lambda value: value.model_dump(),
    ("uuid", "UUID"): str,
    **LIBRARIES,
}
