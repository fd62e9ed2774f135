"""The models that every peer serves, and the rows that they are asked about.

    python models.py FOLDER    fits them all, and writes them with their rows and answers
    python models.py FOLDER MODEL    what a call with all rows takes, in seconds

Fitted in each environment, since an artifact belongs to the versions that wrote it; the data and seeds are fixed.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import joblib
import numpy as np
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def rows_of(name: str) -> np.ndarray:
    """What `name` was fitted on: 150 rows of 4 columns; 1,000 of 30 for the wide one."""
    if name != "wide":
        return np.asarray(load_iris().data)
    known = np.asarray(load_breast_cancer().data)
    return known[np.arange(1000) % len(known)]


def fitted(name: str) -> Any:
    if name == "torch":
        return _module()
    targets = load_breast_cancer().target[np.arange(1000) % 569] if name == "wide" else load_iris().target
    return ESTIMATORS[name]().fit(rows_of(name), targets)


def _module() -> Any:
    import torch
    from network import Network

    torch.manual_seed(0)
    return Network().eval()


def predictor(model: Any) -> Callable[[Any], Any]:
    """Rows in, an array out, whatever the library."""
    if hasattr(model, "predict"):
        return lambda rows: model.predict(np.asarray(rows))
    import torch

    def forward(rows: Any) -> Any:
        with torch.inference_mode():
            return model(torch.as_tensor(np.asarray(rows), dtype=torch.float32)).numpy()

    return forward


ESTIMATORS: dict[str, Callable[[], Any]] = {
    "logreg": lambda: LogisticRegression(max_iter=1000),
    "forest": lambda: RandomForestClassifier(100, random_state=0),
    "boosting": lambda: GradientBoostingClassifier(random_state=0),
    "wide": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
}


def _call_s(path: Path, rows: np.ndarray) -> float:
    predict = predictor(joblib.load(path))
    taken = []
    for _ in range(200):
        began = perf_counter()
        predict(rows)
        taken.append(perf_counter() - began)
    return median(taken)


def main() -> None:
    folder = Path(sys.argv[1])
    if len(sys.argv) > 2:
        print(_call_s(folder / f"{sys.argv[2]}.joblib", rows_of(sys.argv[2])))
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name in [*ESTIMATORS, *(["torch"] if importlib.util.find_spec("torch") else [])]:
        if not (folder / f"{name}.answers.json").exists():
            _write(name, folder)


def _write(name: str, folder: Path) -> None:
    model, rows = fitted(name), rows_of(name)
    joblib.dump(model, folder / f"{name}.joblib")
    np.save(folder / f"{name}.npy", rows)
    for library, write in OWN_FORMATS.items():
        if importlib.util.find_spec(library) and name != "torch":
            write(model, folder / name)
    if importlib.util.find_spec("pyarrow"):
        _write_arrow(folder / f"{name}.arrow", rows)
    (folder / f"{name}.rows.json").write_text(json.dumps(rows.tolist()))
    (folder / f"{name}.answers.json").write_text(json.dumps(predictor(model)(rows).tolist()))


def _write_arrow(path: Path, rows: np.ndarray) -> None:
    import pyarrow as pa

    table = pa.table({f"x{index}": column for index, column in enumerate(rows.T)})
    with pa.ipc.new_stream(path, table.schema) as stream:
        stream.write_table(table)


def _write_mlflow(model: Any, path: Path) -> None:
    import mlflow.sklearn

    mlflow.sklearn.save_model(model, str(path.with_suffix(".mlflow")), serialization_format="cloudpickle")


def _write_flama(model: Any, path: Path) -> None:
    import flama

    flama.dump(model, path=path.with_suffix(".flm"), family="ml")


OWN_FORMATS = {"mlflow": _write_mlflow, "flama": _write_flama}
"""Of those that serve a file of their own kind."""


if __name__ == "__main__":
    main()
