"""MLflow's scoring server, on a model that was saved with its own flavour."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import given

if __name__ == "__main__":
    folder = given.folder()
    saved = given.PATH.resolve().with_suffix(".mlflow")
    os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    os.chdir(folder)
    program = Path(sys.executable).with_name("mlflow")
    options = ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(given.PORT), "--workers", "1"]
    os.execv(program, [str(program), "models", "serve", "--model-uri", str(saved), *options])
