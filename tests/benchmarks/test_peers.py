"""The parts of the benchmark that measure nothing: what wrk printed, the table, the plot, the goals."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks.peers import check, goals, load, report
from benchmarks.peers.peers import PEERS, SERVERS
from benchmarks.peers.report import Spread

ROOT = Path(__file__).parents[2]
PRINTED = """Running 1s test @ http://127.0.0.1:1/
  1 threads and 32 connections
RESULT {"requests":2010,"duration_us":2000000,"bytes":9,"p50_us":900,"p99_us":4000,"max_us":9000,\
"refused":10,"connect":1,"read":2,"write":0,"timeout":3}
"""


def row(peer: str, per_s: float, index: int = 0, connections: int = 32, model: str = "logreg") -> dict:
    figures = {"per_s": per_s, "p50_s": 1 / per_s, "p99_s": 2 / per_s, "failed": 0}
    return {"kind": "row", "peer": peer, "model": model, "connections": connections, "round": index, **figures}


def test_only_answers_that_were_right_count_as_throughput():
    run = load.parsed(PRINTED)
    assert (run.per_s, run.p50_s, run.p99_s, run.failed) == (1000, 0.0009, 0.004, 16)


@pytest.mark.parametrize(
    "printed", ["", "unable to connect to 127.0.0.1:1 Connection refused"], ids=["none", "refused"]
)
def test_a_run_without_figures_is_no_figure(printed):
    with pytest.raises(load.NoFigures):
        load.parsed(printed)


def test_ratios_are_of_figures_of_the_same_round():
    samples = [
        row("nbserve", 100, 0),
        row("nbserve", 10, 1),
        row("other", 50, 0),
        row("other", 5, 1),
        row("other", 9, 2),
    ]
    assert report.ratios(samples, "per_s", "other", "nbserve", kind="row") == Spread(0.5, 0.5, 0.5, 2)


def test_the_table_ranks_by_throughput_and_gives_medians_with_their_spread():
    samples = [row("slow", 10), *(row("nbserve", figure, index) for index, figure in enumerate([1000, 3000, 2000]))]
    head, _, first, second = report.throughput_table(samples, ["slow", "nbserve", "absent"], "logreg").splitlines()
    assert head.startswith("| logreg, requests a second | 32 conn. |")
    assert first.startswith("| nbserve | 2,000 (1,000 to 3,000) | 1.00 (1.00 to 1.00) |")
    assert second.startswith("| slow | 10.0 | 0.01 |")


@pytest.mark.parametrize(
    ("figure", "shown"), [(12345, "12,300"), (999.6, "1,000"), (123.4, "123"), (12.34, "12.3"), (0.1234, "0.12")]
)
def test_numbers_have_three_figures(figure, shown):
    assert report.number(figure) == shown


def test_the_plot_is_svg_with_a_dot_for_each_peer_in_its_order():
    found = [("a & b", Spread(3, 2, 4, 3)), ("nbserve", Spread(1, 1, 1, 3)), ("slow", Spread(0.02, 0.01, 0.03, 3))]
    drawn = ET.fromstring(report.plot("ratios", found))
    at = [float(dot.get("cx")) for dot in drawn.iter("{http://www.w3.org/2000/svg}circle")]
    assert at == sorted(at, reverse=True)
    assert len(set(at)) == 3
    assert "a & b" in [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]


def test_a_peer_that_answered_nothing_can_be_drawn():
    ET.fromstring(report.plot("ratios", [("silent", Spread(0, 0, 0, 1))]))


@pytest.mark.parametrize(("ours", "verdict"), [(600, "yes"), (590, "no")])
def test_a_goal_says_whether_it_is_kept(ours, verdict):
    samples = [row("nbserve", ours), row(goals.ECHO, 1000)]
    assert goals.GOALS[0].line(samples)[-1] == verdict


def test_a_goal_that_was_not_measured_has_no_verdict():
    assert {goal.line([])[-1] for goal in goals.GOALS} == {report.NOTHING}


def test_the_best_peer_is_the_one_with_the_highest_median():
    samples = [row("nbserve", 800), row("LitServe", 100), row("MLServer", 50)]
    assert goals.GOALS[2].measured(samples).median == 8


@pytest.mark.parametrize(
    ("answered", "same"),
    [([1, 2], True), ([1, 3], False), ([1], False), (None, False)],
    ids=["same", "other", "fewer", "none"],
)
def test_an_answer_is_the_models_or_not(answered, same):
    assert check.is_same(answered, [1, 2]) is same


def test_floats_are_the_same_to_five_figures():
    assert check.is_same([[0.1000001]], [[0.1]])
    assert not check.is_same([[0.101]], [[0.1]])


def test_every_peer_has_a_program_and_its_requirements():
    folder = ROOT / "benchmarks" / "peers"
    environments = {peer.environment for peer in PEERS}
    assert environments == {*SERVERS, "nbserve"}
    for name in environments:
        assert (folder / "servers" / f"serve_{name}.py").exists()
        assert (folder / "requirements" / f"{name}.txt").exists()


def test_names_of_peers_are_unique():
    names = [peer.name for peer in PEERS]
    assert len(set(names)) == len(names)
