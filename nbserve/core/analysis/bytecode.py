"""What a function does with its data, read from its code without running it.

A straight pass over the instructions with a stack of symbols: jumps are not followed, so the stack may be deeper
than in a real run, but its top is right where it is looked at.
"""

# ruff: noqa: ARG002  # the functions of a table have one form

from __future__ import annotations

import dis
from collections.abc import Callable
from types import CodeType

from .symbols import (
    CALLED,
    EACH,
    Attribute,
    Built,
    Column,
    Constant,
    Element,
    Iterator,
    Name,
    Nested,
    Operand,
    Rows,
    Symbol,
    Usage,
)

__all__ = ["usage_of"]

SAME_ROWS = frozenset(["copy", "fillna", "head", "tail", "dropna", "sort_values", "query", "astype"])
"""Methods of the data that give data of the same columns."""

NAMING = frozenset(["groupby", "sort_values", "set_index", "drop", "pop", "filter", "explode", "nlargest", "nsmallest"])
"""Methods of the data whose first argument names columns."""

NAMING_KEYWORDS = frozenset(["on", "by", "subset", "columns"])
TAKING_FRAMES = frozenset(["merge", "join", "get_dummies"])
"""Functions that get the data, and such a keyword."""


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
        self._keywords: tuple[str, ...] = ()

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
        is_mask = left == MASK or (isinstance(left, Column) and instruction.opname == "COMPARE_OP")
        self._push(MASK if is_mask else None)
        return None

    def subscript(self, instruction: dis.Instruction) -> None:
        of, key = self._pop(2)
        self._note_subscript(of, key)
        self._push(_part(of, key))

    def store_subscript(self, instruction: dis.Instruction) -> None:
        _, of, key = self._pop(3)
        if isinstance(of, Rows) and _is_text(key):
            self._usage.column_list = True
            self._usage.written.add(key.value)
        self._usage.array_subscript |= isinstance(of, Rows) and _is_tuple(key)

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
        elif isinstance(of, (Name, Attribute)):
            found = Attribute(of, EACH)
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

    def name_keywords(self, instruction: dis.Instruction) -> None:
        # not `argval`: the `dis` of Python 3.11 does not know that it is a constant
        self._keywords = self._code.co_consts[instruction.arg or 0]

    def call_with_names(self, instruction: dis.Instruction) -> None:
        [names] = self._pop()
        self._keywords = names.value if isinstance(names, Constant) and isinstance(names.value, tuple) else ()
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
        self._note_named(called, arguments)
        if isinstance(called, Nested):
            self._read_nested(called, [*below, *arguments])
        self._push(self._result(called, arguments))

    def _result(self, called: Symbol, arguments: list[Symbol]) -> Symbol:
        holds_rows = any(isinstance(argument, Rows) for argument in arguments)
        if called == Name("enumerate") and holds_rows:
            self._usage.iterated = True
            return Iterator(counted=True)
        if isinstance(called, Attribute) and isinstance(called.of, Rows) and called.name in SAME_ROWS:
            return Rows()
        return Attribute(called, CALLED) if called is not None and not holds_rows else None

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
        elif of == GROUPS:
            self._usage.grouped.add(name)
        elif name in ("str", "dt"):
            self._note_accessor(of, name)

    def _note_named(self, called: Symbol, arguments: list[Symbol]) -> None:
        """Note the columns that a call names: ``rows.groupby("k")``, ``pl.col("k")``."""
        keywords, self._keywords = self._keywords, ()
        if not isinstance(called, Attribute) or not arguments:
            return
        if called.name == "col":
            self._usage.expressions += _texts(arguments[0])
        is_method = isinstance(called.of, Rows)
        if is_method and called.name in NAMING:
            self._note_columns(_texts(arguments[0]))
        if is_method or (called.name in TAKING_FRAMES and any(isinstance(each, Rows) for each in arguments)):
            for keyword, value in zip(keywords, arguments[len(arguments) - len(keywords) :], strict=False):
                self._note_columns(_texts(value) if keyword in NAMING_KEYWORDS else [])

    def _note_accessor(self, of: Symbol, accessor: str) -> None:
        if isinstance(of, Column) or (isinstance(of, Attribute) and isinstance(of.of, Rows)):
            self._usage.accessors[of.name] = accessor

    def _note_columns(self, texts: list[str]) -> None:
        self._usage.columns += [text for text in texts if text not in self._usage.written]

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
            self._note_columns(texts)
            if isinstance(key, (Attribute, Name)):
                self._usage.keys_of_rows.append(key)
            self._usage.column_list |= isinstance(key, Built) and key.kind == "LIST" and bool(texts)
            self._usage.array_subscript |= _is_tuple(key)
        elif of == GROUPS:
            self._note_columns(texts)


GROUPS = Attribute(Attribute(Rows(), "groupby"), CALLED)


MASK = Built("MASK", ())
"""What comparing a column gives: ``rows[rows["age"] > 3]`` are rows too."""


def _part(of: Symbol, key: Symbol) -> Symbol:
    if isinstance(of, Rows):
        if key == MASK:
            return Rows()
        return Element() if _is_integer(key) else Column(key.value) if _is_text(key) else None
    return None


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
    "KW_NAMES": _Reader.name_keywords,
    **dict.fromkeys(["PRECALL", "COPY_FREE_VARS"], _Reader.ignore),
}
