"""BentoML: ``plain``; ``batch`` with its adaptive batching."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import given

SERVICE = """
import sys

sys.path.insert(0, {servers!r})
sys.argv[1:] = [{path!r}, "0"]

import bentoml
import given
import numpy as np


@bentoml.service(workers=1, logging={{"access": {{"enabled": False}}}})
class Model:
    def __init__(self) -> None:
        self.predictor = given.predictor()

    @bentoml.api(route="/predict"{batching})
    def predict(self, X: np.ndarray) -> np.ndarray:
        return self.predictor(X)
"""
BATCHING = ", batchable=True, max_batch_size=64, max_latency_ms=1000"

if __name__ == "__main__":
    folder = given.folder()
    filled = {
        "servers": str(Path(__file__).parent),
        "path": str(given.PATH.resolve()),
        "batching": BATCHING if given.VARIANT == "batch" else "",
    }
    (folder / "service.py").write_text(SERVICE.format(**filled))
    os.chdir(folder)
    os.environ |= {"BENTOML_DO_NOT_TRACK": "true", "BENTOML_HOME": str(folder)}
    program = Path(sys.executable).with_name("bentoml")
    os.execv(
        program,
        [str(program), "serve", "service:Model", "--host", "127.0.0.1", "--port", str(given.PORT)],
    )
