"""Models of the frameworks over HTTP: as they lie in the notebook, and out of a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import keras
import lightgbm
import numpy as np
import pytest
import torch

from tests.client import Caller, assert_error
from tests.conftest import Serve
from tests.models import iris_array, iris_target

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("ignore")]  # of the libraries, about themselves

ROWS = [[5.1, 3.5, 1.4, 0.2], [6.0, 2.2, 4.0, 1.0]]


def _module() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)).eval()


def _network() -> Any:
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3)])


def _booster() -> Any:
    return lightgbm.train({"verbose": -1}, lightgbm.Dataset(iris_array(), iris_target()), 3)


def _by_torch(model: Any) -> Any:
    with torch.no_grad():
        return model(torch.tensor(ROWS)).numpy()


MODELS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any], str, Callable[[Any, Path], Any]]] = {
    "torch": (_module, _by_torch, "net.pt", torch.save),
    "keras": (_network, lambda model: model.predict(np.array(ROWS), verbose=0), "net.keras", keras.Model.save),
    "lightgbm": (_booster, lambda model: model.predict(np.array(ROWS)), "trees.joblib", joblib.dump),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_live_model_is_served_as_it_is(name: str, serve: Serve, caller: Caller) -> None:
    make, directly, _, _ = MODELS[name]
    model = make()
    serve(model, name="m")
    answered = caller.predict("/m/predict", json=ROWS)
    assert np.allclose(answered, directly(model), rtol=1e-5, atol=1e-6)
    assert_error(caller.post("/m/predict", json=[[1, 2]]), 422, "input_invalid")
    assert "expects 4" in caller.post("/m/predict", json=[[1, 2]]).text


@pytest.mark.parametrize("name", MODELS)
def test_a_file_of_it_is_served_as_well(name: str, serve: Serve, caller: Caller, tmp_path: Path) -> None:
    make, directly, file, save = MODELS[name]
    model = make()
    save(model, tmp_path / file)
    serve(str(tmp_path / file), name="m", trust=True)
    assert np.allclose(caller.predict("/m/predict", json=ROWS), directly(model), rtol=1e-5, atol=1e-6)
    assert "expects 4" in caller.post("/m/predict", json=[[1, 2]]).text


def test_python_code_in_the_kernel_asks_with_arrays_of_its_own(serve: Serve) -> None:
    model = _module()
    ep = serve(model, name="m")
    for rows in (np.array(ROWS), np.array(ROWS, dtype="float32"), torch.tensor(ROWS)):
        assert np.allclose(ep.predict(rows), _by_torch(model), rtol=1e-5, atol=1e-6)
