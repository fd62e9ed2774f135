"""The card where the Jupyter server passes on what it asks: real endpoints, a real JupyterLab."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

LOAD_MS = 60_000
SERVE = """
%load_ext nbserve
import os, signal
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
data = load_iris(as_frame=True)
model = LogisticRegression(max_iter=500).fit(data.data, data.target_names[data.target])
%serve model --name iris
"""
KILL = "os.kill(os.getpid(), signal.SIGKILL)"
LOOKED = re.compile(r"/nbserve/e/[^/]+/iris/metadata/")


@pytest.fixture
def iris(jupyter: Any, open_notebook: Callable[..., Any]) -> Any:
    """A notebook that serves a model; beside it, what else its cells do."""
    tab = open_notebook(jupyter.write("iris.ipynb", SERVE, KILL), height=1400)
    tab.run(0)
    card_in(tab).wait_for(timeout=LOAD_MS)
    expect(card_in(tab).get_by_role("link", name="All endpoints")).to_be_visible()
    return tab


def card_in(tab: Any, cell: int = 0) -> Any:
    return tab.cell(cell).locator(".nbserve-card")


def button(part: Any, name: str) -> Any:
    return part.get_by_role("button", name=re.compile(f"^{name}"))


def chip(card: Any) -> Any:
    return card.locator(".nbserve-chip").first


def looked(tab: Any) -> None:
    """Wait until the card has looked at its endpoint once more."""
    with tab.page.expect_response(LOOKED):
        pass


def test_the_page_and_the_list_are_those_of_the_jupyter_server(iris: Any) -> None:
    card = card_in(iris)
    with iris.page.context.expect_page() as opening:
        card.get_by_role("link", name="Open page").click()
    assert re.search(r"/nbserve/e/[^/]+/iris/$", opening.value.url)
    opening.value.get_by_role("button", name="Predict").click()
    expect(opening.value.locator("#result .verdict")).to_have_text("setosa")
    with iris.page.context.expect_page() as listing:
        card.get_by_role("link", name="All endpoints").click()
    expect(listing.value.locator(".endpoint")).to_have_count(1)


def test_an_open_card_is_no_activity_of_an_idle_kernel(jupyter: Any, iris: Any) -> None:
    for _ in range(2):
        looked(iris)
    before = jupyter.kernel_activity()
    for _ in range(3):
        looked(iris)
    assert jupyter.kernel_activity() == before
    expect(card_in(iris).locator(".nbserve-alarm")).to_be_hidden()


def test_a_killed_kernel_is_told_within_five_seconds_even_where_its_end_is_not_announced(iris: Any) -> None:
    card = card_in(iris)
    iris.page.route(re.compile(r"/api/kernels"), lambda route: route.abort())
    iris.run(1)
    expect(card.locator(".nbserve-alarm")).to_contain_text("this endpoint", timeout=5000)
    expect(chip(card)).to_have_text("gone")
    expect(button(card, "Unload")).to_be_disabled()
    expect(button(card, "Try it")).to_be_hidden()


def test_a_server_that_has_stopped_to_pass_on_is_no_dead_kernel(iris: Any) -> None:
    card = card_in(iris)
    iris.page.route(re.compile(r"/nbserve/"), lambda route: route.fulfill(status=404, body="{}"))
    button(card, "Unload").click()
    expect(chip(card)).to_have_text("unloaded")
    expect(card.locator(".nbserve-notice")).to_contain_text("Unloaded; ")
    button(card, "Try it").click()
    button(card, "Predict").click()
    expect(card.locator(".verdict")).to_have_text("setosa")
    expect(card.locator(".nbserve-alarm")).to_be_hidden()


def test_who_may_not_is_told_so_and_the_kernel_is_not_asked_instead(iris: Any) -> None:
    card = card_in(iris)
    refused = '{"error": "You may not write what is served here.", "code": "access_denied", "remedy": "", "detail": []}'
    iris.page.route(
        re.compile(r"/unload/"), lambda route: route.fulfill(status=403, body=refused, content_type="application/json")
    )
    button(card, "Unload").click()
    expect(card.locator(".nbserve-notice")).to_have_text("You may not write what is served here.")
    expect(chip(card)).to_have_text("loaded")


def test_what_the_form_holds_that_cannot_be_sent_is_told_at_its_field(iris: Any) -> None:
    card = card_in(iris)
    button(card, "Try it").click()
    card.get_by_label(re.compile("^sepal length")).fill("")
    button(card, "Predict").click()
    expect(card.locator(".fault:visible")).to_have_text("Needs a value.")
    assert iris.mistakes == []


def test_a_link_is_shown_once_counted_where_it_is_listed_revoked_and_written_nowhere(jupyter: Any, iris: Any) -> None:
    card = card_in(iris)
    button(card, "Share").click()
    card.get_by_label("For whom").fill("Ada")
    card.get_by_label("Rows in all").fill("100")
    button(card, "Make a link").click()
    card.locator(".nbserve-made:not([hidden]), .nbserve-panel > .nbserve-primary:not([hidden])").wait_for()
    if button(card, "Allow share links").is_visible():
        button(card, "Allow share links").click()
    address, _, token = str(card.locator(".nbserve-made code").text_content()).partition("#")
    assert address.startswith(jupyter.url)

    row = card.locator(".nbserve-share")
    expect(row).to_contain_text("Ada")
    expect(row).to_contain_text("100 rows · not used yet")
    rows = {"X": [[5.1, 3.5, 1.4, 0.2]] * 3}
    answer = httpx.post(f"{address}predict/", json=rows, headers={"Authorization": f"Bearer {token}"})
    assert answer.json() == {"predict_result": ["setosa"] * 3}
    expect(row).to_contain_text("1 request, 3 rows")

    button(card, "Share").click()
    button(card, "Share").click()
    expect(row).to_contain_text("Ada")
    expect(card.locator(".nbserve-made")).to_be_hidden()
    assert token not in iris.page.content()
    iris.save()
    assert token not in (jupyter.root / "iris.ipynb").read_text()

    button(card, "Revoke the link for Ada").click()
    expect(row).to_contain_text("revoked")
    refused = httpx.post(f"{address}predict/", json=rows, headers={"Authorization": f"Bearer {token}"})
    assert refused.status_code == 410


def test_all_cards_of_an_endpoint_tell_one_truth(jupyter: Any, open_notebook: Callable[..., Any]) -> None:
    again = "%serve model --name iris"
    tab = open_notebook(jupyter.write("copies.ipynb", SERVE, again, "%serve"), height=1800)
    for cell in range(3):
        tab.run(cell)
    cards = [card_in(tab, cell) for cell in range(3)]
    cards[2].wait_for(timeout=LOAD_MS)
    for card in cards[:2]:
        expect(card.locator(".nbserve-version")).to_have_text("v2")
    button(cards[0], "Unload").click()
    for card in cards:
        expect(chip(card)).to_have_text("unloaded")
    tab.run(1)
    for card in cards[:2]:
        expect(card.locator(".nbserve-version")).to_have_text("v3")
    for card in cards:
        expect(chip(card)).to_have_text("loaded")
