"""A request's values → the arguments of a call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from ...errors import BodyError, Fault, TooManyRows
from ..schema import DataArgument, DataKind, Signature
from .annotations import annotated
from .blocks import Block, Grid, Picture
from .body import parse_json
from .call import Call, Placement
from .faults import Faults, Loc
from .images import Images
from .intake import intake_of
from .matrices import Matrix
from .modelled import Modelled
from .names import Names
from .said import Said
from .tables import Table
from .values import Free, Texts, Variadic, argument_of

__all__ = ["Decoder", "bind", "decode"]

LONGEST_EXAMPLE = 200
LONG = '{"X": [[1, 2], [3, 4]]}.'

Decode = Callable[[Any, Loc, Faults], Any]

_BY_KIND: dict[DataKind, Callable[[DataArgument], Decode]] = {
    DataKind.TABLE: Table,
    DataKind.MATRIX: Matrix,
    DataKind.TEXTS: Texts,
    DataKind.VALUE: lambda data: Said(data) if data.is_said else Free(data),
}


class Decoder:
    """Turns what is sent for one method into its arguments. Thread-safe; made once, called for every request.

    Takes parsed JSON, or the same shapes as Python values, where the data may be an array or a frame too. Raises
    `InputError` with every fault of the request, up to a bound, and `TooManyRows` for more than `max_rows`.
    """

    def __init__(self, signature: Signature, max_rows: int | None = None) -> None:
        self.signature = signature
        self._max_rows = max_rows
        self._names = Names(signature)
        self.placement = Placement(signature)
        self._data = None if signature.data is None else signature.data.name
        self._decoders = _decoders(signature)
        matrix = self._decoders.get(self._data or "")
        self._matrix = matrix if isinstance(matrix, Matrix) and matrix.joins_rows else None
        self._intake = (
            None if signature.data is None else intake_of(signature.data, self._decoders[signature.data.name])
        )
        self._rows_suffice = self._names.required == [self._data]

    def __call__(self, payload: Any) -> Call:
        faults = Faults()
        values: dict[str, Any] = {}
        for name, (loc, value) in self._names.sort(payload, faults).items():
            decode = self._decoders.get(name)
            values[name] = value if decode is None else decode(value, loc, faults)
        faults.check()
        return self._placed(values)

    def from_bytes(self, body: bytes) -> Call:
        """A body of JSON, or none at all where no argument must be given. Raises `BodyError` too."""
        if not body.strip() and not self._names.required:
            return self({})
        try:
            payload = parse_json(body)
            rows = self._rows_alone(payload)
            call = None if rows is None else self.of_rows(rows)
            return self(payload) if call is None else call
        except BodyError as error:
            if error.faults[0].type not in ("empty", "json"):
                raise
            remedy = f"Send JSON like {_example_text(self.signature)}"
            raise BodyError(error.problem, remedy, faults=error.faults) from None

    def of_sent(self, sent: Block | Grid | Picture, arguments: Mapping[str, Any]) -> Call:
        """The call of an array or of columns that were sent, and of the other arguments beside them."""
        assert self._data is not None
        assert self._intake is not None
        faults = Faults()
        values: dict[str, Any] = {}
        if self._data in arguments:
            faults.add((self._data,), f"{self._data!r} is the body itself.", "duplicate", "Leave it out of the query.")
        for name, (loc, value) in self._names.sort({**arguments, self._data: sent}, faults).items():
            decode = self._intake if value is sent else self._decoders.get(name)
            values[name] = value if decode is None else decode(value, loc, faults)
        faults.check()
        return self._placed(values)

    def plain_rows(self, body: bytes) -> list[Any] | None:
        """The rows of a body that is nothing but rows, unread, to be joined with others' by `of_rows`.

        None for a body that is to be read by itself, whatever is wrong with it.
        """
        if self._matrix is None or not self._rows_suffice:
            return None
        try:
            return self._rows_alone(orjson.loads(body))
        except orjson.JSONDecodeError:
            return None

    def _rows_alone(self, payload: Any) -> list[Any] | None:
        """The rows, if the request is nothing but rows, in lists."""
        if self._matrix is None or not self._rows_suffice:
            return None
        if type(payload) is dict and len(payload) == 1:
            [(name, payload)] = payload.items()
            if self._names.meaning(name) != self._data:
                return None
        if type(payload) is not list or not payload or type(payload[0]) is not list:
            return None
        if self._max_rows is not None:
            self._check_rows(len(payload), self._max_rows)
        return payload

    def of_rows(self, rows: list[Any]) -> Call | None:
        """The call of such rows, of one body or of many; None if one of them has to be looked at more closely."""
        assert self._matrix is not None
        assert self._data is not None
        data = self._matrix.joined(rows)
        return None if data is None else self.placement.call({self._data: data}, len(rows))

    def bind(self, given: Mapping[str, Any]) -> Call:
        """Native values in, as they are: only the names are checked."""
        faults = Faults()
        values = {name: value for name, (_, value) in self._names.sort(given, faults).items()}
        faults.check()
        return self._placed(values)

    def _placed(self, values: dict[str, Any]) -> Call:
        rows = None if self._data is None else _rows_of(values[self._data])
        if self._max_rows is not None and rows is not None:
            self._check_rows(rows, self._max_rows)
        return self.placement.call(values, rows)

    def _check_rows(self, rows: int, limit: int) -> None:
        if rows > limit:
            problem = f"These are {rows:,} rows; one request may have {limit:,}."
            fault = Fault((self._data or "",), problem, "too_many_rows")
            raise TooManyRows(problem, "Send fewer rows at a time.", faults=[fault])


def decode(signature: Signature, payload: Any) -> Call:
    """One request of a method; who has many keeps a `Decoder`."""
    return Decoder(signature)(payload)


def bind(signature: Signature, given: Mapping[str, Any]) -> Call:
    """Native values as the arguments of a method, without conversion. Raises `InputError` for wrong names."""
    return Decoder(signature).bind(given)


def _decoders(signature: Signature) -> dict[str, Decode]:
    decoders: dict[str, Decode] = {
        each.name: Variadic(each) if each.is_variadic else argument_of(each) for each in signature.parameters
    }
    data = signature.data
    if data is not None:
        decoders[data.name] = _decoder(data)
    return decoders


def _decoder(data: DataArgument) -> Decode:
    decode = _rows_decoder(data)
    return decode if data.image is None else Images(data, decode)


def _rows_decoder(data: DataArgument) -> Decode:
    has_say = data.kind is DataKind.VALUE or (data.kind is DataKind.TABLE and data.annotation is not None)
    by_annotation = annotated(data.annotation) if has_say else None
    if by_annotation is None:
        return _BY_KIND[data.kind](data)
    return Modelled(data, by_annotation) if data.kind is DataKind.TABLE else by_annotation


def _example_text(signature: Signature) -> str:
    """A body that works, if it is short enough to be read in a sentence."""
    try:
        text = orjson.dumps(signature.example).decode()
    except TypeError:
        text = LONG
    return f"{text}." if len(text) <= LONGEST_EXAMPLE else LONG


def _rows_of(value: Any) -> int | None:
    """How many things the data holds, None if it is no list of things."""
    if isinstance(value, (list, tuple)):
        return len(value)
    shape = getattr(value, "shape", None)
    return int(shape[0]) if isinstance(shape, tuple) and shape else None
