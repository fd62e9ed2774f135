"""The notebooks that need a framework run from top to bottom, and show what they promise."""

from __future__ import annotations

import pytest

from tests.notebook_runs import FOLDER, NEED_FRAMEWORKS, cards_of, printed, run_notebook

pytestmark = [pytest.mark.frameworks, pytest.mark.kernel]

CARDS = {"boosting.ipynb": 5, "components.ipynb": 4, "keras.ipynb": 2, "onnx.ipynb": 3, "pytorch.ipynb": 3}


def test_every_notebook_that_needs_a_framework_is_run_here() -> None:
    assert set(CARDS) == NEED_FRAMEWORKS


@pytest.mark.parametrize("name", CARDS)
def test_a_notebook_runs_and_shows_its_cards(name: str) -> None:
    document = run_notebook(FOLDER / name)
    assert len(cards_of(document)) == CARDS[name]
    assert "Traceback" not in printed(document)


def test_the_notebook_about_components_gives_the_sequence_that_it_shows() -> None:
    text = printed(run_notebook(FOLDER / "components.ipynb"))
    assert "Linear(in_features=2" in text
    assert "xor: Unloaded; " in text
