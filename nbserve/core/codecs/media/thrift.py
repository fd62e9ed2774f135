"""Thrift's compact protocol, as far as Parquet uses it: structs of numbers, of lists and of structs.

Read by hand and strictly, to know what a library is going to make of the same bytes before it does. Whatever two
readers might take for different things is refused: fields out of order or given twice, numbers that do not fit.
"""

from __future__ import annotations

from typing import Any

__all__ = ["BINARY", "I32", "I64", "LIST", "STRUCT", "Broken", "Fields", "read_struct"]

Fields = dict[tuple[int, int], Any]
"""Number and type of a field → its value: what has another type than expected is not there."""

_TRUE, _FALSE, _BYTE, _I16, I32, I64, _DOUBLE, BINARY, LIST, _SET, _MAP, STRUCT = range(1, 13)

DEEPEST = 12
_BITS = {_I16: 16, I32: 32, I64: 64}


class Broken(Exception):
    """The bytes are none that are written."""


def read_struct(content: bytes | bytearray, begin: int, end: int, most_items: int = 1000) -> tuple[Fields, int]:
    """The fields of a struct that begins there, and where it ends: before `end`. Raises `Broken`."""
    reader = _Reader(content, begin, end, most_items)
    return reader.struct(0), reader.at


class _Reader:
    def __init__(self, content: bytes | bytearray, begin: int, end: int, most_items: int) -> None:
        self._content = content
        self._end = end
        self._items = most_items
        self.at = begin

    def struct(self, depth: int) -> Fields:
        if depth > DEEPEST:
            raise Broken
        fields: Fields = {}
        number = 0
        while head := self._byte():
            step, kind = head >> 4, head & 15
            before, number = number, number + step if step else self._signed(16)
            if number <= before:
                raise Broken
            fields[number, kind] = (kind == _TRUE) if kind in (_TRUE, _FALSE) else self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in _BITS:
            return self._signed(_BITS[kind])
        if kind == STRUCT:
            return self.struct(depth + 1)
        if kind == LIST:
            return self._list(depth + 1)
        if kind in (_BYTE, _TRUE, _FALSE):
            return self._byte()
        if kind not in (_DOUBLE, BINARY):  # Parquet has no sets and no maps
            raise Broken
        length = 8 if kind == _DOUBLE else self._unsigned()
        self.at += length
        if self.at > self._end:
            raise Broken
        return None

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        count, kind = head >> 4, head & 15
        if count == 15:
            count = self._unsigned()
        self._items -= count
        if self._items < 0 or depth > DEEPEST:
            raise Broken
        return [self._value(kind, depth) for _ in range(count)]

    def _byte(self) -> int:
        if self.at >= self._end:
            raise Broken
        self.at += 1
        return self._content[self.at - 1]

    def _unsigned(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number
            if shift > 63:
                raise Broken

    def _signed(self, bits: int) -> int:
        number = self._unsigned()
        if number >> bits:
            raise Broken
        return (number >> 1) ^ -(number & 1)
