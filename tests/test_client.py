"""Both clients before a real server with real models."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor

import nbserve
from nbserve.errors import (
    Busy,
    InputError,
    LoadError,
    MethodNotAllowed,
    ModelError,
    NotFound,
    OptionError,
    TokenMissing,
    TokenRefused,
    Unreachable,
)
from nbserve.notebook.handle import Endpoint
from nbserve.notebook.session import Session
from tests import models
from tests.asking import Awaited
from tests.client import PATIENCE_S, opened
from tests.conftest import Serve
from tests.gated import Gated
from tests.models import CASES, ModelCase

Connect = Callable[..., Any]


class Broken:
    def predict(self, X):
        raise RuntimeError("the model's own bug")


class Iris(nbserve.ModelComponent):
    def load_model(self):
        self.model = models.logistic_on_arrays()


class Shop(nbserve.ModelResource):
    name = "shop"
    component = Iris()

    @nbserve.resource_method("/threshold/", methods=["GET"])
    def threshold(self, scale: float = 1.0) -> dict:
        return {"threshold": 0.5 * scale}

    @nbserve.resource_method("/note/", methods=["POST"])
    def note(self, text: list[str]) -> list[str]:
        return text[::-1]


@pytest.fixture(params=[nbserve.Client, Awaited], ids=["sync", "async"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Make a client of either kind; it is closed after the test."""
    made: list[Any] = []

    def connected(endpoint: Endpoint | str, token: str | None = None, **options: Any) -> Any:
        is_url = isinstance(endpoint, str)
        given = (endpoint, token) if is_url else (endpoint.url, token or endpoint.token)  # type: ignore[union-attr]
        made.append(request.param(*given, **{"timeout": PATIENCE_S, **options}))
        return made[-1]

    yield connected
    for client in made:
        client.end() if isinstance(client, Awaited) else client.close()


@pytest.fixture(scope="module")
def shelf() -> Iterator[Session]:
    """A session that many tests share."""
    with opened() as (session, _):
        session.serve(models.logistic_on_arrays(), {"name": "arrays"})
        session.serve(models.logistic_on_frame(), {"name": "frame"})
        session.serve(models.titanic_pipeline(), {"name": "titanic"})
        session.serve(models.add, {"name": "add"})
        session.serve(Broken(), {"name": "broken"})
        session.serve(Shop, {"name": "shop"})
        yield session


@pytest.fixture
def endpoint(shelf: Session) -> Callable[[str], Endpoint]:
    return lambda name: Endpoint.of(shelf, name)


# --- calls


def test_every_method_answers_what_the_model_answers(connect: Connect, endpoint: Any) -> None:
    model, X = models.logistic_on_arrays(), models.iris_array()[::20]
    client = connect(endpoint("arrays"))
    for method in ("predict", "predict_proba", "decision_function", "predict_log_proba"):
        expected = getattr(model, method)(X)
        for answered in (getattr(client, method)(X), client.call(method, X), client.call(method, X=X)):
            assert answered.dtype == expected.dtype
            np.testing.assert_array_equal(answered, expected)


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if isinstance(case.rows, (np.ndarray, pd.DataFrame)) and not case.namespace],
    ids=str,
)
def test_native_rows_are_answered_as_the_library_answers_them(case: ModelCase, serve: Serve) -> None:
    ep = serve(case.make(), name="model")
    method = ep.metadata()["methods"][0]
    with nbserve.Client(ep.url, ep.token) as client:
        answered = client.call(method, case.rows)
    plain = json.loads(json.dumps(np.asarray(answered).tolist()))
    assert plain == ep.predict(input=case.rows, method=method)
    assert isinstance(answered, np.ndarray if isinstance(case.rows, np.ndarray) else (pd.Series, pd.DataFrame))


def test_the_answer_is_of_the_kind_that_was_asked_with(connect: Connect, endpoint: Any) -> None:
    client, frame = connect(endpoint("frame")), models.iris_frame().iloc[[140, 3]]
    expected = models.logistic_on_frame().predict(frame)
    pd.testing.assert_series_equal(client.predict(frame), pd.Series(expected, index=[140, 3]))
    assert client.predict(pl.from_pandas(frame)).to_list() == expected.tolist()
    assert client.predict(frame.to_dict("records")) == expected.tolist()
    assert client.predict(frame.to_dict("list")) == expected.tolist()
    assert client.predict(frame.to_numpy().tolist()) == expected.tolist()
    np.testing.assert_array_equal(client.predict(frame.to_numpy()), expected)


