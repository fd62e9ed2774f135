"""The notebook about components, which loads files of three frameworks, runs and gives the sequence that it shows."""

from __future__ import annotations

import pytest

from tests.notebook_runs import FOLDER, run_notebook

pytestmark = [pytest.mark.frameworks, pytest.mark.kernel]


def test_the_notebook_about_components_runs_and_shows_its_cards() -> None:
    document = run_notebook(FOLDER / "components.ipynb")
    outputs = [output for cell in document.cells for output in cell.get("outputs", [])]
    cards = [each for each in outputs if "application/vnd.jupyter.widget-view+json" in each.get("data", {})]
    assert len(cards) == 4
    printed = "".join(each["text"] for each in outputs if each.get("name") == "stdout")
    assert "Linear(in_features=2" in printed
    assert "xor: Unloaded; " in printed
