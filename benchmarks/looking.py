"""How long it takes to look at a model: its analysis, and its weight, beside pickling it to learn its size.

    python benchmarks/looking.py [rounds]

Prints medians and their spread, in one run and in turn, for the models of the test table that are costliest to look at.
"""

from __future__ import annotations

import pickle
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from sklearn.ensemble import RandomForestClassifier

from nbserve.core.analysis import analyse
from nbserve.core.sizing import size_of
from tests.models import iris_array, iris_target, titanic_frame, titanic_pipeline


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    table, namespace = titanic_pipeline(), {"df": titanic_frame()}
    forest: Any = RandomForestClassifier(100, random_state=0).fit(iris_array(), iris_target())
    measured: dict[str, Callable[[], object]] = {
        "analyse a ColumnTransformer pipeline, its frame in the notebook": lambda: analyse(table, namespace=namespace),
        "analyse a forest of 100 trees": lambda: analyse(forest, namespace={}),
        "weigh a forest of 100 trees": lambda: size_of(forest),
        "pickle a forest of 100 trees, to learn its size": lambda: len(pickle.dumps(forest, protocol=5)),
    }
    times_ms: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(rounds):
        for name, work in measured.items():
            began = perf_counter()
            work()
            times_ms[name].append((perf_counter() - began) * 1e3)
    for name, figures in times_ms.items():
        print(f"{name:<64} {statistics.median(figures):7.2f} ms ({min(figures):.2f} to {max(figures):.2f})")


if __name__ == "__main__":
    main()
