"""Arrow streams."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ....errors import NotAcceptable
from ...schema import DataArgument, Signature
from ..blocks import Grid
from .answers import columns_of
from .arrow_columns import Layout, grid_of
from .medium import Body, Bounds, body_error
from .messages import unpacked_size

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["faulty", "read", "table_of", "write"]

MOST_MESSAGES = 10_000
"""Batches and dictionaries in one stream; they are read one by one."""

LONGEST_KNOWN = 64 * 1024
"""Bytes of a schema that is kept."""

_MARK = b"\xff\xff\xff\xff"
_END = _MARK + bytes(4)
_REMEDY = "Send what pyarrow.ipc.new_stream writes."


def read(body: Body, data: DataArgument) -> Grid:  # noqa: ARG001
    """Views of the body. What is compressed is weighed before it is unpacked, and all is validated before it is used.

    Raises `BodyError` and `BodyTooLarge`.
    """
    import pyarrow as pa

    whole = pa.py_buffer(body.content)
    try:
        messages = pa.ipc.MessageReader.open_stream(whole)
        layout = _layout_of(messages.read_next_message())
        batches = _weighed(messages, body.bounds)
        if len(batches) == 1:
            table = pa.ipc.read_record_batch(batches[0], layout.schema)
        else:
            with pa.ipc.open_stream(whole) as stream:
                table = pa.Table.from_batches(list(stream), layout.schema)
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, struct.error, IndexError, StopIteration):
        raise faulty("The body is not an Arrow stream, or not all of one.", _REMEDY) from None
    return grid_of(table, layout, body.bounds)


def _layout_of(message: pa.Message) -> Layout:
    head = bytes(message.metadata)
    return _known_layout(head) if len(head) <= LONGEST_KNOWN else Layout(_schema_in(head))


@lru_cache(maxsize=32)
def _known_layout(head: bytes) -> Layout:
    """The same for many bodies."""
    return Layout(_schema_in(head))


def _schema_in(head: bytes) -> pa.Schema:
    import pyarrow as pa

    return pa.ipc.read_schema(pa.py_buffer(b"".join((_MARK, len(head).to_bytes(4, "little"), head))))


def _weighed(messages: pa.MessageReader, bounds: Bounds) -> list[pa.Message]:
    """The batches; none if they have dictionaries."""
    size, batches, has_dictionaries = 0, [], False
    for count, message in enumerate(messages):
        if count >= MOST_MESSAGES:
            raise faulty(f"The stream has more than {MOST_MESSAGES:,} batches.", "Send larger batches.")
        size += unpacked_size(message.metadata, message.body)
        bounds.check(size)
        batches.append(message)
        has_dictionaries |= message.type != "record batch"
    return [] if has_dictionaries else batches


def faulty(problem: str, remedy: str) -> Exception:
    return body_error(problem, remedy, "arrow")


def write(answer: Any, signature: Signature) -> bytes:
    batch = table_of(answer, signature)
    return b"".join((batch.schema.serialize(), batch.serialize(), _END))


def table_of(answer: Any, signature: Signature) -> pa.RecordBatch:
    """Raises `NotAcceptable`."""
    import pyarrow as pa

    columns = columns_of(answer, signature)
    return pa.record_batch([_column(name, each) for name, each in columns], names=[name for name, _ in columns])


def _column(name: str, values: Any) -> pa.Array:
    import pyarrow as pa

    try:
        if type(values).__module__.startswith("polars"):
            found = values.to_arrow()
        else:
            found = pa.array(values, from_pandas=type(values).__name__ != "ndarray" or values.dtype.kind == "O")
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        raise NotAcceptable(f"The answer's column {name!r} holds values of several kinds.", "Ask for JSON.") from None
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
