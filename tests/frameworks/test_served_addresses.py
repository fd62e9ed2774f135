"""A file that runs no code is served from its address at once, and a program is written for what each format needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import nbserve
from nbserve.making import make_app
from nbserve.notebook.session import Session
from tests.client import handle
from tests.hosts import Host, hosted
from tests.models import iris_array, iris_target

pytestmark = pytest.mark.frameworks

X, Y = iris_array(), iris_target()
ROWS = X[:5].astype(np.float32).tolist()


def onnx_file(path: Path) -> None:
    from skl2onnx import to_onnx

    model = LogisticRegression(max_iter=500).fit(X, Y)
    path.write_bytes(to_onnx(model, X[:1].astype(np.float32), options={"zipmap": False}).SerializeToString())


def lightgbm_file(path: Path) -> None:
    import lightgbm

    lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(X, Y).booster_.save_model(path)


def xgboost_file(path: Path) -> None:
    import xgboost

    xgboost.XGBClassifier(n_estimators=3).fit(X, Y).save_model(path)


def skops_file(path: Path) -> None:
    import skops.io

    skops.io.dump(LogisticRegression(max_iter=500).fit(X, Y), path)


CASES: dict[str, tuple[Callable[[Path], None], set[str], set[str]]] = {
    "model.onnx": (onnx_file, {"onnxruntime", "numpy"}, {"onnx", "skl2onnx", "scikit-learn", "torch", "lightgbm"}),
    "model.lgb": (lightgbm_file, {"lightgbm", "numpy", "scipy"}, {"xgboost", "torch", "onnxruntime"}),
    "model.ubj": (xgboost_file, {"xgboost", "numpy"}, {"lightgbm", "torch", "onnxruntime"}),
    "model.skops": (skops_file, {"skops", "scikit-learn", "numpy"}, {"lightgbm", "torch", "onnxruntime"}),
}


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Host]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("NBSERVE_CACHE", str(tmp_path / "cache"))
    with hosted() as host:
        yield host


@pytest.mark.parametrize("name", CASES)
def test_it_needs_no_trust_and_answers_as_the_file_does(name: str, host: Host, tmp_path: Path) -> None:
    CASES[name][0](tmp_path / name)
    host.has[name] = (tmp_path / name).read_bytes()
    session = Session({})
    try:
        far = handle(session, host.address(name), {"name": "far"})
        near = handle(session, tmp_path / name, {"name": "near"})
        assert far.predict(X=ROWS) == near.predict(X=ROWS)
        assert far.metadata()["source"] == name
    finally:
        session.close()
    assert nbserve.load(host.address(name)).model is not None


@pytest.mark.parametrize("name", CASES)
def test_a_program_pins_what_its_format_needs_and_no_other_library(name: str, tmp_path: Path) -> None:
    write, needed, other = CASES[name]
    write(tmp_path / name)
    make_app(tmp_path / name, tmp_path / "made")
    lines = (tmp_path / "made" / "requirements.txt").read_text().splitlines()
    pinned: set[Any] = {line.partition("==")[0] for line in lines if "==" in line}
    assert needed <= pinned
    assert pinned.isdisjoint(other)
    assert "trust" not in (tmp_path / "made" / "app.py").read_text()
    assert ("libgomp1" in (tmp_path / "made" / "Dockerfile").read_text()) == (name == "model.lgb")
