"""Moments and durations of Python, numpy and pandas in the one text that each has in ISO 8601."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

__all__ = ["duration", "numpy_duration", "numpy_moment"]

_SECOND = 10**18
"""In attoseconds, numpy's finest unit."""

_UNITS = {
    "W": 604_800 * _SECOND,
    "D": 86_400 * _SECOND,
    "h": 3_600 * _SECOND,
    "m": 60 * _SECOND,
    "s": _SECOND,
    "ms": 10**15,
    "us": 10**12,
    "ns": 10**9,
    "ps": 10**6,
    "fs": 10**3,
    "as": 1,
}


def duration(value: timedelta) -> str:
    micros = (value.days * 86_400 + value.seconds) * 10**6 + value.microseconds
    return _text(micros * _UNITS["us"])


def numpy_duration(value: Any) -> Any:
    """Of a ``timedelta64``: null for NaT, a number when it has no unit."""
    import numpy as np

    if np.isnat(value):
        return None
    unit, step = np.datetime_data(value.dtype)
    count = int(value.astype("int64")) * step
    if unit in ("Y", "M"):
        return f"{'-' if count < 0 else ''}P{abs(count)}{unit}"
    return _text(count * _UNITS[unit]) if unit in _UNITS else count


def numpy_moment(value: Any) -> str | None:
    """Of a ``datetime64``: a year, month or date alone if its unit is no finer."""
    import numpy as np

    if np.isnat(value):
        return None
    unit, _ = np.datetime_data(value.dtype)
    whole, point, fraction = str(value.astype("datetime64[s]") if unit in ("h", "m") else value).partition(".")
    fraction = fraction.rstrip("0")
    if not fraction:
        return whole
    return whole + point + fraction.ljust(6 if len(fraction) <= 6 else 9, "0")


def _text(attoseconds: int) -> str:
    """`P1DT2H3M4.5S`; the sign comes first."""
    seconds, rest = divmod(abs(attoseconds), _SECOND)
    days, hours, minutes, seconds = seconds // 86_400, seconds // 3_600 % 24, seconds // 60 % 60, seconds % 60
    fraction = f".{rest:018}".rstrip("0") if rest else ""
    date = f"{days}D" if days else ""
    time = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
    if seconds or fraction or not (date or time):
        time += f"{seconds}{fraction}S"
    return f"{'-' if attoseconds < 0 else ''}P{date}{'T' if time else ''}{time}"
