"""Arrow's columns, as the codecs look at them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from ...schema import Datatype
from ..blocks import Grid, Vector, moments_series, plain_moments
from .medium import Bounds, body_error

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ArrowColumn", "Layout", "grid_of"]


class Layout:
    """The columns' names and types: those of single values only, each of another name. Raises `BodyError`."""

    def __init__(self, schema: pa.Schema) -> None:
        import pyarrow as pa

        self.schema = schema
        try:
            self.names: list[str] = schema.names
            self.zones = [getattr(field.type, "tz", None) for field in schema]
        except UnicodeDecodeError:
            raise body_error("The names in the schema are not UTF-8.", "Send valid names.", "encoding") from None
        for field in schema:
            if not _is_flat(field.type):
                problem = f"Column {field.name[:80]!r} is of the type {str(field.type)[:80]}, which is not read here."
                raise body_error(problem, "Send numbers, booleans, text, dates or timestamps.", "column_type")
        if len(set(self.names)) < len(self.names):
            twice = next(name for index, name in enumerate(self.names) if name in self.names[:index])
            raise body_error(f"There are two columns {twice[:80]!r}.", "Send columns of different names.", "duplicate")
        self.is_floats = all(field.type == pa.float64() for field in schema)


def grid_of(table: pa.Table | pa.RecordBatch, layout: Layout, bounds: Bounds) -> Grid:
    """The columns of what was read, when they have been validated. Raises `BodyError` and `BodyTooLarge`."""
    import pyarrow as pa

    bounds.check_cells(table.num_rows, table.num_columns)
    try:
        table.validate(full=True)
        if isinstance(table, pa.Table):
            table = table.unify_dictionaries()
    except pa.ArrowException:
        raise body_error("The columns hold what no column of their type can.", "Send valid columns.", "arrow") from None
    stack = _stack(table) if isinstance(table, pa.RecordBatch) and layout.is_floats else None
    return Grid(layout.names, ArrowColumns(table, bounds), table.num_rows, stack)


def _stack(batch: pa.RecordBatch) -> Callable[[Sequence[int]], Any]:
    """What puts columns of floats side by side, in one go; None where some are missing."""
    import numpy as np
    import pyarrow as pa

    def stacked(order: Sequence[int]) -> Any:
        chosen = batch if list(order) == list(range(batch.num_columns)) else batch.select(list(order))
        try:
            return np.ascontiguousarray(chosen.to_tensor(row_major=False).to_numpy())
        except pa.ArrowException:
            return None

    return stacked


class ArrowColumns(Sequence[Vector]):
    """The columns of a table, made when they are looked at."""

    def __init__(self, table: pa.Table | pa.RecordBatch, bounds: Bounds) -> None:
        self._table = table
        self._bounds = bounds

    def __len__(self) -> int:
        return int(self._table.num_columns)

    def __getitem__(self, index: Any) -> Any:
        return ArrowColumn(self._table.column(index), self._bounds)


