"""The life cycle step by step: nothing happens before it is told to, and a wrong order is told the missing step."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from nbserve import Endpoint
from nbserve.errors import Conflict, InputError, LoadError, ModelError, ModelRefused, NotFound, OptionError, TooManyRows
from tests.client import PATIENCE_S
from tests.models import IRIS_ROWS, logistic_on_frame

pytestmark = pytest.mark.usefixtures("shell")


class Model:
    """Answers, or fails, as it is told."""

    def predict(self, X: Any) -> Any:
        if len(X) == 13:
            raise RuntimeError("thirteen")
        return X


class Async:
    async def predict(self, X: Any) -> Any:
        await asyncio.sleep(0)
        return X


class Refuses:
    """Fails when it is looked at."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError("It was looked at.")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    joblib.dump(logistic_on_frame(), tmp_path / "iris.joblib")
    return tmp_path / "iris.joblib"


def get(endpoint: Endpoint, path: str) -> Any:
    headers = {"authorization": f"Bearer {endpoint.token}"}
    return httpx.get(endpoint.url + path, headers=headers, timeout=PATIENCE_S, trust_env=False).json()


def post(endpoint: Endpoint, rows: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {endpoint.token}"}
    url = endpoint.url + "predict/"
    return httpx.post(url, headers=headers, json={"X": rows}, timeout=PATIENCE_S, trust_env=False)


# --- step by step


def test_making_an_endpoint_does_nothing_but_check_its_options(tmp_path: Path) -> None:
    for given in (Refuses(), tmp_path / "missing.joblib"):
        endpoint = Endpoint(given, name="later")
        assert (endpoint.name, endpoint.state, endpoint.loaded, endpoint.served) == ("later", "unloaded", False, False)
    with pytest.raises(OptionError, match="no option 'nmae'"):
        Endpoint(Model(), nmae="later")
    with pytest.raises(OptionError, match="threads cannot be 0"):
        Endpoint(Model(), threads=0)


@pytest.mark.parametrize("step", ["load", "serve"])
def test_what_is_wrong_with_the_model_is_told_by_the_step_that_needs_it(tmp_path: Path, step: str) -> None:
    with pytest.raises(LoadError, match=r"missing\.joblib"):
        getattr(Endpoint(tmp_path / "missing.joblib"), step)()
    with pytest.raises(ModelRefused, match="has no model"):
        getattr(Endpoint(), step)()


def test_a_live_object_is_looked_at_and_not_loaded_again() -> None:
    model = Model()
    endpoint = Endpoint(model, name="m")
    endpoint.load()
    assert (endpoint.loaded, endpoint.served, endpoint.state) == (True, False, "loaded")
    assert repr(endpoint) == "<Endpoint m, loaded, not served yet>"
    assert endpoint.predict_from(method="predict", X=[[1]]) == [[1]]
    assert endpoint.metadata()["counters"]["loads"] == 0
    endpoint.load()
    endpoint.serve()
    assert endpoint.metadata()["counters"]["loads"] == 0
    assert (endpoint.loaded, endpoint.served) == (True, True)


def test_a_file_is_loaded_once_and_served_as_it_was_loaded(file: Path) -> None:
    endpoint = Endpoint(file, trust=True)
    endpoint.load()
    assert (endpoint.name, endpoint.loaded, endpoint.served) == ("iris", True, False)
    assert endpoint.inspect()["model"]["task"] == "classification"
    before = endpoint.predict(IRIS_ROWS.tolist())
    endpoint.serve()
    assert endpoint.served
    assert endpoint.predict(IRIS_ROWS.tolist()) == before == post(endpoint, IRIS_ROWS.tolist()).json()["predict_result"]
    assert endpoint.metadata()["counters"]["loads"] == 1
    assert endpoint.metadata()["described"]


def test_serving_needs_no_load(file: Path) -> None:
    endpoint = Endpoint(file, trust=True).serve()
    assert (endpoint.loaded, endpoint.served) == (False, True)
    assert post(endpoint, IRIS_ROWS.tolist()).status_code == 200
    assert endpoint.loaded


WRONG_ORDER: list[tuple[Callable[[Endpoint], Any], str]] = [
    (lambda ep: ep.predict([[1]]), r"not loaded yet\. Call \.load\(\) first, or \.serve\(\)"),
    (lambda ep: ep.predict_from([[1]]), r"not loaded yet\. Call \.load\(\)"),
    (lambda ep: asyncio.run(ep.async_predict([[1]])), r"not loaded yet\. Call \.load\(\)"),
    (lambda ep: ep.inspect(), r"not loaded yet\. Call \.load\(\)"),
    (lambda ep: ep.refresh(), r"not loaded yet\. Call \.load\(\)"),
    (lambda ep: ep.unload(), r"not loaded yet\. Call \.load\(\)"),
    (lambda ep: ep.metadata(), r"not loaded yet\. Call \.load\(\)"),
    (lambda ep: ep.url, r"not served yet\. Call \.serve\(\) first"),
    (lambda ep: ep.token, r"not served yet\. Call \.serve\(\)"),
    (lambda ep: ep.app, r"not served yet\. Call \.serve\(\)"),
    (lambda ep: ep.stop(), r"not served yet\. Call \.serve\(\)"),
]


@pytest.mark.parametrize(("ask", "step"), WRONG_ORDER)
def test_the_wrong_order_is_told_the_missing_step(ask: Callable[[Endpoint], Any], step: str) -> None:
    with pytest.raises(Conflict, match=step):
        ask(Endpoint(Model()))


def test_a_load_that_failed_is_tried_again(tmp_path: Path) -> None:
    endpoint = Endpoint(tmp_path / "late.joblib", trust=True)
    with pytest.raises(LoadError):
        endpoint.load()
    joblib.dump(logistic_on_frame(), tmp_path / "late.joblib")
    endpoint.load()
    assert endpoint.loaded


def test_many_who_load_it_at_once_share_one_load(file: Path) -> None:
    endpoint = Endpoint(file, trust=True)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: endpoint.load(), range(16)))
    assert endpoint.metadata()["counters"]["loads"] == 1


