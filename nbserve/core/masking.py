"""Marked fields: what they held is taken out of what is kept of requests and answers."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import Any
from urllib.parse import unquote_plus

import orjson

from .codecs.names import ALIASES
from .schema import Signature

__all__ = ["MASKED", "Mask", "Part", "fields_of", "shown_query"]

MASKED = "•••"

SECRETS = frozenset({"token", "_xsrf"})
"""Never shown, marked or not."""

SILENT = frozenset(
    {"body_incomplete", "body_too_large", "busy", "deadline_exceeded", "load_failed", "media_type_unsupported"}
    | {"not_acceptable", "not_found", "over_budget", "spill_failed"}
)
"""The errors whose words never repeat what was sent as data."""


_ERROR_KEYS = frozenset({"error", "code", "remedy", "detail", "predict_id"})
"""Of every error of ours: what the errors of a user's own route hold, nobody knows."""


class Part(StrEnum):
    """What a body is of an exchange."""

    REQUEST = "request"
    ANSWER = "answer"
    ERROR = "error"


class Mask:
    """The fields of one endpoint whose values nobody is to see, in whatever form they were sent. Thread-safe.

    A value in a list belongs to the feature at its place; where that cannot be told, it is masked. All that is made
    here is new: nothing refers to what was given.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(name.casefold() for name in names)
        self._fields: dict[str, tuple[Signature, _Fields]] = {}

    def covers(self, name: str) -> bool:
        return name.casefold() in self._names

    def applied(self, body: bytes, part: Part, signature: Signature | None, *, is_csv: bool = False) -> bytes | None:
        """The body without what is marked; None if it cannot be read.

        `signature` is that of the method that was asked, None of one that there is not. Of errors, the words stay when
        they are not about data, or about features that are not marked.
        """
        fields = self._fields_of(signature)
        if not body:
            return body
        try:
            if is_csv and part is not Part.ERROR:
                return self._csv(body, fields, part)
            return orjson.dumps(self._json(orjson.loads(body), fields, part))
        except (ValueError, TypeError, AttributeError, KeyError, csv.Error, RecursionError):
            return None

    def _json(self, value: Any, fields: _Fields, part: Part) -> Any:
        if part is Part.REQUEST:
            return self._payload(value, fields)
        if part is Part.ANSWER:
            return self._named(value, lambda result: self._result(result, fields))
        return self._fault(value, fields)

    # --- JSON

    def _payload(self, payload: Any, fields: _Fields) -> Any:
        if not isinstance(payload, dict):
            return self._rows(payload, fields)
        return {key: self._argument(key, value, fields) for key, value in payload.items()}

    def _argument(self, key: str, value: Any, fields: _Fields) -> Any:
        if self.covers(key) or (fields.is_data(key) and self.covers(fields.data)):
            return MASKED
        if fields.is_data(key):
            return self._rows(value, fields)
        return self._walked(value) if not fields.is_closed or key in fields.keys else MASKED

    def _rows(self, value: Any, fields: _Fields) -> Any:
        """The data argument: records, columns, rows in lists, or something that is none of these."""
        if isinstance(value, dict):
            return self._record(value, fields)
        if not isinstance(value, list):
            return self._row([value], fields)
        return [self._record(row, fields) if isinstance(row, dict) else self._row(row, fields) for row in value]

    def _record(self, record: dict[str, Any], fields: _Fields) -> Any:
        return {key: MASKED if self._may_be(key, fields) else self._walked(value) for key, value in record.items()}

    def _may_be(self, name: str, fields: _Fields) -> bool:
        """Whether it is marked: a name that no feature has may be a marked one that was mistyped."""
        known = fields.feature_names
        return self.covers(name) or (bool(known) and name not in known)

    def _row(self, row: Any, fields: _Fields) -> Any:
        values = row if isinstance(row, list) else [row]
        if len(values) == len(fields.features):
            placed = self._placed(values, fields.features)
            return placed if row is values else placed[0]
        return self._walked(row) if not fields.features and self._names <= fields.arguments else MASKED

    def _placed(self, values: list[Any], names: Sequence[str]) -> list[Any]:
        return [MASKED if self.covers(name) else self._walked(value) for name, value in zip(names, values, strict=True)]

    def _result(self, value: Any, fields: _Fields) -> Any:
        """What the model has answered: its columns are told by the outputs, else by the features that came in."""
        if not isinstance(value, list):
            return self._walked(value)
        return [self._answered(row, fields) for row in value]

    def _answered(self, row: Any, fields: _Fields) -> Any:
        if not isinstance(row, list):
            is_marked = len(fields.outputs) == 1 and self.covers(fields.outputs[0])
            return MASKED if is_marked else self._walked(row)
        if len(row) == len(fields.outputs):
            return self._placed(row, fields.outputs)
        return self._placed(row, fields.features) if len(row) == len(fields.features) else self._walked(row)

    def _walked(self, value: Any) -> Any:
        return self._named(value, self._walked) if isinstance(value, (dict, list)) else value

    def _named(self, value: Any, inside: Callable[[Any], Any]) -> Any:
        if isinstance(value, dict):
            return {key: MASKED if self.covers(key) else inside(each) for key, each in value.items()}
        return [inside(each) for each in value] if isinstance(value, list) else value

    # --- errors

    def _fault(self, shape: Any, fields: _Fields) -> Any:
        if set(shape) != _ERROR_KEYS:
            raise ValueError("none of our errors")
        faults = shape["detail"]
        is_told = shape.get("code") in SILENT or (faults and all(self._is_of_others(each, fields) for each in faults))
        if is_told:
            return shape
        words = {key: MASKED for key in ("error", "remedy") if shape.get(key)}
        return {**shape, **words, "detail": [self._silenced(each, fields) for each in faults]}

    def _is_of_others(self, fault: dict[str, Any], fields: _Fields) -> bool:
        """Whether it is about one value of a feature that is not marked."""
        name = self._feature_at(fault["loc"], fields)
        return name is not None and not self.covers(name)

    @staticmethod
    def _feature_at(loc: list[Any], fields: _Fields) -> str | None:
        last = loc[-1] if len(loc) > 1 else None
        if isinstance(last, int):
            is_place = isinstance(loc[-2], int) and last < len(fields.features)
            return fields.features[last] if is_place else None
        return last if last in fields.feature_names else None

    @staticmethod
    def _silenced(fault: dict[str, Any], fields: _Fields) -> dict[str, Any]:
        known = fields.feature_names | fields.keys
        loc = [part if isinstance(part, int) or part in known else MASKED for part in fault["loc"]]
        return {**fault, "loc": loc, "msg": MASKED}

    # --- CSV

    def _csv(self, body: bytes, fields: _Fields, part: Part) -> bytes | None:
        """Columns are told by the header, else by their number."""
        rows = [row for row in csv.reader(io.StringIO(str(body, "utf-8-sig"), newline=""), strict=True) if row]
        if not rows:
            return b""
        names = fields.features if part is Part.REQUEST else fields.outputs or fields.features
        head = rows[0]
        is_header = any(map(self.covers, head)) or (bool(names) and set(head) <= set(names))
        if is_header:
            is_sent = part is Part.REQUEST
            marked = [self._may_be(name, fields) if is_sent else self.covers(name) for name in head]
        elif len(head) == len(names):
            marked = [self.covers(name) for name in names]
        else:
            return None if part is Part.REQUEST else body
        text = io.StringIO(newline="")
        csv.writer(text).writerows(rows[:is_header] + [_cells(row, marked) for row in rows[is_header:]])
        return text.getvalue().encode()

    def _fields_of(self, signature: Signature | None) -> _Fields:
        """Of a method that is asked again and again they are found once."""
        if signature is None:
            return _UNKNOWN
        known = self._fields.get(signature.method)
        if known is None or known[0] is not signature:
            known = self._fields[signature.method] = signature, _Fields(signature)
        return known[1]


def fields_of(signatures: Iterable[Signature]) -> list[str]:
    """What can be marked by its name: arguments, features and outputs."""
    found = [name for each in signatures for name in _Fields(each).all]
    return list(dict.fromkeys(found))


class _Fields:
    """What the values of one method's requests and answers are called."""

    def __init__(self, signature: Signature | None) -> None:
        data = None if signature is None else signature.data
        parameters = () if signature is None else signature.parameters
        self.data = "" if data is None else data.name
        self.features = [] if data is None else [each.name for each in data.features]
        self.feature_names = frozenset(self.features)
        self.outputs = [] if signature is None else [each.name for each in signature.outputs]
        self.arguments = frozenset(each.name.casefold() for each in parameters)
        self.keys = frozenset({self.data, *ALIASES, *(each.name for each in parameters)})
        self.is_closed = signature is not None and not signature.accepts_any_keyword

    @property
    def all(self) -> list[str]:
        return [*self.features, *self.outputs, *self.keys]

    def is_data(self, key: str) -> bool:
        """Whether a request's key stands for the rows."""
        return key == self.data or (key in ALIASES and key.casefold() not in self.arguments)


_UNKNOWN = _Fields(None)


def shown_query(query: bytes, mask: Mask | None) -> str:
    """The query of a request, without tokens and what is marked."""
    parts = (part.partition("=") for part in query.decode("latin-1").split("&") if part)
    return "&".join(_shown_part(name, equals, value, mask) for name, equals, value in parts)


def _shown_part(name: str, equals: str, value: str, mask: Mask | None) -> str:
    called = unquote_plus(name)
    is_hidden = called in SECRETS or (mask is not None and mask.covers(called))
    return f"{name}{equals}{MASKED if is_hidden else value}"


def _cells(row: list[str], marked: Sequence[bool]) -> list[str]:
    if len(row) != len(marked):
        return [MASKED]
    return [MASKED if is_marked else cell for cell, is_marked in zip(row, marked, strict=True)]
