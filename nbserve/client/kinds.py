"""Data of the libraries: how it is sent, and how an answer is made of the kind that was asked with.

A library is known by the names of its types: whoever holds a frame has imported pandas, and nothing else is imported.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["KINDS", "Kind", "alike", "kind_of", "sendable"]


@dataclass(frozen=True, slots=True)
class Kind:
    """`sent` is what the codecs write instead; `like` makes, of an answer in lists and the data, what is answered."""

    sent: Callable[[Any], Any]
    like: Callable[[Any, Any], Any]


def kind_of(value: Any) -> Kind | None:
    """None for what is Python's own, and for libraries that have no row."""
    for each in type(value).__mro__:
        kind = KINDS.get((each.__module__.partition(".")[0], each.__name__))
        if kind is not None:
            return kind
    return None


def sendable(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as the codecs write them; what can be read only once is read."""
    return {name: _sent(value) for name, value in arguments.items()}


def alike(answer: Any, asked: Iterable[Any]) -> Any:
    """The answer in the kind of the first array or frame that it was asked with; as it is when there is none."""
    for value in asked:
        kind = kind_of(value)
        if kind is not None:
            return kind.like(answer, value) if isinstance(answer, list) else answer
    return answer


def _sent(value: Any) -> Any:
    kind = kind_of(value)
    if kind is not None:
        return kind.sent(value)
    return list(value) if isinstance(value, Iterator) else value


def _same(value: Any) -> Any:
    return value


# --- arrays


def _wide(array: Any) -> Any:
    """Narrow floats as the doubles that they are: the short text of a float32 is another double."""
    return array.astype("float64") if array.dtype.kind == "f" and array.dtype.itemsize < 8 else array


def _wide_foreign(value: Any) -> Any:
    import numpy as np

    return _wide(np.asarray(value))


def _wide_tensor(tensor: Any) -> Any:
    return tensor.detach().double() if tensor.is_floating_point() else tensor


def _array_like(answer: list[Any], _: Any) -> Any:
    """An array, unless the answer is a list of objects or of lists of different lengths."""
    import numpy as np

    try:
        array = np.array(answer)
    except ValueError:
        return answer
    if array.dtype.kind in "iufb":
        return array
    array = np.array(answer, dtype=object)
    types = set(map(type, array.flat))
    if types == {str}:
        return array.astype(str)
    if (float in types and types <= {float, int, type(None)}) or types == {int, type(None)}:
        return array.astype(float)
    return answer if types & {dict, list} else array


def _tensor_like(answer: list[Any], _: Any) -> Any:
    torch: Any = sys.modules["torch"]
    try:
        return torch.tensor(answer)
    except (TypeError, ValueError, RuntimeError):  # texts, objects, nulls, rows of different lengths
        return answer


# --- frames


def _frame(frame: Any) -> Any:
    """By name if its columns have names, else by place: what scikit-learn takes for a name."""
    narrow = [name for name, dtype in frame.dtypes.items() if str(dtype) in ("float16", "float32")]
    wide = frame.astype(dict.fromkeys(narrow, "float64")) if narrow else frame
    if any(isinstance(name, str) for name in frame.columns) or not len(frame.columns):
        return wide
    return [list(row) for row in wide.itertuples(index=False, name=None)]


def _series(series: Any) -> Any:
    return series.astype("float64") if str(series.dtype) in ("float16", "float32") else series


def _frame_like(answer: list[Any], asked: Any) -> Any:
    """A Series, or a DataFrame of rows; with the index that was asked with when there is one answer for each row."""
    import pandas as pd

    index = asked.index if len(answer) == len(asked) else None
    return pd.DataFrame(answer, index=index) if _is_table(answer) else pd.Series(answer, index=index)


def _polars_like(answer: list[Any], _: Any) -> Any:
    import polars as pl

    if _is_table(answer):
        return pl.DataFrame(answer, orient="row", strict=False, infer_schema_length=None)
    return pl.Series(answer, strict=False)


def _is_table(answer: list[Any]) -> bool:
    """Whether it is rows of single values: objects, or lists of one length."""
    if not answer or set(map(type, answer)) not in ({dict}, {list}):
        return False
    if isinstance(answer[0], dict):
        return True
    return len(set(map(len, answer))) == 1 and not any(isinstance(cell, (list, dict)) for row in answer for cell in row)


_ARRAY = Kind(_wide, _array_like)
_FOREIGN = Kind(_wide_foreign, _array_like)

KINDS: dict[tuple[str, str], Kind] = {
    ("numpy", "ndarray"): _ARRAY,
    ("pandas", "DataFrame"): Kind(_frame, _frame_like),
    ("pandas", "Index"): Kind(_series, _array_like),
    ("pandas", "Series"): Kind(_series, _frame_like),
    ("polars", "DataFrame"): Kind(_same, _polars_like),
    ("polars", "Series"): Kind(_same, _polars_like),
    ("scipy", "sparray"): _ARRAY,
    ("scipy", "spmatrix"): _ARRAY,
    ("jax", "ArrayImpl"): _FOREIGN,
    ("jaxlib", "ArrayImpl"): _FOREIGN,
    ("tensorflow", "Tensor"): _FOREIGN,
    ("torch", "Tensor"): Kind(_wide_tensor, _tensor_like),
}
