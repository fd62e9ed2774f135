"""What a model of each framework weighs, beside what its own file does."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nbserve.core.sizing import size_of

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.filterwarnings("ignore"),  # of what a framework says of itself
]

ROWS = np.random.default_rng(0).random((2000, 10)).astype(np.float32)
CLASSES = np.arange(2000) % 3


def lightgbm() -> Any:
    library = import_module("lightgbm")
    return library.LGBMClassifier(n_estimators=60, verbose=-1, n_jobs=1).fit(ROWS, CLASSES)


def xgboost() -> Any:
    library = import_module("xgboost")
    return library.XGBClassifier(n_estimators=60, n_jobs=1).fit(ROWS, CLASSES)


def catboost() -> Any:
    library = import_module("catboost")
    model = library.CatBoostClassifier(iterations=60, verbose=False, allow_writing_files=False, thread_count=1)
    return model.fit(ROWS, CLASSES)


def keras() -> Any:
    library = import_module("keras")
    return library.Sequential([library.layers.Input((100,)), library.layers.Dense(1000)])


def torch() -> Any:
    return import_module("torch").nn.Linear(100, 1000)


@pytest.mark.parametrize("make", [lightgbm, xgboost, catboost, keras, torch], ids=lambda make: make.__name__)
def test_a_model_weighs_about_what_its_pickle_does(make: Callable[[], Any]) -> None:
    model = make()
    assert size_of(model) == pytest.approx(len(pickle.dumps(model, 5)), rel=0.4)


def test_a_compiled_module_weighs_what_its_tensors_do() -> None:
    library = import_module("torch")
    module = library.jit.trace(library.nn.Linear(100, 1000), library.zeros(1, 100))
    assert size_of(module) == pytest.approx(404_000, rel=0.05)


def test_a_saved_model_weighs_what_its_variables_do(tmp_path: Path) -> None:
    library = import_module("tensorflow")
    module = library.Module()
    module.weights = library.Variable(library.zeros((100, 1000)))
    module.ask = library.function(lambda x: x @ module.weights, input_signature=[library.TensorSpec((None, 100))])
    assert size_of(module) == pytest.approx(400_000, rel=0.05)
    library.saved_model.save(module, tmp_path)
    assert size_of(library.saved_model.load(tmp_path)) == pytest.approx(400_000, rel=0.2)


def test_a_session_weighs_what_its_file_does(tmp_path: Path) -> None:
    onnxruntime = import_module("onnxruntime")
    onnx = import_module("onnx")
    weights = onnx.numpy_helper.from_array(np.ones((100, 1000), np.float32), "w")
    rows, answer = (
        onnx.helper.make_tensor_value_info(name, 1, [None, size]) for name, size in [("x", 100), ("y", 1000)]
    )
    node = onnx.helper.make_node("MatMul", ["x", "w"], ["y"])
    graph = onnx.helper.make_graph([node], "g", [rows], [answer], [weights])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    content = model.SerializeToString()
    (tmp_path / "model.onnx").write_bytes(content)
    assert size_of(onnxruntime.InferenceSession(tmp_path / "model.onnx")) == len(content)
    assert size_of(onnxruntime.InferenceSession(content)) == 2 * len(content)
