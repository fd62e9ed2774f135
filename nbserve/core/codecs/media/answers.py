"""A model's answer as one array, or as columns."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from ....errors import NotAcceptable, OutputError
from ...schema import Signature
from ..forms import NO_FORM, key_text, simpler
from ..libraries import Unwritable

__all__ = ["array_of", "columns_of"]

RESULT = "predict_result"
"""The one column of an answer that has no names."""

_REMEDY = "Ask for JSON, which can hold any answer."


def array_of(answer: Any, signature: Signature) -> Any:
    """One array. Raises `NotAcceptable`."""
    import numpy as np

    value = _unfolded(answer)
    if type(value).__name__ == "ndarray":
        return _typed(value)
    if _is_frame(value):
        columns = [np.asarray(each) for _, each in columns_of(value, signature)]
        if all(each.dtype.kind in "fiub" for each in columns):
            return np.array(columns).T
        raise NotAcceptable("The answer has columns that are no numbers, which one array cannot hold.", _REMEDY)
    return _typed(_listed(value))


def columns_of(answer: Any, signature: Signature) -> list[tuple[str, Any]]:
    """Name and values of each column: arrays, Series or lists. Raises `NotAcceptable`, `OutputError`."""
    value = _unfolded(answer)
    if _is_frame(value):
        return _named([key_text(name) for name in value.columns], _series_of(value))
    array = value if type(value).__name__ == "ndarray" else _listed(value)
    if array.ndim > 2:
        raise NotAcceptable(f"The answer has {array.ndim} dimensions, a table has two.", _REMEDY)
    array = _typed(array, is_table=True)
    if array.ndim < 2:
        return [(RESULT, array.reshape(-1))]
    return _named(_names(array.shape[1], signature), [array[:, index] for index in range(array.shape[1])])


def _unfolded(answer: Any) -> Any:
    """An array, a frame, or a list or a scalar of Python's."""
    value = answer
    while not (type(value).__name__ == "ndarray" or _is_frame(value) or type(value) in _PLAIN):
        if isinstance(value, (tuple, dict)):
            break
        form = _simpler(value)
        if form is NO_FORM or type(form) is type(value):
            break
        if type(form).__name__ == "Fragment":  # a scalar of numpy, on its way to JSON
            return value.item() if hasattr(value, "item") else value
        value = form
    return value


def _simpler(value: Any) -> Any:
    try:
        return simpler(value)
    except Unwritable as error:
        raise OutputError(f"The model's answer {error.fault}.", f"Return {error.wanted}.") from None


def _listed(value: Any) -> Any:
    """An array of what a list or a scalar holds."""
    import numpy as np

    if isinstance(value, tuple) or type(value) not in _PLAIN:
        raise NotAcceptable(f"The answer is {_article(answer_name(value))}, which has no rows.", _REMEDY)
    if isinstance(value, list) and any(type(each).__name__ in ("ndarray", "DataFrame", "dict") for each in value):
        raise NotAcceptable(f"The answer is a list of {answer_name(value[0])}s, not of values.", _REMEDY)
    try:
        made = np.array(value)
        is_text = made.dtype.kind == "U"
        return np.array(value, dtype=object) if is_text and not _are_texts(value) else made
    except (ValueError, TypeError, OverflowError):
        raise NotAcceptable("The answer's rows are not of one length.", _REMEDY) from None


def _are_texts(value: Any) -> bool:
    """Whether numpy had to turn nothing into text."""
    return all(map(_are_texts, value)) if isinstance(value, list) else isinstance(value, str)


def _typed(array: Any, *, is_table: bool = False) -> Any:
    """An array of objects as what they are, if they are alike."""
    import numpy as np

    if array.dtype.kind != "O":
        return array
    if is_table and array.ndim < 2:
        return array
    try:
        made = np.array(array.tolist())
    except (ValueError, TypeError, OverflowError):
        made = array
    is_same = made.shape == array.shape and (made.dtype.kind in "fiub" or set(map(type, array.ravel())) <= {str})
    if is_same and made.nbytes <= 64 * max(array.nbytes, 1024):
        return made
    raise NotAcceptable("The answer holds values of several kinds, which one array cannot.", _REMEDY)


def _is_frame(value: Any) -> bool:
    return any(
        (library := sys.modules.get(name)) is not None and isinstance(value, library.DataFrame)
        for name in ("pandas", "polars")
    )


def _series_of(frame: Any) -> list[Any]:
    if type(frame).__module__.startswith("polars"):
        return list(frame.get_columns())
    return [frame.iloc[:, index] for index in range(frame.shape[1])]


def _named(names: Sequence[str], columns: Sequence[Any]) -> list[tuple[str, Any]]:
    twice = next((name for index, name in enumerate(names) if name in names[:index]), None)
    if twice is not None:
        raise OutputError(f"The model's answer has two columns {twice!r}.", "Return columns of different names.")
    return list(zip(names, columns, strict=True))


def _names(width: int, signature: Signature) -> list[str]:
    known = [output.name for output in signature.outputs]
    is_known = len(known) == width and len(set(known)) == width
    return known if is_known else [str(index) for index in range(width)]


def answer_name(value: Any) -> str:
    return {"dict": "object", "NoneType": "null"}.get(type(value).__name__, type(value).__name__)


def _article(name: str) -> str:
    return name if name == "null" else f"{'an' if name[:1] in 'aeiouAEIOU' else 'a'} {name}"


_PLAIN = frozenset({list, int, float, bool, str})
