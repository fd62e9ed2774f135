"""What a share may be given, once: each term's type, default, check and help text feed the magic, Python and HTTP."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from .errors import OptionError, nearest
from .options import Option
from .parts import CLOSED

__all__ = ["TERMS", "Rate", "Terms", "rate_from", "terms_from"]

LONGEST_S = 90 * 24 * 3600.0
MOST_CALLS = 10_000
MOST_ROWS = 10**12
LONGEST_LABEL = 80

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 24 * 3600.0}
_METHOD = re.compile(r"[A-Za-z_][\w.-]{0,99}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rate:
    """At most so many calls in any stretch of so many seconds."""

    calls: int
    per_s: float


def rate_from(text: str) -> Rate | None:
    """`10/s`; None of the empty text, which is no limit. Raises ValueError."""
    found = re.fullmatch(r"(\d{1,9})\s*/\s*([smhd])", text)
    if not text:
        return None
    if found is None or not 1 <= int(found[1]) <= MOST_CALLS:
        raise ValueError(f"so many calls a second, minute, hour or day, such as 10/s; {MOST_CALLS} at most")
    return Rate(int(found[1]), _UNITS[found[2]])


def _rate(given: Any) -> str:
    text = str(given).strip().lower().replace(" ", "")
    if rate_from(text) is None:
        raise ValueError("so many calls a second, minute, hour or day, such as 10/s")
    return text


def _time(given: Any) -> float:
    allowed = "a time up to 90 days, such as 30m, 2h or 7d"
    found = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*([smhd]?)", str(given).strip().lower())
    seconds = 0.0 if found is None or isinstance(given, bool) else float(found[1]) * _UNITS[found[2] or "s"]
    if not 0 < seconds <= LONGEST_S or not math.isfinite(seconds):
        raise ValueError(allowed)
    return seconds


def _methods(given: Any) -> tuple[str, ...]:
    words = [word.strip() for word in given.split(",")] if isinstance(given, str) else given
    allowed = "names of methods and routes, such as predict,inspect"
    if not isinstance(words, (list, tuple)) or not words:
        raise ValueError(allowed)
    for word in words:
        if not isinstance(word, str) or not _METHOD.fullmatch(word):
            raise ValueError(allowed)
        if word in CLOSED:
            raise ValueError(f"{allowed}; {', '.join(sorted(CLOSED))} are the owner's")
    return tuple(dict.fromkeys(words))


def _rows(given: Any) -> int:
    text = str(given).strip()
    if isinstance(given, bool) or not (text.isascii() and text.isdigit()) or not 1 <= int(text[:20]) <= MOST_ROWS:
        raise ValueError(f"a whole number from 1 to {MOST_ROWS:,}")
    return int(text)


def _label(given: Any) -> str:
    text = given.strip() if isinstance(given, str) else ""
    if not text or len(text) > LONGEST_LABEL or not text.isprintable():
        raise ValueError(f"a line of text, {LONGEST_LABEL} characters at most")
    return text


def _allow(given: Any) -> bool:
    if not isinstance(given, bool):
        raise ValueError("True or False")
    return given


TERMS: tuple[Option, ...] = (
    Option("label", "", _label, "share: who it is for, shown beside what it was used for", "WHO", False),
    Option("for_s", 24 * 3600.0, _time, "share: so long, such as 30m, 2h or 7d (default: 1d)", "TIME", False),
    Option("methods", (), _methods, "share: only these, such as predict,inspect (default: all)", "NAMES", False),
    Option("rate", "", _rate, "share: so many calls at most, such as 10/s or 1000/d", "RATE", False),
    Option("rows", 0, _rows, "share: so many rows altogether", "N", False),
    Option("allow", False, _allow, "share: allow links, for as long as this Jupyter server runs", None, False),
)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a share is to be, read and checked."""

    label: str = ""
    for_s: float = 24 * 3600.0
    methods: tuple[str, ...] = ()
    rate: str = ""
    rows: int = 0
    allow: bool = False


assert Terms() == Terms(**{term.name: term.default for term in TERMS})
assert [term.name for term in TERMS] == [field.name for field in fields(Terms)]

_BY_WORD = {term.name: term for term in TERMS} | {term.label: term for term in TERMS}


def terms_from(given: Mapping[str, Any]) -> Terms:
    """What was given by name, `for` being the same as `for_s`; None is as if it were not.

    Raises `OptionError` that names the term, what is allowed, or the nearest name.
    """
    read: dict[str, Any] = {}
    for word, value in given.items():
        term = _BY_WORD.get(word)
        if term is None:
            known = ", ".join(each.label for each in TERMS)
            raise OptionError(f"A share has no {word[:64]!r}.{nearest(word, list(_BY_WORD))}", f"There are {known}.")
        if value is not None:
            read[term.name] = _read(term, value)
    return Terms(**read)


def _read(term: Option, value: Any) -> Any:
    try:
        return term.read(value)
    except ValueError as error:
        shown = repr(value) if len(repr(value)) <= LONGEST_LABEL else f"{repr(value)[:LONGEST_LABEL]}…"
        raise OptionError(f"{term.label} cannot be {shown}.", f"Allowed: {error}.") from None
