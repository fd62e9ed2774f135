"""What it costs to put a model aside and to bring it back, beside what a user would write instead.

    python benchmarks/memory.py [rounds]

For a `KNeighborsClassifier` fitted on 25.6 million floats (205 MB), beside `joblib.dump` and `joblib.load`; and, where
torch is installed, for a module of 200 MB, beside `torch.save` and `torch.load`.

- Time: both ways in one process, in turn, into the same folder; medians, and the ratio of the medians.
- Peak extra memory: each way in a fresh process. The peak of the resident set while the model is written, above what
  it was before; and while it is read, above what it is once the model is there. The larger of both. Linux only.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from nbserve.core.memory import give_back
from nbserve.core.spill import Spill

MB = 1e6


# --- the models


def neighbors() -> Any:
    import numpy as np
    from sklearn.neighbors import KNeighborsClassifier

    draw = np.random.default_rng(0)
    return KNeighborsClassifier(algorithm="brute").fit(draw.random((100_000, 256)), draw.integers(0, 2, 100_000))


def network() -> Any:
    import torch

    return torch.nn.Sequential(torch.nn.Linear(5000, 5000), torch.nn.ReLU(), torch.nn.Linear(5000, 5000))


# --- the ways to put one aside, and to bring it back


@dataclass(frozen=True)
class Way:
    write: Callable[[Any, Path], Any]
    read: Callable[[Any, Path], Any]


def _dump_joblib(model: Any, folder: Path) -> None:
    import joblib

    joblib.dump(model, folder / "model.joblib")


def _load_joblib(_: None, folder: Path) -> Any:
    import joblib

    return joblib.load(folder / "model.joblib")


def _save_torch(model: Any, folder: Path) -> None:
    import torch

    torch.save(model, folder / "model.pt")


def _load_torch(_: None, folder: Path) -> Any:
    import torch

    return torch.load(folder / "model.pt", weights_only=False)


WAYS = {
    "nbserve": Way(Spill.write, lambda spill, _: spill.read()),
    "joblib": Way(_dump_joblib, _load_joblib),
    "torch": Way(_save_torch, _load_torch),
}

MODELS = {"205 MB of neighbors": (neighbors, "joblib"), "200 MB of torch": (network, "torch")}


# --- measuring


def times(make: Callable[[], Any], ways: list[str], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds to write and to read, for each way; the first of the rounds in turn."""
    model = make()
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for index in range(rounds + 1):
        for name in ways if index % 2 else reversed(ways):
            measured = _timed(WAYS[name], model)
            if index:  # the first one warms up
                taken[name].append(measured)
    return taken


def _timed(way: Way, model: Any) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        began = perf_counter()
        put = way.write(model, Path(folder))
        written = perf_counter()
        again = way.read(put, Path(folder))
        read = perf_counter()
        del again, put
    gc.collect()
    return written - began, read - written


def peak_extra_mb(name: str, way: str) -> float | None:
    """In a process of its own."""
    if not Path("/proc/self/clear_refs").exists():
        return None
    child = subprocess.run(
        [sys.executable, __file__, "--peak", name, way], capture_output=True, text=True, check=True, env=os.environ
    )
    return float(json.loads(child.stdout.splitlines()[-1]))


def _measure_peak(name: str, way: Way) -> float:
    model = MODELS[name][0]()
    with tempfile.TemporaryDirectory() as folder:
        way.read(way.write([0], Path(folder)), Path(folder))  # for what is imported and started the first time
        give_back()
        before, _ = _resident_and_peak(reset=True)
        put = way.write(model, Path(folder))
        _, peak_writing = _resident_and_peak()
        del model
        give_back()
        _resident_and_peak(reset=True)
        again = way.read(put, Path(folder))
        after, peak_reading = _resident_and_peak()
        del again
    return max(peak_writing - before, peak_reading - after)


def _resident_and_peak(*, reset: bool = False) -> tuple[float, float]:
    """In MB; `reset` sets the peak to what is resident now."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    resident, peak = (int(lines[key].split()[0]) * 1024 / MB for key in ("VmRSS", "VmHWM"))
    return resident, peak


# --- the table


def report(name: str, make: Callable[[], Any], other: str, rounds: int) -> None:
    taken = times(make, ["nbserve", other], rounds)
    gc.collect()
    totals = {way: [write + read for write, read in pairs] for way, pairs in taken.items()}
    ratio = statistics.median(totals["nbserve"]) / statistics.median(totals[other])
    for way, pairs in taken.items():
        write_ms, read_ms = (statistics.median(figures) * 1e3 for figures in zip(*pairs, strict=True))
        spread = f"{min(totals[way]) * 1e3:.0f} to {max(totals[way]) * 1e3:.0f}"
        peak = peak_extra_mb(name, way)
        both = f"{statistics.median(totals[way]) * 1e3:.0f} ms ({spread})"
        than_other = f"{ratio:.2f}" if way == "nbserve" else "1"
        extra = "–" if peak is None else f"{peak:.0f} MB"
        cells = [f"{name}: {way}", f"{write_ms:.0f} ms", f"{read_ms:.0f} ms", both, than_other, extra]
        print("| " + " | ".join(cells) + " |")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    print(
        f"| {datetime.now(UTC).date()}, {machine}, {rounds} rounds | write | read | both | ratio | peak extra memory |"
    )
    print("|---|---|---|---|---|---|")
    for name, (make, other) in MODELS.items():
        if importlib.util.find_spec(other) is not None:
            report(name, make, other, rounds)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peak"]:
        print(json.dumps(_measure_peak(sys.argv[2], WAYS[sys.argv[3]])))
    else:
        main()
