"""Who is measured: how each is started, asked, and what it can do. One row a peer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Rows = list[list[float]]

SERVERS = ("raw", "fastapi", "litserve", "mlserver", "bentoml", "mlflow", "flama", "vetiver", "mlup", "ray")
"""Each has `requirements/NAME.txt`, an environment of its own, and `servers/serve_NAME.py`."""


def _named(key: str) -> Callable[[Rows], Any]:
    return lambda rows: {key: rows}


_X = _named("X")


def _tensors(rows: Rows) -> Any:
    """A request of the Open Inference Protocol."""
    flat = [value for row in rows for value in row]
    shape = [len(rows), len(rows[0])]
    return {"inputs": [{"name": "predict", "shape": shape, "datatype": "FP64", "data": flat}]}


def _records(rows: Rows) -> Any:
    return [{f"x{index}": value for index, value in enumerate(row)} for row in rows]


@dataclass(frozen=True, slots=True)
class Peer:
    """A server in one of its configurations."""

    name: str
    environment: str
    variant: str = ""
    path: str = "/predict"
    body: Callable[[Rows], Any] = _X
    answer: Callable[[Any], Any] = lambda given: given["predict_result"]
    models: frozenset[str] = frozenset({"logreg", "forest", "boosting", "wide"})
    formats: tuple[str, ...] = ("json",)
    is_serving: bool = True
    """Answers with predictions; the echo does not."""
    is_quick: bool = False

    def request(self, rows: Rows) -> bytes:
        return json.dumps(self.body(rows), separators=(",", ":")).encode()


ONE_ROW = frozenset({"logreg", "forest", "boosting"})
ALL = frozenset({"logreg", "forest", "boosting", "wide", "torch"})
_RAW: dict[str, Any] = {"environment": "raw", "models": ALL, "is_quick": True}
_OPEN: dict[str, Any] = {
    "path": "/v2/models/model/infer",
    "body": _tensors,
    "answer": lambda given: given["outputs"][0]["data"],
}
_BENTO: dict[str, Any] = {"environment": "bentoml", "answer": lambda given: given, "models": ONE_ROW | {"wide"}}

PEERS = (
    Peer("raw ASGI: echo, no model", variant="echo", is_serving=False, **_RAW),
    Peer("raw ASGI: batches", variant="batch", formats=("json", "npy"), **_RAW),
    Peer("raw ASGI: direct", variant="direct", formats=("json", "npy"), **_RAW),
    Peer("nbserve", "nbserve", path="/model/predict/", models=ALL, is_quick=True),
    Peer("FastAPI by hand: async", "fastapi", "async", models=ALL, is_quick=True),
    Peer("FastAPI by hand: sync", "fastapi", "sync", models=ALL, is_quick=True),
    Peer("LitServe", "litserve", "plain", models=ALL, is_quick=True),
    Peer("LitServe, batching", "litserve", "batch", models=ONE_ROW | {"torch"}, is_quick=True),
    Peer("MLServer", "mlserver", "plain", **_OPEN),
    Peer("MLServer, in one process", "mlserver", "alone", **_OPEN),
    Peer("MLServer, batching", "mlserver", "batch", **_OPEN),
    Peer("BentoML", variant="plain", **_BENTO),
    Peer("BentoML, batching", variant="batch", **_BENTO),
    Peer(
        "MLflow",
        "mlflow",
        path="/invocations",
        body=_named("inputs"),
        answer=lambda given: given["predictions"],
    ),
    Peer("Flama", "flama", path="/model/predict/", body=_named("input"), answer=lambda given: given["output"]),
    Peer("vetiver", "vetiver", body=_records, answer=lambda given: given["predict"]),
    Peer("mlup", "mlup", "direct"),
    Peer("mlup, batching", "mlup", "batch"),
    Peer("Ray Serve", "ray", "plain"),
    Peer("Ray Serve, batching", "ray", "batch", models=ONE_ROW),
)
