"""Settings as text of YAML, JSON or TOML.

All three write text, numbers and lists alike, or nearly: what would take a library of its own is these few lines.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import OptionError

__all__ = ["written"]

_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def written(values: Mapping[str, Any], kind: str) -> str:
    """The text of a file that is read to the same values; what is None is left out. Raises `OptionError`."""
    plain = {key: _plain(key, value) for key, value in values.items() if value is not None}
    return _WRITERS[kind](plain)


def _plain(key: str, value: Any) -> Any:
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(key, each) for each in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    if isinstance(value, Mapping):
        return {str(name): _plain(key, each) for name, each in value.items() if each is not None}
    place = _place(value)
    if place is not None:
        return place
    problem = f"{key} is of type {type(value).__name__}, which a file cannot hold."
    raise OptionError(problem, "Give it in Python, beside the file.")


def _place(value: Any) -> str | None:
    """Where a class is found, unless a cell has defined it: `module:Name`."""
    module = sys.modules.get(getattr(value, "__module__", ""))
    name = getattr(value, "__qualname__", "")
    if module is None or module.__name__ == "__main__" or getattr(module, name, None) is not value:
        return None
    return f"{module.__name__}:{name}"


def _flow(value: Any, equals: str) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_flow(each, equals) for each in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_flow(key, equals)}{equals}{_flow(each, equals)}' for key, each in value.items())}}}"
    text = json.dumps(value, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _lines(values: dict[str, Any], equals: str) -> str:
    return "".join(f"{key}{equals}{_flow(value, equals)}\n" for key, value in values.items())


_WRITERS: dict[str, Callable[[dict[str, Any]], str]] = {
    "yaml": lambda values: _lines(values, ": "),
    "toml": lambda values: _lines(values, " = "),
    "json": lambda values: json.dumps(values, indent=2) + "\n",
}
