"""Real models of every framework: what comes back from a file answers as what was saved, to the last bit."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import catboost
import cloudpickle
import flama
import joblib
import keras
import lightgbm
import numpy as np
import pytest
import skops.io
import tensorflow as tf
import torch
import transformers
import xgboost
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from nbserve.core import loaders
from nbserve.errors import LoadError
from tests.models import iris_array, iris_target

pytestmark = [
    pytest.mark.frameworks,
    # the frameworks' own, about each other
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]

ROWS = iris_array().astype(np.float32)


def loaded(path: Path) -> Any:
    return loaders.load(path, trust=True).model


def same(one: Any, other: Any) -> bool:
    return np.asarray(one).tobytes() == np.asarray(other).tobytes()


# --- PyTorch


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Dropout(0.5))
        self.out = torch.nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.layers(x))


def net() -> Net:
    torch.manual_seed(0)
    return Net().eval()


def answers(model: Any) -> Any:
    with torch.no_grad():
        return model(torch.from_numpy(ROWS)).numpy()


def save_ancient(model: Any, path: Path) -> None:
    torch.save(model, path, _use_new_zipfile_serialization=False)


def save_traced(model: Any, path: Path) -> None:
    torch.jit.save(torch.jit.trace(model, torch.zeros(2, 4)), path)


def save_scripted(model: Any, path: Path) -> None:
    torch.jit.save(torch.jit.script(model), path)


def save_exported(model: Any, path: Path) -> None:
    shapes = {"x": {0: torch.export.Dim("batch", min=1)}}
    torch.export.save(torch.export.export(model, (torch.zeros(2, 4),), dynamic_shapes=shapes), path)


TORCH: dict[str, tuple[Callable[[Any, Path], None], str, dict[str, Any]]] = {
    "module": (torch.save, "torch", {"type": "Net", "tensors": 4}),
    "ancient": (save_ancient, "torch", {"type": "Net"}),
    "traced": (save_traced, "torchscript", {"type": "Net", "tensors": 4}),
    "scripted": (save_scripted, "torchscript", {"type": "Net"}),
    "exported": (
        save_exported,
        "torch-export",
        {"inputs": [{"name": "x", "shape": [None, 4], "dtype": "float32"}], "library_version": torch.__version__},
    ),
}


@pytest.mark.parametrize(("save", "loader", "told"), TORCH.values(), ids=TORCH)
def test_a_torch_model_answers_as_it_was_saved(
    save: Callable[[Any, Path], None], loader: str, told: dict[str, Any], tmp_path: Path
) -> None:
    model, path = net(), tmp_path / ("net.pt2" if loader == "torch-export" else "net.pt")
    save(model, path)
    assert loaders.find_loader(path).name == loader
    header = loaders.peek(path)
    assert header is not None
    assert {name: header.get(name) for name in told} == told
    assert header["library"] == "torch"
    assert json.loads(json.dumps(header)) == header
    with pytest.raises(LoadError, match="--trust"):
        loaders.load(path)
    assert same(answers(loaded(path)), answers(model))


@pytest.mark.parametrize("is_training", [True, False])
def test_a_module_is_in_the_mode_that_it_was_saved_in(is_training: bool, tmp_path: Path) -> None:
    torch.save(net().train(is_training), tmp_path / "net.pt")
    assert loaded(tmp_path / "net.pt").training is is_training


@pytest.mark.parametrize("ancient", [False, True])
@pytest.mark.parametrize("wrap", [lambda weights: weights, lambda weights: {"model_state_dict": weights, "epoch": 3}])
def test_weights_alone_are_refused_at_once(wrap: Callable[[Any], Any], ancient: bool, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save(wrap(net().state_dict()), path, _use_new_zipfile_serialization=not ancient)
    with pytest.raises(LoadError, match=r"holds the weights of a PyTorch model.*torch\.save\(model, path\)"):
        loaders.find_loader(path)


@pytest.mark.parametrize("save", [torch.save, save_ancient], ids=["module", "ancient"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
def test_a_torch_file_that_is_cut_short_is_a_sentence(
    save: Callable[[Any, Path], None], share: float, tmp_path: Path
) -> None:
    path = tmp_path / "net.pt"
    save(net(), path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(LoadError, match=r"net\.pt ") as caught:
        loaded(path)
    assert str(tmp_path) not in str(caught.value)


# --- Keras and TensorFlow


@keras.saving.register_keras_serializable("nbserve_tests")
class Doubled(keras.layers.Layer):
    def call(self, x: Any) -> Any:
        return x * 2


def sequential(*layers: Any) -> Any:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), *layers, keras.layers.Dense(3, activation="softmax")])
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    model.fit(ROWS, iris_target(), epochs=1, verbose=0)
    return model


@pytest.mark.parametrize("name", ["net.keras", "net.h5", "keras model", "h5 model"])
def test_a_keras_model_answers_as_it_was_saved_whatever_its_file_is_called(name: str, tmp_path: Path) -> None:
    model = sequential(keras.layers.Dense(8, activation="relu", name="hidden"), Doubled(name="twice"))
    path, proper = tmp_path / name, tmp_path / ("saved.h5" if "h5" in name else "saved.keras")
    model.save(proper)
    proper.rename(path)
    header = loaders.peek(path)
    assert header is not None
    assert [layer["name"] for layer in header["layers"][:2]] == ["hidden", "twice"]
    assert header["inputs"][0]["shape"] == [None, 4]
    assert (header["library"], header["type"], header["library_version"]) == ("keras", "Sequential", keras.__version__)
    again = loaders.load(path)
    assert same(again.model.predict(ROWS, verbose=0), model.predict(ROWS, verbose=0))
    assert not again.model.compiled  # what it was trained with stays in the file
    assert again.meta == {name: told for name, told in header.items() if name != "format"}


@pytest.mark.parametrize("name", ["net.keras", "net.h5"])
def test_code_in_a_keras_model_is_run_only_for_who_trusts_it(name: str, tmp_path: Path) -> None:
    model, path = sequential(keras.layers.Lambda(lambda x: x * 2, name="twice")), tmp_path / name
    model.save(path)
    with pytest.raises(LoadError, match=r"holds code: twice of type Lambda"):
        loaders.load(path)
    assert same(loaded(path).predict(ROWS, verbose=0), model.predict(ROWS, verbose=0))


def test_a_keras_that_can_be_made_to_run_code_is_not_given_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sequential().save(tmp_path / "net.keras")
    monkeypatch.setattr(keras, "__version__", "3.8.0")
    with pytest.raises(LoadError, match=r"Keras 3\.8\.0 may run code .*pip install -U keras"):
        loaders.load(tmp_path / "net.keras")
    assert loaded(tmp_path / "net.keras").built


def test_weights_of_keras_alone_are_refused(tmp_path: Path) -> None:
    sequential().save_weights(tmp_path / "net.weights.h5")
    assert loaders.peek(tmp_path / "net.weights.h5") is None
    with pytest.raises(LoadError, match=r"an HDF5 file without a Keras model"):
        loaders.load(tmp_path / "net.weights.h5")


class Program(tf.Module):
    """Several inputs, several outputs."""

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, "a"), tf.TensorSpec([None], tf.int64, "b")])
    def predict(self, a: Any, b: Any) -> Any:
        return {"sum": tf.reduce_sum(a, axis=1), "next": b + 1}


class Bare(tf.Module):
    """Without a signature."""

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32)])
    def __call__(self, x: Any) -> Any:
        return x * 3


def test_a_saved_model_answers_as_it_was_saved(tmp_path: Path) -> None:
    model = sequential()
    model.export(tmp_path / "net", verbose=False)
    header = loaders.peek(tmp_path / "net")
    assert header is not None
    assert (header["inputs"][0]["shape"], header["inputs"][0]["dtype"]) == ([None, 4], "float32")
    assert header["library_version"] == tf.__version__
    again = loaded(tmp_path / "net")
    assert same(again.predict(ROWS), model(ROWS).numpy())
    assert again.predict(ROWS[:1].astype(np.float64).tolist()).dtype == np.float32


@pytest.mark.parametrize("with_signature", [True, False])
def test_a_saved_model_takes_and_gives_several_by_their_names(with_signature: bool, tmp_path: Path) -> None:
    program = Program()
    signatures = program.predict if with_signature else None
    tf.saved_model.save(program, str(tmp_path / "net"), signatures=signatures)
    answer = loaded(tmp_path / "net").predict({"a": [[1.0, 2.0]], "b": [4]})
    assert {name: array.tolist() for name, array in answer.items()} == {"sum": [3.0], "next": [5]}


def test_a_saved_model_without_a_signature_is_called_as_it_is(tmp_path: Path) -> None:
    tf.saved_model.save(Bare(), str(tmp_path / "net"))
    assert same(loaded(tmp_path / "net").predict(ROWS), ROWS * 3)


def test_a_saved_model_with_nothing_to_call_is_a_sentence(tmp_path: Path) -> None:
    tf.saved_model.save(tf.Module(), str(tmp_path / "net"))
    with pytest.raises(LoadError, match=r"has no signature to call.*model\.export"):
        loaded(tmp_path / "net")


# --- estimators in other files


def twice(x: Any) -> Any:
    return x * 2


def test_skops_reads_an_estimator_without_trust(tmp_path: Path) -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(iris_array(), iris_target())
    skops.io.dump(model, tmp_path / "model.skops")
    again = loaders.load(tmp_path / "model.skops")
    assert same(again.model.predict_proba(iris_array()), model.predict_proba(iris_array()))
    assert again.meta == {
        "library": "sklearn",
        "module": "sklearn.pipeline",
        "type": "Pipeline",
        "skops_version": skops.__version__,
    }


def test_skops_names_the_types_that_it_does_not_trust(tmp_path: Path) -> None:
    model = make_pipeline(FunctionTransformer(twice), LogisticRegression(max_iter=500)).fit(iris_array(), iris_target())
    skops.io.dump(model, tmp_path / "model.skops")
    with pytest.raises(LoadError, match=r"does not trust by itself: test_loaders\.twice\. .*--trust"):
        loaders.load(tmp_path / "model.skops")
    assert same(loaded(tmp_path / "model.skops").predict(iris_array()), model.predict(iris_array()))


BOOSTERS = {
    "lightgbm": lambda: lightgbm.LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1),
    "xgboost": lambda: xgboost.XGBClassifier(n_estimators=5, n_jobs=1),
    "catboost": lambda: catboost.CatBoostClassifier(iterations=5, verbose=False, allow_writing_files=False),
}


@pytest.mark.parametrize("dump", [joblib.dump, lambda model, path: path.write_bytes(pickle.dumps(model))])
@pytest.mark.parametrize(("library", "make"), BOOSTERS.items(), ids=BOOSTERS)
def test_a_boosted_model_answers_as_it_was_saved(
    library: str, make: Callable[[], Any], dump: Callable[[Any, Path], object], tmp_path: Path
) -> None:
    model = make().fit(iris_array(), iris_target())
    dump(model, tmp_path / "model.joblib")
    header = loaders.peek(tmp_path / "model.joblib")
    assert header is not None
    assert (header["library"], header["type"]) == (library, type(model).__name__)
    assert same(loaded(tmp_path / "model.joblib").predict_proba(iris_array()), model.predict_proba(iris_array()))


def test_what_cloudpickle_took_from_a_notebook_comes_back_without_it(tmp_path: Path) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec("class Mine:\n    def predict(self, X):\n        return [len(row) for row in X]", namespace)
    (tmp_path / "mine.pkl").write_bytes(cloudpickle.dumps(namespace["Mine"]()))
    assert loaders.peek(tmp_path / "mine.pkl") is None
    assert loaded(tmp_path / "mine.pkl").predict([[1, 2, 3]]) == [3]


def test_code_that_another_python_has_taken_is_a_sentence(tmp_path: Path) -> None:
    data = cloudpickle.dumps(lambda rows: [len(row) for row in rows])
    whole = data[:2] + data[11:]  # without the frame, which counts bytes
    at = whole.index(b"(K", whole.index(b"CodeType")) + 1
    older = whole[:at] + whole[at + 2 :]  # one argument less for the code object, as in an older Python
    (tmp_path / "mine.pkl").write_bytes(older)
    with pytest.raises(LoadError, match=r"mine\.pkl holds code that cloudpickle took from another Python"):
        loaded(tmp_path / "mine.pkl")


# --- Flama


def estimator() -> Any:
    return LogisticRegression(max_iter=500).fit(iris_array(), iris_target())


FLAMA: dict[str, tuple[Callable[[], Any], Callable[[Any], Any], dict[str, Any]]] = {
    "sklearn": (estimator, lambda model: model.predict_proba(iris_array()), {}),
    "torch": (
        net,
        answers,
        {"example_inputs": (torch.zeros(2, 4),), "dynamic_shapes": {"x": {0: torch.export.Dim("batch", min=1)}}},
    ),
    "keras": (sequential, lambda model: model.predict(ROWS, verbose=0), {}),
}


@pytest.mark.parametrize("protocol", [1, 2])
@pytest.mark.parametrize("compression", ["bz2", "lzma", "zlib", "zstd"])
@pytest.mark.parametrize(("make", "answer", "how"), FLAMA.values(), ids=FLAMA)
def test_a_file_of_flamas_answers_as_it_was_saved(
    make: Callable[[], Any],
    answer: Callable[[Any], Any],
    how: dict[str, Any],
    compression: Any,
    protocol: Any,
    tmp_path: Path,
) -> None:
    model, path = make(), tmp_path / "model.flm"
    said = {"metrics": {"accuracy": 0.97}, "extra": {"owner": "churn team"}, "artifacts": {"foo.json": __file__}}
    flama.dump(model, path=path, family="ml", compression=compression, protocol=protocol, **said, **how)
    header = loaders.peek(path)
    assert header is not None
    assert (header["type"], header["metrics"]) == (type(model).__name__, {"accuracy": 0.97})
    again = loaders.load(path, trust=True)
    assert same(answer(again.model), answer(model))
    assert again.meta["extra"] == {"owner": "churn team"}
    assert len(json.dumps(again.meta)) < 20_000


def test_a_pipeline_of_transformers_comes_from_the_folder_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = transformers.BertConfig(
        vocab_size=7, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
    )
    words = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"])}
    tokenizer = transformers.BertTokenizer(vocab=words)
    torch.manual_seed(0)
    model = transformers.BertForSequenceClassification(config).eval()
    pipeline = transformers.pipeline("text-classification", model=model, tokenizer=tokenizer)
    path, config = tmp_path / "model.flm", {"task": "text-classification"}
    flama.dump(pipeline, path=path, family="ml", config=config)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert loaded(path)("good bad") == pipeline("good bad")
    assert list(tmp_path.iterdir()) == [path]


def test_zstd_is_read_through_flama_where_nothing_else_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flama.dump(estimator(), path=tmp_path / "model.flm", family="ml")
    for name in ("compression", "zstandard", "backports.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    assert loaders.peek(tmp_path / "model.flm") is not None
    assert same(loaded(tmp_path / "model.flm").predict(iris_array()), estimator().predict(iris_array()))


# --- what is imported by it


def test_only_the_models_own_framework_is_imported(tmp_path: Path) -> None:
    joblib.dump(estimator(), tmp_path / "a.joblib")
    flama.dump(estimator(), path=tmp_path / "b.flm", family="ml")
    (tmp_path / "c.pkl").write_bytes(pickle.dumps(estimator()))
    program = """
