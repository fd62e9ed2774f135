"""Samples become a table and a plot: medians, least to most, and ratios of what was measured in the same round."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

Sample = dict[str, Any]
NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Spread:
    median: float
    least: float
    most: float
    count: int

    @classmethod
    def of(cls, figures: Sequence[float]) -> Spread | None:
        if not figures:
            return None
        return cls(statistics.median(figures), min(figures), max(figures), len(figures))


def spread(samples: Iterable[Sample], figure: str, **wanted: Any) -> Spread | None:
    """Of `figure`, over the samples that have all that is wanted."""
    return Spread.of([sample[figure] for sample in _those(samples, wanted) if figure in sample])


def ratios(samples: Sequence[Sample], figure: str, peer: str, to: str, **wanted: Any) -> Spread | None:
    """Of one peer's figure to another's in the same round."""
    ours, theirs = (
        {sample["round"]: sample[figure] for sample in _those(samples, {**wanted, "peer": name})} for name in (peer, to)
    )
    return Spread.of([ours[key] / theirs[key] for key in sorted(ours) if theirs.get(key)])


def _those(samples: Iterable[Sample], wanted: dict[str, Any]) -> Iterable[Sample]:
    return (sample for sample in samples if all(sample.get(key) == value for key, value in wanted.items()))


# --- the table


def number(figure: float) -> str:
    """Three figures."""
    if figure >= 1000:
        rounded = round(figure, 2 - math.floor(math.log10(figure)))
        return f"{rounded:,.0f}"
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.1f}" if figure >= 10 else f"{figure:.2f}"


def cell(found: Spread | None, scale: float = 1) -> str:
    if found is None:
        return NOTHING
    if found.count == 1:
        return number(found.median * scale)
    return f"{number(found.median * scale)} ({number(found.least * scale)} to {number(found.most * scale)})"


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    ruler = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, ruler, *lines]) + "\n"


def throughput_table(samples: Sequence[Sample], peers: Sequence[str], model: str) -> str:
    """Requests a second by connections, one row a request; the best first."""
    of_model = [sample for sample in samples if sample["kind"] == "row" and sample["model"] == model]
    connections = sorted({sample["connections"] for sample in of_model})
    middle = 32 if 32 in connections else connections[-1]
    found = {peer: spread(of_model, "per_s", peer=peer, connections=middle) for peer in peers}
    ranked = sorted((peer for peer in peers if found[peer]), key=lambda peer: -found[peer].median)  # type: ignore[union-attr]
    lines = []
    for peer in ranked:
        cells = [cell(spread(of_model, "per_s", peer=peer, connections=count)) for count in connections]
        ratio = cell(ratios(of_model, "per_s", peer, "nbserve", connections=middle))
        alone = cell(spread(of_model, "p50_s", peer=peer, connections=connections[0]), 1e3)
        tail = cell(spread(of_model, "p99_s", peer=peer, connections=middle), 1e3)
        failed = sum(sample["failed"] for sample in of_model if sample["peer"] == peer)
        lines.append([peer, *cells, ratio, alone, tail, str(failed)])
    head = [f"{model}, requests a second", *(f"{count} conn." for count in connections)]
    head += [f"ratio to nbserve at {middle}", f"p50 at {connections[0]}, ms", f"p99 at {middle}, ms", "failed"]
    return table(head, lines)


def wide_table(samples: Sequence[Sample], peers: Sequence[str]) -> str:
    of_kind = [sample for sample in samples if sample["kind"] == "wide"]
    formats = [name for name in ("json", "npy", "arrow") if any(sample["format"] == name for sample in of_kind)]
    lines = [
        [
            peer,
            *(cell(spread(of_kind, "per_s", peer=peer, format=name, connections=4)) for name in formats),
            *(cell(spread(of_kind, "p50_s", peer=peer, format=name, connections=1), 1e3) for name in formats),
            cell(ratios(of_kind, "per_s", peer, "nbserve", format="json", connections=4)),
        ]
        for peer in peers
        if spread(of_kind, "per_s", peer=peer)
    ]
    head = [
        "1,000 rows of 30 columns, requests a second, 4 conn.",
        *formats,
        *(f"{name}: p50 alone, ms" for name in formats),
    ]
    return table([*head, "JSON: ratio to nbserve"], lines)


def start_table(samples: Sequence[Sample], peers: Sequence[str]) -> str:
    of_kind = [sample for sample in samples if sample["kind"] == "start" and sample["model"] == "logreg"]
    lines = [
        [peer, cell(spread(of_kind, "s", peer=peer)), cell(spread(of_kind, "mb", peer=peer))]
        for peer in peers
        if spread(of_kind, "s", peer=peer)
    ]
    return table(["logreg", "from the start of the process to the first answer, s", "memory afterwards, MB"], lines)


def busy_table(samples: Sequence[Sample]) -> str:
    of_kind = [sample for sample in samples if sample["kind"] == "busy"]
    lines = []
    for peer in dict.fromkeys(sample["peer"] for sample in of_kind):
        for name in dict.fromkeys(sample["cell"] for sample in of_kind):
            there = {"peer": peer, "cell": name}
            kept = None if name == "none" else _kept(of_kind, peer, name)
            speed, tail = spread(of_kind, "per_s", **there), spread(of_kind, "p99_s", **there)
            of_cell = spread(of_kind, "cell_kept", **there)
            lines.append([peer, name, cell(speed), cell(kept), cell(tail, 1e3), cell(of_cell)])
    head = ["logreg, 32 connections", "cell", "requests a second", "of those while idle", "p99, ms"]
    return table([*head, "speed that the cell keeps"], lines)


def _kept(samples: Sequence[Sample], peer: str, name: str) -> Spread | None:
    def rounds(cell_name: str) -> dict[int, float]:
        return {sample["round"]: sample["per_s"] for sample in _those(samples, {"peer": peer, "cell": cell_name})}

    busy, idle = rounds(name), rounds("none")
    return Spread.of([busy[key] / idle[key] for key in busy if idle.get(key)])


# --- the plot

WIDTH, LABEL, RIGHT, LINE, TOP = 860, 220, 90, 22, 46
INK, FAINT, OURS, THEIRS = "#57606a", "#8b949e40", "#2f7ed8", "#8b949e"


def plot(title: str, found: Sequence[tuple[str, Spread]], ours: str = "nbserve") -> str:
    """Ratios on a logarithmic axis, as SVG: a dot is a median, its line least to most."""
    low = max(0.001, min([0.5, *(spread.least for _, spread in found)]))
    high = max([2.0, *(spread.most for _, spread in found)])
    begin, end = math.floor(math.log10(low)), math.ceil(math.log10(high))
    height = TOP + LINE * len(found) + 30

    def x(ratio: float) -> float:
        share = (math.log10(max(ratio, 10.0**begin)) - begin) / (end - begin)
        return LABEL + share * (WIDTH - LABEL - RIGHT)

    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" font-size="13" '
        f'font-family="system-ui, sans-serif" fill="{INK}">'
    )
    heading = f'<text x="12" y="20" font-size="15" font-weight="600">{escape(title)}</text>'
    axis = [_tick(x(10.0**power), f"{10.0**power:g}", height) for power in range(begin, end + 1)]
    dots = [
        _dot(name, found_spread, TOP + index * LINE + 6, x, is_ours=name == ours)
        for index, (name, found_spread) in enumerate(found)
    ]
    return "\n".join([head, f"<title>{escape(title)}</title>", heading, *axis, *dots, "</svg>"]) + "\n"


def _tick(x: float, label: str, height: int) -> str:
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{height - 24}" stroke="{FAINT}"/>'
        f'<text x="{x:.1f}" y="{height - 8}" text-anchor="middle">{label}</text>'
    )


def _dot(name: str, found: Spread, y: int, x: Callable[[float], float], *, is_ours: bool) -> str:
    colour, weight = (OURS, 600) if is_ours else (THEIRS, 400)
    return (
        f'<text x="{LABEL - 10}" y="{y + 4}" text-anchor="end" font-weight="{weight}">{escape(name)}</text>'
        f'<line x1="{x(found.least):.1f}" x2="{x(found.most):.1f}" y1="{y}" y2="{y}" stroke="{colour}" '
        f'stroke-width="3" stroke-linecap="round"/>'
        f'<circle cx="{x(found.median):.1f}" cy="{y}" r="5" fill="{colour}"/>'
        f'<text x="{WIDTH - 8}" y="{y + 4}" text-anchor="end">{number(found.median)}</text>'
    )


def ratios_to_nbserve(samples: Sequence[Sample], peers: Sequence[str], model: str) -> list[tuple[str, Spread]]:
    """Of the throughput at 32 connections, the best first."""
    there = {"kind": "row", "model": model, "connections": 32}
    found = [(peer, ratios(samples, "per_s", peer, "nbserve", **there)) for peer in peers]
    return sorted(((peer, ratio) for peer, ratio in found if ratio), key=lambda pair: -pair[1].median)
