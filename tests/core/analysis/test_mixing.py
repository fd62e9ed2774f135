"""Code that is handed all rows: whether it plainly keeps them apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nbserve.core.analysis.mixing import mixing_in

SCALE = 2.0


def centred(x: Any) -> Any:
    return x - x.mean(dim=0)


class Layer:
    """Methods as people write them for layers; torch and Keras alike."""

    def __init__(self) -> None:
        self.inner: Any = None
        self.seen = 0
        self.norm = self.flatten = None  # layers, too

    def activates(self, x: Any) -> Any:
        return self.inner(x).relu() * SCALE

    def softens(self, F: Any, x: Any) -> Any:
        return F.softmax(self.inner(x), dim=1)

    def softens_last(self, F: Any, x: Any) -> Any:
        return F.log_softmax(self.inner(x), -1)

    def pools(self, x: Any) -> Any:
        return x.mean((2, 3)).view(x.size(0), -1)

    def turns(self, x: Any) -> Any:
        return self.inner(x.permute(0, 2, 1)).transpose(1, 2)

    def normalizes(self, x: Any) -> Any:
        return self.norm(self.flatten(x))

    def normalizes_rows(self, x: Any) -> Any:
        return x / x.norm()

    def centres(self, x: Any) -> Any:
        return x - x.mean()

    def centres_elsewhere(self, x: Any) -> Any:
        return centred(x)

    def centres_in_a_method(self, x: Any) -> Any:
        return self.centres(x)

    def centres_in_a_lambda(self, x: Any) -> Any:
        return (lambda rows: rows.sum(0))(x)

    def softens_rows(self, F: Any, x: Any) -> Any:
        return F.softmax(self.inner(x), dim=0)

    def softens_scores(self, F: Any, x: Any) -> Any:
        return F.softmax(self.inner(x).squeeze(-1), -1)

    def compares(self, x: Any) -> Any:
        return x @ x.T

    def joins(self, torch: Any, x: Any) -> Any:
        return torch.cat([x, x])

    def turns_rows(self, x: Any) -> Any:
        return self.inner(x.permute(1, 0, 2))

    def counts(self, x: Any) -> Any:
        self.seen += 1
        return x


@pytest.mark.parametrize(
    "method",
    [Layer.activates, Layer.softens, Layer.softens_last, Layer.pools, Layer.turns, Layer.normalizes],
    ids=lambda it: it.__name__,
)
def test_rows_are_kept_apart(method: Callable[..., Any]) -> None:
    assert mixing_in(method, Layer()) is None


@pytest.mark.parametrize(
    ("method", "named"),
    [
        (Layer.centres, "mean"),
        (Layer.centres_elsewhere, "mean"),
        (Layer.centres_in_a_method, "mean"),
        (Layer.centres_in_a_lambda, "sum"),
        (Layer.normalizes_rows, "norm"),
        (Layer.softens_rows, "softmax"),
        (Layer.softens_scores, "softmax"),
        (Layer.compares, "T"),
        (Layer.joins, "cat"),
        (Layer.turns_rows, "permutes"),
        (Layer.counts, "seen"),
    ],
    ids=lambda it: getattr(it, "__name__", it),
)
def test_rows_may_be_mixed(method: Callable[..., Any], named: str) -> None:
    found = mixing_in(method, Layer())
    assert found is not None
    assert named in found


def test_code_that_cannot_be_read_is_not_guessed_at() -> None:
    assert mixing_in(len) == "code that cannot be read"
