"""What nbserve promises about its speed, beside what was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .peers import PEERS
from .report import NOTHING, Sample, Spread, cell, ratios, spread, table

OURS = "nbserve"
ECHO, DIRECT, BATCHES = "raw ASGI: echo, no model", "raw ASGI: direct", "raw ASGI: batches"
BY_HAND = tuple(peer.name for peer in PEERS if peer.environment == "fastapi")
SERVING = tuple(peer.name for peer in PEERS if peer.environment not in ("raw", "fastapi", "nbserve"))
Samples = Sequence[Sample]


@dataclass(frozen=True, slots=True)
class Goal:
    """A ratio, and the bound that its median must keep."""

    text: str
    bound: float
    measured: Callable[[Samples], Spread | None]
    is_least: bool = True

    def line(self, samples: Samples) -> list[str]:
        found = self.measured(samples)
        sign = "≥" if self.is_least else "≤"
        return [self.text, f"{sign} {self.bound:g}", cell(found), self._verdict(found)]

    def _verdict(self, found: Spread | None) -> str:
        if found is None:
            return NOTHING
        return "yes" if (found.median >= self.bound) is self.is_least or found.median == self.bound else "no"


def _to_best(peers: Sequence[str], model: str) -> Callable[[Samples], Spread | None]:
    """To the one with the highest median."""

    def measured(samples: Samples) -> Spread | None:
        there = {"kind": "row", "model": model, "connections": 32}
        medians = {peer: found.median for peer in peers if (found := spread(samples, "per_s", peer=peer, **there))}
        if not medians:
            return None
        return ratios(samples, "per_s", OURS, max(medians, key=lambda peer: medians[peer]), **there)

    return measured


def _alone(samples: Samples) -> Spread | None:
    return ratios(samples, "p50_s", OURS, DIRECT, kind="row", model="logreg", connections=1)


def _many(samples: Samples) -> Spread | None:
    return _between(samples, {"kind": "row", "model": "logreg"}, {"connections": 512}, {"connections": 32})


def _wide(samples: Samples) -> Spread | None:
    return ratios(samples, "per_s", OURS, DIRECT, kind="wide", format="json", connections=4)


def _binary(samples: Samples) -> Spread | None:
    there = {"kind": "wide", "connections": 4}
    found = [_between(samples, there, {"format": name}, {"format": "json"}) for name in ("npy", "arrow")]
    return max(filter(None, found), key=lambda ratio: ratio.median, default=None)


def _beside_the_call(samples: Samples) -> Spread | None:
    call = spread(samples, "s", kind="call", model="wide")
    asked = [spread(samples, "p50_s", peer=OURS, kind="wide", format=name, connections=1) for name in ("npy", "arrow")]
    best = min(filter(None, asked), key=lambda ratio: ratio.median, default=None)
    if call is None or best is None:
        return None
    return Spread(best.median / call.median, best.least / call.median, best.most / call.median, best.count)


def _busy(samples: Samples) -> Spread | None:
    return _between(samples, {"kind": "busy"}, {"cell": "python"}, {"cell": "none"})


def _cell(samples: Samples) -> Spread | None:
    return spread(samples, "cell_kept", peer=OURS, kind="busy", cell="python")


def _failed(samples: Samples) -> Spread | None:
    return spread(samples, "failed", peer=OURS, kind="row")


def _between(samples: Samples, there: Sample, over: Sample, under: Sample) -> Spread | None:
    """Of nbserve's own throughput in two situations of the same round."""

    def of(situation: Sample) -> dict[tuple[int, object], float]:
        wanted = {**there, **situation, "peer": OURS}
        those = (sample for sample in samples if all(sample.get(key) == value for key, value in wanted.items()))
        return {(sample["round"], sample.get("model")): sample["per_s"] for sample in those}

    one, other = of(over), of(under)
    return Spread.of([one[key] / other[key] for key in one if other.get(key)])


GOALS = (
    Goal("logistic regression, 32 connections: to the echo", 0.6, _to_best([ECHO], "logreg")),
    Goal("… to the better FastAPI by hand", 5, _to_best(BY_HAND, "logreg")),
    Goal("… to the best serving peer", 8, _to_best(SERVING, "logreg")),
    Goal("random forest, 32 connections: to raw batches", 0.9, _to_best([BATCHES], "forest")),
    Goal("… to the best peer, batching", 2, _to_best((*SERVING, *BY_HAND), "forest")),
    Goal("one connection: p50 to that of the raw direct call", 1.3, _alone, is_least=False),
    Goal("1,000 rows of 30 columns as JSON: to the raw direct call", 0.9, _wide),
    Goal("… as npy or Arrow: to JSON", 5, _binary),
    Goal("… p50 to the time of the call alone", 1.5, _beside_the_call, is_least=False),
    Goal("512 connections: to 32", 0.8, _many),
    Goal("… requests that failed, the most of a run", 0, _failed, is_least=False),
    Goal("a cell of pure Python runs: to the idle kernel", 0.5, _busy),
    Goal("… speed that the cell keeps", 0.5, _cell),
)


def goals_table(samples: Samples) -> str:
    return table(
        ["nbserve, ratio (least to most)", "promised", "measured", "kept"], [goal.line(samples) for goal in GOALS]
    )
