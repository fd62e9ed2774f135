"""Universal Binary JSON, as XGBoost writes it: arrays of numbers stay arrays."""

from __future__ import annotations

import struct
import sys
from array import array
from typing import Any

__all__ = ["read_ubjson"]

NUMBERS = {b"i": "b", b"U": "B", b"I": "h", b"l": "i", b"L": "q", b"d": "f", b"D": "d"}
"""The marks of types, and what `struct` calls them, with the most significant byte first."""

CONSTANTS = {b"T": True, b"F": False, b"Z": None}


def read_ubjson(data: bytes) -> Any:
    """The one value that `data` is. Raises `ValueError`, `RecursionError`."""
    reader = _Reader(data)
    value = reader.value(reader.take(1))
    if reader.at != len(data):
        raise ValueError("there is more than one value in it")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        if count < 0 or self.at + count > len(self._data):
            raise ValueError("it ends too early")
        taken = self._data[self.at : self.at + count]
        self.at += count
        return taken

    def value(self, mark: bytes) -> Any:
        if mark in NUMBERS:
            return self._number(mark)
        if mark in CONSTANTS:
            return CONSTANTS[mark]
        if mark == b"S":
            return self._text()
        if mark == b"C":
            return self.take(1).decode("latin-1")
        if mark == b"[":
            return self._array()
        if mark == b"{":
            return self._object()
        raise ValueError(f"the mark {mark!r} stands for nothing")

    def _number(self, mark: bytes) -> Any:
        code = NUMBERS[mark]
        return struct.unpack(f">{code}", self.take(struct.calcsize(code)))[0]

    def _length(self) -> int:
        length = self.value(self.take(1))
        if type(length) is not int or length < 0:
            raise ValueError("a length is no number")
        return length

    def _text(self) -> str:
        return self.take(self._length()).decode()

    def _array(self) -> Any:
        mark = self.take(1)
        if mark == b"$":
            return self._numbers(self.take(1))
        if mark == b"#":
            return [self.value(self.take(1)) for _ in range(self._counted())]
        values = []
        while mark != b"]":
            values.append(self.value(mark))
            mark = self.take(1)
        return values

    def _counted(self) -> int:
        """A number of values to come: each takes a byte at least."""
        count = self._length()
        if count > len(self._data) - self.at:
            raise ValueError("it ends too early")
        return count

    def _numbers(self, mark: bytes) -> array[Any]:
        if mark not in NUMBERS or self.take(1) != b"#":
            raise ValueError("an array of something unknown")
        numbers = array(NUMBERS[mark])
        numbers.frombytes(self.take(self._length() * numbers.itemsize))
        if sys.byteorder == "little":
            numbers.byteswap()
        return numbers

    def _object(self) -> dict[str, Any]:
        values = {}
        while self._data[self.at : self.at + 1] != b"}":
            name = self._text()
            values[name] = self.value(self.take(1))
        self.at += 1
        return values
