"""What each server program is given: ``python serve_NAME.py MODEL.joblib PORT [VARIANT]``."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

sys.path.insert(1, str(Path(__file__).parents[1]))

PATH = Path(sys.argv[1])
PORT = int(sys.argv[2])
VARIANT = sys.argv[3] if len(sys.argv) > 3 else ""


def model() -> Any:
    import joblib

    return joblib.load(PATH)


def predictor() -> Any:
    from models import predictor

    return predictor(model())


def folder() -> Path:
    """For what the server writes."""
    path = PATH.resolve().with_name(f"{PATH.stem}-{VARIANT}")
    path.mkdir(exist_ok=True)
    return path


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
