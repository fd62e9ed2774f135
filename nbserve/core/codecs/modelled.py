"""Rows that a class of the user's checks, each as an instance of it → the frame, array or records of the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..schema import DataArgument
from .annotations import Annotated
from .faults import Faults, Loc
from .rows import sheet_of, thawed
from .tables import Table

__all__ = ["Modelled"]


class Modelled:
    """Decodes a TABLE whose rows are instances of a pydantic class: that has the say about values and defaults."""

    def __init__(self, data: DataArgument, check: Annotated) -> None:
        self._table = Table(data)
        self._names = self._table.names
        self._check = check

    def __call__(self, rows: Any, loc: Loc, faults: Faults) -> Any:
        records = self._records(thawed(rows), loc, faults)
        instances = None if records is None else self._check(records, loc, faults)
        if instances is None or len(faults):
            return None
        dumped = [each.model_dump() for each in instances]
        columns = [[each[name] for each in dumped] for name in self._names]
        return self._table.build(columns, len(dumped), faults)

    def _records(self, rows: Any, loc: Loc, faults: Faults) -> Any:
        """An object for each row, however they were sent."""
        if isinstance(rows, Mapping):
            if not any(isinstance(each, (list, tuple)) for each in map(thawed, rows.values())):
                return [dict(rows)]
            sheet = sheet_of(rows, list(rows), loc, faults)
        elif isinstance(rows, list) and rows and isinstance(thawed(rows[0]), list):
            sheet = sheet_of(rows, self._names, loc, faults)
        elif isinstance(rows, list) and rows:
            return rows
        else:
            sheet = sheet_of(rows, self._names, loc, faults)
        if sheet is None:
            return None
        return [dict(zip(sheet.names, row, strict=True)) for row in zip(*sheet.columns, strict=True)]
