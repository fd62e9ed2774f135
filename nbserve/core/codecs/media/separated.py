"""Rows of comma-separated values."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from ....errors import Fault, InputError
from ...schema import DataArgument, DataKind, Datatype, Signature
from ..blocks import Grid, Vector
from ..encode import to_plain
from .answers import columns_of
from .medium import Body, body_error

__all__ = ["read", "write"]

HEADER = ("present", "absent")
"""What the content type may say of a header, as in RFC 4180."""

_NUMBER = re.compile(r"\s*[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|nan|inf(?:inity)?)\s*", re.IGNORECASE | re.ASCII)
_BOOLEANS = {"true": True, "false": False}
_NUMERIC = frozenset({Datatype.NUMBER, Datatype.INTEGER})
_REMEDY = "Send rows of one length in UTF-8, separated by commas and quoted by double quotes."


def read(body: Body, data: DataArgument) -> Grid:
    """The columns, whose cells are text until somebody knows what they are to be."""
    try:
        text = str(body.content, "utf-8-sig")
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except UnicodeDecodeError as broken:
        raise body_error(f"The body is not UTF-8: byte {broken.start} is wrong.", _REMEDY, "encoding") from None
    except csv.Error as broken:
        raise body_error(f"The body is not CSV: {broken}.", _REMEDY, "csv") from None
    names = rows.pop(0) if rows and _has_header(rows[0], body, data) else None
    _check_widths(rows, names, data.name)
    if names is not None:
        _check_names(names)
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names or ())
    return Grid(names, [TextCells(each) for each in columns], len(rows))


def _has_header(first: Sequence[str], body: Body, data: DataArgument) -> bool:
    """Whether the first row has the names of the columns. What might be either is not guessed."""
    said = body.parameters.get("header")
    if said is not None:
        return said == "present"
    if data.kind is DataKind.TEXTS or all(map(_NUMBER.fullmatch, first)):
        problem = "Whether the first row is a header cannot be told."
        remedy = "Say it: 'Content-Type: text/csv; header=absent', or header=present."
        raise body_error(problem, remedy, "header")
    return True


def _check_names(names: list[str]) -> None:
    if len(set(names)) < len(names):
        twice = next(name for index, name in enumerate(names) if name in names[:index])
        raise body_error(f"There are two columns {twice[:80]!r}.", "Send columns of different names.", "duplicate")


def _check_widths(rows: list[list[str]], names: list[str] | None, argument: str) -> None:
    if not rows:
        return
    width, expects = (len(rows[0]), "row 0 has") if names is None else (len(names), "the header has")
    if set(map(len, rows)) == {width}:
        return
    at = next(index for index, row in enumerate(rows) if len(row) != width)
    problem = f"Row {at} has {_values(len(rows[at]))}, {expects} {width}."
    raise InputError(problem, f"Send {_values(width)} in each row.", faults=[Fault((argument, at), problem, "width")])


def _values(count: int) -> str:
    return f"{count} value{'' if count == 1 else 's'}"


class TextCells(Vector):
    """A column of cells. An empty one is missing, but in a column of text that misses none."""

    def __init__(self, cells: Sequence[str]) -> None:
        self._cells = cells

    def plain(self, datatype: Datatype, *, nullable: bool) -> list[Any]:
        if datatype is Datatype.STRING:
            return [each or None for each in self._cells] if nullable else list(self._cells)
        read = self._guessed() if datatype is Datatype.ANY else _READ[datatype]
        return [read(each) if each else None for each in self._cells]

    def array(self, datatype: Datatype) -> Any:
        import numpy as np

        if datatype is Datatype.ANY and self._guessed() is _number:
            datatype = Datatype.NUMBER
        if datatype not in _NUMERIC:
            return None
        try:
            found = np.array(list(map(_plain_number, self._cells)))
        except (ValueError, OverflowError):
            return None
        return found if found.dtype.kind in "fi" else None

    def _guessed(self) -> Callable[[str], Any]:
        """How to read the cells of a column of which nothing is known: all alike."""
        known = {each for each in self._cells if each}
        if known and all(map(_NUMBER.fullmatch, known)):
            return _number
        return _boolean if known and {each.lower() for each in known} <= _BOOLEANS.keys() else str


def _plain_number(cell: str) -> float:
    """Raises `ValueError`, also for what Python alone takes for a number."""
    if "_" in cell or not cell.isascii():
        raise ValueError
    return float(cell) if cell else float("nan")


def _number(cell: str) -> Any:
    """The number that a cell says; a cell that says none as it is."""
    if not _NUMBER.fullmatch(cell):
        return cell
    try:
        return int(cell)
    except ValueError:
        return float(cell)


def _boolean(cell: str) -> Any:
    return _BOOLEANS.get(cell.strip().lower(), _number(cell))


_READ: dict[Datatype, Callable[[str], Any]] = {
    Datatype.NUMBER: _number,
    Datatype.INTEGER: _number,
    Datatype.BOOLEAN: _boolean,
    Datatype.DATETIME: str.strip,
}


def write(answer: Any, signature: Signature) -> bytes:
    columns = columns_of(answer, signature)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([name for name, _ in columns])
    writer.writerows(zip(*(map(_cell, to_plain(_values_of(each))) for _, each in columns), strict=True))
    return text.getvalue().encode()


def _values_of(column: Any) -> Any:
    return column.tolist() if type(column).__name__ == "ndarray" and column.dtype.kind == "U" else column


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return orjson.dumps(value).decode() if isinstance(value, (list, dict)) else value
