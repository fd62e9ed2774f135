"""As much of protocol buffers as it takes to look a field up by its number."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["BYTES", "VARINT", "Message", "opening"]

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

    def has(self, number: int) -> bool:
        """Looks at all of the message: raises `ValueError` where it is cut short."""
        return len(list(self._values(number))) > 0

    def entries(self, number: int) -> Iterator[tuple[str, Message]]:
        """The pairs of a map whose keys are text."""
        return ((entry.text(1), entry.message(2)) for entry in self.messages(number))

    def _values(self, wanted: int) -> Iterator[int | memoryview]:
        at = 0
        while at < len(self._data):
            key, at = _varint(self._data, at)
            value, at = self._value(key & 7, at)
            if key >> 3 == wanted:
                yield value

    def _value(self, kind: int, at: int) -> tuple[int | memoryview, int]:
        if kind == VARINT:
            return _varint(self._data, at)
        size, at = _size(self._data, kind, at)
        if at + size > len(self._data):
            raise ValueError("not a message")
        return self._data[at : at + size], at + size


def opening(data: bytes) -> Iterator[tuple[int, int, int]]:
    """The fields at the beginning of a message, as far as `data` goes: number, kind, and value or (of bytes) end."""
    at = 0
    try:
        while at < len(data):
            key, at = _varint(memoryview(data), at)
            if key & 7 == VARINT:
                value, at = _varint(memoryview(data), at)
            else:
                size, at = _size(memoryview(data), key & 7, at)
                value = at = at + size
            yield key >> 3, key & 7, value
    except ValueError:  # the end of what was read, or no message
        return


def _size(data: memoryview, kind: int, at: int) -> tuple[int, int]:
    """How long a value is, and where it begins."""
    sizes = {FIXED64: 8, FIXED32: 4}
    size, at = _varint(data, at) if kind == BYTES else (sizes.get(kind, -1), at)
    if size < 0:
        raise ValueError("not a message")
    return size, at


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    result = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        byte, at = data[at], at + 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (result - (1 << 64) if result >= 1 << 63 else result), at  # -1: a dimension that is free
    raise ValueError("not a number")
