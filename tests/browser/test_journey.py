"""The whole product as its user meets it: the quickstart in JupyterLab 4 and Notebook 7, the card, the page."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
SHOTS = os.environ.get("NBSERVE_SHOTS")
"""A folder for pictures, such as those of the README."""
SERVED = 2
"""The code cell of the quickstart that serves the model."""
LOAD_MS = 60_000


@pytest.fixture(params=["lab", "notebook"])
def quickstart(request: pytest.FixtureRequest, jupyter: Any, open_notebook: Callable[..., Any]) -> Any:
    """The shipped quickstart, run to the cell that serves, in each of the two applications."""
    for name in ("quickstart.ipynb", "penguins.csv"):
        shutil.copy(NOTEBOOKS / name, jupyter.root / name)
    tab = open_notebook("quickstart.ipynb", app=request.param, height=1400)
    kinds = [cell["cell_type"] for cell in json.loads((NOTEBOOKS / "quickstart.ipynb").read_text())["cells"]]
    for number, at in enumerate([at for at, kind in enumerate(kinds) if kind == "code"][: SERVED + 1]):
        tab.run(at)
        expect(tab.prompt(number)).to_have_text(f"[{number + 1}]:", timeout=LOAD_MS)
    return tab


def card_in(tab: Any) -> Any:
    card = tab.cell(SERVED).locator(".nbserve-card")
    card.wait_for(timeout=LOAD_MS)
    return card


def chip(card: Any) -> Any:
    return card.locator(".nbserve-chip").first


def tile(card: Any, label: str) -> Any:
    return card.locator(".nbserve-tile", has_text=label)


def open_page(tab: Any, card: Any) -> Any:
    """Follow the card's own link to the endpoint's page."""
    with tab.page.expect_popup() as opening:
        card.get_by_text("Open page").click()
    page = opening.value
    page.wait_for_load_state("networkidle")
    return page


def shoot(target: Any, name: str, **options: Any) -> None:
    if SHOTS:
        target.screenshot(path=str(Path(SHOTS) / f"{name}.png"), **options)


def test_the_card_comes_alive_the_page_predicts_the_button_unloads_and_a_restart_is_told(quickstart: Any) -> None:
    card = card_in(quickstart)
    expect(chip(card)).to_have_text("loaded")
    expect(card).to_contain_text("Pipeline · scikit-learn")
    expect(tile(card, "Requests")).to_contain_text("0")

    page = open_page(quickstart, card)
    page.get_by_label("bill_length_mm").fill("47.5")
    page.get_by_label("island").first.select_option("Biscoe")
    page.get_by_label("flipper_length_mm").fill("217")
    page.get_by_label("bill_depth_mm").fill("14.2")
    page.get_by_label("body_mass_g").fill("4925")
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#result .verdict")).to_have_text("Gentoo")
    bars = page.get_by_role("list", name="Probabilities").get_by_role("listitem")
    expect(bars.first).to_contain_text("Gentoo")
    expect(bars).to_have_count(3)

    expect(tile(card, "Requests")).to_contain_text("2")  # the class, and its probabilities
    memory = tile(card, "Memory").text_content()
    card.get_by_role("button", name=re.compile("^Unload")).click()
    expect(chip(card)).to_have_text("unloaded")
    expect(tile(card, "Memory")).not_to_have_text(str(memory))

    page.get_by_role("button", name="Predict").click()
    expect(chip(card)).to_have_text("loaded")

    quickstart.restart_kernel()
    expect(card.locator(".nbserve-alarm")).to_contain_text("this endpoint is gone", timeout=5000)
    quickstart.wait_until_ready()
    assert quickstart.outside_requests == []


def test_running_the_cell_again_keeps_the_url_and_both_cards_tell_one_truth(
    jupyter: Any, open_notebook: Callable[..., Any]
) -> None:
    fit = "from sklearn.dummy import DummyRegressor\nmodel = DummyRegressor().fit([[0.0]], [1.0])\n%load_ext nbserve"
    tab = open_notebook(jupyter.write("twice.ipynb", fit, "%serve model", "%serve model", "%serve"))
    for cell in range(4):
        tab.run(cell)
    cards = [tab.output(cell).locator(".nbserve-card") for cell in (1, 2)]
    for card in cards:
        expect(card.locator(".nbserve-version")).to_have_text("v2", timeout=LOAD_MS)
    urls = {card.locator(".nbserve-url").text_content() for card in cards}
    assert len(urls) == 1
    expect(tab.output(3).locator(".nbserve-dashboard")).to_contain_text("model")
    cards[0].get_by_role("button", name=re.compile("^Stop")).click()
    cards[0].get_by_role("button", name=re.compile("^Stop|^Yes")).first.click()
    for card in cards:
        expect(chip(card)).to_have_text("stopped")


def test_the_page_and_the_docs_of_a_real_endpoint_ask_no_other_host_and_try_it_out_works(
    quickstart: Any,
) -> None:
    page = open_page(quickstart, card_in(quickstart))
    asked: list[str] = []
    page.context.on("request", lambda request: asked.append(request.url))
    page.get_by_role("link", name="API docs").click()
    operation = page.locator(".opblock", has_text="/penguins/predict/").first
    operation.click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table tbody .response-col_status").first).to_contain_text("200")
    expect(operation.locator(".live-responses-table")).to_contain_text("predict_result")
    assert [url for url in asked if not re.match(r"(http|ws)://127\.0\.0\.1:|data:|blob:", url)] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pictures_of_the_readme_show_what_is_there(
    jupyter: Any, open_notebook: Callable[..., Any], scheme: str
) -> None:
    """With NBSERVE_SHOTS=docs this draws them; without, it holds that what they show appears."""
    for name in ("quickstart.ipynb", "penguins.csv"):
        shutil.copy(NOTEBOOKS / name, jupyter.root / name)
    cells = [each["source"] for each in json.loads((NOTEBOOKS / "quickstart.ipynb").read_text())["cells"]]
    code = ["".join(source) for source in cells]
    traffic = """
