"""Arrow streams."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from ....errors import NotAcceptable
from ...schema import DataArgument, Signature
from ..blocks import Grid
from .answers import columns_of
from .arrow_columns import grid_of
from .medium import Body, Bounds, body_error
from .messages import unpacked_size

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["faulty", "read", "table_of", "write"]

MOST_MESSAGES = 10_000
"""Batches and dictionaries in one stream; they are read one by one."""

_REMEDY = "Send what pyarrow.ipc.new_stream writes."


def read(body: Body, data: DataArgument) -> Grid:  # noqa: ARG001
    """Views of the body. What is compressed is weighed before it is unpacked, and all is validated before it is used.

    Raises `BodyError` and `BodyTooLarge`.
    """
    import pyarrow as pa

    whole = pa.py_buffer(body.content)
    try:
        schema, batches = _weighed(whole, body.bounds)
        with pa.ipc.open_stream(whole) as stream:
            table = stream.read_next_batch() if batches == 1 else pa.Table.from_batches(list(stream), schema)
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, struct.error, IndexError, StopIteration):
        raise faulty("The body is not an Arrow stream, or not all of one.", _REMEDY) from None
    return grid_of(table, body.bounds)


def _weighed(whole: pa.Buffer, bounds: Bounds) -> tuple[pa.Schema, int]:
    """The schema, and how many batches there are."""
    import pyarrow as pa

    messages = pa.ipc.MessageReader.open_stream(whole)
    schema = pa.ipc.read_schema(messages.read_next_message())
    size = batches = 0
    for count, message in enumerate(messages):
        if count >= MOST_MESSAGES:
            raise faulty(f"The stream has more than {MOST_MESSAGES:,} batches.", "Send larger batches.")
        size += unpacked_size(message.metadata, message.body)
        bounds.check(size)
        batches += message.type == "record batch"
    return schema, batches


def faulty(problem: str, remedy: str) -> Exception:
    return body_error(problem, remedy, "arrow")


def write(answer: Any, signature: Signature) -> bytes:
    import pyarrow as pa

    table = table_of(answer, signature)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_batch(table)
    return bytes(sink.getvalue())


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
