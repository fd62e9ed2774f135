"""The words of the command line: what they do, and one line for everything that they cannot."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import pytest

from nbserve.command import main
from nbserve.options import OPTIONS
from nbserve.version import __version__
from tests.models import logistic_on_frame

Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Say:
    """Type something in a folder with a model in it: the exit code, and what was said on stdout and stderr."""
    joblib.dump(logistic_on_frame(), tmp_path / "iris.joblib")
    monkeypatch.chdir(tmp_path)

    def said(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(words)
        return (code, *capsys.readouterr())

    return said


def test_help_names_the_commands_and_every_option(say: Say) -> None:
    code, told, _ = say("--help")
    assert code == 0
    assert all(f"\n  {name} " in told for name in ("run", "inspect", "validate", "make-app"))
    code, told, _ = say("run", "--help")
    assert code == 0
    for option in OPTIONS:
        assert f" {option.flag}" in told
    assert say("--version")[1] == f"{__version__}\n"


def test_who_types_nothing_more_is_told_the_commands(say: Say) -> None:
    code, said, told = say()
    assert (code, said) == (2, "")
    assert told.startswith("Usage: nbserve ")


def test_help_tells_what_is_different_from_a_notebook(say: Say) -> None:
    told = " ".join(say("run", "--help")[1].split())
    for about in ("default: the file's", "default: 8000", "--no-eager: load it with the first request", "module:Name"):
        assert about in told
    assert "variable" not in told


def test_help_imports_nothing_that_serves() -> None:
    code = (
        "import sys; from nbserve.command import main; main(['run', '--help']);"
        "heavy = {'fastapi', 'starlette', 'uvicorn', 'pydantic', 'numpy', 'httpx', 'IPython', 'yaml', 'asyncio'};"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


MISTAKES: list[tuple[tuple[str, ...], int, str]] = [
    (("rum",), 2, r"No such command 'rum'. Did you mean 'run'\?"),
    (("run",), 2, "Missing argument 'MODEL...'"),
    (("run", "iris.joblib", "--thread", "2"), 2, r"No such option '?--thread'?.*--threads"),
    (("run", "iris.joblib", "--threads", "0"), 2, "threads cannot be '0'. Allowed: a whole number from 1 to 64"),
    (("run", "iris.joblib", "--workers", "0"), 2, "0 is not in the range"),
    (("run", "iris.joblib", "--workers", "65"), 2, "65 is not in the range"),
    (("run", "iris.joblb"), 1, r"There is no file 'iris\.joblb'.*Did you mean 'iris\.joblib'\?"),
    (("run", "iris.joblib", "--no-trust"), 1, "iris.joblib"),
    (("run", "iris.joblib", "iris.joblib"), 1, "Two endpoints would be called iris"),
    (("run", "two.yaml", "--name", "a"), 1, "One name cannot be that of 2 endpoints"),
    (("run", "bad.yaml"), 1, r"bad\.yaml, line 2, dedline: There is no option 'dedline'"),
    (("run", "broken.joblib"), 1, r"broken\.joblib"),
    (("inspect",), 2, "Missing argument 'FILE'"),
    (("inspect", "missing.onnx"), 1, r"There is no file 'missing\.onnx'"),
    (("inspect", "iris.joblib", "--load", "--no-trust"), 1, "trust"),
    (("inspect", "broken.joblib", "--load"), 1, r"broken\.joblib"),
    (("validate",), 2, "Missing argument 'CONFIG...'"),
    (("validate", "missing.yaml"), 1, r"There is no file 'missing\.yaml'"),
    (("validate", "iris.joblib"), 1, "'iris.joblib' is no file of settings"),
    (("validate", ""), 1, "'' is no file of settings"),
    (("run", ""), 1, "The path of the model is empty"),
    (("inspect", ""), 1, "The path of the model is empty"),
    (("run", "one.yaml", "other.yaml"), 1, r"one\.yaml, other\.yaml: the endpoints want ports 8123 and 8124.*--port"),
    (
        ("run", "iris.joblib", "--trust", "--port", "0", "--budget", "1kB"),
        1,
        r"about \d\.\d kB of a memory budget of 1\.0 kB",
    ),
    (("inspect", "two.yaml"), 1, "'two.yaml' is a file of settings, and no model. nbserve validate"),
    (("inspect", "two.yaml", "--load"), 1, "'two.yaml' is a file of settings, and no model"),
    (("make-app", "iris.joblib", "iris.joblib/made"), 1, "made' cannot be written"),
]


@pytest.mark.parametrize(("words", "code", "sentence"), MISTAKES, ids=[" ".join(words) for words, *_ in MISTAKES])
def test_a_mistake_is_one_line_and_an_exit_code(
    say: Say, tmp_path: Path, words: tuple[str, ...], code: int, sentence: str
) -> None:
    (tmp_path / "two.yaml").write_text("endpoints: {a: {model: iris.joblib}, b: {model: iris.joblib}}")
    (tmp_path / "bad.yaml").write_text("model: iris.joblib\ndedline: 5\n")
    (tmp_path / "one.yaml").write_text("{model: iris.joblib, name: a, port: 8123}")
    (tmp_path / "other.yaml").write_text("{model: iris.joblib, name: b, port: 8124}")
    (tmp_path / "broken.joblib").write_bytes((tmp_path / "iris.joblib").read_bytes()[:200])
    came_to, said, told = say(*words)
    assert (came_to, said) == (code, "")
    lines = [line for line in told.splitlines() if "runs the code" not in line]
    assert len(lines) == 1
    assert lines[0].startswith("nbserve: ")
    assert re.search(sentence, lines[0]), lines[0]


# --- inspect


def test_a_file_is_told_of_without_being_loaded(say: Say) -> None:
    code, said, told = say("inspect", "iris.joblib", "--json")
    found = json.loads(said)
    assert (code, told) == (0, "")
    assert (found["file"], found["format"], found["runs_code"]) == ("iris.joblib", "joblib", True)
    assert found["header_type"] == "LogisticRegression"
    assert "format: joblib\n" in say("inspect", "iris.joblib")[1]


def test_a_loaded_file_is_told_of_as_over_http(say: Say) -> None:
    code, said, told = say("inspect", "iris.joblib", "--load", "--json", "--trust")
    assert (code, told) == (0, "")
    assert json.loads(said)["model"]["task"] == "classification"
    _, said, told = say("inspect", "iris.joblib", "--load")
    assert "task: classification\n" in said
    assert "  predict_proba(X: 4 columns)\n" in said
    assert told == "nbserve: Loading iris.joblib runs the code that is in it; --trust says that you trust it.\n"


# --- validate


def test_settings_are_really_checked(say: Say, tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(
        "trust: true\nendpoints:\n  a: {model: iris.joblib}\n  b: {model: iris.joblib}\n"
    )
    assert say("validate", "good.yaml") == (
        0,
        "good.yaml, a: iris.joblib can be served\ngood.yaml, b: iris.joblib can be served\n",
        "",
    )


FAULTS: list[tuple[str, str]] = [
    ("model: missing.joblib", r"There is no file 'missing\.joblib'"),
    ("name: a", "names no model"),
    ("model: iris.joblib\ntrust: false", "trust"),
    ("model: a.yaml", "a.yaml is text"),
    ("model: iris.joblib\nthreads: 0", "line 2, threads"),
    ("endpoints:\n  a: {model: iris.joblib, port: 1}\n  b: {model: iris.joblib, port: 2}", "want ports 1 and 2"),
    ("model: iris.joblib\nkeyfile: key.pem", r"a\.yaml: A key alone serves nothing"),
    ("model: iris.joblib\ncertfile: missing.pem", r"a\.yaml: The certificate 'missing\.pem' cannot be read"),
    ("model: iris.joblib\nhost: 0.0.0.0\ntoken: off", r"a\.yaml: Without a token nothing is served"),
    (
        "endpoints:\n  a: {model: iris.joblib, host: 0.0.0.0}\n  b: {model: iris.joblib, token: off}",
        r"a\.yaml: Without a token nothing is served",
    ),
    ("endpoints:\n  a: {model: iris.joblib, trust: true}\n  b: {model: nothing}", r"a\.yaml, b: There is no file"),
]


@pytest.mark.parametrize(("text", "sentence"), FAULTS, ids=[text[:30] for text, _ in FAULTS])
def test_whatever_cannot_be_served_is_told(say: Say, tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    code, _, told = say("validate", "a.yaml")
    assert code == 1
    assert len(told.splitlines()) == 1
    assert re.search(sentence, told), told


def test_an_address_is_not_asked_and_that_is_told(say: Say, tmp_path: Path) -> None:
    (tmp_path / "far.yaml").write_text("model: https://127.0.0.1:1/iris.joblib?sig=s3cr3t")
    assert say("validate", "far.yaml") == (0, "far.yaml, iris: iris.joblib is at an address, which is not asked\n", "")


def test_all_files_are_checked_whatever_the_first_comes_to(say: Say, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('model = "missing"')
    (tmp_path / "good.toml").write_text('model = "iris.joblib"\ntrust = true')
    code, said, told = say("validate", "bad.toml", "good.toml")
    assert (code, said) == (1, "good.toml, iris: iris.joblib can be served\n")
    assert "missing" in told


def test_what_is_typed_reaches_every_option(monkeypatch: pytest.MonkeyPatch) -> None:
    from nbserve.command import running
    from tests.test_options import GOOD

    heard: list[dict[str, Any]] = []
    monkeypatch.setattr(running, "run", lambda models, given, workers, words: heard.append(given) or 0)
    for name, given, _ in GOOD:
        option = next(each for each in OPTIONS if each.name == name)
        if option.metavar is not None and isinstance(given, str):
            assert main(["run", "m", f"--{option.label}={given}"]) == 0
            assert heard.pop() == {name: given}
    for option in OPTIONS:
        if option.metavar is None:
            main(["run", "m", f"--{option.label}"])
            main(["run", "m", f"--no-{option.label}"])
            assert heard == [{option.name: True}, {option.name: False}]
            heard.clear()


def test_a_program_is_written_with_what_was_typed(say: Say, tmp_path: Path) -> None:
    code, told, _ = say("make-app", "iris.joblib", "made", "--threads", "2", "--trust")
    assert code == 0
    assert "made/app.py" in told.splitlines()
    text = (tmp_path / "made" / "app.py").read_text()
    assert "app.serve(FOLDER / 'iris.joblib', name='iris', threads=2, trust=True)" in text
    code, _, told = say("make-app", "iris.joblib", "made")
    assert (code, "--force" in told, len(told.splitlines())) == (1, True, 1)
    assert say("make-app", "iris.joblib", "made", "--force")[0] == 0
    assert "threads" not in (tmp_path / "made" / "app.py").read_text()
