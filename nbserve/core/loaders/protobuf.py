"""As much of protocol buffers as it takes to look a field up by its number."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["Message"]

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class Message:
    """The fields of one message. Raises `ValueError` where the bytes are none."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = memoryview(data)

    def messages(self, number: int) -> Iterator[Message]:
        return (Message(value) for value in self._values(number) if isinstance(value, memoryview))

    def message(self, number: int) -> Message:
        return next(self.messages(number), Message(b""))

    def text(self, number: int) -> str:
        return next((str(value, "utf-8") for value in self._values(number) if isinstance(value, memoryview)), "")

    def number(self, number: int, default: int = 0) -> int:
        return next((value for value in self._values(number) if isinstance(value, int)), default)

    def entries(self, number: int) -> Iterator[tuple[str, Message]]:
        """The pairs of a map whose keys are text."""
        return ((entry.text(1), entry.message(2)) for entry in self.messages(number))

    def _values(self, wanted: int) -> Iterator[int | memoryview]:
        at = 0
        while at < len(self._data):
            key, at = self._varint(at)
            value, at = self._value(key & 7, at)
            if key >> 3 == wanted:
                yield value

    def _value(self, kind: int, at: int) -> tuple[int | memoryview, int]:
        if kind == VARINT:
            return self._varint(at)
        sizes = {FIXED64: 8, FIXED32: 4}
        size, at = self._varint(at) if kind == BYTES else (sizes.get(kind, -1), at)
        if size < 0 or at + size > len(self._data):
            raise ValueError("not a message")
        return self._data[at : at + size], at + size

    def _varint(self, at: int) -> tuple[int, int]:
        result = 0
        for shift in range(0, 70, 7):
            if at >= len(self._data):
                break
            byte, at = self._data[at], at + 1
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                return (result - (1 << 64) if result >= 1 << 63 else result), at  # -1: a dimension that is free
        raise ValueError("not a number")