def test_once_served_it_holds_the_model_no_more() -> None:
    model = Model()
    alive = weakref.ref(model)
    endpoint = Endpoint(model, name="m")
    endpoint.load()
    endpoint.serve()
    del model
    endpoint.stop()
    gc.collect()
    assert alive() is None
    assert (endpoint.loaded, endpoint.served, endpoint.state) == (False, False, "stopped")
    with pytest.raises(ModelRefused, match=r"let go of its model\. Serve one"):
        endpoint.serve()


def test_a_file_can_be_served_again_after_it_was_stopped(file: Path) -> None:
    endpoint = Endpoint(file, trust=True).serve()
    endpoint.stop()
    for ask in (endpoint.load, endpoint.refresh, endpoint.stop, endpoint.metadata):
        with pytest.raises(NotFound, match=r"iris was stopped\. Call \.serve\(\) first\."):
            ask()
    assert endpoint.serve().served
    assert len(endpoint.predict(IRIS_ROWS.tolist())) == len(IRIS_ROWS)


def test_what_was_set_outlasts_a_stop(file: Path) -> None:
    endpoint = Endpoint(file, trust=True, max_rows=3).serve()
    endpoint.options.deadline_s = "5s"
    endpoint.stop()
    assert (endpoint.options.deadline_s, endpoint.options.max_rows) == (5.0, 3)
    endpoint.options.max_rows = 2
    with pytest.raises(OptionError, match="deadline cannot be"):
        endpoint.options.deadline_s = "x"
    assert "deadline_s: 5.0" in endpoint.to_yaml()
    endpoint.serve()
    assert (endpoint.options.deadline_s, endpoint.options.max_rows) == (5.0, 2)
    with pytest.raises(TooManyRows):
        endpoint.predict(IRIS_ROWS[:1].tolist() * 3)


def _awaited(ask: Callable[..., Any], *data: Any, **given: Any) -> Any:
    answer = ask(*data, **given)
    return asyncio.run(answer) if asyncio.iscoroutine(answer) else answer


@pytest.mark.parametrize("name", ["predict", "predict_from", "async_predict"])
def test_data_that_is_given_twice_is_refused(name: str) -> None:
    endpoint = Endpoint(Model(), name="m")
    endpoint.load()
    with pytest.raises(InputError, match="'X' is given twice"):
        _awaited(getattr(endpoint, name), [[1]], X=[[2]])


# --- asked before it is served


@pytest.mark.parametrize("model", [Model, Async])
def test_before_it_is_served_it_is_asked_as_it_will_be_over_http(model: type) -> None:
    endpoint = Endpoint(model(), name="m")
    endpoint.load()
    assert endpoint.predict([[1]]) == endpoint.predict_from([[1]]) == [[1]]

    async def cell() -> Any:
        return await asyncio.gather(*(endpoint.async_predict([[n]]) for n in range(20))), endpoint.predict([[2]])

    assert asyncio.run(cell()) == ([[[n]] for n in range(20)], [[2]])
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda n: endpoint.predict([[n]]), range(100, 200))) == [[[n]] for n in range(100, 200)]


