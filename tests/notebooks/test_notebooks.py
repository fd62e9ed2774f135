"""The shipped notebooks run from top to bottom in a real kernel, and say what they promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.notebook_runs import FOLDER, run_notebook

pytestmark = pytest.mark.kernel


NEED_FRAMEWORKS = frozenset({"components.ipynb"})
"""Those that `tests/frameworks` runs."""

NOTEBOOKS = sorted(path for path in FOLDER.glob("*.ipynb") if path.name not in NEED_FRAMEWORKS)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs_without_an_error_and_is_shipped_without_outputs(notebook: Path) -> None:
    document = run_notebook(notebook)
    assert any("application/vnd.jupyter.widget-view+json" in each for each in _data_of(document))
    assert [each["text"] for each in _outputs_of(document) if each.get("name") == "stderr"] == []


def test_the_demo_proves_a_prediction_in_another_process() -> None:
    ran = subprocess.run(
        [sys.executable, str(FOLDER / "demo.py")], capture_output=True, text=True, timeout=100, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert "/penguins/predict/" in ran.stdout
    assert '{"predict_result": ["Gentoo"]}' in ran.stdout


def _outputs_of(document: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [output for cell in document.cells for output in cell.get("outputs", [])]


def _data_of(document: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [output["data"] for output in _outputs_of(document) if "data" in output]
