"""Rows of named columns become the frame that the model was trained on, however they are sent."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from nbserve.core.codecs import Decoder
from nbserve.core.schema import Container, DataArgument, DataKind, Datatype, Feature, Signature
from nbserve.errors import InputError
from tests.malformed import PASSENGER, SIGNATURES

TITANIC = Decoder(SIGNATURES["titanic"])


def table(*features: Feature, container: Container = Container.PANDAS) -> Decoder:
    return Decoder(Signature("predict", DataArgument("X", DataKind.TABLE, container, features)))


def column(feature: Feature, *values: Any) -> Any:
    """What the values of one feature become."""
    return table(feature)({"X": [{feature.name: value} for value in values]}).kwargs["X"][feature.name]


def fault_of(feature: Feature, *values: Any) -> str:
    with pytest.raises(InputError) as caught:
        column(feature, *values)
    return caught.value.problem


FORMS = {
    "records": [PASSENGER, PASSENGER],
    "shuffled records": [dict(reversed(PASSENGER.items())), PASSENGER],
    "lists": [list(PASSENGER.values())] * 2,
    "columns": {name: [value] * 2 for name, value in PASSENGER.items()},
    "shuffled columns": {name: [value] * 2 for name, value in reversed(PASSENGER.items())},
    "tuples": (tuple(PASSENGER.values()),) * 2,
    "arrays by column": {name: np.array([value] * 2) for name, value in PASSENGER.items()},
    "object array": np.array([list(PASSENGER.values())] * 2, dtype=object),
    "polars frame": pl.DataFrame([PASSENGER] * 2).select("sex", "embarked", "fare", "age"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_rows_gives_the_same_frame(form: str) -> None:
    call = TITANIC({"X": FORMS[form]})
    expected = pd.DataFrame([PASSENGER] * 2).astype({"age": float})
    pd.testing.assert_frame_equal(call.kwargs["X"], expected)
    assert (call.args, call.rows) == ((), 2)


def test_a_frame_is_brought_into_the_models_order_and_else_left_alone() -> None:
    frame = pd.DataFrame([PASSENGER], index=["first"])
    call = TITANIC({"X": frame[["sex", "age", "embarked", "fare"]]})
    pd.testing.assert_frame_equal(call.kwargs["X"], frame)


def test_a_frame_with_wrong_columns_is_refused_by_name() -> None:
    frame = pd.DataFrame([PASSENGER]).rename(columns={"age": "agee"})
    with pytest.raises(InputError, match=r"unknown column 'agee'\. Did you mean 'age'") as caught:
        TITANIC({"X": frame})
    assert [fault.loc for fault in caught.value.faults] == [("X", "agee"), ("X", "age")]


def test_a_frame_with_two_columns_of_a_name_is_refused() -> None:
    frame = pd.DataFrame([PASSENGER])
    with pytest.raises(InputError, match=r"'X' has two columns 'age'\. Send columns of different names") as caught:
        TITANIC({"X": pd.concat([frame, frame[["age"]]], axis=1)})
    assert [(fault.loc, fault.type) for fault in caught.value.faults] == [(("X", "age"), "duplicate")]


def test_a_frame_without_rows_is_refused() -> None:
    with pytest.raises(InputError, match="is empty"):
        TITANIC({"X": pd.DataFrame([PASSENGER])[:0]})


def test_one_record_alone_is_one_row() -> None:
    assert TITANIC({"X": PASSENGER}).rows == 1


_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "age": st.floats(-1e6, 1e6) | st.integers(-1000, 1000) | st.booleans(),
            "fare": st.none() | st.floats(0, 1e6),
            "sex": st.sampled_from(["male", "female"]),
            "embarked": st.sampled_from(["S", "C", "Q", None]),
        }
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=100, deadline=None)
@given(_ROWS, st.data())
def test_the_order_of_columns_never_changes_the_frame(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    shuffled = [{name: row[name] for name in data.draw(st.permutations(list(row)))} for row in rows]
    in_order = [[row[name] for name in PASSENGER] for row in rows]
    frame = TITANIC({"X": in_order}).kwargs["X"]
    pd.testing.assert_frame_equal(TITANIC({"X": shuffled}).kwargs["X"], frame)
    columns = {name: [row[name] for row in rows] for name in data.draw(st.permutations(list(PASSENGER)))}
    pd.testing.assert_frame_equal(TITANIC({"X": columns}).kwargs["X"], frame)


DTYPES = [
    (Feature("a", Datatype.NUMBER, "float64"), [1, 2.5, True], "float64", [1.0, 2.5, 1.0]),
    (Feature("a", Datatype.NUMBER), [1], "float64", [1.0]),
    (Feature("a", Datatype.NUMBER, "float32"), [0.5], "float32", [0.5]),
    (Feature("a", Datatype.NUMBER, "int64"), [1, 2.0], "int64", [1, 2]),
    (Feature("a", Datatype.NUMBER, "int64"), [1, 2.5], "float64", [1.0, 2.5]),
    (Feature("a", Datatype.NUMBER, "int64"), [2**63], "float64", [float(2**63)]),
    (Feature("a", Datatype.INTEGER, "int64"), [1, 2.0], "int64", [1, 2]),
    (Feature("a", Datatype.INTEGER, "uint8"), [255], "uint8", [255]),
    (Feature("a", Datatype.INTEGER), [1], "int64", [1]),
    (Feature("a", Datatype.INTEGER, "Int64", nullable=True), [1, None], "Int64", [1, pd.NA]),
    (Feature("a", Datatype.BOOLEAN, "bool"), [True, 0], "bool", [True, False]),
    (Feature("a", Datatype.BOOLEAN, "boolean", nullable=True), [True, None], "boolean", [True, pd.NA]),
    (Feature("a", Datatype.STRING, "object"), ["x"], "object", ["x"]),
    (Feature("a", Datatype.STRING, "string"), ["x"], "string", ["x"]),
    (Feature("a", Datatype.STRING, "str"), ["x"], "str", ["x"]),
    (Feature("a", Datatype.STRING), ["x"], "str", ["x"]),
    (Feature("a", Datatype.STRING, "category", categories=("x", "y")), ["x"], "category", ["x"]),
    (Feature("a", Datatype.DATETIME, "datetime64[ns]"), ["2020-01-02"], "datetime64[ns]", [pd.Timestamp("2020-01-02")]),
    (Feature("a"), [1, 2], "int64", [1, 2]),
    (Feature("a", dtype="object"), [1, [2], "x"], "object", [1, [2], "x"]),
]


@pytest.mark.parametrize(("feature", "sent", "dtype", "expected"), DTYPES)
def test_a_column_has_the_dtype_of_training(feature: Feature, sent: list[Any], dtype: str, expected: Any) -> None:
    made = column(feature, *sent)
    assert str(made.dtype) == dtype
    assert list(made) == expected or [str(each) for each in made] == [str(each) for each in expected]


MISSING = [
    Feature("a", Datatype.NUMBER, "float64", nullable=True),
    Feature("a", Datatype.INTEGER, "int64", nullable=True),
    Feature("a", Datatype.STRING, "str", nullable=True),
    Feature("a", Datatype.STRING, "object", nullable=True),
    Feature("a", Datatype.STRING, "category", nullable=True, categories=("x", None)),
    Feature("a", Datatype.STRING, "category", nullable=True, categories=("x",)),
    Feature("a", Datatype.DATETIME, "datetime64[us]", nullable=True),
    Feature("a", Datatype.BOOLEAN, "bool", nullable=True),
]


@pytest.mark.parametrize("feature", MISSING, ids=lambda feature: str(feature.dtype))
def test_null_is_missing_where_it_may_be_and_refused_where_not(feature: Feature) -> None:
    assert column(feature, None).isna().tolist() == [True]
    strict = Feature("a", feature.datatype, feature.dtype, categories=feature.categories)
    assert fault_of(strict, None) == "Feature 'a' of row 0 is null; the model does not accept missing values."


def test_a_missing_object_is_nan_unless_training_knew_it_as_none() -> None:
    plain = Feature("a", Datatype.STRING, "object", nullable=True)
    knows_none = Feature("a", Datatype.STRING, "object", nullable=True, categories=("x", None), closed=True)
    assert math.isnan(column(plain, "x", None)[1])
    assert column(knows_none, "x", None)[1] is None


REFUSED = [
    (Feature("a", Datatype.NUMBER), ["1"], "expects a number, row 0 holds '1'."),
    (Feature("a", Datatype.NUMBER), [1, math.inf], "row 1 holds inf, which is out of range."),
    (Feature("a", Datatype.NUMBER), [10**400], "a huge integer, which is out of range."),
    (Feature("a", Datatype.NUMBER, "float32"), [1e300], "row 0 holds 1e+300, which is out of range."),
    (Feature("a", Datatype.INTEGER), [1, 2.5], "expects an integer, row 1 holds 2.5."),
    (Feature("a", Datatype.INTEGER), [2**63], "which is out of range."),
    (Feature("a", Datatype.INTEGER), [1e20], "which is out of range."),
    (Feature("a", Datatype.INTEGER), [-(2.0**63)], "which is out of range."),
    (Feature("a", Datatype.INTEGER, "uint8"), [256], "row 0 holds 256, which is out of range."),
    (Feature("a", Datatype.INTEGER, "uint8"), [-1], "row 0 holds -1, which is out of range."),
    (Feature("a", Datatype.BOOLEAN), ["true"], "expects true or false, row 0 holds 'true'."),
    (Feature("a", Datatype.BOOLEAN), [2], "row 0 holds 2."),
    (Feature("a", Datatype.STRING), ["x", 1], "expects a string, row 1 holds 1."),
    (Feature("a", Datatype.STRING), [["x"]], "row 0 holds a list."),
    (
        Feature("a", Datatype.INTEGER, "object", (-1,)),
        [[1, "x"]],
        "each an integer, row 0 holds a list, in which is 'x'.",
    ),
    (
        Feature("a", Datatype.INTEGER, "object", (-1,)),
        [[1], [2**63]],
        f"row 1 holds a list, in which is {2**63}, which is out of range.",
    ),
    (
        Feature("a", Datatype.STRING, "object", (-1,), categories=("x", "y"), closed=True),
        [["x"], ["y", "z"]],
        "expects one of 'x', 'y'; row 1 holds 'z'.",
    ),
    (Feature("a", Datatype.DATETIME), ["yesterday"], "expects a date and time in ISO 8601, row 0 holds 'yesterday'."),
    (Feature("a", Datatype.DATETIME), ["now"], "row 0 holds 'now'."),
    (Feature("a", Datatype.DATETIME), ["2020-02-30"], "row 0 holds '2020-02-30'."),
    (Feature("a", Datatype.DATETIME), [20200102], "row 0 holds 20200102."),
    (Feature("a", Datatype.STRING, categories=tuple("abcdefghijkl"), closed=True), ["z"], "and 4 others"),
    (Feature("a", Datatype.NUMBER, categories=(1, 2), closed=True), [True], "expects one of 1, 2"),
]


@pytest.mark.parametrize(("feature", "sent", "says"), REFUSED)
def test_a_value_that_does_not_fit_is_refused_with_its_row(feature: Feature, sent: list[Any], says: str) -> None:
    assert says in fault_of(feature, *sent)


def test_a_category_that_the_model_may_not_know_passes_when_the_list_is_open() -> None:
    open_list = Feature("a", Datatype.STRING, "object", categories=("x",))
    assert column(open_list, "z").tolist() == ["z"]


def test_moments_with_a_zone_are_brought_to_utc() -> None:
    naive = Feature("a", Datatype.DATETIME, "datetime64[ns]")
    aware = Feature("a", Datatype.DATETIME, "datetime64[ns, UTC]")
    sent = ["2020-01-02T03:00:00+02:00", "2020-01-02T01:00:00", "2020-01-02T01:00:00Z"]
    assert set(column(naive, *sent)) == {pd.Timestamp("2020-01-02T01:00:00")}
    assert set(column(aware, *sent)) == {pd.Timestamp("2020-01-02T01:00:00Z")}


def test_a_moment_out_of_the_dtypes_range_is_the_callers_fault() -> None:
    assert "row 1" in fault_of(Feature("a", Datatype.DATETIME, "datetime64[ns]"), "2020-01-02", "9999-01-01")


def test_iso_weeks_are_dates_too() -> None:
    assert column(Feature("a", Datatype.DATETIME, "datetime64[ns]"), "2020-W01-1")[0] == pd.Timestamp("2019-12-30")


def test_numeric_tables_for_numpy_models_are_arrays_of_floats() -> None:
    decoder = table(
        Feature("a", Datatype.NUMBER), Feature("b", Datatype.INTEGER, nullable=True), container=Container.NUMPY
    )
    array = decoder({"X": [{"b": None, "a": 1}, {"a": 2, "b": 3}]}).kwargs["X"]
    assert array.dtype == np.float64
    np.testing.assert_array_equal(array, [[1, math.nan], [2, 3]])


def test_mixed_tables_for_numpy_models_are_arrays_of_objects() -> None:
    decoder = table(Feature("a", Datatype.NUMBER), Feature("b", Datatype.STRING), container=Container.NUMPY)
    array = decoder({"X": [{"b": "x", "a": 1}]}).kwargs["X"]
    assert array.dtype == object
    assert array.tolist() == [[1, "x"]]


def test_tables_for_plain_python_are_lists_in_the_columns_order() -> None:
    decoder = table(Feature("a", Datatype.NUMBER), Feature("b", Datatype.STRING), container=Container.PYTHON)
    assert decoder({"X": [{"b": "x", "a": 1}]}).kwargs["X"] == [[1, "x"]]


@pytest.mark.parametrize("dtype", ["str", "object", "category"])
def test_encoders_fitted_with_missing_values_take_what_null_becomes(dtype: str) -> None:
    frame = pd.DataFrame(
        {"sex": pd.Series(["male", "female", np.nan, "male"], dtype=dtype), "age": [1.0, 2, 3, np.nan]}
    )
    model = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(), ["sex"]),
            (make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()), ["sex"]),
            (SimpleImputer(), ["age"]),
        ),
        LogisticRegression(),
    ).fit(frame, [0, 1, 0, 1])
    decoder = table(
        Feature("sex", Datatype.STRING, dtype, nullable=True, categories=("female", "male")),
        Feature("age", Datatype.NUMBER, "float64", nullable=True),
    )
    rows = [{"age": None, "sex": "male"}, {"age": 3, "sex": None}]
    expected = model.predict_proba(pd.DataFrame({"sex": frame["sex"][[0, 2]], "age": [np.nan, 3.0]}))
    np.testing.assert_allclose(model.predict_proba(decoder({"X": rows}).kwargs["X"]), expected)
