"""Files in the libraries' own formats: ONNX, LightGBM, XGBoost, CatBoost, and weights of PyTorch."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import catboost
import lightgbm
import numpy as np
import onnx
import pandas as pd
import pytest
import safetensors.torch
import skl2onnx
import torch
import xgboost
from sklearn.linear_model import LogisticRegression

from nbserve.core import loaders
from nbserve.errors import LoadError
from tests.client import opened
from tests.models import iris_array, iris_target

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.filterwarnings("ignore"),  # of the libraries, about themselves
]

X, Y = iris_array(), iris_target()
ROWS = X.astype(np.float32)
FRAME = pd.DataFrame(X, columns=list("abcd")).assign(kind=pd.Series(["u", "v", "w"] * 50, dtype="category"))


def same(one: Any, other: Any) -> bool:
    one, other = np.asarray(one), np.asarray(other)
    return one.tolist() == other.tolist() if one.dtype == object else one.tobytes() == other.tobytes()


def predicts(model: Any) -> Any:
    return model.predict(X)


def tells_probabilities(model: Any) -> Any:
    return model.predict_proba(X)


# --- each answers as it was saved


def onnx_file(path: Path) -> Any:
    fitted = LogisticRegression(max_iter=500).fit(X, Y)
    content = skl2onnx.to_onnx(fitted, ROWS[:1], options={"zipmap": False}).SerializeToString()
    path.write_bytes(content)
    import onnxruntime

    return onnxruntime.InferenceSession(content)


def lightgbm_file(path: Path) -> Any:
    booster = lightgbm.train({"verbose": -1, "objective": "multiclass", "num_class": 3}, lightgbm.Dataset(X, Y), 3)
    booster.save_model(path)
    return booster


def lightgbm_categories(path: Path) -> Any:
    booster = lightgbm.train({"verbose": -1, "min_data_per_group": 1}, lightgbm.Dataset(FRAME, Y), 3)
    booster.save_model(path)
    return booster


def lightgbm_linear(path: Path) -> Any:
    booster = lightgbm.train({"verbose": -1, "linear_tree": True}, lightgbm.Dataset(X, X[:, 0]), 3)
    booster.save_model(path)
    return booster


def lightgbm_stump(path: Path) -> Any:
    """Trees of one leaf: there is nothing to split by."""
    booster = lightgbm.train({"verbose": -1}, lightgbm.Dataset(np.ones((50, 4)), np.arange(50) / 50), 2)
    booster.save_model(path)
    return booster


def xgboost_estimator(path: Path) -> Any:
    model = xgboost.XGBClassifier(n_estimators=3).fit(X, Y)
    model.save_model(path)
    return model


def xgboost_booster(path: Path) -> Any:
    booster = xgboost.train({"objective": "multi:softprob", "num_class": 3}, xgboost.DMatrix(X, Y), 3)
    booster.save_model(path)
    return booster


def xgboost_categories(path: Path) -> Any:
    matrix = xgboost.DMatrix(FRAME, Y, enable_categorical=True)
    booster = xgboost.train({"max_cat_to_onehot": 1}, matrix, 3)
    booster.save_model(path)
    return booster


def xgboost_dart(path: Path) -> Any:
    booster = xgboost.train({"booster": "dart", "rate_drop": 0.5}, xgboost.DMatrix(X, Y), 4)
    booster.save_model(path)
    return booster


def xgboost_linear(path: Path) -> Any:
    booster = xgboost.train({"booster": "gblinear"}, xgboost.DMatrix(X, Y), 3)
    booster.save_model(path)
    return booster


def xgboost_vectors(path: Path) -> Any:
    """Trees whose leaves hold an answer for each target."""
    model = xgboost.XGBRegressor(n_estimators=2, multi_strategy="multi_output_tree").fit(X, X[:, :2])
    model.save_model(path)
    return model


def catboost_classifier(path: Path, form: str = "cbm") -> Any:
    labels = np.array(["setosa", "versicolor", "virginica"])[Y]
    model = catboost.CatBoostClassifier(iterations=3, verbose=False, allow_writing_files=False).fit(X, labels)
    model.save_model(str(path), format=form)
    return model


def catboost_json(path: Path) -> Any:
    """As CatBoost reads it: this form rounds the numbers."""
    catboost_classifier(path, "json")
    return catboost.CatBoostClassifier().load_model(str(path), format="json")


def catboost_regressor(path: Path) -> Any:
    model = catboost.CatBoostRegressor(iterations=3, verbose=False, allow_writing_files=False).fit(X, X[:, 0])
    model.save_model(str(path))
    return model


def on_onnx(model: Any) -> Any:
    return model.run(None, {"X": ROWS})[1]


def on_matrix(model: Any) -> Any:
    return model.predict(xgboost.DMatrix(X))


def on_frame(model: Any) -> Any:
    return model.predict(FRAME)


def on_frame_matrix(model: Any) -> Any:
    return model.predict(xgboost.DMatrix(FRAME, enable_categorical=True))


Case = tuple[Callable[[Path], Any], Callable[[Any], Any], str, str, dict[str, Any]]

INPUT = {"name": "X", "shape": [None, 4], "dtype": "float32"}

FILES: dict[str, Case] = {
    "onnx": (onnx_file, on_onnx, "model.onnx", "onnx", {"inputs": [INPUT]}),
    "lightgbm": (lightgbm_file, predicts, "model.txt", "lightgbm", {"type": "Booster", "trees": 9}),
    "lightgbm, categories": (lightgbm_categories, on_frame, "model.txt", "lightgbm", {"objective": "regression"}),
    "lightgbm, linear": (lightgbm_linear, predicts, "model.txt", "lightgbm", {"trees": 3}),
    "lightgbm, a leaf": (lightgbm_stump, predicts, "model.txt", "lightgbm", {}),
    "xgboost": (xgboost_estimator, tells_probabilities, "model.json", "xgboost", {"type": "XGBClassifier"}),
    "xgboost, binary": (xgboost_estimator, tells_probabilities, "model.ubj", "xgboost", {"library": "xgboost"}),
    "xgboost, any name": (xgboost_estimator, predicts, "model.model", "xgboost", {"type": "XGBClassifier"}),
    "xgboost, booster": (xgboost_booster, on_matrix, "model.ubj", "xgboost", {"type": "Booster"}),
    "xgboost, categories": (xgboost_categories, on_frame_matrix, "model.ubj", "xgboost", {"trees": 3}),
    "xgboost, dart": (xgboost_dart, on_matrix, "model.json", "xgboost", {"trees": 4}),
    "xgboost, linear": (xgboost_linear, on_matrix, "model.json", "xgboost", {"trees": None}),
    "xgboost, vectors": (xgboost_vectors, predicts, "model.ubj", "xgboost", {"type": "XGBRegressor"}),
    "catboost": (catboost_classifier, predicts, "model.cbm", "catboost", {"type": "CatBoostClassifier"}),
    "catboost, JSON": (catboost_json, tells_probabilities, "model.json", "catboost-json", {"objective": "MultiClass"}),
    "catboost, regressor": (catboost_regressor, predicts, "model.cbm", "catboost", {"type": "CatBoostRegressor"}),
}  # fmt: skip


@pytest.mark.parametrize("renamed", [False, True], ids=["as it is", "without a suffix"])
@pytest.mark.parametrize("name", FILES)
def test_a_file_answers_as_it_was_saved_and_runs_no_code(name: str, renamed: bool, tmp_path: Path) -> None:
    save, ask, file, loader, told = FILES[name]
    model, path = save(tmp_path / file), tmp_path / file
    if renamed:
        path = path.rename(tmp_path / "model")
    assert loaders.find_loader(path).name == loader
    assert not loaders.find_loader(path).runs_code
    header = loaders.peek(path)
    assert header is not None
    assert {each: header.get(each) for each in told} == told
    assert json.loads(json.dumps(header)) == header
    again = loaders.load(path, trust=False)
    assert type(again.model) is type(model)
    assert same(ask(again.model), ask(model))
    assert again.meta == {each: value for each, value in header.items() if each != "format"}


def test_a_graph_whose_weights_are_in_a_file_beside_it_finds_them(tmp_path: Path) -> None:
    session = onnx_file(tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    onnx.save_model(model, tmp_path / "model.onnx", save_as_external_data=True, location="weights", size_threshold=0)
    assert same(on_onnx(loaders.load(tmp_path / "model.onnx").model), on_onnx(session))


def test_a_dump_is_told_from_a_model(tmp_path: Path) -> None:
    booster = lightgbm_file(tmp_path / "model.txt")
    (tmp_path / "dump.json").write_text(json.dumps(booster.dump_model()))
    with pytest.raises(LoadError, match=r"a dump of LightGBM's.*save_model\('model\.txt'\)"):
        loaders.find_loader(tmp_path / "dump.json")
    xgboost_booster(tmp_path / "model.ubj").dump_model(tmp_path / "dump.txt")
    with pytest.raises(LoadError, match=r"a dump of XGBoost's.*save_model\('model\.ubj'\)"):
        loaders.find_loader(tmp_path / "dump.txt")
    (tmp_path / "old.model").write_bytes(b"binf\0\0\0?" + bytes(100))
    with pytest.raises(LoadError, match="the binary form that it has given up"):
        loaders.find_loader(tmp_path / "old.model")


# --- and a damaged one is a sentence: where the libraries would take the process along


def cut(data: bytes, chance: random.Random) -> bytes:
    return data[: int(len(data) * chance.random())]


def scratched(data: bytes, chance: random.Random) -> bytes:
    bytes_of = bytearray(data)
    for _ in range(chance.randint(1, 5)):
        bytes_of[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(bytes_of)


def lying(data: bytes, chance: random.Random) -> bytes:
    """Another number where one was."""
    found = chance.choice(list(re.finditer(rb"\d+", data)))
    return data[: found.start()] + chance.choice([b"-1", b"0", b"999999999"]) + data[found.end() :]


DAMAGES = (cut, scratched, lying)
DAMAGED = (
    "onnx", "lightgbm", "lightgbm, categories", "xgboost", "xgboost, binary", "xgboost, dart", "catboost",
    "catboost, JSON",
)  # fmt: skip
ROUNDS = 20

READ_APART = """
import os, signal, sys
from pathlib import Path
import catboost, lightgbm, numpy, onnxruntime, pandas, xgboost  # once, and not in each child
from nbserve.core import loaders
from nbserve.errors import LoadError

