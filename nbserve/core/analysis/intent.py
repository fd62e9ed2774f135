"""What a function wants its rows to be when no annotation says so: a frame, an array, or the rows as they were sent."""

# ruff: noqa: ARG001  # the functions of a table have one form

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from ..schema import Container, DataKind
from .bytecode import usage_of
from .conventions import keeps_conventions
from .plain import words
from .scope import CACHED, Scope, code_owner
from .symbols import EACH, Attribute, Constant, Name, Usage

__all__ = [
    "DATA_NAMES",
    "PLAIN",
    "Intent",
    "array_kind",
    "builtin_intent",
    "column_examples",
    "frame_intent",
    "intent_of",
    "joined_intents",
    "looks_like",
    "polars_row",
]

DATA_NAMES = words(
    "x data dataset inputs input instances records rows df frame dataframe features texts documents docs sentences "
    "samples batch images x_test x_train x_new x_val data_for_predict input_data"
)
FRAME_NAMES = frozenset(["df", "frame", "dataframe"])

FRAME_ATTRIBUTES = words(
    "iloc loc at iat columns dtypes assign iterrows itertuples groupby fillna dropna isna notna drop rename merge "
    "select_dtypes to_numpy to_dict set_index reset_index map applymap apply pipe query head tail"
)
ARRAY_ATTRIBUTES = words(
    "shape reshape astype ndim dot T tolist sum mean std var min max argmax argmin ravel flatten clip round prod "
    "cumsum transpose squeeze size dtype any all flat"
)
NOT_OF_FRAMES = words("reshape ravel flatten tolist flat argmax argmin")
TEXT_ATTRIBUTES = words(
    "lower upper split strip lstrip rstrip startswith endswith replace title capitalize casefold encode format join "
    "splitlines isdigit isalpha isupper islower removeprefix removesuffix"
)
CELLS = {"str": "some text", "dt": "2024-01-01T00:00:00"}
"""Values of columns of which the code uses ``.str`` or ``.dt``."""
ROW_CALLS = words("sum max min list tuple sorted set any all")
NUMBER_CALLS = words("math int float range abs round chr")
LIST_CALLS = words("len zip list tuple sum max min sorted set enumerate reversed map filter all any fsum prod")
WIDEST = 64


@dataclass(frozen=True, slots=True)
class Intent:
    """How the rows are to be given, why that is believed, and what a made-up row must have.

    `row` is one row that the code can read, `value` the whole when it is no list of rows; None when nothing is known.
    `delegate` is the object whose `method` gets the rows untouched; it lives as long as the analysis. `is_array_only`
    says that a frame would not do.
    """

    kind: DataKind
    container: Container
    because: str
    columns: tuple[str, ...] = ()
    row: Any = None
    value: Any = None
    delegate: Any = None
    method: str = ""
    is_array_only: bool = False


PLAIN = Intent(DataKind.VALUE, Container.PYTHON, "nothing in the code asks for an array or a frame")


def intent_of(call: Callable[..., Any], argument: str) -> Intent:
    """What the code of `call` does with `argument` tells what it wants."""
    function, owner = code_owner(call)
    if function is None:
        return builtin_intent(call, argument)
    if isinstance(call, CACHED):
        value = looks_like(call, argument)
        value = value if isinstance(value, str) else 1.0
        return Intent(DataKind.VALUE, Container.PYTHON, "a cache takes no lists and no objects", value=value)
    usage = usage_of(function.__code__, argument)
    scope = Scope(function, owner)
    for rule in RULES:
        found = rule(usage, scope, argument)
        if found is not None:
            return found
    return PLAIN


