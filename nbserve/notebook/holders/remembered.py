"""The errors that Python and IPython remember: for `%debug`, their frames hold all that was at work in them."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from types import CellType, FrameType, MemberDescriptorType, TracebackType
from typing import Any

from .links import attributes_of, members_of, pairs
from .running import has_own_variables

__all__ = [
    "empty",
    "forget_debugged",
    "frames_behind",
    "has_variable",
    "remembered_errors",
    "remembered_frames",
    "replace_in",
]


def remembered_errors(shell: Any) -> list[tuple[str, BaseException]]:
    """Every error, with those that it came from, once, and the code that leads to it."""
    ahead = [(code, start) for code, start in _starts(shell) if issubclass(type(start), BaseException)]
    found: dict[int, tuple[str, BaseException]] = {}
    while ahead:
        code, error = ahead.pop(0)
        if id(error) not in found:
            found[id(error)] = (code, error)
            ahead += [(f"{code}.{part}", origin) for part, origin in _origins(error)]
    return list(found.values())


def remembered_frames(shell: Any) -> list[tuple[str, FrameType]]:
    """Every frame behind those errors, once, and where it is: ``sys.last_traceback (in fit)``."""
    starts = [(code, start) for code, start in _starts(shell) if not issubclass(type(start), BaseException)]
    starts += [(f"{code}.__traceback__", _part(error, "__traceback__")) for code, error in remembered_errors(shell)]
    found: dict[int, tuple[str, FrameType]] = {}
    for code, start in starts:
        for frame in frames_behind(start):
            found.setdefault(id(frame), (f"{code} (in {frame.f_code.co_name})", frame))
    return list(found.values())


def frames_behind(start: BaseException | TracebackType | FrameType | None) -> Iterator[FrameType]:
    """The frames of a traceback, and the callers of the first, whose variables are kept as well."""
    if start is not None and issubclass(type(start), BaseException):
        start = _part(start, "__traceback__")
    caller = start.tb_frame.f_back if isinstance(start, TracebackType) else start
    while isinstance(start, TracebackType):
        yield start.tb_frame
        start = start.tb_next
    while isinstance(caller, FrameType):
        yield caller
        caller = caller.f_back


def has_variable(frame: FrameType, thing: object) -> bool:
    """Whether a function that has ended has left this very object in one of its variables."""
    if not has_own_variables(frame):
        return False
    held = gc.get_referents(frame)
    inner = [each for each in held if type(each) in (CellType, dict)]
    return any(each is thing for each in (*held, *gc.get_referents(*inner)))


def empty(frame: FrameType) -> bool:
    """Let go of an ended function's variables; false for one that runs or will go on, and for a module, which has none.

    What the function gave away of them stays.
    """
    if frame.f_code.co_name == "<module>" or not any(each is frame.f_code for each in gc.get_referents(frame)):
        return False  # of a function that has not ended the collector is told nothing; clear() would close a generator
    frame.clear()
    _empty_copy(frame)
    return True


def _empty_copy(frame: FrameType) -> None:
    """What IPython has seen as f_locals is a copy until Python 3.13, and clear() leaves it."""
    for each in gc.get_referents(frame):
        # whose references are the frame's, that of the list here, and the two of these lines: nobody has taken it
        if type(each) is dict and each is not frame.f_globals and sys.getrefcount(each) <= 4:
            each.clear()


def forget_debugged(shell: Any) -> None:
    """Let the debugger go of where it was last, if it is not at work; it does so itself when it starts again."""
    debugger = getattr(getattr(shell, "InteractiveTB", None), "pdb", None)
    if debugger is not None and debugger.curframe is None:
        debugger.reset()
        if "curframe_locals" in vars(debugger):  # until Python 3.13
            debugger.curframe_locals = {}


def replace_in(error: BaseException, thing: object, other: object) -> list[str]:
    """Put `other` wherever the error itself has this very object; answers where: ``obj``, ``args``."""
    found = []
    arguments = _part(error, "args")
    if any(each is thing for each in arguments):
        vars(BaseException)["args"].__set__(error, tuple(other if each is thing else each for each in arguments))
        found.append("args")
    for name, member, value in members_of(error):
        if value is thing and _is_set(member, error, other):
            found.append(name)
    attributes = attributes_of(error) or {}
    for name, value in pairs(attributes):
        if value is thing:
            attributes[name] = other
            found.append(name)
    return found


def _is_set(member: MemberDescriptorType, error: BaseException, value: object) -> bool:
    try:
        member.__set__(error, value)
    except (AttributeError, TypeError):  # read-only, or of another type
        return False
    return True


def _starts(shell: Any) -> Iterator[tuple[str, Any]]:
    for name in ("last_traceback", "last_value", "last_exc"):
        yield f"sys.{name}", getattr(sys, name, None)
    reporter = getattr(shell, "InteractiveTB", None)
    yield "get_ipython().InteractiveTB.tb", getattr(reporter, "tb", None)
    for name in ("error_in_exec", "error_before_exec"):
        error = getattr(getattr(shell, "last_execution_result", None), name, None)
        yield f"get_ipython().last_execution_result.{name}", error


def _origins(error: BaseException) -> Iterator[tuple[str, BaseException]]:
    for name in ("__cause__", "__context__"):
        origin = _part(error, name)
        if origin is not None:
            yield name, origin
    if issubclass(type(error), BaseExceptionGroup):
        parts = vars(BaseExceptionGroup)["exceptions"].__get__(error)
        yield from ((f"exceptions[{number}]", part) for number, part in enumerate(parts))


def _part(error: Any, name: str) -> Any:
    """What every exception has, whatever its class makes of that name."""
    return vars(BaseException)[name].__get__(error)
