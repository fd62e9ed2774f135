"""Models that take image arrays take pictures."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch

from tests.client import Caller, assert_error
from tests.conftest import Serve
from tests.core.codecs.test_images import GREY, RGB, encoded, text

pytestmark = pytest.mark.frameworks


def test_a_convolution_of_torch_takes_pictures_of_its_channels(serve: Serve, caller: Caller) -> None:
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 2), torch.nn.Flatten()).eval()
    serve(net, name="net")
    with torch.no_grad():
        expected = net(torch.tensor(RGB.transpose(2, 0, 1)[None].astype("float32"))).numpy()
    answer = caller.predict("/net/predict", content=encoded(RGB), headers={"content-type": "image/png"})
    assert np.array_equal(np.float32(answer), expected)
    assert np.array_equal(np.float32(caller.predict("/net/predict", json={"X": [text(encoded(RGB))]})), expected)
    assert_error(caller.post("/net/predict", json={"X": [text(encoded(GREY))]}), 422, "input_invalid")


def test_a_model_of_keras_takes_pictures_of_its_shape(serve: Serve, caller: Caller) -> None:
    model = keras.Sequential([keras.Input((2, 3, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
    serve(model, name="model")
    expected = model.predict_on_batch(RGB[None].astype("float32"))
    answer = caller.predict("/model/predict", json=[text(encoded(RGB))])
    assert np.allclose(answer, expected, rtol=1e-5)
    body = assert_error(caller.post("/model/predict", json=[text(encoded(RGB[:1]))]), 422, "input_invalid")
    assert "3 by 2 pixels" in body["remedy"]
