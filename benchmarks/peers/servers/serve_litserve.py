"""LitServe: ``plain``, or ``batch`` with its batching and, as it advises for many requests, its fast queue."""

from __future__ import annotations

from typing import Any

import given
import litserve
import numpy as np


class Api(litserve.LitAPI):
    def setup(self, device: str) -> None:  # noqa: ARG002 - it is called so
        self.predictor = given.predictor()

    def decode_request(self, request) -> Any:  # noqa: ANN001 - it reads the annotation
        return np.array(request["X"], dtype=float)

    def encode_response(self, output: Any) -> dict[str, Any]:
        return {"predict_result": output.tolist()}

    def predict(self, x: Any) -> Any:
        return self.predictor(x)


class Batched(Api):
    """One row a request."""

    def batch(self, inputs: list[Any]) -> Any:
        return np.concatenate(inputs)

    def unbatch(self, output: Any) -> list[Any]:
        return list(output[:, None])


if __name__ == "__main__":
    if given.VARIANT == "batch":
        api, options = Batched(max_batch_size=64, batch_timeout=0.001), {"fast_queue": True}
    else:
        api, options = Api(), {}
    server = litserve.LitServer(api, accelerator="cpu", **options)
    server.run(host="127.0.0.1", port=given.PORT, generate_client_file=False, log_level="error", access_log=False)
