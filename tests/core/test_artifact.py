"""A model that is kept in a file comes back from it, as often as it is unloaded."""

from __future__ import annotations

import gc
import os
import pickle
import warnings
import weakref
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import nbserve
from nbserve.core.artifact import ArtifactFile, artifact_of
from nbserve.core.component import Component
from nbserve.core.lifecycle import State
from nbserve.errors import LoadError, SpillError
from tests.models import iris_array, iris_target


class Watched:
    """Looks at its own file while it is loaded."""

    file: ArtifactFile
    seen: tuple[int, int] | None

    def __init__(self) -> None:
        self.ballast = os.urandom(300_000)

    def __setstate__(self, state: dict[str, Any]) -> None:
        Watched.seen = Watched.file.progress


@pytest.fixture
def path(tmp_path: Path) -> Path:
    joblib.dump(LogisticRegression(max_iter=500).fit(iris_array(), iris_target()), tmp_path / "churn.joblib")
    return tmp_path / "churn.joblib"


def test_a_file_is_recognised_at_once_and_read_only_when_the_model_is_wanted(path: Path) -> None:
    file = ArtifactFile(path)
    assert (file.label, file.loader.name, file.spilled_bytes, file.progress) == ("churn.joblib", "joblib", 0, None)
    header = file.peek_header()
    assert header is not None
    assert header["type"] == "LogisticRegression"
    assert file.load().predict(iris_array()[:1]).tolist() == [0]


def test_a_component_loads_it_unloads_it_and_loads_it_again(path: Path) -> None:
    component = Component(ArtifactFile(path))
    with component.lease() as model:
        first, alive = model.predict_proba(iris_array()), weakref.ref(model)
        del model
    assert component.unload() is State.UNLOADED
    gc.collect()
    assert alive() is None
    with component.lease() as model:
        assert np.array_equal(model.predict_proba(iris_array()), first)


def test_a_path_means_the_same_file_wherever_the_notebook_goes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    monkeypatch.setenv("HOME", str(path.parent))
    (path.parent / "link.joblib").symlink_to("churn.joblib")
    files = [ArtifactFile("churn.joblib"), ArtifactFile("~/churn.joblib"), ArtifactFile("link.joblib")]
    monkeypatch.chdir("/")
    assert {file.path for file in files} == {path.resolve()}
    assert [file.label for file in files] == ["churn.joblib", "churn.joblib", "link.joblib"]
    assert all(file.load() is not None for file in files)


def test_what_it_will_weigh_is_taken_to_be_the_size_of_the_file(path: Path) -> None:
    assert ArtifactFile(path).expected_bytes == path.stat().st_size


def test_progress_is_there_during_a_load_and_gone_after_it(tmp_path: Path) -> None:
    path = tmp_path / "watched.pkl"
    path.write_bytes(pickle.dumps([Watched(), os.urandom(500_000)]))
    Watched.file = ArtifactFile(path)
    Watched.file.load()
    assert Watched.seen is not None
    done, total = Watched.seen
    assert 0 < done < total == path.stat().st_size
    assert Watched.file.progress is None


def test_a_file_that_is_gone_keeps_the_model_loaded(path: Path) -> None:
    component = Component(ArtifactFile(path))
    component.load()
    path.unlink()
    with pytest.raises(SpillError, match=r"churn.joblib is gone.* stays loaded"):
        component.unload()
    assert component.state is State.LOADED


def test_a_file_that_goes_before_it_is_read_fails_the_load_and_may_come_back(path: Path) -> None:
    component, data = Component(ArtifactFile(path)), path.read_bytes()
    path.unlink()
    with pytest.raises(LoadError, match=r"no file 'churn.joblib'"):
        component.load()
    assert component.state is State.FAILED
    path.write_bytes(data)
    component.load()
    assert component.state is State.LOADED


def test_what_is_missing_or_no_model_is_refused_where_it_is_named(path: Path) -> None:
    with pytest.raises(LoadError, match=r"Did you mean 'churn.joblib'"):
        ArtifactFile(path.with_name("chrun.joblib"))
    path.write_text("hello")
    with pytest.raises(LoadError, match=r"churn.joblib is text"):
        ArtifactFile(path)


def test_an_address_of_a_file_of_this_machine_is_its_path(path: Path) -> None:
    (path.parent / "a b.joblib").symlink_to(path)
    assert artifact_of(path.as_uri()).origin == str(path)
    assert isinstance(artifact_of((path.parent / "a b.joblib").as_uri()), ArtifactFile)
    assert artifact_of(f"file://localhost{path}").origin == str(path)
    with pytest.raises(LoadError, match="a file of another machine"):
        artifact_of(f"file://example.org{path}")
    with pytest.raises(LoadError, match=r"Did you mean 'churn\.joblib'"):
        artifact_of(path.with_name("chrun.joblib").as_uri())


def test_a_file_that_runs_code_says_so_unless_it_is_trusted(path: Path) -> None:
    assert "runs the code that is in it; --trust says that you trust it" in ArtifactFile(path).advice
    assert ArtifactFile(path, trust=True).advice == ""
    with pytest.raises(LoadError, match="would run the code"):
        ArtifactFile(path, trust=False)


def test_loading_by_hand_warns_once_a_file_and_never_when_it_is_trusted(path: Path) -> None:
    with warnings.catch_warnings(record=True) as silent:
        warnings.simplefilter("always")
        nbserve.load(path, trust=True)
    assert silent == []
    with pytest.warns(UserWarning, match="churn.joblib runs the code .*trust=True") as caught:
        loaded = nbserve.load(path)
    assert [warning.filename for warning in caught] == [__file__]
    with warnings.catch_warnings(record=True) as silent:
        warnings.simplefilter("always")
        nbserve.load(str(path))
    assert silent == []
    assert (type(loaded.model).__name__, loaded.meta) == ("LogisticRegression", {})


def test_loading_by_hand_without_trust_is_refused(path: Path) -> None:
    with pytest.raises(LoadError, match="would run the code"):
        nbserve.load(path, trust=False)
