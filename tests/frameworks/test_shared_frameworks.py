"""Models of the frameworks, as they are: each call is answered what it is answered alone, whoever shares its run."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import catboost
import keras
import lightgbm
import numpy as np
import onnxruntime
import orjson
import pytest
import skl2onnx
import torch
import xgboost
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nbserve.core.sharing import MOST_ROWS
from tests.alike import assert_alike, outcome_of
from tests.core.test_batching import Desk
from tests.models import iris_array, iris_target

pytestmark = pytest.mark.frameworks

EXACT, SINGLE = 0.0, 1e-5
"""Trees answer to the last bit; layers that multiply matrices within what 32 bits allow."""


@dataclass(frozen=True)
class Case:
    make: Callable[[], Any]
    methods: tuple[str, ...] = ("predict",)
    tolerance: float = EXACT
    shape: tuple[int, ...] = (4,)


class Dense(torch.nn.Module):
    """A class as people write it: the layer that comes first is not the one that was made first."""

    def __init__(self) -> None:
        super().__init__()
        self.last = torch.nn.Linear(16, 3)
        self.first = torch.nn.Linear(4, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.last(torch.relu(self.first(x))), dim=1)


def _fitted(model: Any) -> Any:
    return model.fit(iris_array(), iris_target())


def _lightgbm() -> Any:
    settings = {"objective": "multiclass", "num_class": 3, "verbose": -1}
    return lightgbm.train(settings, lightgbm.Dataset(iris_array(), iris_target()), 5)


def _xgboost(**settings: Any) -> Any:
    return xgboost.train(settings, xgboost.DMatrix(iris_array(), iris_target()), 5)


def _keras() -> Any:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential(
        [layers.Input((4,)), layers.Dense(8, activation="relu"), layers.BatchNormalization(), layers.Dropout(0.5),
         layers.Dense(3, activation="softmax")]
    )  # fmt: skip


def _convolution() -> torch.nn.Module:
    torch.manual_seed(0)
    nn = torch.nn
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(18, 2)).eval()


def _onnx(**options: Any) -> Any:
    graph = skl2onnx.to_onnx(_fitted(LogisticRegression(max_iter=500)), iris_array()[:1].astype("float32"), **options)
    return onnxruntime.InferenceSession(graph.SerializeToString())


CASES = {
    "LGBMClassifier": Case(
        lambda: _fitted(lightgbm.LGBMClassifier(n_estimators=5, verbose=-1)),
        ("predict", "predict_proba", "decision_function"),
    ),
    "LGBMRegressor": Case(lambda: _fitted(lightgbm.LGBMRegressor(n_estimators=5, verbose=-1))),
    "lightgbm.Booster": Case(_lightgbm),
    "XGBClassifier": Case(
        lambda: _fitted(xgboost.XGBClassifier(n_estimators=5)), ("predict", "predict_proba", "apply")
    ),
    "XGBRegressor": Case(lambda: _fitted(xgboost.XGBRegressor(n_estimators=5))),
    "xgboost.Booster": Case(_xgboost),
    "xgboost.Booster, linear": Case(lambda: _xgboost(booster="gblinear"), tolerance=SINGLE),
    "CatBoostClassifier": Case(
        lambda: _fitted(catboost.CatBoostClassifier(n_estimators=5, verbose=0, allow_writing_files=False)),
        ("predict", "predict_proba", "predict_log_proba"),
    ),
    "CatBoostRegressor": Case(
        lambda: _fitted(catboost.CatBoostRegressor(n_estimators=5, verbose=0, allow_writing_files=False))
    ),
    "a pipeline": Case(
        lambda: _fitted(make_pipeline(StandardScaler(), lightgbm.LGBMClassifier(n_estimators=5, verbose=-1)))
    ),
    "keras": Case(_keras, tolerance=SINGLE),
    "torch": Case(lambda: Dense().eval(), tolerance=SINGLE),
    "torch, images": Case(_convolution, tolerance=SINGLE, shape=(1, 5, 5)),
    "onnx": Case(lambda: _onnx(options={"zipmap": False}), tolerance=SINGLE),
    "onnx, a mapping a row": Case(_onnx, tolerance=SINGLE),
}

_number = st.one_of(st.integers(-5, 100), st.floats(-10, 95, width=32))
_spoilt = st.sampled_from([None, "n/a", [1.0], {}, 1e300, True])


def _row(shape: tuple[int, ...]) -> st.SearchStrategy[Any]:
    row: st.SearchStrategy[Any] = _number
    for length in reversed(shape):
        row = st.lists(row, min_size=length, max_size=length)
    return row


def _bodies(shape: tuple[int, ...]) -> st.SearchStrategy[list[Any]]:
    row = _row(shape)
    spoilt = st.lists(st.one_of(_number, _spoilt), min_size=4, max_size=4)
    bad = st.one_of(st.lists(_number, max_size=6), spoilt, _spoilt)
    clean = st.lists(row, min_size=1, max_size=5 if len(shape) == 1 else 2)
    many = row.flatmap(lambda one: st.integers(6, 40).map(lambda count: [one] * count))
    dirty = st.lists(st.one_of(row, bad), max_size=3)
    return st.lists(st.one_of(clean, clean, clean, many, dirty), min_size=1, max_size=9)


@functools.cache
def _desk(name: str) -> Desk:
    return Desk(CASES[name].make())


@pytest.mark.filterwarnings("ignore")  # of the libraries, about odd numbers
@pytest.mark.parametrize("name", CASES)
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_shares_a_run_each_is_answered_what_it_is_answered_alone(name: str, data: st.DataObject) -> None:
    case, desk = CASES[name], _desk(name)
    method = data.draw(st.sampled_from(case.methods))
    bodies = data.draw(_bodies(case.shape))
    chosen = desk.methods[method]
    for _ in range(40 * data.draw(st.booleans())):  # half of the time it is held to be quick, and runs on the loop
        chosen.cost.note(1, 1e-5)
    for body, answer in zip(bodies, desk.together(*bodies, method=method), strict=True):
        assert_alike(answer, outcome_of(desk.alone, body, method), case.tolerance)


@pytest.mark.parametrize("name", CASES)
def test_calls_that_come_together_share_a_run(name: str) -> None:
    desk = Desk(CASES[name].make())
    method = desk.methods[CASES[name].methods[0]]
    assert method.signature.row_wise
    example = method.signature.example[method.signature.data.name]
    sizes: list[int] = []
    call = type(method).__call__

    class Counting(type(method)):  # type: ignore[misc]
        def __call__(self, model: Any, given: Any) -> Any:
            sizes.append(given.rows)
            return call(self, model, given)

    method.__class__ = Counting
    answers = desk.together(example, example, example, method=method.name)
    assert sizes == [3 * len(example)]
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize(("name", "is_here"), [("torch", False), ("torch, images", True), ("keras", True)])
def test_code_of_the_users_never_runs_on_the_loop(name: str, is_here: bool) -> None:
    desk = Desk(CASES[name].make())
    method = desk.methods["predict"]
    threads: set[str] = set()
    call = type(method).__call__

    class Watched(type(method)):  # type: ignore[misc]
        def __call__(self, model: Any, given: Any) -> Any:
            threads.add(threading.current_thread().name)
            return call(self, model, given)

    method.__class__ = Watched
    for _ in range(40):  # it is held to be quick
        method.cost.note(1, 1e-5)
        method.pace.note(1, 1e-5)
    desk.together(method.signature.example[method.signature.data.name])
    assert (threads == {threading.current_thread().name}) == is_here


@pytest.mark.parametrize("name", ["LGBMClassifier", "XGBClassifier", "CatBoostClassifier", "keras", "torch", "onnx"])
def test_a_call_of_very_many_rows_is_answered_as_a_whole(name: str) -> None:
    case, desk = CASES[name], _desk(name)
    rows = np.resize(iris_array(), (MOST_ROWS + 17, 4)).tolist()
    [answer] = desk.together(rows, method=case.methods[0])
    assert_alike(answer, outcome_of(desk.alone, rows, case.methods[0]), case.tolerance)


def test_calls_that_carry_a_value_for_each_row_beside_it_run_alone() -> None:
    desk, X = _desk("XGBRegressor"), iris_array()[:3].tolist()
    expected = desk.callee.component  # the model itself, asked without nbserve
    with expected.lease() as model:
        margins = np.array([5.0, 6.0, 7.0])
        alone = model.predict(np.array(X), base_margin=margins)
    bodies = [{"X": X, "base_margin": margins.tolist()}] * 3
    answers = _asked_in_one_turn(desk, bodies)
    assert all(np.array_equal(np.float32(each), alone) for each in answers)


def test_a_value_for_each_of_very_many_rows_is_not_cut_off() -> None:
    desk, X = _desk("XGBRegressor"), np.resize(iris_array(), (MOST_ROWS + 17, 4))
    margins = np.arange(len(X), dtype="float32")
    with desk.callee.component.lease() as model:
        alone = model.predict(X, base_margin=margins)
    [answer] = _asked_in_one_turn(desk, [{"X": X.tolist(), "base_margin": margins.tolist()}])
    assert np.array_equal(np.float32(answer), alone)


def _asked_in_one_turn(desk: Desk, bodies: list[dict[str, Any]]) -> list[Any]:
    import asyncio

    async def ask() -> list[Any]:
        return await asyncio.gather(*(desk.ask(**body) for body in bodies))

    found = [orjson.loads(each.value) for each in asyncio.run(ask())]
    desk.rest()
    return found
