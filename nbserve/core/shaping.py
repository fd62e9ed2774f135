"""What a user says about the rows of a model, put over what analysis has found."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from ..errors import OptionError, nearest
from ..options import Options
from .analysis.annotations import meaning_of
from .codecs.columns import Column
from .containing import contained
from .schema import Container, DataArgument, DataKind, Datatype, Feature, Finding, Profile, Signature

__all__ = ["Shape", "shaped"]

ANY_LENGTH = (-1,)
"""The shape of a value that is a list."""

_EXAMPLES = {
    Datatype.NUMBER: 1.0,
    Datatype.INTEGER: 1,
    Datatype.BOOLEAN: True,
    Datatype.STRING: "some text",
    Datatype.DATETIME: "2024-01-01T00:00:00",
    Datatype.ANY: 1.0,
}


@dataclass(frozen=True, slots=True)
class Shape:
    """What is said of the rows: their columns, or a class that checks each; what they are put into, of which type."""

    columns: Sequence[dict[str, Any]] | None = None
    row: Any = None
    container: str | None = None
    dtype: str | None = None

    @classmethod
    def of(cls, options: Options) -> Self:
        return cls(options.columns, options.row, options.container, options.dtype)

    @property
    def is_said(self) -> bool:
        return any(each is not None for each in (self.columns, self.row, self.container, self.dtype))


def shaped(profile: Profile, shape: Shape) -> Profile:
    """The profile with what is said of the rows, in all methods that take the same.

    Raises `OptionError` when the model is known to want others.
    """
    if not shape.is_said or not profile.signatures:
        return profile
    main = next((each.data for each in profile.signatures if each.data is not None), None)
    if main is None:
        raise OptionError(f"{profile.type_name} takes no rows, and something is said of them.", "Leave that away.")
    data, examples = main, False
    findings = []
    if shape.columns is not None or shape.row is not None:
        features = tuple(map(_feature, shape.columns)) if shape.columns is not None else _features_of(shape.row)
        data, examples = _with_columns(main, profile.main, features, shape.row), True
        because = "the columns were given" if shape.row is None else f"{shape.row.__name__} is each row"
        findings.append(Finding("columns", [each.name for each in data.features], because))
    if shape.container is not None or shape.dtype is not None:
        data = contained(data, shape.container, shape.dtype)
        is_said = shape.container is not None and not profile.main.convention  # libraries' own are called as they want
        data = replace(data, is_said=is_said)
        findings.append(Finding("container", f"{data.container} {data.dtype or ''}".strip(), "it was given"))
    signatures = tuple(
        _signature(each, data, examples=examples) if each.data is not None and _is_alike(each.data, main) else each
        for each in profile.signatures
    )
    return replace(profile, signatures=signatures, findings=(*profile.findings, *findings))


def _is_alike(one: DataArgument, other: DataArgument) -> bool:
    return (one.kind, one.container, one.width, one.features) == (
        other.kind,
        other.container,
        other.width,
        other.features,
    )


def _signature(signature: Signature, data: DataArgument, *, examples: bool) -> Signature:
    own = signature.data
    assert own is not None
    placed = replace(
        own,
        kind=data.kind,
        container=data.container,
        features=data.features,
        width=data.width,
        annotation=data.annotation,
        dtype=data.dtype,
        is_said=data.is_said,
    )
    if not examples:
        return replace(signature, data=placed)
    record = {each.name: each.example for each in data.features}
    return replace(signature, data=placed, example={**signature.example, own.name: [record]})


def _with_columns(data: DataArgument, main: Signature, features: tuple[Feature, ...], row: Any) -> DataArgument:
    if data.kind is DataKind.TEXTS:
        raise OptionError("The model takes a list of texts, and columns are given.", "Leave the columns away.")
    if data.width is not None and data.width != len(features):
        problem = f"The model takes {data.width} columns, and {len(features)} are given."
        raise OptionError(problem, f"Give all {data.width}.")
    if data.kind is DataKind.TABLE or [each.name for each in data.features] != _made_up(data.features):
        features = _in_order(features, data.features)
    annotation = None if row is None else list[row]
    container = _container(data, main)
    return replace(
        data, kind=DataKind.TABLE, container=container, features=features, width=len(features), annotation=annotation
    )


def _made_up(features: Sequence[Feature]) -> list[str]:
    """What columns without names of their own are called."""
    return [f"x{place}" for place in range(len(features))]


def _in_order(given: tuple[Feature, ...], known: tuple[Feature, ...]) -> tuple[Feature, ...]:
    """The given columns in the model's order, with what is known of them. Raises `OptionError`."""
    by_name = {each.name: each for each in given}
    names = [each.name for each in known]
    for name in by_name:
        if name not in names:
            raise OptionError(f"The model has no column {name!r}.{nearest(name, names)}", f"It has {', '.join(names)}.")
    for name in names:
        if name not in by_name:
            raise OptionError(f"The model's column {name!r} is not among those given.", "Give all of them.")
    return tuple(_merged(by_name[each.name], each) for each in known)


