"""The functions that run now, in all threads, and their variables."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

__all__ = ["has_own_variables", "is_own_code", "running_frames", "variables_of"]

_OPTIMIZED = 0x01
_FOLDER = str(Path(__file__).parents[2])
_ASKED_BY_NAME = frozenset({"locals", "vars"})


def running_frames() -> Iterator[FrameType]:
    """Nbserve's own are left out."""
    for each in sys._current_frames().values():  # noqa: SLF001 - there is no other way to them
        frame: FrameType | None = each
        while frame is not None:
            if has_own_variables(frame) and not is_own_code(frame.f_code):
                yield frame
            frame = frame.f_back


def variables_of(frame: FrameType) -> list[tuple[str, Any]]:
    """What a function has in its variables; nothing if it could be disturbed by the look."""
    if sys.version_info < (3, 13) and not _ASKED_BY_NAME.isdisjoint(frame.f_code.co_names):
        return []  # f_locals is what locals() gave it, and would be brought up to date
    seen = frame.f_locals
    variables = list(seen.items())
    if sys.version_info < (3, 13) and frame.f_trace is None and sys.getrefcount(seen) <= 3:
        seen.clear()  # a copy that nobody else has, and that would hold everything until the function ends
    return variables


def has_own_variables(frame: FrameType) -> bool:
    """Whether it is a function's; the variables of modules and classes are a dictionary."""
    return bool(frame.f_code.co_flags & _OPTIMIZED)


def is_own_code(code: CodeType) -> bool:
    """Whether it is nbserve that runs."""
    return code.co_filename.startswith(_FOLDER)