def test_errors_are_raised_where_it_is_asked() -> None:
    endpoint = Endpoint(Model(), name="m")
    endpoint.load()
    with pytest.raises(ModelError, match=r"m\.predict raised RuntimeError: thirteen") as raised:
        endpoint.predict([[0]] * 13)
    assert isinstance(raised.value.__cause__, RuntimeError)
    endpoint = Endpoint(logistic_on_frame(), name="iris")
    endpoint.load()
    with pytest.raises(InputError, match="expects a number"):
        endpoint.predict([["a", "b", "c", "d"]])
    with pytest.raises(NotFound, match="Did you mean 'predict_proba'"):
        endpoint.predict(IRIS_ROWS.tolist(), method="predict_prob")


def test_an_unloaded_one_comes_back_when_it_is_asked(file: Path) -> None:
    endpoint = Endpoint(file, trust=True)
    endpoint.load()
    assert endpoint.unload().state == "unloaded"
    assert not endpoint.loaded
    assert len(endpoint.predict(IRIS_ROWS.tolist())) == len(IRIS_ROWS)
    assert endpoint.loaded


def test_a_cell_asks_while_a_request_is_in_flight() -> None:
    is_inside, may_leave = threading.Event(), threading.Event()

    def waits(X: Any) -> Any:
        if len(X) == 2:
            is_inside.set()
            assert may_leave.wait(PATIENCE_S)
        return X

    endpoint = Endpoint(waits, name="m", threads=2).serve()
    with ThreadPoolExecutor(1) as pool:
        in_flight = pool.submit(post, endpoint, [[0], [0]])
        assert is_inside.wait(PATIENCE_S)
        assert endpoint.predict([[1]]) == [[1]]
        may_leave.set()
        assert in_flight.result(PATIENCE_S).json()["predict_result"] == [[0], [0]]


# --- settings


def test_an_option_is_checked_when_it_is_set_and_counts_from_the_refresh_on() -> None:
    endpoint = Endpoint(Model(), name="m", deadline_s="30s").serve()
    assert endpoint.options.deadline_s == 30.0
    endpoint.options.body_limit = "10B"
    assert endpoint.options.body_limit == 10
    assert post(endpoint, [[1, 2, 3, 4, 5]]).status_code == 200
    endpoint.refresh()
    assert post(endpoint, [[1, 2, 3, 4, 5]]).status_code == 413
    endpoint.options.body_limit = None
    endpoint.refresh()
    assert post(endpoint, [[1, 2, 3, 4, 5]]).status_code == 200
    assert endpoint.options.deadline_s == 30.0


def test_what_cannot_be_set_is_refused_and_changes_nothing() -> None:
    endpoint = Endpoint(Model(), name="m").serve()
    with pytest.raises(OptionError, match=r"no option 'deadlin'\. Did you mean 'deadline_s'"):
        endpoint.options.deadlin = 5
    with pytest.raises(OptionError, match="no option 'deadlin'"):
        _ = endpoint.options.deadlin
    assert not hasattr(endpoint.options, "deadlin")
    with pytest.raises(OptionError, match="deadline cannot be 'soon'"):
        endpoint.options.deadline_s = "soon"
    with pytest.raises(OptionError, match="keeps its name"):
        endpoint.options.name = "n"
    endpoint.options.port = 1
    with pytest.raises(OptionError, match="listens on"):
        endpoint.refresh()
    endpoint.refresh()
    assert endpoint.predict([[1]]) == [[1]]
    assert (endpoint.options.deadline_s, endpoint.options.port) == (60.0, None)


def test_an_endpoint_that_is_not_served_yet_can_be_told_everything() -> None:
    endpoint = Endpoint(Model())
    endpoint.options.name = "first"
    endpoint.options.threads = 2
    endpoint.load()
    assert (endpoint.name, endpoint.options.threads) == ("first", 2)
    endpoint.options.name = "second"
    endpoint.refresh()
    assert endpoint.predict([[1]]) == [[1]]
    assert endpoint.serve().url.endswith("/second/")
    assert endpoint.options.threads == 2


def test_the_version_the_token_and_the_counters_outlast_a_changed_option() -> None:
    endpoint = Endpoint(Model(), name="m").serve()
    post(endpoint, [[1]])
    before, token = endpoint.metadata(), endpoint.token
    endpoint.options.threads = 3
    endpoint.refresh()
    after = endpoint.metadata()
    assert (after["version"], after["served_at"], endpoint.token) == (before["version"], before["served_at"], token)
    assert after["counters"]["requests"] == 1
    endpoint.options.token = False
    endpoint.refresh()
    assert endpoint.token is None
    assert httpx.post(endpoint.url + "predict/", json={"X": [[1]]}, trust_env=False).status_code == 200


