"""Whose fault an exception is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from nbserve.core.blame import LONGEST_REASON, is_callers_fault, reason_of

X, Y = load_iris(return_X_y=True)
LINEAR = LogisticRegression(max_iter=500).fit(X, Y)
NEAREST = KNeighborsClassifier().fit(X, Y)
ENCODER = OneHotEncoder().fit(pd.DataFrame({"port": ["S", "C"]}))


def raised(work: Callable[[], Any]) -> BaseException:
    with pytest.raises(Exception) as caught:  # noqa: PT011  # any exception is what is looked at
        work()
    return caught.value


@pytest.mark.parametrize(
    "work",
    [
        lambda: LINEAR.predict([[1.0, 2.0]]),
        lambda: LINEAR.predict([[1.0, 2.0, np.nan, 3.0]]),
        lambda: LINEAR.predict([["a", "b", "c", "d"]]),
        lambda: ENCODER.transform(pd.DataFrame({"port": ["Q"]})),
        lambda: NEAREST.kneighbors(X[:1], n_neighbors=0),
        lambda: NEAREST.kneighbors(X[:1], n_neighbors=1000),
        lambda: NEAREST.kneighbors(X[:1], n_neighbors=[1.5]),
    ],
    ids=["too few features", "not a number", "words", "an unknown category", "none", "too many", "a list of them"],
)
def test_what_a_library_refuses_at_its_door_is_the_callers(work: Callable[[], Any]) -> None:
    assert is_callers_fault(raised(work))


def own_bug(_: object) -> object:
    raise ValueError("Input X contains NaN.")


@pytest.mark.parametrize(
    "work",
    [
        lambda: own_bug(None),
        lambda: FunctionTransformer(own_bug).transform(X),
        lambda: FunctionTransformer(lambda rows: np.asarray(rows).reshape(7, 7)).transform(X),
        lambda: 1 / 0,
        lambda: LINEAR.nothing,
        lambda: KNeighborsClassifier(9).fit(X[:3], [0, 1, 0]).predict(X[:1]),
    ],
    ids=[
        "its own words",
        "inside a library's call",
        "numpy called by the user",
        "arithmetic",
        "no such attribute",
        "its setting",
    ],
)
def test_what_the_users_code_raises_is_the_models_whatever_it_says(work: Callable[[], Any]) -> None:
    assert not is_callers_fault(raised(work))


def test_a_reason_names_no_folder_of_the_server() -> None:
    error = OSError("cannot open /srv/secret/models/iris.bin for /home/someone")
    assert reason_of(error) == "OSError: cannot open …/iris.bin for …/someone"


def test_a_reason_is_one_bounded_line() -> None:
    assert reason_of(ValueError("a\n b")) == "ValueError: a b"
    assert reason_of(ValueError("There is none.")) == "ValueError: There is none"
    assert reason_of(ValueError()) == "ValueError"
    assert len(reason_of(ValueError("x" * 10_000))) < LONGEST_REASON + 50


def test_a_rate_and_a_url_are_not_folders() -> None:
    assert reason_of(ValueError("3/4 of rows, km/h")) == "ValueError: 3/4 of rows, km/h"
