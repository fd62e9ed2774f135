"""What stands in for the card where nothing lives: a picture in HTML, and one line of text."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest

from nbserve.notebook.still import as_html, as_text
from tests.notebook.entries import IRIS, endpoint, snapshot

UNSEEN: dict[str, Any] = {
    "state": "unloaded",
    "source": "model.joblib",
    "described": False,
    "memory": {"model_bytes": 0, "spilled_bytes": 0, "session_bytes": 0, "budget_bytes": None},
    "model": {"type": "model.joblib", "library": None, "library_version": None, "task": "unknown", "features": []},
    "signatures": ["predict(X: any)"],
}
"""What is changed in an entry whose model was never loaded."""
NASTY = "<img src=x onerror=alert(1)>\"'&"


@pytest.mark.parametrize(
    ("shown", "line"),
    [
        (
            snapshot(endpoint()),
            "iris · loaded · http://127.0.0.1:49152/iris/ · LogisticRegression (scikit-learn 1.9.1) · 12 requests",
        ),
        (
            snapshot(
                endpoint(model={"type": "function", "library": None}, counters={**IRIS["counters"], "requests": 1})
            ),
            "iris · loaded · http://127.0.0.1:49152/iris/ · function · 1 request",
        ),
        (snapshot(), "nbserve · stopped"),
        (snapshot(dashboard=True), "nbserve · nothing is served · %serve model"),
        (
            snapshot(endpoint(), endpoint(name="churn", state="unloaded"), dashboard=True),
            "nbserve · 2 endpoints: iris (loaded), churn (unloaded)",
        ),
        (
            snapshot(endpoint(source="model.joblib", model={"type": "Pipeline"})),
            "iris · loaded · http://127.0.0.1:49152/iris/ · Pipeline from model.joblib · 12 requests",
        ),
        (
            snapshot(endpoint(**UNSEEN)),
            "iris · unloaded · http://127.0.0.1:49152/iris/ · model.joblib · 12 requests",
        ),
    ],
    ids=["endpoint", "function", "stopped", "empty dashboard", "dashboard", "file", "never loaded"],
)
def test_the_line_says_what_is_served(shown: dict[str, Any], line: str) -> None:
    assert as_text(shown) == line


class Tags(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data + "\n"


def nasty_endpoint() -> dict[str, Any]:
    model = {"type": NASTY, "library": NASTY, "library_version": NASTY, "task": NASTY, "classes": [NASTY]}
    model["features"] = [{"name": NASTY, "datatype": NASTY, "nullable": False, "categories": [NASTY]}]
    texts = dict.fromkeys(("name", "title", "source", "url", "page_url", "state", "reason", "curl"), NASTY)
    return endpoint(**texts, model=model, signatures=[NASTY])


@pytest.mark.parametrize("dashboard", [False, True], ids=["endpoint", "dashboard"])
def test_no_value_becomes_markup(dashboard: bool) -> None:
    page = Tags(as_html(snapshot(nasty_endpoint(), dashboard=dashboard)))
    assert set(page.tags) <= {"div", "strong", "span", "table", "tr", "th", "td"}
    assert page.attributes == {"style"}
    assert page.text.count(NASTY) >= 5


@pytest.mark.parametrize("dashboard", [False, True], ids=["endpoint", "dashboard"])
def test_the_picture_and_the_line_hold_no_token(dashboard: bool) -> None:
    shown = snapshot(endpoint(), dashboard=dashboard)
    assert "secret" not in as_html(shown)
    assert "secret" not in as_text(shown)


UNLOADED: dict[str, Any] = {"state": "unloaded"}
NOTHING = {"model_bytes": 0, "spilled_bytes": 0}
SPILLED = {"model_bytes": 0, "spilled_bytes": 8_100_000}
BUDGET = {"model_bytes": 204_000_000, "spilled_bytes": 0, "session_bytes": 1_200_000_000, "budget_bytes": 2_000_000_000}
ALONE = BUDGET | {"session_bytes": 204_000_000}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "12.3 MB"),
        ({"memory": {"model_bytes": 12_345_678, "spilled_bytes": 8_100_000}}, "12.3 MB"),
        (UNLOADED | {"memory": SPILLED}, "spilled: 8.1 MB on disk"),
        (UNLOADED | {"holders": ["model", "best"]}, "12.3 MB, held by the notebook as model, best"),
        (UNLOADED | {"holders": ["model"], "memory": NOTHING}, "held by the notebook as model"),
        (UNLOADED | {"holders": ["model"], "memory": SPILLED}, "spilled: 8.1 MB on disk"),
        (
            UNLOADED | {"holders": ["model", "endpoint b"], "memory": NOTHING},
            "held by the notebook as model and endpoint b",
        ),
        (UNLOADED | {"holders": ["endpoint b"], "memory": NOTHING}, "held by endpoint b"),
        ({"memory": BUDGET}, "204 MB of 1.2 GB used, budget 2 GB"),
        ({"memory": ALONE}, "204 MB used, budget 2 GB"),
        ({"title": "Species of an iris"}, "Species of an iris"),
        ({"source": "iris.joblib"}, "iris.joblib"),
        (UNSEEN, "Columns are found when it is first loaded."),
        (UNSEEN, "model.joblib"),
        (UNLOADED | {"holders": []}, "–"),
        (UNLOADED, "–"),
        ({"holders": ["model"]}, "12.3 MB"),
        ({"state": "stopped", "holders": ["model"], "memory": SPILLED}, "–"),
        ({"state": "failed", "reason": "The file is gone."}, "failed: The file is gone."),
        ({"latency_ms": {"p50": None, "p99": None}}, "–"),
        ({"memory": {"model_bytes": 999, "spilled_bytes": 0}}, "999 B"),
        ({"memory": {"model_bytes": 1_000, "spilled_bytes": 0}}, "1.0 kB"),
        ({"memory": {"model_bytes": 2_500_000_000_000, "spilled_bytes": 0}}, "2.5 TB"),
    ],
    ids=[
        *("loaded", "loaded with a spill", "spilled", "held", "held, not measured", "held and spilled"),
        *("held by an endpoint, too", "held by an endpoint alone", "budget", "alone in the budget", "title", "source"),
        *("never loaded", "never loaded, its file"),
        *("held by nobody", "holders not known", "loaded and held", "stopped"),
        *("failed", "no latency", "bytes", "kilobytes", "terabytes"),
    ],
)
def test_the_picture_says(changes: dict[str, Any], text: str) -> None:
    assert text in Tags(as_html(snapshot(endpoint(**changes)))).text.split("\n")


@pytest.mark.parametrize("word", ["Source", "Methods", "Classes", "unknown"])
def test_the_picture_does_not_tell_what_is_not_known(word: str) -> None:
    assert word not in Tags(as_html(snapshot(endpoint(**UNSEEN)))).text


def test_the_picture_tells_nothing_that_only_a_clock_could_keep_true() -> None:
    picture = as_html(snapshot(endpoint(last_used_s=12.0, idle_unload_in_s=588.0)))
    assert picture == as_html(snapshot(endpoint(last_used_s=99.0, idle_unload_in_s=1.0)))


def test_the_picture_of_nothing_says_what_to_type() -> None:
    assert "%serve model" in as_html(snapshot(dashboard=True))
