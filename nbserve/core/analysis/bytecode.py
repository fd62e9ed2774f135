"""What a function does with its data, read from its code without running it.

A straight pass over the instructions with a stack of symbols: jumps are not followed, so the stack may be deeper
than in a real run, but its top is right where it is looked at.
"""

# ruff: noqa: ARG002  # the functions of a table have one form

from __future__ import annotations

import dis
from collections.abc import Callable
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

__all__ = ["Element", "Operand", "Usage", "usage_of"]

Symbol = Any
"""`Rows`, `Element`, `Name`, `Attribute`, `Constant`, `Built`, `Nested` or None for anything else."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The data itself."""


@dataclass(frozen=True, slots=True)
class Element:
    """One item of the data, when it is iterated."""


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
    `item_calls` those that get an item.
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
    iterated: bool = False


def usage_of(code: CodeType, argument: str) -> Usage:
    """Everything that the function's own code does with its argument."""
    usage = Usage()
    _Reader(code, {argument: Rows()}, usage).read()
    return usage


class _Reader:
    """One pass over one code object."""

    def __init__(self, code: CodeType, known: dict[str, Symbol], usage: Usage) -> None:
        self._code = code
        self._locals = dict(known)
        self._usage = usage
        self._stack: list[Symbol] = []

    def read(self) -> None:
        self._usage.names.update(self._code.co_names)
        for instruction in dis.get_instructions(self._code):
            handler = HANDLERS.get(instruction.opname)
            if handler is not None:
                handler(self, instruction)
            else:
                self._shift(instruction)

    # the stack

    def _pop(self, count: int = 1) -> list[Symbol]:
        """The topmost symbols, deepest first."""
        taken = [self._stack.pop() if self._stack else None for _ in range(count)]
        return taken[::-1]

    def _push(self, *symbols: Symbol) -> None:
        self._stack.extend(symbols)

    def _shift(self, instruction: dis.Instruction) -> None:
        """An instruction that means nothing here: only the height of the stack counts."""
        has_argument = instruction.opcode >= dis.HAVE_ARGUMENT
        effect = dis.stack_effect(instruction.opcode, instruction.arg if has_argument else None, jump=False)
        if effect < 0:
            self._pop(-effect)
        else:
            self._push(*[None] * effect)

    def _local(self, name: str) -> Symbol:
        return self._locals.get(name, Name(name))

    # instructions

    def load_local(self, instruction: dis.Instruction) -> None:
        value = instruction.argval
        names = value if isinstance(value, tuple) else (value,)
        self._push(*[self._local(name) for name in names])

    def store_local(self, instruction: dis.Instruction) -> None:
        self._locals[instruction.argval] = self._pop()[0]

    def store_two(self, instruction: dis.Instruction) -> None:
        first, second = instruction.argval
        self._locals[first] = self._pop()[0]
        self._locals[second] = self._pop()[0]

    def store_and_load(self, instruction: dis.Instruction) -> None:
        stored, loaded = instruction.argval
        self._locals[stored] = self._pop()[0]
        self._push(self._local(loaded))

    def load_constant(self, instruction: dis.Instruction) -> None:
        self._push(Constant(instruction.argval))

    def load_name(self, instruction: dis.Instruction) -> None:
        has_null = dis.stack_effect(instruction.opcode, instruction.arg) == 2
        before_the_name = has_null and "NULL +" in instruction.argrepr
        pushed = [None, Name(instruction.argval)] if before_the_name else [Name(instruction.argval), None]
        self._push(*(pushed if has_null else [Name(instruction.argval)]))

    def load_attribute(self, instruction: dis.Instruction) -> None:
        [of] = self._pop()
        self._note_attribute(of, instruction.argval)
        self._push(Attribute(of, instruction.argval))
        if dis.stack_effect(instruction.opcode, instruction.arg) == 1:
            self._push(None)

    def binary(self, instruction: dis.Instruction) -> None:
        if instruction.argrepr == "[]":
            return self.subscript(instruction)
        left, right = self._pop(2)
        self._note_operand(left, Operand(instruction.argrepr, right))
        self._note_operand(right, Operand(instruction.argrepr, left))
        self._push(None)
        return None

    def subscript(self, instruction: dis.Instruction) -> None:
        of, key = self._pop(2)
        self._note_subscript(of, key)
        self._push(Element() if isinstance(of, Rows) and _is_integer(key) else None)

    def store_subscript(self, instruction: dis.Instruction) -> None:
        _, of, key = self._pop(3)
        self._usage.column_list |= isinstance(of, Rows) and _is_text(key)

    def build(self, instruction: dis.Instruction) -> None:
        self._push(Built(instruction.opname.removeprefix("BUILD_"), tuple(self._pop(instruction.arg or 0))))

    def extend_list(self, instruction: dis.Instruction) -> None:
        [items] = self._pop()
        if self._stack and isinstance(items, Constant) and isinstance(items.value, tuple):
            self._stack[-1] = Built("LIST", tuple(Constant(value) for value in items.value))

    def iterate(self, instruction: dis.Instruction) -> None:
        [of] = self._pop()
        if isinstance(of, Rows):
            self._usage.iterated = True
            of = Iterator()
        self._push(of)

    def next_item(self, instruction: dis.Instruction) -> None:
        of = self._stack[-1] if self._stack else None
        found: Symbol = None
        if isinstance(of, Iterator):
            found = Built("TUPLE", (None, Element())) if of.counted else Element()
        self._push(found)

    def unpack(self, instruction: dis.Instruction) -> None:
        [of] = self._pop()
        count = instruction.arg or 0
        if isinstance(of, Element):
            self._usage.indices.append(count - 1)
        items = of.items if isinstance(of, Built) and len(of.items) == count else (None,) * count
        self._push(*reversed(items))

    def make_function(self, instruction: dis.Instruction) -> None:
        [code] = self._pop()
        self._pop((instruction.arg or 0).bit_count())
        is_code = isinstance(code, Constant) and isinstance(code.value, CodeType)
        self._push(Nested(code.value) if is_code else None)

    def set_function_attribute(self, instruction: dis.Instruction) -> None:
        _, function = self._pop(2)
        self._push(function)

    def call(self, instruction: dis.Instruction) -> None:
        self._call(instruction.arg or 0)

    def call_with_names(self, instruction: dis.Instruction) -> None:
        self._pop()
        self._call(instruction.arg or 0)

    def copy(self, instruction: dis.Instruction) -> None:
        depth = instruction.arg or 1
        self._push(self._stack[-depth] if len(self._stack) >= depth else None)

    def swap(self, instruction: dis.Instruction) -> None:
        depth = instruction.arg or 1
        if len(self._stack) >= depth:
            self._stack[-1], self._stack[-depth] = self._stack[-depth], self._stack[-1]

    def ignore(self, instruction: dis.Instruction) -> None:
        """Nothing happens to the stack."""

    # what is noted

    def _call(self, count: int) -> None:
        arguments = self._pop(count)
        below = self._pop(2)
        called = next((each for each in below if each is not None and not isinstance(each, Iterator)), None)
        for argument in arguments:
            if isinstance(argument, Rows):
                self._usage.calls.append(called)
            elif isinstance(argument, Element):
                self._usage.item_calls.append(called)
        if isinstance(called, Nested):
            self._read_nested(called, [*below, *arguments])
        self._push(self._result(called, arguments))

    def _result(self, called: Symbol, arguments: list[Symbol]) -> Symbol:
        holds_rows = any(isinstance(argument, Rows) for argument in arguments)
        if called == Name("enumerate") and holds_rows:
            self._usage.iterated = True
            return Iterator(counted=True)
        return Attribute(called, "()") if called is not None and not holds_rows else None

    def _read_nested(self, nested: Nested, given: list[Symbol]) -> None:
        iterator = next((each for each in given if isinstance(each, (Iterator, Rows))), None)
        own = set(nested.code.co_varnames) | set(nested.code.co_cellvars)
        around = {name: value for name, value in self._locals.items() if name not in own}
        first = Iterator() if isinstance(iterator, Rows) else iterator
        _Reader(nested.code, {**around, ".0": first}, self._usage).read()

    def _note_attribute(self, of: Symbol, name: str) -> None:
        if isinstance(of, Rows):
            self._usage.attributes.add(name)
        elif isinstance(of, Element):
            self._usage.item_attributes.add(name)

    def _note_operand(self, symbol: Symbol, operand: Operand) -> None:
        if operand.other == Constant(None):
            return
        if isinstance(symbol, Rows):
            self._usage.operands.append(operand)
        elif isinstance(symbol, Element):
            self._usage.item_operands.append(operand)

    def _note_subscript(self, of: Symbol, key: Symbol) -> None:
        texts = _texts(key)
        if isinstance(of, Element):
            self._usage.keys += texts
            if isinstance(key, Constant) and type(key.value) is int:
                self._usage.indices.append(key.value)
        elif isinstance(of, Rows):
            self._usage.columns += texts
            self._usage.column_list |= isinstance(key, Built) and key.kind == "LIST" and bool(texts)
            self._usage.array_subscript |= _is_tuple(key)


