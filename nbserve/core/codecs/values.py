"""Texts, values of any form and plain arguments."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import orjson

from ..schema import Container, DataArgument, Datatype, Parameter
from .annotations import Annotated, annotated
from .columns import WORDS, Misfit, fitters, is_missing, plain_scalar
from .faults import Faults, Loc, hint, shown
from .rows import called, refuse_empty, sheet_of, thawed
from .tables import is_frame

__all__ = ["Argument", "Free", "Texts", "Variadic", "annotation_of", "argument_of"]

SPARE_LEVELS = 8
"""How many levels of nesting are left for what a model may wrap around the value it was given."""


class Texts:
    """Decodes a list of strings."""

    def __init__(self, data: DataArgument) -> None:
        self._container = data.container

    def __call__(self, texts: Any, loc: Loc, faults: Faults) -> Any:
        if isinstance(texts, str):
            problem = f"{called(loc)} is one string, not a list of strings."
            faults.add(loc, problem, "texts_expected", f"Send it in a list: [{shown(texts)}].")
            return None
        texts = thawed(texts)
        if not isinstance(texts, list):
            problem = f"{called(loc)} is {shown(texts)}, not a list of strings."
            faults.add(loc, problem, "texts_expected", "Send a list of strings.")
        elif not texts:
            refuse_empty(loc, faults)
        elif set(map(type, texts)) != {str}:
            texts = [self._text(text, (*loc, i), faults) for i, text in enumerate(texts)]
        return None if len(faults) else self._contained(texts)

    @staticmethod
    def _text(text: Any, loc: Loc, faults: Faults) -> str:
        if not isinstance(text, str):
            problem = f"Text {loc[-1]} is {shown(text)}, not a string."
            faults.add(loc, problem, "string_expected", "Send a list of strings.")
        return str(text)

    def _contained(self, texts: list[str]) -> Any:
        if self._container is Container.PYTHON:
            return texts
        if self._container.is_array:
            import numpy as np

            return np.array(texts, dtype=object)
        import pandas as pd

        return pd.Series(texts)


class Free:
    """Decodes a value of which nothing is known: what fits the container is put into it, the rest is passed as sent."""

    def __init__(self, data: DataArgument | Parameter) -> None:
        self._put = _PUT[data.container]
        self._container = data.container
        self._dtype = getattr(data, "dtype", None) if data.container.is_array else None
        self._names = [each.name for each in getattr(data, "features", ())]
        self._moments = [each.name for each in getattr(data, "features", ()) if each.datatype is Datatype.DATETIME]

    def __call__(self, value: Any, loc: Loc, faults: Faults) -> Any:
        if self._names and _is_list_of_lists(value):
            value = self._named(value, loc, faults)
        put = self._put(value)
        if self._dtype is not None and type(put).__name__ == "ndarray":
            put = self._typed(put, loc, faults)
        if self._moments and is_frame(put):
            return _with_moments(put, [name for name in self._moments if name in put.columns])
        if put is value and _is_too_deep(value):
            faults.add(loc, f"{called(loc)} is nested too deeply.", "depth", "Send fewer levels of lists and objects.")
        return put

    def _typed(self, array: Any, loc: Loc, faults: Faults) -> Any:
        """The same numbers in the type that was asked for, if it holds them."""
        import numpy as np

        with np.errstate(all="ignore"):
            typed = array.astype(self._dtype)
            kept = np.isfinite(typed) | np.isnan(array) if typed.dtype.kind == "f" else typed == array
        is_same = kept.all()
        if not is_same:
            problem = f"{called(loc)} holds numbers that {self._dtype} does not."
            faults.add(loc, problem, "number_range", f"Send numbers that fit into {self._dtype}.")
        return typed

    def _named(self, rows: list[Any], loc: Loc, faults: Faults) -> Any:
        """Lists under the one name that the model's code uses; of several nobody knows the order."""
        if len(self._names) == 1:
            sheet = sheet_of(rows, self._names, loc, faults)
            return rows if sheet is None else {self._names[0]: sheet.columns[0]}
        record = ", ".join(f'"{name}": …' for name in self._names[:20])
        problem = f"{called(loc)} has no column names, and the model looks for columns by name."
        faults.add(loc, problem, "names_expected", f"Send an object for each row: [{{{record}}}, …].")
        return rows