def test_columns_may_come_in_any_order_and_have_holes_and_categories(connect: Connect, endpoint: Any) -> None:
    frame = models.titanic_input()
    sent = frame.assign(sex=frame["sex"].astype("category"))[frame.columns[::-1]]
    answered = connect(endpoint("titanic")).predict_proba(sent)
    np.testing.assert_array_equal(answered.to_numpy(), models.titanic_pipeline().predict_proba(frame))
    assert answered.index.equals(frame.index)


def test_arguments_go_by_their_names(connect: Connect, serve: Serve) -> None:
    X = models.iris_array()[:20]
    model = GaussianProcessRegressor().fit(X[:, :3], X[:, 3])
    client = connect(serve(model, name="process"))
    mean, deviation = model.predict(X[:5, :3], return_std=True)
    for answered in (client.predict(X[:5, :3], return_std=True), client.predict(X=X[:5, :3], return_std=True)):
        np.testing.assert_allclose(answered[0], mean)
        np.testing.assert_allclose(answered[1], deviation, atol=1e-7)


def test_a_function_is_called_with_what_it_takes(connect: Connect, endpoint: Any) -> None:
    client = connect(endpoint("add"))
    assert client.call(endpoint("add").metadata()["methods"][0], a=1, b=2) == 3
    assert client.call(endpoint("add").metadata()["methods"][0], 5) == 7


def test_moments_arrive_as_moments(connect: Connect, serve: Serve) -> None:
    def years(df):
        return df["at"].dt.year.tolist()

    frame = pd.DataFrame({"at": pd.to_datetime(["2020-01-02", "2024-05-06"])}, index=["p", "q"])
    answered = connect(serve(years, name="years")).call("predict", frame)
    pd.testing.assert_series_equal(answered, pd.Series([2020, 2024], index=["p", "q"]))


def test_the_routes_of_every_endpoint(connect: Connect, serve: Serve) -> None:
    ep = serve(models.logistic_on_arrays(), name="iris")
    client = connect(ep)
    assert client.inspect() == ep.inspect()
    assert client.load()["state"] == "loaded"
    assert client.metadata()["state"] == "loaded"
    assert client.unload()["state"] == "unloaded"
    assert client.metadata()["loaded"] is False
    assert client.load()["state"] == "loaded"
    assert ep.loaded


def test_the_routes_of_a_resource(connect: Connect, endpoint: Any) -> None:
    client = connect(endpoint("shop"))
    assert client.request("GET", "threshold/") == {"threshold": 0.5}
    assert client.request("get", "threshold", params={"scale": 3}) == {"threshold": 1.5}
    assert client.request("POST", "note/", json=np.array(["a", "b"])) == ["b", "a"]
    assert client.request("GET", "metadata")["name"] == "shop"
    with pytest.raises(MethodNotAllowed) as raised:
        client.threshold()
    assert "GET" in raised.value.allowed


def test_any_prefix_and_form_of_the_url_does(connect: Connect, endpoint: Any) -> None:
    ep = endpoint("arrays")
    for url in (ep.url, ep.url.rstrip("/"), ep.url.replace("127.0.0.1", "localhost")):
        assert connect(url, ep.token).metadata()["name"] == "arrays"
    for url in (f"{ep.url}?token={ep.token}", f"{ep.url}#token={ep.token}"):
        assert connect(url).metadata()["name"] == "arrays"


# --- many at once


def test_many_threads_share_a_client_and_each_gets_its_own_answer(endpoint: Any) -> None:
    X, model = models.iris_array(), models.logistic_on_arrays()
    with nbserve.Client(endpoint("arrays").url, endpoint("arrays").token) as client, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda row: client.predict_proba(X[[row]]), range(len(X))))
    np.testing.assert_allclose(np.concatenate(answers), model.predict_proba(X))


def test_many_tasks_share_a_client_and_each_gets_its_own_answer(endpoint: Any) -> None:
    X, model = models.iris_array(), models.logistic_on_arrays()

    async def all_rows() -> list[Any]:
        async with nbserve.AsyncClient(endpoint("arrays").url, endpoint("arrays").token) as client:
            return await asyncio.gather(*(client.predict_proba(X[[row]]) for row in range(len(X))))

    np.testing.assert_allclose(np.concatenate(asyncio.run(all_rows())), model.predict_proba(X))


def test_a_call_that_is_cancelled_ends(serve: Serve, gated: Gated) -> None:
    ep = serve(gated, name="gate")

    async def cancelled() -> None:
        async with nbserve.AsyncClient(ep.url, ep.token) as client:
            task = asyncio.create_task(client.predict([[1]]))
            await asyncio.to_thread(gated.is_inside.wait, PATIENCE_S)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(cancelled())


