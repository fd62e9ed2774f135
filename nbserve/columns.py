"""The columns of the rows as a user says them: a list of objects, or names with their types."""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any

__all__ = ["COLUMN_KEYS", "COLUMN_TYPES", "columns_from", "row_from"]

COLUMN_TYPES: dict[str, str] = {
    **dict.fromkeys(("number", "float", "double"), "number"),
    **dict.fromkeys(("integer", "int"), "integer"),
    **dict.fromkeys(("boolean", "bool"), "boolean"),
    **dict.fromkeys(("string", "str", "text"), "string"),
    **dict.fromkeys(("datetime", "date"), "datetime"),
    **dict.fromkeys(("any", "object"), "any"),
    "list": "list",
}
"""How a type may be called, also by Python's own classes → what it is."""

COLUMN_KEYS = ("name", "type", "required", "default", "collection_type", "nullable", "categories")

_EXAMPLE = '[{"name": "age", "type": "number"}, …], or {"age": "number", …}'


def columns_from(given: Any) -> list[dict[str, Any]]:
    """Each column with its name and type, and what else was said of it. Raises ValueError with what is allowed."""
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            raise ValueError(f"a variable, or {_EXAMPLE}") from None
    if isinstance(given, Mapping):
        given = [{"name": name, **_told(told)} for name, told in given.items()]
    if not isinstance(given, (list, tuple)) or not given:
        raise ValueError(_EXAMPLE)
    columns = [_column(each, place) for place, each in enumerate(given)]
    names = [each["name"] for each in columns]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"each column once, and not {twice!r} twice")
    return columns


def row_from(given: Any) -> Any:
    """A class of pydantic that each row is an instance of, or where it is found: `module:Name`."""
    allowed = "a class of pydantic (a BaseModel with the columns as its fields), or where it is: module:Name"
    if isinstance(given, str):
        module, _, name = given.partition(":")
        try:
            given = getattr(import_module(module), name) if module and name else None
        except (ImportError, AttributeError) as error:
            raise ValueError(f"{allowed}; {error}") from None
    fields = getattr(given, "model_fields", None) if isinstance(given, type) else None
    if not isinstance(fields, Mapping):
        raise ValueError(allowed)
    if not fields:
        raise ValueError(f"{allowed}; {given.__name__} has no fields")
    return given


def _told(told: Any) -> Mapping[str, Any]:
    return told if isinstance(told, Mapping) else {"type": told}


def _column(given: Any, place: int) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise ValueError(f"{_EXAMPLE}; column {place} is {str(given)[:40]!r}")
    name = given.get("name")
    if not isinstance(name, str) or not name:
        raise ValueError(f"{_EXAMPLE}; column {place} has no name")
    for key in given:
        if key not in COLUMN_KEYS:
            raise ValueError(f"{', '.join(COLUMN_KEYS)} of each column; {name!r} has {key!r}{_near(key, COLUMN_KEYS)}")
    column: dict[str, Any] = {"name": name, "type": _type(given.get("type", "any"), name)}
    if column["type"] == "list":
        column |= {"type": "any", "collection_type": "list"}
    if _is_list(given.get("collection_type"), name):
        column["collection_type"] = "list"
    for key in ("required", "nullable"):
        if key in given:
            column[key] = _claim(given[key], key, name)
    if given.get("categories") is not None:
        column["categories"] = _categories(given["categories"], name)
    return column | _default(given, column)


def _type(given: Any, name: str) -> str:
    word = given.__name__ if isinstance(given, type) else given
    read = COLUMN_TYPES.get(word.lower()) if isinstance(word, str) else None
    if read is None:
        known = list(dict.fromkeys(COLUMN_TYPES.values()))
        raise ValueError(f"the types {', '.join(known)}; {name!r} is of {str(word)[:40]!r}{_near(word, COLUMN_TYPES)}")
    return read


def _is_list(given: Any, name: str) -> bool:
    word = given.__name__ if isinstance(given, type) else given
    if word is None:
        return False
    if not isinstance(word, str) or word.lower() != "list":
        raise ValueError(f"the collection_type list, or none; {name!r} has {str(word)[:40]!r}")
    return True


def _claim(given: Any, key: str, name: str) -> bool:
    if not isinstance(given, bool):
        raise ValueError(f"True or False as {key} of {name!r}")
    return given


def _categories(given: Any, name: str) -> list[Any]:
    if not isinstance(given, (list, tuple)) or not given:
        raise ValueError(f"a list of values as categories of {name!r}")
    return list(given)


def _default(given: Mapping[str, Any], column: dict[str, Any]) -> dict[str, Any]:
    """What stands for a column that is not sent: then it need not be."""
    if given.get("default") is None:
        return {}
    if given.get("required") is True:
        raise ValueError(f"a default only of a column that is not required; {column['name']!r} is")
    return {"required": False, "default": given["default"]}


def _near(word: Any, known: Any) -> str:
    close = get_close_matches(str(word), list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""
