"""Rows in any format come to what the same rows in JSON come to."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from nbserve.core.analysis import analyse
from nbserve.core.codecs import Body, Bounds, Decoder, sent_as
from nbserve.core.schema import Container, DataArgument, DataKind, Datatype, Feature, Signature
from nbserve.errors import BodyError, InputError
from tests.bodies import TYPES, arrow, npy, parquet
from tests.models import (
    iris_array,
    iris_target,
    logistic_on_arrays,
    logistic_on_frame,
    text_pipeline,
    titanic_frame,
    titanic_input,
    titanic_pipeline,
)

TABLES: dict[str, Callable[[Any], bytes]] = {
    "arrow": arrow,
    "arrow-compressed": lambda rows: arrow(rows, "zstd"),
    "arrow-batches": lambda rows: arrow(rows, batch=7),
    "parquet": parquet,
    "parquet-groups": lambda rows: parquet(rows, row_group_size=7, compression="gzip", data_page_version="2.0"),
    "csv": lambda rows: rows.to_csv(index=False).encode(),
}


def decoder(model: Any) -> Decoder:
    return Decoder(analyse(model).signatures[0])


def rows_in(decode: Decoder, kind: str, content: bytes, parameters: str = "", **arguments: Any) -> Any:
    medium, given = sent_as(TYPES[kind.partition("-")[0]] + parameters)
    assert medium is not None
    call = Body(medium, content, Bounds(1 << 24), given, arguments).read(decode)
    return decode.placement.data_of(call)


def json_rows(decode: Decoder, rows: Any) -> Any:
    call = decode.from_bytes(json.dumps({"X": rows}).encode())
    return decode.placement.data_of(call)


def titanic() -> Any:
    return titanic_pipeline().fit(titanic_input(), titanic_frame()["survived"])


@pytest.fixture(scope="module")
def on_titanic() -> Decoder:
    return decoder(titanic())


@pytest.fixture(scope="module")
def on_iris() -> Decoder:
    return decoder(logistic_on_arrays())


@pytest.mark.parametrize("kind", TABLES)
def test_a_frame_of_text_numbers_and_gaps_is_that_of_json(on_titanic: Decoder, kind: str) -> None:
    frame = titanic_input()
    wanted = json_rows(on_titanic, json.loads(frame.to_json(orient="records")))
    backwards = frame[frame.columns[::-1]]
    found = rows_in(on_titanic, kind, TABLES[kind](backwards))
    pd.testing.assert_frame_equal(found, wanted)


@pytest.mark.parametrize("kind", TABLES)
def test_columns_for_an_array_are_put_in_the_models_order(on_iris: Decoder, kind: str) -> None:
    frame = pd.DataFrame(iris_array(), columns=["x0", "x1", "x2", "x3"])
    found = rows_in(on_iris, kind, TABLES[kind](frame[["x2", "x0", "x3", "x1"]]))
    wanted = json_rows(on_iris, iris_array().tolist())
    np.testing.assert_array_equal(found, wanted)
    assert found.flags.c_contiguous == wanted.flags.c_contiguous


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows,
        lambda rows: np.asfortranarray(rows),
        lambda rows: rows.astype(">f8"),
        lambda rows: rows.astype("f4").astype("f8"),
        lambda rows: rows.astype("i1"),
        lambda rows: rows > 2,
    ],
    ids=["as it is", "Fortran's order", "big-endian", "single", "bytes", "booleans"],
)
def test_an_array_is_what_its_lists_are(on_iris: Decoder, change: Callable[[Any], Any]) -> None:
    rows = change(iris_array())
    found = rows_in(on_iris, "npy", npy(rows))
    wanted = json_rows(on_iris, rows.tolist())
    np.testing.assert_array_equal(found, wanted)
    assert found.dtype == wanted.dtype
    assert found.flags.c_contiguous


def test_an_array_for_a_library_is_a_view_of_the_body_and_one_for_a_function_is_its_own(on_iris: Decoder) -> None:
    assert rows_in(on_iris, "npy", npy(iris_array())).base is not None
    assert not rows_in(on_iris, "npy", npy(iris_array())).flags.writeable

    def scaled(X: np.ndarray) -> Any:
        X *= 2
        return X

    content = npy(iris_array())
    found = rows_in(decoder(scaled), "npy", content)
    found *= 2
    assert content == npy(iris_array())


def test_an_array_for_a_frame_has_its_columns(on_titanic: Decoder) -> None:
    on_frame = decoder(logistic_on_frame())
    found = rows_in(on_frame, "npy", npy(iris_array()))
    pd.testing.assert_frame_equal(found, json_rows(on_frame, iris_array().tolist()))
    with pytest.raises(InputError, match=r"\(150, 4\)|has 4 columns, the model expects 5"):
        rows_in(on_titanic, "npy", npy(iris_array()))


def test_a_structured_array_has_columns_by_name(on_iris: Decoder) -> None:
    frame = pd.DataFrame(iris_array(), columns=["x0", "x1", "x2", "x3"])[["x3", "x0", "x1", "x2"]]
    found = rows_in(on_iris, "npy", npy(frame.to_records(index=False)))
    np.testing.assert_array_equal(found, iris_array())


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("npy", npy(np.array(["good", "bad"]))),
        ("npy", npy(np.array([["good"], ["bad"]]))),
        ("arrow", arrow({"any": ["good", "bad"]})),
        ("arrow", arrow({"any": pa.array(["good", "bad"]).dictionary_encode()})),
        ("arrow", arrow({"any": pa.array(["good", "bad"], pa.string_view())})),
        ("parquet", parquet({"any": ["good", "bad"]})),
        ("csv; header=present", b"text\ngood\nbad\n"),
        ("csv; header=absent", b'good\n"bad"\n'),
    ],
    ids=["npy", "npy-column", "arrow", "arrow-dictionary", "arrow-views", "parquet", "csv-header", "csv"],
)
def test_one_column_of_text_is_texts(kind: str, content: bytes) -> None:
    kind, _, parameters = kind.partition(";")
    assert rows_in(decoder(text_pipeline()), kind, content, f";{parameters}") == ["good", "bad"]


def test_a_text_model_refuses_two_columns_and_numbers() -> None:
    decode = decoder(text_pipeline())
    with pytest.raises(InputError, match="2 columns, the model expects one of text"):
        rows_in(decode, "arrow", arrow({"a": ["x"], "b": ["y"]}))
    with pytest.raises(InputError, match="Text 0 is 1, not a string"):
        rows_in(decode, "arrow", arrow({"a": [1]}))


def test_a_function_of_polars_gets_its_frame() -> None:
    def shown(frame: pl.DataFrame) -> Any:
        return frame

    table = {"n": [1, None], "s": ["a", None], "t": pa.array([0, 1], pa.timestamp("us", "UTC"))}
    found = rows_in(decoder(shown), "arrow", arrow(table))
    assert found.schema == {"n": pl.Int64, "s": pl.String, "t": pl.Datetime("us", "UTC")}
    assert found["s"].to_list() == ["a", None]
    assert rows_in(decoder(shown), "csv", b"a,b\n1,x\n,y\n").to_dict(as_series=False) == {
        "a": [1.0, None],
        "b": ["x", "y"],
    }


def test_a_function_of_pandas_gets_its_frame_series_or_array() -> None:
    def framed(frame: pd.DataFrame) -> Any:
        return frame

    def listed(series: pd.Series) -> Any:
        return series

    def arrayed(X: np.ndarray) -> Any:
        return X

    found = rows_in(decoder(framed), "arrow", arrow({"n": [1, 2], "s": ["a", None]}))
    assert found["n"].tolist() == [1, 2]
    assert found["s"].isna().tolist() == [False, True]
    assert rows_in(decoder(listed), "arrow", arrow({"n": [1.5, 2]})).tolist() == [1.5, 2]
    assert rows_in(decoder(listed), "npy", npy(np.array([1.5, 2]))).tolist() == [1.5, 2]
    images = np.zeros((2, 3, 3), dtype="uint8")
    found = rows_in(decoder(arrayed), "npy", npy(images))
    assert (found.dtype, found.shape) == (images.dtype, images.shape)
    assert rows_in(decoder(arrayed), "arrow", arrow({"b": [1, 2], "a": [3, 4]})).tolist() == [[1, 3], [2, 4]]


def test_a_function_of_anything_gets_what_json_would_give_it() -> None:
    def same(anything) -> Any:
        return anything

    def tripled(values: list[float]) -> Any:
        return values

    assert rows_in(decoder(same), "arrow", arrow({"a": [1], "b": ["x"]})) == [{"a": 1, "b": "x"}]
    assert rows_in(decoder(same), "npy", npy(np.array([[1, 2]]))) == [[1, 2]]
    assert rows_in(decoder(tripled), "npy", npy(np.array([1.5, 2]))) == [1.5, 2]
    with pytest.raises(InputError):
        rows_in(decoder(tripled), "npy", npy(np.array(["a"])))


DAYS = pd.DataFrame(
    {
        "when": pd.to_datetime(["2024-02-29T12:00:00.5", "1970-01-01"], format="ISO8601"),
        "size": pd.Categorical(["small", None], categories=["large", "small"]),
        "count": [1, 2],
        "is_new": [True, False],
    }
)
FEATURES = (
    Feature("when", Datatype.DATETIME, "datetime64[ns]"),
    Feature("size", Datatype.STRING, "category", nullable=True, categories=("large", "small"), closed=True),
    Feature("count", Datatype.INTEGER, "int16"),
    Feature("is_new", Datatype.BOOLEAN, "bool"),
)


def of_features(*features: Feature, container: Container = Container.PANDAS, dtype: str | None = None) -> Decoder:
    data = DataArgument("X", DataKind.TABLE, container, features, len(features), dtype=dtype)
    return Decoder(Signature("predict", data, row_wise=True))


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("container", [Container.PANDAS, Container.NUMPY, Container.PYTHON, Container.POLARS])
def test_moments_categories_integers_and_booleans_are_those_of_json(kind: str, container: Container) -> None:
    decode = of_features(*FEATURES, container=container)
    wanted = json_rows(decode, json.loads(DAYS.to_json(orient="records", date_format="iso", date_unit="us")))
    content = DAYS.to_csv(index=False, date_format="%Y-%m-%dT%H:%M:%S.%f") if kind == "csv" else None
    found = rows_in(decode, kind, TABLES[kind](DAYS) if content is None else content.encode())
    if container is Container.PANDAS:
        pd.testing.assert_frame_equal(found, wanted)
    elif container is Container.POLARS:
        assert found["count"].to_list() == wanted["count"].to_list()
        assert found["size"].to_list() == wanted["size"].to_list()
        assert [each.replace(tzinfo=None) for each in found["when"]] == [
            each.replace(tzinfo=None) for each in wanted["when"]
        ]
    elif container is Container.PYTHON:
        assert [row[1:] for row in found] == [row[1:] for row in wanted]
    else:
        assert found[:, 1:].astype(str).tolist() == wanted[:, 1:].astype(str).tolist()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
def test_timestamps_of_every_unit_and_zone_are_moments_in_utc(unit: str, zone: str | None) -> None:
    decode = of_features(Feature("when", Datatype.DATETIME, "datetime64[us]"))
    found = rows_in(
        decode,
        "arrow",
        arrow({"when": pa.array([0, 86_400], pa.int64()).cast(pa.timestamp("s")).cast(pa.timestamp(unit, zone))}),
    )
    assert found["when"].tolist() == [pd.Timestamp("1970-01-01"), pd.Timestamp("1970-01-02")]
    assert str(found["when"].dtype) == "datetime64[us]"


@pytest.mark.parametrize(
    ("column", "feature", "type_", "place"),
    [
        ([1.0, 2.5], Feature("a", Datatype.INTEGER), "integer_expected", 1),
        ([1, 2**40], Feature("a", Datatype.INTEGER, "int32"), "integer_expected", 1),
        ([1.0, float("inf")], Feature("a", Datatype.NUMBER), "number_expected", 1),
        ([1.0, 1e39], Feature("a", Datatype.NUMBER, "float32"), "number_expected", 1),
        ([1.0, None], Feature("a", Datatype.NUMBER), "null", 1),
        (["x", None], Feature("a", Datatype.STRING), "null", 1),
        (["x", "z"], Feature("a", Datatype.STRING, categories=("x", "y"), closed=True), "category", 1),
        ([1, 4], Feature("a", Datatype.NUMBER, categories=(1, 2), closed=True), "category", 1),
        ([1, 2], Feature("a", Datatype.STRING), "string_expected", 0),
        (["x"], Feature("a", Datatype.NUMBER), "number_expected", 0),
        ([True, None], Feature("a", Datatype.BOOLEAN), "null", 1),
        ([3], Feature("a", Datatype.DATETIME), "datetime_expected", 0),
        (pa.array([0, 2**61], pa.timestamp("s")), Feature("a", Datatype.DATETIME), "datetime_expected", 1),
        (
            pa.array([0, 2**34], pa.timestamp("s")),
            Feature("a", Datatype.DATETIME, "datetime64[ns]"),
            "datetime_expected",
            1,
        ),
    ],
)
@pytest.mark.parametrize("container", [Container.PANDAS, Container.POLARS, Container.NUMPY])
def test_a_value_that_does_not_fit_is_told_with_its_row_and_column(
    column: Any, feature: Feature, type_: str, place: int, container: Container
) -> None:
    with pytest.raises(InputError) as raised:
        rows_in(of_features(feature, container=container), "arrow", arrow({"a": column}))
    assert raised.value.faults[0].loc == ("X", place, "a")
    assert raised.value.faults[0].type == type_
    assert f"row {place}" in raised.value.problem


@pytest.mark.parametrize("kind", ["arrow", "parquet", "csv"])
def test_unknown_and_missing_columns_are_named_with_the_nearest(on_titanic: Decoder, kind: str) -> None:
    frame = titanic_input().rename(columns={"embarked": "embarkd"})
    with pytest.raises(InputError, match=r"unknown column 'embarkd'\. Did you mean 'embarked'") as raised:
        rows_in(on_titanic, kind, TABLES[kind](frame))
    assert [fault.type for fault in raised.value.faults] == ["unknown_column", "missing_column"]


def test_missing_numbers_are_let_in_where_the_model_takes_them() -> None:
    rows = iris_array().copy()
    rows[3, 2] = np.nan
    model = HistGradientBoostingClassifier(max_iter=2).fit(rows, iris_target())
    found = rows_in(decoder(model), "npy", npy(rows))
    assert np.isnan(found[3, 2])
    rows[4, 1] = np.inf
    with pytest.raises(InputError, match="Row 4, value 1 holds inf, which is out of range"):
        rows_in(decoder(model), "npy", npy(rows))


def test_faults_of_an_array_are_told_by_row_and_value(on_iris: Decoder) -> None:
    rows = iris_array().copy()
    rows[[3, 5], [2, 0]] = np.nan
    with pytest.raises(InputError) as raised:
        rows_in(on_iris, "npy", npy(rows))
    assert [fault.loc for fault in raised.value.faults] == [("X", 3, 2), ("X", 5, 0)]


@pytest.mark.parametrize(
    ("array", "problem"),
    [
        (np.zeros((2, 3)), r"has the shape \(2, 3\), the model expects rows of 4 values"),
        (np.zeros(4), r"has the shape \(4,\)"),
        (np.array([["a"] * 4]), "is an array of str"),
        (np.zeros((1, 4), dtype="datetime64[s]"), "is an array of datetime64"),
    ],
    ids=["width", "vector", "text", "moments"],
)
def test_an_array_of_another_shape_or_kind_is_refused(on_iris: Decoder, array: Any, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        rows_in(on_iris, "npy", npy(array))


def test_rows_of_integers_for_an_integer_model_are_checked() -> None:
    data = DataArgument("X", DataKind.MATRIX, Container.NUMPY, width=2, dtype="int32")
    decode = Decoder(Signature("predict", data, row_wise=True))
    assert rows_in(decode, "npy", npy(np.array([[1.0, 2.0]]))).dtype == "int32"
    with pytest.raises(InputError, match=r"Row 0, value 1 holds 2.5; the model expects an integer"):
        rows_in(decode, "npy", npy(np.array([[1, 2.5]])))
    with pytest.raises(InputError, match="out of range"):
        rows_in(decode, "npy", npy(np.array([[1, 2**40]])))


@pytest.mark.parametrize("kind", ["arrow", "parquet", "csv"])
def test_no_rows_at_all_are_refused(on_titanic: Decoder, on_iris: Decoder, kind: str) -> None:
    frame = titanic_input().head(0)
    with pytest.raises(InputError, match="'X' is empty"):
        rows_in(on_titanic, kind, TABLES[kind](frame))
    floats = pd.DataFrame(iris_array()[:0], columns=["x0", "x1", "x2", "x3"])
    with pytest.raises(InputError, match="'X' is empty"):
        rows_in(on_iris, kind, TABLES[kind](floats))


def test_other_arguments_come_beside_the_rows() -> None:
    def summed(X: np.ndarray, times: int = 1, *, label: str = "") -> Any:
        return X.sum(axis=1) * times

    decode = decoder(summed)
    medium, _ = sent_as(TYPES["npy"])
    assert medium is not None
    call = Body(medium, npy(iris_array()), Bounds(1 << 20), {}, {"times": 2, "label": "x"}).read(decode)
    assert call.kwargs["times"] == 2
    assert call.kwargs["label"] == "x"
    refused = (({"time": 2}, "Unknown argument 'time'"), ({"inputs": 1}, "are the same"), ({"X": 1}, "the body itself"))
    for arguments, problem in refused:
        with pytest.raises(InputError, match=problem):
            Body(medium, npy(iris_array()), Bounds(1 << 20), {}, arguments).read(decode)


def test_a_method_without_rows_takes_json_only() -> None:
    def add(a: int, b: int) -> int:
        return a + b

    with pytest.raises(InputError, match="takes no rows"):
        rows_in(decoder(add), "npy", npy(np.array([1])))


@pytest.mark.parametrize("kind", ["arrow", "npy", "parquet", "csv"])
def test_an_empty_body_is_refused(on_iris: Decoder, kind: str) -> None:
    with pytest.raises(BodyError, match="The body is empty"):
        rows_in(on_iris, kind, b"")


def test_objects_of_a_pipeline_trained_on_them_are_objects() -> None:
    frame = pd.DataFrame({"a": pd.Series(["x", "y", "x"], dtype=object), "b": [1.0, 2, 3]})
    encoder = make_column_transformer((OneHotEncoder(), ["a"]), (FunctionTransformer(), ["b"]))
    model = make_pipeline(encoder, HistGradientBoostingClassifier(max_iter=1)).fit(frame, [0, 1, 0])
    decode = decoder(model)
    for column in (pa.array(["x", "y"]), pa.array(["x", "y"]).dictionary_encode()):
        found = rows_in(decode, "arrow", arrow({"a": column, "b": [1.0, 2]}))
        wanted = json_rows(decode, [{"a": "x", "b": 1.0}, {"a": "y", "b": 2.0}])
        pd.testing.assert_frame_equal(found, wanted)
