"""Functions of every sort answer to their own example, and are given what their annotations say."""

from __future__ import annotations

import functools
import json
import math
import operator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypedDict
from uuid import UUID

import numpy as np
import pandas as pd
import polars as pl
import pytest

from nbserve.core.analysis import analyse
from nbserve.core.codecs import Decoder, encode
from nbserve.errors import InputError


def answer(function: Any, body: Any = None) -> Any:
    """What it answers to a body, or to its own example, over the wire."""
    signature = analyse(function).main
    call = Decoder(signature)(json.loads(json.dumps(signature.example)) if body is None else body)
    target = function if signature.attribute == "__call__" else getattr(function, signature.method)
    return json.loads(encode(target(*call.args, **call.kwargs)))


# containers


def doubled(s: pd.Series) -> Any:
    return s * 2


def summed(a: np.ndarray, b: np.ndarray) -> Any:
    return a + b


def joined(left: pd.DataFrame, right: pd.DataFrame) -> Any:
    return left.merge(right, on="k")


def priced(rows: pl.DataFrame) -> Any:
    return rows.with_columns((pl.col("a") * 2).alias("b"))


def weighted(X: Any, w: np.ndarray | None = None) -> Any:
    return X if w is None else float(w.sum())


@pytest.mark.parametrize(
    ("function", "body", "expected"),
    [
        (doubled, {"s": [1, 2]}, [2, 4]),
        (summed, {"a": [1, 2], "b": [3, 4]}, [4, 6]),
        (joined, {"left": [{"k": 1, "a": 2}], "right": [{"k": 1, "b": 3}]}, [{"k": 1, "a": 2, "b": 3}]),
        (priced, {"rows": [{"a": 1}]}, [{"a": 1, "b": 2}]),
        (priced, {"rows": {"a": [1, 2]}}, [{"a": 1, "b": 2}, {"a": 2, "b": 4}]),
        (weighted, {"X": 1, "w": [1, 2]}, 3.0),
    ],
)
def test_every_annotated_argument_is_put_into_its_container(function: Any, body: Any, expected: Any) -> None:
    assert answer(function, body) == expected
    assert answer(function) is not None


# wrappers


def passing(function: Any) -> Any:
    @functools.wraps(function)
    def wrapped(*args: Any) -> Any:
        return function(*args)

    return wrapped


def renaming(function: Any) -> Any:
    @functools.wraps(function)
    def wrapped(self: Any, data: Any, **options: Any) -> Any:
        return function(self, data, **options)

    return wrapped


class Passed:
    @passing
    def predict(self, X: Any) -> Any:
        return [sum(row) for row in X]


class Renamed:
    @renaming
    def predict(self, X: Any, k: int = 1, top: int = 2) -> Any:
        return [[sum(row) * k, top] for row in X]


@functools.singledispatch
def kind_of(x: Any) -> str:
    return type(x).__name__


@pytest.mark.parametrize("model", [Passed(), Renamed(), kind_of], ids=["any arguments", "other names", "dispatch"])
def test_what_wraps_a_function_gets_its_arguments_by_position(model: Any) -> None:
    assert answer(model)


def test_arguments_after_one_that_is_left_out_are_given_by_name() -> None:
    assert answer(Renamed(), {"X": [[1, 2]], "top": 5}) == [[3, 5]]


@functools.lru_cache
def halved(x):
    return x / 2


@functools.cache
def loud(words):
    return words.upper()


@pytest.mark.parametrize(
    "function",
    [
        operator.itemgetter(1),
        max,
        len,
        sum,
        sorted,
        chr,
        abs,
        math.sqrt,
        math.factorial,
        math.hypot,
        math.pow,
        math.fsum,
        str.upper,
        ", ".join,
        np.sqrt,
        halved,
        loud,
    ],
    ids=repr,
)
def test_a_function_without_code_to_read_answers_to_its_example(function: Any) -> None:
    assert answer(function) is not None


# frames


def added(df):
    df = df.copy()
    df["twice"] = df["a"] * 2
    return df["twice"] + df.b


@pytest.mark.parametrize(
    "function",
    [
        lambda df: df.groupby("k").v.sum(),
        lambda df: df.groupby("k")["v"].sum(),
        lambda df: df.sort_values(by="k").drop_duplicates(subset=["v"]),
        lambda df: df[(df["k"] > 0) & (df["v"] > 0)].groupby("town").v.sum(),
        lambda df: df.k * 2,
        lambda df: df["when"].dt.month,
        lambda df: df.town.str.len(),
        lambda df: pd.get_dummies(df, columns=["town"]).sum(),
        added,
    ],
    ids=[
        "groups",
        "group by subscript",
        "by keyword",
        "masks",
        "attribute",
        "moments",
        "texts",
        "dummies",
        "written columns",
    ],
)
def test_the_columns_that_code_reads_are_in_the_example(function: Any) -> None:
    assert answer(function)
    assert "x0" not in json.dumps(analyse(function).main.example)


def test_a_column_that_the_code_wrote_itself_is_not_asked_for() -> None:
    assert list(analyse(added).main.example["df"][0]) == ["a", "b"]


def without_first(X):
    X = X.copy()
    X[:, 0] = 0
    return X


def test_an_array_that_is_written_into_is_an_array() -> None:
    assert answer(without_first, {"X": [[1, 2]]}) == [[0, 2]]


# annotations


class Point(TypedDict):
    x: int


@dataclass
class Letter:
    pages: int
    body: bytes = b""


def made(annotation: Any) -> Any:
    def echo(value: Any) -> Any:
        return value

    echo.__annotations__["value"] = annotation
    return echo


@pytest.mark.parametrize("annotation", [bytes, list[bytes], UUID, timedelta, Path, Point, list[Point]], ids=str)
def test_the_example_of_an_annotation_comes_back_as_it_was_sent(annotation: Any) -> None:
    sent = analyse(made(annotation)).main.example["value"]
    assert sent is not None
    assert answer(made(annotation)) == sent


def test_a_complex_number_is_sent_as_a_text_and_answered_in_parts() -> None:
    assert analyse(made(complex)).main.example == {"value": "1+2j"}
    assert answer(made(complex)) == {"real": 1.0, "imag": 2.0}


@pytest.mark.parametrize("sent", ["aGk=", "+/+/", ""])
def test_bytes_are_sent_as_they_are_answered(sent: str) -> None:
    assert answer(made(bytes), {"value": sent}) == sent
    assert answer(made(Letter), {"value": {"pages": 1, "body": sent}}) == {"pages": 1, "body": sent}


def test_bytes_that_are_no_base64_are_the_callers_fault() -> None:
    with pytest.raises(InputError, match="valid base64"):
        answer(made(bytes), {"value": "!!"})


@pytest.mark.parametrize("annotation", [Point, Point | None, list[Point], dict[str, Point]], ids=str)
def test_a_typed_dict_is_checked_in_every_python(annotation: Any) -> None:
    wrong = {list[Point]: [{"x": "1"}], dict[str, Point]: {"a": {"x": "1"}}}.get(annotation, {"x": "1"})
    with pytest.raises(InputError) as refused:
        answer(made(annotation), {"value": wrong})
    assert refused.value.faults[0].loc[-1] == "x"
