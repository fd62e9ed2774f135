"""Runs a shipped notebook from top to bottom in a real kernel."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient

__all__ = ["FOLDER", "run_notebook"]

FOLDER = Path(__file__).parents[1] / "notebooks"


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
