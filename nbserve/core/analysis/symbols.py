"""The symbols that stand for values while a function's code is read, and what was seen being done with its data."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import CodeType
from typing import Any

__all__ = [
    "CALLED",
    "EACH",
    "Attribute",
    "Built",
    "Column",
    "Constant",
    "Element",
    "Iterator",
    "Name",
    "Nested",
    "Operand",
    "Rows",
    "Symbol",
    "Usage",
]

Symbol = Any
"""`Rows`, `Element`, `Column`, `Name`, `Attribute`, `Constant`, `Built`, `Nested` or None for anything else."""

EACH = "[]"
"""The attribute that stands for one item of a symbol, as `for name in self.names` gives them."""

CALLED = "()"
"""The attribute that stands for what calling a symbol gives."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The data itself."""


@dataclass(frozen=True, slots=True)
class Element:
    """One item of the data, when it is iterated."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the data: ``rows["age"]``."""

    name: str


@dataclass(frozen=True, slots=True)
class Iterator:
    """An iterator over the data, in the order of `enumerate` when `counted`."""

    counted: bool = False


@dataclass(frozen=True, slots=True)
class Name:
    """A global, a builtin, or a variable from around the function."""

    name: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of a symbol."""

    of: Symbol
    name: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A value written in the code."""

    value: Any


@dataclass(frozen=True, slots=True)
class Built:
    """A tuple, list or slice built of symbols."""

    kind: str
    items: tuple[Symbol, ...]


@dataclass(frozen=True, slots=True)
class Nested:
    """A function made inside the function: a comprehension or a lambda."""

    code: CodeType


@dataclass(frozen=True, slots=True)
class Operand:
    """What stands at the other side of an operator: ``rows @ weights``."""

    operator: str
    other: Symbol


@dataclass(slots=True)
class Usage:
    """What was seen being done with the data, and with its items.

    `columns` and `keys` are the texts used as subscripts (of the data, of an item); `indices` the numbers used as
    subscripts of an item, or the count of names it is unpacked to. `calls` are the callables that get the whole data,
    `item_calls` those that get an item. `keys_of_rows` are subscripts of the data that are no constants, `accessors`
    the ``str`` and ``dt`` of columns, `grouped` the attributes of a `groupby`, which may be columns, `expressions` the
    texts given to polars' `col`.
    """

    attributes: set[str] = field(default_factory=set)
    operands: list[Operand] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    array_subscript: bool = False
    column_list: bool = False
    calls: list[Symbol] = field(default_factory=list)
    item_attributes: set[str] = field(default_factory=set)
    item_operands: list[Operand] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    indices: list[int] = field(default_factory=list)
    item_calls: list[Symbol] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    keys_of_rows: list[Symbol] = field(default_factory=list)
    accessors: dict[str, str] = field(default_factory=dict)
    grouped: set[str] = field(default_factory=set)
    expressions: list[str] = field(default_factory=list)
    written: set[str] = field(default_factory=set)
    iterated: bool = False
