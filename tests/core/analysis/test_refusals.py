"""What is refused, and how."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.cluster import DBSCAN
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.svm import SVC

from nbserve.core.analysis import analyse
from nbserve.errors import ModelRefused, NotFitted
from tests.models import Ranker, iris_array


class Greeter:
    def greet(self, name: str) -> str:
        return name


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        pytest.param(3, "There is nothing to call in an object of type int.", id="number"),
        pytest.param(None, "There is nothing to call in None.", id="none"),
        pytest.param([1], "There is nothing to call in an object of type list.", id="list"),
        pytest.param(np.ones(3), "There is nothing to call in an object of type ndarray.", id="array"),
        pytest.param(pd.DataFrame(), "There is nothing to call in an object of type DataFrame.", id="frame"),
        pytest.param(pd.Series([1.0]), "There is nothing to call in an object of type Series.", id="series"),
        pytest.param(math, "math is a module, not a model.", id="module"),
        pytest.param(LogisticRegression, "LogisticRegression is a class, not a model.", id="class"),
        pytest.param(DBSCAN().fit(iris_array()), "There is nothing to call in an object of type DBSCAN.", id="dbscan"),
        pytest.param(Greeter(), "There is nothing to call in an object of type Greeter.", id="no predict"),
    ],
)
def test_what_has_nothing_to_call_is_refused_with_a_sentence(model: Any, sentence: str) -> None:
    with pytest.raises(ModelRefused) as refused:
        analyse(model)
    assert refused.value.problem == sentence
    assert refused.value.remedy


def test_the_remedy_fits_what_was_given() -> None:
    for model, remedy in [(Ranker, "Make an instance: Ranker()."), (Greeter(), "its method greet alone")]:
        with pytest.raises(ModelRefused) as refused:
            analyse(model)
        assert remedy in refused.value.remedy


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(),
        make_pipeline(StandardScaler(), LogisticRegression()),
        GridSearchCV(SVC(), {"C": [1]}),
    ],
    ids=lambda model: type(model).__name__,
)
def test_an_unfitted_estimator_is_refused(model: Any) -> None:
    with pytest.raises(NotFitted) as refused:
        analyse(model)
    assert refused.value.problem == f"{type(model).__name__} is not fitted yet."
    assert refused.value.remedy == "Call model.fit(X, y) and serve it again."


def test_an_estimator_that_learns_nothing_needs_no_fit() -> None:
    assert analyse(Normalizer()).is_fitted


class Thresholder(BaseEstimator):
    """Learns without underscores."""

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def fit(self, X: Any, y: Any = None) -> Any:
        self.threshold = float(np.mean(X)) * self.scale
        return self

    def predict(self, X: Any) -> Any:
        return np.asarray(X)[:, 0] > self.threshold


class Fixed(BaseEstimator):
    """Has nothing to learn, but a fit."""

    def fit(self, X: Any, y: Any = None) -> Any:
        return self

    def predict(self, X: Any) -> Any:
        return np.zeros(len(X))


def test_a_users_estimator_is_judged_by_what_its_fit_would_set() -> None:
    with pytest.raises(NotFitted):
        analyse(Thresholder())
    assert analyse(Thresholder().fit(iris_array())).is_fitted is None
    assert analyse(Fixed()).is_fitted is None
    assert analyse(Ranker()).is_fitted is None


class Rules(dict[str, Any]):
    def predict(self, X: Any) -> Any:
        return [self.get(row) for row in X]


class Rate(float):
    def __call__(self, X: Any) -> Any:
        return [row * self for row in X]


def test_a_class_made_from_a_builtin_is_a_model_when_it_answers() -> None:
    assert analyse(Rules(a=1)).main.method == "predict"
    assert analyse(Rate(2)).main.attribute == "__call__"
    for value in (True, np.float64(1), np.str_("a"), type("Plain", (dict,), {})()):
        with pytest.raises(ModelRefused):
            analyse(value)
