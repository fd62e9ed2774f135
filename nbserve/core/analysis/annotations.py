"""What type annotations say about an argument, and a value made up from one.

Libraries' types are recognised by their module and name: nothing is imported to compare with.
"""

# ruff: noqa: ARG001, ARG005  # the functions of a table have one form

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import inspect
import operator
import sys
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

from ..schema import Container, DataKind, Datatype, Image
from .plain import plain, root_package

__all__ = [
    "Meaning",
    "data_meaning",
    "hints_of",
    "image_meaning",
    "is_scalar",
    "made_up",
    "meaning_of",
    "without_wrappings",
]

TEXT = "some text"
DEEPEST = 8

SCALARS: tuple[tuple[type, Datatype], ...] = (
    (bool, Datatype.BOOLEAN),
    (enum.Enum, Datatype.ANY),
    (int, Datatype.INTEGER),
    (float, Datatype.NUMBER),
    (Decimal, Datatype.NUMBER),
    (str, Datatype.STRING),
    (datetime, Datatype.DATETIME),
    (date, Datatype.DATETIME),
)
LISTS = (
    list,
    tuple,
    set,
    frozenset,
    collections.abc.Sequence,
    collections.abc.MutableSequence,
    collections.abc.Iterable,
    collections.abc.Collection,
)
FRAMES = {
    ("pandas", "DataFrame"): Container.PANDAS,
    ("pandas", "Series"): Container.SERIES,
    ("polars", "DataFrame"): Container.POLARS,
    ("torch", "Tensor"): Container.TORCH,
    ("tensorflow", "Tensor"): Container.TENSORFLOW,
    **{("scipy", f"{form}_{kind}"): Container.SPARSE for form in ("csr", "csc", "coo") for kind in ("matrix", "array")},
    **{("scipy", name): Container.SPARSE for name in ("spmatrix", "sparray")},
}
MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an annotation says about one JSON value."""

    datatype: Datatype = Datatype.ANY
    nullable: bool = True
    choices: tuple[Any, ...] | None = None


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The function's annotations, evaluated one by one: an unknown name spoils only its own."""
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception:  # noqa: BLE001  # evaluating an annotation runs the user's text
        return {name: _evaluated(function, text) for name, text in _raw_annotations(function).items()}


def without_wrappings(annotation: Any) -> Any:
    """The type itself: out of `Annotated`, `NewType` and a type alias."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        else:
            return annotation


def meaning_of(annotation: Any) -> Meaning:
    """Datatype, null and choices of an argument annotated so (`inspect.Parameter.empty`: not annotated)."""
    members, nullable = _members(annotation)
    choices = _choices(members)
    if choices is not None:
        return Meaning(_datatype_of_values(choices), nullable, choices)
    return Meaning(_joined({_scalar_datatype(member) for member in members}), nullable)


def is_scalar(annotation: Any) -> bool:
    """Whether the annotation is of one plain value, so that it cannot be rows."""
    members, _ = _members(annotation)
    return bool(members) and all(
        get_origin(member) is Literal or _scalar_type(member) is not None for member in members
    )


def data_meaning(annotation: Any) -> tuple[DataKind, Container] | None:
    """The kind and container that an annotation of rows asks for; None when it says nothing."""
    members, _ = _members(annotation)
    if len(members) != 1 or members[0] in (Any, object, inspect.Parameter.empty):
        return None
    member = members[0]
    kind = get_origin(member) or member
    if not isinstance(kind, type):
        return (DataKind.VALUE, Container.PYTHON) if isinstance(kind, typing.TypeVar) is False else None
    if root_package(kind) == "numpy" and kind.__name__ == "ndarray":
        return DataKind.MATRIX, Container.NUMPY
    container = FRAMES.get((root_package(kind), kind.__name__))
    if container is not None:
        return DataKind.VALUE, container
    return _listed_meaning(member), Container.PYTHON


def image_meaning(annotation: Any) -> Image | None:
    """What an annotation of Pillow's pictures, or of a list of them, asks for."""
    members, _ = _members(annotation)
    if len(members) != 1:
        return None
    is_many = get_origin(members[0]) in LISTS and len(get_args(members[0])) == 1
    kind = get_args(members[0])[0] if is_many else members[0]
    is_image = isinstance(kind, type) and (kind.__module__, kind.__name__) == ("PIL.Image", "Image")
    return Image(is_array=False, is_many=is_many) if is_image else None


def made_up(annotation: Any, depth: int = 0) -> Any:
    """A JSON value that an argument annotated so accepts."""
    if depth > DEEPEST:
        return None
    members, _ = _members(annotation)
    if not members:
        return None
    member, limits = members[0], _limits(annotation)
    if get_origin(member) is Literal:
        return plain(get_args(member)[0])
    kind = get_origin(member) or member
    for makes, make in MAKERS:
        if makes(kind):
            return make(member, limits, depth)
    return 1.0 if member is Any or member is inspect.Parameter.empty else None


