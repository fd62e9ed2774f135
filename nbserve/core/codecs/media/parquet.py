"""Parquet files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...schema import DataArgument, Signature
from ..blocks import Grid
from .arrow import table_of
from .arrow_columns import Layout, grid_of
from .medium import Body, Bounds, body_error
from .pages import BrokenPage, pages_in

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

__all__ = ["read", "write"]

MAGIC = b"PAR1"
FOOTER_SHARE = 64
"""A footer may have this part of what a body may have: what it is read into takes many times its room."""

SMALLEST_FOOTER = 64 * 1024
MOST_PARTS = 10_000
"""Columns and groups of rows, as the footer counts them."""

DELTA_BYTE_ARRAY = 7
"""An encoding in which a few bytes stand for a text of any length, once for each row."""

_REMEDY = "Send what pyarrow.parquet.write_table writes."


def read(body: Body, data: DataArgument) -> Grid:  # noqa: ARG001
    """The columns, unpacked one group of rows after the other, once it is known what all of it will come to."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    _check_footer(body)
    whole = pa.py_buffer(body.content)
    try:
        file = _opened(whole)
        schema = file.schema_arrow
        layout = Layout(schema)
        _check_flat(file, schema)
        _check_sizes(file, body)
        text = [
            field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
        ]
        with pq.ParquetFile(whole, metadata=file.metadata, read_dictionary=text, **_SAFE) as again:
            table = again.read(use_threads=False)
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, IndexError, OverflowError):
        raise _broken() from None
    return grid_of(table, layout, body.bounds)


def _opened(whole: pa.Buffer) -> pq.ParquetFile:
    import pyarrow.parquet as pq

    return pq.ParquetFile(whole, **_SAFE)


_SAFE: dict[str, Any] = {
    "thrift_container_size_limit": MOST_PARTS,
    "thrift_string_size_limit": 16 * 1024**2,
    "pre_buffer": False,
    "memory_map": False,
    "arrow_extensions_enabled": False,
}


def _check_footer(body: Body) -> None:
    content = body.content
    if not (content.startswith(MAGIC) and content.endswith(MAGIC) and len(content) >= 12):
        raise _broken()
    size = int.from_bytes(content[-8:-4], "little")
    if size + 12 > len(content):
        raise _broken()
    if size > max(SMALLEST_FOOTER, body.bounds.limit // FOOTER_SHARE):
        raise body_error("The file's footer is too long.", "Send fewer columns and groups of rows.", "footer")


def _check_flat(file: pq.ParquetFile, schema: pa.Schema) -> None:
    leaves = file.schema
    if len(leaves) != len(schema) or any(leaves.column(i).max_repetition_level for i in range(len(leaves))):
        raise body_error("The file has columns inside of columns.", "Send flat columns.", "column_type")


def _check_sizes(file: pq.ParquetFile, body: Body) -> None:
    """What the footer says of rows, and the heads of the pages of sizes."""
    about = file.metadata
    body.bounds.check_cells(max(about.num_rows, 0), about.num_columns)
    if about.num_row_groups * about.num_columns > MOST_PARTS:
        raise body_error("The file has too many groups of rows.", "Send larger groups.", "footer")
    rows = size = 0
    for group in (about.row_group(index) for index in range(about.num_row_groups)):
        rows += group.num_rows
        if group.num_rows < 0 or rows > about.num_rows:
            raise _broken()
        for index in range(group.num_columns):
            size += _chunk_size(body.content, group.column(index), group.num_rows, body.bounds)
            body.bounds.check(size)


def _chunk_size(content: bytes | bytearray, chunk: Any, rows: int, bounds: Bounds) -> int:
    if chunk.num_values != rows:
        raise _broken()
    begin = chunk.data_page_offset
    if chunk.has_dictionary_page and chunk.dictionary_page_offset and chunk.dictionary_page_offset < begin:
        begin = chunk.dictionary_page_offset
    size = 0
    try:
        for page in pages_in(content, begin, begin + chunk.total_compressed_size):
            size += page.unpacked
            bounds.check(size)
            if page.encoding == DELTA_BYTE_ARRAY:
                raise body_error("DELTA_BYTE_ARRAY is not read here.", "Write with another encoding.", "encoding")
    except BrokenPage:
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
