"""Runs a shipped notebook from top to bottom in a real kernel."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient

__all__ = ["FOLDER", "NEED_FRAMEWORKS", "cards_of", "outputs_of", "printed", "run_notebook"]

FOLDER = Path(__file__).parents[1] / "notebooks"

NEED_FRAMEWORKS = frozenset({"boosting.ipynb", "components.ipynb", "keras.ipynb", "onnx.ipynb", "pytorch.ipynb"})
"""Those that `tests/frameworks` runs."""

CARD = "application/vnd.jupyter.widget-view+json"


def run_notebook(path: Path) -> nbformat.NotebookNode:
    """The notebook with the outputs that it has now; it is shipped without any. Raises what a cell raises."""
    document = nbformat.read(path, as_version=4)
    assert not any(cell.get("outputs") for cell in document.cells)
    NotebookClient(
        document,
        timeout=100,
        store_widget_state=False,
        resources={"metadata": {"path": str(FOLDER)}},
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
    ).execute()
    return document


def outputs_of(document: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [output for cell in document.cells for output in cell.get("outputs", [])]


def cards_of(document: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [output for output in outputs_of(document) if CARD in output.get("data", {})]


def printed(document: nbformat.NotebookNode, where: str = "stdout") -> str:
    return "".join(output["text"] for output in outputs_of(document) if output.get("name") == where)
