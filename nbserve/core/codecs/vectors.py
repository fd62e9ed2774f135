"""Whole columns, judged at once: what is plainly good, as the model wants it; None for what must be looked at."""

from __future__ import annotations

from typing import Any

from ..schema import Datatype, Feature
from .blocks import FIRST, LAST, Vector, are_between
from .columns import LARGEST, Column, integer_range
from .tables import DTYPES, PLAIN_DTYPES, moments_in, text_dtype

__all__ = ["column_of", "numbers_of", "suspects_in"]

MOST_DISTINCT = 1000
"""Values that are looked at one by one, of a column that has categories."""

_EXACT = 2**53
"""Up to which doubles tell all integers apart."""

_KINDS = {Datatype.NUMBER: "fiub", Datatype.INTEGER: "iub", Datatype.BOOLEAN: "b"}
_FIRST_NS, _LAST_NS = "1678-01-01", "2261-12-31T23:59:59"


def column_of(column: Column, vector: Vector) -> Any:
    """One column of a frame: an array of numbers, moments, text or codes."""
    feature = column.feature
    if feature.datatype in _KINDS:
        return _numeric(column, vector)
    if feature.datatype is Datatype.DATETIME:
        return _moments(feature, vector)
    return _texts(column, vector) if feature.datatype is Datatype.STRING else None


def numbers_of(array: Any, feature: Feature) -> Any:
    """The numbers in the dtype of the feature, and in the order of rows; its own dtype if the feature has none.

    Only if they are all in range, and missing only where that is allowed.
    """
    import numpy as np

    dtype = feature.dtype or array.dtype.newbyteorder("=")
    if array.dtype.kind not in _KINDS[feature.datatype] or not _is_in_range(array, feature):
        return None
    return np.ascontiguousarray(array, dtype=dtype)


def suspects_in(array: Any, feature: Feature) -> Any:
    """Where a number of the array has to be looked at by itself."""
    import numpy as np

    suspects = ~np.isfinite(array)
    if feature.datatype is Datatype.INTEGER:
        low, high = integer_range(feature.dtype)
        if array.dtype.kind == "f":
            low, high = max(low, -_EXACT), min(high, _EXACT)
            suspects |= array != np.floor(array)
        return suspects | (array < low) | (array > high)
    largest = LARGEST.get(feature.dtype or "")
    return suspects if largest is None else suspects | (np.abs(array.astype("float64")) > largest)


def _numeric(column: Column, vector: Vector) -> Any:
    import numpy as np

    feature = column.feature
    dtype = feature.dtype or DTYPES[feature.datatype]
    array = vector.array(feature.datatype)
    if array is None or array.dtype.kind not in _KINDS[feature.datatype] or dtype not in PLAIN_DTYPES:
        return None
    if not dtype.startswith("float") and array.dtype.kind == "f":
        return None
    if column.is_closed and not _are_let_in(column, np.unique(array).tolist()):
        return None
    return np.array(array, dtype=dtype) if _is_in_range(array, feature, dtype) else None


def _is_in_range(array: Any, feature: Feature, dtype: str | None = None) -> bool:
    import numpy as np

    if array.dtype.kind == "f":
        is_good = bool(np.isfinite(array).all() or (feature.nullable and not np.isinf(array).any()))
        largest = LARGEST.get(feature.dtype or "")
        return is_good and (largest is None or not bool((np.abs(array) > largest).any()))
    dtype = dtype or feature.dtype
    if dtype is None or dtype.startswith("float"):
        largest = LARGEST.get(dtype or "")
        return largest is None or bool(-largest <= array.min().item() and array.max().item() <= largest)
    low, high = (0, 1) if dtype == "bool" else integer_range(dtype)
    return bool(low <= array.min().item() and array.max().item() <= high)


def _moments(feature: Feature, vector: Vector) -> Any:
    import numpy as np

    array = vector.array(feature.datatype)
    if array is None or array.dtype.kind != "M":
        return None
    missing = np.isnat(array)
    if missing.any() and (not feature.nullable or missing.all()):
        return None
    dtype = feature.dtype or DTYPES[feature.datatype]
    first, last = (_FIRST_NS, _LAST_NS) if "[ns" in dtype else (FIRST, LAST)
    return moments_in(array, dtype) if are_between(array, first, last) else None


def _texts(column: Column, vector: Vector) -> Any:
    feature = column.feature
    distinct = vector.distinct() if column.is_closed else []
    if distinct is None or not _are_let_in(column, distinct) or (vector.has_missing() and not feature.nullable):
        return None
    dtype = feature.dtype or DTYPES[feature.datatype]
    if dtype == "category" and feature.categories is not None:
        return _coded(feature, vector)
    wanted = text_dtype() if dtype == "str" else dtype
    if isinstance(wanted, str):
        return _marked(vector.objects(), feature) if wanted == "object" else None
    return vector.text(wanted)


def _coded(feature: Feature, vector: Vector) -> Any:
    import pandas as pd

    from .tables import categories_of

    dtype = categories_of(feature)
    codes = vector.codes(list(dtype.categories))
    return None if codes is None else pd.Categorical.from_codes(codes, dtype=dtype)


def _marked(objects: Any, feature: Feature) -> Any:
    """Missing texts as NaN, unless they were None in training."""
    if objects is None or (feature.categories is not None and None in feature.categories):
        return objects
    missing = objects == None  # noqa: E711 - of each of them
    if missing.any():
        objects[missing] = float("nan")
    return objects


def _are_let_in(column: Column, values: list[Any]) -> bool:
    return len(values) <= MOST_DISTINCT and column.lets_in(values)
