"""Answers in every format, and those that have no such form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse

from nbserve.core.codecs import accepted
from nbserve.core.schema import Datatype, Feature, Signature
from nbserve.errors import NotAcceptable, OutputError
from tests.bodies import TYPES, read

PLAIN = Signature("predict")
CLASSES = Signature("predict_proba", outputs=(Feature("no", Datatype.NUMBER), Feature("yes", Datatype.NUMBER)))
TABLES = ("arrow", "parquet", "csv")


def answered(kind: str, answer: Any, signature: Signature = PLAIN) -> Any:
    medium = accepted(TYPES[kind])
    assert medium is not None
    return read(kind, medium.write(answer, signature))


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize(
    ("answer", "columns"),
    [
        (np.array([1, 2]), {"predict_result": [1, 2]}),
        (np.array(["a", 'b,\n"c"']), {"predict_result": ["a", 'b,\n"c"']}),
        (np.array(["a", "b"], dtype=object), {"predict_result": ["a", "b"]}),
        ([1.5, 2.5], {"predict_result": [1.5, 2.5]}),
        (3, {"predict_result": [3]}),
        (np.float64(3.5), {"predict_result": [3.5]}),
        (np.array([[1.0, 2.0], [3.0, 4.0]]), {"0": [1.0, 3.0], "1": [2.0, 4.0]}),
        ([[1, 2], [3, 4]], {"0": [1, 3], "1": [2, 4]}),
        (scipy.sparse.csr_array([[1, 0], [0, 2]]), {"0": [1, 0], "1": [0, 2]}),
        (pd.DataFrame({"a": [1, 2], 7: ["x", "y"]}), {"a": [1, 2], "7": ["x", "y"]}),
        (pd.Series([1, 2], name="ignored"), {"predict_result": [1, 2]}),
        (pl.DataFrame({"a": [1, 2], "b": ["x", "y"]}), {"a": [1, 2], "b": ["x", "y"]}),
        (pl.Series([1, 2]), {"predict_result": [1, 2]}),
        (np.array([True, False]), {"predict_result": [True, False]}),
    ],
    ids=str,
)
def test_an_answer_is_columns(kind: str, answer: Any, columns: dict[str, list[Any]]) -> None:
    assert answered(kind, answer) == columns


@pytest.mark.parametrize("kind", TABLES)
def test_columns_are_named_like_the_outputs_if_there_are_as_many(kind: str) -> None:
    assert list(answered(kind, np.ones((2, 2)), CLASSES)) == ["no", "yes"]
    assert list(answered(kind, np.ones((2, 3)), CLASSES)) == ["0", "1", "2"]


def test_missing_values_stay_missing() -> None:
    frame = pd.DataFrame({"a": [1.5, None], "b": ["x", None], "c": pd.to_datetime(["2024-01-02", None])})
    found = answered("arrow", frame)
    assert found["a"][1] is None
    assert found["b"] == ["x", None]
    assert found["c"][1] is None
    medium = accepted(TYPES["csv"])
    assert medium is not None
    assert medium.write(frame, PLAIN) == b"a,b,c\r\n1.5,x,2024-01-02T00:00:00\r\n,,\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        np.arange(6).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.zeros((2, 3, 4), dtype="float16"),
        np.array(["a", "bc"]),
        np.array([True]),
        np.array(["2024-01-01"], dtype="datetime64[D]"),
        np.array(5),
    ],
    ids=lambda array: f"{array.dtype} {array.shape}",
)
def test_an_array_is_that_array(answer: Any) -> None:
    found = answered("npy", answer)
    np.testing.assert_array_equal(found, answer)
    assert (found.dtype, found.shape) == (answer.dtype, answer.shape)


@pytest.mark.parametrize(
    ("answer", "array"),
    [
        ([[1, 2], [3, 4]], [[1, 2], [3, 4]]),
        (np.array(["a", "bc"], dtype=object), ["a", "bc"]),
        (np.array([1, 2.5], dtype=object), [1, 2.5]),
        (pd.DataFrame({"a": [1, 2], "b": [0.5, 1]}), [[1, 0.5], [2, 1]]),
        (pd.Series([1, 2]), [1, 2]),
        (pl.DataFrame({"a": [1, 2]}), [[1], [2]]),
        (scipy.sparse.csr_array([[1, 0]]), [[1, 0]]),
        (np.float32(0.5), 0.5),
    ],
    ids=str,
)
def test_what_is_like_an_array_is_made_one(answer: Any, array: Any) -> None:
    assert answered("npy", answer).tolist() == array


@dataclass
class Verdict:
    value: int


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(
    "answer",
    [
        {"a": 1},
        None,
        (np.zeros(2), np.zeros(2)),
        [np.zeros(2), np.zeros(3)],
        [{"a": 1}],
        [[1], [2, 3]],
        ["a", [1]],
        Verdict(1),
        object(),
    ],
    ids=lambda answer: type(answer).__name__,
)
def test_an_answer_without_that_form_is_not_acceptable(kind: str, answer: Any) -> None:
    with pytest.raises(NotAcceptable) as raised:
        answered(kind, answer)
    assert "JSON" in raised.value.remedy


def test_values_of_several_kinds_are_no_array_and_no_column() -> None:
    for kind in ("npy", "arrow", "parquet"):
        with pytest.raises(NotAcceptable, match="several kinds"):
            answered(kind, np.array([1, "a"], dtype=object))
        with pytest.raises(NotAcceptable, match="several kinds"):
            answered(kind, [1, "a"])
    with pytest.raises(NotAcceptable, match="no numbers"):
        answered("npy", pd.DataFrame({"a": [1], "b": ["x"]}))
    with pytest.raises(NotAcceptable, match="3 dimensions"):
        answered("csv", np.zeros((1, 1, 1)))


def test_one_name_for_two_columns_is_the_models_fault() -> None:
    with pytest.raises(OutputError, match="two columns 'a'"):
        answered("arrow", pd.DataFrame([[1, 2]], columns=["a", "a"]))
