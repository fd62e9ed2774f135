"""Rows of named columns → the frame or array that the model was trained on."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence, Set
from functools import cache
from typing import Any

from ..schema import Container, DataArgument, Datatype, Feature
from .columns import Column, integer_range, is_missing
from .faults import Faults, Loc, hint, shown
from .rows import Sheet, called, refuse_empty, sheet_of, thawed

__all__ = [
    "DTYPES",
    "PLAIN_DTYPES",
    "Table",
    "categories_of",
    "float_frame",
    "frame_of",
    "is_float",
    "is_frame",
    "moments_in",
    "pandas_column",
    "polars_frame",
    "text_dtype",
]

_NONE: frozenset[str] = frozenset()
_NUMERIC = frozenset({Datatype.NUMBER, Datatype.INTEGER, Datatype.BOOLEAN})


class Table:
    """Decodes a TABLE: every value is checked against its feature, in whatever order the columns come."""

    def __init__(self, data: DataArgument) -> None:
        self.columns = [Column(feature) for feature in data.features]
        self.names = [feature.name for feature in data.features]
        self._features = data.features
        self._container = data.container
        self._is_numeric = all(feature.datatype in _NUMERIC and not feature.shape for feature in data.features)
        self._lists = frozenset(feature.name for feature in data.features if feature.shape) or _NONE
        self._defaults = {feature.name: feature.default for feature in data.features if not feature.required}
        self._dtype = data.dtype or ("float64" if self._is_numeric else "object")

    def __call__(self, rows: Any, loc: Loc, faults: Faults) -> Any:
        if is_frame(rows):
            return self._reordered(rows, loc, faults)
        if not self.is_plain:
            rows = _filled(rows, self._defaults, self._lists)
        sheet = sheet_of(rows, self.names, loc, faults)
        return None if sheet is None else self.build(self.check(sheet, faults), sheet.rows, faults)

    @property
    def is_plain(self) -> bool:
        """Whether every column is sent, and holds single values."""
        return not self._defaults and not self._lists

    def check(self, sheet: Sheet, faults: Faults) -> list[list[Any]]:
        """The values of each column, converted, None where one is missing."""
        locate = sheet.locate
        return [
            column.check(sheet.columns[i], lambda row, i=i: locate(i, row), faults)  # type: ignore[misc]
            for i, column in enumerate(self.columns)
        ]

    def build(self, checked: list[list[Any]], rows: int, faults: Faults) -> Any:
        """What the model is given for values that `check` has let pass; None if there are faults."""
        if len(faults):
            return None
        if self._container is Container.PANDAS:
            return frame_of(self._features, checked, rows)
        if self._container is Container.POLARS:
            return polars_frame(self._features, checked)
        if self._container.is_array:
            return self._array(checked, rows)
        if self._container is Container.RECORDS:
            return [dict(zip(self.names, row, strict=True)) for row in zip(*checked, strict=True)]
        return [list(row) for row in zip(*checked, strict=True)]

    def _array(self, checked: list[list[Any]], rows: int) -> Any:
        import numpy as np

        if self._is_numeric:
            return np.array(list(zip(*checked, strict=True)), dtype=self._dtype)
        array = np.empty((rows, len(checked)), dtype=object)
        for i, values in enumerate(checked):
            feature = self._features[i]
            is_moment = feature.datatype is Datatype.DATETIME
            array[:, i] = objects([_parsed(each) for each in values] if is_moment else _marked(values, feature))
        return array

    def _reordered(self, frame: Any, loc: Loc, faults: Faults) -> Any:
        """A frame given by Python code: its columns in the model's order."""
        absent = {name: default for name, default in self._defaults.items() if name not in frame.columns}
        frame = frame.assign(**absent) if absent else frame
        known, given = set(self.names), set(frame.columns)
        missing = [name for name in self.names if name not in given]
        for name in frame.columns:
            if name not in known:
                near = hint(name, missing or self.names)
                problem = f"{called(loc)} has an unknown column {shown(name)}.{near}"
                faults.add((*loc, str(name)), problem, "unknown_column", f"The columns are {', '.join(self.names)}.")
        for name in frame.columns[frame.columns.duplicated()].unique():
            problem = f"{called(loc)} has two columns {shown(name)}."
            faults.add((*loc, str(name)), problem, "duplicate", "Send columns of different names.")
        for name in missing:
            faults.add((*loc, name), f"{called(loc)} lacks the column {name!r}.", "missing_column", "Send all columns.")
        if not len(frame):
            refuse_empty(loc, faults)
        if len(faults):
            return None
        ordered = frame[self.names]
        if self._container is Container.PANDAS:
            return ordered
        if self._container is Container.POLARS:
            return polars_frame(self._features, [ordered[name].tolist() for name in self.names])
        return ordered.to_numpy() if self._container.is_array else ordered.to_numpy().tolist()


