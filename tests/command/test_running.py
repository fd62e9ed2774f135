"""``nbserve run``: models served by a process of its own, to its end."""

from __future__ import annotations

import os
import pickle
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import joblib
import pytest
from sklearn.linear_model import LogisticRegression

from tests.command.served import START_S, running, started
from tests.models import IRIS_ROWS

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.name != "posix", reason="signals and FIFOs are of POSIX"),
]

MODELS = """
import os, sys

class Modules:
    def predict(self, X):
        return sorted({name.partition(".")[0] for name in sys.modules})

class Process:
    def predict(self, X):
        return os.getpid()

class Gated:
    def predict(self, X):
        open("inside", "w").close()
        open("go").close()
        return X

class Fails:
    def predict(self, X):
        print("printed")
        raise RuntimeError("it fails")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A module of models, and each of them in a file."""
    (tmp_path / "small_models.py").write_text(MODELS)
    for name in ("Modules", "Process", "Gated", "Fails"):
        (tmp_path / f"{name.lower()}.pkl").write_bytes(_pickled(name))
    return tmp_path


def _pickled(name: str) -> bytes:
    """An object of a class that is not known here."""
    return b"\x80\x04c" + f"small_models\n{name}\n".encode() + b")\x81."


def test_the_pickles_are_what_pickle_writes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(folder))
    assert type(pickle.loads((folder / "gated.pkl").read_bytes())).__name__ == "Gated"


def test_a_file_is_served_until_it_is_told_to_end(tmp_path: Path) -> None:
    model = LogisticRegression().fit(IRIS_ROWS, range(len(IRIS_ROWS)))
    joblib.dump(model, tmp_path / "iris.joblib")
    with running("iris.joblib", "--port", "0", folder=tmp_path) as served:
        assert served.said.startswith("Serving iris on http://127.0.0.1:")
        answer = served.predict("iris", IRIS_ROWS.tolist())
        assert answer.json()["predict_result"] == model.predict(IRIS_ROWS).tolist()
        assert httpx.get(served.url, trust_env=False).status_code == 401
        for path in ("", "docs", "openapi.json", "iris/", "iris/inspect/", "iris/metadata/", "health", "ready"):
            assert served.get(path).status_code == 200, path
        code, said, told = served.end()
    assert (code, said) == (0, "")
    assert told == "nbserve: Loading iris.joblib runs the code that is in it; --trust says that you trust it.\n"


def test_no_library_but_the_models_own_is_imported(folder: Path) -> None:
    with running("modules.pkl", "--trust", "--port", "0", folder=folder) as served:
        imported = set(served.predict("modules", [1]).json()["predict_result"])
        assert "small_models" in imported
        assert not imported & {
            *("sklearn", "scipy", "torch", "keras", "tensorflow", "pandas", "polars", "pyarrow", "joblib", "xgboost"),
            *("lightgbm", "catboost", "onnxruntime", "transformers", "skops", "flama", "matplotlib", "httpx"),
            *("IPython", "ipykernel", "ipywidgets", "anywidget", "traitlets", "tornado", "jupyter_server"),
        }


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGTERM, 1), (signal.SIGHUP, 1), (signal.SIGHUP, 2)])
def test_what_is_in_flight_is_answered_before_it_ends(folder: Path, number: int, workers: int) -> None:
    for name in ("inside", "go"):
        os.mkfifo(folder / name)
    with (
        running("gated.pkl", "--trust", "--port", "0", "--workers", str(workers), folder=folder) as served,
        ThreadPoolExecutor(1) as pool,
    ):
        in_flight = pool.submit(served.predict, "gated", [7])
        (folder / "inside").read_text()  # it is in the model
        served.process.send_signal(number)
        (folder / "go").write_text("")
        assert in_flight.result(START_S).json()["predict_result"] == [7]
        assert served.end(None)[0] == 0
        with pytest.raises(httpx.ConnectError):
            served.get("health")


def test_a_model_that_hangs_and_many_signals_keep_nobody_from_ending_it(folder: Path) -> None:
    for name in ("inside", "go"):
        os.mkfifo(folder / name)
    with running("gated.pkl", "--trust", "--port", "0", folder=folder) as served, ThreadPoolExecutor(1) as pool:
        in_flight = pool.submit(served.predict, "gated", [7])
        (folder / "inside").read_text()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):  # whichever comes to be heard when
            served.process.send_signal(number)
        assert served.end(None)[0] in (0, -signal.SIGINT)
        with pytest.raises(httpx.TransportError):
            in_flight.result(START_S)


