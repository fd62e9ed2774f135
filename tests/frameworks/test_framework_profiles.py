"""What is found out about models of the frameworks, and that it works: the example, the width, the rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import catboost
import keras
import lightgbm
import numpy as np
import onnxruntime
import orjson
import pandas as pd
import pytest
import skl2onnx
import torch
import xgboost
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nbserve.core.analysis import analyse
from nbserve.core.calls import Method
from nbserve.core.codecs import encode
from nbserve.core.schema import Profile, Signature, Task
from nbserve.errors import InputError

pytestmark = pytest.mark.frameworks

X = np.random.default_rng(0).random((200, 4))
y = (X[:, 0] > 0.5).astype(int)
frame = pd.DataFrame(X, columns=list("abcd"))
mixed = frame.assign(k=np.where(X[:, 1] > 0.5, "u", "v"))
layers, nn = keras.layers, torch.nn


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(8, 2)
        self.first = nn.Linear(4, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.first(x))


class Single(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.head = nn.LayerNorm(4), nn.Linear(4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(x)).squeeze(-1)


class Centred(Net):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.first(x)
        return self.last(hidden - hidden.mean(0))


class Scaled(Net):
    def forward(self, x: torch.Tensor, offset: torch.Tensor | None = None, scale: float = 1.0) -> Any:
        answer = self.last(self.first(x)) * scale
        return answer if offset is None else answer + offset


class Outputs(Net):
    def forward(self, x: torch.Tensor) -> Any:
        hidden = self.first(x)
        return {"hidden": hidden, "last": self.last(hidden)}


class Words(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.last = nn.Embedding(10, 4), nn.Linear(4, 2)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.last(self.embedding(tokens).mean(1))


class Kept(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x: Any) -> Any:
        return self.dense(x)


def _kept() -> Any:
    model = Kept()
    model(np.zeros((1, 3), "float32"))
    return model


def _graph(**shape: Any) -> Any:
    graph = skl2onnx.to_onnx(LinearRegression().fit(X, y), X[:1].astype("float32"), **shape)
    return onnxruntime.InferenceSession(graph.SerializeToString())


def _fixed_graph() -> Any:
    kind = skl2onnx.common.data_types.FloatTensorType([2, 4])
    graph = skl2onnx.to_onnx(LinearRegression().fit(X, y), initial_types=[("X", kind)])
    return onnxruntime.InferenceSession(graph.SerializeToString())


def _named_graph() -> Any:
    model = make_pipeline(StandardScaler(), LinearRegression()).fit(frame, y)
    graph = skl2onnx.to_onnx(model, frame[:1].astype("float32"))
    return onnxruntime.InferenceSession(graph.SerializeToString())


def _two_inputs() -> Any:
    a, b = layers.Input((2,), name="a"), layers.Input((3,), name="b")
    return keras.Model([a, b], layers.Dense(1)(layers.Concatenate()([a, b])))


def _mean_of_all() -> Any:
    rows = layers.Input((4,))
    return keras.Model(rows, rows - keras.ops.mean(rows, axis=0, keepdims=True))


SHARED: dict[str, Callable[[], Any]] = {
    "torch, layers": lambda: nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).eval(),
    "torch, a class": lambda: Net().eval(),
    "torch, one number": lambda: Single().eval(),
    "torch, compiled": lambda: torch.compile(Net().eval(), backend="eager"),
    "torch, a dictionary": lambda: Outputs().eval(),
    "torch, doubles": lambda: nn.Linear(4, 1).double().eval(),
    "torch, halves": lambda: nn.Linear(4, 1).bfloat16().eval(),
    "torch, tokens": lambda: Words().eval(),
    "torch, more arguments": lambda: Scaled().eval(),
    "keras": lambda: keras.Sequential([layers.Input((4,)), layers.Dense(1)]),
    "keras, not built": lambda: keras.Sequential([layers.Dense(1)]),
    "keras, a class": _kept,
    "keras, sequences": lambda: keras.Sequential([layers.Input((5, 2)), layers.LSTM(3)]),
    "keras, tokens": lambda: keras.Sequential([layers.Input((3,), dtype="int32"), layers.Embedding(9, 2)]),
    "lightgbm, names": lambda: lightgbm.LGBMRegressor(n_estimators=2, verbose=-1).fit(frame, y).booster_,
    "lightgbm, categories": lambda: (
        lightgbm.LGBMRegressor(n_estimators=2, verbose=-1).fit(mixed.astype({"k": "category"}), y).booster_
    ),
    "LGBMClassifier, categories": lambda: lightgbm.LGBMClassifier(n_estimators=2, verbose=-1).fit(
        mixed.astype({"k": "category"}), y
    ),
    "XGBClassifier, categories": lambda: xgboost.XGBClassifier(n_estimators=2, enable_categorical=True).fit(
        mixed.astype({"k": "category"}), y
    ),
    "xgboost": lambda: xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(frame, y), 2),
    "catboost, categories": lambda: catboost.CatBoostClassifier(
        n_estimators=2, verbose=0, cat_features=["k"], allow_writing_files=False
    ).fit(mixed, y),
    "onnx": _graph,
}
APART: dict[str, Callable[[], Any]] = {
    "torch, training": Net,
    "torch, rows together": lambda: Centred().eval(),
    "torch, rows second": lambda: nn.LSTM(3, 4).eval(),
    "torch, softmax over rows": lambda: nn.Sequential(nn.Linear(4, 2), nn.Softmax(dim=0)).eval(),
    "torch, a script": lambda: torch.jit.script(nn.Sequential(nn.Linear(4, 2)).eval()),
    "keras, several inputs": _two_inputs,
    "keras, rows together": _mean_of_all,
    "keras, stateful": lambda: keras.Sequential([layers.Input(batch_shape=(2, 5, 2)), layers.LSTM(3, stateful=True)]),
    "onnx, so many rows": _fixed_graph,
    "onnx, several inputs": _named_graph,
}


def _ask(model: Any, signature: Signature, body: Any) -> Any:
    method = Method(signature)
    return orjson.loads(encode(method(model, method.decode.from_bytes(orjson.dumps(body)))))


def _because(profile: Profile, what: str) -> str:
    return next((each.because for each in profile.findings if each.what == what), "")


@pytest.mark.filterwarnings("ignore")  # of the libraries, about themselves
@pytest.mark.parametrize("name", SHARED)
def test_the_example_works_and_calls_may_share_a_run(name: str) -> None:
    model = SHARED[name]()
    profile = analyse(model)
    assert _ask(model, profile.main, profile.main.example)
    assert profile.main.row_wise


@pytest.mark.filterwarnings("ignore")  # of the libraries, about themselves
@pytest.mark.parametrize("name", APART)
def test_the_example_works_and_calls_run_alone(name: str) -> None:
    model = APART[name]()
    profile = analyse(model)
    assert _ask(model, profile.main, profile.main.example)
    assert not profile.main.row_wise
    assert _because(profile, "row-wise")


@pytest.mark.filterwarnings("ignore")  # of the libraries, about themselves
@pytest.mark.parametrize(
    "name",
    ["torch, layers", "torch, a class", "torch, one number", "keras", "lightgbm, names", "xgboost", "onnx"],
    ids=str,
)
def test_a_wrong_width_is_named(name: str) -> None:
    model = SHARED[name]()
    with pytest.raises(InputError, match="Row 0 has 3 values, the model expects 4"):
        _ask(model, analyse(model).main, [[1.0, 2.0, 3.0]])


def test_a_module_in_training_mode_says_so() -> None:
    assert "call eval()" in _because(analyse(Net()), "mode")
    assert not _because(analyse(Net().eval()), "mode")


def test_layers_of_the_users_own_are_told_from_the_librarys() -> None:
    runs_users_code = {name: analyse(SHARED[name]()).main.runs_users_code for name in SHARED}
    users = {name for name, is_so in runs_users_code.items() if is_so}
    assert users == {
        "torch, a class", "torch, a dictionary", "torch, compiled", "torch, one number",
        "torch, tokens", "torch, more arguments", "keras, a class",
    }  # fmt: skip


def test_null_is_no_number_for_a_network_and_a_missing_one_for_trees() -> None:
    with pytest.raises(InputError, match="null"):
        _ask(model := Net().eval(), analyse(model).main, [[1, 2, 3, None]])
    booster = SHARED["xgboost"]()
    assert _ask(booster, analyse(booster).main, [[1, 2, 3, None]])


def test_rows_go_where_the_module_is_in_its_own_type() -> None:
    seen: list[Any] = []

    class Looking(Net):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append((x.dtype, torch.is_grad_enabled()))
            return super().forward(x)

    model = Looking().double().eval()
    assert _ask(model, analyse(model).main, [[1, 2, 3, 4]])
    assert seen == [(torch.float64, False)]


def test_an_optional_tensor_is_given_as_one() -> None:
    model = Scaled().eval()
    signature = analyse(model).main
    plain = _ask(model, signature, {"x": [[1, 2, 3, 4]]})
    moved = _ask(model, signature, {"x": [[1, 2, 3, 4]], "offset": [[1.0, 2.0]], "scale": 2.0})
    assert np.allclose(moved, np.array(plain) * 2 + [[1.0, 2.0]], atol=1e-5)


def test_a_method_of_the_users_own_stands_beside_the_module_itself() -> None:
    class Own(Net):
        def predict(self, X: list[list[float]]) -> Any:
            return self(torch.tensor(X)).argmax(1)

    assert [each.method for each in analyse(Own().eval()).signatures] == ["predict", "__call__"]


def test_a_model_that_is_not_finished_is_an_object_like_any() -> None:
    assert not analyse(xgboost.Booster()).main.row_wise
    assert not analyse(nn.Sequential(nn.LazyLinear(2)).eval()).main.row_wise


def test_several_inputs_of_a_graph_are_given_by_name() -> None:
    signature = analyse(_named_graph()).main
    assert [each.name for each in signature.parameters] == list("abcd")
    answer = _ask(_named_graph(), signature, {name: [[0.1], [0.2]] for name in "abcd"})
    assert np.shape(answer) == (2, 1)


def test_tasks_and_outputs_are_told() -> None:
    boosters = {name: analyse(SHARED[name]()) for name in ("lightgbm, names", "xgboost")}
    assert [each.task for each in boosters.values()] == [Task.REGRESSION, Task.CLASSIFICATION]
    assert [each.name for each in boosters["xgboost"].features] == list("abcd")
    assert [each.name for each in boosters["xgboost"].main.outputs] == ["probability"]


@pytest.mark.parametrize("name", ["LGBMClassifier, categories", "XGBClassifier, categories"])
def test_categories_are_the_models_own_whatever_frame_lies_in_the_notebook(name: str) -> None:
    model, row = SHARED[name](), {**frame.iloc[0].to_dict(), "k": "v"}
    profile = analyse(model, namespace={"X": mixed.astype({"k": "category"}), "filled": mixed.astype({"k": object})})
    column = profile.features[-1]
    assert (column.name, column.dtype, column.categories) == ("k", "category", ("u", "v"))
    expected = model.predict(mixed.astype({"k": "category"}).iloc[:1].assign(k=pd.Categorical(["v"], ["u", "v"])))
    assert _ask(model, profile.main, [row]) == expected.tolist()
