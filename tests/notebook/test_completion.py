"""What is offered after the magics, by a real completer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nbserve.notebook.completion import suggestions
from nbserve.options import OPTIONS

NOTEBOOK = """
class Model:
    def predict(self, X):
        return X

def mode(X):
    return X

model, other = Model(), Model()
moment, _hidden = 3, Model()
"""


@pytest.fixture
def notebook(shell: Any) -> Any:
    shell.run(NOTEBOOK).check()
    return shell


@pytest.fixture
def serving(notebook: Any) -> Any:
    notebook.run("%serve model --name iris\n%serve other --name irma").check()
    return notebook


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("%serve mo", ["model", "mode"]),
        ("%serve ", ["model", "other", "Model", "mode"]),
        ("x = 1\n%serve mo", ["model", "mode"]),
        ("  %serve\tmo", ["model", "mode"]),
        ("%%serve mo", ["model", "mode"]),
        ("%serve model --th", ["--threads"]),
        ("%serve model --name iris --po", ["--port"]),
        ("%serve model --loop ", ["own", "kernel"]),
        ("%serve model --loop k", ["kernel"]),
        ("%unserve --", ["--help", "--all"]),
        ("%nbserve unl", ["unload"]),
        ("%nbserve l", ["load", "log"]),
        ("%nbserve sh", ["share", "shares"]),
        ("%nbserve share iris --me", ["--methods"]),
    ],
)
def test_exactly_what_fits_is_offered(notebook: Any, typed: str, offered: list[str]) -> None:
    assert notebook.complete(typed) == offered


@pytest.mark.parametrize("typed", ["%unserve ir", "%nbserve unload ir", "%serve model --name ir"])
def test_the_names_of_endpoints_are_offered(serving: Any, typed: str) -> None:
    assert serving.complete(typed) == ["iris", "irma"]


def test_every_option_is_offered_but_those_that_are_typed_already(notebook: Any) -> None:
    flags = {"--help", *(option.flag for option in OPTIONS)}
    assert set(notebook.complete("%serve model -")) == flags
    assert set(notebook.complete("%serve model --name a --")) == flags - {"--name"}


def test_nothing_of_ipythons_own_is_offered(notebook: Any) -> None:
    assert not {"open", "exit", "quit", "get_ipython", "In", "Out"} & set(notebook.complete("%serve "))


@pytest.mark.parametrize("typed", ["mod", "serve.mo", "x = model.pre", "%time mod", "serve = mod", "nbserve.se"])
def test_other_lines_are_left_to_ipython(notebook: Any, typed: str) -> None:
    notebook.run("import nbserve; serve = nbserve").check()
    with_it = notebook.complete(typed)
    notebook.run("%unload_ext nbserve").check()
    assert notebook.complete(typed) == with_it


@pytest.mark.parametrize("typed", ["predict(mo", "%serve", "%served mo", "", "%timeit serve(mo"])
def test_a_line_that_is_not_ours_has_no_suggestions(typed: str) -> None:
    assert suggestions(typed, {"model": object()}) is None


def test_an_object_whose_attributes_run_code_is_not_touched(notebook: Any) -> None:
    code = "class Trap:\n    def __getattr__(self, name):\n        raise SystemExit(name)\ntrap = Trap()"
    notebook.run(code).check()
    assert notebook.complete("%serve tra") == []
    assert "model" in notebook.complete("%serve ")


def test_completing_serves_and_starts_nothing(notebook: Any) -> None:
    import threading

    notebook.complete("%unserve ")
    notebook.complete("%serve mo")
    assert not [each for each in threading.enumerate() if each.name.startswith("nbserve")]


def test_files_of_models_are_offered_and_the_folders_on_the_way(
    notebook: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    for name in ("churn.joblib", "churn.csv", "models/churn.pt", "models/.hidden.pt"):
        (tmp_path / name).touch()
    assert notebook.complete("%serve chu") == ["churn.joblib"]
    assert notebook.complete("%serve ./mod") == ["./models/"]
    assert notebook.complete("%serve models/") == ["models/churn.pt"]
