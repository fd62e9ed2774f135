"""The messages of an Arrow stream, as far as they say what they will come to when they are unpacked.

Only what Arrow itself takes to be a message comes here. Their heads are FlatBuffers: tables of offsets, of which the
few that count are followed by hand (https://arrow.apache.org/docs/format/Columnar.html, Message.fbs).
"""

from __future__ import annotations

import struct
from typing import Any

__all__ = ["unpacked_size"]

_HEAD_TYPE, _HEAD = 1, 2
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3
_DATA = 1
_BUFFERS, _COMPRESSION = 2, 3

_i32 = struct.Struct("<i").unpack_from
_u32 = struct.Struct("<I").unpack_from
_u16 = struct.Struct("<H").unpack_from
_i64 = struct.Struct("<q").unpack_from


def unpacked_size(head: Any, body: Any) -> int:
    """The bytes that a message's compressed buffers come to; 0 if they are not compressed. Raises `struct.error`."""
    batch = _batch(head)
    if batch is None or _field(head, batch, _COMPRESSION) is None:
        return 0
    place = _field(head, batch, _BUFFERS)
    if place is None:
        return 0
    begin = place + _u32(head, place)[0]
    total = 0
    for index in range(_u32(head, begin)[0]):
        offset, length = _i64(head, begin + 4 + 16 * index)[0], _i64(head, begin + 12 + 16 * index)[0]
        if length > 0:
            size = _i64(body, offset)[0]  # -1: this one is not compressed
            total += max(size, length - 8) if size >= -1 else 1 << 62
    return total


def _batch(head: Any) -> int | None:
    """Where the record batch begins of which the message is made, if it is made of one."""
    message = _u32(head, 0)[0]
    kind, table = _field(head, message, _HEAD_TYPE), _table(head, message, _HEAD)
    if kind is None or table is None or head[kind] not in (_DICTIONARY_BATCH, _RECORD_BATCH):
        return None
    return table if head[kind] == _RECORD_BATCH else _table(head, table, _DATA)


def _table(head: Any, table: int, slot: int) -> int | None:
    place = _field(head, table, slot)
    return None if place is None else place + int(_u32(head, place)[0])


def _field(head: Any, table: int, slot: int) -> int | None:
    """Where a field of a table stands; None if it is left out."""
    about = table - _i32(head, table)[0]
    at = 4 + 2 * slot
    offset = _u16(head, about + at)[0] if at < _u16(head, about)[0] else 0
    return table + offset if offset else None
