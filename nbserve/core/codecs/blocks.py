"""What bodies that are no JSON hold: an array, or columns. Views of what was sent, still to be checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..schema import Datatype

__all__ = [
    "FIRST",
    "LAST",
    "Block",
    "Cells",
    "Grid",
    "Picture",
    "Vector",
    "are_between",
    "moments_series",
    "plain_moments",
    "plain_rows",
]


FIRST, LAST = "0001-01-01", "9999-12-31T23:59:59"
"""The moments that ISO 8601 has a plain text for."""

_COARSE = ("Y", "M", "W", "D", "h", "m", "s", "ms", "us")


@dataclass(frozen=True, slots=True)
class Block:
    """An array, of numbers, moments or text."""

    array: Any

    def as_grid(self) -> Grid:
        """Its columns, which have no names."""
        array = self.array
        return Grid(None, [Cells(array[:, index]) for index in range(array.shape[1])], len(array))


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture, of Pillow's."""

    content: Any


class Vector:
    """One column. Each form of it but the plain one is None where it is not plain to see that nothing is lost."""

    def plain(self, datatype: Datatype, *, nullable: bool) -> list[Any]:
        """The values as JSON would hold them."""
        raise NotImplementedError

    def array(self, datatype: Datatype) -> Any:  # noqa: ARG002
        """Numbers, booleans or moments, NaN or NaT where one is missing."""
        return None

    def distinct(self) -> list[Any] | None:
        """The different texts, but for those that are missing."""
        return None

    def has_missing(self) -> bool:
        """Whether a text is missing."""
        return True

    def objects(self) -> Any:
        """The texts as an array of objects, None where one is missing."""
        return None

    def text(self, dtype: Any) -> Any:  # noqa: ARG002
        """The texts as an array of pandas, of its dtype for text."""
        return None

    def codes(self, categories: Sequence[Any]) -> Any:  # noqa: ARG002
        """The texts as positions in `categories`, -1 for one that is not there or missing."""
        return None

    def series(self, name: str) -> Any:  # noqa: ARG002
        """A Series of polars."""
        return None


class Cells(Vector):
    """A column of an array."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def plain(self, datatype: Datatype, *, nullable: bool) -> list[Any]:  # noqa: ARG002
        return _plain_array(self._array)

    def array(self, datatype: Datatype) -> Any:  # noqa: ARG002
        return self._array if self._array.dtype.kind in "fiubM" else None

    def series(self, name: str) -> Any:
        import polars as pl

        return moments_series(name, self._array) if self._array.dtype.kind == "M" else pl.Series(name, self._array)


@dataclass(frozen=True, slots=True)
class Grid:
    """Columns of one length, by name if they have names.

    `stack` makes one array of the columns at those positions, in the order of rows; None where it cannot.
    """

    names: Sequence[str] | None
    columns: Sequence[Vector]
    rows: int
    stack: Callable[[Sequence[int]], Any] | None = None

    def stacked(self, order: Sequence[int], datatype: Datatype) -> Any:
        """One array of numbers, row after row; None if the columns are not plainly such."""
        if self.stack is not None:
            found = self.stack(order)
            if found is not None:
                return found
        arrays = [self.columns[index].array(datatype) for index in order]
        if any(each is None or each.dtype.kind not in "fiub" for each in arrays):
            return None
        return _side_by_side(arrays)


def _side_by_side(arrays: list[Any]) -> Any:
    """One row after the other in memory: how a library adds up what it multiplies depends on it."""
    import numpy as np

    dtypes = {each.dtype for each in arrays}
    if len(dtypes) == 1:
        return np.ascontiguousarray(np.array(arrays).T)
    whole = np.empty((len(arrays[0]), len(arrays)))
    for index, each in enumerate(arrays):
        whole[:, index] = each
    return whole


def _plain_array(array: Any) -> list[Any]:
    """The values of an array as JSON would hold them; NaN stays, which is as good as null."""
    if array.dtype.kind == "M":
        return plain_moments(array)
    listed: list[Any] = array.tolist()
    return listed


def plain_moments(array: Any, zone: str = "") -> list[Any]:
    """The text of each moment, null for NaT."""
    import numpy as np

    missing = np.isnat(array)
    texts = np.datetime_as_string(array, unit="D" if np.datetime_data(array.dtype)[0] in "YMWD" else "auto")
    texts = [f"{text}{zone}" if "T" in text else text for text in texts.tolist()]
    return [None if is_missing else text for text, is_missing in zip(texts, missing, strict=True)]


def are_between(array: Any, first: str, last: str) -> bool:
    """Whether the moments are that are not missing. Counted in nanoseconds, all have years of four digits."""
    import numpy as np

    known = array[~np.isnat(array)]
    if not len(known) or (first == FIRST and np.datetime_data(array.dtype)[0] not in _COARSE):
        return True
    low, high = (np.datetime64(each).astype(array.dtype) for each in (first, last))
    return bool(low <= known.min() and known.max() <= high)


def moments_series(name: str, array: Any) -> Any:
    """A Series of polars, which knows neither seconds nor years; None for moments that it cannot hold."""
    import numpy as np
    import polars as pl

    if np.datetime_data(array.dtype)[0] in ("D", "ms", "us", "ns"):
        return pl.Series(name, array)
    if not are_between(array, FIRST, LAST):
        return None
    return pl.Series(name, array.astype("datetime64[ms]"))


def plain_rows(sent: Block | Grid) -> Any:
    """The same in JSON: lists, or an object for each row."""
    if isinstance(sent, Block):
        array = sent.array
        if array.dtype.kind == "M" and array.ndim > 1:
            return [plain_moments(row) for row in array]
        return _plain_array(array)
    columns = [each.plain(Datatype.ANY, nullable=True) for each in sent.columns]
    if sent.names is None:
        return [list(row) for row in zip(*columns, strict=True)]
    return [dict(zip(sent.names, row, strict=True)) for row in zip(*columns, strict=True)]
