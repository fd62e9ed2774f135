"""The JSON forms of what the libraries of data and models answer; a row a type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from .moments import numpy_duration, numpy_moment

__all__ = ["LIBRARIES", "MOST_CELLS", "Unwritable", "frame_rows", "is_plain_array"]

MOST_CELLS = 50_000_000
"""Cells up to which a sparse matrix is written in full."""


class Unwritable(Exception):
    """A value has no JSON form: `fault` is what is to be said of it, `wanted` what has one.

    Whoever writes it says whose value it is.
    """

    def __init__(self, fault: str, wanted: str) -> None:
        super().__init__(fault)
        self.fault = fault
        self.wanted = wanted


def is_plain_array(array: Any) -> bool:
    """Whether orjson writes the array as it stands: numbers of at most 8 bytes, in order."""
    dtype = array.dtype
    return dtype.kind in "fiub" and dtype.itemsize <= 8 and dtype.isnative and array.ndim and array.flags.c_contiguous


def _array(value: Any) -> Any:
    import numpy as np

    array = np.asarray(value)
    if array.ndim == 0:
        return array[()]
    if array.dtype.kind in "fiub":
        return _numbers(array)
    return array.tolist() if array.dtype.kind in "OUST" else list(array)


def _numbers(array: Any) -> orjson.Fragment:
    """The fast way for arrays: orjson reads their memory, when it is laid out as it knows."""
    import numpy as np

    if array.dtype.itemsize > 8:
        with np.errstate(over="ignore"):
            array = array.astype("float64")
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    return orjson.Fragment(orjson.dumps(array, option=orjson.OPT_SERIALIZE_NUMPY))


def _masked(value: Any) -> Any:
    import numpy as np

    if value.ndim == 0:
        return None if value.mask else value.data[()]
    if value.dtype.names is not None:
        return [{name: row[name] for name in value.dtype.names} for row in value]
    if value.ndim > 1:
        return list(value)
    hidden = np.ma.getmaskarray(value).tolist()
    return [None if is_hidden else each for each, is_hidden in zip(value.data, hidden, strict=True)]


def _record(value: Any) -> Any:
    names = value.dtype.names
    return value.tobytes() if names is None else {name: value[name] for name in names}


def _small_float(value: Any) -> orjson.Fragment:
    return orjson.Fragment(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY))


def frame_rows(frame: Any, key_text: Callable[[Any], str]) -> list[dict[str, Any]]:
    """An object a row, its keys the names of the columns as `key_text` writes them. Raises `Unwritable`."""
    names = [key_text(name) for name in frame.columns]
    twice = (
        next((name for i, name in enumerate(names) if name in names[:i]), None)
        if len(set(names)) < len(names)
        else None
    )
    if twice is not None:
        raise Unwritable(f"has two columns {twice!r}", "columns of different names")
    if not names:
        return [{} for _ in range(len(frame))]
    columns = [_column(frame.iloc[:, i]) for i in range(len(names))]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _column(series: Any) -> Any:
    """The values of a Series, each as it would be alone."""
    kind = getattr(series.dtype, "kind", "O")
    if type(series.dtype).__module__.startswith("numpy"):
        if kind == "f" and series.dtype.itemsize != 8:
            return orjson.loads(_dumped(series.to_numpy()))
        if kind in "Mm":
            return list(series.to_numpy())
    return series.tolist()


def _dumped(array: Any) -> bytes:
    return orjson.dumps(_numbers(array))


def _series(series: Any) -> Any:
    is_numpy = type(series.dtype).__module__.startswith("numpy")
    return series.to_numpy() if is_numpy else series.tolist()


def _sparse(matrix: Any) -> Any:
    cells = 1
    for length in matrix.shape:
        cells *= length
    if cells > MOST_CELLS:
        shape = " by ".join(map(str, matrix.shape))
        raise Unwritable(f"holds a sparse matrix of {shape} cells", f"at most {MOST_CELLS:,} cells")
    return matrix.toarray()


def _tensor(tensor: Any) -> Any:
    """numpy has no bfloat16 and no sparse tensors."""
    tensor = tensor.detach().cpu()
    if str(tensor.layout) != "torch.strided":
        tensor = tensor.to_dense()
    return (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor.resolve_conj().resolve_neg()).numpy()


def _asarray(value: Any) -> Any:
    import numpy as np

    return np.asarray(value)


def _null(_: Any) -> None:
    return None


LIBRARIES: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("numpy", "MaskedArray"): _masked,
    ("numpy", "MaskedConstant"): _null,
    ("numpy", "bool"): bool,
    ("numpy", "bool_"): bool,
    ("numpy", "complexfloating"): complex,
    ("numpy", "datetime64"): numpy_moment,
    ("numpy", "float64"): float,
    ("numpy", "floating"): _small_float,
    ("numpy", "integer"): int,
    ("numpy", "longdouble"): float,
    ("numpy", "ndarray"): _array,
    ("numpy", "timedelta64"): numpy_duration,
    ("numpy", "void"): _record,
    ("pandas", "ExtensionArray"): lambda value: value.tolist(),
    ("pandas", "Index"): lambda value: value.tolist(),
    ("pandas", "Interval"): lambda value: {"left": value.left, "right": value.right, "closed": value.closed},
    ("pandas", "NAType"): _null,
    ("pandas", "NaTType"): _null,
    ("pandas", "Period"): str,
    ("pandas", "Series"): _series,
    ("pandas", "Timedelta"): lambda value: value.to_timedelta64(),
    ("polars", "DataFrame"): lambda value: value.to_dicts(),
    ("polars", "Series"): lambda value: value.to_list(),
    ("pyarrow", "Array"): lambda value: value.to_pylist(),
    ("pyarrow", "ChunkedArray"): lambda value: value.to_pylist(),
    ("pyarrow", "RecordBatch"): lambda value: value.to_pylist(),
    ("pyarrow", "Scalar"): lambda value: value.as_py(),
    ("pyarrow", "Table"): lambda value: value.to_pylist(),
    ("scipy", "sparray"): _sparse,
    ("scipy", "spmatrix"): _sparse,
    ("jax", "ArrayImpl"): _asarray,
    ("jaxlib", "ArrayImpl"): _asarray,
    ("tensorflow", "Tensor"): lambda value: value.numpy(),
    ("torch", "Tensor"): _tensor,
}
