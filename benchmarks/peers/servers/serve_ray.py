"""Ray Serve: ``plain``; ``batch`` with its batching. One replica, since the others have one too."""

from __future__ import annotations

import logging
import threading
from typing import Any

import given
import numpy as np
import ray
from ray import serve
from starlette.requests import Request


@serve.deployment(max_ongoing_requests=1000, ray_actor_options={"num_cpus": 0.5})
class Plain:
    def __init__(self, path: str) -> None:
        import joblib

        self.model = joblib.load(path)

    async def __call__(self, request: Request) -> dict[str, Any]:
        rows = np.array((await request.json())["X"], dtype=float)
        return {"predict_result": self.model.predict(rows).tolist()}


@serve.deployment(max_ongoing_requests=1000, ray_actor_options={"num_cpus": 0.5})
class Batched:
    def __init__(self, path: str) -> None:
        import joblib

        self.model = joblib.load(path)

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.001)
    async def predict(self, rows: list[Any]) -> list[Any]:
        return list(self.model.predict(np.concatenate(rows))[:, None])

    async def __call__(self, request: Request) -> dict[str, Any]:
        rows = np.array((await request.json())["X"], dtype=float)
        return {"predict_result": (await self.predict(rows)).tolist()}


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, logging_level=logging.ERROR, object_store_memory=200_000_000)
    serve.start(http_options={"host": "127.0.0.1", "port": given.PORT})
    serve.run((Batched if given.VARIANT == "batch" else Plain).bind(str(given.PATH.resolve())), route_prefix="/predict")
    threading.Event().wait()
