"""What the documents say is true today."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

import nbserve
from nbserve.errors import NbserveError
from nbserve.notebook.verbs import VERBS
from nbserve.options import OPTIONS
from nbserve.terms import TERMS
from nbserve.web.answers import STATUS
from nbserve.web.routes import endpoint_routes, session_routes

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
REFERENCE = (ROOT / "docs" / "reference.md").read_text()
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "notebooks").glob("*.ipynb")]


def test_every_option_is_in_the_reference_with_its_flag() -> None:
    for option in OPTIONS:
        assert f"`{option.flag}" in REFERENCE
        assert f"`{option.name}" in REFERENCE


def test_every_term_of_a_share_is_in_the_reference() -> None:
    for term in TERMS:
        assert f"`{term.flag}" in REFERENCE
        assert f"`{term.label}`" in REFERENCE


def test_every_verb_and_public_name_is_in_the_reference() -> None:
    for word in [*VERBS, *(name for name in nbserve.__all__ if "_ext" not in name and not name.startswith("__"))]:
        assert re.search(rf"\b{word}\b", REFERENCE), word


def test_every_error_code_is_in_the_reference_with_its_status() -> None:
    codes = {kind.code for kind in _kinds(NbserveError)}
    assert codes == set(STATUS)
    for code, status in STATUS.items():
        assert re.search(rf"\| {status} \|[^\n]*`{code}`", REFERENCE), code


def test_every_route_is_in_the_reference() -> None:
    for route in [*session_routes.routes, *endpoint_routes.routes]:
        path = route.path.rstrip("/") or "/"  # type: ignore[attr-defined]
        assert path.startswith("/_pages") or f" {path}" in REFERENCE, path


def test_the_two_commands_of_the_readme_are_targets_that_ci_calls() -> None:
    makefile, ci = (ROOT / "Makefile").read_text(), (ROOT / ".ci" / "run").read_text()
    commands = re.findall(r"^make (\w+)", README, re.MULTILINE)
    assert commands == ["demo", "test"]
    for command in commands:
        assert re.search(rf"^{command}:", makefile, re.MULTILINE)
        assert f"make {command}" in ci


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_no_document_tells_to_install_the_other_project_of_our_name(document: Path) -> None:
    assert not re.search(r"pip install\s+(-\S+\s+)*nbserve\b", document.read_text())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_to_a_file_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)|(?:src|srcset)=\"([^\"]+)\"", document.read_text()):
        address = target[0] or target[1]
        assert "://" in address or (document.parent / address).exists(), address


def test_the_python_of_the_readme_runs() -> None:
    X, y = load_iris(return_X_y=True)
    names = {"model": LogisticRegression(max_iter=500).fit(X, y)}
    blocks = [block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "%" not in block]
    assert blocks
    try:
        for block in blocks:
            exec(block, names)
        assert np.array_equal(nbserve.get("iris").predict(X=X), names["model"].predict(X))  # type: ignore[attr-defined]
    finally:
        nbserve.stop_all()


def _kinds(root: type[NbserveError]) -> set[type[NbserveError]]:
    return {root}.union(*(_kinds(each) for each in root.__subclasses__()))
