"""What a library's own way of describing its models comes to: one method, and the rows that it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..schema import Container, DataArgument, DataKind, Datatype, Feature, Finding, Parameter, Signature, Task
from .sklearn import Input

__all__ = ["Description", "data_argument", "number_columns", "numeric_input", "one_output", "per_row"]

WIDEST_NAMED = 4096


@dataclass(frozen=True, slots=True)
class Description:
    """The method that answers, what it takes (None: no one argument that holds rows), and what else is known.

    `signature` has no example yet. `because` says why rows do, or do not, depend on each other.
    """

    signature: Signature
    seen: Input | None
    task: Task = Task.UNKNOWN
    task_because: str = "nothing tells"
    classes: tuple[Any, ...] | None = None
    is_fitted: bool | None = None
    findings: tuple[Finding, ...] = ()


def number_columns(names: Sequence[str] | int, *, nullable: bool, dtype: str | None = None) -> tuple[Feature, ...]:
    """Features that are numbers, under these names or numbered; none for very many without names."""
    if isinstance(names, int):
        names = [f"x{index}" for index in range(names)] if names <= WIDEST_NAMED else []
    is_integer = dtype is not None and dtype.lstrip("u").startswith("int")
    kind, example = (Datatype.INTEGER, 1) if is_integer else (Datatype.NUMBER, 1.0)
    return tuple(Feature(name, kind, dtype, nullable=nullable, example=example) for name in names)


def numeric_input(features: tuple[Feature, ...], width: int | None, because: str, row: Any = None) -> Input:
    """Rows of numbers as an array."""
    if row is None and width is not None and not features:
        row = [1.0] * width
    return Input(DataKind.MATRIX, Container.NUMPY, features, width, row=row, because=because)


def one_output(task: Task, classes: int | None = None) -> tuple[Feature, ...]:
    """The columns of one answered row: one number, or one for each class."""
    if classes is not None and classes > 1:
        return tuple(Feature(str(index), Datatype.NUMBER) for index in range(classes))
    return (Feature("probability" if task is Task.CLASSIFICATION else "prediction", Datatype.NUMBER),)


def per_row(parameter: Parameter) -> Parameter:
    """A parameter that carries something for each row: it is given as an array, and calls that have one run alone."""
    return replace(
        parameter, datatype=Datatype.ANY, annotation=None, container=Container.NUMPY, nullable=not parameter.required
    )


def data_argument(name: str, seen: Input, dtype: str | None = None, **how: Any) -> DataArgument:
    return replace(seen.argument(DataArgument(name, **how)), dtype=dtype)
