"""The card in a real JupyterLab, fed by a fake `read` and `obey`: what it looks like and what it says."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

SHOTS = os.environ.get("NBSERVE_SHOTS")
"""A folder for pictures of the card, for a person who wants to look at it."""
APPEARS_MS = 20_000
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}

FAKE = """
import math, threading, time
from nbserve.errors import LoadError
from nbserve.notebook.card import Card
from nbserve.notebook.pulse import Pulse

kinds = [("number", "float64"), ("integer", "int64"), ("string", "object")]
ages = [dict(name="age", datatype="number", dtype="float64", nullable=True, categories=None),
        dict(name="sex", datatype="string", dtype="category", nullable=False, categories=["female", "male"]),
        dict(name="<b>fare</b>", datatype="number", dtype="float64", nullable=False, categories=None)]
rest = [dict(name=f"feature_{i}", datatype=kinds[i % 3][0], dtype=kinds[i % 3][1], nullable=False, categories=None)
        for i in range(27)]

def endpoint(name, state="loaded", version=1, busy=1.0, **more):
    url = f"http://127.0.0.1:49152/{name}/"
    return dict(
        name=name, version=version, url=url, page_url=url + "?token=secret", token="secret", state=state, reason=None,
        memory=dict(model_bytes=12_345_678, spilled_bytes=0, session_bytes=1_200_000_000, budget_bytes=2_000_000_000),
        title=None, source="the notebook", described=True, last_used_s=None, idle_unload_in_s=None, loading=None,
        signatures=["predict(X: 30 columns)",
        "predict_proba(X: 30 columns)"], busy=busy,
        model=dict(type="Pipeline", library="scikit-learn", library_version="1.9.1", task="classification",
                   classes=["died", "survived"], features=ages + rest),
        counters=dict(requests=0, errors=0, rows=0, in_flight=0, loads=1, unloads=0),
        latency_ms=dict(p50=None, p99=None), history=[], curl=f"curl -X POST {url}predict/", **more)

def second(t, busy):
    requests = max(0, round(busy * (22 + 14 * math.sin(t / 7) + 8 * math.sin(t * 1.7)))) if t % 41 > 6 else 0
    errors = 2 if requests and t % 23 == 0 else 0
    p50, p99 = 1.1 + 0.25 * math.sin(t / 5), 3.2 + 1.2 * abs(math.sin(t / 3))
    return [t, requests, errors, p50 if requests else None, p99 if requests else None]

served = {}
borrowed = []

def traffic(endpoint):
    now = int(time.time())
    history = [second(t, endpoint["busy"]) for t in range(now - 59, now + 1)] if endpoint["busy"] else []
    last = [each for each in history if each[1]]
    counters = {**endpoint["counters"], "requests": int(now * endpoint["busy"]) % 20_000 if history else 0,
                "errors": 12 if history else 0, "rows": int(3 * now * endpoint["busy"]) % 60_000 if history else 0}
    latency = dict(p50=last[-1][3], p99=last[-1][4]) if last else dict(p50=None, p99=None)
    return {**endpoint, "history": history, "counters": counters, "latency_ms": latency}

def read(name=None):
    shown = [served[name]] if name in served else [] if name else list(served.values())
    return dict(endpoints=[traffic(each) for each in shown], dashboard=name is None)

def obey(order, name):
    if name == "stubborn":
        raise LoadError("The file 'model.bin' is gone.", "Serve the model again.")
    if order == "stop":
        served.pop(name)
        return f"{name} is stopped."
    if order == "unload" and borrowed:
        served[name] = {**served[name], "state": "unloaded", "holders": borrowed}
        return f"Unloaded; the notebook still holds it as {', '.join(borrowed)}, so no memory came back."
    if order == "forget":
        borrowed.clear()
        served[name] = {**served[name], "holders": []}
        return "Unloaded; 12.3 MB came back. model, the_best_pipeline_so_far let go of it."
    served[name] = {**served[name], "state": order + "ed", "memory": dict(
        model_bytes=12_345_678 if order == "load" else 0, spilled_bytes=0 if order == "load" else 8_100_000)}
    return f"{name} is loaded." if order == "load" else f"{name} is unloaded: 12.3 MB given back."

