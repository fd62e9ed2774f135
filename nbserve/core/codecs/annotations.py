"""Values as a type annotation says: pydantic converts them, strictly, by the rules of JSON.

Strictly means that a number in quotes is no number; a date in quotes is a date, an object is a dataclass, a list is a
set, because JSON has no other way to write these.
"""

from __future__ import annotations

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
        from pydantic import TypeAdapter

        adapter = TypeAdapter(annotation)
        return Annotated(adapter) if getattr(adapter, "pydantic_complete", True) else None
    except Exception:  # noqa: BLE001  building a rule runs the code of the user's classes
        return None


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
            _report(refused, loc, faults)
            return None


def _report(refused: Any, loc: Loc, faults: Faults) -> None:
    for each in refused.errors(include_url=False, include_context=False):
        inside = each["loc"]
        place = ".".join([called(loc), *map(str, inside)])
        given = "" if each["type"] == "missing" else f", not {shown(each['input'])}"
        problem = f"{place}: {each['msg'][:1].lower()}{each['msg'][1:]}{given}."
        faults.add((*loc, *inside), problem, each["type"], "Send what the method's annotation says.")


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
