"""Arrays and columns that were sent → what the model is given, by the same rules as JSON.

What is plainly good is judged as a whole and put where it belongs. Where that is not plain to see, the values are read
as those of JSON are, which has the last word: it finds what is wrong, and where, or that nothing is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..schema import Container, DataArgument, Datatype, Feature
from .blocks import Block, Grid, Vector, plain_rows
from .faults import Faults, Loc
from .images import Images, ImagesIntake
from .matrices import Matrix
from .rows import Sheet, called, order_of, refuse_empty
from .tables import Table, float_frame, is_float, pandas_column, polars_frame, text_dtype
from .values import Free, Texts
from .vectors import column_of, numbers_of, suspects_in

__all__ = ["intake_of"]

Sent = Block | Grid
Decode = Callable[[Any, Loc, Faults], Any]
Intake = Callable[[Any, Loc, Faults], Any]


def intake_of(data: DataArgument, decode: Decode) -> Intake:
    """What reads the data argument from arrays and columns, as `decode` reads it from JSON."""
    if isinstance(decode, Images):
        return ImagesIntake(decode, intake_of(data, decode.rest))
    if isinstance(decode, Table):
        return TableIntake(data, decode) if decode.is_plain else PlainIntake(decode)
    if isinstance(decode, Matrix):
        return FrameIntake(data, decode) if decode.is_loose else MatrixIntake(data, decode)
    if isinstance(decode, Texts):
        return TextsIntake(decode)
    return FrameIntake(data, decode) if isinstance(decode, Free) else PlainIntake(decode)


class TableIntake:
    """Columns by name, or in the model's order if they have no names."""

    def __init__(self, data: DataArgument, table: Table) -> None:
        self._table = table
        self._features = data.features
        self._container = data.container
        self._is_float = all(map(is_float, data.features))

    def __call__(self, sent: Sent, loc: Loc, faults: Faults) -> Any:
        grid = _columns_of(sent, len(self._features), loc, faults)
        order = None if grid is None else order_of(grid.names, len(grid.columns), self._table.names, loc, faults)
        if grid is None or order is None:
            return None
        if not grid.rows:
            refuse_empty(loc, faults)
            return None
        if self._container is Container.PANDAS:
            return self._frame(grid, order, loc, faults)
        if self._container is Container.POLARS:
            return self._polars_frame(grid, order, loc, faults)
        columns = [self._values(grid, order, index, loc) for index in range(len(order))]
        return self._table.build(self._table.check(self._sheet(columns, grid.rows, loc), faults), grid.rows, faults)

    def _frame(self, grid: Grid, order: Sequence[int], loc: Loc, faults: Faults) -> Any:
        import pandas as pd

        columns = [column_of(self._table.columns[i], grid.columns[index]) for i, index in enumerate(order)]
        if self._is_float and all(each is not None for each in columns):
            return float_frame(self._table.names, columns)
        index = pd.RangeIndex(grid.rows)
        for i, each in enumerate(columns):
            if each is None:
                columns[i] = self._slowly(i, grid, order, loc, faults, index)
        if len(faults):
            return None
        return pd.DataFrame(dict(zip(self._table.names, columns, strict=True)), index=index, copy=False)

    def _slowly(self, i: int, grid: Grid, order: Sequence[int], loc: Loc, faults: Faults, index: Any) -> Any:
        checked = self._checked(i, grid, order, loc, faults)
        return None if len(faults) else pandas_column(self._features[i], checked, index)

    def _polars_frame(self, grid: Grid, order: Sequence[int], loc: Loc, faults: Faults) -> Any:
        import polars as pl

        columns = []
        for i, index in enumerate(order):
            name, vector = self._table.names[i], grid.columns[index]
            series = vector.series(name) if column_of(self._table.columns[i], vector) is not None else None
            if series is None:
                checked = self._checked(i, grid, order, loc, faults)
                series = None if len(faults) else polars_frame([self._features[i]], [checked])[name]
            columns.append(series)
        return None if len(faults) else pl.DataFrame(columns)

    def _checked(self, i: int, grid: Grid, order: Sequence[int], loc: Loc, faults: Faults) -> list[Any]:
        name = self._table.names[i]
        return self._table.columns[i].check(self._values(grid, order, i, loc), lambda row: (*loc, row, name), faults)

    def _values(self, grid: Grid, order: Sequence[int], i: int, loc: Loc) -> list[Any]:  # noqa: ARG002
        feature = self._features[i]
        return grid.columns[order[i]].plain(feature.datatype, nullable=feature.nullable)

    def _sheet(self, columns: list[list[Any]], rows: int, loc: Loc) -> Sheet:
        names = self._table.names
        return Sheet(names, columns, rows, lambda column, row: (*loc, row, names[column]))


