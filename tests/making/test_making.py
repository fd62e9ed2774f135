"""A program of one's own is written for what is served: readable, pinned, and only what it needs."""

from __future__ import annotations

import ast
import io
import json
import pickle
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import joblib
import pytest
from sklearn.linear_model import LogisticRegression

from nbserve.errors import Conflict, LoadError, OptionError
from nbserve.making import make_app
from nbserve.version import __version__
from tests.hosts import Host, hosted
from tests.models import iris_array, iris_target


def model() -> LogisticRegression:
    return LogisticRegression(max_iter=500).fit(iris_array(), iris_target())


@pytest.fixture
def churn(tmp_path: Path) -> Path:
    joblib.dump(model(), tmp_path / "churn.joblib")
    return tmp_path / "churn.joblib"


def pins(folder: Path) -> dict[str, str]:
    lines = (folder / "requirements.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def serving(folder: Path) -> list[str]:
    text = (folder / "app.py").read_text()
    ast.parse(text)
    return [line for line in text.splitlines() if line.startswith("app.serve(")]


def test_a_file_is_copied_and_served_by_nbserves_public_names(churn: Path, tmp_path: Path) -> None:
    of_this_machine = {"port": 8080, "host": "0.0.0.0", "certfile": "cert.pem", "keyfile": "key.pem"}
    files = make_app(churn, tmp_path / "made", deadline_s="5s", threads=2, **of_this_machine)
    assert {each.name for each in files} >= {
        *("app.py", "requirements.txt", "Dockerfile", ".dockerignore", "README.md", "churn.joblib"),
    }
    assert (tmp_path / "made" / "churn.joblib").read_bytes() == churn.read_bytes()
    assert serving(tmp_path / "made") == [
        "app.serve(FOLDER / 'churn.joblib', name='churn', threads=2, deadline_s=5.0, trust=True)"
    ]
    assert "nbserve.run(" in (tmp_path / "made" / "app.py").read_text()
    assert str(tmp_path) not in "".join(each.read_text() for each in files if each.suffix in (".py", ".md", ".txt"))


def test_it_pins_what_the_model_needs_and_nothing_else(churn: Path, tmp_path: Path) -> None:
    make_app(churn, tmp_path / "made")
    found = pins(tmp_path / "made")
    assert found.pop("jupyter-nbserve") == __version__
    assert {"scikit-learn", "numpy", "scipy", "joblib", "threadpoolctl"} <= found.keys()
    assert found.keys().isdisjoint({"pandas", "polars", "pytest", "torch", "pyarrow", "jupyterlab"})
    assert all(metadata.version(name).partition("+")[0] == version for name, version in found.items())


def test_nbserve_itself_is_beside_it_where_no_index_has_it(churn: Path, tmp_path: Path) -> None:
    make_app(churn, tmp_path / "made")
    (wheel,) = (tmp_path / "made").glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
        assert file.testzip() is None
    assert wheel.name == f"jupyter_nbserve-{__version__}-py3-none-any.whl"
    assert {"nbserve/__init__.py", f"jupyter_nbserve-{__version__}.dist-info/RECORD"} <= set(names)
    assert not any("__pycache__" in name for name in names)
    assert "--find-links ." in (tmp_path / "made" / "requirements.txt").read_text().splitlines()


def test_a_folder_that_holds_something_is_left_alone_without_force(churn: Path, tmp_path: Path) -> None:
    make_app(churn, tmp_path / "made")
    (tmp_path / "made" / "app.py").write_text("mine")
    with pytest.raises(Conflict, match=r"made holds something already.*--force"):
        make_app(churn, tmp_path / "made")
    assert (tmp_path / "made" / "app.py").read_text() == "mine"
    (tmp_path / "made" / "notes.txt").write_text("mine")
    make_app(churn, tmp_path / "made", force=True)
    assert (tmp_path / "made" / "app.py").read_text() != "mine"
    assert (tmp_path / "made" / "notes.txt").read_text() == "mine"
    with pytest.raises(Conflict, match="is a file"):
        make_app(churn, churn, force=True)


def test_what_is_no_model_leaves_no_folder(tmp_path: Path) -> None:
    (tmp_path / "a.joblib").write_text("hello")
    for given in (tmp_path / "a.joblib", tmp_path / "gone.joblib", "memry://a.joblib"):
        with pytest.raises(LoadError):
            make_app(given, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_a_file_that_must_run_code_is_refused_when_it_may_not(churn: Path, tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="would run the code"):
        make_app(churn, tmp_path / "made", trust=False)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("save", ["joblib"])
def test_an_object_is_kept_as_it_was_said_to_be(save: str, tmp_path: Path) -> None:
    make_app(model(), tmp_path / "made", save=save, name="iris")
    assert serving(tmp_path / "made") == ["app.serve(FOLDER / 'iris.joblib', name='iris', trust=True)"]
    assert joblib.load(tmp_path / "made" / "iris.joblib").predict(iris_array()[:1]).tolist() == [0]


@pytest.mark.parametrize(("save", "said"), [(None, "is kept nowhere yet"), ("gzip", "cannot be kept as 'gzip'")])
def test_an_object_is_kept_only_where_it_is_said_how(save: str | None, said: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=f"{said}.* save='cloudpickle' or 'joblib' or 'skops'"):
        make_app(model(), tmp_path / "made", save=save)
    with pytest.raises(OptionError, match="cannot be kept as joblib"):
        make_app(lambda X: X, tmp_path / "made", save="joblib")
    assert not (tmp_path / "made").exists()


def test_a_module_of_the_users_own_goes_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "our_models.py").write_text(
        "class Net:\n    def predict(self, X):\n        return [1 for _ in X]\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "ours"))
    from our_models import Net  # type: ignore[import-not-found]

    try:
        (tmp_path / "net.pkl").write_bytes(pickle.dumps(Net()))
        make_app(tmp_path / "net.pkl", tmp_path / "made")
    finally:
        del sys.modules["our_models"]
    assert "class Net" in (tmp_path / "made" / "our_models.py").read_text()


def test_what_only_a_notebook_has_defined_is_refused(tmp_path: Path) -> None:
    asked = b"\x80\x04\x8c\x08__main__\x94\x8c\x08__main__\x94\x8c\x03Net\x94h\x01h\x02\x93)\x81."
    for written in (b"\x80\x02c__main__\nNet\n)\x81.", asked, asked[:-4] + b"\x8c"):
        (tmp_path / "net.pkl").write_bytes(written)
        with pytest.raises(OptionError, match=r"needs what a notebook has defined.* Move it into a module"):
            make_app(tmp_path / "net.pkl", tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_what_a_notebook_has_defined_goes_along_in_a_cloudpickle(tmp_path: Path) -> None:
    space: dict[str, Any] = {"__name__": "__main__"}
    exec("class Twice:\n    def predict(self, X):\n        return [2 * row[0] for row in X]", space)
    make_app(space["Twice"](), tmp_path / "made", save="cloudpickle", name="twice")
    asked = "import pickle; print(pickle.load(open('twice.pkl', 'rb')).predict([[3]]))"
    answer = subprocess.run([sys.executable, "-c", asked], cwd=tmp_path / "made", capture_output=True, check=True)
    assert answer.stdout == b"[6]\n"


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("NBSERVE_CACHE", str(tmp_path / "cache"))
    stream = io.BytesIO()
    joblib.dump(model(), stream)
    with hosted() as host:
        host.has["churn.joblib"] = stream.getvalue()
        yield host


def test_an_address_is_written_down_or_what_is_there_copied(host: Host, tmp_path: Path) -> None:
    given = {"trust": True, "cache": str(tmp_path / "cache")}
    address = host.address("churn.joblib")
    make_app(address, tmp_path / "far", **given)
    assert serving(tmp_path / "far") == [f"app.serve({address!r}, name='churn', trust=True)"]
    assert not (tmp_path / "far" / "churn.joblib").exists()
    make_app(address, tmp_path / "near", copy=True, **given)
    assert serving(tmp_path / "near") == ["app.serve(FOLDER / 'churn.joblib', name='churn', trust=True)"]
    assert (tmp_path / "near" / "churn.joblib").read_bytes() == host.has["churn.joblib"]
    assert pins(tmp_path / "far") == pins(tmp_path / "near")


def test_what_opens_an_address_is_written_into_no_program(host: Host, tmp_path: Path) -> None:
    given = {"trust": True, "cache": str(tmp_path / "cache")}
    address = host.address("churn.joblib?sig=s3cr3t")
    with pytest.raises(OptionError, match=r"has in it what opens it.* --copy"):
        make_app(address, tmp_path / "made", **given)
    files = make_app(address, tmp_path / "made", copy=True, **given)
    assert not any(b"s3cr3t" in each.read_bytes() for each in files)


def test_what_runs_code_and_comes_from_elsewhere_needs_trust(host: Host, tmp_path: Path) -> None:
    for copy in (True, False):
        with pytest.raises(LoadError, match="would run the code"):
            make_app(host.address("churn.joblib"), tmp_path / "made", copy=copy, cache=str(tmp_path / "cache"))


def test_a_file_of_settings_becomes_a_program_of_all_its_endpoints(churn: Path, tmp_path: Path) -> None:
    (tmp_path / "iris.joblib").write_bytes(churn.read_bytes())
    (tmp_path / "all.json").write_text(
        json.dumps({"endpoints": {"a": {"model": "churn.joblib", "threads": 3}, "b": {"model": "iris.joblib"}}})
    )
    make_app(tmp_path / "all.json", tmp_path / "made")
    assert serving(tmp_path / "made") == [
        "app.serve(FOLDER / 'churn.joblib', name='a', threads=3, trust=True)",
        "app.serve(FOLDER / 'iris.joblib', name='b', trust=True)",
    ]
    with pytest.raises(OptionError, match="holds 2 endpoints"):
        make_app(tmp_path / "all.json", tmp_path / "made", force=True, threads=2)


def test_an_option_that_is_none_is_refused(churn: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="Did you mean 'threads'"):
        make_app(churn, tmp_path / "made", thread=2)
    with pytest.raises(OptionError, match="is a file of this machine"):
        make_app(churn, tmp_path / "made", copy=False)
    assert not (tmp_path / "made").exists()