class Argument:
    """Decodes a parameter that has a datatype, choices, or neither."""

    def __init__(self, parameter: Parameter) -> None:
        self._parameter = parameter
        self._title = f"Argument {parameter.name!r}"
        self._fit = fitters(parameter.datatype)
        self._is_float = parameter.annotation is float

    def __call__(self, value: Any, loc: Loc, faults: Faults) -> Any:
        value = plain_scalar(value)
        if value is None or (is_missing(value) and self._parameter.datatype is not Datatype.ANY):
            if not self._parameter.nullable:
                faults.add(loc, f"{self._title} is null.", "null", f"Send {self._wanted()}.")
            return None
        if self._parameter.choices is not None and not self._is_choice(value):
            near = hint(value, self._parameter.choices)
            problem = f"{self._title} expects {self._wanted()}, not {shown(value)}.{near}"
            faults.add(loc, problem, "choice", f"Send {self._wanted()}.")
            return None
        return self._converted(value, loc, faults)

    def _converted(self, value: Any, loc: Loc, faults: Faults) -> Any:
        datatype = self._parameter.datatype
        try:
            if isinstance(value, bool) and datatype in (Datatype.INTEGER, Datatype.NUMBER):
                raise Misfit("")
            if isinstance(value, (int, float)) and datatype is Datatype.BOOLEAN and not isinstance(value, bool):
                raise Misfit("")
            if datatype is Datatype.ANY and _is_too_deep(value):
                raise Misfit("which is nested too deeply")
            fitted = self._fit(value)
        except Misfit as misfit:
            reason = f", {misfit}" if str(misfit) else ""
            problem = f"{self._title} expects {self._wanted()}, not {shown(value)}{reason}."
            faults.add(loc, problem, f"{datatype}_expected", f"Send {self._wanted()}.")
            return None
        if datatype is Datatype.DATETIME and isinstance(fitted, str):
            from datetime import datetime

            return datetime.fromisoformat(fitted)
        return float(fitted) if self._is_float and isinstance(fitted, int) else fitted

    def _is_choice(self, value: Any) -> bool:
        return any(type(value) is type(each) and value == each for each in self._parameter.choices or ()) or (
            isinstance(value, (int, float)) and not isinstance(value, bool) and self._is_number_among(value)
        )

    def _is_number_among(self, value: float) -> bool:
        numbers = [each for each in self._parameter.choices or () if not isinstance(each, bool)]
        return any(isinstance(each, (int, float)) and value == each for each in numbers)

    def _wanted(self) -> str:
        if self._parameter.choices is not None:
            return "one of " + ", ".join(shown(each) for each in self._parameter.choices)
        return WORDS[self._parameter.datatype]


class Variadic:
    """Decodes a list for a method's ``*args``."""

    def __init__(self, parameter: Parameter) -> None:
        self._each = argument_of(parameter)
        self._name = parameter.name

    def __call__(self, value: Any, loc: Loc, faults: Faults) -> Any:
        value = thawed(value)
        if not isinstance(value, list):
            problem = f"Argument {self._name!r} is {shown(value)}, not a list."
            faults.add(loc, problem, "list_expected", "Send a list of values.")
            return ()
        return tuple(self._each(each, (*loc, i), faults) for i, each in enumerate(value))


def argument_of(parameter: Parameter) -> Callable[[Any, Loc, Faults], Any]:
    """What decodes one value of a parameter: its annotation if that says more than its datatype, else the latter."""
    if parameter.container is not Container.PYTHON:
        return Free(parameter)
    by_annotation = annotation_of(parameter)
    return Argument(parameter) if by_annotation is None else by_annotation


def annotation_of(parameter: Parameter) -> Annotated | None:
    if parameter.datatype is not Datatype.ANY and parameter.annotation in _PLAIN:
        return None
    return annotated(parameter.annotation)


def _array_or_same(value: Any) -> Any:
    """Numeric lists of one shape become an array."""
    if not isinstance(value, list) or not value or not isinstance(value[0], (list, int, float)):
        return value
    import numpy as np

    try:
        array = np.array(value)
    except (ValueError, TypeError, OverflowError):
        return value
    return array if array.dtype.kind in "fiub" else value


def _matrix_or_same(value: Any) -> Any:
    """Like `_array_or_same`, of what has rows and columns, or is one row."""
    array = _array_or_same(value)
    return value if getattr(array, "ndim", 1) > 2 else array


def _frame_or_same(value: Any) -> Any:
    """Records, columns and rows of one length become a frame."""
    if not _is_rows(value):
        return value
    import pandas as pd

    try:
        return pd.DataFrame(value)
    except (ValueError, TypeError):
        return value


def _with_moments(frame: Any, names: list[str]) -> Any:
    """The frame with the columns that were moments where the code was written read as such, as far as they can be."""
    import pandas as pd

    for name in names:
        try:
            frame[name] = pd.to_datetime(frame[name], format="ISO8601")
        except (ValueError, TypeError):
            continue
    return frame


def _either_or_same(value: Any) -> Any:
    is_named = isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))
    return _frame_or_same(value) if is_named and "pandas" in sys.modules else _array_or_same(value)


def _polars_or_same(value: Any) -> Any:
    """Like `_frame_or_same`, in polars."""
    if not _is_rows(value):
        return value
    import polars as pl

    try:
        return pl.DataFrame(value, orient="row" if isinstance(value, list) else None)
    except (ValueError, TypeError, pl.exceptions.PolarsError):
        return value


def _series_or_same(value: Any) -> Any:
    """A flat list becomes a Series."""
    if not isinstance(value, list) or any(isinstance(each, (list, dict)) for each in value):
        return value
    import pandas as pd

    return pd.Series(value, dtype=None if value else "float64")


def _is_list_of_lists(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], list)


def _is_rows(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(row, (list, dict)) and row and len(row) == len(value[0]) for row in value)
    return isinstance(value, dict) and bool(value) and all(isinstance(each, list) for each in value.values())


def _is_too_deep(value: Any) -> bool:
    """Whether an answer that holds the value could not be written for its depth."""
    if not isinstance(value, (list, dict)):
        return False
    for _ in range(SPARE_LEVELS):
        value = [value]
    try:
        orjson.dumps(value, default=lambda _: None, option=orjson.OPT_NON_STR_KEYS)
    except TypeError as error:
        return "recursion" in str(error).lower()
    return False


_PUT: dict[Container, Callable[[Any], Any]] = {
    Container.PANDAS: _frame_or_same,
    Container.SERIES: _series_or_same,
    Container.POLARS: _polars_or_same,
    Container.EITHER: _either_or_same,
    Container.PYTHON: lambda value: value,
    Container.RECORDS: lambda value: value,
    **{each: _array_or_same for each in Container if each.is_array},
    Container.SPARSE: _matrix_or_same,
}

_PLAIN = (int, float, str, bool)
"""Annotations that say no more than a datatype does."""