class ArrowColumn(Vector):
    """One column of flat values."""

    def __init__(self, values: pa.Array | pa.ChunkedArray, bounds: Bounds) -> None:
        self._values = values
        self._bounds = bounds

    def plain(self, datatype: Datatype, *, nullable: bool) -> list[Any]:  # noqa: ARG002
        import pyarrow as pa

        values = self._values
        if pa.types.is_temporal(values.type):
            return plain_moments(self._moments(), "" if self._zone is None else "Z")
        if pa.types.is_dictionary(values.type):
            return [None if each is None else each for each in self._objects_of_dictionary().tolist()]
        if pa.types.is_decimal(values.type):
            values = values.cast(pa.float64())
        listed: list[Any] = values.to_pylist()
        return listed

    def array(self, datatype: Datatype) -> Any:
        import pyarrow as pa

        values, of = self._values, self._values.type
        if pa.types.is_temporal(of):
            return self._moments()
        if pa.types.is_boolean(of):
            return None if values.null_count else values.to_numpy(zero_copy_only=False)
        if pa.types.is_decimal(of):
            values, of = values.cast(pa.float64()), pa.float64()
        if not (pa.types.is_integer(of) or pa.types.is_floating(of)):
            return None
        if values.null_count and pa.types.is_integer(of) and datatype is Datatype.INTEGER:
            return None
        return values.to_numpy() if isinstance(values, pa.ChunkedArray) else values.to_numpy(zero_copy_only=False)

    def distinct(self) -> list[Any] | None:
        if not self._is_text:
            return None
        return [each for each in self._values.unique().to_pylist() if each is not None]

    def has_missing(self) -> bool:
        return bool(self._values.null_count)

    def objects(self) -> Any:
        import pyarrow as pa

        if pa.types.is_dictionary(self._values.type):
            return self._objects_of_dictionary() if self._is_text else None
        return self._to_numpy(self._values) if self._is_text else None

    def text(self, dtype: Any) -> Any:
        if not self._is_text:
            return None
        if dtype == "object":
            return self.objects()
        return dtype.__from_arrow__(self._spelled_out())

    def codes(self, categories: Sequence[Any]) -> Any:
        import numpy as np
        import pyarrow as pa

        if not self._is_text:
            return None
        encoded = self._values.combine_chunks() if isinstance(self._values, pa.ChunkedArray) else self._values
        if not pa.types.is_dictionary(encoded.type):
            encoded = encoded.dictionary_encode()
        places = {category: index for index, category in enumerate(categories)}
        table = np.array([places.get(each, -1) for each in encoded.dictionary.to_pylist()] + [-1])
        return table[encoded.indices.fill_null(len(table) - 1).to_numpy(zero_copy_only=False)]

    def series(self, name: str) -> Any:
        import polars as pl
        import pyarrow as pa

        values = self._spelled_out() if self._is_text else self._values
        if pa.types.is_temporal(values.type):  # its zone is whatever somebody has written there
            moments = moments_series(name, self._moments())
            return moments if moments is None or self._zone is None else moments.dt.replace_time_zone("UTC")
        if pa.types.is_decimal(values.type):
            values = values.cast(pa.float64())
        return pl.Series(name, pl.from_arrow(values))

    @property
    def _zone(self) -> str | None:
        import pyarrow as pa

        return self._values.type.tz if pa.types.is_timestamp(self._values.type) else None

    @property
    def _is_text(self) -> bool:
        import pyarrow as pa

        of = self._values.type.value_type if pa.types.is_dictionary(self._values.type) else self._values.type
        return bool(pa.types.is_string(of) or pa.types.is_large_string(of) or pa.types.is_string_view(of))

    def _spelled_out(self) -> Any:
        """The texts without a dictionary. Raises `BodyTooLarge` when one text stands for many."""
        import pyarrow as pa
        import pyarrow.compute as pc

        values = self._values
        if not pa.types.is_dictionary(values.type):
            return values.cast(pa.large_string()) if pa.types.is_string_view(values.type) else values
        for chunk in values.chunks if isinstance(values, pa.ChunkedArray) else [values]:
            lengths = pc.binary_length(chunk.dictionary.cast(pa.large_string()))
            self._bounds.check(pc.sum(lengths.take(chunk.indices)).as_py() or 0)
        return values.cast(pa.large_string())

    def _objects_of_dictionary(self) -> Any:
        """One object for all rows that have the same value."""
        import numpy as np
        import pyarrow as pa

        chunks = self._values.chunks if isinstance(self._values, pa.ChunkedArray) else [self._values]
        taken = [np.empty(0, dtype=object)]
        for chunk in chunks:
            known = np.array([*chunk.dictionary.to_pylist(), None], dtype=object)
            taken.append(known[chunk.indices.fill_null(len(known) - 1).to_numpy(zero_copy_only=False)])
        return np.concatenate(taken)

    def _moments(self) -> Any:
        """Moments in UTC; dates are those of midnight."""
        import pyarrow as pa

        values = self._values
        if pa.types.is_date64(values.type):
            values = values.cast(pa.timestamp("ms"))
        elif pa.types.is_timestamp(values.type) and values.type.tz is not None:
            values = values.cast(pa.timestamp(values.type.unit))
        return self._to_numpy(values)

    @staticmethod
    def _to_numpy(values: Any) -> Any:
        import pyarrow as pa

        return values.to_numpy() if isinstance(values, pa.ChunkedArray) else values.to_numpy(zero_copy_only=False)


def _is_flat(of: pa.DataType) -> bool:
    """Whether a cell of that type is one value."""
    import pyarrow as pa

    if not pa.types.is_dictionary(of):
        return of.id in _flat_types()
    value = of.value_type
    return value.id in _flat_types() and not (pa.types.is_temporal(value) or pa.types.is_decimal(value))


@cache
def _flat_types() -> frozenset[int]:
    """The ids of the types of which a cell is one value."""
    import pyarrow as pa

    flat = [pa.null(), pa.bool_(), pa.float16(), pa.float32(), pa.float64(), pa.date32(), pa.date64()]
    flat += [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
    flat += [pa.string(), pa.large_string(), pa.string_view(), pa.timestamp("s")]
    flat += [pa.decimal32(1), pa.decimal64(1), pa.decimal128(1), pa.decimal256(1)]
    return frozenset(each.id for each in flat)
