"""What an unload gives back, measured: of models that weigh enough to be seen in the resident set of the process.

Most of it comes back to the system. TensorFlow keeps what it has freed for its next tensors, and trees are many small
pieces, between which others lie: of these is measured that they are freed, since the next load takes their place.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import catboost
import joblib
import keras
import lightgbm
import numpy as np
import onnx
import pytest
import torch
import transformers
import xgboost
from sklearn.ensemble import ExtraTreesRegressor

from nbserve.core.memory import give_back, resident_bytes
from nbserve.notebook.handle import Endpoint
from tests.client import Caller
from tests.conftest import Serve
from tests.frameworks.cases import words_of

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.filterwarnings("ignore"),  # of the libraries, about themselves
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the resident set is read from /proc"),
]

MB = 1_000_000
LEAST_BYTES = 30 * MB
"""What each weighs at least; of less the noise of a process would be too large a part."""

WIDTH = 3000

DRAW = np.random.default_rng(0)
ROWS, TARGET = DRAW.random((20_000, 4)), DRAW.random(20_000)

Made = tuple[Any, Any]
"""A model, and one row for it."""


def row() -> Any:
    return ROWS[:1].tolist()


def wide() -> Any:
    return [[0.5] * WIDTH]


def sklearn_model() -> Made:
    return ExtraTreesRegressor(20, n_jobs=1, random_state=0).fit(ROWS, TARGET), row()


def lightgbm_model() -> Made:
    settings = {
        "verbose": -1,
        "num_threads": 1,
        "num_leaves": 8000,
        "min_data_in_leaf": 1,
        "min_sum_hessian_in_leaf": 0,
    }
    return lightgbm.train(settings, lightgbm.Dataset(ROWS, TARGET), 30), row()


def xgboost_model() -> Made:
    return xgboost.XGBRegressor(n_estimators=60, max_depth=20, n_jobs=1, min_child_weight=0).fit(ROWS, TARGET), row()


def catboost_model() -> Made:
    settings = {"iterations": 170, "depth": 13, "verbose": False, "allow_writing_files": False, "thread_count": 2}
    return catboost.CatBoostRegressor(**settings).fit(ROWS[:1000], TARGET[:1000]), row()


def torch_model() -> Made:
    return torch.nn.Sequential(torch.nn.Linear(WIDTH, WIDTH), torch.nn.Linear(WIDTH, 2)).eval(), wide()


def keras_model() -> Made:
    dense = keras.layers.Dense
    return keras.Sequential([keras.layers.Input((WIDTH,)), dense(WIDTH), dense(2)]), wide()


def transformers_model() -> Made:
    sizes = {"hidden_size": 128, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    model = transformers.BertForSequenceClassification(transformers.BertConfig(vocab_size=100_000, **sizes)).eval()
    return transformers.pipeline("text-classification", model=model, tokenizer=words_of()), ["good"]


class Table:
    """A class of the notebook's own."""

    def __init__(self) -> None:
        self.values = np.ones(5_000_000)

    def predict(self, X: np.ndarray) -> Any:
        return X[:, 0] * self.values[0]


BLOCKS: dict[str, Callable[[], Made]] = {
    "scikit-learn": sklearn_model,
    "torch": torch_model,
    "transformers": transformers_model,
    "a class": lambda: (Table(), row()),
}

PIECES: dict[str, Callable[[], Made]] = {
    "lightgbm": lightgbm_model,
    "xgboost": xgboost_model,
    "catboost": catboost_model,
    "keras": keras_model,
}


def onnx_file(path: Path) -> Any:
    weights = onnx.numpy_helper.from_array(np.ones((WIDTH, WIDTH), "float32"), "w")
    shape = {name: onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None, WIDTH]) for name in "xy"}
    node = onnx.helper.make_node("MatMul", ["x", "w"], ["y"])
    graph = onnx.helper.make_graph([node], "net", [shape["x"]], [shape["y"]], [weights])
    opset = [onnx.helper.make_opsetid("", 17)]
    path.write_bytes(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString())
    return wide()


def tensorflow_folder(path: Path) -> Any:
    model, rows = keras_model()
    model.export(path, verbose=False)
    return rows


def joblib_file(path: Path) -> Any:
    model, rows = sklearn_model()
    joblib.dump(model, path)
    return rows


def torch_file(path: Path) -> Any:
    model, rows = torch_model()
    torch.save(model, path)
    return rows


STORED_BLOCKS: dict[str, Callable[[Path], Any]] = {
    "model.onnx": onnx_file,
    "model.joblib": joblib_file,
    "model.pt": torch_file,
}

STORED_PIECES: dict[str, Callable[[Path], Any]] = {"saved": tensorflow_folder}


def measured() -> int:
    give_back()
    return resident_bytes()


def check_given_back(ep: Endpoint, ask: Callable[[], Any]) -> None:
    """Unloaded it weighs nothing, loaded all that it weighs, as often as it goes and comes; the report says as much."""
    ask()  # what a library keeps once, for all models, is there then
    ep.unload()
    for _ in range(2):
        away = measured()
        ask()
        grown = measured() - away
        assert grown > LEAST_BYTES
        report = ep.unload()
        assert report.holders == ()
        assert measured() - away < grown * 0.25
        assert report.freed_bytes > grown * 0.75
        assert report.resident_before_bytes - report.resident_after_bytes == report.freed_bytes


def check_used_again(ep: Endpoint, ask: Callable[[], Any]) -> None:
    """Six loads take less than half of what they would if nothing of them were freed."""
    weight = 0
    for _ in range(2):
        ask()
        ep.unload()
        weight = ep.metadata()["memory"]["spilled_bytes"] or ep.metadata()["memory"]["model_bytes"]
    before = measured()
    for _ in range(6):
        ask()
        assert ep.loaded
        ep.unload()
    assert weight > LEAST_BYTES / 3
    assert measured() - before < weight * 3


@pytest.mark.parametrize("name", [*BLOCKS, *PIECES])
def test_a_model_that_nobody_holds_gives_its_memory_back(name: str, serve: Serve, caller: Caller) -> None:
    model, rows = (BLOCKS | PIECES)[name]()
    ep = serve(model, name="m")
    del model
    check = check_given_back if name in BLOCKS else check_used_again
    check(ep, lambda: caller.predict("/m/predict", json=rows))


@pytest.mark.parametrize("name", [*STORED_BLOCKS, *STORED_PIECES])
def test_a_file_gives_its_memory_back(name: str, serve: Serve, caller: Caller, tmp_path: Path) -> None:
    rows = (STORED_BLOCKS | STORED_PIECES)[name](tmp_path / name)
    ep = serve(str(tmp_path / name), name="m", trust=True)
    check = check_given_back if name in STORED_BLOCKS else check_used_again
    check(ep, lambda: caller.predict("/m/predict", json=rows))
