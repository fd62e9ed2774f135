"""What the annotations of a user's method mean, wherever its class was written."""

from __future__ import annotations

import inspect
import re
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any

__all__ = ["hints_of", "names_around"]

_WORD = re.compile(r"[^\W\d]\w*")


def names_around(kind: type) -> dict[str, Any]:
    """The names in the annotations of a class's methods that are local to the functions around the class.

    Called while it is being defined: as text, an annotation keeps nothing alive of what it names.
    """
    functions = kind.__qualname__.split(".<locals>.")[:-1]
    if not functions:
        return {}
    wanted = {word for text in _texts(kind) for word in _WORD.findall(text)}
    found: dict[str, Any] = {}
    for frame in _frames(functions):
        known = frame.f_locals
        found |= {word: known[word] for word in wanted - found.keys() if word in known}
    return found


def hints_of(method: Callable[..., Any], names: Mapping[str, Any]) -> dict[str, Any]:
    """The annotations of a method, evaluated; `names` are known beside those of its module.

    Raises what evaluating the user's text raises, `NameError` above all.
    """
    function = inspect.unwrap(getattr(method, "__func__", method))
    known = {**names, **_enclosed(function)}
    holder = types.SimpleNamespace(__annotations__=_annotations(function))
    return typing.get_type_hints(holder, getattr(function, "__globals__", {}), known, include_extras=True)


def _texts(kind: type) -> Iterator[str]:
    for value in vars(kind).values():
        function = inspect.unwrap(getattr(value, "__func__", value)) if callable(value) else value
        for annotation in _annotations(function).values():
            yield str(annotation)


def _annotations(function: Any) -> dict[str, Any]:
    try:
        return dict(getattr(function, "__annotations__", None) or {})
    except Exception:  # noqa: BLE001 - where annotations are evaluated late, that runs the user's code
        return {}


def _enclosed(function: Any) -> dict[str, Any]:
    """What the function has of the functions around it."""
    names = getattr(getattr(function, "__code__", None), "co_freevars", ())
    cells = getattr(function, "__closure__", None) or ()
    return {name: cell.cell_contents for name, cell in zip(names, cells, strict=True) if _is_filled(cell)}


def _is_filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _frames(functions: list[str]) -> Iterator[FrameType]:
    """The running calls of the functions around a class, the innermost first."""
    names = [".<locals>.".join(functions[: end + 1]) for end in range(len(functions))]
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the way to the frames
    while frame is not None and names:
        if frame.f_code.co_qualname == names[-1]:
            names.pop()
            yield frame
        frame = frame.f_back
