"""Whether code that is handed all rows keeps each row's answer apart from the others', read without running it.

Said only where it is plain: what reduces, joins or turns tensors has to name an axis, and not the first one, which is
that of the rows.
"""

from __future__ import annotations

import dis
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FunctionType
from typing import Any

from .plain import words

__all__ = ["mixing_in"]

NEED_AXIS = words(
    "all amax amin any argmax argmin argsort cat concat concatenate cumprod cumsum flatten flip index_select "
    "log_softmax logsumexp max mean median min mode moveaxis movedim norm prod quantile reduce_max reduce_mean "
    "reduce_min reduce_sum roll softmax softmin sort split stack std sum swapaxes swapdims squeeze topk transpose var "
    "chunk gather scatter select unbind"
)
"""They work along the rows too unless an axis is given."""

ALWAYS = words(
    "H T addbmm batch_norm bincount cdist corrcoef cov dot einsum histc masked_select mT nonzero outer t tensordot "
    "unique unique_consecutive vdot"
)
KEEP_LENGTH = words("argsort cumprod cumsum flip log_softmax roll softmax softmin sort")
"""They answer as many as they get: after one that takes an axis away, the last axis may be that of the rows."""

KEEPS_ROWS_FIRST = "permute"
STORES = frozenset(["STORE_ATTR", "STORE_GLOBAL"])
CONSTANTS = frozenset(["LOAD_CONST", "LOAD_SMALL_INT"])
DEEPEST = 8


def mixing_in(function: Callable[..., Any], owner: object = None, depth: int = 0) -> str | None:
    """What in the function's code, or in that of the functions and methods it names, may mix rows; None: nothing."""
    function = getattr(function, "__func__", function)
    if not isinstance(function, FunctionType) or depth > DEEPEST:
        return "code that cannot be read"
    names: set[str] = set()
    for code in _codes(function.__code__):
        found = _mixing_name(code, owner)
        if found is not None:
            return found
        names |= set(code.co_names)
    called = [*_functions(function, names), *_methods(owner, names - {function.__name__})]
    inside = (mixing_in(each, owner, depth + 1) for each in called if each is not function)
    return next((found for found in inside if found is not None), None)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """The code, and that of the lambdas and comprehensions in it."""
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _codes(each)


def _functions(function: FunctionType, names: Iterable[str]) -> list[FunctionType]:
    """What it calls by a global name, where that is a plain function."""
    values = (function.__globals__.get(name) for name in sorted(names))
    return [each for each in values if isinstance(each, FunctionType)]


def _methods(owner: object, names: Iterable[str]) -> list[FunctionType]:
    """The owner's own methods among the names."""
    own = [kind for kind in type(owner).__mro__ if kind.__module__.partition(".")[0] not in ("torch", "keras")]
    found = (next((vars(kind)[name] for kind in own if name in vars(kind)), None) for name in sorted(names))
    return [each for each in found if isinstance(each, FunctionType)]


def _mixing_name(code: CodeType, owner: object) -> str | None:
    instructions = list(dis.get_instructions(code))
    parts = _parts_of(owner)
    lowers = bool(set(code.co_names) & (NEED_AXIS - KEEP_LENGTH))
    for index, each in enumerate(instructions):
        if each.opname in STORES:
            return f"it keeps {each.argval}"
        if not each.opname.startswith("LOAD_") or not isinstance(each.argval, str):
            continue
        if each.argval in parts and code.co_varnames and instructions[index - 1].argval == code.co_varnames[0]:
            continue  # `self.norm(x)` is a layer, which is asked by itself
        if each.argval in ALWAYS and each.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            return f"it uses {each.argval}"
        lowest = 1 if lowers and each.argval in KEEP_LENGTH else -1
        if each.argval in NEED_AXIS and not _names_other_axis(instructions[index + 1 :], lowest):
            return f"it uses {each.argval} along the rows, or without an axis"
        if each.argval == KEEPS_ROWS_FIRST and next(iter(_constants(instructions[index + 1 :])), None) != 0:
            return "it permutes the rows' axis"
    return None


def _parts_of(owner: object) -> frozenset[str]:
    """What the owner itself holds; torch keeps its layers aside."""
    own = getattr(owner, "__dict__", {})
    return frozenset(own) | frozenset(own.get("_modules", ()))


def _names_other_axis(following: list[dis.Instruction], lowest: int) -> bool:
    axes = list(_constants(following))
    return bool(axes) and all(each != 0 and each >= lowest for each in axes)


def _constants(following: list[dis.Instruction]) -> Iterator[int]:
    """The whole numbers written among the arguments of the call of what has just been loaded."""
    level = 0
    for each in following:
        level += dis.stack_effect(each.opcode, each.arg, jump=False)
        if level < 0:
            return
        if each.opname in CONSTANTS:
            values = each.argval if isinstance(each.argval, tuple) else (each.argval,)
            yield from (value for value in values if type(value) is int)
