"""A model at an address is served like a file: fetched with the first request, and again when it has changed."""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import fsspec
import joblib
import pytest
from sklearn.linear_model import LogisticRegression

import nbserve
from nbserve.errors import LoadError, OptionError
from tests.client import Caller
from tests.conftest import Serve
from tests.hosts import Host, hosted, status, told
from tests.models import iris_array, iris_target
from tests.notebook.conftest import Shell


class Resource(nbserve.ModelResource):
    name = "resource"


X, Y = iris_array(), iris_target()
ROW = [X[0].tolist()]
TRUSTED = {"trust": True}


def dumped(features: int = 4, flip: bool = False) -> bytes:
    stream = io.BytesIO()
    joblib.dump(LogisticRegression(max_iter=500).fit(X[:, :features], 2 - Y if flip else Y), stream)
    return stream.getvalue()


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Host]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("NBSERVE_CACHE", str(tmp_path / "cache"))
    with hosted() as host:
        host.has["models/churn.joblib"] = dumped()
        yield host


@pytest.fixture
def address(host: Host) -> str:
    return host.address("models/churn.joblib?sig=s3cr3t", "user:pa55word@")


def test_it_is_called_by_its_last_part_and_not_asked_before_it_is_needed(
    serve: Serve, caller: Caller, host: Host, address: str
) -> None:
    endpoint = serve(address, **TRUSTED)
    assert (endpoint.name, endpoint.state, host.asked) == ("churn", "unloaded", [])
    assert caller.predict("/churn/predict", json={"X": ROW}) == [0]
    metadata = caller.get("/churn/metadata").json()
    assert (metadata["source"], metadata["loaded"], metadata["described"]) == ("churn.joblib", True, True)
    assert endpoint.load() is None
    assert len(host.asked) == 1


def test_what_opens_the_address_is_in_no_answer(serve: Serve, caller: Caller, host: Host, address: str) -> None:
    endpoint = serve(address, **TRUSTED)
    host.has["models/churn.joblib"] = status(403)
    said = [caller.post("/churn/predict", json={"X": ROW}).text, repr(endpoint), str(endpoint.metadata())]
    said += [caller.get(f"/churn/{page}").text for page in ("", "metadata", "inspect", "openapi.json")]
    said += [str(endpoint.log), caller.get("/metrics").text]
    assert not any(secret in text for secret in ("pa55word", "s3cr3t") for text in said)


def test_a_new_version_of_it_comes_with_the_next_load_and_the_same_one_does_not(
    serve: Serve, caller: Caller, host: Host, address: str
) -> None:
    endpoint = serve(address, **TRUSTED)
    assert caller.predict("/churn/predict", json={"X": ROW}) == [0]
    endpoint.unload()
    assert caller.predict("/churn/predict", json={"X": ROW}) == [0]
    assert [headers.get("If-None-Match") is None for _, headers in host.asked] == [True, False]
    endpoint.unload()
    host.has["models/churn.joblib"] = dumped(flip=True)
    assert caller.predict("/churn/predict", json={"X": ROW}) == [2]