import threading
def call(port=int(endpoint.url.split(":")[2].split("/")[0])):
    from http.client import HTTPConnection
    connection = HTTPConnection("127.0.0.1", port)
    headers = {"Authorization": "Bearer " + endpoint.token, "Content-Type": "application/json"}
    turn = threading.Event()
    for second in range(40):
        for _ in range(30 + 17 * (second % 7)):
            connection.request("POST", "/penguins/predict/", json.dumps({"X": [row]}), headers)
            connection.getresponse().read()
        turn.wait(0.25)
threading.Thread(target=call, daemon=True).start()
"""
    beginnings = ("import pandas", "numbers =", "%load_ext", "import nbserve")
    wanted = [source for source in code if source.startswith(beginnings)]
    asking = next(source for source in code if source.startswith("import json"))
    tab = open_notebook(jupyter.write("pictures.ipynb", *wanted, asking, traffic), height=1400)
    tab.choose_theme(f"JupyterLab {scheme.capitalize()}")
    for cell in range(len(wanted) + 2):
        tab.run(cell)
    card = tab.cell(SERVED).locator(".nbserve-card")
    card.wait_for(timeout=LOAD_MS)
    drawn = "least => document.querySelectorAll('.nbserve-bar[height]:not([height=\"0\"])').length >= least"
    tab.page.wait_for_function(drawn, arg=8 if SHOTS else 1, timeout=LOAD_MS)
    card.locator("summary").click()
    shoot(card, f"card-{scheme}")
    page = open_page(tab, card)
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 1180, "height": 860})
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#result .verdict")).to_be_visible()
    page.evaluate("() => scrollTo(0, 0)")
    shoot(page, f"page-{scheme}")


SLOW = """
import os, threading, nbserve

class Answers:
    def predict(self, X: list) -> list:
        return [1 for _ in X]

gate = threading.Event()

class Slow(nbserve.ModelComponent):
    def load_model(self):
        assert gate.wait(60)
        self.model = Answers()

slow = Slow()
%load_ext nbserve
"""


@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_a_load_shows_its_bar_in_the_card_and_its_end(
    jupyter: Any, open_notebook: Callable[..., Any], app: str
) -> None:
    serve = "%serve slow --idle 10m --budget 1GB"
    tab = open_notebook(jupyter.write(f"slow-{app}.ipynb", SLOW, serve, "gate.set()"), app=app)
    tab.run(0)
    tab.run(1)
    card = tab.output(1).locator(".nbserve-card")
    expect(chip(card)).to_have_text("unloaded", timeout=LOAD_MS)
    expect(card).to_contain_text("found when it is first loaded")
    card.get_by_role("button", name=re.compile("^Load")).click()
    expect(chip(card)).to_have_text("loading", timeout=LOAD_MS)
    expect(card.get_by_role("progressbar")).to_be_visible()
    expect(card).to_contain_text("Loading Slow")
    shoot(card, f"loading-{app}")
    tab.run(2)
    expect(chip(card)).to_have_text("loaded", timeout=LOAD_MS)
    expect(card.get_by_role("progressbar")).to_be_hidden()
    expect(card).to_contain_text("budget 1")
    expect(card).to_contain_text("unloads in 9:")
    shoot(card, f"loaded-{app}")
