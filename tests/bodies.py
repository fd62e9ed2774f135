"""The same rows in the formats that bodies may have, and what reads the answers."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["TYPES", "arrow", "npy", "parquet", "read"]

TYPES = {
    "arrow": "application/vnd.apache.arrow.stream",
    "npy": "application/x-npy",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
}


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _table(rows: Any) -> pa.Table:
    if isinstance(rows, pd.DataFrame):
        return pa.Table.from_pandas(rows, preserve_index=False)
    return rows if isinstance(rows, pa.Table) else pa.table(rows)


def arrow(rows: Any, compression: str | None = None, batch: int | None = None) -> bytes:
    table, file = _table(rows), io.BytesIO()
    with pa.ipc.new_stream(file, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as stream:
        stream.write_table(table, max_chunksize=batch)
    return file.getvalue()


def parquet(rows: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(_table(rows), file, **options)
    return file.getvalue()


def read(kind: str, content: bytes) -> Any:
    """An answer: an array, or columns as a dict of lists."""
    if kind == "npy":
        return np.load(io.BytesIO(content), allow_pickle=False)
    if kind == "csv":
        return pd.read_csv(io.BytesIO(content)).to_dict("list")
    table = pa.ipc.open_stream(content).read_all() if kind == "arrow" else pq.read_table(io.BytesIO(content))
    return table.to_pydict()
