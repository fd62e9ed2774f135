"""Whatever shares a run, each is answered what it would be answered alone."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from nbserve.core.sharing import MOST_ROWS
from tests.alike import assert_alike, outcome_of
from tests.core.test_batching import Desk
from tests.models import iris_array, iris_target, text_pipeline, titanic_pipeline

EXACT, LIBRARYS_OWN = 0.0, 1e-9
"""Models that multiply matrices may answer in other last bits to another number of rows."""


class Plain:
    """A class as people write it, row by row."""

    def predict(self, X: np.ndarray) -> Any:
        if (X > 90).any():
            raise ValueError("too much")
        return X[:, 0] * 2 + X.sum(axis=1)


@dataclass(frozen=True)
class Case:
    make: Callable[[], Any]
    methods: tuple[str, ...] = ("predict",)
    rows: str = "numbers"
    tolerance: float = EXACT
    batch: str = "auto"


def _fitted(model: Any) -> Callable[[], Any]:
    return functools.cache(lambda: model.fit(iris_array(), iris_target()))


CASES = {
    "logistic": Case(
        _fitted(LogisticRegression(max_iter=500)),
        ("predict", "predict_proba", "decision_function"),
        tolerance=LIBRARYS_OWN,
    ),
    "forest": Case(_fitted(RandomForestClassifier(5, random_state=0)), ("predict", "predict_proba", "apply")),
    "boosting": Case(_fitted(GradientBoostingClassifier(n_estimators=3)), ("predict", "decision_function")),
    "histograms": Case(_fitted(HistGradientBoostingClassifier(max_iter=3)), ("predict", "predict_proba")),
    "k-means": Case(_fitted(KMeans(3, n_init=1, random_state=0)), ("predict", "transform"), tolerance=LIBRARYS_OWN),
    "svc": Case(_fitted(SVC()), tolerance=LIBRARYS_OWN),
    "neighbours": Case(_fitted(KNeighborsClassifier(3)), ("predict", "kneighbors"), tolerance=LIBRARYS_OWN),
    "scaler": Case(_fitted(StandardScaler()), ("transform",)),
    "scaler in place": Case(_fitted(StandardScaler(copy=False)), ("transform",)),
    "pca": Case(_fitted(PCA(2)), ("transform",), tolerance=LIBRARYS_OWN),
    "pipeline of a frame": Case(titanic_pipeline, ("predict", "predict_proba"), "passengers", LIBRARYS_OWN),
    "texts": Case(text_pipeline, ("predict", "predict_proba"), "texts", LIBRARYS_OWN),
    "a class of the user's": Case(Plain, batch="on"),
}

_number = st.one_of(st.integers(-5, 100), st.floats(-10, 95, width=32))
_spoilt = st.sampled_from([None, "n/a", [1.0], {}, 1e300, True])
_row = st.lists(_number, min_size=4, max_size=4)
_bad_row = st.one_of(
    st.lists(_number, max_size=6), st.lists(st.one_of(_number, _spoilt), min_size=4, max_size=4), _spoilt
)
_passenger = st.fixed_dictionaries(
    {
        "pclass": st.integers(1, 3),
        "sex": st.sampled_from(["female", "male"]),
        "age": st.one_of(st.none(), st.integers(0, 90), st.floats(0, 90)),
        "fare": st.one_of(st.none(), st.floats(0, 500)),
        "embarked": st.sampled_from(["C", "Q", "S", "nowhere"]),
    }
)
_bad_passenger = st.one_of(
    _passenger.map(lambda row: {**row, "pclass": 7}), _passenger.map(lambda row: {**row, "age": "old"}), st.just({})
)
_text = st.sampled_from(["good", "bad and dull", "", "great fun", "é"])

ROWS = {
    "numbers": (_row, _bad_row),
    "passengers": (_passenger, _bad_passenger),
    "texts": (_text, st.one_of(st.none(), st.integers(-9, 9))),
}


def _bodies(kind: str) -> st.SearchStrategy[list[Any]]:
    good, bad = ROWS[kind]
    clean = st.lists(good, min_size=1, max_size=5)
    dirty = st.lists(st.one_of(good, bad), max_size=3)
    return st.lists(st.one_of(clean, clean, clean, dirty), min_size=1, max_size=9)


@functools.cache
def _desk(name: str) -> Desk:
    return Desk(CASES[name].make(), batch=CASES[name].batch)


@pytest.mark.filterwarnings("ignore")  # of the libraries, about odd numbers
@pytest.mark.parametrize("name", CASES)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_each_is_answered_what_it_is_answered_alone(name: str, data: st.DataObject) -> None:
    case, desk = CASES[name], _desk(name)
    method = data.draw(st.sampled_from(case.methods))
    bodies = data.draw(_bodies(case.rows))
    chosen = desk.methods[method]
    for _ in range(40 * data.draw(st.booleans())):  # half of the time it is held to be quick, and runs on the loop
        chosen.cost.note(1, 1e-5)
    answers = desk.together(*bodies, method=method)
    for body, answer in zip(bodies, answers, strict=True):
        assert_alike(answer, outcome_of(desk.alone, body, method), case.tolerance)


@pytest.mark.parametrize("name", ["logistic", "forest", "scaler", "a class of the user's"])
def test_a_call_of_very_many_rows_is_answered_the_same_in_pieces(name: str) -> None:
    case, desk = CASES[name], _desk(name)
    rows = np.resize(iris_array(), (2 * MOST_ROWS + 17, 4)).tolist()
    [answer] = desk.together(rows, method=case.methods[0])
    assert_alike(answer, outcome_of(desk.alone, rows, case.methods[0]), case.tolerance)