def arrive(name):  # ten steps of a load while the cell runs; nobody tells the cards of them
    began = time.monotonic()
    for step in range(11):
        loading = dict(seconds=time.monotonic() - began, done_bytes=step * 20_400_000, total_bytes=204_000_000)
        served[name] = {**served[name], "state": "loading", "loading": loading}
        time.sleep(0.4)
    served[name] = {**served[name], "state": "loaded", "loading": None}

pulse = Pulse()

def card(name=None):
    made = Card(lambda: read(name), obey)
    pulse.add(made)
    return made
"""
AGAIN = 'served["titanic"] = endpoint("titanic", version=3)'
BORROWED = 'borrowed.extend(["model", "the_best_pipeline_so_far"])'
ARRIVING = 'arrive("titanic")'
IDLE = 'served["titanic"] |= dict(last_used_s=12.0, idle_unload_in_s=588.0); pulse.wake()'
LAN = "https://box.example:8443/titanic/", "https://192.168.100.200:8443/titanic/"
FOR_OTHERS = f'served["titanic"] |= dict(addresses={list(LAN)}); pulse.wake()'
KILL = "import os; os.kill(os.getpid(), 9)"
CELLS = "import time; time.sleep(4)", "pulse.stop()", KILL, AGAIN, BORROWED, ARRIVING, IDLE, FOR_OTHERS
TITANIC = 'served["titanic"] = endpoint("titanic", version=2); shown = card("titanic")\nshown'


def card_in(tab: Any, cell: int = 1) -> Any:
    card = tab.output(cell).locator(".nbserve-card")
    card.wait_for(timeout=APPEARS_MS)
    return card


def shoot(card: Any, name: str) -> None:
    if SHOTS:
        card.page.mouse.move(2, 2)
        card.screenshot(path=str(Path(SHOTS) / f"{name}.png"))


def chip(card: Any) -> Any:
    return card.locator(".nbserve-chip").first


def button(card: Any, name: str) -> Any:
    return card.get_by_role("button", name=re.compile(f"^{name}\\b"))


def value(card: Any, label: str) -> Any:
    return card.locator(".nbserve-tile", has_text=label).locator(".nbserve-value")


def note(card: Any, label: str) -> Any:
    return card.locator(".nbserve-tile", has_text=label).locator(".nbserve-note")


@pytest.fixture
def titanic(jupyter: Any, open_notebook: Callable[..., Any]) -> Any:
    """A notebook whose second cell shows the card of one endpoint with traffic."""
    tab = open_notebook(jupyter.write("titanic.ipynb", FAKE, TITANIC, *CELLS))
    tab.run(0)
    tab.run(1)
    card_in(tab)
    return tab


@pytest.mark.parametrize("theme", THEMES)
def test_the_card_shows_an_endpoint_in_every_theme_and_asks_nobody_outside(titanic: Any, theme: str) -> None:
    titanic.choose_theme(THEMES[theme])
    card = card_in(titanic)
    expect(chip(card)).to_have_text("loaded")
    expect(value(card, "Memory")).to_have_text("12.3 MB")
    expect(card.locator(".nbserve-signature")).to_have_text("predict(X: 30 columns)")
    shoot(card, f"endpoint-{theme}")
    card.locator("summary").click()
    expect(card.locator(".nbserve-feature", has_text="sex")).to_contain_text("female | male")
    shoot(card, f"endpoint-open-{theme}")
    assert titanic.outside_requests == []
    assert titanic.mistakes == []


def test_a_name_that_is_markup_is_shown_as_text(titanic: Any) -> None:
    card = card_in(titanic)
    card.locator("summary").click()
    expect(card.locator(".nbserve-feature b", has_text="fare")).to_have_text("<b>fare</b>")
    assert card.locator("b b").count() == 0


def test_a_long_list_of_features_unfolds(titanic: Any) -> None:
    card = card_in(titanic)
    card.locator("summary").click()
    expect(card.get_by_text("feature_26")).to_be_hidden()
    button(card, r"\+18 more").click()
    expect(card.get_by_text("feature_26")).to_be_visible()


def test_the_card_stays_alive_while_a_cell_runs_and_keeps_what_a_person_selected(titanic: Any) -> None:
    card = card_in(titanic)
    card.locator(".nbserve-url").select_text()
    before = value(card, "Requests").text_content()
    titanic.run(2)
    expect(titanic.prompt(2)).to_have_text("[*]:")
    expect(value(card, "Requests")).not_to_have_text(before, timeout=3000)
    expect(titanic.prompt(2)).to_have_text("[*]:")
    assert titanic.page.evaluate("() => String(getSelection())") == "http://127.0.0.1:49152/titanic/"
    expect(card.locator(".nbserve-alarm")).to_be_hidden()


def test_an_order_waits_for_a_busy_kernel_says_so_and_is_carried_out(titanic: Any) -> None:
    card = card_in(titanic)
    titanic.run(2)
    expect(titanic.prompt(2)).to_have_text("[*]:")
    button(card, "Unload").click()
    expect(card.locator(".nbserve-notice")).to_have_text(re.compile("Waiting for the kernel|is unloaded"))
    shoot(card, "waiting")
    expect(chip(card)).to_have_text("unloaded", timeout=10_000)
    expect(card.locator(".nbserve-notice")).to_have_text("titanic is unloaded: 12.3 MB given back.")
    expect(button(card, "Unload")).to_be_disabled()
    expect(button(card, "Load")).to_be_enabled()
    shoot(card, "unloaded")


def test_stop_asks_once_more_the_keyboard_is_enough_and_serving_again_brings_the_card_back(titanic: Any) -> None:
    card = card_in(titanic)
    button(card, "Stop").focus()
    titanic.page.keyboard.press("Enter")
    expect(button(card, "No")).to_be_focused()
    shoot(card, "stop-asks")
    titanic.page.keyboard.press("Escape")
    expect(button(card, "Stop")).to_be_focused()
    titanic.page.keyboard.press("Enter")
    titanic.page.keyboard.press("Shift+Tab")
    titanic.page.keyboard.press("Enter")
    expect(chip(card)).to_have_text("stopped")
    expect(card.locator(".nbserve-alarm")).to_contain_text("Stopped.")
    expect(button(card, "Load")).to_be_disabled()
    shoot(card, "stopped")
    titanic.run(5)
    expect(chip(card)).to_have_text("loaded")
    expect(card.locator(".nbserve-alarm")).to_be_hidden()


def test_a_model_that_the_notebook_still_holds_is_not_called_released(titanic: Any) -> None:
    card = card_in(titanic)
    titanic.run(6)
    expect(titanic.prompt(6)).to_have_text(re.compile(r"\[\d+\]:"))
    button(card, "Unload").click()
    expect(chip(card)).to_have_text("unloaded")
    expect(value(card, "Memory")).to_have_text("12.3 MB")
    expect(note(card, "Memory")).to_have_text("held by the notebook as model, the_best_pipeline_so_far")
    expect(card.locator(".nbserve-notice")).to_contain_text("no memory came back")
    assert card.evaluate("card => card.scrollWidth <= card.clientWidth")
    shoot(card, "held")


def test_what_the_notebook_holds_is_let_go_of_from_the_card(titanic: Any) -> None:
    card = card_in(titanic)
    titanic.run(6)
    button(card, "Unload").click()
    button(card, "Forget").click()
    shoot(card, "forget-asks")
    button(card, "Yes").click()
    expect(card.locator(".nbserve-notice")).to_contain_text("let go of it")
    expect(button(card, "Forget")).to_be_hidden()
    expect(note(card, "Memory")).to_have_text("released")


def test_a_load_moves_its_bar_while_the_cell_runs(titanic: Any) -> None:
    card = card_in(titanic)
    card.evaluate("""card => {
        window.seen = new Set();
        new MutationObserver(() => window.seen.add(card.querySelector(".nbserve-meter").ariaValueNow))
            .observe(card, { subtree: true, attributes: true, attributeFilter: ["aria-valuenow"] });
    }""")
    titanic.run(7)
    expect(chip(card)).to_have_text("loading")
    expect(card.locator(".nbserve-strip")).to_contain_text("Loading · ")
    shoot(card, "loading")
    expect(chip(card)).to_have_text("loaded", timeout=20_000)
    assert len(titanic.page.evaluate("[...seen]")) >= 8


def test_memory_against_the_budget_and_the_time_that_is_left(titanic: Any) -> None:
    card = card_in(titanic)
    titanic.run(8)
    expect(card.locator(".nbserve-strip")).to_contain_text("12.3 MB of 1.2 GB used, budget 2 GB")
    expect(card.locator(".nbserve-when")).to_contain_text(re.compile(r"last used \d+ s ago · unloads in 9:\d\d"))
    shoot(card, "budget")


def test_a_stopped_card_shows_no_memory_and_no_old_news(titanic: Any) -> None:
    card = card_in(titanic)
    button(card, "Unload").click()
    expect(value(card, "Memory")).to_have_text("8.1 MB")
    expect(note(card, "Memory")).to_have_text("on disk")
    expect(card.locator(".nbserve-notice")).to_be_visible()
    button(card, "Stop").click()
    button(card, "Yes").click()
    expect(chip(card)).to_have_text("stopped")
    expect(value(card, "Memory")).to_have_text("–")
    expect(note(card, "Memory")).to_have_text("")
    expect(card.locator(".nbserve-notice")).to_be_hidden()


def test_a_card_that_is_stopped_from_elsewhere_forgets_its_old_news(titanic: Any) -> None:
    card = card_in(titanic)
    button(card, "Unload").click()
    expect(card.locator(".nbserve-notice")).to_be_visible()
    titanic.page.evaluate(
        "() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute("
        "{code: 'served.clear(); shown.push()'})"
    )
    expect(chip(card)).to_have_text("stopped")
    expect(card.locator(".nbserve-notice")).to_be_hidden()


def test_the_address_is_copied(titanic: Any) -> None:
    card = card_in(titanic)
    button(card, "Copy URL").click()
    expect(card.get_by_text("Copied")).to_be_visible()
    assert titanic.page.evaluate("() => navigator.clipboard.readText()") == "http://127.0.0.1:49152/titanic/"


def test_the_addresses_for_teammates_are_shown_where_there_are_some_and_copied(titanic: Any) -> None:
    card = card_in(titanic)
    elsewhere = card.locator(".nbserve-elsewhere")
    expect(elsewhere).to_be_hidden()
    titanic.run(9)
    expect(elsewhere.locator("code")).to_have_text(list(LAN))
    shoot(card, "teammates")
    assert card.evaluate("card => card.scrollWidth <= card.clientWidth")
    elsewhere.get_by_role("button").nth(1).click()
    expect(elsewhere.get_by_text("Copied")).to_be_visible()
    assert titanic.page.evaluate("() => navigator.clipboard.readText()") == LAN[1]


def test_the_address_is_copied_where_the_page_is_not_secure(titanic: Any) -> None:
    card = card_in(titanic)
    titanic.page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('insecure')) }")
    button(card, "Copy curl").click()
    expect(card.get_by_text("Copied")).to_be_visible()
    assert "curl -X POST" in titanic.page.evaluate("() => navigator.clipboard.readText()")


def test_silence_is_a_doubt_that_goes_away_with_the_next_beat(titanic: Any) -> None:
    card = card_in(titanic)
    titanic.run(3)
    expect(card.locator(".nbserve-alarm")).to_contain_text("No sign of life from the kernel for", timeout=9000)
    expect(button(card, "Stop")).to_be_enabled()
    shoot(card, "silent")
    titanic.page.evaluate(
        "() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({code: 'shown.push()'})"
    )
    expect(card.locator(".nbserve-alarm")).to_be_hidden()


def test_after_a_restart_the_card_says_that_its_endpoint_is_gone(titanic: Any) -> None:
    card = card_in(titanic)
    titanic.restart_kernel()
    expect(card.locator(".nbserve-alarm")).to_contain_text("this endpoint is gone", timeout=5000)
    expect(chip(card)).to_have_text("gone")
    expect(button(card, "Stop")).to_be_disabled()
    expect(card.get_by_text("Open page")).not_to_have_attribute("href", re.compile(""))
    shoot(card, "gone")
    titanic.wait_until_ready()


def test_a_kernel_that_was_killed_is_gone_too(titanic: Any) -> None:
    card = card_in(titanic)
    titanic.run(4)
    expect(card.locator(".nbserve-alarm")).to_contain_text("this endpoint is gone", timeout=9000)
    titanic.wait_until_ready()


def test_a_kernel_that_was_shut_down_has_ended(titanic: Any) -> None:
    card = card_in(titanic)
    titanic.end_kernel()
    expect(card.locator(".nbserve-alarm")).to_contain_text("The kernel has ended", timeout=5000)
    expect(button(card, "Unload")).to_be_disabled()


def test_the_card_folds_where_there_is_little_room(titanic: Any) -> None:
    card = card_in(titanic)
    titanic.command("application:toggle-left-area")
    for width in (900, 640, 480):
        titanic.page.set_viewport_size({"width": width, "height": 1200})
        expect(card.locator(".nbserve-chart")).to_be_visible()
        titanic.page.wait_for_function("() => new Promise(drawn => requestAnimationFrame(() => drawn(true)))")
        assert card.evaluate("card => card.scrollWidth <= card.clientWidth"), width
        shoot(card, f"narrow-{width}")


def test_a_notebook_from_somebody_else_shows_the_still_picture(
    jupyter: Any, titanic: Any, open_notebook: Callable[..., Any]
) -> None:
    titanic.save()
    saved = (jupyter.root / "titanic.ipynb").read_text()
    (jupyter.root / "sent.ipynb").write_text(saved.replace("time.sleep", "time . sleep"))
    sent = open_notebook("sent.ipynb")
    expect(sent.output(1)).to_contain_text("Run the cell for the live card.")
    expect(sent.output(1)).not_to_contain_text("secret")
    shoot(sent.output(1), "still")


def test_a_page_that_is_reloaded_shows_the_card_alive(titanic: Any) -> None:
    titanic.save()
    titanic.page.reload()
    titanic.wait_until_ready()
    card = card_in(titanic)
    before = value(card, "Requests").text_content()
    expect(value(card, "Requests")).not_to_have_text(before, timeout=5000)
    expect(chip(card)).to_have_text("loaded")


DASHBOARD = """
served["titanic"] = endpoint("titanic", version=2)
served["iris"] = {**endpoint("iris", "unloaded", busy=0), "memory": dict(model_bytes=0, spilled_bytes=8_100_000)}
served["stubborn"] = {**endpoint("stubborn", "failed", busy=0.2), "reason": "The file 'model.bin' is gone."}
card()
"""


@pytest.mark.parametrize("theme", THEMES)
def test_the_dashboard_lists_every_endpoint(jupyter: Any, open_notebook: Callable[..., Any], theme: str) -> None:
    tab = open_notebook(jupyter.write("dashboard.ipynb", FAKE, DASHBOARD, "served.clear()"))
    tab.run(0)
    tab.run(1)
    card = card_in(tab)
    tab.choose_theme(THEMES[theme])
    rows = card.locator("tbody tr")
    expect(rows).to_have_count(3)
    shoot(card, f"dashboard-{theme}")
    button(rows.nth(1), "Load").click()
    expect(chip(rows.nth(1))).to_have_text("loaded")
    button(rows.nth(2), "Load").click()
    expect(card.locator(".nbserve-notice")).to_have_text("The file 'model.bin' is gone. Serve the model again.")
    tab.run(2)
    expect(card.get_by_text("Nothing is served yet.")).to_be_visible()
    shoot(card, f"dashboard-empty-{theme}")
    assert tab.mistakes == []


def test_the_card_is_alive_in_notebook_7(jupyter: Any, open_notebook: Callable[..., Any]) -> None:
    tab = open_notebook(jupyter.write("seven.ipynb", FAKE, TITANIC), app="notebook", width=900)
    tab.run(0)
    tab.run(1)
    card = card_in(tab)
    before = value(card, "Requests").text_content()
    expect(value(card, "Requests")).not_to_have_text(before, timeout=5000)
    shoot(card, "notebook-7")
    tab.restart_kernel()
    expect(card.locator(".nbserve-alarm")).to_contain_text("this endpoint is gone", timeout=5000)
    tab.wait_until_ready()