def ask(model):
    if hasattr(model, "inplace_predict"):
        return model.inplace_predict(numpy.zeros((1, model.num_features())))
    if hasattr(model, "run"):
        return model.run(None, {"X": numpy.zeros((1, 4), "float32")})
    return model.predict([[0.1] * 4])

for path in sorted(Path(sys.argv[1]).iterdir()):
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        signal.alarm(10)
        try:
            model = loaders.load(path).model
        except LoadError as error:
            os._exit(1 if sys.argv[1] not in str(error) and chr(10) not in str(error) else 3)
        except BaseException:
            os._exit(4)
        try:
            ask(model)
        except Exception:  # it is loaded, and may not be asked so
            pass
        os._exit(0)
    print(path.name, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Loads each file of a folder in a process of its own: how it ended is 0 (well) or 1 (with a sentence)."""


def test_a_damaged_file_never_ends_the_process(tmp_path: Path) -> None:
    """In a process that has no threads of these libraries yet: they would hang in its children."""
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for name in DAMAGED:
        save, _, file, _, _ = FILES[name]
        save(tmp_path / file)
        data = (tmp_path / file).read_bytes()
        for damage in DAMAGES:
            chance = random.Random(name + damage.__name__)
            for count in range(ROUNDS):
                path = damaged / f"{name} {damage.__name__} {count}".replace(", ", "-").replace(" ", "_")
                path.with_suffix(Path(file).suffix).write_bytes(damage(data, chance))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", READ_APART, str(damaged)], check=True, capture_output=True, text=True,
        timeout=110,
    )  # fmt: skip
    ends = dict(line.split() for line in done.stdout.splitlines())
    assert len(ends) == len(DAMAGED) * len(DAMAGES) * ROUNDS
    assert {name: end for name, end in ends.items() if end not in "01"} == {}
    assert sum(end == "1" for end in ends.values()) > len(ends) / 2


@pytest.mark.parametrize("name", ["onnx", "lightgbm", "xgboost", "xgboost, binary", "catboost", "catboost, JSON"])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_a_file_that_is_cut_short_is_a_sentence(name: str, share: float, tmp_path: Path) -> None:
    save, _, file, _, _ = FILES[name]
    save(tmp_path / file)
    data = (tmp_path / file).read_bytes()
    # the last fields of a graph are short, and to protobuf what ends between two fields is whole
    end = len(data) - 1 if (name, share) == ("onnx", 0.99) else int(len(data) * share)
    (tmp_path / file).write_bytes(data[:end])
    with pytest.raises(LoadError, match=f"^{re.escape(file)} ") as caught:
        loaders.load(tmp_path / file)
    assert str(tmp_path) not in str(caught.value)


DEEP = {
    "json": b'{"learner":{"attributes":' + b"[" * 100_000,
    "ubj": b"{L" + bytes(7) + b"\x07learner{i\x01a" + b"[" * 100_000,
}


@pytest.mark.parametrize("form", DEEP)
def test_what_is_nested_without_end_is_a_sentence(form: str, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(DEEP[form])
    with pytest.raises(LoadError, match="model is damaged or cut short"):
        loaders.load(tmp_path / "model")


# --- weights of PyTorch


class Net(torch.nn.Module):
    def __init__(self, width: int = 4, classes: int = 3) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(width, 8), torch.nn.ReLU(), torch.nn.Dropout(0.5))
        self.out = torch.nn.Linear(8, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.layers(x))


class Wide(Net):
    def __init__(self, width: int, classes: int) -> None:
        super().__init__(width, classes)


def net() -> Net:
    torch.manual_seed(0)
    return Net().eval()


def answers(model: Any) -> Any:
    with torch.no_grad():
        return model(torch.from_numpy(ROWS)).numpy()


def save_checkpoint(model: Any, path: Path) -> None:
    settings = {"width": 4, "classes": 3, "rate": 0.1}
    torch.save({"state_dict": model.state_dict(), "epoch": 3, "hyper_parameters": settings}, path)


def save_ancient(model: Any, path: Path) -> None:
    torch.save(model.state_dict(), path, _use_new_zipfile_serialization=False)


def save_parallel(model: Any, path: Path) -> None:
    torch.save({f"module.{name}": value for name, value in model.state_dict().items()}, path)


WEIGHTS: dict[str, tuple[Callable[[Any, Path], object], Any, str]] = {
    "state dict": (lambda model, path: torch.save(model.state_dict(), path), Net, "torch-weights"),
    "checkpoint": (save_checkpoint, Wide, "torch-weights"),
    "ancient": (save_ancient, Net, "torch-weights"),
    "parallel": (save_parallel, Net, "torch-weights"),
    "a function": (save_parallel, lambda: Wide(4, 3), "torch-weights"),
    "safetensors": (lambda model, path: safetensors.torch.save_model(model, str(path)), Net, "safetensors"),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_fill_the_class_that_is_named_and_run_no_code(name: str, tmp_path: Path) -> None:
    save, model_class, loader = WEIGHTS[name]
    path, model = tmp_path / "weights", net()
    save(model, path)
    found = loaders.find_loader(path, model_class=model_class)
    assert (found.name, found.runs_code) == (loader, False)
    header = loaders.peek(path)
    assert header is not None
    assert header["library"] == "torch"
    again = loaders.load(path, model_class=model_class).model
    assert not again.training
    assert same(answers(again), answers(model))


def test_weights_are_served_with_a_class_of_the_notebook(tmp_path: Path) -> None:
    torch.save(net().state_dict(), tmp_path / "weights.pt")
    with opened({"Net": Net}) as (session, caller):
        with pytest.raises(LoadError, match="--model-class Net"):
            session.serve(str(tmp_path / "weights.pt"), {})
        with pytest.raises(LoadError, match=r"There is no class 'Nte'\. Did you mean 'Net'"):
            session.serve(str(tmp_path / "weights.pt"), {"model_class": "Nte"})
        session.serve(str(tmp_path / "weights.pt"), {"name": "m", "model_class": "Net"})
        answered = caller.predict("/m/predict", json=X[:3].tolist())
    assert np.array_equal(np.array(answered, np.float32), answers(net())[:3])


def test_tied_weights_that_safetensors_keeps_once_are_filled_both(tmp_path: Path) -> None:
    class Tied(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)
            self.last.weight = self.first.weight

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(self.first(x))

    model = Tied().eval()
    safetensors.torch.save_model(model, str(tmp_path / "w.safetensors"))
    again = loaders.load(tmp_path / "w.safetensors", model_class=Tied).model
    assert again.last.weight is again.first.weight
    assert same(answers(again), answers(model))


def test_weights_without_a_class_and_a_class_for_a_whole_model_are_refused_at_once(tmp_path: Path) -> None:
    safetensors.torch.save_model(net(), str(tmp_path / "w.safetensors"))
    with pytest.raises(LoadError, match=r"holds the weights of a PyTorch model.* --model-class Net"):
        loaders.find_loader(tmp_path / "w.safetensors")
    torch.save(net(), tmp_path / "net.pt")
    with pytest.raises(LoadError, match=r"net\.pt \(PyTorch\) holds the whole model, and needs no class"):
        loaders.find_loader(tmp_path / "net.pt", model_class=Net)


@pytest.mark.parametrize("save", ["state dict", "safetensors"])
def test_weights_of_another_class_say_what_does_not_fit(save: str, tmp_path: Path) -> None:
    WEIGHTS[save][0](net(), tmp_path / "w.pt")
    with pytest.raises(LoadError, match=r"w\.pt does not fit Linear: .*out\.weight") as caught:
        loaders.load(tmp_path / "w.pt", model_class=lambda: torch.nn.Linear(4, 3))
    assert "\n" not in str(caught.value)
    with pytest.raises(LoadError, match=r"w\.pt does not fit Net: size mismatch for out\.weight"):
        loaders.load(tmp_path / "w.pt", model_class=lambda: Net(classes=5))


def test_what_is_no_module_is_refused(tmp_path: Path) -> None:
    torch.save(net().state_dict(), tmp_path / "w.pt")
    with pytest.raises(LoadError, match="dict made a dict, which is no module of PyTorch"):
        loaders.load(tmp_path / "w.pt", model_class=dict)
    torch.save({"epoch": 3}, tmp_path / "w.pt")
    with pytest.raises(LoadError, match=r"holds no weights under a name that is known \(state_dict, "):
        loaders.load(tmp_path / "w.pt", model_class=Net)


class Code:
    ran: bool = False

    def __reduce__(self) -> Any:
        return setattr, (Code, "ran", True)


def test_code_among_the_weights_is_run_only_for_who_trusts_it(tmp_path: Path) -> None:
    torch.save({"state_dict": net().state_dict(), "hook": Code()}, tmp_path / "w.pt")
    with pytest.raises(LoadError, match=r"holds more than weights.*--trust"):
        loaders.load(tmp_path / "w.pt", model_class=Net)
    assert not Code.ran
    assert same(answers(loaders.load(tmp_path / "w.pt", model_class=Net, trust=True).model), answers(net()))
    assert Code.ran


@pytest.mark.parametrize("save", WEIGHTS)
@pytest.mark.parametrize("share", [0.3, 0.9, 0.99])
def test_weights_that_are_cut_short_are_a_sentence(save: str, share: float, tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    WEIGHTS[save][0](net(), path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(LoadError, match=r"w\.pt ") as caught:
        loaders.load(path, model_class=Wide if save == "checkpoint" else Net)
    assert str(tmp_path) not in str(caught.value)


# --- what is imported by it


def test_only_the_models_own_library_is_imported(tmp_path: Path) -> None:
    onnx_file(tmp_path / "a.onnx")
    lightgbm_file(tmp_path / "b.txt")
    xgboost_booster(tmp_path / "c.ubj")
    catboost_regressor(tmp_path / "d.cbm")
    program = """
import sys
from pathlib import Path
from nbserve.core import loaders
HEAVY = {"onnx", "onnxruntime", "lightgbm", "xgboost", "catboost", "torch", "tensorflow", "keras"}
paths, seen = sorted(Path(sys.argv[1]).iterdir()), set()
assert [loaders.peek(path)["library"] for path in paths] == ["onnx", "lightgbm", "xgboost", "catboost"]
assert not HEAVY & set(sys.modules), HEAVY & set(sys.modules)
for path, library in zip(paths, ["onnxruntime", "lightgbm", "xgboost", "catboost"]):
    loaders.load(path)
    new = HEAVY & set(sys.modules) - seen
    assert new == {library}, new
    seen |= new
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=100)
