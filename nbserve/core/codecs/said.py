"""A value of which the user has said what it is put into, and nothing else."""

from __future__ import annotations

from typing import Any

from ..schema import Container
from .faults import Faults, Loc
from .rows import called
from .values import Free

__all__ = ["Said"]

_SENT = (list, dict, str, int, float, type(None))


class Said(Free):
    """Decodes it like any other, but what does not fit is refused: no list takes the place of an array."""

    def __call__(self, value: Any, loc: Loc, faults: Faults) -> Any:
        before = len(faults)
        put = super().__call__(value, loc, faults)
        if put is not value or len(faults) > before or self._container is Container.PYTHON:
            return put
        if not isinstance(value, _SENT):  # native values of Python's: the caller knows what he gives
            return put
        array = _mixed(value) if self._container.is_array else None
        if array is not None and self._holds(array):
            return array if self._dtype is None else self._typed(array, loc, faults)
        problem = f"{called(loc)} does not fit into what the model is given ({self._container})."
        faults.add(loc, problem, "container", _REMEDIES.get(self._container, _NUMBERS))
        return None

    def _holds(self, array: Any) -> bool:
        is_matrix = array.ndim <= 2 or self._container is not Container.SPARSE
        holds_objects = self._container is Container.NUMPY and self._dtype is None
        return is_matrix and (array.dtype.kind == "f" or holds_objects)


def _mixed(value: Any) -> Any:
    """Lists with nulls or texts among the numbers as an array; None where they are ragged, or hold objects."""
    import numpy as np

    if not isinstance(value, list):
        return None
    try:
        array = np.array(value, dtype=object)
        values = array.ravel().tolist()
        if any(isinstance(each, (list, dict)) for each in values):
            return None
        is_numeric = all(each is None or isinstance(each, (int, float)) for each in values)
        return array.astype("float64") if is_numeric else array
    except (ValueError, OverflowError):
        return None


_NUMBERS = "Send lists of numbers, each as long as the others."
_TABLE = "Send rows as long as each other, records, or columns."
_REMEDIES = {
    Container.PANDAS: _TABLE,
    Container.POLARS: _TABLE,
    Container.NUMPY: "Send lists of values, each as long as the others.",
}
