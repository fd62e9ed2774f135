"""The card's traffic: rows come live while a cell runs, a click shows what was asked, and nothing in it is markup."""

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
LOAD_MS = 60_000
MARKUP = "<img src=x onerror=document.title='owned'>"
SERVE = f"""
%load_ext nbserve
import httpx, nbserve, threading, time
import pandas as pd
from sklearn.linear_model import LinearRegression
people = pd.DataFrame({{"age": [30.0, 40.0, 50.0], "fare": [7.0, 8.0, 9.0]}})
model = LinearRegression().fit(people, [1, 2, 3])
MARKUP = {MARKUP!r}

def ask(rows):
    headers = {{"Authorization": f"Bearer {{ep.token}}"}}
    return httpx.post(ep.url + "predict/", json={{"X": rows}}, headers=headers, trust_env=False)

ep = %serve model --name people --mask age
"""
BUSY = """
threading.Thread(target=lambda: [ask([{"age": 5555, "fare": each}]) for each in range(3)]).start()
time.sleep(600)
"""
HOSTILE = 'ask([{"age": 5555, "fare": MARKUP}]); ask([{"age": 5555, "fare": 1.5}] * 30); ep.predict(X=people)'
SWAP = "%serve model --name people --no-capture"


@pytest.fixture
def people(jupyter: Any, open_notebook: Callable[..., Any]) -> Any:
    tab = open_notebook(jupyter.write("people.ipynb", SERVE, BUSY, HOSTILE, SWAP), height=1500)
    tab.run(0)
    card_in(tab).wait_for(timeout=LOAD_MS)
    expect(card_in(tab).get_by_role("link", name="All endpoints")).to_be_visible()
    return tab


def card_in(tab: Any) -> Any:
    return tab.cell(0).locator(".nbserve-card")


def lines(card: Any) -> Any:
    return card.locator(".nbserve-traffic tbody tr:not(.nbserve-exchange)")


def opened(card: Any) -> None:
    card.get_by_role("button", name="Traffic").click()


def test_requests_appear_while_a_cell_runs_and_what_is_marked_is_masked(people: Any) -> None:
    card = card_in(people)
    opened(card)
    expect(card).to_contain_text("Nobody has asked yet.")
    people.run(1)
    expect(people.prompt(1)).to_have_text("[*]:")
    expect(lines(card)).to_have_count(3, timeout=15_000)
    expect(people.prompt(1)).to_have_text("[*]:")
    lines(card).first.get_by_role("button").click()
    payloads = card.locator(".nbserve-payload:visible")
    expect(payloads.first).to_have_text('{"X": [{"age": "•••", "fare": 2}]}')
    expect(payloads.last).to_contain_text('{"predict_result": [')
    expect(card).not_to_contain_text("5555")
    lines(card).first.get_by_role("button").click()
    expect(payloads).to_have_count(0)
    assert people.mistakes == []
    assert people.outside_requests == []


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_a_payload_is_text_whatever_it_says_and_an_error_is_seen_as_one(people: Any, theme: str) -> None:
    people.choose_theme(theme)
    card = card_in(people)
    people.run(2)
    opened(card)
    expect(lines(card)).to_have_count(3, timeout=15_000)
    expect(lines(card).first).to_contain_text("notebook")
    expect(lines(card).last).to_contain_text(re.compile(r"127\.0\.0\.1.*422"))
    expect(lines(card).last).to_have_class(re.compile("nbserve-bad"))
    lines(card).last.click()
    lines(card).nth(1).get_by_role("button").press("Enter")
    payloads = card.locator(".nbserve-payload:visible")
    expect(payloads).to_have_count(4)
    expect(payloads.nth(2)).to_contain_text(MARKUP)
    assert people.page.title() != "owned"
    assert card.locator(".nbserve-payload img").count() == 0
    card.get_by_role("button", name="Copy request").last.click()
    copied = people.page.evaluate("() => navigator.clipboard.readText()")
    assert "5555" not in copied
    assert MARKUP in copied
    if SHOTS:
        card.screenshot(path=Path(SHOTS) / f"traffic-{theme.split()[-1].lower()}.png")
    people.run(3)
    expect(card).to_contain_text("Requests are not kept", timeout=15_000)
    expect(lines(card)).to_have_count(0)
    assert people.mistakes == []


def test_without_the_jupyter_servers_extension_it_comes_over_the_widgets_channel(people: Any) -> None:
    people.page.route(re.compile(r"/nbserve/"), lambda route: route.fulfill(status=404, body="{}"))
    card = card_in(people)
    people.run(2)
    opened(card)
    expect(lines(card)).to_have_count(3, timeout=15_000)
    lines(card).first.get_by_role("button").click()
    payload = card.locator(".nbserve-payload:visible").first
    expect(payload).to_contain_text('"age": "•••"')
    expect(card).not_to_contain_text("5555")


RESOURCE = f"""
%load_ext nbserve
import httpx, nbserve
class Holds(nbserve.ModelComponent):
    def load_model(self):
        self.model = lambda X: X
class Shop(nbserve.ModelResource):
    component = Holds()
    @nbserve.resource_method("/threshold/")
    def threshold(self):
        return {{"says": {MARKUP!r}}}
    @nbserve.resource_method("/score/{{number}}/", methods=["POST"])
    def score(self, number: int, body: dict):
        return number
ep = %serve Shop --name shop --mask age
"""
ASKS = """
for verb, path, sent in (("GET", "threshold/", None), ("POST", "score/7/", {"age": 5555, "fare": 1})):
    httpx.request(verb, ep.url + path, json=sent, headers={"Authorization": f"Bearer {ep.token}"}, trust_env=False)
"""


def test_requests_to_a_resources_own_methods_are_shown_like_those_to_a_model(
    jupyter: Any, open_notebook: Callable[..., Any]
) -> None:
    tab = open_notebook(jupyter.write("shop.ipynb", RESOURCE, ASKS), height=1200)
    tab.run(0)
    card = card_in(tab)
    card.wait_for(timeout=LOAD_MS)
    opened(card)
    tab.run(1)
    expect(lines(card)).to_have_count(2, timeout=15_000)
    newest, first = lines(card).first, lines(card).last
    expect(newest).to_contain_text("score/{number}")
    expect(first).to_contain_text("GET threshold")
    newest.get_by_role("button").click()
    payloads = card.locator(".nbserve-payload:visible")
    expect(payloads.first).to_have_text('{"age": "•••", "fare": 1}')
    expect(payloads.last).to_have_text("7")
    newest.get_by_role("button").click()
    first.get_by_role("button").click()
    expect(card.locator(".nbserve-exchange:visible")).to_contain_text("nothing")
    expect(payloads).to_have_count(1)
    expect(payloads.last).to_contain_text("<img src=x")
    if SHOTS:
        card.screenshot(path=str(Path(SHOTS) / "traffic-resource.png"))
    assert tab.page.title() != "owned"
    assert tab.mistakes == []