class MatrixIntake:
    """Numbers only. An array of the right shape and dtype is given to the model as it lies in the body."""

    def __init__(self, data: DataArgument, matrix: Matrix) -> None:
        self._matrix = matrix
        self._names = [feature.name for feature in data.features]
        self._feature = Feature("", matrix.datatype, matrix.dtype, nullable=matrix.nullable)

    def __call__(self, sent: Sent, loc: Loc, faults: Faults) -> Any:
        if isinstance(sent, Grid):
            return self._of_columns(sent, loc, faults)
        return self._of_array(sent.array, loc, faults) if self._is_fit(sent.array, loc, faults) else None

    def _of_array(self, array: Any, loc: Loc, faults: Faults) -> Any:
        numbers = numbers_of(array, self._feature)
        return self._refused(array, loc, faults) if numbers is None else self._matrix.contained(numbers)

    def _of_columns(self, grid: Grid, loc: Loc, faults: Faults) -> Any:
        names: list[Any] = self._names or list(range(self._matrix.width or len(grid.columns)))
        order = order_of(grid.names if self._names else None, len(grid.columns), names, loc, faults)
        if order is None:
            return None
        if not grid.rows or not order:
            refuse_empty(loc, faults)
            return None
        array = grid.stacked(order, self._feature.datatype)
        return self._read(grid, order, loc, faults) if array is None else self._of_array(array, loc, faults)

    def _read(self, grid: Grid, order: Sequence[int], loc: Loc, faults: Faults) -> Any:
        """By way of JSON's values."""
        columns = [
            grid.columns[index].plain(self._feature.datatype, nullable=self._feature.nullable) for index in order
        ]
        rows = zip(*columns, strict=True)
        if self._names:
            return self._matrix.checked([dict(zip(self._names, row, strict=True)) for row in rows], loc, faults)
        return self._matrix.checked([list(row) for row in rows], loc, faults)

    def _is_fit(self, array: Any, loc: Loc, faults: Faults) -> bool:
        width = self._matrix.width
        is_wrong = array.ndim < 2 if width is None else array.ndim != 2 or array.shape[1] != width
        if is_wrong:
            expected = "at least 2 dimensions" if width is None else f"rows of {width} values"
            problem = f"{called(loc)} has the shape {_shape_text(array)}, the model expects {expected}."
            faults.add(loc, problem, "shape", "Send an array of that shape.")
        elif not array.size:
            refuse_empty(loc, faults)
        elif array.dtype.kind not in "fiub":
            problem = f"{called(loc)} is an array of {array.dtype.name}, the model expects numbers."
            faults.add(loc, problem, "number_expected", "Send an array of numbers.")
        return not len(faults)

    def _refused(self, array: Any, loc: Loc, faults: Faults) -> Any:
        """Says which values are not good; where all are, they are."""
        import numpy as np

        suspects = suspects_in(array, self._feature)
        whole = np.zeros(array.shape, dtype=self._matrix.dtype or array.dtype.newbyteorder("="))
        whole[~suspects] = array[~suspects]
        for place in np.argwhere(suspects):
            at = tuple(int(each) for each in place)
            whole[at] = self._matrix.value(array[at].item(), (*loc, *at), faults)
        return None if len(faults) else self._matrix.contained(whole)


