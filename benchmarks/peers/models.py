"""The models that every peer serves, and the rows that they are asked about.

    python models.py FOLDER    fits them all, and writes them with their rows and answers

Fitted in each environment, since an artifact belongs to the versions that wrote it; the data and seeds are fixed.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
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

    torch.manual_seed(0)
    layers = torch.nn.Linear(4, 64), torch.nn.ReLU(), torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 3)
    return torch.nn.Sequential(*layers).eval()


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


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in [*ESTIMATORS, *(["torch"] if importlib.util.find_spec("torch") else [])]:
        if not (folder / f"{name}.answers.json").exists():
            _write(name, folder)


def _write(name: str, folder: Path) -> None:
    model, rows = fitted(name), rows_of(name)
    joblib.dump(model, folder / f"{name}.joblib")
    np.save(folder / f"{name}.npy", rows)
    if importlib.util.find_spec("pyarrow"):
        _write_arrow(folder / f"{name}.arrow", rows)
    (folder / f"{name}.rows.json").write_text(json.dumps(rows.tolist()))
    (folder / f"{name}.answers.json").write_text(json.dumps(predictor(model)(rows).tolist()))


def _write_arrow(path: Path, rows: np.ndarray) -> None:
    import pyarrow as pa

    table = pa.table({f"x{index}": column for index, column in enumerate(rows.T)})
    with pa.ipc.new_stream(path, table.schema) as stream:
        stream.write_table(table)


if __name__ == "__main__":
    main()
