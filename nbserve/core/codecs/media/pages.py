"""What a Parquet file comes to when it is unpacked, from the numbers in it.

What the footer says of sizes nobody checks: what is allocated is what the head of each page says. So both are read here
(https://github.com/apache/parquet-format, FileMetaData and PageHeader) before any library sees them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .thrift import BINARY, I32, I64, LIST, STRUCT, Broken, Fields, read_struct

__all__ = ["Chunk", "Footer", "Page", "footer_of", "pages_of"]

MOST_ITEMS = 200_000
"""In all lists of a footer."""

LONGEST_HEAD = 1 << 20

_NO_ENCODING = -1


@dataclass(frozen=True, slots=True)
class Chunk:
    """The part of a column that is in one group of rows: where its pages are."""

    begin: int
    end: int
    values: int


@dataclass(frozen=True, slots=True)
class Footer:
    rows: int
    groups: tuple[tuple[int, tuple[Chunk, ...]], ...]
    """How many rows each has, and its chunks."""


@dataclass(frozen=True, slots=True)
class Page:
    unpacked: int
    values: int
    encoding: int


def footer_of(content: bytes | bytearray, begin: int, end: int) -> Footer:
    """Raises `Broken`, also for a file that is encrypted."""
    fields, _ = read_struct(content, begin, end, MOST_ITEMS)
    if (8, STRUCT) in fields or fields.get((3, I64), -1) < 0:
        raise Broken
    return Footer(fields[3, I64], tuple(map(_group, _structs(fields, 4))))


def _group(fields: Fields) -> tuple[int, tuple[Chunk, ...]]:
    rows = fields.get((3, I64), -1)
    if rows < 0:
        raise Broken
    return rows, tuple(map(_chunk, _structs(fields, 1)))


def _chunk(fields: Fields) -> Chunk:
    about = fields.get((3, STRUCT))
    if about is None or (8, STRUCT) in fields or (9, BINARY) in fields or (1, BINARY) in fields:
        raise Broken
    begin, length, values = (about.get((number, I64), -1) for number in (9, 7, 5))
    dictionary = about.get((11, I64), 0)
    if 0 < dictionary < begin:
        begin = dictionary
    if min(begin, length, values) < 0:
        raise Broken
    return Chunk(begin, begin + length, values)


def _structs(fields: Fields, number: int) -> list[Fields]:
    found = fields.get((number, LIST), [])
    if not all(isinstance(each, dict) for each in found):
        raise Broken
    return list(found)


def pages_of(content: bytes | bytearray, chunk: Chunk) -> Iterator[Page]:
    """Those that are read for the chunk's values, in their order. Raises `Broken`."""
    at, values = chunk.begin, 0
    while values < chunk.values:
        fields, begin = read_struct(content, at, min(chunk.end, len(content), at + LONGEST_HEAD))
        unpacked, packed = fields.get((2, I32), -1), fields.get((3, I32), -1)
        at = begin + packed
        if unpacked < 0 or packed < 0 or at > min(chunk.end, len(content)):
            raise Broken
        page = _page(unpacked, fields)
        values += page.values
        yield page


def _page(unpacked: int, fields: Fields) -> Page:
    """One of data, else of a dictionary or an index, which has no values of its own."""
    kind = fields.get((1, I32))
    place, encoding = {0: (5, 2), 3: (8, 4)}.get(-1 if kind is None else kind, (0, 0))
    if not place:
        return Page(unpacked, 0, _NO_ENCODING)
    about = fields.get((place, STRUCT), {})
    values = about.get((1, I32), -1)
    if values < 0:
        raise Broken
    return Page(unpacked, values, about.get((encoding, I32), _NO_ENCODING))
