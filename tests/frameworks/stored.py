"""A fitted model, as a file of which a server has the bytes."""

from __future__ import annotations

import io
from typing import Any

import joblib
from sklearn.linear_model import LogisticRegression

from tests.models import iris_array, iris_target

__all__ = ["dumped", "fitted"]


def fitted(inverse_strength: float = 1.0) -> LogisticRegression:
    return LogisticRegression(C=inverse_strength, max_iter=500).fit(iris_array(), iris_target())


def dumped(model: Any) -> bytes:
    stream = io.BytesIO()
    joblib.dump(model, stream)
    return stream.getvalue()
