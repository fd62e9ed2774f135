"""What a model weighs."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier

from nbserve.core.sizing import size_of
from nbserve.core.spill import Spill
from tests.models import CASES, ModelCase, iris_array, iris_target

MB = 1_000_000


class Holder:
    def __init__(self, *held: Any) -> None:
        self.held = held


class Slotted:
    __slots__ = ("weights",)

    def __init__(self, weights: Any) -> None:
        self.weights = weights


ARRAY = np.ones(MB // 8)
LONG_DICT = {f"{i:06}": i + 1000 for i in range(100_000)}
LONG_DICT_SIZE = sum(map(sys.getsizeof, [LONG_DICT, *LONG_DICT, *LONG_DICT.values()]))
SPARSE = scipy.sparse.random(1000, 1000, 0.1, format="csr", random_state=0)


def closing_over(weights: Any) -> Any:
    return lambda X: X @ weights


def uses_a_global(X: Any) -> Any:
    return X @ ARRAY


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        pytest.param(Holder(ARRAY), MB, id="array"),
        pytest.param(Holder(ARRAY, ARRAY), MB, id="the same array twice"),
        pytest.param(Holder(ARRAY, ARRAY[:10], ARRAY.reshape(5, -1)), MB, id="views"),
        pytest.param(Holder(ARRAY[:10]), MB, id="a view keeps the whole"),
        pytest.param(Holder(np.frombuffer(bytes(MB))), MB, id="foreign buffer"),
        pytest.param(Holder(SPARSE), SPARSE.data.nbytes + SPARSE.indices.nbytes + SPARSE.indptr.nbytes, id="sparse"),
        pytest.param(Holder(pd.DataFrame({"a": ARRAY})), MB, id="frame"),
        pytest.param({"a": [ARRAY, (ARRAY.copy(),)]}, 2 * MB, id="containers"),
        pytest.param(Slotted(ARRAY), MB, id="slots"),
        pytest.param(closing_over(ARRAY), MB, id="closure"),
        pytest.param(functools.partial(max, ARRAY), MB, id="partial"),
        pytest.param(Holder(ARRAY).__init__, MB, id="bound method"),
        pytest.param(Holder("x" * MB), MB, id="text"),
        pytest.param(uses_a_global, 0, id="globals are not its own"),
        pytest.param(Holder(np, Holder, print), 0, id="modules and classes are not entered"),
        pytest.param(Holder([float(i) for i in range(100_000)]), 100_000 * (24 + 8), id="long list"),
        pytest.param(
            Holder(LONG_DICT), sum(map(sys.getsizeof, [LONG_DICT, *LONG_DICT, *LONG_DICT.values()])), id="long dict"
        ),
    ],
)
def test_what_is_held_is_counted_once(model: Any, expected: int) -> None:
    assert size_of(model) == pytest.approx(expected, rel=0.1, abs=3000)


def test_the_nodes_of_trees_are_counted() -> None:
    forest = RandomForestClassifier(10, random_state=0).fit(iris_array(), iris_target())
    nodes = sum(tree.tree_.node_count for tree in forest.estimators_)
    assert size_of(forest) > nodes * (64 + 3 * 8)


def test_the_training_data_that_a_model_keeps_is_counted() -> None:
    rows = np.random.default_rng(0).random((5000, 10))
    model = KNeighborsClassifier(algorithm="kd_tree").fit(rows, np.arange(5000) % 2)
    assert size_of(model) > rows.nbytes


def test_what_refuses_to_be_looked_at_has_still_a_size() -> None:
    class Closed:
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError("no")

        def __sizeof__(self) -> int:
            raise RuntimeError("no")

    cycle: list[Any] = []
    cycle.append(cycle)
    assert size_of(Closed()) >= 0
    assert size_of(cycle) > 0


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_model_has_a_size(case: ModelCase) -> None:
    assert 0 < size_of(case.make()) < 50 * MB


def test_what_was_spilled_weighs_what_it_did(tmp_path: Path) -> None:
    model = {"rows": ARRAY, "again": ARRAY, "forest": RandomForestClassifier(3).fit(iris_array(), iris_target())}
    assert size_of(Spill.write(model, tmp_path).read()) == pytest.approx(size_of(model), rel=0.02)


class Counting:
    """Tells how often it was asked for its size."""

    asked = 0

    def __sizeof__(self) -> int:
        type(self).asked += 1
        return 10**9


def test_the_users_own_way_of_telling_a_size_is_not_run() -> None:
    assert size_of(Counting()) < 1000
    assert Counting.asked == 0


def test_an_object_that_answers_everything_is_measured_all_the_same() -> None:
    assert size_of(MagicMock()) >= 0