# --- errors


def test_the_callers_fault_says_where(connect: Connect, endpoint: Any) -> None:
    frame = models.iris_frame().head(2).rename(columns={"petal width (cm)": "petal width"})
    with pytest.raises(InputError, match="unknown column 'petal width'") as raised:
        connect(endpoint("frame")).predict(frame)
    assert raised.value.faults[0].loc == ("X", 0, "petal width")
    assert raised.value.remedy
    assert raised.value.predict_id


def test_the_models_fault_is_not_the_callers(connect: Connect, endpoint: Any) -> None:
    with pytest.raises(ModelError, match="RuntimeError"):
        connect(endpoint("broken")).predict([[1]])


def test_a_method_that_is_not_there_is_told_with_the_nearest(connect: Connect, endpoint: Any) -> None:
    with pytest.raises(NotFound, match="Did you mean 'predict_proba'"):
        connect(endpoint("arrays")).predict_probas([[1, 2, 3, 4]])


def test_who_may_not_is_told(connect: Connect, endpoint: Any) -> None:
    ep = endpoint("arrays")
    with pytest.raises(TokenMissing, match="token is needed"):
        connect(ep.url).metadata()
    with pytest.raises(TokenMissing, match="not one that was issued"):
        connect(ep.url, "sesame").predict([[1, 2, 3, 4]])
    with pytest.raises(TokenRefused):
        connect(ep.url, endpoint("frame").token).metadata()


def test_nobody_there_is_told(connect: Connect, session: Session, serve: Serve) -> None:
    ep = serve(models.add, name="add")
    client = connect(ep, retries=0)
    session.close()
    with pytest.raises(Unreachable, match=r"Nothing answers at 127\.0\.0\.1:\d+: connection refused"):
        client.call("add", a=1)


def test_data_given_twice_is_refused(connect: Connect, endpoint: Any) -> None:
    with pytest.raises(InputError, match="given twice"):
        connect(endpoint("arrays")).predict([[1, 2, 3, 4]], X=[[1, 2, 3, 4]])


@pytest.mark.parametrize("name", ["", "a/b", "../frame/predict", "a b", 5, None], ids=repr)
def test_what_cannot_be_a_method_is_refused(connect: Connect, endpoint: Any, name: Any) -> None:
    with pytest.raises(OptionError, match="no name of a method"):
        connect(endpoint("arrays")).call(name, [[1]])


def test_what_begins_with_an_underscore_is_no_method(connect: Connect, endpoint: Any) -> None:
    client = connect(endpoint("arrays"))
    client = getattr(client, "client", client) if isinstance(client, Awaited) else client
    assert not hasattr(client, "_repr_html_")
    assert not hasattr(client, "__array__")
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(client)


def test_a_closed_client_says_so(endpoint: Any) -> None:
    client = nbserve.Client(endpoint("arrays").url, endpoint("arrays").token)
    client.close()
    client.close()
    with pytest.raises(Unreachable, match="closed"):
        client.metadata()


def test_a_load_that_failed_is_told_and_not_tried_again(connect: Connect, serve: Serve) -> None:
    loads = []

    class Failing(nbserve.ModelComponent):
        def load_model(self):
            loads.append(1)
            raise OSError("the disk is gone")

    client = connect(serve(Failing(), name="failing"))
    for call in (client.load, lambda: client.predict([[1]]), client.inspect):
        with pytest.raises(LoadError, match="the disk is gone"):
            call()
    assert client.metadata()["state"] == "failed"


