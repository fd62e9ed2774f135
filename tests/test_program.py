"""Models served by a program of one's own; the tutorial's, as it stands, among them."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import joblib
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

import nbserve
from nbserve.errors import Conflict, LoadError, ModelRefused, OptionError
from tests.certificates import issued

TUTORIAL = Path(__file__).with_name("tutorial.py")

XOR = [[0, 0], [0, 1], [1, 0], [1, 1]]


@pytest.fixture
def iris() -> LogisticRegression:
    return LogisticRegression(max_iter=500).fit(*load_iris(return_X_y=True))


@contextmanager
def asked(app: nbserve.App) -> Iterator[httpx.Client]:
    """The application behind a real server."""
    from nbserve.web.server import Server

    server = Server(app)
    url = f"http://{server.host}:{server.port}"
    with httpx.Client(base_url=url, headers={"authorization": f"Bearer {app.token}"}, timeout=30) as client:
        try:
            yield client
        finally:
            server.stop()


def test_an_application_serves_models_at_their_paths(iris: LogisticRegression) -> None:
    app = nbserve.App(title="Flowers", version="0.1.0", description="All of them.", docs="/help/")
    app.models.add_model("/iris", iris)
    with asked(app) as client:
        assert client.post("/iris/predict/", json={"X": [[5.1, 3.5, 1.4, 0.2]]}).json() == {"predict_result": [0]}
        assert client.get("/help/").status_code == 307
        document = client.get("/openapi.json").json()
        assert {key: document["info"][key] for key in ("title", "version", "description")} == {
            "title": "Flowers",
            "version": "0.1.0",
            "description": "All of them.",
        }
        client.headers.pop("authorization")
        assert client.get("/iris/metadata/").status_code == 401


def test_a_path_is_taken_once(iris: LogisticRegression) -> None:
    app = nbserve.App()
    app.models.add_model("/iris", iris)
    with pytest.raises(Conflict, match="Something is served at /iris already"):
        app.models.add_model("iris", iris)


def test_what_is_no_application_is_refused() -> None:
    with pytest.raises(ModelRefused, match="An object of type int is no App"):
        nbserve.run(3)  # type: ignore[arg-type]
    with pytest.raises(ModelRefused, match="no App"):
        nbserve.run()
    with pytest.raises(ModelRefused, match="is no component"):
        nbserve.App(components=["sklearn_model.flm"])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("app", "is no place of an App"),
        ("no_such_module:app", "cannot be found"),
        ("nbserve:serv", "has no 'serv'. Did you mean 'serve'"),
    ],
)
def test_a_place_where_no_application_is_found_is_told(place: str, problem: str) -> None:
    with pytest.raises(OptionError, match=re.escape(problem)):
        nbserve.run(place)


def test_a_file_that_is_not_there_is_told_when_it_is_added(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"model\.joblib"):
        nbserve.App().models.add_model("/model", tmp_path / "model.joblib")


@pytest.fixture
def tutorial(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """The tutorial's program, run as a script on a free port; its URL and its token."""
    estimator = MLPClassifier((10,), activation="tanh", max_iter=2000, random_state=0).fit(XOR, [0, 1, 1, 0])
    joblib.dump(estimator, tmp_path / "sklearn_model.flm")
    port = _free_port()
    program = tmp_path / "program.py"
    program.write_text(TUTORIAL.read_text(encoding="utf-8").replace("8080", str(port)), encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("NBSERVE_")}
    running = subprocess.Popen(
        [sys.executable, str(program)], cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert running.stdout is not None
        found = re.match(r"Serving on (http://127\.0\.0\.1:\d+/)\?token=(\S+)", running.stdout.readline())
        assert found is not None
        _until_it_answers(found[1])
        yield found[1], found[2]
    finally:
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=20)
        assert running.returncode in (0, -signal.SIGTERM)


def test_the_tutorial_runs_as_a_script_and_gives_its_sequence(tutorial: tuple[str, str]) -> None:
    url, token = tutorial
    with httpx.Client(base_url=url, headers={"authorization": f"Bearer {token}"}, timeout=30) as client:

        def loaded(path: str) -> bool:
            answer = client.get(path)
            assert answer.status_code == 200, answer.text
            shown: dict[str, Any] = answer.json()["metadata"]
            assert shown["built-in"] == {"verbose_name": "Lazy-loaded ScikitLearn Model", "name": "custom_model"}
            assert shown["custom"].keys() == {"model_version", "library_version", "loaded", "date", "time"}
            return bool(shown["custom"]["loaded"])

        assert not loaded("/model/metadata/")
        assert client.get("/model/inspect/").json()["activation"] == "tanh"
        assert loaded("/model/metadata/")
        assert not loaded("/model/unload/")
        assert not loaded("/model/metadata/")
        assert client.post("/model/predict/", json={"input": XOR}).json() == {"predict_result": [0, 1, 1, 0]}
        assert loaded("/model/metadata/")
        operations = client.get("/openapi.json").json()["paths"]
        assert operations["/model/unload/"]["get"]["summary"] == "Unload the model."
        assert operations["/model/unload/"]["get"]["tags"] == ["Lazy-loaded ScikitLearn Model"]
        assert client.get("/docs/").status_code == 200


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _until_it_answers(url: str) -> None:
    """A process that has just begun: there is nothing to wait for but its port."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            httpx.get(f"{url}health", timeout=5)
        except httpx.TransportError:
            continue
        return
    raise AssertionError("the program does not answer")


def test_a_program_that_others_reach_serves_nothing_without_a_token(iris: LogisticRegression) -> None:
    app = nbserve.App()
    app.models.add_model("/iris", iris, token=False)
    with pytest.raises(OptionError, match="Without a token nothing is served to other machines"):
        nbserve.run(app, server_host="0.0.0.0")
    app.go_public("localhost")


def test_what_a_program_adds_while_others_reach_it_has_a_token(iris: LogisticRegression) -> None:
    app = nbserve.App()
    app.go_public("0.0.0.0")
    app.models.add_model("/iris", iris)
    with pytest.raises(OptionError, match="Without a token"):
        app.models.add_model("/open", iris, token=False)


def test_a_program_speaks_https_with_its_certificate(tmp_path: Path) -> None:
    certfile, port = issued(tmp_path), _free_port()
    files = f"server_certfile={str(certfile)!r}, server_keyfile={str(tmp_path / 'key.pem')!r}"
    program = (
        "import nbserve\napp = nbserve.App()\napp.models.add_model('/size', len)\n"
        f"nbserve.run(app, server_port={port}, {files})\n"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("NBSERVE_")}
    running = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert running.stdout is not None
        found = re.match(r"Serving on (https://127\.0\.0\.1:\d+/)\?token=(\S+)", running.stdout.readline())
        assert found is not None
        with nbserve.Client(f"{found[1]}size/", found[2], verify=tmp_path / "ca.pem", retries=10) as client:
            assert client.inspect()["name"] == "size"
    finally:
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=30)


def test_a_certificate_of_a_program_is_looked_at_before_it_serves(tmp_path: Path) -> None:
    issued(tmp_path)
    for files in ({"server_keyfile": "key.pem"}, {"server_certfile": str(tmp_path / "cert.pem")}):
        with pytest.raises(OptionError, match="key"):
            nbserve.run(nbserve.App(), **files)  # type: ignore[arg-type]
