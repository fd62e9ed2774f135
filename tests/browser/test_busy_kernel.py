"""The card's buttons act while a cell runs: each kind of cell, in JupyterLab 4 and Notebook 7, with each ipykernel.

That they acted meanwhile is seen by the cell: it still runs when the effect is there, and would run for ten minutes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

LOAD_MS = 60_000
IPYKERNELS = os.environ.get("NBSERVE_IPYKERNELS", "")
SERVE = """
%load_ext nbserve
import asyncio, ipykernel, nbserve, time
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
data = load_iris(as_frame=True)
model = LogisticRegression(max_iter=500).fit(data.data, data.target_names[data.target])
for name in ("sleeping", "computing", "awaiting"):
    nbserve.serve(lambda x: x, name=name)
print(ipykernel.__version__)
"""
CELLS = {
    "sleeping": "time.sleep(600)",
    "computing": "while True: pass",
    "awaiting": "await asyncio.sleep(600)",
}
LAST = "awaiting"
"""It ends with the kernel: not every ipykernel interrupts what awaits."""
FIRST = 3
"""The cell that runs first; before it one serves, one shows the card, and one the dashboard."""


def kernels() -> list[Any]:
    """The default ipykernel, or those that `make test-kernels` has installed beside each other."""
    folders = sorted(Path(IPYKERNELS).iterdir()) if IPYKERNELS else []
    return [pytest.param(f"ipykernel-{each.name}", marks=pytest.mark.ipykernels) for each in folders] or ["python3"]


@pytest.mark.parametrize("app", ["lab", "notebook"])
@pytest.mark.parametrize("kernel", kernels())
def test_every_button_acts_while_a_cell_runs(
    jupyter: Any, open_notebook: Callable[..., Any], kernel: str, app: str
) -> None:
    cells = (SERVE, "%serve model --name iris", "%serve", *CELLS.values())
    tab = open_notebook(jupyter.write("busy.ipynb", *cells, kernel=kernel), app=app, height=1800)
    tab.run(0)
    expect(tab.prompt(0)).to_have_text("[1]:", timeout=LOAD_MS)
    if kernel != "python3":
        expect(tab.output(0)).to_contain_text(kernel.removeprefix("ipykernel-"))
    for cell in (1, 2):
        tab.run(cell)
        tab.output(cell).locator(".nbserve-card").wait_for(timeout=LOAD_MS)
    card, dashboard = (tab.output(cell).locator(".nbserve-card") for cell in (1, 2))
    expect(card.get_by_role("link", name="All endpoints")).to_be_visible()
    for number, name in enumerate(CELLS, FIRST):
        tab.run(number)
        running = tab.prompt(number)
        expect(running).to_have_text("[*]:")
        for act in (unload, load, try_it, share):
            act(card)
            expect(running, f"{act.__name__} while {name}").to_have_text("[*]:")
        stop(dashboard, name)
        expect(running).to_have_text("[*]:")
        if name != LAST:
            tab.interrupt_kernel()
            expect(running).to_have_text(re.compile(r"\[\d+\]:"), timeout=LOAD_MS)
    assert tab.outside_requests == []
    assert app == "notebook" or tab.mistakes == []  # Notebook 7 has some of its own when it starts


def unload(card: Any) -> None:
    button(card, "Unload").click()
    expect(chip(card)).to_have_text("unloaded")


def load(card: Any) -> None:
    button(card, "Load").click()
    expect(chip(card)).to_have_text("loaded")


def try_it(card: Any) -> None:
    requests = card.locator(".nbserve-tile", has_text="Requests").locator(".nbserve-value")
    before = requests.text_content()
    button(card, "Try it").click()
    button(card, "Predict").click()
    expect(requests).not_to_have_text(before)
    expect(card.locator(".verdict")).to_have_text("setosa")
    expect(card.get_by_role("list", name="Probabilities").get_by_role("listitem")).to_have_count(3)
    button(card, "Try it").click()
    expect(card.locator(".verdict")).to_be_hidden()


def share(card: Any) -> None:
    button(card, "Share").click()
    button(card, "Make a link").click()
    allow = button(card, "Allow share links")
    card.locator(".nbserve-made:not([hidden]), .nbserve-panel > .nbserve-primary:not([hidden])").wait_for()
    if allow.is_visible():
        allow.click()
    expect(card.locator(".nbserve-made code")).to_have_text(re.compile("^http://127.0.0.1:.*/nbserve/s/.+#.+"))
    expect(card.locator(".nbserve-share").first).to_contain_text("not used yet")
    button(card, "Revoke").first.click()
    expect(card.locator(".nbserve-share").first).to_contain_text("revoked")
    button(card, "Share").click()
    expect(card.locator(".nbserve-made")).to_be_hidden()


def stop(dashboard: Any, name: str) -> None:
    row = dashboard.locator("tbody tr", has_text=name)
    button(row, "Stop").click()
    button(row, "Yes").click()
    expect(row).to_have_count(0)


def button(part: Any, name: str) -> Any:
    return part.get_by_role("button", name=re.compile(f"^{name}"))


def chip(card: Any) -> Any:
    return card.locator(".nbserve-chip").first
