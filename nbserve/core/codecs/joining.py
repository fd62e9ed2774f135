"""Rows of several calls → one value for all of them, and the answer → each one's own again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

__all__ = ["joined", "layout_of", "parted", "sliced"]


def layout_of(value: Any) -> Hashable | None:
    """What rows must have in common to be joined: their kind, columns and dtypes. None: they cannot be."""
    kind = _kind_of(value)
    return None if kind is None else kind.layout(value)


def joined(values: Sequence[Any]) -> Any:
    """Values of one layout, one below the other."""
    kind = _kind_of(values[0])
    assert kind is not None
    return values[0] if len(values) == 1 else kind.join(values)


def sliced(value: Any, start: int, stop: int) -> Any:
    """The rows from `start` to `stop`."""
    kind = _kind_of(value)
    assert kind is not None
    rows = kind.cut(value, start, stop)
    return rows.reset_index(drop=True) if kind is _FRAME or kind is _SERIES else rows


def parted(answer: Any, counts: Sequence[int]) -> list[Any] | None:
    """An answer, one row for each row asked, as those of calls with so many rows; None if it is none of that kind."""
    edges = [0, *_running(counts)]
    if type(answer) is tuple:  # one array for each of several outputs
        return None if not all(map(_is_array, answer)) else _parted_outputs(answer, edges)
    if type(answer) is dict:  # … each with its name
        outputs = _parted_outputs(list(answer.values()), edges)
        return None if outputs is None else [dict(zip(answer, each, strict=True)) for each in outputs]
    return _cut_up(answer, edges)


def _parted_outputs(outputs: Sequence[Any], edges: Sequence[int]) -> list[tuple[Any, ...]] | None:
    columns = [_cut_up(each, edges) for each in outputs]
    whole = [column for column in columns if column is not None]
    return list(zip(*whole, strict=True)) if outputs and len(whole) == len(outputs) else None


def _running(counts: Sequence[int]) -> list[int]:
    total, edges = 0, []
    for count in counts:
        total += count
        edges.append(total)
    return edges


def _cut_up(answer: Any, edges: Sequence[int]) -> list[Any] | None:
    kind = _kind_of(answer) or _answers_kind(answer)
    if kind is None or kind.length(answer) != edges[-1]:
        return None
    cut = kind.cut
    return [cut(answer, start, stop) for start, stop in pairwise(edges)]


@dataclass(frozen=True, slots=True)
class _Kind:
    layout: Callable[[Any], Hashable | None]
    join: Callable[[Sequence[Any]], Any]
    cut: Callable[[Any, int, int], Any]
    length: Callable[[Any], int]


def _kind_of(value: Any) -> _Kind | None:
    of = type(value)
    return _KINDS.get((of.__module__.partition(".")[0], of.__name__))


def _answers_kind(value: Any) -> _Kind | None:
    """What is only ever answered, and never joined."""
    scipy = sys.modules.get("scipy.sparse")
    return _SPARSE if scipy is not None and scipy.issparse(value) and value.ndim == 2 else None


def _is_array(value: Any) -> bool:
    return type(value).__name__ == "ndarray"


def _array_layout(array: Any) -> Hashable | None:
    return (array.dtype.str, array.shape[1:]) if array.ndim and array.dtype.names is None else None


def _array_length(array: Any) -> int:
    return len(array) if array.ndim else -1


def _concatenated(arrays: Sequence[Any]) -> Any:
    import numpy as np

    return np.concatenate(arrays)


def _frame_layout(frame: Any) -> Hashable | None:
    """Of frames whose rows are merely counted."""
    is_counted = type(frame.index).__name__ == "RangeIndex"
    return (tuple(frame.columns), tuple(frame.dtypes)) if is_counted else None


def _series_layout(series: Any) -> Hashable | None:
    return (series.name, series.dtype) if type(series.index).__name__ == "RangeIndex" else None


def _stacked(frames: Sequence[Any]) -> Any:
    import pandas as pd

    return pd.concat(frames, ignore_index=True)


def _pandas_cut(frame: Any, start: int, stop: int) -> Any:
    return frame.iloc[start:stop]


def _list_layout(values: Any) -> Hashable | None:
    """The types in it: what is made of whole numbers and of fractions may differ."""
    return frozenset(tuple(map(type, each)) if type(each) is list else type(each) for each in values)


def _list_length(values: Any) -> int:
    """-1 for a list of arrays that are as long as the list: that may be one array for each output."""
    is_of_columns = bool(values) and all(_is_array(each) and each.shape[:1] == (len(values),) for each in values)
    return -1 if is_of_columns else len(values)


def _cut(value: Any, start: int, stop: int) -> Any:
    return value[start:stop]


def _sparse_cut(matrix: Any, start: int, stop: int) -> Any:
    return matrix.tocsr()[start:stop]


def _no_layout(value: Any) -> Hashable | None:  # noqa: ARG001
    return None


_FRAME = _Kind(_frame_layout, _stacked, _pandas_cut, len)
_SERIES = _Kind(_series_layout, _stacked, _pandas_cut, len)

_KINDS: dict[tuple[str, str], _Kind] = {
    ("builtins", "list"): _Kind(_list_layout, lambda values: list(chain.from_iterable(values)), _cut, _list_length),
    ("numpy", "ndarray"): _Kind(_array_layout, _concatenated, _cut, _array_length),
    ("pandas", "DataFrame"): _FRAME,
    ("pandas", "Series"): _SERIES,
}

_SPARSE = _Kind(_no_layout, _concatenated, _sparse_cut, lambda matrix: int(matrix.shape[0]))
