"""nbserve beside everything that people use instead.

    python -m benchmarks.peers run [--quick] [--peers nbserve litserve …] [--rounds 3] [--seconds 3] …
    python -m benchmarks.peers report

Each round starts every server anew, alone, in an order of its own, and asks it; so the figures of a round belong
together, and ratios are taken within it. Everything measured is appended to a file, from which the report is made.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import check, environments, load, report
from .environments import CACHE, NotInstalled
from .goals import goals_table
from .peers import PEERS, Peer
from .process import DidNotStart, Server

MODELS = ("logreg", "forest", "boosting", "torch")
CONNECTIONS = (1, 8, 32, 128, 512)
WIDE_CONNECTIONS = (1, 4)
WARM_S = 1
BUSY_S = 3
"""The cell counts its steps four times a second."""
TYPES = {"json": "application/json", "npy": "application/x-npy", "arrow": "application/vnd.apache.arrow.stream"}


def main() -> None:
    given = _arguments()
    if given.verb == "run":
        _run(given)
    _report(given)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__.splitlines()[0])
    parser.add_argument("verb", choices=["run", "report"])
    parser.add_argument("--quick", action="store_true", help="those that are set up quickly, few rounds")
    parser.add_argument("--peers", nargs="+", help="only those whose name or environment begins so")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=None)
    parser.add_argument("--connections", nargs="+", type=int, default=None)
    parser.add_argument("--rounds", type=int, default=None)
    parser.add_argument("--seconds", type=int, default=None, help="of each run of wrk")
    parser.add_argument("--within", type=float, default=None, metavar="SECONDS", help="no round that would end later")
    parser.add_argument("--parts", nargs="+", choices=["row", "wide", "busy"], default=None)
    parser.add_argument("--formats", nargs="+", choices=list(TYPES), default=list(TYPES), help="of nbserve")
    parser.add_argument("--python", nargs="+", default=[], metavar="ENVIRONMENT=PATH", help="use this one instead")
    parser.add_argument("--add", action="store_true", help="further rounds to the samples that are there")
    parser.add_argument("--samples", type=Path, default=CACHE / "samples.jsonl")
    parser.add_argument("--output", type=Path, default=CACHE / "report")
    given = parser.parse_args()
    quick = given.quick
    given.models = given.models or (["logreg", "forest"] if quick else list(MODELS))
    given.connections = given.connections or ([1, 32] if quick else list(CONNECTIONS))
    given.rounds = given.rounds or (2 if quick else 3)
    given.seconds = given.seconds or (1 if quick else 3)
    given.within = given.within or (130 if quick else math.inf)
    given.parts = given.parts or (["row"] if quick else ["row", "wide", "busy"])
    given.own = {name: Path(path) for name, path in (pair.split("=", 1) for pair in given.python)}
    return given


# --- measuring


def _run(given: argparse.Namespace) -> None:
    samples = Samples(given.samples, keep=given.add)
    samples.add(kind="about", **_about(given))
    pythons = _set_up(_chosen(given), given, samples)
    peers = [peer for peer in _chosen(given) if peer.environment in pythons]
    truth = check.Truth(environments.python_of("raw", given.own, with_torch="torch" in given.models))
    if "wide" in given.parts:
        samples.add(kind="call", model="wide", s=truth.call_s("wide"))
    wrong: set[tuple[str, str]] = set()
    began = time.monotonic()
    for done in range(given.rounds):
        index = samples.rounds + done
        if done and (time.monotonic() - began) * (done + 1) / done > given.within:
            break
        for model in [*(given.models if "row" in given.parts else []), *(["wide"] if "wide" in given.parts else [])]:
            for peer in _shuffled([peer for peer in peers if model in peer.models], index):
                if (peer.name, model) not in wrong:
                    try:
                        _measure(peer, pythons[peer.environment], model, truth, index, given, samples)
                    except (DidNotStart, NotInstalled, load.NoFigures, check.Differs, OSError) as error:
                        wrong.add((peer.name, model))
                        samples.add(kind="failed", peer=peer.name, model=model, reason=f"{error}")
        if "busy" in given.parts:
            _measure_busy(peers, pythons, truth, index, given, samples)


def _chosen(given: argparse.Namespace) -> list[Peer]:
    def is_wanted(peer: Peer) -> bool:
        if given.peers:
            return any(peer.environment == name or peer.name.lower().startswith(name.lower()) for name in given.peers)
        return peer.is_quick or not given.quick

    chosen = [peer for peer in PEERS if is_wanted(peer)]
    return [replace(peer, formats=tuple(given.formats)) if peer.name == "nbserve" else peer for peer in chosen]


def _set_up(peers: list[Peer], given: argparse.Namespace, samples: Samples) -> dict[str, Path]:
    """The interpreters of those that can be had here; the others are reported, with the reason."""
    pythons = {}
    for name in dict.fromkeys(peer.environment for peer in peers):
        with_torch = "torch" in given.models and any("torch" in p.models for p in peers if p.environment == name)
        try:
            pythons[name] = environments.python_of(name, given.own, with_torch=with_torch)
        except NotInstalled as error:
            samples.add(kind="failed", peer=name, model="", reason=f"not installed: {error}")
    return pythons


def _shuffled(peers: list[Peer], index: int) -> list[Peer]:
    return random.Random(index).sample(peers, len(peers))


def _measure(
    peer: Peer, python: Path, model: str, truth: check.Truth, index: int, given: argparse.Namespace, samples: Samples
) -> None:
    path = environments.model_of(peer.environment, python, model)
    rows = truth.rows(model)
    asked = rows if model == "wide" else rows[:1]
    with Server(peer, python, path, asked) as server:
        if peer.is_serving:
            check.answers(server, truth, model)
        there = {"peer": peer.name, "model": model, "round": index}
        if model == "wide":
            _ask_wide(server, truth, there, given, samples)
        else:
            _ask_row(server, truth, there, given, samples)
        samples.add(kind="start", s=server.first_answer_s, mb=server.memory_mb(), **there)


def _ask_row(
    server: Server, truth: check.Truth, there: dict[str, Any], given: argparse.Namespace, samples: Samples
) -> None:
    url = f"http://127.0.0.1:{server.port}{server.peer.path}"
    bodies = [server.peer.request([row]) for row in truth.rows(there["model"])[::10]]
    if not given.quick:
        load.run(url, bodies, server.headers, 8, WARM_S)
    for connections in given.connections:
        run = load.run(url, bodies, server.headers, connections, given.seconds)
        samples.add(kind="row", connections=connections, **run.record(), **there)


def _ask_wide(
    server: Server, truth: check.Truth, there: dict[str, Any], given: argparse.Namespace, samples: Samples
) -> None:
    url = f"http://127.0.0.1:{server.port}{server.peer.path}"
    for name in server.peer.formats:
        body = server.peer.request(truth.rows("wide")) if name == "json" else truth.body("wide", name)
        headers = server.headers | {"Content-Type": TYPES[name], "Accept": TYPES[name]}
        load.run(url, [body], headers, 4, WARM_S)
        for connections in WIDE_CONNECTIONS:
            run = load.run(url, [body], headers, connections, given.seconds)
            samples.add(kind="wide", format=name, connections=connections, **run.record(), **there)


def _measure_busy(
    peers: list[Peer],
    pythons: dict[str, Path],
    truth: check.Truth,
    index: int,
    given: argparse.Namespace,
    samples: Samples,
) -> None:
    """The kernel runs a cell meanwhile: nbserve, and FastAPI by hand on a thread of it."""
    rows = truth.rows("logreg")
    by_name = {peer.name: peer for peer in peers}
    for name, variants in BUSY.items():
        for cell, variant in variants.items() if name in by_name else ():
            peer = by_name[name]
            python = pythons[peer.environment]
            path = environments.model_of(peer.environment, python, "logreg")
            try:
                with Server(peer, python, path, rows[:1], variant) as server:
                    figures = _ask_busy(server, [peer.request([row]) for row in rows[::10]], given.seconds)
            except (DidNotStart, load.NoFigures, OSError) as error:
                samples.add(kind="failed", peer=name, model=f"cell: {cell}", reason=f"{error}")
                continue
            samples.add(kind="busy", peer=name, cell=cell, round=index, **figures)


BUSY = {
    "nbserve": {"none": "", "python": "loop", "numpy": "numpy"},
    "FastAPI by hand: async": {"none": "thread-idle", "python": "thread-loop", "numpy": "thread-numpy"},
}


def _ask_busy(server: Server, bodies: list[bytes], seconds: float) -> dict[str, Any]:
    url = f"http://127.0.0.1:{server.port}{server.peer.path}"
    load.run(url, bodies, server.headers, 8, WARM_S)
    time.sleep(0.3)
    quiet_from = time.time()
    time.sleep(1.5)
    loaded_from = time.time()
    run = load.run(url, bodies, server.headers, 32, max(BUSY_S, seconds))
    loaded_to = time.time()
    alone = _speed(server.cell, quiet_from + 0.3, loaded_from)
    loaded = _speed(server.cell, loaded_from + 0.3, loaded_to)
    return run.record() | ({"cell_kept": loaded / alone} if alone and loaded else {})


def _speed(cell: list[tuple[float, float]], begin: float, end: float) -> float | None:
    found = report.Spread.of([speed for at, speed in cell if begin <= at <= end])
    return found.median if found else None


# --- samples and report


class Samples:
    """A file of them, one JSON object a line, written as they come."""

    def __init__(self, path: Path, *, keep: bool) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        before = [json.loads(line) for line in path.read_text().splitlines()] if keep and path.exists() else []
        self.rounds = 1 + max((sample.get("round", -1) for sample in before), default=-1)
        """How many there are already: those to come are others."""
        self._file = path.open("a" if keep else "w")

    def add(self, **sample: Any) -> None:
        print(json.dumps(sample), file=self._file, flush=True)
        if sample["kind"] != "about":
            print(_in_short(sample), file=sys.stderr, flush=True)


def _in_short(sample: dict[str, Any]) -> str:
    shown = {key: f"{value:.4g}" if isinstance(value, float) else value for key, value in sample.items()}
    return "  ".join(str(value) for value in shown.values())


def _about(given: argparse.Namespace) -> dict[str, Any]:
    return {
        "date": str(datetime.now(UTC).date()),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "rounds": given.rounds,
        "seconds": given.seconds,
        "load_before": round(os.getloadavg()[0], 2),
    }


def _report(given: argparse.Namespace) -> None:
    samples = [json.loads(line) for line in given.samples.read_text().splitlines()]
    given.output.mkdir(parents=True, exist_ok=True)
    text = "\n".join(_sections(samples))
    (given.output / "peers.md").write_text(text)
    names = [peer.name for peer in PEERS]
    for model in MODELS:
        if found := report.ratios_to_nbserve(samples, names, model):
            title = f"{model}: requests a second at 32 connections, nbserve = 1"
            (given.output / f"{model}.svg").write_text(report.plot(title, found))
    print(text)
    print(f"Written to {given.output}", file=sys.stderr)


def _sections(samples: list[dict[str, Any]]) -> Iterator[str]:
    names = [peer.name for peer in PEERS]
    rounds = 1 + max((sample.get("round", 0) for sample in samples), default=0)
    for about in [sample for sample in samples if sample["kind"] == "about"][:1]:
        yield (
            f"{about['date']}, {about['cores']} cores shared with others (load {about['load_before']} before), "
            f"{about['machine']}, Python {about['python']}: medians of up to {rounds} rounds (least to "
            f"most), {about['seconds']} s each; one server at a time, wrk on the same machine.\n"
        )
    kinds = {sample["kind"] for sample in samples}
    yield goals_table(samples)
    for model in MODELS:
        if any(sample["kind"] == "row" and sample["model"] == model for sample in samples):
            yield report.throughput_table(samples, names, model)
    if "wide" in kinds:
        yield report.wide_table(samples, names)
    if "busy" in kinds:
        yield report.busy_table(samples)
    yield report.start_table(samples, names)
    failed = dict.fromkeys((s["peer"], s["model"], s["reason"]) for s in samples if s["kind"] == "failed")
    if failed:
        yield "Not measured:\n\n" + "\n".join(f"- {f'{a} {b}'.strip()}: {c}" for a, b, c in failed) + "\n"


if __name__ == "__main__":
    main()
