"""The pages of a Parquet file, as far as they say what they will come to when they are unpacked.

What a file's footer says of sizes nobody checks: what is unpacked is what the head of each page says. The heads are
structs in Thrift's compact protocol (https://github.com/apache/parquet-format, PageHeader).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["BrokenPage", "Page", "pages_in"]

DEEPEST = 8
LONGEST_HEAD = 1 << 20

_STOP, _TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(13)
_VALUES, _ENCODING, _ENCODING_V2 = 1, 2, 4
_UNPACKED, _PACKED, _DATA, _DICTIONARY, _DATA_V2 = 2, 3, 5, 7, 8


class BrokenPage(Exception):
    """The bytes are no pages."""


@dataclass(frozen=True, slots=True)
class Page:
    unpacked: int
    values: int
    encoding: int


def pages_in(content: bytes | bytearray, begin: int, end: int) -> Iterator[Page]:
    """Those of one chunk of a column, in the order in which they are read. Raises `BrokenPage`."""
    if not 0 <= begin <= end <= len(content):
        raise BrokenPage
    at = begin
    while at < end:
        head = _Head(content, at, end)
        fields = head.struct(0)
        unpacked, packed = fields.get(_UNPACKED), fields.get(_PACKED)
        if not isinstance(unpacked, int) or not isinstance(packed, int) or unpacked < 0 or packed < 0:
            raise BrokenPage
        yield _page(unpacked, fields)
        at = head.at + packed


def _page(unpacked: int, fields: dict[int, object]) -> Page:
    for kind, encoding in ((_DATA, _ENCODING), (_DATA_V2, _ENCODING_V2), (_DICTIONARY, _ENCODING)):
        about = fields.get(kind)
        if isinstance(about, dict):
            return Page(unpacked, int(about.get(_VALUES, 0)), int(about.get(encoding, -1)))
    return Page(unpacked, 0, -1)


class _Head:
    """Reads one struct: numbers and structs of numbers are kept, the rest is passed over."""

    def __init__(self, content: bytes | bytearray, begin: int, end: int) -> None:
        self._content = content
        self._end = min(end, begin + LONGEST_HEAD)
        self.at = begin

    def struct(self, depth: int) -> dict[int, object]:
        if depth > DEEPEST:
            raise BrokenPage
        fields: dict[int, object] = {}
        name = 0
        while head := self._byte():
            step, kind = head >> 4, head & 15
            name = name + step if step else self._signed()
            fields[name] = self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> object:
        if kind in (_TRUE, _FALSE):
            return kind == _TRUE
        if kind in (_I16, _I32, _I64):
            return self._signed()
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind == _BYTE:
            return self._byte()
        if kind not in (_DOUBLE, _BINARY):  # no page's head has lists
            raise BrokenPage
        self._skip(8 if kind == _DOUBLE else self._unsigned())
        return None

    def _byte(self) -> int:
        if self.at >= self._end:
            raise BrokenPage
        self.at += 1
        return self._content[self.at - 1]

    def _skip(self, count: int) -> None:
        self.at += count
        if self.at > self._end:
            raise BrokenPage

    def _unsigned(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number
            if shift > 63:
                raise BrokenPage

    def _signed(self) -> int:
        number = self._unsigned()
        return (number >> 1) ^ -(number & 1)
