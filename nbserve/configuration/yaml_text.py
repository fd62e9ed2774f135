"""YAML as people mean it: the plain values of YAML 1.2, and nothing that builds objects or refers to others.

`on`, `yes` and `1:30` are text here, as in YAML 1.2, and what an option makes of them is the option's affair.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from .document import DEEPEST, Document, Keys, fault, too_deep

__all__ = ["read_yaml"]

_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS |= {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]{1,40}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


def read_yaml(label: str, text: str) -> Document:
    """Raises `OptionError` for what is no YAML, or more of it than settings need."""
    reading = _Reading(label, text)
    try:
        values = reading.document()
    except yaml.MarkedYAMLError as error:
        line = None if error.problem_mark is None else error.problem_mark.line + 1
        raise fault(label, f"This is no YAML: {error.problem}.", "Correct it.", line=line) from None
    except yaml.YAMLError as error:
        reason = getattr(error, "reason", "it cannot be read")
        raise fault(label, f"This is no YAML: {reason}.", "Correct it.") from None
    return Document(label, values, reading.lines)


class _Reading:
    """From the parser's events to values: nothing is built that is not asked for, and nothing twice."""

    def __init__(self, label: str, text: str) -> None:
        self.lines: dict[Keys, int] = {}
        self._label = label
        self._events: Iterator[Any] = yaml.parse(text, Loader=yaml.SafeLoader)

    def document(self) -> Any:
        next(self._events)  # the stream begins
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        values = self._value(next(self._events), (), 0)
        next(self._events)  # the document ends
        more = next(self._events)
        if not isinstance(more, yaml.StreamEndEvent):
            raise self._fault(more, "There is a second document.", "Write one, with all endpoints below 'endpoints'.")
        return values

    def _value(self, event: Any, keys: Keys, depth: int) -> Any:
        if depth > DEEPEST:
            raise too_deep(self._label, _line(event))
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise self._fault(event, "Anchors and aliases (&, *) are not read.", "Write the values out.")
        if event.tag is not None:
            raise self._fault(event, f"Tags ({event.tag[:60]}) are not read.", "Write plain values.")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(keys, depth)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(keys, depth)
        return _scalar(event.value) if event.style is None else event.value

    def _mapping(self, keys: Keys, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent) or event.anchor is not None or event.tag is not None:
                raise self._fault(event, "A key is a word.", "Write 'name: value'.")
            key = event.value
            if key in found:
                problem = f"{key[:60]!r} is there twice (first in line {self.lines[(*keys, key)]})."
                raise self._fault(event, problem, "Keep one of them.")
            self.lines[(*keys, key)] = _line(event)
            found[key] = self._value(next(self._events), (*keys, key), depth + 1)
        return found

    def _sequence(self, keys: Keys, depth: int) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            found.append(self._value(event, (*keys, str(len(found))), depth + 1))
        return found

    def _fault(self, event: Any, problem: str, remedy: str) -> Exception:
        return fault(self._label, problem, remedy, line=_line(event))


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _scalar(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
