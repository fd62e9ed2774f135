"""What a method's docstring says about its route."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

__all__ = ["Documentation", "read_docstring"]

_KEYS = frozenset({"tags", "summary", "description", "responses", "deprecated"})


@dataclass(frozen=True, slots=True)
class Documentation:
    tags: tuple[str, ...] = ()
    summary: str | None = None
    description: str | None = None
    responses: dict[int | str, dict[str, Any]] = field(default_factory=dict)
    deprecated: bool = False


def read_docstring(text: str | None) -> Documentation:
    """Plain text, whose first line is the summary; YAML with the keys of an operation; or text, ``---``, and YAML."""
    text = inspect.cleandoc(text or "").split("\f")[0].strip()
    prose, _, told = _parts(text)
    operation = _operation(told)
    if operation is None:
        return _of_prose(text)
    in_prose = _of_prose(prose)
    return Documentation(
        _tags(operation.get("tags")),
        _text(operation.get("summary")) or in_prose.summary,
        _text(operation.get("description")) or in_prose.description,
        _responses(operation.get("responses")),
        operation.get("deprecated") is True,
    )


def _parts(text: str) -> tuple[str, str, str]:
    divided = re.split(r"^(---)\s*$", text, maxsplit=1, flags=re.MULTILINE)
    return (divided[0], divided[1], divided[2]) if len(divided) == 3 else ("", "", text)


def _operation(text: str) -> dict[str, Any] | None:
    """The mapping that the text is, if it is one of an operation: ``Note: it is slow.`` is YAML as well."""
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return None
    return found if isinstance(found, dict) and found and _KEYS.issuperset(found) else None


def _of_prose(text: str) -> Documentation:
    summary, _, rest = text.strip().partition("\n")
    return Documentation(summary=summary.strip() or None, description=rest.strip() or None)


def _tags(given: Any) -> tuple[str, ...]:
    return tuple(str(each) for each in (given if isinstance(given, list) else [given]) if each is not None)


def _text(given: Any) -> str | None:
    return None if given is None else str(given).strip() or None


def _responses(given: Any) -> dict[int | str, dict[str, Any]]:
    """What each status means. What is no status, or says nothing, is left out."""
    found: dict[int | str, dict[str, Any]] = {}
    for status, told in given.items() if isinstance(given, dict) else ():
        description = _text(told.get("description") if isinstance(told, dict) else told)
        if re.fullmatch(r"[1-5]\d\d", str(status)) and description is not None:
            found[int(status)] = {"description": description}
    return found
