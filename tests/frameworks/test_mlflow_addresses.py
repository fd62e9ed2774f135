"""What MLflow has registered or logged is fetched through MLflow, from a registry in a folder."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import pytest
from sklearn.linear_model import LogisticRegression

import nbserve
from nbserve.core.storages import Address, Terms, fetched, storage_of
from nbserve.errors import LoadError
from nbserve.making import make_app
from nbserve.notebook.session import Session
from tests.client import handle

pytestmark = pytest.mark.frameworks


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("NBSERVE_CACHE", str(tmp_path / "cache"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own
        import mlflow

        before = mlflow.get_tracking_uri()
        mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
        yield mlflow.MlflowClient()
        mlflow.set_tracking_uri(before)


@pytest.fixture
def run_id(client: Any, tmp_path: Path) -> str:
    """A run that has logged a folder of two files, and one file."""
    folder = tmp_path / "logged"
    (folder / "data").mkdir(parents=True)
    (folder / "notes.txt").write_text("hello")
    joblib.dump(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), folder / "data" / "model.joblib")
    run_id: str = client.create_run(client.create_experiment("churn")).info.run_id
    client.log_artifacts(run_id, str(folder), "model")
    client.log_artifact(run_id, str(folder / "data" / "model.joblib"))
    return run_id


def files_at(address: str, terms: Terms) -> list[str]:
    place = Address.read(address)
    with fetched(place, storage_of(place), terms) as path:
        return sorted(str(each.relative_to(path)) for each in path.rglob("*") if each.is_file())


def register(client: Any, run_id: str) -> None:
    version = client.create_model_version("churn", source=f"runs:/{run_id}/model", run_id=run_id).version
    client.set_registered_model_alias("churn", "champion", version)


def test_a_registered_model_is_fetched_as_a_folder(client: Any, run_id: str, tmp_path: Path) -> None:
    client.create_registered_model("churn")
    register(client, run_id)
    for address in ("models:/churn/1", "models:/churn@champion", f"runs:/{run_id}/model"):
        terms = Terms(cache=tmp_path / "cache")
        assert files_at(address, terms) == ["data/model.joblib", "notes.txt"], address
        assert files_at(address, terms) == ["data/model.joblib", "notes.txt"], address


def test_an_alias_that_leads_elsewhere_is_fetched_anew(client: Any, run_id: str, tmp_path: Path) -> None:
    client.create_registered_model("churn")
    register(client, run_id)
    terms = Terms(cache=tmp_path / "cache")
    assert "more.txt" not in files_at("models:/churn@champion", terms)
    (tmp_path / "logged" / "more.txt").write_text("more")
    other: str = client.create_run("0" if client.get_experiment("0") else "1").info.run_id
    client.log_artifacts(other, str(tmp_path / "logged"), "model")
    register(client, other)
    assert "more.txt" in files_at("models:/churn@champion", terms)
    assert "more.txt" not in files_at("models:/churn/1", terms)


def test_a_registered_model_is_served_and_written_as_a_program(client: Any, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own
        import mlflow.sklearn

        fitted = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
        mlflow.sklearn.save_model(fitted, tmp_path / "logged", serialization_format="cloudpickle")
    run_id: str = client.create_run(client.create_experiment("churn")).info.run_id
    client.log_artifacts(run_id, str(tmp_path / "logged"), "model")
    client.create_registered_model("churn")
    register(client, run_id)
    session = Session({})
    try:
        endpoint = handle(session, "models:/churn/1", {"trust": True})
        assert (endpoint.name, endpoint.predict(X=[[1.0]])) == ("churn", [1])
        with pytest.raises(LoadError, match="would run the code"):
            handle(session, "models:/churn@champion", {"name": "other"}).load()
    finally:
        session.close()
    make_app("models:/churn/1", tmp_path / "made", copy=True, trust=True)
    assert "scikit-learn==" in (tmp_path / "made" / "requirements.txt").read_text()
    assert (tmp_path / "made" / "churn" / "MLmodel").is_file()
    make_app("models:/churn/1", tmp_path / "far", trust=True)
    assert "mlflow" in (tmp_path / "far" / "requirements.txt").read_text()
    assert "app.serve('models:/churn/1', name='churn', trust=True)" in (tmp_path / "far" / "app.py").read_text()


def test_a_file_of_a_run_is_a_model_too(client: Any, run_id: str) -> None:
    address = f"runs:/{run_id}/model.joblib"
    assert nbserve.load(address, trust=True).model.predict([[1.0]]).tolist() == [1]
    with pytest.raises(LoadError, match="would run the code"):
        nbserve.load(address)


def test_what_is_not_there_or_too_large_is_told(client: Any, run_id: str) -> None:
    with pytest.raises(LoadError, match="models:/nobody/1 could not be fetched"):
        nbserve.load("models:/nobody/1", trust=True)
    with pytest.raises(LoadError, match="model is larger than the 100 B"):
        nbserve.load(f"runs:/{run_id}/model", trust=True, artifact_limit="100B")
