"""MLServer with its scikit-learn runtime: ``plain``; ``batch`` with its adaptive batching."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import given

if __name__ == "__main__":
    folder = given.folder()
    settings = {
        "host": "127.0.0.1",
        "http_port": given.PORT,
        "grpc_port": given.free_port(),
        "metrics_port": given.free_port(),
        "debug": False,
        "parallel_workers": 0 if "alone" in given.VARIANT else 1,
    }
    model: dict[str, object] = {
        "name": "model",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": str(given.PATH.resolve())},
    }
    if given.VARIANT.startswith("batch"):
        model |= {"max_batch_size": 64, "max_batch_time": 0.005}
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps(model))
    program = Path(sys.executable).with_name("mlserver")
    os.execv(program, [str(program), "start", str(folder)])