def _texts(key: Symbol) -> list[str]:
    if isinstance(key, Built):
        return [text for item in key.items for text in _texts(item)]
    return [key.value] if _is_text(key) else []


def _is_text(key: Symbol) -> bool:
    return isinstance(key, Constant) and isinstance(key.value, str)


def _is_integer(key: Symbol) -> bool:
    return isinstance(key, Constant) and type(key.value) is int


def _is_tuple(key: Symbol) -> bool:
    if isinstance(key, Constant):
        return isinstance(key.value, tuple)
    return isinstance(key, Built) and key.kind == "TUPLE"


Handler = Callable[[_Reader, dis.Instruction], None]
HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(
        [
            "LOAD_FAST",
            "LOAD_FAST_CHECK",
            "LOAD_FAST_BORROW",
            "LOAD_FAST_AND_CLEAR",
            "LOAD_FAST_LOAD_FAST",
            "LOAD_FAST_BORROW_LOAD_FAST_BORROW",
            "LOAD_DEREF",
            "LOAD_CLOSURE",
        ],
        _Reader.load_local,
    ),
    **dict.fromkeys(["STORE_FAST", "STORE_DEREF"], _Reader.store_local),
    "STORE_FAST_STORE_FAST": _Reader.store_two,
    "STORE_FAST_LOAD_FAST": _Reader.store_and_load,
    **dict.fromkeys(["LOAD_CONST", "LOAD_SMALL_INT", "LOAD_CONST_IMMORTAL"], _Reader.load_constant),
    **dict.fromkeys(["LOAD_GLOBAL", "LOAD_NAME"], _Reader.load_name),
    **dict.fromkeys(["LOAD_ATTR", "LOAD_METHOD"], _Reader.load_attribute),
    **dict.fromkeys(["BINARY_OP", "COMPARE_OP"], _Reader.binary),
    "BINARY_SUBSCR": _Reader.subscript,
    "STORE_SUBSCR": _Reader.store_subscript,
    **dict.fromkeys(["BUILD_TUPLE", "BUILD_LIST", "BUILD_SLICE"], _Reader.build),
    "LIST_EXTEND": _Reader.extend_list,
    "GET_ITER": _Reader.iterate,
    "FOR_ITER": _Reader.next_item,
    "UNPACK_SEQUENCE": _Reader.unpack,
    "MAKE_FUNCTION": _Reader.make_function,
    "SET_FUNCTION_ATTRIBUTE": _Reader.set_function_attribute,
    "CALL": _Reader.call,
    "CALL_KW": _Reader.call_with_names,
    "COPY": _Reader.copy,
    "SWAP": _Reader.swap,
    **dict.fromkeys(["PRECALL", "KW_NAMES", "COPY_FREE_VARS"], _Reader.ignore),
}
