"""Rows of unnamed numbers become an array of the width that the model expects."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from nbserve.core.codecs import Decoder
from nbserve.core.schema import Container, DataArgument, DataKind, Datatype, Feature, Signature
from nbserve.errors import InputError
from tests.malformed import SIGNATURES

IRIS = Decoder(SIGNATURES["iris"])
NAMED = tuple(Feature(name, Datatype.NUMBER) for name in ("x0", "x1"))


def matrix(container: Container = Container.NUMPY, **about: Any) -> Decoder:
    return Decoder(Signature("predict", DataArgument("X", DataKind.MATRIX, container, **about)))


def fault_of(decoder: Decoder, rows: Any) -> tuple[tuple[str | int, ...], str]:
    with pytest.raises(InputError) as caught:
        decoder({"X": rows})
    return caught.value.faults[0].loc, caught.value.problem


@pytest.mark.parametrize(
    "rows",
    [
        [[5, 3, 1, 0], [True, 3.5, 1, 0]],
        ((5, 3, 1, 0), (1, 3.5, 1, 0)),
        [np.array([5, 3, 1, 0]), np.array([1, 3.5, 1, 0])],
        np.array([[5, 3, 1, 0], [1, 3.5, 1, 0]]),
        pd.DataFrame([[5, 3, 1, 0], [1, 3.5, 1, 0]]),
        pl.DataFrame([[5, 3, 1, 0], [1, 3.5, 1, 0]], orient="row"),
    ],
    ids=["lists", "tuples", "arrays", "array", "frame", "polars"],
)
def test_every_form_of_numbers_gives_the_same_array(rows: Any) -> None:
    call = IRIS({"X": rows})
    assert call.rows == 2
    np.testing.assert_array_equal(call.kwargs["X"], [[5, 3, 1, 0], [1, 3.5, 1, 0]])
    assert call.kwargs["X"].dtype == np.float64


def test_integers_and_floats_give_one_dtype() -> None:
    assert IRIS({"X": [[1, 2, 3, 4]]}).kwargs["X"].dtype == IRIS({"X": [[1.5, 2, 3, 4]]}).kwargs["X"].dtype


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and abs(value) != math.inf)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.lists(
            st.one_of(st.integers(), st.floats(), st.none(), st.booleans(), st.text(max_size=2)), min_size=3, max_size=5
        ),
        max_size=3,
    )
)
def test_rows_are_decoded_exactly_or_refused(rows: list[Any]) -> None:
    is_good = rows and all(len(row) == 4 and all(_is_number(value) for value in row) for row in rows)
    if is_good:
        expected = [[math.nan if value is None else float(value) for value in row] for row in rows]
        np.testing.assert_array_equal(IRIS({"X": rows}).kwargs["X"], expected)
    else:
        fault_of(IRIS, rows)


def test_null_is_nan_unless_the_features_say_no() -> None:
    assert np.isnan(IRIS({"X": [[1, 2, 3, None]]}).kwargs["X"][0, 3])
    assert fault_of(matrix(features=NAMED), [[1, None]]) == (
        ("X", 0, 1),
        "Row 0, value 1 is null; the model does not accept missing values.",
    )


def test_records_are_matched_to_the_names_of_a_matrix_that_has_them() -> None:
    decoder = matrix(features=NAMED)
    for rows in ([{"x1": 2, "x0": 1}], {"x1": [2], "x0": [1]}, {"x1": 2, "x0": 1}, [[1, 2]]):
        np.testing.assert_array_equal(decoder({"X": rows}).kwargs["X"], [[1, 2]])
    frame = pd.DataFrame({"x1": [2], "x0": [1]})
    np.testing.assert_array_equal(decoder({"X": frame}).kwargs["X"], [[1, 2]])
    assert fault_of(decoder, [{"x0": 1, "x2": 2}])[0] == ("X", 0, "x2")


def test_a_matrix_for_a_pandas_model_is_a_frame() -> None:
    frame = matrix(Container.PANDAS, features=NAMED)({"X": [[1, 2]]}).kwargs["X"]
    pd.testing.assert_frame_equal(frame, pd.DataFrame({"x0": [1.0], "x1": [2.0]}))


def test_a_matrix_for_plain_python_is_lists() -> None:
    assert matrix(Container.PYTHON, width=2)({"X": [[1, 2]]}).kwargs["X"] == [[1, 2]]


@pytest.mark.parametrize(
    ("dtype", "row", "says"),
    [
        ("int64", [1, 2.5], "2.5; the model expects an integer"),
        ("int64", [1, 2**63], "out of range"),
        ("int8", [1, 128], "holds 128, which is out of range"),
        ("float32", [1, 1e39], "holds 1e+39, which is out of range"),
        ("float16", [1, 65505], "out of range"),
        ("float64", [1, math.inf], "holds inf, which is out of range"),
        ("float64", [1, 10**400], "a huge integer"),
    ],
)
def test_a_number_that_the_dtype_cannot_hold_is_refused_not_wrapped(dtype: str, row: list[Any], says: str) -> None:
    loc, problem = fault_of(matrix(width=2, dtype=dtype), [row])
    assert loc == ("X", 0, 1)
    assert says in problem


@pytest.mark.parametrize(("dtype", "row"), [("int8", [127, -128]), ("float32", [1, 3e38]), ("int64", [1, 2.0])])
def test_a_number_that_the_dtype_can_hold_is_taken(dtype: str, row: list[Any]) -> None:
    array = matrix(width=2, dtype=dtype)({"X": [row]}).kwargs["X"]
    assert array.dtype == dtype
    np.testing.assert_array_equal(array, np.array([row], dtype=dtype))


def test_without_a_width_any_rectangle_of_numbers_is_taken() -> None:
    decoder = matrix()
    assert decoder({"X": [[1, 2, 3]]}).kwargs["X"].shape == (1, 3)
    assert decoder({"X": [[[1], [2]]]}).kwargs["X"].shape == (1, 2, 1)
    assert np.isnan(decoder({"X": [[[1], [None]]]}).kwargs["X"][0, 1, 0])


@pytest.mark.parametrize(
    ("rows", "loc"),
    [
        ([[1, 2], [3]], ("X", 1)),
        ([[[1], [2]], [[3], 4]], ("X", 1, 1)),
        ([[1, "a"]], ("X", 0, 1)),
        ([[[1, {}]]], ("X", 0, 0, 1)),
        ([[]], ("X",)),
        ([1, 2], ("X",)),
        ([], ("X",)),
        ({"a": [1]}, ("X",)),
        ("abc", ("X",)),
        (None, ("X",)),
    ],
)
def test_without_a_width_what_is_no_rectangle_is_refused_with_its_place(rows: Any, loc: tuple[Any, ...]) -> None:
    assert fault_of(matrix(), rows)[0] == loc


def test_too_many_levels_are_refused_before_they_are_walked() -> None:
    rows: Any = 1
    for _ in range(1000):
        rows = [rows]
    assert "too many levels" in fault_of(matrix(), rows)[1]


def test_a_pandas_function_of_unknown_columns_gets_those_that_were_sent() -> None:
    decoder = matrix(Container.PANDAS)
    expected = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    for rows in ([{"a": 1, "b": "x"}, {"b": None, "a": 2}], {"a": [1, 2], "b": ["x", None]}, expected):
        pd.testing.assert_frame_equal(decoder({"X": rows}).kwargs["X"], expected)
    assert list(decoder({"X": [[1, 2]]}).kwargs["X"].columns) == [0, 1]
    assert fault_of(decoder, [{"a": 1}, {"c": 1}])[0] == ("X", 1, "c")
    assert fault_of(decoder, [[1], [1, 2]])[0] == ("X", 1)


@pytest.mark.parametrize("rows", [np.ones((2, 3)), np.ones(4), np.ones((0, 4)), pd.DataFrame(np.ones((1, 5)))])
def test_native_data_of_another_shape_is_refused(rows: Any) -> None:
    assert fault_of(IRIS, rows)[0] == ("X",)


def test_a_sparse_matrix_is_passed_as_it_is() -> None:
    rows = scipy.sparse.csr_matrix(np.eye(4))
    call = IRIS({"X": rows})
    assert call.kwargs["X"] is rows
    assert call.rows == 4