class TextsIntake:
    """One column of text."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts

    def __call__(self, sent: Sent, loc: Loc, faults: Faults) -> Any:
        if isinstance(sent, Block):
            array = sent.array
            if array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1):
                return self._texts(array.reshape(-1).tolist(), loc, faults)
            width = array.shape[1] if array.ndim == 2 else 0
        else:
            width = len(sent.columns)
            if width == 1:
                return self._texts(sent.columns[0].plain(Datatype.STRING, nullable=False), loc, faults)
        found = f"{width} columns" if width else "another shape"
        faults.add(loc, f"{called(loc)} has {found}, the model expects one of text.", "width", "Send one column.")
        return None


class FrameIntake:
    """Data of which little is known, for a model that wants a frame, a series, an array or anything."""

    def __init__(self, data: DataArgument, decode: Decode) -> None:
        self._container = data.container
        self._names = [feature.name for feature in data.features]
        self._decode = decode

    def __call__(self, sent: Sent, loc: Loc, faults: Faults) -> Any:
        take = _FREELY.get((self._container, type(sent)))
        value = None if take is None or (isinstance(sent, Block) and self._names) else take(sent)
        if value is None:
            value = plain_rows(sent)
        elif _rows_in(value) == 0:
            refuse_empty(loc, faults)
            return None
        return self._decode(value, loc, faults)


class PlainIntake:
    """Data that a user's annotation reads: what JSON would hold."""

    def __init__(self, decode: Decode) -> None:
        self._decode = decode

    def __call__(self, sent: Sent, loc: Loc, faults: Faults) -> Any:
        return self._decode(plain_rows(sent), loc, faults)


def _columns_of(sent: Sent, width: int, loc: Loc, faults: Faults) -> Grid | None:
    if isinstance(sent, Grid):
        return sent
    if sent.array.ndim != 2:
        problem = f"{called(loc)} has the shape {_shape_text(sent.array)}, the model expects rows of {width} values."
        faults.add(loc, problem, "shape", "Send an array of that shape.")
        return None
    return sent.as_grid()


def _shape_text(array: Any) -> str:
    return str(tuple(array.shape))


def _rows_in(value: Any) -> int:
    return int(value.shape[0])


def _pandas_frame(grid: Grid) -> Any:
    import pandas as pd

    names = range(len(grid.columns)) if grid.names is None else grid.names
    columns = [_pandas_column(each) for each in grid.columns]
    return pd.DataFrame(dict(zip(names, columns, strict=True)), copy=False)


def _pandas_column(vector: Vector) -> Any:
    import numpy as np
    import pandas as pd

    array = vector.array(Datatype.ANY)
    if array is not None:
        return np.array(array)
    text = vector.text(text_dtype())
    return pd.Series(vector.plain(Datatype.ANY, nullable=True)) if text is None else text


def _free_polars_frame(grid: Grid) -> Any:
    import polars as pl

    names = [str(index) for index in range(len(grid.columns))] if grid.names is None else grid.names
    return pl.DataFrame([_polars_column(name, each) for name, each in zip(names, grid.columns, strict=True)])


def _polars_column(name: str, vector: Vector) -> Any:
    import polars as pl

    series = vector.series(name)
    return pl.Series(name, vector.plain(Datatype.ANY, nullable=True), strict=False) if series is None else series


def _one_series(sent: Sent) -> Any:
    import pandas as pd

    if isinstance(sent, Block):
        return pd.Series(sent.array) if sent.array.ndim == 1 else None
    if len(sent.columns) != 1:
        return None
    return pd.Series(_pandas_column(sent.columns[0]), name=None if sent.names is None else sent.names[0])


def _array(sent: Sent) -> Any:
    return sent.array if isinstance(sent, Block) else sent.stacked(range(len(sent.columns)), Datatype.ANY)


def _framed_block(block: Block) -> Any:
    import pandas as pd

    return pd.DataFrame(block.array) if block.array.ndim == 2 else None


_FREELY: dict[tuple[Container, type], Callable[[Any], Any]] = {
    (Container.PANDAS, Grid): _pandas_frame,
    (Container.PANDAS, Block): _framed_block,
    (Container.EITHER, Grid): _pandas_frame,
    (Container.EITHER, Block): _array,
    (Container.POLARS, Grid): _free_polars_frame,
    (Container.SERIES, Grid): _one_series,
    (Container.SERIES, Block): _one_series,
    **{(each, Grid): _array for each in Container if each.is_array},
    **{(each, Block): _array for each in Container if each.is_array},
}
