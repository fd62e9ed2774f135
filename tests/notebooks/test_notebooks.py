"""The shipped notebooks run from top to bottom in a real kernel, and say what they promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.notebook_runs import FOLDER, NEED_FRAMEWORKS, cards_of, printed, run_notebook

pytestmark = pytest.mark.kernel


NOTEBOOKS = sorted(path for path in FOLDER.glob("*.ipynb") if path.name not in NEED_FRAMEWORKS)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs_without_an_error_and_is_shipped_without_outputs(notebook: Path) -> None:
    document = run_notebook(notebook)
    assert cards_of(document)
    assert printed(document, "stderr") == ""


def test_the_demo_proves_a_prediction_in_another_process() -> None:
    ran = subprocess.run(
        [sys.executable, str(FOLDER / "demo.py")], capture_output=True, text=True, timeout=100, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert "/penguins/predict/" in ran.stdout
    assert '{"predict_result": ["Gentoo"]}' in ran.stdout