# --- reading


def _raw_annotations(function: Any) -> dict[str, Any]:
    inner = inspect.unwrap(getattr(function, "__func__", function))
    if sys.version_info >= (3, 14):
        import annotationlib

        return annotationlib.get_annotations(inner, format=annotationlib.Format.FORWARDREF)
    return dict(getattr(inner, "__annotations__", {}))


def _evaluated(function: Any, annotation: Any) -> Any:
    inner = inspect.unwrap(getattr(function, "__func__", function))
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    try:
        hints = typing.get_type_hints(holder, getattr(inner, "__globals__", {}), include_extras=True)
    except Exception:  # noqa: BLE001  # evaluating an annotation runs the user's text
        return inspect.Parameter.empty
    return hints["it"]


def _members(annotation: Any) -> tuple[list[Any], bool]:
    """The alternatives of a union without None, and whether None is one of them (or nothing is known)."""
    annotation = without_wrappings(annotation)
    if annotation in (Any, object, inspect.Parameter.empty):
        return [annotation], True
    if get_origin(annotation) not in (Union, types.UnionType):
        return ([] if annotation in (None, type(None)) else [annotation]), annotation in (None, type(None))
    flat = [without_wrappings(member) for member in get_args(annotation)]
    return [member for member in flat if member is not type(None)], type(None) in flat


def _choices(members: list[Any]) -> tuple[Any, ...] | None:
    if len(members) != 1:
        return None
    if get_origin(members[0]) is Literal:
        return tuple(plain(value) for value in get_args(members[0]))
    if isinstance(members[0], type) and issubclass(members[0], enum.Enum):
        return tuple(plain(member.value) for member in members[0])
    return None


def _datatype_of_values(values: Iterable[Any]) -> Datatype:
    return _joined({_scalar_datatype(type(value)) for value in values if value is not None})


def _joined(found: set[Datatype]) -> Datatype:
    if found == {Datatype.INTEGER, Datatype.NUMBER}:
        return Datatype.NUMBER
    return found.pop() if len(found) == 1 else Datatype.ANY


def _scalar_type(member: Any) -> Datatype | None:
    if not isinstance(member, type) or get_origin(member) is not None:
        return None
    if root_package(member) == "numpy" and member.__name__ != "ndarray":
        return next((kind for start, kind in NUMPY_SCALARS if member.__name__.startswith(start)), None)
    return next((datatype for kind, datatype in SCALARS if issubclass(member, kind)), None)


def _scalar_datatype(member: Any) -> Datatype:
    return _scalar_type(member) or Datatype.ANY


NUMPY_SCALARS = (
    ("float", Datatype.NUMBER),
    ("int", Datatype.INTEGER),
    ("uint", Datatype.INTEGER),
    ("bool", Datatype.BOOLEAN),
    ("str", Datatype.STRING),
    ("datetime", Datatype.DATETIME),
)


def _listed_meaning(member: Any) -> DataKind:
    if get_origin(member) not in LISTS:
        return DataKind.VALUE
    items = [item for item in get_args(member) if item is not Ellipsis]
    if len(items) != 1:
        return DataKind.VALUE
    if without_wrappings(items[0]) is str:
        return DataKind.TEXTS
    inner = without_wrappings(items[0])
    is_number_row = get_origin(inner) in (list, collections.abc.Sequence) and get_args(inner)[0] in (int, float)
    return DataKind.MATRIX if is_number_row else DataKind.VALUE


# --- making up


def _limits(annotation: Any) -> dict[str, Any]:
    """The bounds in `Annotated` metadata, of annotated-types or of pydantic's `Field`."""
    found: dict[str, Any] = {}
    metadata = getattr(annotation, "__metadata__", ())
    for each in [*metadata, *(inner for outer in metadata for inner in getattr(outer, "metadata", ()))]:
        for bound in ("ge", "gt", "le", "lt", "multiple_of", "min_length", "examples"):
            if getattr(each, bound, None) is not None:
                found.setdefault(bound, getattr(each, bound))
    return found


def _number(member: Any, limits: Mapping[str, Any], depth: int) -> Any:
    kind = int if _scalar_type(member) is Datatype.INTEGER else float
    if limits.get("examples"):
        return plain(limits["examples"][0])
    low = limits.get("ge", limits["gt"] + (1 if kind is int else 0.5) if "gt" in limits else None)
    high = limits.get("le", limits["lt"] - (1 if kind is int else 0.5) if "lt" in limits else None)
    if "gt" in limits and "lt" in limits and kind is float:
        return (limits["gt"] + limits["lt"]) / 2
    value = 1 if low is None or low <= 1 else low
    if high is not None and value > high:
        value = high if low is None or high >= low else low
    step = limits.get("multiple_of")
    return kind(value if step is None else max(step, value - value % step))


