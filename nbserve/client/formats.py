"""How arguments are put into a body, and answers read out of one: a row a media type."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson

from ..core.codecs import Unwritable, written
from ..core.codecs.forms import NO_FORM, simpler
from ..errors import Fault, InputError

__all__ = ["FORMATS", "JSON", "Format", "format_of"]

Path = tuple[str | int, ...]

_MANY_DIGITS = re.compile(rb"\d{19}")


@dataclass(frozen=True, slots=True)
class Format:
    """`write` raises `InputError`, `read` ValueError for bytes that are not of this format."""

    media_type: str
    write: Callable[[Any], bytes]
    read: Callable[[bytes], Any]


def format_of(content_type: str) -> Format | None:
    """The row for what a Content-Type says."""
    media_type = content_type.partition(";")[0].strip().lower()
    return JSON if media_type.endswith("+json") else FORMATS.get(media_type)


def _write_json(value: Any) -> bytes:
    """The forms that models' answers have, too: the server reads what it writes."""
    try:
        body = written(value)
    except Unwritable as error:
        raise InputError(f"What is to be sent {error.fault}.", f"Send {error.wanted}.") from None
    if b"null" in body:  # the form of what is missing, and in answers that of infinity
        _refuse_infinity(value)
    return body


def _read_json(body: bytes) -> Any:
    value = orjson.loads(body)
    # orjson reads integers of more than 64 bits as the nearest float
    return json.loads(body) if _MANY_DIGITS.search(body) else value


def _refuse_infinity(value: Any) -> None:
    """A model that takes an infinity for a missing value would answer, and be wrong."""
    path = next(_infinities(value, ()), None)
    if path is not None:
        problem = f"What is to be sent holds infinity at {''.join(f'[{step!r}]' for step in path)}."
        remedy = "Send finite numbers, or NaN for what is missing."
        raise InputError(problem, remedy, faults=[Fault(path, problem, "not_finite")])


def _infinities(value: Any, path: Path) -> Iterator[Path]:
    if isinstance(value, float):
        if math.isinf(value):
            yield path
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _infinities(each, (*path, key))
    elif isinstance(value, (list, tuple)):
        for i, each in enumerate(value):
            yield from _infinities(each, (*path, i))
    else:
        yield from _infinities_of_libraries(value, path)


def _infinities_of_libraries(value: Any, path: Path) -> Iterator[Path]:
    numpy: Any = sys.modules.get("numpy")
    if isinstance(value, Decimal):
        if value.is_infinite():
            yield path
    elif numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)):
        if value.dtype.kind == "f":
            yield from ((*path, *map(int, place)) for place in numpy.argwhere(numpy.isinf(value)))
        elif value.dtype.kind == "O":
            yield from _infinities(value.tolist(), path)
    elif not isinstance(value, (str, bytes, int, type(None))):
        form = simpler(value)
        if form is not NO_FORM and not isinstance(form, orjson.Fragment):
            yield from _infinities(form, path)


JSON = Format("application/json", _write_json, _read_json)

FORMATS = {each.media_type: each for each in (JSON,)}
