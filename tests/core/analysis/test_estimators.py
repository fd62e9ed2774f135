"""What is found out about models that keep scikit-learn's conventions."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.compose import make_column_transformer
from sklearn.decomposition import NMF
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, PowerTransformer, StandardScaler

from nbserve.core.analysis import analyse
from nbserve.core.schema import Container, DataKind, Datatype, Feature, Task
from tests.models import CASES, LABELS, TEXTS, iris_array, iris_frame, iris_target, titanic_frame, titanic_input

BY_ID = {case.id: case for case in CASES}
SURVIVED = titanic_frame()["survived"]


def profile_of(case: str) -> Any:
    return analyse(BY_ID[case].make(), namespace=BY_ID[case].namespace)


def features_of(model: Any, **namespace: Any) -> dict[str, Feature]:
    return {each.name: each for each in analyse(model, namespace=namespace).features}


@pytest.mark.parametrize(
    ("case", "task"),
    [
        ("logistic on arrays", Task.CLASSIFICATION),
        ("titanic", Task.CLASSIFICATION),
        ("grid search", Task.CLASSIFICATION),
        ("several classes", Task.CLASSIFICATION),
        ("linear regression", Task.REGRESSION),
        ("transformed target", Task.REGRESSION),
        ("k-means", Task.CLUSTERING),
        ("mixture", Task.CLUSTERING),
        ("pca", Task.TRANSFORMATION),
        ("isolation forest", Task.ANOMALY_DETECTION),
        ("function", Task.UNKNOWN),
    ],
)
def test_the_task_is_found_with_its_evidence(case: str, task: Task) -> None:
    profile = profile_of(case)
    assert profile.task is task
    assert next(each for each in profile.findings if each.what == "task").because


def test_a_model_of_a_frame_takes_a_table_of_its_columns() -> None:
    data = profile_of("logistic on frame").main.data
    assert (data.kind, data.container, data.width) == (DataKind.TABLE, Container.PANDAS, 4)
    assert [each.name for each in data.features] == list(iris_frame().columns)


def test_a_model_of_an_array_takes_a_matrix_of_its_width() -> None:
    data = profile_of("logistic on arrays").main.data
    assert (data.kind, data.container, data.width) == (DataKind.MATRIX, Container.NUMPY, 4)
    assert [each.name for each in data.features] == ["x0", "x1", "x2", "x3"]


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(TfidfVectorizer(), LogisticRegression()),
        make_pipeline(make_pipeline(CountVectorizer()), LogisticRegression()),
        make_pipeline(make_union(CountVectorizer(), TfidfVectorizer()), LogisticRegression()),
        OneVsRestClassifier(make_pipeline(CountVectorizer(), MultinomialNB())),
    ],
    ids=["pipeline", "nested pipeline", "union", "one against the rest"],
)
def test_a_model_that_begins_with_a_vectorizer_takes_texts(model: Any) -> None:
    data = analyse(model.fit(TEXTS, LABELS)).main.data
    assert data is not None
    assert data.kind is DataKind.TEXTS


def test_a_dict_vectorizer_takes_records() -> None:
    model = DictVectorizer().fit([{"town": "Ghent", "rooms": 3}])
    assert analyse(model).main.example == {"X": [{"town": "Ghent", "rooms": 1.0}] * 2}


def test_a_column_transformer_tells_types_categories_and_likely_values() -> None:
    found = features_of(BY_ID["titanic"].make())
    assert found["sex"] == Feature("sex", Datatype.STRING, categories=("female", "male"), closed=True, example="female")
    assert found["embarked"].categories == ("C", "Q", "S")
    assert not found["embarked"].closed
    assert found["pclass"].categories == (1, 2, 3)
    assert found["pclass"].datatype is Datatype.NUMBER
    assert found["age"].datatype is Datatype.NUMBER
    assert found["age"].example == pytest.approx(titanic_frame()["age"].median(), rel=1e-3)


def test_a_column_may_be_null_when_the_model_imputes_or_ignores_it() -> None:
    found = features_of(BY_ID["titanic"].make())
    assert {name: each.nullable for name, each in found.items()} == {
        "pclass": False,
        "sex": False,
        "age": True,
        "fare": True,
        "embarked": True,
    }
    model = BY_ID["titanic"].make()
    rows = titanic_input().head(1).assign(age=np.nan, fare=np.nan, embarked=np.nan).astype({"embarked": object})
    assert len(model.predict(rows)) == 1


@pytest.mark.parametrize(
    ("model", "nullable"),
    [
        (HistGradientBoostingClassifier(max_iter=2), True),
        (LogisticRegression(max_iter=500), False),
        (make_pipeline(StandardScaler(), HistGradientBoostingClassifier(max_iter=2)), True),
        (make_pipeline(StandardScaler(), LogisticRegression()), False),
        (make_pipeline(SimpleImputer(), LogisticRegression(max_iter=500)), True),
        (make_pipeline(StandardScaler(), SimpleImputer(), LogisticRegression()), True),
    ],
    ids=["boosting", "logistic", "scaled boosting", "scaled logistic", "imputed", "imputed later"],
)
def test_null_is_allowed_just_where_the_model_really_takes_it(model: Any, nullable: bool) -> None:
    model.fit(iris_array(), iris_target())
    assert {each.nullable for each in features_of(model).values()} == {nullable}
    holes = np.full((1, 4), np.nan)
    if nullable:
        model.predict(holes)
    else:
        with pytest.raises(ValueError, match="NaN"):
            model.predict(holes)


def test_a_null_that_an_encoder_has_learned_is_allowed() -> None:
    frame = pd.DataFrame({"town": ["Ghent", "Bruges", None], "size": ["s", "l", "s"]})
    model = OneHotEncoder().fit(frame)
    assert {name: (each.nullable, each.categories) for name, each in features_of(model).items()} == {
        "town": (True, ("Bruges", "Ghent")),
        "size": (False, ("l", "s")),
    }


def test_an_encoder_of_texts_without_names_takes_a_table() -> None:
    model = make_pipeline(OrdinalEncoder(), LogisticRegression()).fit(np.array([["a"], ["b"]], dtype=object), [0, 1])
    data = analyse(model).main.data
    assert data is not None
    assert (data.kind, data.container) == (DataKind.TABLE, Container.NUMPY)
    assert data.features[0].categories == ("a", "b")


@pytest.mark.parametrize(
    "columns",
    [["sex"], [1], slice(1, 2), [False, True, False, False, False], lambda frame: ["sex"]],
    ids=["names", "places", "slice", "mask", "function"],
)
def test_columns_of_a_transformer_are_found_however_they_are_given(columns: Any) -> None:
    model = make_column_transformer((OneHotEncoder(), columns), remainder="drop").fit(titanic_input())
    found = features_of(model)
    assert found["sex"].categories == ("female", "male")
    assert {name for name, each in found.items() if each.categories} == {"sex"}
    assert found["age"].nullable


def test_a_text_column_of_a_frame_is_a_string() -> None:
    frame = pd.DataFrame({"title": TEXTS, "length": [len(text) for text in TEXTS]})
    model = make_column_transformer((CountVectorizer(), "title"), remainder="passthrough").fit(frame)
    found = features_of(model)
    assert (found["title"].datatype, found["title"].nullable) == (Datatype.STRING, False)
    assert found["length"].nullable


def test_a_frame_of_the_notebook_tells_dtypes_and_categories() -> None:
    frame = titanic_input().assign(embarked=titanic_input()["embarked"].astype("category"))
    found = features_of(make_pipeline(FunctionTransformer(lambda rows: rows[["age"]])).fit(frame), df=frame)
    assert found["age"].dtype == "float64"
    assert found["embarked"].dtype == "category"
    assert found["embarked"].categories == ("C", "Q", "S")
    assert found["sex"].datatype is Datatype.STRING


def test_values_made_up_are_positive_for_transforms_that_need_it() -> None:
    model = PowerTransformer(method="box-cox").fit(iris_array())
    rows = analyse(model).main.example["X"]
    assert np.isfinite(model.transform(np.array(rows))).all()


def test_outputs_are_named() -> None:
    profile = profile_of("logistic on frame")
    assert [each.name for each in profile.signature("predict_proba").outputs] == ["0", "1", "2"]
    assert profile.main.outputs[0].categories == (0, 1, 2)
    assert [each.name for each in profile_of("pca").main.outputs] == ["pca0", "pca1"]
    assert len(profile_of("several numbers").main.outputs) == 2
    several = profile_of("several classes").main.outputs
    assert [each.categories for each in several] == [("0", "1", "2"), ("long", "short")]


@pytest.mark.parametrize(
    ("model", "is_row_wise"),
    [
        (LogisticRegression(max_iter=500), True),
        (make_pipeline(StandardScaler(), LogisticRegression()), True),
        (make_pipeline(FunctionTransformer(lambda X: X - X.mean(axis=0)), LogisticRegression()), False),
        (make_pipeline(FunctionTransformer(partial(np.roll, shift=1)), LogisticRegression(max_iter=500)), False),
        (make_pipeline(FunctionTransformer(np.log1p), LogisticRegression(max_iter=500)), True),
        (DummyClassifier(strategy="stratified"), False),
        (DummyClassifier(), True),
        (NMF(2, max_iter=1000, tol=1e-2), False),
    ],
    ids=["logistic", "pipeline", "user's function", "user's partial", "ufunc", "random dummy", "dummy", "nmf"],
)
def test_row_wise_is_claimed_only_where_it_is_known(model: Any, is_row_wise: bool) -> None:
    assert analyse(model.fit(iris_array(), iris_target())).main.row_wise is is_row_wise


def test_a_users_own_class_is_never_row_wise() -> None:
    class Own(LogisticRegression):
        pass

    assert not analyse(Own(max_iter=500).fit(iris_array(), iris_target())).main.row_wise


def test_library_version_classes_and_settings_are_found() -> None:
    profile = profile_of("logistic on arrays")
    assert (profile.library, profile.library_version) == ("scikit-learn", sklearn.__version__)
    assert profile.classes == (0, 1, 2)
    assert [type(each) for each in profile.classes] == [int, int, int]
    assert profile.parameters["max_iter"] == 500
    assert profile.is_fitted is True
    assert profile_of("function").library is None


def test_analysis_imports_no_library_that_the_user_has_not() -> None:
    code = (
        "import sys, nbserve.core.analysis as a; a.analyse(lambda X: X * 2); "
        "print(sorted({'numpy', 'pandas', 'sklearn', 'scipy', 'pydantic', 'torch'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
