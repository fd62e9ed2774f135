"""mlup: ``direct``; ``batch`` with its batching."""

from __future__ import annotations

import given
import mlup
import mlup.constants

BATCHING = {"mode": mlup.constants.WebAppArchitecture.batching, "min_batch_len": 16}

if __name__ == "__main__":
    options = BATCHING | {"batch_worker_timeout": 0.005, "max_queue_size": 2000} if given.VARIANT == "batch" else {}
    quiet = {"uvicorn_kwargs": {"log_level": "error", "access_log": False}}
    up = mlup.UP(given.model(), conf=mlup.Config(host="127.0.0.1", port=given.PORT, **quiet, **options))
    up.ml.load()
    up.run_web_app()
