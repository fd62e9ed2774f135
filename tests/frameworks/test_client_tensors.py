"""Tensors are sent as the numbers that they are, and answered with tensors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

import nbserve
from nbserve.client.kinds import alike, sendable
from tests.client import handle, opened

pytestmark = pytest.mark.frameworks


@pytest.fixture
def client() -> Iterator[nbserve.Client]:
    def double(X: np.ndarray) -> Any:
        return X * 2

    with opened() as (session, _):
        ep = handle(session, double, {"name": "double"})
        with nbserve.Client(ep.url, ep.token) as client:
            yield client


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor([[0.1, 2.0]]),
        torch.tensor([[1, 2]]),
        torch.tensor([[0.5]], requires_grad=True),
        torch.tensor([[0.1]], dtype=torch.bfloat16),
    ],
    ids=["floats", "integers", "with a gradient", "bfloat16"],
)
def test_a_tensor_is_answered_with_a_tensor(client: nbserve.Client, tensor: torch.Tensor) -> None:
    answered = client.call("predict", tensor)
    torch.testing.assert_close(answered.double(), tensor.detach().double() * 2, rtol=1e-7, atol=0)


def test_narrow_floats_are_sent_as_the_doubles_that_they_are() -> None:
    assert sendable({"X": torch.tensor([0.1])})["X"].tolist() == [0.10000000149011612]


@pytest.mark.parametrize(
    "answer", [["a"], [[1], [1, 2]], [None], [{"a": 1}]], ids=["texts", "ragged", "null", "objects"]
)
def test_what_is_no_tensor_stays_what_it_is(answer: list[Any]) -> None:
    assert alike(answer, [torch.tensor([1])]) is answer


def test_other_frameworks_are_answered_with_arrays() -> None:
    import tensorflow as tf

    tensor = tf.constant([[0.1]], dtype=tf.float32)
    assert sendable({"X": tensor})["X"].tolist() == [[0.10000000149011612]]
    assert isinstance(alike([1.0], [tensor]), np.ndarray)
