"""Data lying in the notebook that fits a model: its dtypes and a few of its rows.

Only plain values leave this module: a sample holds no frame and no array.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..schema import Datatype, Feature
from .intent import DATA_NAMES
from .plain import is_null, plain

__all__ = ["Sample", "accepts", "frame_sample", "matrix_sample", "named_frame_sample", "polars_sample", "text_sample"]

ROWS = 2
FEW, MANY = 20, 500
LONGEST_TEXT = 200
IPYTHON_NAMES = frozenset(["In", "Out", "exit", "quit", "get_ipython"])
TEXT_WORDS = ("x", "text", "doc", "sentence", "corpus", "message", "review", "comment", "title", "email")

DATATYPES: tuple[tuple[str, Datatype], ...] = (
    ("bool", Datatype.BOOLEAN),
    ("int", Datatype.NUMBER),
    ("uint", Datatype.NUMBER),
    ("float", Datatype.NUMBER),
    ("datetime", Datatype.DATETIME),
    ("str", Datatype.STRING),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows of the user's own, ready for JSON, and what the columns of their frame are."""

    variable: str
    rows: list[Any]
    dtypes: Mapping[str, str] = field(default_factory=dict)
    categories: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def datatype(self, column: str) -> Datatype:
        dtype = self.dtypes.get(column, "").lower()
        if column in self.categories or dtype == "object":
            values = [row[column] for row in self.rows if isinstance(row, dict) and column in row]
            return Datatype.STRING if values and all(isinstance(value, str) for value in values) else Datatype.ANY
        return next((datatype for start, datatype in DATATYPES if dtype.startswith(start)), Datatype.ANY)


def frame_sample(namespace: Mapping[str, Any], features: Sequence[Feature]) -> Sample | None:
    """From the latest frame with exactly these columns, or else the latest that has them among others."""
    columns = [feature.name for feature in features]
    wanted = set(columns)
    fitting = [(name, frame) for name, frame in _frames(namespace) if wanted <= set(frame.columns)]
    fitting.sort(key=lambda item: len(item[1].columns) == len(columns))
    if not fitting:
        return None
    name, frame = fitting[-1]
    return _sample_of(name, frame[columns], lambda row: all(accepts(each, row[each.name]) for each in features))


def polars_sample(namespace: Mapping[str, Any], columns: Sequence[str]) -> Sample | None:
    """From the latest polars frame with these columns, if no frame of pandas has them."""
    wanted = set(columns)
    if any(wanted <= set(frame.columns) for _, frame in _frames(namespace)):
        return None
    fitting = [
        (name, frame)
        for name, frame in _variables(namespace)
        if _is(frame, "polars", "DataFrame") and len(frame) > 0 and wanted <= set(frame.columns)
    ]
    if not fitting:
        return None
    name, frame = fitting[-1]
    rows = [_plain_record(record) for record in frame.select(list(columns)).head(ROWS).to_dicts()]
    return Sample(name, [row for row in rows if row is not None])


def named_frame_sample(namespace: Mapping[str, Any], argument: str, columns: Sequence[str]) -> Sample | None:
    """For a function of a frame: from the frame that is called like its argument, or has the columns that it reads."""
    frames = [(name, frame) for name, frame in _frames(namespace) if set(columns) <= set(frame.columns)]
    named = [each for each in frames if each[0].casefold() == argument.casefold()]
    likely = [each for each in frames if columns or each[0].casefold() in DATA_NAMES]
    chosen = (named or likely)[-1:]
    return _sample_of(*chosen[0]) if chosen else None


def matrix_sample(namespace: Mapping[str, Any], width: int | None, *, positive: bool = False) -> Sample | None:
    """From an array or frame of numbers with so many columns; those called X and the like come first."""
    fitting = [
        (name, value)
        for name, value in _variables(namespace)
        if _is_matrix(value, width) and (width is not None or _is_called_like_data(name))
    ]
    fitting.sort(key=lambda item: _is_called_like_data(item[0]))
    for name, value in reversed(fitting):
        rows = [row for row in _matrix_rows(value) if _is_usable(row, positive)][:ROWS]
        if len(rows) == ROWS:
            return Sample(name, rows)
    return None


