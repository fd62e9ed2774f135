"""Models that wait at a gate."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from tests.client import PATIENCE_S

__all__ = ["Gated", "GatedRows"]


class Gated:
    """A model that answers when it is let."""

    def __init__(self) -> None:
        self.is_inside = threading.Event()
        self.may_leave = threading.Event()
        self.calls = 0

    def predict(self, X):
        self.calls += 1
        self.is_inside.set()
        assert self.may_leave.wait(PATIENCE_S)
        return X


class GatedRows:
    """Sums each row when it is let; keeps how many rows came in each call."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.is_inside = threading.Event()
        self.may_leave = threading.Event()

    def predict(self, X: np.ndarray) -> Any:
        self.sizes.append(len(X))
        self.is_inside.set()
        assert self.may_leave.wait(PATIENCE_S)
        return self.answered(X)

    def answered(self, X: np.ndarray) -> Any:
        return X.sum(axis=1)
