"""A model of each framework comes back from its spill with the same answers, to the last bit."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nbserve.core.reduction import watch
from nbserve.core.spill import Spill
from nbserve.errors import SpillError

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.filterwarnings("ignore"),  # of what a framework says of itself
]

ROWS = np.random.default_rng(0).random((64, 4)).astype(np.float32)
CLASSES = np.arange(64) % 3

Made = tuple[Any, Callable[[Any], Any]]
"""A fitted model, and how it is asked."""


def predicts(model: Any) -> Any:
    return model.predict(ROWS)


def tells_probabilities(model: Any) -> Any:
    return model.predict_proba(ROWS)


# --- scikit-learn and the boosters


def sklearn_forest() -> Made:
    ensemble = import_module("sklearn.ensemble")
    return ensemble.RandomForestClassifier(10, random_state=0).fit(ROWS, CLASSES), tells_probabilities


def sklearn_neighbors() -> Made:
    neighbors = import_module("sklearn.neighbors")
    return neighbors.KNeighborsRegressor(algorithm="kd_tree").fit(ROWS, ROWS[:, 0]), predicts


def sklearn_pipeline() -> Made:
    pipeline = import_module("sklearn.pipeline")
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    return pipeline.make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS, CLASSES), tells_probabilities


def lightgbm_classifier() -> Made:
    lightgbm = import_module("lightgbm")
    return lightgbm.LGBMClassifier(n_estimators=10, verbose=-1, n_jobs=1).fit(ROWS, CLASSES), tells_probabilities


def lightgbm_booster() -> Made:
    lightgbm = import_module("lightgbm")
    settings = {"verbose": -1, "num_threads": 1}
    return lightgbm.train(settings, lightgbm.Dataset(ROWS, ROWS[:, 0] / 3), 10), predicts


def xgboost_classifier() -> Made:
    xgboost = import_module("xgboost")
    return xgboost.XGBClassifier(n_estimators=10, n_jobs=1).fit(ROWS, CLASSES), tells_probabilities


def xgboost_booster() -> Made:
    xgboost = import_module("xgboost")
    booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(ROWS, ROWS[:, 0] / 3), 10)
    return booster, lambda model: model.inplace_predict(ROWS)


def catboost_classifier() -> Made:
    catboost = import_module("catboost")
    model = catboost.CatBoostClassifier(iterations=10, verbose=False, allow_writing_files=False, thread_count=1)
    return model.fit(ROWS, CLASSES), tells_probabilities


# --- torch


def asks_torch(model: Any) -> Any:
    import torch

    with torch.no_grad():
        return model(torch.from_numpy(ROWS)).float().numpy()


def torch_sequential() -> Made:
    nn = import_module("torch.nn")
    model = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 3))
    asks_torch(model)  # which moves the buffers of the normalization
    return model.eval(), asks_torch


def torch_half_precision() -> Made:
    torch = import_module("torch")
    model = torch.nn.Linear(4, 3).to(torch.bfloat16)
    return model, lambda it: it(torch.from_numpy(ROWS).to(torch.bfloat16)).detach().float().numpy()


def torch_script() -> Made:
    torch = import_module("torch")
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh()).eval()
    return torch.jit.trace(model, torch.from_numpy(ROWS)), asks_torch


def torch_compiled() -> Made:
    torch = import_module("torch")
    return torch.compile(torch.nn.Linear(4, 3), backend="eager"), asks_torch


def torch_exported() -> Made:
    torch = import_module("torch")
    program = torch.export.export(torch.nn.Linear(4, 3), (torch.from_numpy(ROWS),))
    return program, lambda model: asks_torch(model.module())


def transformers_classifier() -> Made:
    transformers = import_module("transformers")
    torch = import_module("torch")
    settings = transformers.BertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
    )
    words = torch.arange(20).reshape(2, 10)
    return transformers.BertForSequenceClassification(settings).eval(), lambda model: model(words).logits.detach()


def transformers_tied() -> Made:
    transformers = import_module("transformers")
    torch = import_module("torch")
    settings = transformers.GPT2Config(vocab_size=50, n_positions=16, n_embd=16, n_layer=1, n_head=2)
    words = torch.arange(20).reshape(2, 10)
    return transformers.GPT2LMHeadModel(settings).eval(), lambda model: model(words).logits.detach()


def transformers_pipeline() -> Made:
    transformers = import_module("transformers")
    tokenizers = import_module("tokenizers")
    model, _ = transformers_classifier()
    vocabulary = {"[UNK]": 0, "[PAD]": 1, "good": 2, "bad": 3}
    split = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    split.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=split, unk_token="[UNK]", pad_token="[PAD]")
    pipe = transformers.pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu")
    return pipe, lambda it: [each["score"] for each in it(["good good", "bad"])]


# --- Keras and TensorFlow


def asks_keras(model: Any) -> Any:
    return model.predict(ROWS, verbose=0)


def keras_sequential() -> Made:
    keras = import_module("keras")
    layers = keras.layers
    model = keras.Sequential(
        [layers.Input((4,)), layers.Dense(8, "relu"), layers.BatchNormalization(), layers.Dropout(0.5), layers.Dense(3)]
    )
    model.compile("adam", "mse")
    model.fit(ROWS, ROWS[:, :3], epochs=1, verbose=0)
    return model, asks_keras


def keras_functional() -> Made:
    keras = import_module("keras")
    given = keras.Input((4,))
    hidden = keras.layers.Dense(8, "tanh")(given)
    return keras.Model(given, keras.layers.Concatenate()([hidden, given])), asks_keras


def keras_own_code() -> Made:
    """A layer, a loss and an activation of the notebook, which nobody has registered with Keras."""
    keras = import_module("keras")

    class Scaled(keras.layers.Layer):
        def __init__(self, by: float = 1.0, **given: Any) -> None:
            super().__init__(**given)
            self.by = by

        def build(self, shape: Any) -> None:
            self.kernel = self.add_weight(shape=(shape[-1],), initializer="random_normal")

        def call(self, rows: Any) -> Any:
            return rows * self.kernel * self.by

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "by": self.by}

    def squashed(x: Any) -> Any:
        return x * keras.ops.sigmoid(x)

    def loss(wanted: Any, given: Any) -> Any:
        return keras.ops.mean(keras.ops.abs(wanted - given))

    model = keras.Sequential([keras.layers.Input((4,)), Scaled(3.0), keras.layers.Dense(3, activation=squashed)])
    model.compile("sgd", loss)
    model.fit(ROWS, ROWS[:, :3], epochs=1, verbose=0)
    return model, asks_keras


def tensorflow_module() -> Made:
    tensorflow = import_module("tensorflow")

    class Module(tensorflow.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = tensorflow.Variable(tensorflow.random.normal((4, 3)))

        @tensorflow.function
        def __call__(self, rows: Any) -> Any:
            return rows @ self.weights

    return Module(), lambda model: model(ROWS).numpy()


# --- ONNX Runtime


def asks_onnx(session: Any) -> Any:
    return session.run(None, {session.get_inputs()[0].name: ROWS})[1]


def onnx_model() -> Any:
    import_module("onnxruntime")
    skl2onnx = import_module("skl2onnx")
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression().fit(ROWS, CLASSES)
    return skl2onnx.to_onnx(fitted, ROWS[:1], options={"zipmap": False})


def onnx_session() -> Made:
    model = onnx_model()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session, asks_onnx


# --- what has no framework


def plain_function() -> Made:
    weights = ROWS[:4]

    def score(rows: Any) -> Any:
        return rows @ weights.T

    return score, lambda model: model(ROWS)


class Plain:
    def __init__(self) -> None:
        self.weights = ROWS[:4].copy()

    def predict(self, rows: Any) -> Any:
        return rows @ self.weights.T


def plain_class() -> Made:
    return Plain(), predicts


MODELS = [
    sklearn_forest,
    sklearn_neighbors,
    sklearn_pipeline,
    lightgbm_classifier,
    lightgbm_booster,
    xgboost_classifier,
    xgboost_booster,
    catboost_classifier,
    torch_sequential,
    torch_half_precision,
    torch_script,
    torch_compiled,
    torch_exported,
    transformers_classifier,
    transformers_tied,
    transformers_pipeline,
    keras_sequential,
    keras_functional,
    keras_own_code,
    tensorflow_module,
    onnx_session,
    plain_function,
    plain_class,
]


def bits(answer: Any) -> tuple[Any, ...]:
    array = np.asarray(answer)
    return array.dtype, array.shape, array.tobytes()


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__.replace("_", " "))
def test_answers_are_equal_to_the_last_bit(make: Callable[[], Made], tmp_path: Path) -> None:
    model, ask = make()
    before = bits(ask(model))
    spill = Spill.write(model, tmp_path)
    alive = weakref.ref(model)
    del model
    gc.collect()
    restored = spill.read()
    assert alive() is None or make is plain_function
    assert bits(ask(restored)) == before
    spill.remove()
    assert list(tmp_path.iterdir()) == []


# --- torch


def test_tensors_that_share_memory_still_do(tmp_path: Path) -> None:
    torch = import_module("torch")
    whole = torch.arange(1000.0)
    tied = torch.nn.Linear(3, 3)
    tied.again = tied.weight
    given = {"whole": whole, "part": whole[10:20], "turned": whole.reshape(10, 100).T, "tied": tied}
    spill = Spill.write(given, tmp_path)
    assert spill.size_bytes < 2 * whole.nbytes
    restored = spill.read()
    restored["whole"][10] = -1.0
    assert restored["part"][0] == restored["turned"][10, 0] == -1.0
    assert restored["turned"].stride() == given["turned"].stride()
    assert restored["tied"].again is restored["tied"].weight


def test_what_a_tensor_is_stays_true(tmp_path: Path) -> None:
    torch = import_module("torch")
    tensors = {
        "trained": torch.nn.Parameter(torch.ones(3)),
        "frozen": torch.nn.Parameter(torch.ones(3), requires_grad=False),
        "bfloat16": torch.ones(3, dtype=torch.bfloat16),
        "complex": torch.ones(3, dtype=torch.complex64).conj(),
        "bool": torch.tensor([True, False]),
        "empty": torch.empty(0, 3),
        "scalar": torch.tensor(1.5),
        "sparse": torch.eye(3).to_sparse(),
        "quantized": torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
        "storage": torch.ones(3).untyped_storage(),
        "meta": torch.empty(3, device="meta"),
    }
    restored = Spill.write(tensors, tmp_path).read()
    for name, tensor in tensors.items():
        again = restored[name]
        assert type(again) is type(tensor), name
        if name == "storage":
            assert again.tolist() == tensor.tolist()
            continue
        assert (again.dtype, again.shape, again.device) == (tensor.dtype, tensor.shape, tensor.device), name
        assert (again.requires_grad, again.is_conj()) == (tensor.requires_grad, tensor.is_conj()), name
        if name != "meta":
            assert torch.equal(again.to_dense() if again.is_sparse else again, tensor.to_dense()), name


def test_a_restored_module_can_be_trained_on_as_before(tmp_path: Path) -> None:
    torch = import_module("torch")

    def after_a_step(module: Any) -> Any:
        step = torch.optim.Adam(module.parameters())
        module(torch.from_numpy(ROWS)).square().mean().backward()
        step.step()
        return module.weight.detach().numpy().copy()

    module = torch.nn.Linear(4, 3)
    restored = Spill.write(module, tmp_path).read()
    assert bits(after_a_step(restored)) == bits(after_a_step(module))


# --- Keras and TensorFlow


def test_a_keras_model_that_cannot_say_how_it_was_made_is_a_sentence(tmp_path: Path) -> None:
    keras = import_module("keras")

    class Model(keras.Model):
        def __init__(self, dense: Any) -> None:
            super().__init__()
            self.dense = dense

        def call(self, rows: Any) -> Any:
            return self.dense(rows)

    model = Model(keras.layers.Dense(3))
    model.predict(ROWS, verbose=0)
    with pytest.raises(SpillError, match="get_config"):
        Spill.write(model, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_keras_model_that_would_come_back_as_another_one_is_a_sentence(tmp_path: Path) -> None:
    keras = import_module("keras")

    class Forgetful(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.kernel = self.add_weight(shape=(4,), initializer="random_normal")

        def call(self, rows: Any) -> Any:
            return rows * self.kernel

        def save_own_variables(self, store: Any) -> None: ...

        def load_own_variables(self, store: Any) -> None: ...

    model = keras.Sequential([keras.layers.Input((4,)), Forgetful()])
    with pytest.raises(SpillError, match="other weights"):
        Spill.write(model, tmp_path)


def test_a_keras_model_keeps_its_layers_when_a_cell_defines_them_anew(tmp_path: Path) -> None:
    keras = import_module("keras")
    model, ask = keras_own_code()
    before = bits(ask(model))
    spill = Spill.write(model, tmp_path)
    keras_own_code()
    restored = spill.read()
    assert type(restored.layers[0]) is type(model.layers[0])
    assert bits(ask(restored)) == before
    assert restored.loss is model.loss
    keras.backend.clear_session()


def test_a_saved_model_of_the_notebook_is_a_sentence(tmp_path: Path) -> None:
    tensorflow = import_module("tensorflow")
    module, _ = tensorflow_module()
    spec = tensorflow.TensorSpec((None, 4), tensorflow.float32)
    tensorflow.saved_model.save(module, tmp_path / "saved", signatures=module.__call__.get_concrete_function(spec))
    loaded = tensorflow.saved_model.load(tmp_path / "saved")
    with pytest.raises(SpillError, match="SavedModel"):
        Spill.write(loaded, tmp_path)


# --- ONNX Runtime


@pytest.fixture
def session(tmp_path: Path) -> Any:
    """Made from a file."""
    model = onnx_model()
    import onnxruntime

    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    return onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])


def test_a_session_that_was_made_from_a_file_comes_back_also_without_it(tmp_path: Path, session: Any) -> None:
    before = bits(asks_onnx(session))
    spill = Spill.write({"nested": session}, tmp_path)
    assert bits(asks_onnx(spill.read()["nested"])) == before
    assert spill.read()["nested"]._model_bytes is None
    (tmp_path / "model.onnx").unlink()
    assert bits(asks_onnx(spill.read()["nested"])) == before


def test_a_session_whose_file_has_been_changed_since_it_is_served_is_a_sentence(tmp_path: Path, session: Any) -> None:
    watch(session)
    (tmp_path / "model.onnx").write_bytes(onnx_model().SerializeToString())
    with pytest.raises(SpillError, match=r"model\.onnx, which has been changed"):
        Spill.write(session, tmp_path)


def test_a_session_whose_file_is_gone_is_a_sentence(tmp_path: Path, session: Any) -> None:
    (tmp_path / "model.onnx").unlink()
    with pytest.raises(SpillError, match="could not be made anew"):
        Spill.write(session, tmp_path)


def test_a_session_keeps_its_options_and_providers(tmp_path: Path) -> None:
    session, _ = onnx_session()
    restored = Spill.write(session, tmp_path).read()
    assert restored.get_session_options().intra_op_num_threads == 1
    assert restored.get_providers() == session.get_providers()
