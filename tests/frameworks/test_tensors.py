"""Functions that want tensors get them: by annotation, by their code, or as the user says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from nbserve import Endpoint
from nbserve.core.analysis import analyse
from nbserve.errors import OptionError
from tests.client import Caller
from tests.conftest import Serve

pytestmark = pytest.mark.frameworks

ROWS = [[1, 2], [3, 4.5]]


def seen(X: Any) -> list[Any]:
    return [type(X).__module__.partition(".")[0], str(X.dtype), np.asarray(X).tolist()]


def annotated(X: torch.Tensor):
    return [*seen(X)]


net = torch.nn.Linear(2, 1)


def asks_a_module(x):
    return net(x)


def asks_torch(x):
    return torch.relu(x)


def makes_its_own(x):
    return torch.tensor(x).sum()


class Wrapped:
    def __init__(self) -> None:
        self.net = torch.nn.Linear(2, 3)

    def predict(self, X):
        with torch.no_grad():
            return self.net(X)


def test_an_annotation_and_an_option_ask_for_tensors(serve: Serve, caller: Caller) -> None:
    serve(annotated, name="annotated")
    serve(seen, name="given", container="torch")
    serve(seen, name="typed", container="torch", dtype="int64")
    for name in ("annotated", "given"):
        assert caller.predict(f"/{name}/predict", json={"X": ROWS}) == ["torch", "torch.float32", ROWS]
    assert caller.predict("/typed/predict", json={"X": [[1, 2]]}) == ["torch", "torch.int64", [[1, 2]]]


def test_code_that_gives_its_argument_to_torch_gets_a_tensor(serve: Serve, caller: Caller) -> None:
    serve(asks_a_module, name="module")
    serve(asks_torch, name="function")
    serve(makes_its_own, name="own")
    model = Wrapped()
    serve(model, name="wrapped")
    with torch.no_grad():
        expected = net(torch.tensor(ROWS)).tolist()
        wrapped = model.net(torch.tensor(ROWS)).tolist()
    assert np.array_equal(np.float32(caller.predict("/module/predict", json={"x": ROWS})), np.float32(expected))
    assert np.array_equal(np.float32(caller.predict("/wrapped/predict", json={"X": ROWS})), np.float32(wrapped))
    assert caller.predict("/function/predict", json={"x": [[-1, 2]]}) == [[0, 2]]
    assert caller.predict("/own/predict", json={"x": [1, 2]}) == 3
    [finding] = [each for each in analyse(asks_torch).findings if "given as" in each.what]
    assert finding.value == "torch"


def test_tensorflow_gets_its_tensors(serve: Serve, caller: Caller) -> None:
    import tensorflow as tf

    def doubled(X):
        assert isinstance(X, tf.Tensor)
        return tf.math.multiply(X, 2)

    doubled.__annotations__["X"] = tf.Tensor
    serve(doubled, name="annotated")
    serve(lambda X: [str(X.dtype), X.numpy().tolist()], name="given", container="tensorflow")
    assert caller.predict("/annotated/predict", json={"X": ROWS}) == [[2, 4], [6, 9]]
    assert caller.predict("/given/predict", json={"X": ROWS}) == ["<dtype: 'float32'>", ROWS]


def test_a_dtype_may_be_torchs_or_tensorflows_own_and_is_written_as_its_name() -> None:
    import tensorflow as tf

    for given, name in (
        (torch.float32, "float32"),
        (torch.int8, "int8"),
        (torch.bool, "bool"),
        (tf.float64, "float64"),
    ):
        written = Endpoint(seen, name="seen", dtype=given).to_yaml(model=False)
        assert f'dtype: "{name}"' in written
    for wrong in (torch.complex64, torch.bfloat16, tf.string, torch.float32.to_complex(), torch.Tensor):
        with pytest.raises(OptionError, match="dtype cannot be"):
            Endpoint(seen, dtype=wrong)
