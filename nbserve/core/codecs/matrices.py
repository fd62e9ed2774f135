"""Rows of unnamed numbers → an array, a frame or lists."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import chain
from typing import Any

from ..schema import Container, DataArgument, Datatype
from .columns import LARGEST, Misfit, fitters, integer_range, is_missing, plain_scalar
from .faults import Faults, Loc, shown
from .rows import called, refuse_empty, sheet_of, thawed
from .tables import Table, is_frame

__all__ = ["Matrix"]

MOST_DIMENSIONS = 32
MANY_ROWS = 8


class Matrix:
    """Decodes a MATRIX.

    numpy reads the rows as a whole, and what it made of them is judged by its dtype and shape. Only when that is not
    as it should be does a slower reading look for the place; it has the last word, so that the two cannot disagree.
    """

    def __init__(self, data: DataArgument) -> None:
        self._container = data.container
        self.width = data.width if data.width is not None else len(data.features) or None
        self.dtype = data.dtype or ("float64" if self.width is not None else None)
        self._is_integer = self.dtype is not None and self.dtype.lstrip("u").startswith("int")
        self._range = self._range_of(self.dtype)
        self.nullable = not self._is_integer and all(feature.nullable for feature in data.features)
        self._names = [feature.name for feature in data.features]
        self._table = Table(data) if data.features else None
        self.datatype = Datatype.INTEGER if self._is_integer else Datatype.NUMBER
        self._fit = fitters(self.datatype, self.dtype)
        self._word = "an integer" if self._is_integer else "a number"
        self.is_loose = data.container is Container.PANDAS and self.width is None

    def __call__(self, rows: Any, loc: Loc, faults: Faults) -> Any:
        if self.is_loose:
            return self._loose_frame(rows, loc, faults)
        if isinstance(rows, list):
            array = self._read(rows)
            if array is not None:
                return self.contained(array)
        elif not isinstance(rows, (dict, str)) and rows is not None:
            return self._native(rows, loc, faults)
        return self.checked(rows, loc, faults)

    @property
    def joins_rows(self) -> bool:
        """Whether rows of several requests, read as one list, give the numbers that each would give alone.

        They do where all numbers become fractions anyhow; another type would depend on what else is in the list.
        """
        is_array = self._container.is_array or (self._container is Container.PANDAS and bool(self._names))
        return self.width is not None and str(self.dtype).startswith("float") and is_array

    def joined(self, rows: list[Any]) -> Any:
        """What the model is given for rows of JSON, whose numbers are finite; None if not all are plainly good."""
        array = self._packed(rows) if len(rows) >= MANY_ROWS else self._gathered(rows)
        if array is None or not (self._range is None or self._is_in_range(array)):
            return None
        return self.contained(self._typed(array))

    def _gathered(self, rows: list[Any]) -> Any:
        import numpy as np

        try:
            array = np.array(rows)
        except (ValueError, TypeError, OverflowError):
            return None
        is_good = array.ndim == 2 and array.shape[1] == self.width and array.dtype.kind in "fiub"
        return array.astype("float64", copy=False) if is_good else None

    def _packed(self, rows: list[Any]) -> Any:
        """The same for many rows, in half the time: numpy looks at each number twice."""
        import numpy as np

        assert self.width is not None
        try:
            if set(map(len, rows)) != {self.width}:
                return None
            count = len(rows) * self.width
            packed = bytearray(8 * count)
            struct.pack_into(f"={count}d", packed, 0, *chain.from_iterable(rows))
        except (struct.error, TypeError, OverflowError):
            return None
        return np.frombuffer(packed).reshape(len(rows), self.width)

    def _range_of(self, dtype: str | None) -> tuple[float, float] | None:
        if self._is_integer:
            return integer_range(dtype)
        return (-LARGEST[dtype], LARGEST[dtype]) if dtype in LARGEST else None

    def _read(self, rows: list[Any]) -> Any:
        """The array that the rows are, or None if that is not plain to see."""
        import numpy as np

        try:
            array = np.array(rows)
        except (ValueError, TypeError, OverflowError):
            return None
        return self._typed(array) if self._is_good(array) else None

    def _is_good(self, array: Any) -> bool:
        if array.dtype.kind not in "fiub" or array.size == 0 or array.ndim < 2:
            return False
        if self.width is not None and (array.ndim != 2 or array.shape[1] != self.width):
            return False
        return self._is_in_range(array)

    def _is_in_range(self, array: Any) -> bool:
        """Whether the dtype holds every number; floats for an integer dtype are left to the slow reading."""
        import numpy as np

        if array.dtype.kind == "f" and (self._is_integer or not np.isfinite(array).all()):
            return False
        if self._range is None:
            return True
        low, high = self._range
        return bool(low <= array.min().item() and array.max().item() <= high)

    def _typed(self, array: Any) -> Any:
        return array if self.dtype is None else array.astype(self.dtype, copy=False)

    def contained(self, array: Any) -> Any:
        """An array of good numbers as the model wants it."""
        if self._container.is_array:
            return array
        if self._container is Container.PYTHON:
            return array.tolist()
        if self._container is Container.POLARS:
            import polars as pl

            return pl.DataFrame(array, schema=self._names or None, orient="row")
        import pandas as pd

        return pd.DataFrame(array, columns=self._names or None, copy=False)

    def _native(self, value: Any, loc: Loc, faults: Faults) -> Any:
        """What Python code sends instead of lists: arrays, frames, sparse matrices, tensors."""
        if is_frame(value) and self._names and set(value.columns) == set(self._names):
            value = value[self._names]
        elif type(value).__module__.startswith("polars"):
            value = value.to_numpy()
        shape = getattr(value, "shape", None)
        if shape is None:
            return self.checked(thawed(value), loc, faults)
        if len(shape) < 2 or (self.width is not None and (len(shape) != 2 or shape[1] != self.width)):
            expected = "2 dimensions" if self.width is None else f"rows of {self.width} values"
            problem = f"{called(loc)} has the shape {tuple(shape)}, the model expects {expected}."
            faults.add(loc, problem, "shape", "Send an array of that shape.")
        elif not shape[0]:
            refuse_empty(loc, faults)
        elif is_frame(value):
            return value if self._container is Container.PANDAS else self.contained(value.to_numpy())
        elif type(value).__name__ == "ndarray":
            return self.contained(value)
        return value

    def checked(self, rows: Any, loc: Loc, faults: Faults) -> Any:
        """The slow reading: finds what is wrong, or that nothing is."""
        before = len(faults)
        value = self._by_name(rows, loc, faults) if _is_named(rows) else self._by_place(rows, loc, faults)
        if len(faults) > before or value is None:
            return None
        import numpy as np

        return self.contained(np.array(value, dtype=self.dtype or "float64"))

    def _by_name(self, rows: Any, loc: Loc, faults: Faults) -> Any:
        if self._table is None:
            problem = f"{called(loc)} has column names, the model knows none."
            faults.add(loc, problem, "unexpected_names", "Send a list for each row: [[…], …].")
            return None
        sheet = sheet_of(rows, self._names, loc, faults)
        return None if sheet is None else list(zip(*self._table.check(sheet, faults), strict=True))

    def _by_place(self, rows: Any, loc: Loc, faults: Faults) -> Any:
        if self.width is None:
            return self._nested(rows, loc, faults)
        sheet = sheet_of(rows, range(self.width), loc, faults)
        if sheet is None:
            return None
        values = [
            [self.value(value, sheet.locate(c, r), faults) for r, value in enumerate(column)]
            for c, column in enumerate(sheet.columns)
        ]
        return list(zip(*values, strict=True))

    def _nested(self, rows: Any, loc: Loc, faults: Faults) -> Any:
        """Lists of lists of any depth, all of one shape: that of the first of each."""
        rows = thawed(rows)
        if not isinstance(rows, list) or not rows or not isinstance(thawed(rows[0]), list):
            sheet_of(rows, None, loc, faults)
            return None
        shape = tuple(_shape_of(rows))
        if 0 in shape or len(shape) > MOST_DIMENSIONS:
            problem = f"{called(loc)} holds {'an empty list' if 0 in shape else 'too many levels of lists'}."
            faults.add(loc, problem, "shape", "Send rows of numbers.")
            return None
        return self._level(rows, shape, loc, faults)

    def _level(self, value: Any, shape: tuple[int, ...], loc: Loc, faults: Faults) -> Any:
        if not shape:
            return self.value(value, loc, faults)
        value = thawed(value)
        if not isinstance(value, list) or len(value) != shape[0]:
            holds = f"has {len(value)} values" if isinstance(value, list) else f"is {shown(value)}"
            problem = f"{_path(loc)} {holds}, the ones before it have {shape[0]} values."
            faults.add(loc, problem, "ragged", "Send lists of one length.")
            return None
        return [self._level(each, shape[1:], (*loc, i), faults) for i, each in enumerate(value)]

    def value(self, value: Any, loc: Loc, faults: Faults) -> Any:
        """One number, NaN where it is missing."""
        value = plain_scalar(value)
        if is_missing(value):
            if not self.nullable:
                problem = f"{_path(loc)} is null; the model does not accept missing values."
                faults.add(loc, problem, "null", f"Send {self._word}.")
            return float("nan")
        try:
            return self._fit(value)
        except Misfit as misfit:
            reason = f", {misfit}" if str(misfit) else ""
            problem = f"{_path(loc)} holds {shown(value)}{reason}; the model expects {self._word}."
            kind = "integer_expected" if self._is_integer else "number_expected"
            faults.add(loc, problem, kind, f"Send {self._word}{' or null' if self.nullable else ''}.")
            return 0

    def _loose_frame(self, rows: Any, loc: Loc, faults: Faults) -> Any:
        """A frame with the columns that were sent, of whatever type they are."""
        import pandas as pd

        if is_frame(rows):
            return rows
        sheet = sheet_of(rows, None, loc, faults)
        return None if sheet is None else pd.DataFrame(dict(zip(sheet.names, sheet.columns, strict=True)))


def _is_named(rows: Any) -> bool:
    return isinstance(rows, dict) or (isinstance(rows, list) and bool(rows) and isinstance(rows[0], dict))


def _shape_of(value: Any) -> Iterator[int]:
    while isinstance(value, list):
        yield len(value)
        value = thawed(value[0]) if value else None


def _path(loc: Loc) -> str:
    """`Row 3, value 1`: where a number stands, as a person would say it."""
    numbers = [part for part in loc if isinstance(part, int)]
    if not numbers:
        return called(loc)
    return f"Row {numbers[0]}" + "".join(f", value {number}" for number in numbers[1:])