def _write_gated_load(folder: Path) -> None:
    """A model that says when it is being loaded, and waits then."""
    for name in ("loading", "go"):
        os.mkfifo(folder / name)
    (folder / "slow_models.py").write_text('open("loading", "w").close(); open("go").close()\ndef slow(X): return X\n')
    (folder / "slow.pkl").write_bytes(b"\x80\x04cslow_models\nslow\n.")


def test_it_is_ready_when_everything_is_loaded(folder: Path) -> None:
    _write_gated_load(folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = ("slow.pkl", "--trust", "--no-token", "--port", str(port))
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(_started, words, folder)
        (folder / "loading").read_text()
        ready = httpx.get(f"http://127.0.0.1:{port}/ready", trust_env=False, timeout=START_S)
        assert (ready.status_code, ready.json()["ready"]) == (503, False)
        assert httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False, timeout=START_S).status_code == 200
        (folder / "go").write_text("")
        assert starting.result(START_S) == 200


def _started(words: tuple[str, ...], folder: Path) -> int:
    with running(*words, folder=folder) as served:
        return served.get("ready").status_code


def test_a_file_of_settings_is_served_and_flags_go_before_it(folder: Path) -> None:
    (folder / "all.yaml").write_text(
        "token: off\ntrust: true\nport: 0\nendpoints:\n"
        "  one: {model: process.pkl, threads: 2}\n  two: {model: missing-is-not-looked-for.pkl}\n".replace(
            "missing-is-not-looked-for", "process"
        )
    )
    with running("all.yaml", "--no-eager", folder=folder) as served:
        assert served.said.startswith("Serving one, two on http://127.0.0.1:")
        assert served.token is None
        assert served.get("one/metadata/").json()["state"] == "unloaded"
        assert served.predict("one", [1]).json() == served.predict("two", [1]).json()


def test_what_models_print_and_raise_is_told_on_stderr(folder: Path) -> None:
    with running("fails.pkl", "--trust", "--port", "0", folder=folder) as served:
        assert served.predict("fails", [1]).status_code == 500
        told = served.end()[2]
    assert "printed\n" in told
    assert "RuntimeError: it fails" in told
    assert str(served.token) not in told


def test_workers_share_the_port_and_the_token(folder: Path) -> None:
    environment = {"NBSERVE_SESSION_TOKEN": "a-token-of-mine"}
    words = ("process.pkl", "--trust", "--port", "0", "--workers", "2")
    with running(*words, folder=folder, **environment) as served:
        assert served.said.startswith("Serving by 2 workers on ")
        assert served.token == "a-token-of-mine"
        found: set[int] = set()
        for _ in range(500):
            found.add(served.predict("process", [1]).json()["predict_result"])
            if len(found) == 2:
                break
        assert len(found) == 2
        assert served.process.pid not in found
        code, said, told = served.end()
    assert (code, said, told) == (0, "", "")
    for pid in found:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_workers_that_cannot_start_say_why_once(tmp_path: Path) -> None:
    with running("missing.joblib", "--workers", "2", "--port", "0", folder=tmp_path) as served:
        code, _, told = served.end()
    assert code == 1
    assert told.count("There is no file 'missing.joblib'") == 1


def test_who_is_to_ignore_that_the_terminal_was_closed_does(folder: Path) -> None:
    """As by `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with running("process.pkl", "--trust", "--port", "0", folder=folder) as served:
            served.process.send_signal(signal.SIGHUP)
            assert served.predict("process", [1]).json()["predict_result"] == served.process.pid
            assert served.end()[0] == 0
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("workers", [1, 2])
def test_who_is_told_to_end_while_a_model_loads_ends(folder: Path, number: int, workers: int) -> None:
    """The load itself would go on for ever."""
    _write_gated_load(folder)
    with started("slow.pkl", "--trust", "--port", "0", "--workers", str(workers), folder=folder) as process:
        (folder / "loading").read_text()
        process.send_signal(number)
        assert process.communicate(timeout=START_S) == ("", "")
    assert process.returncode == 0
