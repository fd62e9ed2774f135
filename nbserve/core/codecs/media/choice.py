"""Which format a request is in, and which it asks to be answered in: `Content-Type`, `Accept` and the query."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

import orjson

from ....errors import Fault, InputError, MediaTypeError, NotAcceptable
from .formats import MEDIA
from .medium import Medium
from .separated import HEADER

__all__ = ["JSON_TYPES", "accepted", "arguments_of", "sent_as"]

JSON_TYPES = ("application/json", "text/json")
JSON = "application/json"

_BY_TYPE = {each: medium for medium in MEDIA for each in medium.types}
_CHARSETS = ("", "utf-8", "utf8")


@lru_cache(maxsize=64)
def sent_as(content_type: str) -> tuple[Medium | None, Mapping[str, str]]:
    """The format of a body, None for JSON, and the parameters that were given with it. Raises `MediaTypeError`."""
    media_type, _, rest = content_type.partition(";")
    media_type = media_type.strip().lower()
    parameters = _parameters(rest)
    charset = parameters.get("charset", "").lower()
    medium = _BY_TYPE.get(media_type)
    is_json = media_type in JSON_TYPES or media_type.endswith("+json")
    if medium is None and not is_json:
        remedy = f"Send JSON with 'Content-Type: application/json', or {', '.join(each.type for each in MEDIA)}."
        raise MediaTypeError(f"The content type {media_type!r} is not read here.", remedy)
    if charset not in _CHARSETS:
        raise MediaTypeError(
            f"{'JSON' if medium is None else medium.title} in {charset!r} is not read here.", "Send it as UTF-8."
        )
    if medium is not None and media_type == "text/csv" and parameters.get("header", HEADER[0]) not in HEADER:
        raise MediaTypeError("A header is present or absent.", "Send 'text/csv; header=present' or header=absent.")
    return medium, parameters


@lru_cache(maxsize=64)
def accepted(accept: str) -> Medium | None:
    """The format that is wanted most of those that are written here, None for JSON. Raises `NotAcceptable`.

    Of those wanted alike it is the one that is named most exactly, then the one that is named first, then JSON.
    """
    ranges = [_range(index, each) for index, each in enumerate(accept.split(",")) if each.strip()]
    if not ranges:
        return None
    writable = [(JSON, None), *((each.type, each) for each in MEDIA if each.is_answered), *_aliases()]
    rated = [(_rating(name, ranges), medium) for name, medium in writable]
    best, medium = max(rated, key=lambda each: each[0])
    if best[0] <= 0:
        listed = ", ".join(
            dict.fromkeys(name for name, each in writable if name == (JSON if each is None else each.type))
        )
        raise NotAcceptable(f"None of {accept[:200]!r} is written here.", f"Accept one of {listed}.")
    return medium


def _aliases() -> list[tuple[str, Medium | None]]:
    return [("text/json", None), *((name, each) for each in MEDIA if each.is_answered for name in each.types[1:])]


def _range(index: int, text: str) -> tuple[str, float, int]:
    """What a part of `Accept` names, how much it is wanted, and its place."""
    name, _, rest = text.partition(";")
    try:
        wanted = min(1.0, max(0.0, float(_parameters(rest).get("q", "1"))))
    except ValueError:
        wanted = 0.0
    return name.strip().lower(), wanted, index


def _rating(name: str, ranges: list[tuple[str, float, int]]) -> tuple[float, int, int]:
    """How much a type is wanted, how exactly it is named, and how early."""
    whole = name.partition("/")[0] + "/*"
    for exactness, pattern in ((2, name), (1, whole), (0, "*/*")):
        found = [(wanted, exactness, -index) for each, wanted, index in ranges if each == pattern]
        if found:
            return found[0]
    return 0.0, 0, 0


def _parameters(text: str) -> dict[str, str]:
    pairs = (each.partition("=") for each in text.split(";") if each.strip())
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}


_OURS = frozenset({"ticket", "token"})


def arguments_of(query: bytes) -> dict[str, Any]:
    """The other arguments of a call whose body has no room for them, but for what is said to us.

    Raises `InputError`.
    """
    arguments: dict[str, Any] = {}
    if not query:
        return arguments
    try:
        given = parse_qsl(query.decode("latin-1"), keep_blank_values=True, errors="strict", max_num_fields=1000)
    except ValueError:
        raise InputError("The query is not UTF-8, or too long.", "Send arguments as ?name=value.") from None
    for name, text in given:
        if name in _OURS:
            continue
        if name in arguments:
            problem = f"The argument {name[:80]!r} is given twice."
            raise InputError(problem, "Send it once.", faults=[Fault((name[:80],), problem, "duplicate")])
        arguments[name] = _value(text)
    return arguments


def _value(text: str) -> Any:
    """What the text says as JSON, else the text."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
