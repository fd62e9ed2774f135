"""The card in an empty page, its clock turned by the test: memory against the budget, loads, and time that passes."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from nbserve.notebook.card import Card

pytestmark = pytest.mark.browser

SHOTS = os.environ.get("NBSERVE_SHOTS")
"""A folder for pictures of the card, for a person who wants to look at it."""
MB, GB = 1_000_000, 1_000_000_000
PAGE = """<!doctype html><html><head><style>{css}</style><style>
body {{ margin: 12px; background: var(--jp-layout-color1, #fff) }}
[data-jp-theme-light="false"] {{ --jp-layout-color1: #111; --jp-ui-font-color1: #fff; --jp-ui-font-color2: #ffffffb3 }}
</style></head><body><div id="cell"></div></body></html>"""
SHOW = """async ([code, snapshot, beat]) => {
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  const { default: card } = await import(url);
  const [state, listeners] = [{ snapshot, beat }, {}];
  const tell = (name, ...given) => (listeners[name] ?? []).forEach((each) => each(...given));
  const model = {
    get: (name) => state[name],
    on: (name, listener) => (listeners[name] ??= []).push(listener),
    off: (name, listener) => { listeners[name] = listeners[name].filter((each) => each !== listener) },
    send: (message) => message.order && window.orders.push(message),
  };
  window.orders = [];
  window.answer = (given) => tell("msg:custom", { id: window.orders.at(-1).id, ok: true, text: "", ...given });
  window.push = (fresh) => {
    Object.assign(state, fresh);
    Object.keys(fresh).forEach((name) => tell(`change:${name}`));
  };
  window.close = card.render({ model, el: document.getElementById("cell") });
}"""
CHURN: dict[str, Any] = {
    "name": "churn",
    "title": None,
    "version": 1,
    "url": "http://127.0.0.1:49152/churn/",
    "page_url": "http://127.0.0.1:49152/churn/",
    "state": "loaded",
    "reason": None,
    "source": "model.joblib",
    "described": True,
    "memory": {"model_bytes": 204 * MB, "spilled_bytes": 0, "session_bytes": 204 * MB, "budget_bytes": None},
    "last_used_s": 12.0,
    "idle_unload_in_s": None,
    "loading": None,
    "holders": [],
    "model": {
        "type": "KNeighborsClassifier",
        "library": "scikit-learn",
        "library_version": "1.9.1",
        "task": "classification",
        "classes": ["stays", "leaves"],
        "features": [{"name": "age", "datatype": "number", "dtype": "float64", "nullable": False, "categories": None}],
    },
    "signatures": ["predict(X: 1 column)"],
    "counters": {"requests": 12, "errors": 0, "rows": 30, "in_flight": 0, "loads": 1, "unloads": 0},
    "latency_ms": {"p50": 1.2, "p99": 3.4},
    "history": [],
    "curl": "curl -X POST http://127.0.0.1:49152/churn/predict/",
}
NOTHING = {"model_bytes": 0, "spilled_bytes": 0, "session_bytes": 0, "budget_bytes": None}
BUDGET = {"model_bytes": 204 * MB, "spilled_bytes": 0, "session_bytes": 1_200 * MB, "budget_bytes": 2 * GB}
LOADING = {"seconds": 3.0, "done_bytes": 96 * MB, "total_bytes": 204 * MB}
STATES: dict[str, dict[str, Any]] = {
    "plain": {},
    "budget": {"memory": BUDGET, "idle_unload_in_s": 588.0},
    "nearly-full": {"memory": BUDGET | {"session_bytes": 1_900 * MB}, "idle_unload_in_s": 5.0},
    "over": {"memory": BUDGET | {"session_bytes": 2_300 * MB}},
    "loading": {"state": "loading", "loading": LOADING, "memory": BUDGET | {"model_bytes": 0}},
    "loading-somehow": {
        "state": "loading",
        "loading": {"seconds": 75.0, "done_bytes": None, "total_bytes": None},
        "source": "MyCustomModelComponent",
        "title": "Lazy-loaded ScikitLearn Model",
        "memory": NOTHING,
    },
    "spilled": {"state": "unloaded", "source": "the notebook", "memory": NOTHING | {"spilled_bytes": 204 * MB}},
    "held": {"state": "unloaded", "source": "the notebook", "holders": ["model", "best"]},
    "undescribed": {
        "state": "unloaded",
        "described": False,
        "last_used_s": None,
        "memory": NOTHING,
        "model": {"type": "", "library": None, "task": "unknown", "classes": None, "features": []},
        "signatures": ["predict(X: any)"],
        "counters": {**CHURN["counters"], "requests": 0, "rows": 0},
        "latency_ms": {"p50": None, "p99": None},
    },
    "undescribed-header": {
        "state": "unloaded",
        "described": False,
        "last_used_s": None,
        "title": "Who will leave us",
        "memory": BUDGET | {"model_bytes": 0},
        "counters": {**CHURN["counters"], "requests": 0, "rows": 0},
        "latency_ms": {"p50": None, "p99": None},
    },
}


def endpoint(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(CHURN), **changes}


def snapshot(*endpoints: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"endpoints": list(endpoints), "dashboard": False, "as_of": 100.0, **more}


def row(name: str) -> dict[str, Any]:
    """The endpoint in the state of that name, within the budget of all."""
    changes = STATES[name]
    shared = {key: BUDGET[key] for key in ("session_bytes", "budget_bytes")}
    return endpoint(**changes | {"name": name, "memory": changes.get("memory", BUDGET) | shared})


DASHBOARD = snapshot(
    endpoint(memory=BUDGET, idle_unload_in_s=588.0),
    *(row(name) for name in ("plain", "loading", "spilled", "undescribed")),
    dashboard=True,
)


@pytest.fixture
def page(chromium: Any) -> Iterator[Page]:
    """An empty page, whose script may not fail."""
    context = chromium.new_context(viewport={"width": 800, "height": 600}, device_scale_factor=2)
    tab = context.new_page()
    mistakes: list[str] = []
    tab.on("pageerror", lambda error: mistakes.append(str(error)))
    tab.clock.install(time=0)
    tab.clock.pause_at(1000)
    tab.set_content(PAGE.format(css=Card._css))
    yield tab
    context.close()
    assert mistakes == []


Show = Callable[..., Any]


@pytest.fixture
def show(page: Page) -> Show:
    """Draw the card of a snapshot that was just taken, or of an endpoint with these changes."""

    def drawn(given: dict[str, Any] | None = None, *, beat: float = 100.0, **changes: Any) -> Any:
        page.evaluate(SHOW, [str(Card._esm), given or snapshot(endpoint(**changes)), beat])
        return page.locator(".nbserve-card")

    return drawn


def meter(card: Any) -> Any:
    return card.locator(".nbserve-strip .nbserve-meter")


def widths(bar: Any) -> list[float]:
    """What each part takes of the bar, in percent, as it is drawn."""
    drawn = bar.evaluate("bar => [bar, ...bar.children].map((part) => part.getBoundingClientRect().width)")
    return [round(100 * each / drawn[0]) for each in drawn[1:]]


def colour(bar: Any) -> str:
    return str(bar.evaluate("bar => getComputedStyle(bar.firstElementChild).backgroundColor"))


def button(card: Any, name: str) -> Any:
    return card.get_by_role("button", name=re.compile(f"^{name}\\b"))


def orders(page: Page) -> list[str]:
    return [str(each["order"]) for each in page.evaluate("orders")]


# --- memory against the budget --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "parts", "level", "text"),
    [
        ("budget", [10, 50], "", "204 MB of 1.2 GB used, budget 2 GB"),
        ("nearly-full", [10, 85], "high", "204 MB of 1.9 GB used, budget 2 GB"),
        ("over", [9, 91], "over", "204 MB of 2.3 GB used, budget 2 GB"),
        ("undescribed-header", [60], "", "1.2 GB used, budget 2 GB"),
    ],
    ids=["room", "nearly full", "over", "not loaded"],
)
def test_the_bar_is_this_models_share_of_what_all_use_of_the_budget(
    show: Show, state: str, parts: list[float], level: str, text: str
) -> None:
    card = show(**STATES[state])
    assert widths(meter(card)) == parts
    expect(meter(card)).to_have_role("meter")
    expect(meter(card)).to_have_accessible_name(text)
    expect(meter(card)).to_have_attribute("title", text)
    expect(meter(card)).to_have_attribute("data-level", level)
    expect(card.locator(".nbserve-what")).to_have_text(text)


def test_a_budget_that_is_nearly_full_has_another_colour(show: Show) -> None:
    colours = {colour(meter(show(**STATES[state]))) for state in ("budget", "nearly-full", "over")}
    assert len(colours) == 3


@pytest.mark.parametrize(
    ("used", "level"), [(1_800 * MB, ""), (1_801 * MB, "high"), (2_000 * MB, "high"), (2_001 * MB, "over")]
)
def test_from_where_a_budget_is_nearly_full(show: Show, used: int, level: str) -> None:
    card = show(memory=BUDGET | {"session_bytes": used})
    expect(meter(card)).to_have_attribute("data-level", level)


def test_a_model_alone_in_its_budget_is_not_told_twice(show: Show) -> None:
    card = show(memory=BUDGET | {"session_bytes": 204 * MB})
    expect(card.locator(".nbserve-what")).to_have_text("204 MB used, budget 2 GB")
    assert widths(meter(card)) == [10]


@pytest.mark.parametrize("changes", [{}, {"state": "stopped", "memory": BUDGET}], ids=["no budget", "stopped"])
def test_without_a_budget_to_be_in_there_is_no_bar(show: Show, changes: dict[str, Any]) -> None:
    expect(meter(show(**changes))).to_be_hidden()


# --- time that passes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"last_used_s": 0.4}, "last used just now"),
        ({"last_used_s": 59.9}, "last used 59 s ago"),
        ({"last_used_s": 60.0}, "last used 1 min ago"),
        ({"last_used_s": 7199.0}, "last used 1 h ago"),
        ({"last_used_s": 200_000.0}, "last used 2 d ago"),
        ({"last_used_s": 12.0, "idle_unload_in_s": 588.0}, "last used 12 s ago · unloads in 9:48"),
        ({"last_used_s": None, "idle_unload_in_s": 4188.0}, "not used yet · unloads in 1:09:48"),
        ({"last_used_s": None, "idle_unload_in_s": 0.2}, "not used yet · unloads in 0:01"),
        ({"last_used_s": None, "idle_unload_in_s": -0.1}, "not used yet · unloads now"),
        ({"counters": CHURN["counters"] | {"in_flight": 2}}, "in use now"),
        ({"last_used_s": None}, "not used yet"),
        ({"state": "stopped"}, ""),
    ],
    ids=[
        "now",
        "seconds",
        "a minute",
        "hours",
        "days",
        "idle",
        "hours left",
        "a moment left",
        "due",
        "in use",
        "never",
        "stopped",
    ],
)
def test_what_is_told_of_time(show: Show, changes: dict[str, Any], text: str) -> None:
    expect(show(**changes).locator(".nbserve-when")).to_have_text(text)


@pytest.mark.parametrize("width", [800, 380])
def test_nothing_moves_when_a_model_is_used_for_the_first_time(page: Page, show: Show, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    card = show(last_used_s=None)

    def places() -> list[Any]:
        parts = [card.locator(f".nbserve-{part}") for part in ("tiles", "when", "chart", "tabs")]
        return [card.bounding_box(), *(part.bounding_box() for part in parts)]

    before = places()
    for in_flight, text in ((1, "in use now"), (0, "last used 12 s ago")):
        counters = CHURN["counters"] | {"in_flight": in_flight}
        page.evaluate("snapshot => push({ snapshot })", snapshot(endpoint(counters=counters)))
        expect(card.locator(".nbserve-when")).to_have_text(text)
        assert places() == before


@pytest.mark.parametrize("changes", [{}, STATES["budget"]], ids=["plain", "budget"])
def test_what_is_gone_leaves_no_more_and_stands_clear_of_what_is_below(
    page: Page, show: Show, changes: dict[str, Any]
) -> None:
    card = show(**changes)
    page.evaluate("document.getElementById('cell').classList.add('jupyter-widgets-disconnected')")
    expect(card).to_have_attribute("data-life", "gone")
    expect(card.locator(".nbserve-when")).to_have_text("")
    last = card.locator(".nbserve-strip" if changes else ".nbserve-body").bounding_box()
    assert card.locator(".nbserve-expects").bounding_box()["y"] - last["y"] - last["height"] >= 8


def test_a_row_of_a_dashboard_that_is_gone_leaves_no_more(page: Page, show: Show) -> None:
    card = show(DASHBOARD)
    row = card.locator("tbody tr").first
    expect(row).to_contain_text("unloads in 9:48")
    page.evaluate("document.getElementById('cell').classList.add('jupyter-widgets-disconnected')")
    expect(row).to_contain_text("gone")
    expect(row).not_to_contain_text("unloads")


def test_time_goes_on_in_the_browser_without_a_push(page: Page, show: Show) -> None:
    card = show(idle_unload_in_s=588.0)
    page.clock.run_for(3000)
    expect(card.locator(".nbserve-when")).to_have_text("last used 15 s ago · unloads in 9:45")


def test_the_beat_sets_the_clock_and_not_the_snapshot(page: Page, show: Show) -> None:
    card = show(idle_unload_in_s=588.0)
    for beat in range(101, 161):
        page.clock.run_for(900)
        page.evaluate("beat => push({ beat })", beat)
    page.clock.run_for(500)
    expect(card.locator(".nbserve-when")).to_have_text("last used 1 min ago · unloads in 8:48")


def test_a_page_that_is_opened_late_tells_the_right_time(show: Show) -> None:
    card = show(snapshot(endpoint(idle_unload_in_s=588.0)), beat=400.0)
    expect(card.locator(".nbserve-when")).to_have_text("last used 5 min ago · unloads in 4:48")


def test_the_clock_stops_when_the_kernel_is_silent(page: Page, show: Show) -> None:
    card = show(idle_unload_in_s=588.0)
    page.clock.run_for(60_000)
    expect(card.locator(".nbserve-alarm")).to_contain_text("No sign of life")
    expect(card.locator(".nbserve-when")).to_have_text("last used 17 s ago · unloads in 9:43")


# --- orders that wait -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("in_flight", "text"), [(1, "Waiting for what runs"), (0, "")])
def test_an_unload_that_waits_for_a_call_says_so(page: Page, show: Show, in_flight: int, text: str) -> None:
    card = show(counters=CHURN["counters"] | {"in_flight": in_flight})
    news = card.locator(".nbserve-notice")
    button(card, "Unload").click()
    page.wait_for_function("orders.length")
    page.evaluate("answer({ heard: true })")
    page.clock.run_for(1900)
    expect(news).to_have_text("")
    page.clock.run_for(200)
    expect(news).to_contain_text(text)
    page.evaluate("answer({ text: 'Unloaded.' })")
    expect(news).to_have_text("Unloaded.")
    page.clock.run_for(5000)
    expect(news).to_have_text("Unloaded.")


def test_what_is_stopped_waits_for_nothing(page: Page, show: Show) -> None:
    card = show()
    button(card, "Unload").click()
    expect(card.locator(".nbserve-pending")).to_have_count(1)
    page.evaluate("snapshot => push({ snapshot })", snapshot(endpoint(state="stopped")))
    expect(card.locator(".nbserve-chip")).to_have_text("stopped")
    expect(card.locator(".nbserve-pending, [aria-busy=true]")).to_have_count(0)


# --- loading --------------------------------------------------------------------------------------------------------


def test_a_load_shows_how_far_it_is(page: Page, show: Show) -> None:
    card = show(**STATES["loading"])
    assert widths(meter(card)) == [47]
    expect(meter(card)).to_have_role("progressbar")
    expect(meter(card)).to_have_attribute("aria-valuenow", "47")
    expect(card.locator(".nbserve-what")).to_have_text("Loading model.joblib · 47 % · 3 s")
    expect(card.locator(".nbserve-value").first).to_have_text("96.0 MB")
    expect(card.locator(".nbserve-note").first).to_have_text("of 204 MB")
    for name in ("Load", "Unload"):
        expect(button(card, name)).to_be_disabled()
    further = snapshot(endpoint(**STATES["loading"] | {"loading": LOADING | {"done_bytes": 153 * MB}}))
    page.evaluate("snapshot => push({ beat: 100.25, snapshot })", further)
    expect(meter(card)).to_have_attribute("aria-valuenow", "75")
    page.evaluate("snapshot => push({ beat: 101, snapshot })", snapshot(endpoint()))
    expect(meter(card)).to_be_hidden()
    expect(card.locator(".nbserve-what")).to_have_text("")
    expect(button(card, "Unload")).to_be_enabled()


def test_a_load_of_which_nobody_knows_how_far_it_is_shows_its_seconds(page: Page, show: Show) -> None:
    card = show(**STATES["loading-somehow"])
    expect(card.locator(".nbserve-what")).to_have_text("Loading MyCustomModelComponent · 1:15")
    page.clock.run_for(2000)
    expect(card.locator(".nbserve-what")).to_have_text("Loading MyCustomModelComponent · 1:17")
    expect(meter(card)).to_have_role("progressbar")
    assert meter(card).get_attribute("aria-valuenow") is None
    assert meter(card).locator("span").evaluate("part => getComputedStyle(part).animationName") == "nbserve-moving"


def test_a_load_is_named_after_its_component_when_nothing_else_is_known(show: Show) -> None:
    card = show(**STATES["loading-somehow"] | {"model": {"type": "MyCustomModelComponent", "features": []}})
    expect(card.locator(".nbserve-what")).to_have_text("Loading MyCustomModelComponent · 1:15")
    expect(card.locator(".nbserve-kind")).to_have_text("MyCustomModelComponent")


def test_who_wants_no_motion_gets_none(page: Page, show: Show) -> None:
    page.emulate_media(reduced_motion="reduce")
    for state in ("loading", "loading-somehow"):
        style = (
            meter(show(**STATES[state]))
            .locator("span")
            .evaluate("part => [getComputedStyle(part).animationName, getComputedStyle(part).transitionProperty]")
        )
        assert style == ["none", "none"]
    page.evaluate("push({ beat: 101 })")
    assert page.evaluate("document.getAnimations().length") == 0


# --- what is not known yet, and what is held ------------------------------------------------------------------------


def test_a_model_that_was_never_loaded_shows_its_file_and_offers_to_load_it(page: Page, show: Show) -> None:
    card = show(**STATES["undescribed"])
    expect(card.locator(".nbserve-kind")).to_have_text("model.joblib")
    expect(card.locator(".nbserve-note").first).to_have_text("not loaded yet")
    expect(card.locator(".nbserve-expects summary")).to_have_text("Columns are found when it is first loaded.")
    expect(button(card, "Load")).to_have_class(re.compile("nbserve-primary"))
    button(card, "Load").click()
    assert orders(page) == ["load"]
    page.evaluate("snapshot => push({ beat: 101, snapshot })", snapshot(endpoint()))
    expect(card.locator(".nbserve-signature")).to_have_text("predict(X: 1 column)")
    expect(card.locator(".nbserve-kind")).to_have_text(
        "KNeighborsClassifier · scikit-learn 1.9.1 · classification · from model.joblib"
    )


@pytest.mark.parametrize("title", ["Lazy-loaded ScikitLearn Model", "<b>bold</b>", None])
def test_a_resources_title_stands_beside_its_name(show: Show, title: str | None) -> None:
    card = show(title=title)
    expect(card.locator(".nbserve-heading")).to_have_text(title or "")
    assert card.locator(".nbserve-heading b").count() == 0


def test_what_the_notebook_holds_can_be_let_go_of_after_a_question(page: Page, show: Show) -> None:
    card = show(**STATES["held"])
    expect(card.locator(".nbserve-note").first).to_have_text("held by the notebook as model, best")
    expect(button(card, "Unload")).to_be_hidden()
    button(card, "Forget").click()
    expect(card.locator(".nbserve-notice")).to_contain_text("A small handle")
    expect(card.locator(".nbserve-notice")).to_contain_text("model, best")
    expect(button(card, "No")).to_be_focused()
    page.keyboard.press("Escape")
    expect(button(card, "Forget")).to_be_focused()
    expect(card.locator(".nbserve-notice")).to_be_hidden()
    assert orders(page) == []
    button(card, "Forget").click()
    button(card, "Yes").click()
    assert orders(page) == ["forget"]
    page.evaluate("answer({ text: 'Unloaded; 204.0 MB came back.' })")
    page.evaluate("snapshot => push({ beat: 101, snapshot })", snapshot(endpoint(**STATES["spilled"])))
    expect(card.locator(".nbserve-notice")).to_have_text("Unloaded; 204.0 MB came back.")
    expect(button(card, "Forget")).to_be_hidden()
    expect(button(card, "Unload")).to_be_disabled()


def test_what_another_endpoint_alone_holds_cannot_be_forgotten(show: Show) -> None:
    card = show(**STATES["held"] | {"holders": ["endpoint other"]})
    expect(card.locator(".nbserve-note").first).to_have_text("held by endpoint other")
    expect(button(card, "Forget")).to_be_hidden()
    expect(button(card, "Unload")).to_be_visible()


# --- the dashboard --------------------------------------------------------------------------------------------------


def test_the_dashboard_adds_up_the_models_against_the_budget(page: Page, show: Show) -> None:
    card = show(DASHBOARD)
    total = card.locator("> .nbserve-meter")
    assert widths(total) == [10, 10, 40]
    expect(total).to_have_attribute("title", "1.2 GB used, budget 2 GB")
    expect(total.locator("span").first).to_have_attribute("title", "churn: 204 MB")
    expect(card.locator(".nbserve-head .nbserve-kind")).to_have_text("5 endpoints · 1.2 GB used, budget 2 GB")
    rows = card.locator("tbody tr")
    expect(rows.nth(0).locator(".nbserve-note")).to_have_text("unloads in 9:48")
    expect(rows.nth(1).locator(".nbserve-note")).to_have_text("in memory")
    assert widths(rows.nth(2).locator(".nbserve-meter")) == [47]
    expect(rows.nth(3).locator(".nbserve-note")).to_have_text("on disk")
    expect(rows.nth(4).locator(".nbserve-kind")).to_have_text("model.joblib")
    page.clock.run_for(2000)
    expect(rows.nth(0).locator(".nbserve-note")).to_have_text("unloads in 9:46")


def test_a_dashboard_without_a_budget_has_no_bar(show: Show) -> None:
    card = show(snapshot(endpoint(), dashboard=True))
    expect(card.locator("> .nbserve-meter")).to_be_hidden()
    expect(card.locator(".nbserve-head .nbserve-kind")).to_have_text("1 endpoint · 204 MB in memory")


def test_a_dashboard_of_very_many_counts_those_that_it_does_not_show(show: Show) -> None:
    card = show(snapshot(endpoint(), dashboard=True, endpoint_count=1000))
    expect(card.locator(".nbserve-empty").first).to_have_text("… and 999 more endpoints.")
    expect(card.locator(".nbserve-head .nbserve-kind")).to_contain_text("1,000 endpoints")


# --- the look -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [800, 380])
@pytest.mark.parametrize("state", [*STATES, "dashboard"])
def test_nothing_is_wider_than_its_cell(page: Page, show: Show, state: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 600})
    card = show(DASHBOARD if state == "dashboard" else snapshot(endpoint(**STATES[state])))
    assert card.evaluate("card => card.scrollWidth <= card.clientWidth")
    for theme in ("light", "dark") if SHOTS else ():
        page.evaluate("is_light => { document.body.dataset.jpThemeLight = is_light }", str(theme == "light").lower())
        card.screenshot(path=str(Path(SHOTS or "") / f"{state}-{theme}-{width}.png"))
