"""The formats that are read and answered beside JSON; a row each."""

from __future__ import annotations

from . import arrow, npy, parquet, pictures, separated
from .medium import Medium

__all__ = ["MEDIA"]

QUICK_BYTES = 1024**2
"""Of formats that are looked at and not parsed: what is read of so many bytes in some tens of microseconds."""

MEDIA = (
    Medium(
        title="Arrow",
        types=("application/vnd.apache.arrow.stream",),
        read=arrow.read,
        write=arrow.write,
        needs="pyarrow",
        quick_bytes=QUICK_BYTES,
    ),
    Medium(
        title="npy",
        types=("application/x-npy",),
        read=npy.read,
        write=npy.write,
        needs="numpy",
        quick_bytes=QUICK_BYTES,
    ),
    Medium(
        title="CSV",
        types=("text/csv",),
        read=separated.read,
        write=separated.write,
        needs="numpy",
        parameters="; charset=utf-8; header=present",
    ),
    Medium(
        title="Parquet",
        types=("application/vnd.apache.parquet", "application/parquet", "application/x-parquet"),
        read=parquet.read,
        write=parquet.write,
        needs="pyarrow",
    ),
    Medium(
        title="a picture",
        types=("image/png", "image/jpeg"),
        read=pictures.read,
        write=pictures.write,
        needs="PIL",
        extra="images",
        is_answered=False,
    ),
)
