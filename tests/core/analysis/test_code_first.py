"""Models whose first step is the user's own code: what they take is read from it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from nbserve.core.analysis import analyse
from nbserve.core.codecs import Decoder
from nbserve.core.schema import Container, Datatype, Feature
from nbserve.errors import InputError, NotFitted

GUESTS = pd.DataFrame(
    {
        "age": [3.0, 5.0, 47.0, 29.0],
        "city": ["Ghent", "Bonn", "Rome", "Oslo"],
        "when": pd.to_datetime(["2020-01-01", "2020-02-01", "2021-05-05", "2021-06-06"]),
        "member": [True, False, True, False],
    }
)
PAID = [0, 1, 0, 1]


class Step(BaseEstimator, TransformerMixin):
    def fit(self, X, y=None):
        return self


class Selected(Step):
    def __init__(self, names):
        self.names = names

    def transform(self, X):
        return X[self.names]


class Clipped(Step):
    def transform(self, X):
        return X[["age"]].clip(0, 30)


class Measured(Step):
    def transform(self, X):
        X = X.copy()
        X["length"] = X["city"].str.len()
        return X[["length", "age"]]


class Months(Step):
    def transform(self, X):
        return pd.DataFrame({"month": X["when"].dt.month})


class Doubled(Step):
    def transform(self, X):
        return np.asarray(X) * 2


def fitted(*steps: Any, rows: Any = GUESTS) -> Any:
    return make_pipeline(*steps, LogisticRegression()).fit(rows, PAID)


def answer(model: Any, sent: Any = None, **namespace: Any) -> Any:
    """What the model answers to what is sent, or to its own example."""
    signature = analyse(model, namespace=namespace).main
    call = Decoder(signature)(signature.example if sent is None else {"X": sent})
    return getattr(model, signature.method)(*call.args, **call.kwargs)


def feature_of(model: Any, name: str, **namespace: Any) -> Feature:
    return next(each for each in analyse(model, namespace=namespace).features if each.name == name)


@pytest.mark.parametrize("namespace", [{}, {"guests": GUESTS}], ids=["nothing in the notebook", "a frame there"])
@pytest.mark.parametrize(
    ("model", "row"),
    [
        pytest.param(fitted(Selected(["age"]), StandardScaler()), {"age": 4}, id="columns in an attribute"),
        pytest.param(fitted(Measured()), {"age": 4, "city": "Ulm"}, id="texts"),
        pytest.param(fitted(Months()), {"when": "2020-01-01"}, id="moments"),
        pytest.param(
            fitted(FeatureUnion([("c", Clipped()), ("m", Measured())])), {"age": 4, "city": "Ulm"}, id="union"
        ),
        pytest.param(
            fitted(make_pipeline(Selected(["age"]), StandardScaler())), {"age": 4}, id="a pipeline in a pipeline"
        ),
    ],
)
def test_a_step_of_the_users_gets_the_frame_that_its_code_reads(model: Any, row: Any, namespace: Any) -> None:
    assert len(answer(model, **namespace)) == 2
    assert len(answer(model, [row], **namespace)) == 1
    assert len(answer(model, [{**row, "more": "x"}], **namespace)) == 1


def test_lists_are_taken_for_one_named_column_and_refused_where_their_order_is_not_known() -> None:
    assert len(answer(fitted(Selected(["age"])), [[1], [2]])) == 2
    with pytest.raises(InputError) as refused:
        answer(fitted(Selected(["age"])), [[1, 2]])
    assert refused.value.faults[0].loc == ("X", 0)
    with pytest.raises(InputError, match="looks for columns by name") as refused:
        answer(fitted(Measured()), [[4, "Ulm"]])
    assert refused.value.remedy == 'Send an object for each row: [{"city": …, "age": …}, …].'


def test_a_step_that_takes_anything_gets_arrays_for_lists_and_frames_for_records() -> None:
    model = fitted(Doubled(), rows=GUESTS[["age"]].to_numpy())
    decode = Decoder(analyse(model).main)
    assert isinstance(decode({"X": [[1.0]]}).kwargs["X"], np.ndarray)
    assert isinstance(decode({"X": [{"age": 1.0}]}).kwargs["X"], pd.DataFrame)
    assert isinstance(decode({"X": {"age": [1.0]}}).kwargs["X"], pd.DataFrame)
    assert len(answer(fitted(Doubled(), rows=GUESTS[["age"]].to_numpy()), [{"age": 1.0}])) == 1


def test_a_function_around_such_a_pipeline_takes_what_the_pipeline_takes() -> None:
    model = fitted(Measured())

    def predict(X):
        return model.predict(X)

    for served in (predict, model.predict):
        signature = analyse(served).main
        for body in (signature.example, {"X": [{"age": 4, "city": "Ulm"}]}):
            call = Decoder(signature)(body)
            assert len(served(*call.args, **call.kwargs)) == len(body["X"])


def test_a_union_of_steps_that_learn_nothing_is_fitted_and_one_with_an_unfitted_scaler_is_not() -> None:
    assert len(answer(FeatureUnion([("c", Clipped()), ("m", Measured())]), [{"age": 4, "city": "Ulm"}])) == 1
    with pytest.raises(NotFitted):
        analyse(FeatureUnion([("c", Clipped()), ("s", StandardScaler())]))


def months(rows):
    return pd.DataFrame({"month": rows["when"].dt.month, "age": rows["age"]})


def lengths(rows):
    return pd.DataFrame({"length": rows["city"].str.len()})


@pytest.mark.parametrize("namespace", [{}, {"guests": GUESTS}], ids=["nothing in the notebook", "a frame there"])
def test_columns_that_pass_through_unknown_code_are_not_taken_for_numbers(namespace: Any) -> None:
    model = make_pipeline(FunctionTransformer(months), LogisticRegression()).fit(GUESTS[["when", "age"]], PAID)
    assert len(answer(model, **namespace)) == 2
    assert len(answer(model, [{"when": "2020-01-01", "age": 3}], **namespace)) == 1
    assert feature_of(model, "when", **namespace).datatype is Datatype.DATETIME


def test_the_branches_of_a_column_transformer_keep_their_types() -> None:
    columns = make_column_transformer(
        (FunctionTransformer(months), ["when", "age"]), (FunctionTransformer(lengths), ["city"])
    )
    model = make_pipeline(columns, LogisticRegression()).fit(GUESTS, PAID)
    assert len(answer(model)) == 2
    assert feature_of(model, "city").datatype is Datatype.STRING
    assert feature_of(model, "city", guests=GUESTS).datatype is Datatype.STRING


def test_a_function_of_numpys_takes_numbers() -> None:
    model = make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()).fit(GUESTS[["age"]], PAID)
    assert feature_of(model, "age").datatype is Datatype.NUMBER


def test_an_estimator_that_looks_at_no_value_takes_any() -> None:
    model = DummyClassifier().fit(GUESTS[["age", "city"]], PAID)
    assert len(answer(model, [{"age": 3, "city": "Bonn"}])) == 1
    assert len(answer(model, [{"age": None, "city": None}])) == 1


def test_a_column_that_is_boolean_in_the_notebook_is_boolean() -> None:
    model = LogisticRegression().fit(GUESTS[["age", "member"]], PAID)
    found = feature_of(model, "member", guests=GUESTS)
    assert (found.datatype, found.dtype, found.example) == (Datatype.BOOLEAN, "bool", True)
    for sent in (True, 1, 0):
        assert len(answer(model, [{"age": 3, "member": sent}], guests=GUESTS)) == 1
    with pytest.raises(InputError):
        answer(model, [{"age": 3, "member": 2}], guests=GUESTS)


def test_a_model_of_a_polars_frame_gets_one_unless_a_pandas_frame_fits_too() -> None:
    frame = pl.DataFrame({"age": [3.0, 5.0, 47.0, 29.0]})
    chosen = FunctionTransformer(lambda rows: rows.select(pl.col("age")).to_numpy())
    model = make_pipeline(chosen, LogisticRegression()).fit(frame, PAID)
    assert len(answer(model, frame=frame)) == 2
    assert len(answer(model, pd.DataFrame({"age": [1.0]}), frame=frame)) == 1
    data = analyse(model, namespace={"frame": frame, "guests": GUESTS}).main.data
    assert data is not None
    assert data.container is Container.PANDAS
