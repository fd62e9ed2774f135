"""Answers of several outputs, told apart row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nbserve.core.codecs.joining import parted


def test_outputs_by_name_are_told_apart_each() -> None:
    answer = {"label": np.arange(3), "scores": np.arange(6.0).reshape(3, 2), "told": [{"a": 1}, {"a": 2}, {"a": 3}]}
    one, two = parted(answer, [1, 2]) or []
    assert one["label"].tolist() == [0]
    assert two["scores"].tolist() == [[2.0, 3.0], [4.0, 5.0]]
    assert two["told"] == [{"a": 2}, {"a": 3}]


@pytest.mark.parametrize(
    "answer",
    [{}, {"label": np.arange(3), "all": np.arange(2)}, {"label": np.arange(3), "mean": 1.0}],
    ids=["no outputs", "another length", "no rows"],
)
def test_outputs_that_have_no_row_for_each_asked_are_not(answer: Any) -> None:
    assert parted(answer, [1, 2]) is None