def joined_intents(intents: Sequence[Intent]) -> Intent:
    """What several want that get the same rows: a frame if one of them does, an array if all work on nothing else."""
    frames = [each for each in intents if each.container is Container.PANDAS]
    if frames:
        columns = tuple(dict.fromkeys(name for each in frames for name in each.columns))
        row = {name: value for each in frames if isinstance(each.row, dict) for name, value in each.row.items()}
        return Intent(DataKind.VALUE, Container.PANDAS, frames[0].because, columns, row or None)
    if all(each.container is Container.NUMPY and each.is_array_only for each in intents):
        return intents[0]
    if all(each.kind is DataKind.TEXTS for each in intents):
        return intents[0]
    return Intent(DataKind.VALUE, Container.EITHER, "it begins with code that takes arrays and frames alike")


def builtin_intent(call: Any, argument: str) -> Intent:
    """What a function without Python code takes, as far as its place tells: of `math` or `str`, say."""
    if not inspect.isroutine(call):
        return PLAIN
    name, module = getattr(call, "__name__", ""), getattr(call, "__module__", None)
    if name in LIST_CALLS:
        return replace(PLAIN, because=f"{name} takes several things", value=[1.0, 2.0])
    if getattr(call, "__objclass__", None) is str or isinstance(getattr(call, "__self__", None), str):
        value = ["some text"] if argument == "iterable" else "some text"
        return replace(PLAIN, because=f"{name} is a method of text", value=value)
    is_numeric = module in ("math", "cmath") or (module == "builtins" and name in NUMBER_CALLS)
    return replace(PLAIN, because=f"{name} takes a number", value=1) if is_numeric else PLAIN


def polars_row(call: Any, argument: str) -> dict[str, float] | None:
    """A row with the columns that the code names in `pl.col` or as subscripts."""
    function, _ = code_owner(call)
    usage = Usage() if function is None else usage_of(function.__code__, argument)
    return dict.fromkeys([*usage.columns, *usage.expressions], 1.0) or None


def _delegate(usage: Usage, scope: Scope, argument: str) -> Intent | None:
    touched = usage.attributes or usage.operands or usage.columns or usage.array_subscript or usage.iterated
    if touched or len(usage.calls) != 1 or not isinstance(usage.calls[0], Attribute):
        return None
    called = usage.calls[0]
    holder = scope.value(called.of)
    if holder is None or isinstance(holder, (ModuleType, type)) or not keeps_conventions(holder):
        return None
    because = f"the code gives it to {type(holder).__name__}.{called.name}"
    return Intent(DataKind.MATRIX, Container.NUMPY, because, delegate=holder, method=called.name)


def _frame(usage: Usage, scope: Scope, argument: str) -> Intent | None:
    has_pandas = "pandas" in sys.modules
    seen = usage.attributes & FRAME_ATTRIBUTES
    if not has_pandas or (usage.array_subscript and not seen):
        return None
    columns = _columns(usage, scope)
    named_like_rows = argument.casefold() in DATA_NAMES
    if seen or usage.column_list or (columns and named_like_rows):
        because = f"the code uses {argument}{_subscript_text(columns) if not seen else '.' + min(seen)}"
    elif argument.casefold() in FRAME_NAMES:
        because = f"it is called {argument}"
    else:
        return None
    return _frame_read(usage, scope, because)


def frame_intent(call: Callable[..., Any], argument: str) -> Intent:
    """What the code does with an argument that is known to be a frame of pandas."""
    function, owner = code_owner(call)
    because = f"{argument} is annotated so"
    if function is None:
        return Intent(DataKind.VALUE, Container.PANDAS, because)
    return _frame_read(usage_of(function.__code__, argument), Scope(function, owner), because)


def _frame_read(usage: Usage, scope: Scope, because: str) -> Intent:
    columns = tuple(dict.fromkeys([*_columns(usage, scope), *_columns_by_attribute(usage)]))
    row = {name: _cell(name, usage) for name in columns}
    return Intent(DataKind.VALUE, Container.PANDAS, because, columns, row or None)


