"""Values as a type annotation says: pydantic converts them, strictly, by the rules of JSON.

Strictly means that a number in quotes is no number; a date in quotes is a date, an object is a dataclass, a list is a
set, because JSON has no other way to write these.
"""

from __future__ import annotations

import functools
import operator
import sys
import types
import typing
from typing import Any

import orjson

from ...errors import ModelError
from .faults import Faults, Loc, shown
from .rows import called

__all__ = ["Annotated", "annotated"]

_SILENT = (None, Any, object)
"""Annotations that say nothing."""


def annotated(annotation: Any) -> Annotated | None:
    """What decodes values of an annotation; None if pydantic has no rule for it (an array, a user's class)."""
    if any(annotation is each for each in _SILENT):
        return None
    try:
        adapter = _adapter(_known_to_pydantic(annotation))
        return Annotated(adapter) if getattr(adapter, "pydantic_complete", True) else None
    except Exception:  # noqa: BLE001  building a rule runs the code of the user's classes
        return None


def _adapter(annotation: Any) -> Any:
    """Bytes are read as they are written: as base64, unless a class of the user's has a setting of its own."""
    from pydantic import ConfigDict, PydanticUserError, TypeAdapter
    from typing_extensions import TypeAliasType

    config = ConfigDict(val_json_bytes="base64", ser_json_bytes="base64")
    try:
        return TypeAdapter(annotation, config=config)
    except PydanticUserError as refused:
        if refused.code != "type-adapter-config-unused":
            raise
        # pydantic does not look through the alias: a dataclass that has no settings gets these
        alias: Any = TypeAliasType(annotation.__name__, annotation)
        return TypeAdapter(alias, config=config)


def _known_to_pydantic(annotation: Any) -> Any:
    """The annotation with `typing.TypedDict` as `typing_extensions` has it: before Python 3.12 pydantic wants that."""
    if sys.version_info >= (3, 12):
        return annotation
    if typing.is_typeddict(annotation) and type(annotation).__module__ == "typing":
        return _rebuilt(annotation)
    inside = typing.get_args(annotation)
    known = tuple(_known_to_pydantic(each) for each in inside)
    if all(new is old for new, old in zip(known, inside, strict=True)):
        return annotation
    if isinstance(annotation, types.UnionType):
        return functools.reduce(operator.or_, known)
    return annotation.copy_with(known) if hasattr(annotation, "copy_with") else typing.get_origin(annotation)[known]


def _rebuilt(kind: Any) -> Any:
    from typing_extensions import TypedDict

    fields: dict[str, Any] = {}
    for name, hint in typing.get_type_hints(kind, include_extras=True).items():
        while typing.get_origin(hint) in (typing.Required, typing.NotRequired):
            hint = typing.get_args(hint)[0]
        known = _known_to_pydantic(hint)
        fields[name] = typing.Required[known] if name in kind.__required_keys__ else typing.NotRequired[known]
    return TypedDict(kind.__name__, fields)  # type: ignore[operator]  # a class that is known only now


class Annotated:
    """Decodes by a pydantic adapter."""

    def __init__(self, adapter: Any) -> None:
        self._adapter = adapter

    def __call__(self, value: Any, loc: Loc, faults: Faults) -> Any:
        from pydantic import ValidationError

        try:
            return self._validated(value)
        except ValidationError as refused:
            return self._second_reading(value, refused, loc, faults)
        except Exception as error:  # a validator is the user's code
            problem = f"The check of {called(loc)} raised {type(error).__name__}."
            raise ModelError(problem, "Raise ValueError for values that are not accepted.") from error

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of what is accepted, without references; empty when it has none."""
        try:
            schema = self._adapter.json_schema()
        except Exception:  # noqa: BLE001  schema hooks are the user's code too
            return {}
        inlined: dict[str, Any] = _inlined(schema, schema.get("$defs", {}), ())
        return {key: value for key, value in inlined.items() if key != "$defs"}

    def _validated(self, value: Any) -> Any:
        try:
            body = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
        except TypeError:  # given by Python code: an instance, perhaps, of what is wanted
            return self._adapter.validate_python(value, strict=True)
        return self._adapter.validate_json(body, strict=True)

    def _second_reading(self, value: Any, refused: Any, loc: Loc, faults: Faults) -> Any:
        """To JSON 3.0 is an integer, to pydantic it is not."""
        from pydantic import ValidationError

        try:
            return self._validated(_narrowed(value))
        except ValidationError:
            _report(refused, value, loc, faults)
            return None


def _report(refused: Any, value: Any, loc: Loc, faults: Faults) -> None:
    """One fault for each place: the members of a union all complain about the same one."""
    places: dict[Loc, list[Any]] = {}
    for each in refused.errors(include_url=False, include_context=False):
        places.setdefault(_place_in(value, each), []).append(each)
    for inside, errors in places.items():
        place = ".".join([called(loc), *map(str, inside)])
        first = errors[0]
        given = "" if first["type"] == "missing" else f", not {shown(first['input'])}"
        problem = f"{place}: {_sentence([each['msg'] for each in errors])}{given}."
        faults.add((*loc, *inside), problem, first["type"], "Send what the method's annotation says.")


def _place_in(value: Any, error: Any) -> Loc:
    """The path to what was sent: pydantic's own has the names of unions' members and of validators in it."""
    path: list[str | int] = []
    for index, part in enumerate(error["loc"]):
        is_absent = error["type"] == "missing" and index == len(error["loc"]) - 1
        if is_absent or _is_inside(value, part):
            path.append(part)
            value = None if is_absent else value[part]
    return tuple(path)


def _is_inside(value: Any, part: str | int) -> bool:
    if isinstance(value, (list, tuple)):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, dict) and part in value


def _sentence(messages: list[str]) -> str:
    """`input should be a valid integer or a valid string`."""
    first, *others = dict.fromkeys(messages)
    others = [_started_small(each.removeprefix("Input should be ")) for each in others]
    return " or ".join([_started_small(first), *others])


def _started_small(text: str) -> str:
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def _narrowed(value: Any) -> Any:
    """The value with integral floats as integers."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_narrowed(each) for each in value]
    if isinstance(value, dict):
        return {key: _narrowed(each) for key, each in value.items()}
    return value


def _inlined(schema: Any, definitions: dict[str, Any], within: tuple[str, ...]) -> Any:
    """The schema with each reference replaced by what it refers to; one that leads back to itself says nothing."""
    if isinstance(schema, list):
        return [_inlined(each, definitions, within) for each in schema]
    if not isinstance(schema, dict):
        return schema
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    if name:
        return {} if name in within else _inlined(definitions.get(name, {}), definitions, (*within, name))
    return {key: _inlined(value, definitions, within) for key, value in schema.items()}