def _merged(given: Feature, known: Feature) -> Feature:
    """What the user says, and of the rest what is known, as long as the type is the same."""
    is_open = given.datatype is Datatype.ANY and not given.shape
    merged = replace(given, datatype=known.datatype) if is_open else given
    if merged.datatype is not known.datatype or merged.shape:
        return merged
    is_closed = known.closed and given.categories is None
    categories = given.categories if given.categories is not None else known.categories
    example = known.example if known.example is not None else given.example
    return replace(
        merged,
        dtype=known.dtype,
        categories=categories,
        closed=given.closed or is_closed,
        nullable=given.nullable or known.nullable,
        example=given.example if given.categories is not None or given.default is not None else example,
    )


def _container(data: DataArgument, main: Signature) -> Container:
    """What the rows of the columns are put into."""
    if data.container in (Container.PANDAS, Container.POLARS, Container.NUMPY):
        return data.container
    if data.container in (Container.EITHER, Container.SERIES):
        return Container.PANDAS if "pandas" in sys.modules else Container.NUMPY
    rows = main.example.get(data.name)
    is_list = isinstance(rows, list) and bool(rows) and isinstance(rows[0], list)
    return Container.PYTHON if is_list and data.annotation is not None else Container.RECORDS


def _feature(column: dict[str, Any]) -> Feature:
    datatype = Datatype(column["type"])
    is_list = column.get("collection_type") == "list"
    categories = column.get("categories")
    is_required = column.get("required", True)
    default = column.get("default")
    example = default if default is not None else categories[0] if categories else _EXAMPLES[datatype]
    feature = Feature(
        column["name"],
        datatype,
        "object" if is_list else None,
        ANY_LENGTH if is_list else (),
        column.get("nullable", not is_required and default is None),
        None if categories is None else tuple(categories),
        categories is not None,
        [example] if is_list and not isinstance(example, list) else example,
        is_required,
        default,
    )
    _check(feature)
    return feature


def _check(feature: Feature) -> None:
    """Raises `OptionError` for categories and a default that no row could have."""
    given = [] if feature.default is None else [feature.default]
    kinds = [each for each in feature.categories or () if each is not None]
    typed = replace(feature, categories=None, closed=False)
    if not Column(replace(typed, shape=())).lets_in(kinds):
        raise OptionError(f"The categories of {feature.name!r} are not of its type.", f"All are {feature.datatype}.")
    if not Column(typed).lets_in(given):
        wanted = f"a list, each {feature.datatype}" if feature.shape else str(feature.datatype)
        raise OptionError(f"The default of {feature.name!r} is not of its type.", f"Give one that is {wanted}.")
    if not Column(feature).lets_in(given):
        raise OptionError(f"The default of {feature.name!r} is none of its categories.", "Give one that is.")


def _features_of(row: Any) -> tuple[Feature, ...]:
    """The fields of a pydantic class; what it says beyond their types, it checks itself."""
    return tuple(_field(name, each) for name, each in row.model_fields.items())


def _field(name: str, field: Any) -> Feature:
    meaning = meaning_of(field.annotation)
    is_required = bool(field.is_required())
    default = None if is_required else field.get_default(call_default_factory=True)
    example = next(iter(field.examples or ()), None)
    if example is None:
        example = default if _is_plain(default) else meaning.choices[0] if meaning.choices else None
    if example is None:
        example = _EXAMPLES[meaning.datatype]
    return Feature(
        name,
        meaning.datatype,
        nullable=meaning.nullable,
        categories=meaning.choices,
        closed=meaning.choices is not None,
        example=example,
        required=is_required,
        default=default if _is_plain(default) else None,
    )


def _is_plain(value: Any) -> bool:
    return value is not None and type(value) in (bool, int, float, str, list, dict)
