"""What the model is given its rows in: as its annotations, its code or its user says."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from sklearn.linear_model import LogisticRegression

from nbserve.columns import columns_from
from nbserve.core.analysis import analyse
from nbserve.core.calls import Method
from nbserve.core.schema import Profile
from nbserve.core.shaping import Shape, shaped
from nbserve.errors import InputError, OptionError
from tests.models import iris_array, iris_target, logistic_on_arrays, logistic_on_frame, text_pipeline

ROWS = [[1, 2], [3, 4.5]]


def plain(X):
    return X


class Echo:
    def predict(self, X):
        return X


def profile(model: Any, columns: Any = None, **said: str) -> Profile:
    return shaped(analyse(model), Shape(None if columns is None else columns_from(columns), **said))


def got(found: Profile, sent: Any = None) -> Any:
    """What an echoing function is given for a request."""
    method = Method(found.main)
    rows = ROWS if sent is None else sent
    return method(
        plain if found.main.attribute == "__call__" else Echo(),
        method.decode.from_bytes(json.dumps({"X": rows}).encode()),
    )


@pytest.mark.parametrize(
    ("container", "kind"),
    [
        ("numpy", np.ndarray),
        ("pandas", pd.DataFrame),
        ("polars", pl.DataFrame),
        ("list", list),
        ("sparse", scipy.sparse.csr_matrix),
    ],
)
@pytest.mark.parametrize("columns", [None, {"a": "number", "b": "number"}], ids=["free", "columns"])
def test_the_rows_are_put_into_what_the_user_says(container: str, kind: type, columns: Any) -> None:
    value = got(profile(plain, columns, container=container))
    assert isinstance(value, kind)
    if container == "sparse":
        value = value.toarray()
    assert np.array_equal(np.asarray(value), np.array(ROWS))


def test_records_are_dicts_of_columns_and_need_them() -> None:
    assert got(profile(plain, {"a": "number", "b": "number"}, container="records")) == [
        {"a": 1, "b": 2},
        {"a": 3, "b": 4.5},
    ]
    with pytest.raises(OptionError, match="none are known"):
        profile(plain, container="records")
    with pytest.raises(OptionError, match="none are known"):
        profile(logistic_on_arrays(), container="records")


@pytest.mark.parametrize("container", ["numpy", "pandas", "polars", "list", "sparse"])
def test_a_model_trained_on_arrays_or_frames_answers_alike_from_any(container: str) -> None:
    sparse = LogisticRegression(max_iter=500).fit(scipy.sparse.csr_matrix(iris_array()), iris_target())
    for model in (logistic_on_arrays(), sparse):
        found = profile(model, container=container)
        method = Method(found.main)
        call = method.decode.from_bytes(json.dumps({"X": iris_array().tolist()}).encode())
        if container in ("pandas", "polars"):
            continue  # names that it was not trained with are warned of
        assert np.array_equal(method(model, call), model.predict(iris_array()))


def test_a_frame_may_be_an_array_instead_and_the_other_way_round() -> None:
    names = [each.name for each in analyse(logistic_on_frame()).features]
    record = dict(zip(reversed(names), [4, 3, 2, 1], strict=True))
    array = got(profile(logistic_on_frame(), container="numpy"), [record])
    assert array.tolist() == [[1, 2, 3, 4]]
    frame = got(profile(logistic_on_arrays(), container="pandas"), [[1, 2, 3, 4]])
    assert list(frame.columns) == ["x0", "x1", "x2", "x3"]
    polars = got(profile(logistic_on_arrays(), container="polars"), [[1, 2, 3, 4]])
    assert polars.columns == ["x0", "x1", "x2", "x3"]


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "uint8"])
@pytest.mark.parametrize("columns", [None, {"a": "number", "b": "number"}], ids=["free", "columns"])
def test_numbers_have_the_type_that_the_user_says(dtype: str, columns: Any) -> None:
    array = got(profile(plain, columns, container="numpy", dtype=dtype), [[1, 2]])
    assert (str(array.dtype), array.tolist()) == (dtype, [[1, 2]])
    frame = got(profile(plain, {"a": "number"}, container="pandas", dtype=dtype), [[1]])
    assert str(frame["a"].dtype) == dtype


@pytest.mark.parametrize("columns", [None, {"a": "number"}], ids=["free", "columns"])
@pytest.mark.parametrize(("dtype", "good", "bad"), [("uint8", 255, 256), ("uint8", 0, -1), ("int8", 1, 1.5)])
def test_numbers_that_the_type_does_not_hold_are_refused(dtype: str, good: float, bad: float, columns: Any) -> None:
    found = profile(plain, columns, container="numpy", dtype=dtype)
    assert got(found, [[good]]).tolist() == [[good]]
    with pytest.raises(InputError):
        got(found, [[bad]])


def test_a_type_without_a_place_for_it_is_refused() -> None:
    with pytest.raises(OptionError, match="has no meaning for python"):
        profile(plain, dtype="float32")
    with pytest.raises(OptionError, match="has no meaning for python"):
        profile(plain, container="list", dtype="float32")
    with pytest.raises(OptionError, match="has no meaning for texts"):
        profile(text_pipeline(), dtype="float32")
    with pytest.raises(OptionError, match="Not all columns are numbers: b"):
        profile(plain, {"a": "number", "b": "str"}, container="numpy", dtype="float32")


def test_texts_go_into_what_holds_texts() -> None:
    assert got(profile(text_pipeline(), container="list"), ["a"]) == ["a"]
    assert got(profile(text_pipeline(), container="numpy"), ["a"]).tolist() == ["a"]
    assert isinstance(got(profile(text_pipeline(), container="pandas"), ["a"]), pd.Series)
    with pytest.raises(OptionError, match="cannot be given as sparse"):
        profile(text_pipeline(), container="sparse")


def test_a_container_whose_library_is_missing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nbserve.core.containing.find_spec", lambda name: None)
    with pytest.raises(OptionError, match="--container torch needs torch, which is not installed"):
        profile(plain, container="torch")


@pytest.mark.parametrize("kind", [scipy.sparse.csr_matrix, scipy.sparse.csc_array, scipy.sparse.coo_array])
def test_an_annotation_of_a_sparse_matrix_is_kept_to(kind: Any) -> None:
    def sums(X):
        return X

    sums.__annotations__["X"] = kind
    value = got(analyse(sums))
    assert isinstance(value, kind)
    assert value.toarray().tolist() == ROWS


def test_any_sparse_matrix_is_one_of_compressed_rows() -> None:
    def sums(X, weights):
        return X, weights

    sums.__annotations__ |= {"X": scipy.sparse.spmatrix, "weights": scipy.sparse.csr_matrix}
    method = Method(analyse(sums).main)
    X, weights = method(sums, method.decode.from_bytes(b'{"X": [[0, 1]], "weights": [[2, 0]]}'))
    assert isinstance(X, scipy.sparse.csr_matrix)
    assert isinstance(weights, scipy.sparse.csr_matrix)


def test_the_finding_says_that_it_was_given() -> None:
    found = profile(plain, container="numpy", dtype="float32")
    assert found.findings[-1].to_dict() == {"what": "container", "value": "numpy float32", "because": "it was given"}
    assert found.main.data is not None
    assert found.main.data.to_dict()["container"] == "numpy"


# --- what does not fit


NAN = float("nan")


@pytest.mark.parametrize(
    ("container", "sent", "expected"),
    [
        ("numpy", [[1, None], [2.5, 3]], np.array([[1, NAN], [2.5, 3]])),
        ("numpy", [["a", 1], [None, True]], np.array([["a", 1], [None, True]], dtype=object)),
        ("numpy", ["a", "b"], np.array(["a", "b"], dtype=object)),
        ("numpy", [], np.array([])),
        ("sparse", [[1, None]], np.array([[1, NAN]])),
    ],
)
def test_nulls_and_texts_are_in_the_array_that_the_user_says(container: str, sent: Any, expected: Any) -> None:
    value = got(profile(plain, container=container), sent)
    value = value.toarray() if container == "sparse" else value
    assert value.dtype == expected.dtype
    assert repr(value) == repr(expected)


@pytest.mark.parametrize(
    ("container", "sent"),
    [
        *(("numpy", each) for each in ([[1], [1, 2]], [{"a": 1}], {"a": [1]}, 5, "a", [[1], [[2]]])),
        *(("sparse", each) for each in ([["a"]], [[1], [1, 2]], [[[1, 2]]], [{"a": 1}])),
        *((name, each) for name in ("pandas", "polars") for each in ([1, 2], [[1], [1, 2]], {"a": 1}, [], 5, "a")),
        ("pandas", {"a": [1], "b": [1, 2]}),
    ],
)
def test_what_does_not_fit_into_what_the_user_says_is_the_callers_fault(container: str, sent: Any) -> None:
    with pytest.raises(InputError, match=rf"'X' does not fit into what the model is given \({container}\)\."):
        got(profile(plain, container=container), sent)


def test_missing_numbers_have_the_type_that_is_said_and_texts_do_not() -> None:
    found = profile(plain, container="numpy", dtype="float32")
    value = got(found, [[1, None]])
    assert (str(value.dtype), repr(value.tolist())) == ("float32", "[[1.0, nan]]")
    for sent in ([["a"]], [[1e300]]):
        with pytest.raises(InputError):
            got(found, sent)
    with pytest.raises(InputError):
        got(profile(plain, container="numpy", dtype="int8"), [[1, None]])


def test_native_values_are_given_as_they_are() -> None:
    found = profile(plain, container="pandas")
    frame = pd.DataFrame({"a": [1]})
    assert Method(found.main)(plain, Method(found.main).decode({"X": frame})) is frame


def test_any_value_is_a_value_of_pythons() -> None:
    assert got(profile(plain, container="list"), [{"a": 1}, 2]) == [{"a": 1}, 2]
