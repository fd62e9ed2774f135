"""Rows in whatever form they were sent → columns: records, lists, columns, or one record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .faults import Faults, Loc, hint, shown

__all__ = ["Sheet", "called", "order_of", "refuse_empty", "sheet_of", "thawed"]


@dataclass(frozen=True, slots=True)
class Sheet:
    """Columns of equal length; `locate(column, row)` tells where a value was sent."""

    names: Sequence[Any]
    columns: Sequence[Sequence[Any]]
    rows: int
    locate: Callable[[int, int], Loc]


def sheet_of(value: Any, names: Sequence[Any] | None, loc: Loc, faults: Faults) -> Sheet | None:
    """The columns `names` of what was sent (those of the first row if None), or None and the reasons in `faults`."""
    value = thawed(value)
    if isinstance(value, dict):
        return _from_object(value, names, loc, faults)
    if not isinstance(value, list):
        faults.add(loc, f"{called(loc)} is {shown(value)}, not a list of rows.", "rows_expected", _REMEDY)
        return None
    if not value:
        refuse_empty(loc, faults)
        return None
    rows = [thawed(row) for row in value]
    if isinstance(rows[0], dict):
        return _from_records(rows, names, loc, faults)
    return _from_lists(rows, names, loc, faults)


def order_of(
    sent: Sequence[str] | None, width: int, names: Sequence[Any], loc: Loc, faults: Faults
) -> list[int] | None:
    """Where each of the columns `names` is among so many that were sent, or None and the reasons in `faults`.

    Those without names are in the model's order.
    """
    if sent is None:
        if width != len(names):
            problem = f"{called(loc)} has {_columns(width)}, the model expects {len(names)}."
            faults.add(loc, problem, "width", f"Send {_columns(len(names))}.")
            return None
        return list(range(width))
    if list(sent) == list(names):
        return list(range(width))
    places = {name: index for index, name in enumerate(sent)}
    if len(places) != len(names) or places.keys() != set(names):
        _refuse_names(places, names, called(loc), loc, faults)
        return None
    return [places[name] for name in names]


def thawed(value: Any) -> Any:
    """What Python code sends beside lists and dicts, as these: tuples, arrays, series and frames."""
    if isinstance(value, (list, dict, str)) or value is None:
        return value
    if isinstance(value, (tuple, range)):
        return list(value)
    if type(value).__name__ == "DataFrame" and hasattr(value, "to_dict"):
        is_polars = type(value).__module__.startswith("polars")
        return value.to_dict(as_series=False) if is_polars else value.to_dict("list")
    for listing in ("tolist", "to_list"):
        if hasattr(value, listing):
            return getattr(value, listing)()
    return dict(value) if isinstance(value, Mapping) else value


def called(loc: Loc) -> str:
    """The argument in a sentence."""
    return repr(loc[0]) if loc else "The body"


def refuse_empty(loc: Loc, faults: Faults) -> None:
    faults.add(loc, f"{called(loc)} is empty.", "empty", "Send at least one row.")


def _from_records(rows: list[Any], names: Sequence[Any] | None, loc: Loc, faults: Faults) -> Sheet | None:
    names = list(rows[0]) if names is None else names
    before, expected = len(faults), set(names)
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            _refuse_row(row, "an object", (*loc, index), faults)
        elif row.keys() != expected:
            _refuse_names(row, names, f"Row {index}", (*loc, index), faults)
    if len(faults) > before:
        return None
    columns = [[row[name] for row in rows] for name in names]
    return Sheet(names, columns, len(rows), lambda column, row: (*loc, row, names[column]))


def _from_lists(rows: list[Any], names: Sequence[Any] | None, loc: Loc, faults: Faults) -> Sheet | None:
    if not any(isinstance(row, (list, dict)) for row in rows):
        faults.add(loc, f"{called(loc)} holds {shown(rows[0])}, not rows.", "rows_expected", _REMEDY)
        return None
    before = len(faults)
    width = len(names) if names is not None else len(rows[0]) if isinstance(rows[0], list) else 1
    expects = "the model expects" if names is not None else "row 0 has"
    for index, row in enumerate(rows):
        if not isinstance(row, list):
            _refuse_row(row, "a list", (*loc, index), faults)
        elif len(row) != width or not width:
            problem = f"Row {index} has {_values(len(row))}, {expects} {width}."
            faults.add((*loc, index), problem, "width", f"Send {_values(width or 1)} in each row.")
    if len(faults) > before:
        return None
    names = range(width) if names is None else names
    return Sheet(names, [list(column) for column in zip(*rows, strict=True)], len(rows), lambda c, row: (*loc, row, c))


def _from_object(value: dict[Any, Any], names: Sequence[Any] | None, loc: Loc, faults: Faults) -> Sheet | None:
    if not value:
        refuse_empty(loc, faults)
        return None
    value = {name: thawed(column) for name, column in value.items()}
    names = list(value) if names is None else names
    if value.keys() != set(names):
        _refuse_names(value, names, called(loc), loc, faults)
        return None
    if not any(isinstance(column, (list, dict)) for column in value.values()):
        return Sheet(names, [[value[name]] for name in names], 1, lambda column, _: (*loc, names[column]))
    return _from_columns(value, names, loc, faults)


def _from_columns(value: dict[Any, Any], names: Sequence[Any], loc: Loc, faults: Faults) -> Sheet | None:
    before = len(faults)
    for name in names:
        if not isinstance(value[name], list):
            problem = f"Column {shown(name)} is {shown(value[name])}, not a list of values."
            faults.add((*loc, name), problem, "column_expected", "Send a list for each column.")
    if len(faults) > before:
        return None
    rows = len(value[names[0]])
    for name in names:
        if len(value[name]) != rows:
            problem = f"Column {shown(name)} has {_values(len(value[name]))}, column {shown(names[0])} has {rows}."
            faults.add((*loc, name), problem, "ragged", "Send columns of one length.")
    if len(faults) > before:
        return None
    if not rows:
        refuse_empty(loc, faults)
        return None
    return Sheet(names, [value[name] for name in names], rows, lambda column, row: (*loc, names[column], row))


def _refuse_row(row: Any, expected: str, loc: Loc, faults: Faults) -> None:
    problem = f"Row {loc[-1]} is {shown(row)}, not {expected}."
    faults.add(loc, problem, "row_expected", f"Send each row as {expected}.")


def _refuse_names(row: Mapping[Any, Any], names: Sequence[Any], place: str, loc: Loc, faults: Faults) -> None:
    expected = set(names)
    listed = ", ".join(map(repr, names[:20])) + (", …" if len(names) > 20 else "")
    missing = [name for name in names if name not in row]
    for key in row:
        if key not in expected:
            near = hint(key, missing or names)
            problem = f"{place} has an unknown column {shown(key)}.{near}"
            faults.add((*loc, str(key)), problem, "unknown_column", f"The columns are {listed}.")
    for name in missing:
        faults.add((*loc, name), f"{place} lacks the column {shown(name)}.", "missing_column", f"Send all of {listed}.")


def _columns(count: int) -> str:
    return f"{count} column{'' if count == 1 else 's'}"


def _values(count: int) -> str:
    return f"{count} value{'' if count == 1 else 's'}"


_REMEDY = "Send a list of rows: [[…], …] or [{…}, …]."