def _columns(usage: Usage, scope: Scope) -> tuple[str, ...]:
    """The columns that are named in subscripts, by a text or by an attribute of the object that holds some."""
    found = list(usage.columns)
    for key in usage.keys_of_rows:
        is_each = isinstance(key, Attribute) and key.name == EACH
        value = scope.value(key.of if is_each else key)
        values = [value] if isinstance(value, str) else value if isinstance(value, (list, tuple)) else []
        found += [each for each in values if isinstance(each, str)]
    return tuple(dict.fromkeys(found))


def _columns_by_attribute(usage: Usage) -> list[str]:
    """What is read like an attribute, of the frame or of its groups, and is none of pandas'."""
    pandas = sys.modules["pandas"]
    groups = pandas.core.groupby.DataFrameGroupBy
    own = [name for name in sorted(usage.attributes) if not hasattr(pandas.DataFrame, name)]
    return own + [name for name in sorted(usage.grouped) if not hasattr(groups, name)]


def _cell(column: str, usage: Usage) -> Any:
    return CELLS.get(usage.accessors.get(column, ""), 1.0)


def column_examples(call: Callable[..., Any]) -> dict[str, Any]:
    """A value for each column that the code reads as a text or as a moment."""
    function, owner = code_owner(call)
    if function is None:
        return {}
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    argument = names[1:2] if owner is not None else names[:1]
    usage = usage_of(function.__code__, argument[0]) if argument else Usage()
    return {name: CELLS[accessor] for name, accessor in usage.accessors.items()}


def _subscript_text(columns: tuple[str, ...]) -> str:
    return f"[{columns[0]!r}]" if columns else "[…]"


def _texts(usage: Usage, scope: Scope, argument: str) -> Intent | None:
    seen = usage.item_attributes & TEXT_ATTRIBUTES
    if not seen:
        return None
    because = f"the code calls .{min(seen)} of each item of {argument}"
    return Intent(DataKind.TEXTS, Container.PYTHON, because, row="some text")


TENSORS = {"torch": Container.TORCH, "tensorflow": Container.TENSORFLOW}
MAKES_TENSORS = words(
    "tensor as_tensor from_numpy asarray FloatTensor LongTensor Tensor convert_to_tensor constant cast"
)


def _tensor(usage: Usage, scope: Scope, argument: str) -> Intent | None:
    """What is given as it is to a module of torch, or to a function of torch or TensorFlow that makes no tensor."""
    for called in usage.calls:
        package = "torch" if _is_module(scope.value(called)) else _of(called, scope)
        name = called.name if isinstance(called, Attribute) else ""
        if package in TENSORS and name not in MAKES_TENSORS:
            because = f"the code gives {argument} to {package}"
            return Intent(array_kind(argument), TENSORS[package], because, row=_row(usage, scope))
    return None


