"""Texts, values of any form and plain arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from ..schema import Container, DataArgument, Datatype, Parameter
from .annotations import Annotated, annotated
from .columns import WORDS, Misfit, fitters, is_missing, plain_scalar
from .faults import Faults, Loc, hint, shown
from .rows import called, refuse_empty, thawed

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
        if self._container is Container.NUMPY:
            import numpy as np

            return np.array(texts, dtype=object)
        import pandas as pd

        return pd.Series(texts)


class Free:
    """Decodes a value of which nothing is known: what fits the container is put into it, the rest is passed as sent."""

    def __init__(self, data: DataArgument) -> None:
        self._put = {Container.NUMPY: _array_or_same, Container.PANDAS: _frame_or_same}.get(data.container, _same)

    def __call__(self, value: Any, loc: Loc, faults: Faults) -> Any:
        put = self._put(value)
        if put is value and _is_too_deep(value):
            faults.add(loc, f"{called(loc)} is nested too deeply.", "depth", "Send fewer levels of lists and objects.")
        return put


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
    by_annotation = annotation_of(parameter)
    return Argument(parameter) if by_annotation is None else by_annotation


def annotation_of(parameter: Parameter) -> Annotated | None:
    if parameter.datatype is not Datatype.ANY and parameter.annotation in _PLAIN:
        return None
    return annotated(parameter.annotation)


def _same(value: Any) -> Any:
    return value


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


def _frame_or_same(value: Any) -> Any:
    """Records, columns and rows of one length become a frame."""
    if isinstance(value, list):
        is_rows = bool(value) and all(
            isinstance(row, (list, dict)) and row and len(row) == len(value[0]) for row in value
        )
    else:
        is_rows = isinstance(value, dict) and bool(value) and all(isinstance(each, list) for each in value.values())
    if not is_rows:
        return value
    import pandas as pd

    try:
        return pd.DataFrame(value)
    except (ValueError, TypeError):
        return value


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


_PLAIN = (int, float, str, bool)
"""Annotations that say no more than a datatype does."""