def test_what_runs_code_and_comes_from_elsewhere_needs_trust_to_be_said(
    serve: Serve, caller: Caller, address: str
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        endpoint = serve(address)
    answer = caller.post("/churn/predict", json={"X": ROW})
    assert (answer.status_code, answer.json()["code"]) == (503, "load_failed")
    assert "would run the code" in answer.json()["error"]
    assert "--trust" in answer.json()["remedy"]
    assert endpoint.state == "failed"
    assert serve(address, **TRUSTED).predict(X=ROW) == [0]
    for trust in (None, False):
        with pytest.raises(LoadError, match="would run the code"):
            nbserve.load(address, trust=trust)


def test_a_host_that_is_away_fails_the_load_and_may_come_back(
    serve: Serve, caller: Caller, host: Host, address: str
) -> None:
    endpoint, data = serve(address, **TRUSTED), host.has["models/churn.joblib"]
    host.has["models/churn.joblib"] = status(503)
    answer = caller.post("/churn/predict", json={"X": ROW})
    assert (answer.status_code, answer.json()["code"]) == (503, "load_failed")
    host.has["models/churn.joblib"] = data
    endpoint.load()
    assert caller.predict("/churn/predict", json={"X": ROW}) == [0]


def test_a_host_that_never_answers_is_given_up_at_the_load_deadline(
    serve: Serve, caller: Caller, host: Host, address: str
) -> None:
    host.has["models/churn.joblib"] = lambda _: host.given_up.wait(30)  # type: ignore[assignment,return-value]
    serve(address, load_deadline_s=0.3, **TRUSTED)
    answer = caller.post("/churn/predict", json={"X": ROW})
    assert (answer.status_code, answer.json()["code"]) == (503, "load_failed")
    assert "0.3 s" in answer.json()["error"]
    with pytest.raises(LoadError, match=r"did not arrive within 0\.3 s"):
        nbserve.load(address, trust=True, load_deadline_s=0.3)


def test_the_progress_of_a_fetch_is_that_of_the_load(serve: Serve, host: Host, address: str) -> None:
    data, half, gate = dumped(), threading.Event(), threading.Event()

    def halves(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[:10])
        half.set()
        gate.wait(20)
        handler.wfile.write(data[10:])
        handler.close_connection = True

    host.has["models/churn.joblib"] = halves
    endpoint = serve(address, **TRUSTED)
    loading = threading.Thread(target=endpoint.load)
    loading.start()
    assert half.wait(20)
    told_so_far: dict[str, Any] = {}
    for _ in range(2000):
        told_so_far = endpoint.metadata()["loading"] or {}
        if told_so_far.get("total_bytes"):
            break
        threading.Event().wait(0.005)
    gate.set()
    loading.join(20)
    assert told_so_far["done_bytes"] in (0, 10)
    assert told_so_far["total_bytes"] == len(data)
    assert endpoint.metadata()["loading"] is None


def test_what_is_larger_than_the_limit_is_not_fetched(serve: Serve, caller: Caller, host: Host, address: str) -> None:
    size = len(dumped())
    serve(address, artifact_limit=size - 1, **TRUSTED)
    answer = caller.post("/churn/predict", json={"X": ROW})
    assert (answer.status_code, "--artifact-limit" in answer.json()["remedy"]) == (503, True)
    serve(address, artifact_limit=size, **TRUSTED)
    assert caller.predict("/churn/predict", json={"X": ROW}) == [0]
    with pytest.raises(LoadError, match="may be fetched"):
        nbserve.load(host.address("models/churn.joblib"), trust=True, artifact_limit="1B")


def test_the_cache_is_where_it_was_said_to_be(serve: Serve, host: Host, address: str, tmp_path: Path) -> None:
    serve(address, cache=tmp_path / "mine", **TRUSTED).load()
    assert [each.name for each in (tmp_path / "mine").rglob("*.joblib")] == ["churn.joblib"]
    assert not (tmp_path / "cache").exists()
    nbserve.load(address, trust=True)
    assert [each.name for each in (tmp_path / "cache").rglob("*.joblib")] == ["churn.joblib"]


def test_a_resource_may_name_an_address(serve: Serve, caller: Caller, host: Host) -> None:
    resource = Resource(model_path=host.address("models/churn.joblib"))
    endpoint = serve(resource, **TRUSTED)
    assert endpoint.metadata()["source"] == "churn.joblib"
    assert caller.predict("/resource/predict", json={"X": ROW}) == [0]
    serve(resource, **TRUSTED)  # again, as when its cell is run again
    assert caller.predict("/resource/predict", json={"X": ROW}) == [0]


def test_a_file_system_of_fsspec_s_is_an_address_too(serve: Serve, tmp_path: Path) -> None:
    fsspec.filesystem("memory").pipe("/shelf/churn.joblib", dumped())
    try:
        options = {"cache": tmp_path / "cache", **TRUSTED}
        assert serve("memory://shelf/churn.joblib", **options).predict(X=ROW) == [0]
        assert nbserve.load("memory://shelf/churn.joblib", **options).model.predict(X[:1]).tolist() == [0]
    finally:
        fsspec.filesystem("memory").rm("/shelf", recursive=True)


def test_the_magic_takes_an_address(shell: Shell, host: Host, address: str) -> None:
    endpoint = shell.run(f"%serve {address} --trust --name far").check().value
    assert endpoint.predict(X=ROW) == [0]
    assert endpoint.name == "far"
    for wrong, sentence in (
        ("memry://m.joblib", "memry addresses are not known"),
        ("models:/churn/1", "mlflow, which is not installed"),
        ("https://", "names no host"),
    ):
        assert sentence in str(shell.run(f"%serve {wrong}").error), wrong


@pytest.mark.parametrize("given", [{"artifact_limit": 0}, {"cache": ""}, {"cache_limit": "much"}])
def test_loading_by_hand_checks_its_options(given: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        nbserve.load("https://127.0.0.1/m.joblib", **given)


def test_loading_by_hand_has_only_the_options_of_a_load() -> None:
    with pytest.raises(TypeError, match="no argument 'threads'"):
        nbserve.load("https://127.0.0.1/m.joblib", threads=3)


def test_a_redirect_out_of_the_web_is_refused_in_a_sentence(serve: Serve, caller: Caller, host: Host) -> None:
    host.has["m.joblib"] = told(302, Location="file:///etc/passwd")
    serve(host.address("m.joblib"), **TRUSTED)
    assert caller.post("/m/predict", json={"X": ROW}).status_code == 503