def text_sample(namespace: Mapping[str, Any]) -> Sample | None:
    """From the latest list, series or array of texts that is called so."""
    for name, value in reversed(list(_variables(namespace))):
        if name.casefold().startswith(TEXT_WORDS) or name.casefold() in DATA_NAMES:
            texts = _head_of_texts(value)
            if texts is not None:
                return Sample(name, [text[:LONGEST_TEXT] for text in texts[:ROWS]])
    return None


def accepts(feature: Feature, value: Any) -> bool:
    """Whether a plain value may be sent for the feature."""
    if value is None:
        return feature.nullable
    if feature.closed and feature.categories is not None:
        return value in feature.categories
    if feature.datatype is Datatype.NUMBER:
        return isinstance(value, (int, float))
    return feature.datatype is not Datatype.STRING or isinstance(value, str)


def _variables(namespace: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in list(namespace.items()):
        if isinstance(name, str) and not name.startswith("_") and name not in IPYTHON_NAMES:
            yield name, value


def _is(value: Any, module: str, name: str) -> bool:
    """Whether the value is of a library's class; of a library that is not imported nothing is."""
    return isinstance(value, getattr(sys.modules.get(module), name, ()))


def _frames(namespace: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [
        (name, value) for name, value in _variables(namespace) if _is(value, "pandas", "DataFrame") and len(value) > 0
    ]


def _sample_of(name: str, frame: Any, fits: Callable[[dict[str, Any]], bool] = bool) -> Sample:
    dtypes = {str(column): str(dtype) for column, dtype in frame.dtypes.items()}
    return Sample(name, _frame_rows(frame, fits), dtypes, _categories(frame))


def _frame_rows(frame: Any, fits: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    """The first rows that are complete, or those that merely fit when there are no complete ones."""
    fitting: list[dict[str, Any]] = []
    for start, stop in ((0, FEW), (FEW, MANY)):
        for record in frame.iloc[start:stop].to_dict("records"):
            row = _plain_record(record)
            if row is not None and fits(row):
                fitting.append(row)
        complete = [row for row in fitting if None not in row.values()]
        if len(complete) >= ROWS:
            return complete[:ROWS]
    return (complete + [row for row in fitting if None in row.values()])[:ROWS]


def _plain_record(record: Mapping[Any, Any]) -> dict[str, Any] | None:
    try:
        return {str(column): plain(value) for column, value in record.items()}
    except (TypeError, ValueError):
        return None


def _categories(frame: Any) -> dict[str, tuple[Any, ...]]:
    return {
        str(column): tuple(plain(value) for value in dtype.categories)
        for column, dtype in frame.dtypes.items()
        if str(dtype) == "category" and len(dtype.categories) <= MANY
    }


def _is_called_like_data(name: str) -> bool:
    return name.casefold() in DATA_NAMES or name.startswith("X")


def _is_matrix(value: Any, width: int | None) -> bool:
    if _is(value, "pandas", "DataFrame"):
        numeric = all(str(dtype).lower().startswith(("int", "uint", "float", "bool")) for dtype in value.dtypes)
    elif _is(value, "numpy", "ndarray"):
        numeric = value.ndim == 2 and value.dtype.kind in "iufb"
    else:
        return False
    return numeric and len(value) > 0 and (width is None or value.shape[1] == width)


def _matrix_rows(value: Any) -> list[list[Any]]:
    head = value[:FEW]
    return [list(row) for row in (head.to_numpy() if hasattr(head, "to_numpy") else head).tolist()]


def _is_usable(row: Sequence[Any], positive: bool) -> bool:
    return all(not is_null(value) and abs(value) != float("inf") and (value >= 0 or not positive) for value in row)


def _head_of_texts(value: Any) -> list[str] | None:
    is_series = _is(value, "pandas", "Series")
    is_array = _is(value, "numpy", "ndarray") and value.ndim == 1
    if not (is_series or is_array or isinstance(value, (list, tuple))) or len(value) < 1:
        return None
    head = list(value.iloc[:FEW] if is_series else value[:FEW])
    return [str(text) for text in head] if all(isinstance(text, str) for text in head) else None
