"""Folders of MLflow: loaded by the library of what is in them, or by MLflow; their signature and example are heard."""

from __future__ import annotations

import importlib
import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import onnx
import pandas as pd
import pytest
import xgboost
from sklearn.linear_model import LogisticRegression

from nbserve.core import loaders
from nbserve.core.analysis import analyse
from nbserve.errors import LoadError
from tests.client import Caller, assert_error
from tests.conftest import Serve
from tests.frameworks import cases

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it warns of itself while it is imported
    import mlflow.lightgbm
    import mlflow.pyfunc
    import mlflow.sklearn
    import mlflow.xgboost
    from mlflow.models import infer_signature

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("ignore")]  # of the libraries, about themselves

FRAME = pd.DataFrame(np.random.default_rng(0).random((60, 2)), columns=["age", "height"])
LABELS = (FRAME["age"] > 0.5).astype(int)
HOW = {"pip_requirements": ["numpy"]}  # else MLflow runs the model to find out


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow leaves folders where it is run."""
    monkeypatch.chdir(tmp_path)


def save_sklearn(path: Path, **how: Any) -> Any:
    model = LogisticRegression().fit(FRAME, LABELS)
    signature = infer_signature(FRAME, model.predict(FRAME))
    mlflow.sklearn.save_model(model, path, signature=signature, input_example=FRAME[:2], **HOW, **how)
    return model


def save_pickled(path: Path) -> Any:
    return save_sklearn(path, serialization_format="cloudpickle")


def save_xgboost(path: Path) -> Any:
    model = xgboost.XGBClassifier(n_estimators=2).fit(FRAME, LABELS)
    mlflow.xgboost.save_model(model, path, **HOW)
    return model


def save_lightgbm(path: Path) -> Any:
    booster = lightgbm.train({"verbose": -1}, lightgbm.Dataset(FRAME, LABELS), 2)
    mlflow.lightgbm.save_model(booster, path, **HOW)
    return booster


NATIVE: dict[str, tuple[Callable[[Path], Any], str, bool]] = {
    "sklearn": (save_sklearn, "MLflow, skops", False),
    "sklearn, pickled": (save_pickled, "MLflow, pickle", True),
    "xgboost": (save_xgboost, "MLflow, XGBoost", False),
    "lightgbm": (save_lightgbm, "MLflow, LightGBM", False),
}


@pytest.mark.parametrize("name", NATIVE)
def test_a_model_with_a_file_of_its_own_is_loaded_by_its_own_library(name: str, tmp_path: Path) -> None:
    save, title, runs_code = NATIVE[name]
    model, path = save(tmp_path / "net"), tmp_path / "net"
    loader = loaders.find_loader(path)
    assert (loader.name, loader.title, loader.runs_code) == ("mlflow", title, runs_code)
    header = loaders.peek(path)
    assert header is not None
    assert "python_function" in header["flavors"]
    assert json.loads(json.dumps(header)) == header
    if runs_code:
        with pytest.raises(LoadError, match=r"net \(MLflow, pickle\) would run the code"):
            loaders.load(path)
    again = loaders.load(path, trust=runs_code)
    assert type(again.model) is type(model)
    assert np.array_equal(again.model.predict(FRAME), model.predict(FRAME))


ON = cases.X[:5]

OTHERS: dict[str, tuple[str, str, dict[str, Any], str, bool]] = {
    "catboost": ("mlflow.catboost", "catboost", {}, "MLflow, CatBoost", False),
    "keras": ("mlflow.keras", "keras", {}, "MLflow, Keras", False),
    "onnx": ("mlflow.onnx", "onnx", {}, "MLflow, ONNX", False),
    "pytorch, exported": ("mlflow.pytorch", "torch", {"input_example": ON}, "MLflow, torch.export", True),
    "pytorch, pickled": ("mlflow.pytorch", "torch", {"serialization_format": "pickle"}, "MLflow, PyTorch", True),
    "tensorflow": ("mlflow.tensorflow", "tensorflow", {}, "MLflow, Keras", False),
}
"""The module of the flavor, the case of the conformance suite that is saved, how, as what it is read, whether that runs
code."""


@pytest.mark.parametrize("name", OTHERS)
def test_a_folder_of_each_flavor_answers_as_the_librarys_own_model(
    name: str, serve: Serve, caller: Caller, tmp_path: Path
) -> None:
    module, case, how, title, runs_code = OTHERS[name]
    model = onnx.load_from_string(cases.onnx_content()) if case == "onnx" else cases.CASES[case].make()
    importlib.import_module(module).save_model(model, str(tmp_path / "net"), **HOW, **how)
    loader = loaders.find_loader(tmp_path / "net")
    assert (loader.title, loader.runs_code) == (title, runs_code)
    serve(tmp_path / "net", name="m", trust=runs_code)
    for n in (1, 7):
        assert caller.predict("/m/predict", json=cases.CASES[case].rows(n)) == cases.answered(case, n)


def test_a_pipeline_of_transformers_is_called_by_mlflow_with_texts(
    serve: Serve, caller: Caller, tmp_path: Path
) -> None:
    mlflow_of = importlib.import_module("mlflow.transformers")
    mlflow_of.save_model(cases.transformers_model(), str(tmp_path / "net"), task="text-classification", **HOW)
    with pytest.raises(LoadError, match=r"net \(MLflow\) would run the code"):
        loaders.load(tmp_path / "net")
    ep = serve(tmp_path / "net", name="m", trust=True)
    for n in (1, 7):
        assert caller.predict("/m/predict", json=cases.texts(n)) == cases.answered("transformers", n)
    assert ep.inspect()["model"]["methods"][0]["example"] == {"data": ["some text", "another text"]}


def test_its_signature_and_example_are_told_and_served(serve: Serve, caller: Caller, tmp_path: Path) -> None:
    model = save_sklearn(tmp_path / "net")
    header = loaders.peek(tmp_path / "net")
    assert header is not None
    assert [each["name"] for each in header["inputs"]] == ["age", "height"]
    assert header["input_example"]["columns"] == ["age", "height"]
    ep = serve(tmp_path / "net", name="m", trust=False)
    assert caller.predict("/m/predict", json=FRAME.to_dict("records")) == model.predict(FRAME).tolist()
    described = ep.inspect()["model"]
    assert described["methods"][0]["example"]["X"] == FRAME[:2].to_dict("records")


def save_pyfunc(path: Path, rows: Any) -> None:
    class Total(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return model_input.sum(axis=1)

    mlflow.pyfunc.save_model(
        path, python_model=Total(), signature=infer_signature(rows, np.zeros(2)), input_example=rows[:2], **HOW
    )


def test_any_other_model_is_called_by_mlflow_itself(serve: Serve, caller: Caller, tmp_path: Path) -> None:
    rows = pd.DataFrame({"age": np.array([1, 2], "int32"), "height": [0.5, 1.5], "tall": [True, False]})
    save_pyfunc(tmp_path / "net", rows)
    with pytest.raises(LoadError, match="--trust"):
        loaders.load(tmp_path / "net")
    ep = serve(tmp_path / "net", name="m", trust=True)
    records = [{"tall": True, "height": 0.5, "age": 1}, {"tall": False, "age": 2, "height": 1.5}]
    assert caller.predict("/m/predict", json=records) == [2.5, 3.5]
    assert ep.inspect()["model"]["methods"][0]["example"]["data"] == rows.to_dict("records")
    assert_error(caller.post("/m/predict", json=[{"age": 1, "height": 2}]), 422, "input_invalid")
    assert_error(caller.post("/m/predict", json=[{"age": 1.5, "height": 2, "tall": True}]), 422, "input_invalid")


def test_a_tensor_is_rows_of_its_type(tmp_path: Path) -> None:
    save_pyfunc(tmp_path / "net", np.ones((2, 3), "float32"))
    profile = analyse(loaders.load(tmp_path / "net", trust=True).model)
    data = profile.main.data
    assert data is not None
    assert (data.kind, data.width, data.dtype) == ("matrix", 3, "float32")


# --- written by hand: what no MLflow would write


def written(path: Path, description: str, **files: bytes) -> Path:
    path.mkdir()
    (path / "MLmodel").write_text(description)
    for name, content in files.items():
        (path / name).write_bytes(content)
    return path


def test_a_file_outside_of_the_folder_is_not_read(tmp_path: Path) -> None:
    save_lightgbm(tmp_path / "whole")
    (tmp_path / "whole" / "model.lgb").rename(tmp_path / "model.lgb")
    for name, data in {"up": "../model.lgb", "absolute": str(tmp_path / "model.lgb"), "itself": "."}.items():
        path = written(tmp_path / name, f"flavors: {{lightgbm: {{data: '{data}'}}}}")
        with pytest.raises(LoadError, match=f"{name} says that its model is .*, which leads out of it"):
            loaders.find_loader(path)
    linked = written(tmp_path / "linked", "flavors: {lightgbm: {data: model.lgb}}")
    (linked / "model.lgb").symlink_to(tmp_path / "model.lgb")
    with pytest.raises(LoadError, match="leads out of it"):
        loaders.find_loader(linked)


@pytest.mark.parametrize(
    ("description", "sentence"),
    [
        ("flavors: [", "a folder without a model that is known"),
        ("flavors: 3", "a folder without a model that is known"),
        ("", "a folder without a model that is known"),
        ("!!python/object/apply:os.system ['true']", "a folder without a model that is known"),
        ("flavors: {spacy: {data: model.spacy}}", "no flavor that is read here: spacy"),
        ("flavors: {lightgbm: {data: model.lgb}}", "no flavor that is read here: lightgbm"),
        ("flavors: {lightgbm: {data: text}}", "text is text"),
    ],
)
def test_a_damaged_folder_is_a_sentence(description: str, sentence: str, tmp_path: Path) -> None:
    path = written(tmp_path / "net", description, text=b"hello")
    with pytest.raises(LoadError, match=sentence) as caught:
        loaders.load(path, trust=True)
    assert str(tmp_path) not in str(caught.value)
