"""Models that weigh enough to be seen in the resident set of a process, and what is measured of their unloads there.

`python -m tests.frameworks.weighed NAME` measures one, in a process in which nothing else comes and goes.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import nbserve
from nbserve.core.memory import give_back, resident_bytes

__all__ = ["FILES", "MODELS", "main"]

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
    from sklearn.ensemble import ExtraTreesRegressor

    return ExtraTreesRegressor(20, n_jobs=1, random_state=0).fit(ROWS, TARGET), row()


def lightgbm_model() -> Made:
    import lightgbm

    settings = {
        "verbose": -1,
        "num_threads": 1,
        "num_leaves": 8000,
        "min_data_in_leaf": 1,
        "min_sum_hessian_in_leaf": 0,
    }
    return lightgbm.train(settings, lightgbm.Dataset(ROWS, TARGET), 30), row()


def xgboost_model() -> Made:
    import xgboost

    return xgboost.XGBRegressor(n_estimators=60, max_depth=20, n_jobs=1, min_child_weight=0).fit(ROWS, TARGET), row()


def catboost_model() -> Made:
    import catboost

    settings = {"iterations": 170, "depth": 13, "verbose": False, "allow_writing_files": False, "thread_count": 2}
    return catboost.CatBoostRegressor(**settings).fit(ROWS[:1000], TARGET[:1000]), row()


def torch_model() -> Made:
    import torch

    return torch.nn.Sequential(torch.nn.Linear(WIDTH, WIDTH), torch.nn.Linear(WIDTH, 2)).eval(), wide()


def keras_model() -> Made:
    import keras

    dense = keras.layers.Dense
    return keras.Sequential([keras.layers.Input((WIDTH,)), dense(WIDTH), dense(2)]), wide()


def transformers_model() -> Made:
    import transformers

    from tests.frameworks.cases import words_of

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
    import onnx

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
    import joblib

    model, rows = sklearn_model()
    joblib.dump(model, path)
    return rows


def torch_file(path: Path) -> Any:
    import torch

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


def check_given_back(ep: nbserve.Endpoint, ask: Callable[[], Any]) -> None:
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


def check_used_again(ep: nbserve.Endpoint, ask: Callable[[], Any]) -> None:
    """Once there are the gaps that pieces leave, of twelve more loads less stays than a quarter of them would weigh."""
    weight = 0
    for _ in range(12):
        ask()
        ep.unload()
        weight = ep.metadata()["memory"]["spilled_bytes"] or ep.metadata()["memory"]["model_bytes"]
    before = measured()
    for _ in range(12):
        ask()
        assert ep.loaded
        ep.unload()
    assert weight > LEAST_BYTES / 3
    assert measured() - before < weight * 3


MODELS = BLOCKS | PIECES
FILES = STORED_BLOCKS | STORED_PIECES


def main(name: str) -> None:
    """Raises `AssertionError` when too little comes back."""
    check = check_given_back if name in BLOCKS or name in STORED_BLOCKS else check_used_again
    with tempfile.TemporaryDirectory() as folder:
        if name in FILES:
            rows = FILES[name](Path(folder, name))
            served: list[Any] = [str(Path(folder, name))]
        else:
            model, rows = MODELS[name]()
            served = [model]
            del model
        ep = nbserve.serve(served.pop(), name="m", trust=True)
        with nbserve.Client(ep.url, ep.token) as client:
            check(ep, lambda: client.predict(rows))


if __name__ == "__main__":
    main(sys.argv[1])
