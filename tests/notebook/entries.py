"""What a card is given to show: one endpoint's entry, and snapshots of some."""

from __future__ import annotations

import copy
from typing import Any

IRIS: dict[str, Any] = {
    "name": "iris",
    "version": 1,
    "url": "http://127.0.0.1:49152/iris/",
    "page_url": "http://127.0.0.1:49152/iris/?token=secret",
    "token": "secret",
    "state": "loaded",
    "reason": None,
    "title": None,
    "source": "the notebook",
    "described": True,
    "memory": {"model_bytes": 12_345_678, "spilled_bytes": 0, "session_bytes": 12_345_678, "budget_bytes": None},
    "last_used_s": None,
    "idle_unload_in_s": None,
    "loading": None,
    "model": {
        "type": "LogisticRegression",
        "library": "scikit-learn",
        "library_version": "1.9.1",
        "task": "classification",
        "classes": ["setosa", "versicolor"],
        "features": [
            {"name": "length", "datatype": "number", "dtype": "float64", "nullable": True, "categories": None},
            {"name": "colour", "datatype": "string", "dtype": "category", "nullable": False, "categories": ["red"]},
        ],
    },
    "signatures": ["predict(X: 2 columns)"],
    "counters": {"requests": 12, "errors": 1, "rows": 30, "in_flight": 0, "loads": 1, "unloads": 0},
    "latency_ms": {"p50": 1.2, "p99": 3.4},
    "history": [],
    "curl": "curl -H 'Authorization: Bearer secret' http://127.0.0.1:49152/iris/predict/",
}


def endpoint(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(IRIS), **changes}


def snapshot(*endpoints: dict[str, Any], dashboard: bool = False) -> dict[str, Any]:
    return {"endpoints": list(endpoints), "dashboard": dashboard}