def test_a_full_queue_is_waited_for_as_long_as_it_says(
    connect: Connect, serve: Serve, gated: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    ep = serve(gated, name="gate", queue=1)
    waits = _open_instead_of_waiting(gated, monkeypatch)
    with _full(ep, gated) as ahead:
        assert connect(ep, retries=100).predict([[3]]) == [[3]]
        assert [each.result(PATIENCE_S) for each in ahead] == [[[1]], [[2]]]
    assert waits
    assert all(seconds >= 1 for seconds in waits)


def test_a_full_queue_is_told_when_nobody_wants_to_wait(connect: Connect, serve: Serve, gated: Gated) -> None:
    ep = serve(gated, name="gate", queue=1)
    with _full(ep, gated):
        with pytest.raises(Busy) as raised:
            connect(ep, retries=0).predict([[3]])
        assert raised.value.retry_after_s >= 1
        gated.may_leave.set()


# --- what is not told, and what is not brought


def test_the_token_is_in_no_text(connect: Connect, endpoint: Any, caplog: pytest.LogCaptureFixture) -> None:
    ep = endpoint("arrays")
    texts = []
    with caplog.at_level(logging.DEBUG):
        client = connect(f"{ep.url}?token={ep.token}", retries=0)
        client.predict([[1, 2, 3, 4]])
        for call in (lambda: client.predict([["n/a"]]), lambda: client.nothing([[1]])):
            with pytest.raises(nbserve.NbserveError) as raised:
                call()
            texts += [str(raised.value), repr(raised.value), repr(vars(raised.value))]
    sync = getattr(client, "client", client) if isinstance(client, Awaited) else client
    texts += [repr(client), str(vars(sync)), repr(sync._http.headers), caplog.text]
    assert repr(client).endswith(f"Client('{ep.url}')")
    assert not any(ep.token in text for text in texts)


ALONE = """
import json, sys
import nbserve
url = sys.argv[1]
with nbserve.Client(url) as client:
    answers = [client.predict([[5.1, 3.5, 1.4, 0.2]]), client.metadata()["name"]]
    try:
        client.predict([[1]])
    except nbserve.NbserveError as error:
        answers.append(error.code)
async def ask():
    async with nbserve.AsyncClient(url) as client:
        return await client.predict([[5.1, 3.5, 1.4, 0.2]])
import asyncio
answers.append(asyncio.run(ask()))
print(json.dumps([answers, sorted({name.partition(".")[0] for name in sys.modules})]))
"""

FOREIGN = {
    *("IPython", "anywidget", "fastapi", "ipykernel", "ipywidgets", "jupyter_server", "numpy", "pandas", "polars"),
    *("pydantic", "scipy", "sklearn", "starlette", "torch", "tornado", "traitlets", "uvicorn"),
}


def test_a_program_that_calls_imports_neither_the_server_nor_jupyter_nor_a_library_of_data(endpoint: Any) -> None:
    ep = endpoint("arrays")
    command = [sys.executable, "-W", "error", "-c", ALONE, f"{ep.url}#token={ep.token}"]
    done = subprocess.run(command, capture_output=True, check=True, text=True, timeout=60)
    answers, brought = json.loads(done.stdout)
    assert answers == [[0], "arrays", "input_invalid", [0]]
    assert FOREIGN.isdisjoint(brought)
    assert done.stderr == ""


def test_the_proxies_of_the_environment_are_for_other_machines(
    connect: Connect, endpoint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert connect(endpoint("arrays")).metadata()["name"] == "arrays"
    with pytest.raises(Unreachable):
        connect("http://model.example/iris/", "t", retries=0).metadata()


def test_both_clients_have_the_same_words() -> None:
    words = {name for name in vars(nbserve.Client) if not name.startswith("_")}
    assert words == {name for name in vars(nbserve.AsyncClient) if not name.startswith("_")}
    for word in words:
        ours, theirs = getattr(nbserve.Client, word), getattr(nbserve.AsyncClient, word)
        own = {name: kind.replace("AsyncTicket", "Ticket") for name, kind in theirs.__annotations__.items()}
        assert ours.__annotations__ == own
        assert ours.__doc__.replace("``client", "``await client") == theirs.__doc__ or ours.__doc__ == theirs.__doc__


def _open_instead_of_waiting(gated: Gated, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the clients would wait; the gate opens meanwhile, and a real, short time goes by."""
    waits: list[float] = []

    def opened(seconds: float) -> None:
        waits.append(seconds)
        gated.may_leave.set()

    async def opened_async(seconds: float) -> None:
        opened(seconds)

    monkeypatch.setattr(nbserve.Client, "_sleep", staticmethod(opened))
    monkeypatch.setattr(nbserve.AsyncClient, "_sleep", staticmethod(opened_async))
    return waits


@contextmanager
def _full(ep: Endpoint, gated: Gated) -> Iterator[list[Future[Any]]]:
    """One call is in the model, and one waits: there is room for no more."""
    with ThreadPoolExecutor(2) as pool:
        ahead = [pool.submit(ep.predict, X=[[1]])]
        assert gated.is_inside.wait(PATIENCE_S)
        served = ep._served
        method = served.method("predict")
        waiting = served.submit(method, lambda method: method.decode({"X": [[2]]}), lambda value: value)
        ahead.append(pool.submit(lambda: waiting.result(PATIENCE_S).value))
        yield ahead