import sys
import tempfile
from pathlib import Path
from nbserve.core import loaders
for path in sorted(Path(sys.argv[1]).iterdir()):
    assert loaders.load(path, trust=True).model.predict([[5.1, 3.5, 1.4, 0.2]]).tolist() == [0]
heavy = {"torch", "tensorflow", "keras", "jax", "transformers", "flama", "lightgbm", "xgboost", "catboost"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=100)


def test_a_peek_imports_no_framework(tmp_path: Path) -> None:
    torch.save(net(), tmp_path / "net.pt")
    save_traced(net(), tmp_path / "script.pt")
    save_exported(net(), tmp_path / "net.pt2")
    sequential().save(tmp_path / "net.keras")
    sequential().save(tmp_path / "net.h5")
    sequential().export(tmp_path / "net", verbose=False)
    skops.io.dump(estimator(), tmp_path / "model.skops")
    flama.dump(sequential(), path=tmp_path / "net.flm", family="ml")
    joblib.dump(estimator(), tmp_path / "model.joblib")
    program = """
import sys
import tempfile
from pathlib import Path
from nbserve.core import loaders
for path in sorted(Path(sys.argv[1]).iterdir()):
    assert loaders.peek(path)["library"] in {"torch", "keras", "tensorflow", "sklearn"}
heavy = {"torch", "tensorflow", "keras", "sklearn", "skops", "joblib", "flama"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=100)
