"""What a call costs, learned from the calls: a fixed part and a part for each row."""

from __future__ import annotations

import math

__all__ = ["Cost"]

KEPT = 0.9
"""How much of what is known stays with each new call: the newest twenty or so are what counts."""

OUTLIER = 4.0
"""A call that takes so many times what was expected counts as no more: a pause of the machine, or the beginning of a
change, which the next calls confirm."""


class Cost:
    """`fixed_s + rows * row_s`: a line through the newest calls, by least squares.

    Calls of several threads may be noted at once: at worst one is lost.
    """

    def __init__(self) -> None:
        self.fixed_s: float | None = None
        self.row_s = 0.0
        self._weight = self._rows = self._seconds = self._squares = self._products = 0.0

    def note(self, rows: int, seconds: float) -> None:
        """A call of so many rows took so long."""
        expected = self.of(rows)
        if expected is not None:
            seconds = min(seconds, OUTLIER * expected + 1e-5)
        self._weight = self._weight * KEPT + 1
        self._rows = self._rows * KEPT + rows
        self._seconds = self._seconds * KEPT + seconds
        self._squares = self._squares * KEPT + rows * rows
        self._products = self._products * KEPT + rows * seconds
        self._fit()

    def of(self, rows: int) -> float | None:
        """What a call of so many rows is going to take; None before the first."""
        return None if self.fixed_s is None else self.fixed_s + rows * self.row_s

    def rows_within(self, seconds: float) -> int:
        """How many rows a call of that length may have; 0 if not one, or if nothing is known."""
        if self.fixed_s is None or self.fixed_s + self.row_s > seconds:
            return 0
        return int((seconds - self.fixed_s) / self.row_s) if self.row_s > 0 else _MANY

    def rows_worth_joining(self, share: float) -> int:
        """From how many rows on the fixed part is less than that share of a call: more together gain nothing."""
        if self.fixed_s is None or self.row_s <= 0:
            return _MANY
        return min(_MANY, math.ceil(self.fixed_s * (1 - share) / (share * self.row_s)))

    def _fit(self) -> None:
        rows, seconds = self._rows / self._weight, self._seconds / self._weight
        spread = self._squares / self._weight - rows * rows
        together = self._products / self._weight - rows * seconds
        # calls that were all of one size tell nothing about the rows: then all of it is held to be fixed
        slope = max(0.0, together / spread) if spread > 1e-6 * rows * rows else 0.0
        self.row_s = min(slope, seconds / rows) if rows else 0.0
        self.fixed_s = max(0.0, seconds - self.row_s * rows)


_MANY = 1 << 30
