"""Parquet files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...schema import DataArgument, Signature
from ..blocks import Grid
from .arrow import table_of
from .arrow_columns import Layout, grid_of
from .medium import Body, Bounds, body_error
from .pages import Chunk, Footer, footer_of, pages_of
from .thrift import Broken

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["read", "write"]

MAGIC = b"PAR1"
FOOTER_SHARE = 64
"""A footer may have this part of what a body may have: what it is read into takes many times its room."""

SMALLEST_FOOTER = 64 * 1024
MOST_CHUNKS = 10_000
"""Columns times groups of rows."""

DELTA_BYTE_ARRAY = 7
"""An encoding in which a few bytes stand for a text of any length, once for each row."""

_REMEDY = "Send what pyarrow.parquet.write_table writes."

_SAFE: dict[str, Any] = {
    "thrift_container_size_limit": 100_000,
    "thrift_string_size_limit": 16 * 1024**2,
    "pre_buffer": False,
    "arrow_extensions_enabled": False,
}


def read(body: Body, data: DataArgument) -> Grid:  # noqa: ARG001
    """The columns, unpacked when it is known what all of it will come to."""
    import pyarrow as pa

    footer = _footer_in(body)
    _check_sizes(body.content, footer, body.bounds)
    try:
        layout, table = _read(pa.py_buffer(body.content), footer)
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, IndexError, OverflowError):
        raise _broken() from None
    return grid_of(table, layout, body.bounds)


def _read(whole: pa.Buffer, footer: Footer) -> tuple[Layout, pa.Table]:
    """Nothing but what fails in Python when the file is wrong: pyarrow's classes of its metadata end the process."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(whole, **_SAFE) as file:
        layout = Layout(file.schema_arrow)
    if any(len(chunks) != len(layout.names) for _, chunks in footer.groups):
        raise body_error("The file has columns inside of columns.", "Send flat columns.", "column_type")
    text = [each.name for each in layout.schema if pa.types.is_string(each.type) or pa.types.is_large_string(each.type)]
    with pq.ParquetFile(whole, read_dictionary=text, **_SAFE) as file:
        return layout, file.read(use_threads=False)


def _footer_in(body: Body) -> Footer:
    content = body.content
    if not (content.startswith(MAGIC) and content.endswith(MAGIC) and len(content) >= 12):
        raise _broken()
    size = int.from_bytes(content[-8:-4], "little")
    if size + 12 > len(content):
        raise _broken()
    if size > max(SMALLEST_FOOTER, body.bounds.limit // FOOTER_SHARE):
        raise body_error("The file's footer is too long.", "Send fewer columns and groups of rows.", "footer")
    try:
        return footer_of(content, len(content) - 8 - size, len(content) - 8)
    except Broken:
        raise _broken() from None


def _check_sizes(content: bytes | bytearray, footer: Footer, bounds: Bounds) -> None:
    """What the footer says of rows, and the heads of the pages of sizes."""
    count = sum(len(chunks) for _, chunks in footer.groups)
    if count > MOST_CHUNKS:
        raise body_error("The file has too many columns and groups of rows.", "Send larger groups.", "footer")
    if sum(rows for rows, _ in footer.groups) != footer.rows:
        raise _broken()
    bounds.check(sum(rows * len(chunks) * 8 for rows, chunks in footer.groups))
    size = 0
    for rows, chunks in footer.groups:
        for chunk in chunks:
            if chunk.values != rows:
                raise body_error("The file has columns inside of columns.", "Send flat columns.", "column_type")
            size += _size_of(content, chunk, bounds)
            bounds.check(size)


def _size_of(content: bytes | bytearray, chunk: Chunk, bounds: Bounds) -> int:
    size = 0
    try:
        for page in pages_of(content, chunk):
            size += page.unpacked
            bounds.check(size)
            if page.encoding == DELTA_BYTE_ARRAY:
                raise body_error("DELTA_BYTE_ARRAY is not read here.", "Write with another encoding.", "encoding")
    except Broken:
        raise _broken() from None
    return size


def _broken() -> Exception:
    return body_error("The body is not a Parquet file, or not all of one.", _REMEDY, "parquet")


def write(answer: Any, signature: Signature) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_batches([table_of(answer, signature)]), sink)
    return bytes(sink.getvalue())
