"""Arrays in the format of numpy's files."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ....errors import NotAcceptable
from ...schema import DataArgument, Signature
from ..blocks import Block, Cells, Grid
from .answers import array_of
from .medium import Body, body_error

__all__ = ["read", "write"]

LONGEST_HEADER = 10_000
MOST_DIMENSIONS = 32
MAGIC = b"\x93NUMPY"
_REMEDY = "Send what numpy.save writes."


@dataclass(frozen=True, slots=True)
class Header:
    dtype: Any
    shape: tuple[int, ...]
    order: str
    begins: int
    """Where the values begin."""


def read(body: Body, data: DataArgument) -> Block | Grid:  # noqa: ARG001
    """A view of the body. What it claims to hold is compared with its length before anything else."""
    import numpy as np

    content = body.content
    header = _header_of(bytes(content[: _header_end(content)]))
    count = math.prod(header.shape)
    size, there = count * header.dtype.itemsize, len(content) - header.begins
    if size != there:
        said = f"{header.shape} of {header.dtype.name}"
        raise body_error(f"The array is said to be {said}, and has {there} bytes.", _REMEDY, "truncated")
    body.bounds.check_cells(count, len(header.dtype.names or (0,)))
    array = np.frombuffer(content, dtype=header.dtype, offset=header.begins, count=count)
    array = array.reshape(header.shape, order=header.order)  # type: ignore[call-overload]
    return Block(array) if header.dtype.names is None else _columns(array)


def _columns(array: Any) -> Grid:
    """The fields of a structured array."""
    if array.ndim != 1:
        raise body_error("A structured array has one dimension.", "Send one record for each row.", "shape")
    names = array.dtype.names
    return Grid(names, [Cells(array[name]) for name in names], len(array))


def _header_end(content: bytes | bytearray) -> int:
    if not content.startswith(MAGIC):
        raise body_error("The body is not in the npy format.", _REMEDY, "npy")
    width = 2 if content[6:7] == b"\x01" else 4
    length = int.from_bytes(content[8 : 8 + width], "little")
    if length > LONGEST_HEADER:
        raise body_error("The array's header is too long.", _REMEDY, "npy")
    return 8 + width + length


@lru_cache(maxsize=64)
def _header_of(head: bytes) -> Header:
    """What the header says: the same for many bodies. Raises `BodyError`."""
    import io

    import numpy as np

    file = io.BytesIO(head)
    try:
        version = np.lib.format.read_magic(file)
        reads = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, is_fortran, dtype = reads(file, max_header_size=LONGEST_HEADER)
    except Exception:  # noqa: BLE001 - numpy gives the text to Python's own parsers, which raise whatever they find
        raise body_error("The array's header cannot be read.", _REMEDY, "npy") from None
    _check_dtype(dtype)
    if len(shape) > MOST_DIMENSIONS or any(type(each) is not int or each < 0 for each in shape):
        raise body_error(f"The shape {str(shape)[:60]} is none that an array can have.", _REMEDY, "npy")
    if not shape or 0 in shape:
        raise body_error("The array is empty." if shape else "The array is a single value.", "Send rows.", "empty")
    return Header(dtype, shape, "F" if is_fortran else "C", file.tell())


def _check_dtype(dtype: Any) -> None:
    import numpy as np

    for each in (dtype,) if dtype.names is None else [dtype.fields[name][0] for name in dtype.names]:
        has_unit = each.kind != "M" or np.datetime_data(each)[0] != "generic"
        if each.kind not in "fiubMU" or not each.itemsize or each.shape or not has_unit:
            problem = f"An array of {str(each)[:60]} is not read here."
            raise body_error(problem, "Send numbers, booleans, moments (datetime64) or text (U).", "dtype")


def write(answer: Any, signature: Signature) -> bytes:
    import numpy as np

    array = array_of(answer, signature)
    if array.dtype.hasobject or array.dtype.kind == "V":
        raise NotAcceptable(f"An array of {array.dtype} has no place in the npy format.", "Ask for JSON.")
    array = np.ascontiguousarray(array).reshape(array.shape)
    return _head(array.dtype, array.shape) + array.tobytes()


@lru_cache(maxsize=64)
def _head(dtype: Any, shape: tuple[int, ...]) -> bytes:
    import io

    import numpy as np

    file = io.BytesIO()
    fields = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, fields)
    return file.getvalue()