def _filled(rows: Any, defaults: Mapping[str, Any], lists: Set[str]) -> Any:
    """Records or columns with what stands for those that were not sent; `lists` are columns of lists."""
    rows = thawed(rows)
    if isinstance(rows, list):
        return [{**defaults, **each} if isinstance(each, dict) else each for each in map(thawed, rows)]
    if not isinstance(rows, dict) or not rows:
        return rows
    columns = {name: thawed(each) for name, each in rows.items()}
    if any(name not in lists and not isinstance(each, list) for name, each in columns.items()):
        return [{**defaults, **columns}]  # one row
    lengths = [len(each) for each in columns.values() if isinstance(each, list)]
    return {**{name: [default] * max(lengths, default=0) for name, default in defaults.items()}, **columns}


def is_frame(value: Any) -> bool:
    """Whether it is a pandas DataFrame."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame)


def frame_of(features: Sequence[Feature], columns: Sequence[list[Any]], rows: int) -> Any:
    """A DataFrame of the features, in their order and with their dtypes."""
    import pandas as pd

    names = [feature.name for feature in features]
    if all(is_float(feature) for feature in features):
        return float_frame(names, columns)
    index = pd.RangeIndex(rows)
    built = {name: pandas_column(features[i], columns[i], index) for i, name in enumerate(names)}
    return pd.DataFrame(built, index=index, copy=False)


def polars_frame(features: Sequence[Feature], columns: Sequence[list[Any]]) -> Any:
    """A polars frame, moments as such, all else as polars takes it."""
    import polars as pl

    moments = [feature.datatype is Datatype.DATETIME for feature in features]
    return pl.DataFrame(
        {
            feature.name: [_parsed(value) for value in column] if is_moment else column
            for feature, column, is_moment in zip(features, columns, moments, strict=True)
        },
        strict=False,
    )


def objects(values: Sequence[Any]) -> Any:
    """An array of Python objects, one for each value, also when the values are lists."""
    import numpy as np

    array = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        array[i] = value
    return array


def is_float(feature: Feature) -> bool:
    return feature.datatype is Datatype.NUMBER and feature.dtype in (None, "float64")


def float_frame(names: list[str], columns: Sequence[Any]) -> Any:
    """One block of floats: ten times faster to make than a frame of single columns."""
    import numpy as np
    import pandas as pd

    values = np.array(columns, dtype="float64")
    return pd.DataFrame(values.T, columns=names, copy=False)


def pandas_column(feature: Feature, values: list[Any], index: Any) -> Any:
    """One column of a frame: an array, or a Series where pandas would guess another type."""
    import numpy as np
    import pandas as pd

    dtype = feature.dtype or DTYPES.get(feature.datatype)
    if dtype is None:
        return pd.Series(values, index=index)
    if dtype == "str":
        dtype = text_dtype()
    if dtype == "object":
        return pd.Series(objects(_marked(values, feature)), index=index, dtype=object, copy=False)
    if dtype == "category":
        return pd.Categorical(_marked(values, feature), dtype=categories_of(feature))
    if feature.datatype is Datatype.DATETIME:
        return moments_in(values, dtype)
    if dtype in PLAIN_DTYPES:
        return np.array(values, dtype=_wide_enough(dtype, values))
    return pd.array(values, dtype=dtype)  # type: ignore[arg-type]  # the stubs know fewer names than pandas does


def _wide_enough(dtype: str, values: list[Any]) -> str:
    """`dtype` if it can hold the values, else the floats that a missing or fractional value asks for."""
    if dtype.startswith("float"):
        return dtype
    if any(value is None for value in values):
        return "object" if dtype == "bool" else "float64"
    low, high = (0, 1) if dtype == "bool" else integer_range(dtype)
    fits = all(low <= value <= high and (isinstance(value, int) or value.is_integer()) for value in values)
    return dtype if fits else "float64"


@cache
def text_dtype() -> Any:
    """What pandas makes of text: a dtype of its own since pandas 3, objects before. Given as an object it is fast."""
    import pandas as pd

    dtype = pd.Series([], dtype="str").dtype
    return "object" if str(dtype) == "object" else dtype


def categories_of(feature: Feature) -> Any:
    import pandas as pd

    if feature.categories is None:
        return None
    return pd.CategoricalDtype([value for value in feature.categories if not is_missing(value)])


def moments_in(values: Any, dtype: str) -> Any:
    """Moments in UTC, with a zone only if the model was trained on such."""
    import pandas as pd

    try:
        moments = pd.to_datetime(values, format="ISO8601", utc=True)
    except ValueError:  # forms of ISO 8601 that Python reads and pandas does not, like weeks
        moments = pd.to_datetime([_parsed(value) for value in values], utc=True)
    return (moments if "," in dtype else moments.tz_localize(None)).astype(dtype)


def _parsed(value: Any) -> Any:
    from datetime import datetime

    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _marked(values: list[Any], feature: Feature) -> list[Any]:
    """Missing values as scikit-learn's encoders and imputers know them: NaN, unless it was None in training."""
    if not any(value is None for value in values) or (feature.categories is not None and None in feature.categories):
        return values
    return [float("nan") if value is None else value for value in values]


PLAIN_DTYPES = frozenset(
    {"bool", "float16", "float32", "float64"} | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
)

DTYPES = {
    Datatype.NUMBER: "float64",
    Datatype.INTEGER: "int64",
    Datatype.BOOLEAN: "bool",
    Datatype.STRING: "str",
    Datatype.DATETIME: "datetime64[us]",
}