def _is_module(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def _of(called: Any, scope: Scope) -> str:
    """The package of the module whose function is called."""
    root = scope.value(Name(_root(called))) if isinstance(called, Attribute) else None
    return root.__name__.partition(".")[0] if isinstance(root, ModuleType) else ""


def _array(usage: Usage, scope: Scope, argument: str) -> Intent | None:
    reason = _array_reason(usage, scope, argument)
    if reason is None:
        return None
    is_array_only = usage.array_subscript or bool(usage.attributes & NOT_OF_FRAMES)
    row = _row(usage, scope)
    return Intent(array_kind(argument), Container.NUMPY, reason, row=row, is_array_only=is_array_only)


def array_kind(argument: str) -> DataKind:
    """Rows, or an array of any shape: ``X`` is a matrix by everybody's custom, ``x`` and ``n`` may be anything."""
    return DataKind.MATRIX if argument.casefold() in DATA_NAMES and argument != "x" else DataKind.VALUE


def _array_reason(usage: Usage, scope: Scope, argument: str) -> str | None:
    seen = usage.attributes & ARRAY_ATTRIBUTES
    if seen:
        return f"the code uses {argument}.{min(seen)}"
    if usage.array_subscript:
        return f"the code uses {argument}[…, …]"
    if usage.operands:
        return f"the code computes {argument} {usage.operands[0].operator} …"
    roots = [_root(called) for called in usage.calls]
    if any(scope.packages({root}) for root in roots if root):
        return f"the code gives {argument} to an array library"
    return None


def _root(symbol: Any) -> str:
    while isinstance(symbol, Attribute):
        symbol = symbol.of
    return symbol.name if isinstance(symbol, Name) else ""


def _mapping(usage: Usage, scope: Scope, argument: str) -> Intent | None:
    if not usage.columns:
        return None
    because = f"the code uses {argument}[{usage.columns[0]!r}]"
    return Intent(DataKind.VALUE, Container.PYTHON, because, value=dict.fromkeys(usage.columns, 1.0))


def _scalar(usage: Usage, scope: Scope, argument: str) -> Intent | None:
    if argument.casefold() in DATA_NAMES:
        return None
    seen = usage.attributes & TEXT_ATTRIBUTES
    if seen:
        return Intent(DataKind.VALUE, Container.PYTHON, f"the code calls {argument}.{min(seen)}", value="some text")
    if any(_root(called) in NUMBER_CALLS for called in usage.calls):
        return Intent(DataKind.VALUE, Container.PYTHON, f"the code takes {argument} for a number", value=1)
    return None


def looks_like(call: Callable[..., Any], argument: str) -> Any:
    """A value for an argument that has neither annotation nor default, from what the code does with it."""
    function, _ = code_owner(call)
    if function is None:
        return 1.0
    usage = usage_of(function.__code__, argument)
    if usage.attributes & TEXT_ATTRIBUTES:
        return "some text"
    if usage.columns:
        return dict.fromkeys(usage.columns, 1.0)
    is_list = usage.iterated or any(_root(called) in LIST_CALLS for called in usage.calls)
    return [1.0, 2.0] if is_list or usage.attributes & ARRAY_ATTRIBUTES else 1.0


def _items(usage: Usage, scope: Scope, argument: str) -> Intent | None:
    if not usage.iterated:
        return None
    if usage.keys:
        because = f"the code reads [{usage.keys[0]!r}] of each item of {argument}"
        return Intent(DataKind.VALUE, Container.PYTHON, because, row=dict.fromkeys(usage.keys, 1.0))
    packages = scope.packages(usage.names)
    if packages and not usage.item_calls:
        because = f"the code uses {min(packages)}"
        return Intent(DataKind.VALUE, Container.NUMPY, because, row=_row(usage, scope))
    return Intent(DataKind.VALUE, Container.PYTHON, f"the code goes through {argument} item by item", row=_item(usage))


def _references(usage: Usage, scope: Scope, argument: str) -> Intent | None:
    packages = scope.packages(usage.names)
    if not packages:
        return None
    return Intent(DataKind.VALUE, Container.NUMPY, f"the code uses {min(packages)}", row=_row(usage, scope))


def _row(usage: Usage, scope: Scope) -> Any:
    """A row as wide as the weights that the rows are multiplied with."""
    for operand in usage.operands:
        shape = getattr(scope.value(operand.other), "shape", None)
        if operand.operator == "@" and isinstance(shape, tuple) and shape and shape[0] <= WIDEST:
            return [1.0] * shape[0]
    return _item(usage)


def _item(usage: Usage) -> Any:
    if usage.indices and max(usage.indices) < WIDEST:
        return [1.0] * (max(usage.indices) + 1)
    if any(isinstance(called, Name) and called.name in ROW_CALLS for called in usage.item_calls):
        return [1.0, 2.0]
    if any(isinstance(operand.other, Constant) for operand in usage.item_operands):
        return 1.0
    return None


Rule = Callable[[Usage, Scope, str], "Intent | None"]
RULES: tuple[Rule, ...] = (_delegate, _scalar, _frame, _texts, _tensor, _array, _mapping, _items, _references)