def test_a_refresh_loads_nothing(file: Path) -> None:
    endpoint = Endpoint(file, trust=True).serve()
    endpoint.refresh()
    endpoint.options.deadline_s = 5
    endpoint.refresh()
    assert (endpoint.loaded, endpoint.options.deadline_s) == (False, 5.0)
    assert post(endpoint, IRIS_ROWS.tolist()).status_code == 200
    endpoint.unload()
    endpoint.options.deadline_s = 6
    endpoint.refresh()
    assert not endpoint.loaded
    assert get(endpoint, "metadata/")["described"]
    endpoint.options.trust = False
    with pytest.raises(LoadError, match="trust"):
        endpoint.refresh()
    assert post(endpoint, IRIS_ROWS.tolist()).status_code == 200


def test_a_model_that_was_fitted_anew_has_its_new_schema_at_once() -> None:
    model = LogisticRegression().fit(np.eye(3), [0, 1, 1])
    endpoint = Endpoint(model, name="m").serve()
    assert _width(endpoint) == 3
    model.fit(np.eye(5), [0, 1, 1, 0, 1])
    assert post(endpoint, [[0] * 5]).status_code == 422
    endpoint.refresh()
    assert _width(endpoint) == 5
    assert post(endpoint, [[0] * 5]).status_code == 200


def _width(endpoint: Endpoint) -> int:
    document = get(endpoint, "openapi.json")
    text = str(document["paths"]["/m/predict/"]["post"]["requestBody"]["content"]["application/json"]["schema"])
    return int(text.partition("'minItems': ")[2].partition(",")[0].rstrip("}"))


@contextmanager
def callers(endpoint: Endpoint, rows: Any, count: int = 4) -> Any:
    """Those who ask again and again; the statuses of their answers."""
    statuses: list[int] = []
    is_over = threading.Event()
    asked = threading.Semaphore(0)

    def ask() -> None:
        headers = {"authorization": f"Bearer {endpoint.token}"}
        with httpx.Client(trust_env=False, timeout=PATIENCE_S, headers=headers) as client:
            while not is_over.is_set():
                statuses.append(client.post(endpoint.url + "predict/", json={"X": rows}).status_code)
                asked.release()

    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(ask) for _ in range(count)]
        yield statuses, asked
        is_over.set()
        for future in futures:
            future.result(PATIENCE_S)


def test_options_change_under_load_without_a_failed_request() -> None:
    endpoint = Endpoint(logistic_on_frame(), name="m").serve()
    with callers(endpoint, IRIS_ROWS.tolist()) as (statuses, asked):
        for turn in range(20):
            endpoint.options.threads = 1 + turn % 3
            endpoint.options.batch = ("on", "off", "auto")[turn % 3]
            endpoint.options.queue = 100 + turn
            endpoint.refresh()
            for _ in range(8):
                assert asked.acquire(timeout=PATIENCE_S)
    assert set(statuses) == {200}
    assert len(statuses) >= 160


def test_the_request_schema_and_the_documents_change_at_once_under_load() -> None:
    endpoint = Endpoint(LogisticRegression().fit(np.eye(3), [0, 1, 1]), name="m").serve()
    before = _schema(endpoint)
    assert "height" not in before
    names = ("age", "height", "weight")
    record = dict.fromkeys(names, 1.0)
    assert post(endpoint, [record]).status_code == 422
    with callers(endpoint, [[1.0, 2.0, 3.0]]) as (statuses, asked):
        for _ in range(4):
            endpoint.options.columns = [{"name": name, "type": "number"} for name in names]
            endpoint.refresh()
            assert "height" in _schema(endpoint)
            assert post(endpoint, [record]).status_code == 200
            endpoint.options.columns = None
            endpoint.refresh()
            assert _schema(endpoint) == before
            for _ in range(4):
                assert asked.acquire(timeout=PATIENCE_S)
    assert set(statuses) == {200}


def _schema(endpoint: Endpoint) -> str:
    body = get(endpoint, "openapi.json")["paths"]["/m/predict/"]["post"]["requestBody"]
    return str(body["content"]["application/json"]["schema"])


def test_what_is_unloaded_before_it_is_served_is_let_go_of_with_the_notebooks_variable(shell: Any) -> None:
    shell.variables["model"] = model = Model()
    endpoint = Endpoint(model, name="m")
    endpoint.load()
    alive = weakref.ref(model)
    del model
    endpoint.unload()
    assert alive() is not None
    shell.run("del model").check()
    gc.collect()
    assert alive() is None
    assert endpoint.predict([[1]]) == [[1]]
