"""Values of any library as plain JSON values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

__all__ = ["is_null", "plain", "plain_or_text", "root_package", "words"]

LONGEST_TEXT = 80
LONGEST_LIST = 100
DEEPEST = 6


def words(text: str) -> frozenset[str]:
    """A table of names, written as a text."""
    return frozenset(text.split())


def root_package(kind: type) -> str:
    return kind.__module__.partition(".")[0]


def is_null(value: object) -> bool:
    """None, NaN, NaT and the `NA` of pandas."""
    if value is None:
        return True
    if isinstance(value, float):
        return math.isnan(value)
    kind = type(value)
    if root_package(kind) == "pandas":
        return kind.__name__ in ("NAType", "NaTType")
    return root_package(kind) == "numpy" and _is_null_scalar(value)


def plain(value: Any, depth: int = 0) -> Any:
    """The value as JSON has it, nulls as None. Raises TypeError for what has no JSON form."""
    if is_null(value):
        return None
    if isinstance(value, Enum):
        return plain(value.value, depth)
    if isinstance(value, (bool, int, str, float)):
        return _plain_scalar(value)
    if depth > DEEPEST:
        raise TypeError("nested too deeply")
    return _plain_object(value, depth)


def plain_or_text(value: Any) -> Any:
    """The value as JSON has it, or else its `repr`, shortened; long lists too."""
    try:
        found = plain(value)
    except (TypeError, ValueError):
        return shortened(value)
    return shortened(found) if isinstance(found, (list, dict)) and len(found) > LONGEST_LIST else found


def shortened(value: object) -> str:
    try:
        text = " ".join(repr(value).split())
    except Exception:  # noqa: BLE001  # a user's __repr__ may do anything
        text = f"<{type(value).__name__}>"
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def _is_null_scalar(value: Any) -> bool:
    return getattr(value, "ndim", 0) == 0 and bool(value != value)


def _plain_scalar(value: Any) -> Any:
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value


def _plain_object(value: Any, depth: int) -> Any:
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, (Decimal, timedelta)):
        return float(value) if isinstance(value, Decimal) else value.total_seconds()
    if isinstance(value, Mapping):
        return {str(key): plain(each, depth + 1) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(each, depth + 1) for each in value]
    if root_package(type(value)) == "numpy":
        return _plain_numpy(value, depth)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _plain_numpy(value: Any, depth: int) -> Any:
    if not hasattr(value, "tolist"):
        raise TypeError(f"{type(value).__name__} has no JSON form")
    if type(value).__name__ == "datetime64":
        return str(value)
    listed = value.tolist()
    if type(listed) is type(value):
        raise TypeError(f"{type(value).__name__} has no JSON form")
    return plain(listed, depth + 1)
