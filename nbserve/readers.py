"""How what was typed for an option becomes its value: each reader raises ValueError with what is allowed."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any

__all__ = [
    "DTYPES",
    "RESERVED_NAMES",
    "batch_word",
    "budget_bytes",
    "dtype",
    "field_names",
    "folder",
    "host",
    "model_class",
    "name",
    "one_of",
    "path",
    "pem_file",
    "seconds",
    "size_bytes",
    "switch",
    "whole_number",
]

RESERVED_NAMES = frozenset({"docs", "favicon.ico", "health", "metrics", "openapi.json", "ready", "redoc"})
"""First parts of a path that the server itself answers."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9_.])?")
_CLASS = re.compile(r"[A-Za-z_]\w*(?:[.:][A-Za-z_]\w*)*")


def name(given: Any) -> str:
    if not isinstance(given, str) or not _NAME.fullmatch(given):
        raise ValueError("letters, digits, '_', '-' and '.', beginning with a letter or digit, 64 at most")
    if given in RESERVED_NAMES:
        raise ValueError(f"a name other than {', '.join(sorted(RESERVED_NAMES))}")
    return given


def path(given: Any) -> str:
    """``/model``, the same as the name ``model``."""
    if not isinstance(given, str) or not given.strip("/"):
        raise ValueError("a path of one part, such as /model")
    return name(given.removeprefix("/").removesuffix("/"))


def host(given: Any) -> str:
    """``0.0.0.0``, ``[::1]``, ``localhost``: whose it is, is seen when it is listened on."""
    host = given.removeprefix("[").removesuffix("]") if isinstance(given, str) else ""
    try:
        if ":" in host and "%" not in host:
            return str(ip_address(host))
        if _HOST.fullmatch(host):
            return host
    except ValueError:
        pass
    raise ValueError("a number or a name of this machine, such as 0.0.0.0 (for all that it has) or localhost")


def pem_file(given: Any) -> str:
    path = os.fspath(given) if isinstance(given, (str, os.PathLike)) else None
    if not isinstance(path, str) or not path or "\0" in path:
        raise ValueError("the path of a PEM file")
    return os.path.expanduser(path)  # noqa: PTH111 - it stays as it was typed


def whole_number(least: int, most: int) -> Callable[[Any], int]:
    def read(given: Any) -> int:
        allowed = f"a whole number from {least} to {most}"
        if isinstance(given, bool) or not isinstance(given, (int, str)):
            raise ValueError(allowed)
        try:
            number = int(given)
        except ValueError:
            raise ValueError(allowed) from None
        if not least <= number <= most:
            raise ValueError(allowed)
        return number

    return read


LONGEST_S = 3650 * 24 * 3600.0
"""Ten years: more is mistyped, and more than the clocks of threads hold."""

_TIME_UNITS = {"": 1.0, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 24 * 3600.0}
_SIZE_UNITS = {"": 1, "b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "kib": 1024, "mib": 1024**2, "gib": 1024**3}
_SIZE_UNITS |= {"tb": 1000**4, "tib": 1024**4}


def _quantity(units: Mapping[str, float], allowed: str, most: float = math.inf) -> Callable[[Any], float]:
    def read(given: Any) -> float:
        try:
            quantity = _number(given, units)
        except (OverflowError, ValueError):
            raise ValueError(allowed) from None
        if not 0 < quantity <= most or quantity == math.inf:
            raise ValueError(allowed)
        return quantity

    return read


def _number(given: Any, units: Mapping[str, float]) -> float:
    """Raises ValueError, OverflowError."""
    if isinstance(given, bool):
        raise ValueError
    if isinstance(given, (int, float)):
        return float(given)
    found = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*([a-z]*)", str(given).strip().lower())
    if found is None or found[2] not in units:
        raise ValueError
    return float(found[1]) * units[found[2]]


seconds = _quantity(_TIME_UNITS, "a time above 0, such as 30s, 500ms, 2m or 1d; 3650d at most", LONGEST_S)


def size_bytes(given: Any) -> int:
    allowed = "a size of 1 byte or more, such as 64MiB or 500kB"
    size = _quantity(_SIZE_UNITS, allowed)(given)
    if size < 1:
        raise ValueError(allowed)
    return int(size)


def budget_bytes(given: Any) -> int:
    """0 is none."""
    is_none = given == "none" if isinstance(given, str) else type(given) is int and given == 0
    return 0 if is_none else size_bytes(given)


def folder(given: Any) -> str:
    if not isinstance(given, (str, os.PathLike)) or not os.fspath(given) or "\0" in str(given):
        raise ValueError("the path of a folder")
    return str(os.fspath(given))


def switch(given: Any) -> bool:
    read = _WORDS.get(given.strip().lower()) if isinstance(given, str) else given
    if not isinstance(read, bool):
        raise ValueError("True or False")
    return read


_WORDS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def one_of(*choices: str) -> Callable[[Any], str]:
    def read(given: Any) -> str:
        if not isinstance(given, str) or given not in choices:
            raise ValueError(" or ".join(map(repr, choices)))
        return given

    return read


def field_names(given: Any) -> tuple[str, ...]:
    """``age,name``, or the names in a list."""
    allowed = "names of fields, separated by commas, such as age,name"
    names = given.split(",") if isinstance(given, str) else given
    if not isinstance(names, (list, tuple, set, frozenset)) or not all(isinstance(name, str) for name in names):
        raise ValueError(allowed)
    read = tuple(sorted({name.strip() for name in names}))
    if not read or "" in read:
        raise ValueError(allowed)
    return read


def model_class(given: Any) -> Any:
    """A class, a function, or the name of one: it is looked up when the model is served."""
    if isinstance(given, str) and _CLASS.fullmatch(given.strip()):
        return given.strip()
    if isinstance(given, str) or not callable(given):
        raise ValueError("a class or a function that makes the model, or the name of one, such as Net or package.Net")
    return given


DTYPES = (
    "float32",
    "float64",
    "float16",
    "bool",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
)

_dtype_word = one_of(*DTYPES)


def dtype(given: Any) -> str:
    """The objects that libraries call so: numpy's and their classes, TensorFlow's, torch's."""
    if isinstance(given, type):
        return _dtype_word(given.__name__)
    if type(given).__module__ == "torch":
        return _dtype_word(str(given).removeprefix("torch."))  # they have no name, but are written as it
    return _dtype_word(getattr(given, "name", given))


_on_off = one_of("auto", "on", "off")


def batch_word(given: Any) -> str:
    """True and False, too."""
    return _on_off({True: "on", False: "off"}[given] if isinstance(given, bool) else given)
