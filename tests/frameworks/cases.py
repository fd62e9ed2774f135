"""A model of every framework: how it is made, how its library itself is asked, and what it is asked with."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import catboost
import joblib
import keras
import lightgbm
import numpy as np
import onnxruntime
import pandas as pd
import skl2onnx
import skops.io
import tokenizers
import torch
import transformers
import xgboost
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

COLUMNS = list("abcd")
X = np.random.default_rng(0).random((1000, 4)).astype(np.float32)
FRAME = pd.DataFrame(X.astype(float), columns=COLUMNS)
MIXED = FRAME.assign(kind=np.where(X[:, 1] > 0.5, "u", "v"))
LABELS = (X[:, 0] > 0.5).astype(int)
WORDS = ["[PAD]", "[UNK]", "good", "bad", "some", "text", "another"]


@dataclass(frozen=True)
class Case:
    """`rows(n)` is what is sent of so many rows, `ask(model, n)` what the library answers to the same.

    `save` writes a file or folder called `file` that comes back as the same model; None: there is no such format.
    """

    make: Callable[[], Any]
    ask: Callable[[Any, int], Any]
    rows: Callable[[int], Any]
    save: Callable[[Any, Path], object] | None = None
    file: str = ""
    trust: bool = False


def matrix(n: int) -> Any:
    return X[:n].tolist()


def records(n: int) -> Any:
    return FRAME[:n].to_dict("records")


def mixed(n: int) -> Any:
    return MIXED[:n].to_dict("records")


def texts(n: int) -> Any:
    return [f"good bad {WORDS[2 + at % 5]}" for at in range(n)]


# --- the models


def pipeline() -> Any:
    columns = make_column_transformer((StandardScaler(), COLUMNS), (OneHotEncoder(), ["kind"]))
    return make_pipeline(columns, LogisticRegression()).fit(MIXED, np.where(LABELS, "yes", "no"))


def catboost_model() -> Any:
    settings = {"iterations": 5, "verbose": False, "allow_writing_files": False, "thread_count": 1}
    return catboost.CatBoostRegressor(**settings, cat_features=["kind"]).fit(MIXED, X[:, 0])


def torch_model() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Linear(8, 3)
    ).eval()


def keras_model() -> Any:
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(3)])


def onnx_content() -> bytes:
    return skl2onnx.to_onnx(LinearRegression().fit(X, LABELS), X[:1]).SerializeToString()


def onnx_model() -> Any:
    return onnxruntime.InferenceSession(onnx_content())


def transformers_model() -> Any:
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    model = transformers.BertForSequenceClassification(transformers.BertConfig(vocab_size=len(WORDS), **sizes)).eval()
    return transformers.pipeline("text-classification", model=model, tokenizer=words_of())


def words_of() -> Any:
    """A tokenizer that knows the words above."""
    words = tokenizers.models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]")
    split = tokenizers.Tokenizer(words)
    split.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=split, unk_token="[UNK]", pad_token="[PAD]")


def function() -> Any:
    def ratio(frame: pd.DataFrame) -> Any:
        return frame["a"] / (1 + frame["b"])

    return ratio


class Threshold:
    def __init__(self, at: float) -> None:
        self.at = at

    def predict(self, X: np.ndarray) -> Any:
        return X[:, 0] > self.at


# --- how their libraries are asked


def on_frame(model: Any, n: int) -> Any:
    return model.predict(FRAME[:n])


def on_mixed(model: Any, n: int) -> Any:
    return model.predict(MIXED[:n])


def on_matrix(model: Any, n: int) -> Any:
    return model.predict(X[:n])


def on_torch(model: Any, n: int) -> Any:
    with torch.no_grad():
        return model(torch.from_numpy(X[:n])).numpy()


CASES = {
    "scikit-learn": Case(pipeline, on_mixed, mixed, skops.io.dump, "model.skops"),
    "scikit-learn, no names": Case(
        lambda: RandomForestClassifier(5, random_state=0).fit(X, LABELS), on_matrix, matrix,
        joblib.dump, "model.joblib", True,
    ),
    "lightgbm": Case(
        lambda: lightgbm.train({"verbose": -1, "num_threads": 1}, lightgbm.Dataset(FRAME, LABELS), 5),
        on_frame, records, lambda model, path: model.save_model(path), "model.txt",
    ),
    "xgboost": Case(
        lambda: xgboost.XGBClassifier(n_estimators=5, n_jobs=1).fit(FRAME, LABELS),
        on_frame, records, lambda model, path: model.save_model(path), "model.ubj",
    ),
    "catboost": Case(
        catboost_model, on_mixed, mixed, lambda model, path: model.save_model(str(path)), "model.cbm"
    ),
    "torch": Case(torch_model, on_torch, matrix, torch.save, "model.pt", True),
    "keras": Case(
        keras_model, lambda model, n: model.predict_on_batch(X[:n]), matrix, lambda model, path: model.save(path),
        "model.keras",
    ),
    "tensorflow": Case(
        keras_model, lambda model, n: model.predict_on_batch(X[:n]), matrix,
        lambda model, path: model.export(path, verbose=False), "model", True,
    ),
    "onnx": Case(
        onnx_model, lambda model, n: model.run(None, {"X": X[:n]})[0], matrix,
        lambda model, path: path.write_bytes(onnx_content()), "model.onnx",
    ),
    "transformers": Case(
        transformers_model, lambda model, n: model(texts(n)), texts, lambda model, path: model.save_pretrained(path),
        "model",
    ),
    "a function": Case(function, lambda model, n: model(FRAME[:n]), records),
    "a class": Case(
        lambda: Threshold(0.5), on_matrix, matrix, lambda model, path: path.write_bytes(pickle.dumps(model)),
        "model.pkl", True,
    ),
}  # fmt: skip


@cache
def answered(name: str, n: int) -> Any:
    """What the library itself answers, as JSON has it: narrow numbers with as many digits as tell them apart."""
    case = CASES[name]
    answer = case.ask(case.make(), n)
    return plainly(answer.tolist() if answer_is_wide(answer) else narrow(answer))


def answer_is_wide(answer: Any) -> bool:
    return hasattr(answer, "tolist") and getattr(answer, "dtype", None) != np.float32


def narrow(answer: Any) -> Any:
    if not isinstance(answer, np.ndarray):
        return answer
    return [narrow(each) if isinstance(each, np.ndarray) else float(str(each)) for each in answer]


def plainly(answer: Any) -> Any:
    return json.loads(json.dumps(answer, default=lambda number: float(str(number))))