def _text(member: Any, limits: Mapping[str, Any], depth: int) -> str:
    if limits.get("examples"):
        return str(limits["examples"][0])
    return TEXT.ljust(int(limits.get("min_length", 0)), "x")


def _list(member: Any, limits: Mapping[str, Any], depth: int) -> list[Any]:
    items = get_args(member)
    if get_origin(member) is tuple and Ellipsis not in items:
        return [made_up(item, depth + 1) for item in items]
    count = max(1, int(limits.get("min_length", 1)))
    return [made_up(items[0] if items else Any, depth + 1)] * count


def _mapping(member: Any, limits: Mapping[str, Any], depth: int) -> dict[str, Any]:
    items = get_args(member)
    return {"key": made_up(items[1] if len(items) == 2 else Any, depth + 1)}


def _dataclass(member: Any, limits: Mapping[str, Any], depth: int) -> dict[str, Any]:
    kind = get_origin(member) or member
    hints = _class_hints(kind)
    return {
        field.name: _field_value(hints.get(field.name, Any), field.default, dataclasses.MISSING, depth)
        for field in dataclasses.fields(kind)
        if field.init and field.default_factory is dataclasses.MISSING
    }


def _pydantic(member: Any, limits: Mapping[str, Any], depth: int) -> dict[str, Any]:
    found = {}
    for name, field in member.model_fields.items():
        annotation: Any = operator.getitem(Annotated, (field.annotation, field, *field.metadata))
        if field.default_factory is None:
            undefined = ... if field.default is ... else _pydantic_undefined(field)
            shown = field.alias if isinstance(field.validation_alias, str) and field.alias else name
            found[shown] = _field_value(annotation, field.default, undefined, depth)
    return found


def _pydantic_undefined(field: Any) -> Any:
    return field.default if field.is_required() else dataclasses.MISSING


def _typed_mapping(member: Any, limits: Mapping[str, Any], depth: int) -> dict[str, Any]:
    required = getattr(member, "__required_keys__", None)
    hints = _class_hints(member)
    return {name: made_up(hint, depth + 1) for name, hint in hints.items() if required is None or name in required}


def _field_value(annotation: Any, default: Any, undefined: Any, depth: int) -> Any:
    if default is undefined:
        return made_up(annotation, depth + 1)
    try:
        return plain(default)
    except (TypeError, ValueError):
        return made_up(annotation, depth + 1)


def _class_hints(kind: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(kind, include_extras=True)
    except Exception:  # noqa: BLE001  # evaluating an annotation runs the user's text
        return dict.fromkeys(getattr(kind, "__annotations__", {}), Any)


def _is(*kinds: type) -> Callable[[Any], bool]:
    return lambda kind: isinstance(kind, type) and issubclass(kind, kinds)


def _has_datatype(*datatypes: Datatype) -> Callable[[Any], bool]:
    return lambda kind: _scalar_type(kind) in datatypes


Maker = Callable[[Any, Mapping[str, Any], int], Any]
MAKERS: tuple[tuple[Callable[[Any], bool], Maker], ...] = (
    (_is(enum.Enum), lambda member, limits, depth: plain(next(iter(member)).value)),
    (_is(datetime), lambda member, limits, depth: "2024-01-01T00:00:00"),
    (_is(date), lambda member, limits, depth: "2024-01-01"),
    (_is(time), lambda member, limits, depth: "12:00:00"),
    (_is(timedelta), lambda member, limits, depth: "PT1H"),
    (_is(bytes, bytearray), lambda member, limits, depth: "Ynl0ZXM="),
    (_is(complex), lambda member, limits, depth: "1+2j"),
    (_is(UUID), lambda member, limits, depth: "123e4567-e89b-12d3-a456-426614174000"),
    (_is(PurePath), lambda member, limits, depth: "folder/file.txt"),
    (_has_datatype(Datatype.BOOLEAN), lambda member, limits, depth: True),
    (_has_datatype(Datatype.INTEGER, Datatype.NUMBER), _number),
    (_has_datatype(Datatype.STRING), _text),
    (lambda kind: isinstance(kind, type) and dataclasses.is_dataclass(kind), _dataclass),
    (lambda kind: hasattr(kind, "model_fields"), _pydantic),
    (typing.is_typeddict, _typed_mapping),
    (_is(*MAPPINGS), _mapping),
    (lambda kind: kind in LISTS or _is(list, tuple, set)(kind), _list),
)
