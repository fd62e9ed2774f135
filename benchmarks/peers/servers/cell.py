"""What a notebook's cell does meanwhile: pure Python, or numpy, counting how far it came into standard output."""

from __future__ import annotations

import sys
import time

STEP_S = 0.25


def run(kind: str) -> None:
    step = {"loop": _python, "numpy": _numpy}[kind]()
    done, began = 0, time.perf_counter()
    while True:
        next(step)
        done += 1
        now = time.perf_counter()
        if now - began > STEP_S:
            sys.stdout.write(f"CELL {time.time():.3f} {done / (now - began):.1f}\n")
            sys.stdout.flush()
            done, began = 0, now


def _python():  # noqa: ANN202 - a generator
    while True:
        total = 0
        for value in range(2000):
            total += value * value % 7
        yield total


def _numpy():  # noqa: ANN202 - a generator
    import numpy as np

    numbers = np.random.default_rng(0).random(20_000)
    while True:
        yield float(np.sort(np.sin(numbers) + numbers).sum())
