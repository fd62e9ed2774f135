"""How the data of each library is sent, and how answers become of its kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import orjson
import pandas as pd
import polars as pl
import pytest
import scipy.sparse

from nbserve.client.formats import FORMATS, JSON, format_of
from nbserve.client.kinds import alike, sendable
from nbserve.errors import InputError

NOW = datetime.fromisoformat("2024-05-06T07:08:09")
NUMBERS = np.array([[1.5, 2.0], [3.0, 4.0]])


def sent(value: Any) -> Any:
    return json.loads(JSON.write(sendable({"X": value})))["X"]


SENT: dict[str, tuple[Callable[[], Any], Any]] = {
    "floats": (lambda: NUMBERS, [[1.5, 2.0], [3.0, 4.0]]),
    "columns of an array": (lambda: NUMBERS[:, ::-1], [[2.0, 1.5], [4.0, 3.0]]),
    "narrow floats": (lambda: np.array([0.1], "float32"), [0.10000000149011612]),
    "half floats": (lambda: np.array([0.1], "float16"), [0.0999755859375]),
    "other byte order": (lambda: np.array([1, 2], ">i4"), [1, 2]),
    "small integers": (lambda: np.array([1, 255], "uint8"), [1, 255]),
    "large integers": (lambda: np.array([2**64 - 1], "uint64"), [2**64 - 1]),
    "booleans": (lambda: np.array([True, False]), [True, False]),
    "texts of an array": (lambda: np.array(["a", "b"]), ["a", "b"]),
    "objects of an array": (lambda: np.array(["a", None, 1], dtype=object), ["a", None, 1]),
    "moments of an array": (lambda: np.array(["2024-05-06", "NaT"], "datetime64[D]"), ["2024-05-06", None]),
    "nan": (lambda: np.array([1.0, np.nan]), [1.0, None]),
    "masked": (lambda: np.ma.MaskedArray([1.0, 2.0], [False, True]), [1.0, None]),
    "masked narrow floats": (
        lambda: np.ma.MaskedArray(np.array([0.1, 2.0], "float32"), [False, True]),
        [0.10000000149011612, None],
    ),
    "sparse narrow floats": (lambda: scipy.sparse.csr_array(np.array([[0.1]], "float32")), [[0.10000000149011612]]),
    "index of narrow floats": (lambda: pd.Index([0.1], dtype="float32"), [0.10000000149011612]),
    "no dimension": (lambda: np.array(5), 5),
    "three dimensions": (lambda: np.zeros((1, 1, 2)), [[[0.0, 0.0]]]),
    "sparse": (lambda: scipy.sparse.csr_matrix(NUMBERS), [[1.5, 2.0], [3.0, 4.0]]),
    "sparse array": (lambda: scipy.sparse.coo_array(NUMBERS), [[1.5, 2.0], [3.0, 4.0]]),
    "frame": (lambda: pd.DataFrame({"a": [1, 2], "b": ["x", None]}), [{"a": 1, "b": "x"}, {"a": 2, "b": None}]),
    "frame without names": (lambda: pd.DataFrame(NUMBERS)[[1, 0]], [[2.0, 1.5], [4.0, 3.0]]),
    "frame of narrow floats": (lambda: pd.DataFrame({"a": np.array([0.1], "float32")}), [{"a": 0.10000000149011612}]),
    "frame of categories": (lambda: pd.DataFrame({"a": pd.Categorical(["x", None])}), [{"a": "x"}, {"a": None}]),
    "frame of moments": (
        lambda: pd.DataFrame({"a": pd.to_datetime([NOW, None])}),
        [{"a": "2024-05-06T07:08:09"}, {"a": None}],
    ),
    "frame of moments with a zone": (
        lambda: pd.DataFrame({"a": pd.to_datetime([NOW]).tz_localize("UTC")}),
        [{"a": "2024-05-06T07:08:09+00:00"}],
    ),
    "nullable frame": (lambda: pd.DataFrame({"a": pd.array([1, None], "Int64")}), [{"a": 1}, {"a": None}]),
    "frame of nothing": (lambda: pd.DataFrame({"a": []}), []),
    "series": (lambda: pd.Series([1.0, np.nan], index=["p", "q"]), [1.0, None]),
    "series of narrow floats": (lambda: pd.Series([0.1], dtype="float32"), [0.10000000149011612]),
    "series of texts": (lambda: pd.Series(["a", "b"]), ["a", "b"]),
    "index": (lambda: pd.Index([1, 2]), [1, 2]),
    "polars frame": (
        lambda: pl.DataFrame({"a": [1, None], "b": [NOW, NOW]}),
        [{"a": 1, "b": "2024-05-06T07:08:09"}, {"a": None, "b": "2024-05-06T07:08:09"}],
    ),
    "polars narrow floats": (
        lambda: pl.DataFrame({"a": pl.Series([0.1], dtype=pl.Float32)}),
        [{"a": 0.10000000149011612}],
    ),
    "polars series": (lambda: pl.Series([1, 2]), [1, 2]),
    "columns": (lambda: {"a": np.array([1, 2]), "b": pd.Series(["x", "y"])}, {"a": [1, 2], "b": ["x", "y"]}),
    "generator": (lambda: (i for i in range(3)), [0, 1, 2]),
    "tuple": (lambda: ((1, 2), (3, 4)), [[1, 2], [3, 4]]),
    "scalar": (lambda: np.float64(1.5), 1.5),
    "number with digits": (lambda: Decimal("0.10"), 0.1),
    "large number": (lambda: 2**70, 2**70),
    "date": (lambda: date(2024, 5, 6), "2024-05-06"),
    "nothing": (lambda: None, None),
}


@pytest.mark.parametrize(("make", "expected"), SENT.values(), ids=SENT)
def test_data_is_sent_in_the_form_that_the_server_reads(make: Callable[[], Any], expected: Any) -> None:
    value = sent(make())
    assert value == expected
    assert json.dumps(value) == json.dumps(expected)  # 1 is not 1.0, and not true


INFINITIES: dict[str, tuple[Any, str]] = {
    "list": ([[1.0, float("inf")]], "['X'][0][1]"),
    "negative": ({"a": [-float("inf")]}, "['X']['a'][0]"),
    "array": (np.array([[1.0, np.nan], [np.inf, 1.0]]), "['X'][1][0]"),
    "narrow": ([np.float32("inf")], "['X'][0]"),
    "objects": (np.array([None, np.inf], dtype=object), "['X'][1]"),
    "frame": (pd.DataFrame({"age": [1.0, np.inf]}), "['X'][1]['age']"),
    "series": (pd.Series([np.inf]), "['X'][0]"),
    "polars": (pl.DataFrame({"age": [np.inf]}), "['X'][0]['age']"),
    "decimal": ([Decimal("Infinity")], "['X'][0]"),
    "tuple": ((1, (2.0, np.inf)), "['X'][1][1]"),
}


@pytest.mark.parametrize(("value", "place"), INFINITIES.values(), ids=INFINITIES)
def test_an_infinity_is_never_sent_as_a_missing_value(value: Any, place: str) -> None:
    with pytest.raises(InputError) as raised:
        sent(value)
    assert raised.value.problem == f"What is to be sent holds infinity at {place}."
    assert "".join(f"[{step!r}]" for step in raised.value.faults[0].loc) == place


UNWRITABLE: dict[str, tuple[Any, str]] = {
    "no form": ([1, object()], "holds an object at ['X'][1], which has no JSON form"),
    "twice": (pd.DataFrame([[1, 2]], columns=["a", "a"]), "has two columns 'a'"),
    "keys": ({1: 1, "1": 2}, "has two keys '1' at ['X']"),
    "sparse": (scipy.sparse.coo_matrix((100_000, 1000)), "holds a sparse matrix of 100000 by 1000 cells"),
}


@pytest.mark.parametrize(("value", "said"), UNWRITABLE.values(), ids=UNWRITABLE)
def test_what_has_no_form_is_the_callers_fault_and_said_as_such(value: Any, said: str) -> None:
    with pytest.raises(InputError) as raised:
        sent(value)
    assert raised.value.problem == f"What is to be sent {said}."
    assert raised.value.remedy.startswith("Send ")


def test_data_is_never_changed() -> None:
    frame = pd.DataFrame({"a": np.array([0.1], "float32")})
    sent(frame)
    assert frame.dtypes["a"] == "float32"


# --- answers


ARRAYS: dict[str, tuple[list[Any], Any]] = {
    "integers": ([1, 2], np.array([1, 2])),
    "floats": ([[0.5, 1.0]], np.array([[0.5, 1.0]])),
    "whole floats": ([1.0, 2.0], np.array([1.0, 2.0])),
    "booleans": ([True, False], np.array([True, False])),
    "texts": (["a", "bc"], np.array(["a", "bc"])),
    "floats with holes": ([0.5, None], np.array([0.5, np.nan])),
    "integers with holes": ([1, None], np.array([1.0, np.nan])),
    "texts with holes": (["a", None], np.array(["a", None], dtype=object)),
    "texts and numbers": (["a", 1], np.array(["a", 1], dtype=object)),
    "large integers": ([2**70], np.array([2**70], dtype=object)),
    "none": ([], np.array([])),
}


@pytest.mark.parametrize(("answer", "expected"), ARRAYS.values(), ids=ARRAYS)
def test_an_array_is_answered_with_an_array_of_what_json_says(answer: list[Any], expected: Any) -> None:
    array = alike(answer, [NUMBERS])
    assert array.dtype == expected.dtype
    np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize(
    "answer",
    [[[1], [1, 2]], [{"a": 1}], {"a": [1]}, 0.5, "text", None],
    ids=["ragged", "objects", "object", "number", "text", "null"],
)
def test_what_is_no_array_stays_what_it_is(answer: Any) -> None:
    assert alike(answer, [NUMBERS]) is answer


FRAME = pd.DataFrame({"a": [1, 2]}, index=["p", "q"])


def test_a_frame_is_answered_with_a_series_under_its_index() -> None:
    pd.testing.assert_series_equal(alike([0, 1], [FRAME]), pd.Series([0, 1], index=["p", "q"]))
    pd.testing.assert_series_equal(alike([0, 1], [FRAME["a"]]), pd.Series([0, 1], index=["p", "q"]))
    pd.testing.assert_series_equal(alike([0.5, None], [FRAME]), pd.Series([0.5, np.nan], index=["p", "q"]))


def test_a_frame_is_answered_with_a_frame_where_each_row_has_many_values() -> None:
    expected = pd.DataFrame([[0.1, 0.9], [0.2, 0.8]], index=["p", "q"])
    pd.testing.assert_frame_equal(alike([[0.1, 0.9], [0.2, 0.8]], [FRAME]), expected)
    named = pd.DataFrame({"u": [1, 2], "v": ["x", "y"]}, index=["p", "q"])
    pd.testing.assert_frame_equal(alike([{"u": 1, "v": "x"}, {"u": 2, "v": "y"}], [FRAME]), named)


@pytest.mark.parametrize("answer", [[[1], [1, 2]], [[[1]], [[2]]]], ids=["ragged", "deep"])
def test_rows_that_make_no_table_are_a_series_of_lists(answer: list[Any]) -> None:
    series = alike(answer, [FRAME])
    assert list(series.index) == ["p", "q"]
    assert series.tolist() == answer


def test_answers_that_are_not_one_a_row_have_an_index_of_their_own() -> None:
    assert list(alike([7], [FRAME]).index) == [0]


def test_a_polars_frame_is_answered_with_polars() -> None:
    asked = pl.from_pandas(FRAME)
    assert alike([0, 1], [asked]).to_list() == [0, 1]
    assert alike([[0.5, 1], [0.2, None]], [asked]).rows() == [(0.5, 1), (0.2, None)]
    assert alike([{"u": None}] * 200 + [{"u": 1.5}], [asked])["u"][200] == 1.5
    assert alike([[1], [1, 2]], [asked]).to_list() == [[1], [1, 2]]
    assert isinstance(alike(["a"], [asked["a"]]), pl.Series)


def test_the_first_array_or_frame_decides() -> None:
    assert isinstance(alike([1], [[[1]], "text", FRAME, NUMBERS]), pd.Series)
    assert isinstance(alike([1], [[NUMBERS], {"a": FRAME}]), list)


# --- formats


def test_a_format_is_known_by_its_media_type() -> None:
    assert format_of("Application/JSON; charset=utf-8") is JSON
    assert format_of("application/problem+json") is JSON
    assert format_of("text/html") is None
    assert all(name == row.media_type for name, row in FORMATS.items())


def test_large_integers_are_read_exactly() -> None:
    assert JSON.read(b"[1180591620717411303424, 0.5]") == [2**70, 0.5]
    assert JSON.read(b"[0.1234567890123456789]") == [0.1234567890123456789]


@pytest.mark.parametrize("body", [b"", b"{", b"[1", b"NaN", b"\xff", b"[1111111111111111111111, NaN]"], ids=repr)
def test_what_is_no_json_is_not_read(body: bytes) -> None:
    with pytest.raises(orjson.JSONDecodeError):
        JSON.read(body)
