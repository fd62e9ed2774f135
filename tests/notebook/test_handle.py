"""What `serve` returns: everything that can be asked of an endpoint from Python."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import traceback
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pandas as pd
import pytest

from nbserve import Endpoint
from nbserve.errors import Conflict, InputError, ModelError, NotFound
from nbserve.notebook.session import Session
from tests.client import handle
from tests.models import IRIS_ROWS, iris_frame, logistic_on_frame

SOON_S = 20.0


class Model:
    """Answers, or fails, as it is told."""

    def predict(self, X: Any) -> Any:
        if X == [[13]]:
            raise RuntimeError("thirteen")
        return X

    def explain(self, X: Any) -> Any:
        return {"rows": len(X)}


class Async:
    async def predict(self, X: Any) -> Any:
        await asyncio.sleep(0)
        if X == [[13]]:
            raise RuntimeError("thirteen")
        return X


@pytest.fixture
def session() -> Iterator[Session]:
    made = Session({})
    yield made
    made.close()


Serve = Callable[..., Endpoint]


@pytest.fixture
def serve(session: Session) -> Serve:
    return lambda model, **options: handle(session, model, {"name": "m", **options})


def post(endpoint: Endpoint, path: str, body: Any) -> Any:
    headers = {"content-type": "application/json", "authorization": f"Bearer {endpoint.token}"}
    with urlopen(Request(endpoint.url + path, json.dumps(body).encode(), headers), timeout=30) as answer:
        return json.load(answer)


# --- predict


def test_predict_gives_the_same_value_as_over_http(serve: Serve) -> None:
    endpoint = serve(logistic_on_frame())
    rows = IRIS_ROWS.tolist()
    expected = post(endpoint, "predict/", {"X": rows})["predict_result"]
    frame = iris_frame().iloc[:0]
    records = [dict(zip(frame.columns, row, strict=True)) for row in rows]
    for X in (rows, records, IRIS_ROWS, pd.DataFrame(records)):
        assert endpoint.predict(X=X) == expected
        assert endpoint.predict(X) == expected
    assert type(endpoint.predict(X=rows)[0]) is int


def test_predict_from_converts_neither_what_goes_in_nor_what_comes_out(serve: Serve) -> None:
    endpoint = serve(Model())
    marker = [object()]
    assert endpoint.predict_from(X=marker) is marker
    assert endpoint.predict_from(marker) is marker
    answer = serve(logistic_on_frame()).predict_from(X=iris_frame().head(2))
    assert isinstance(answer, np.ndarray)


def test_another_method_can_be_asked_for(serve: Serve) -> None:
    endpoint = serve(Model())
    assert endpoint.predict([[1], [2]], method="explain") == {"rows": 2}
    with pytest.raises(NotFound, match=r"no method 'explian'. Did you mean 'explain'\?"):
        endpoint.predict([[1]], method="explian")


def test_arguments_go_by_name(serve: Serve) -> None:
    endpoint = serve(lambda a, b=2: [a, b])
    assert endpoint.predict(a=1) == [1, 2]
    assert endpoint.predict(a=1, b=3) == [1, 3]
    assert endpoint.predict_from(a=1, b=5) == [1, 5]


@pytest.mark.parametrize("model", [Model, Async])
def test_predict_can_be_awaited_while_the_loop_goes_on(serve: Serve, model: type) -> None:
    endpoint = serve(model())

    async def together() -> Any:
        return await asyncio.gather(*(endpoint.async_predict([[n]]) for n in range(100, 120)))

    assert asyncio.run(together()) == [[[n]] for n in range(100, 120)]


def test_awaiting_leaves_the_loop_free(serve: Serve) -> None:
    gate = threading.Event()

    def waits(X: Any) -> Any:
        assert gate.wait(SOON_S)
        return X

    endpoint = serve(waits)

    async def opens_while_it_waits() -> Any:
        waiting = asyncio.ensure_future(endpoint.async_predict([1]))
        await asyncio.sleep(0)
        gate.set()
        return await waiting

    assert asyncio.run(opens_while_it_waits()) == [1]


@pytest.mark.parametrize("model", [Model, Async])
def test_predict_works_inside_a_running_loop(serve: Serve, model: type) -> None:
    endpoint = serve(model())

    async def cell() -> Any:
        return endpoint.predict([[1]])

    assert asyncio.run(cell()) == [[1]]


@pytest.mark.parametrize("model", [Model, Async])
def test_predict_works_from_many_threads(serve: Serve, model: type) -> None:
    endpoint = serve(model())
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: endpoint.predict([[n + 100]]), range(200)))
    assert answers == [[[n + 100]] for n in range(200)]


# --- errors


@pytest.mark.parametrize("model", [Model, Async])
def test_a_models_own_error_is_raised_with_its_cause(serve: Serve, model: type) -> None:
    endpoint = serve(model())
    with pytest.raises(ModelError, match=r"m\.predict raised RuntimeError: thirteen") as raised:
        endpoint.predict([[13]])
    assert isinstance(raised.value.__cause__, RuntimeError)
    assert "predict" in [frame.name for frame in traceback.extract_tb(raised.value.__cause__.__traceback__)]
    assert any("thirteen" in line for line in endpoint.log)
    with pytest.raises(ModelError, match="thirteen"):
        asyncio.run(endpoint.async_predict([[13]]))
    with pytest.raises(ModelError, match="thirteen"):
        endpoint.predict_from([[13]])


def test_what_is_not_the_models_input_is_an_input_error(serve: Serve) -> None:
    endpoint = serve(logistic_on_frame())
    row = dict.fromkeys(iris_frame().columns, 1.0)
    with pytest.raises(InputError) as refused:
        endpoint.predict(X=[row | {"petal width (cm)": "wide"}])
    assert [fault.loc for fault in refused.value.faults] == [("X", 0, "petal width (cm)")]
    with pytest.raises(InputError):
        endpoint.predict_from(Y=[1])


@pytest.mark.parametrize("ask", ["predict", "predict_from"])
@pytest.mark.parametrize("model", [Model, Async])
def test_an_error_that_is_kept_keeps_no_model(session: Session, model: type, ask: str) -> None:
    served = model()
    alive = weakref.ref(served)
    endpoint = handle(session, served, {"name": "m"})
    with pytest.raises(ModelError) as kept:
        getattr(endpoint, ask)([[13]])
    del served
    endpoint.stop()
    gc.collect()
    assert alive() is None
    assert kept.value.__cause__ is not None


def test_an_error_over_http_keeps_no_model(session: Session) -> None:
    model = Model()
    alive = weakref.ref(model)
    endpoint = handle(session, model, {"name": "m"})
    with pytest.raises(HTTPError, match="500"):
        post(endpoint, "predict/", {"X": [[13]]})
    del model
    endpoint.stop()
    gc.collect()
    assert alive() is None


# --- a model that calls itself


class Recursive:
    endpoint: Endpoint

    def predict(self, X: Any) -> Any:
        n = X[0][0]
        return 1 if n < 2 else n * self.endpoint.predict([[n - 1]])


class AsyncRecursive:
    endpoint: Endpoint

    async def predict(self, X: Any) -> Any:
        n = X[0][0]
        return 1 if n < 2 else n * await self.endpoint.async_predict([[n - 1]])


class AsyncBlocking:
    endpoint: Endpoint

    async def predict(self, X: Any) -> Any:
        return self.endpoint.predict(X)


@pytest.mark.parametrize("model", [Recursive, AsyncRecursive])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_model_that_calls_its_own_endpoint_is_answered(serve: Serve, model: Any, threads: int) -> None:
    served = model()
    served.endpoint = endpoint = serve(served, threads=threads)
    assert endpoint.predict([[5]]) == 120
    assert post(endpoint, "predict/", {"X": [[5]]})["predict_result"] == 120


def test_an_async_model_that_waits_for_its_own_loop_is_told_so(serve: Serve) -> None:
    served = AsyncBlocking()
    served.endpoint = endpoint = serve(served)
    with pytest.raises(ModelError, match=r"ServerError: .*await ep\.async_predict"):
        endpoint.predict([[1]])
    with pytest.raises(HTTPError, match="500"):
        post(endpoint, "predict/", {"X": [[1]]})


# --- routes of the user's own


def test_a_route_can_be_added_while_it_serves(session: Session, serve: Serve) -> None:
    endpoint = serve(Model())
    endpoint.predict([[1]])
    endpoint.app.add_api_route("/mine/{number}", lambda number: {"twice": 2 * int(number)})
    token = session.access.session_token
    with urlopen(f"{session.url}mine/4?token={token}", timeout=30) as answer:
        assert json.load(answer) == {"twice": 8}


@pytest.mark.parametrize(
    ("path", "token", "status", "code"),
    [
        ("mine/4", "", 401, "token_missing"),
        ("mine/4", "nobody's", 401, "token_missing"),
        ("mine/four", None, 500, "model_failed"),
        ("mine", None, 404, "not_found"),
    ],
)
def test_a_route_of_the_users_needs_a_token_and_fails_in_json(
    session: Session, serve: Serve, path: str, token: str | None, status: int, code: str
) -> None:
    serve(Model()).app.add_api_route("/mine/{number}", lambda number: {"twice": 2 * int(number)})
    token = session.access.session_token if token is None else token
    with pytest.raises(HTTPError) as refused:
        urlopen(f"{session.url}{path}?token={token}", timeout=30)
    assert refused.value.code == status
    assert json.load(refused.value)["code"] == code


# --- the handle itself


def test_a_handle_follows_a_swap_and_outlives_its_endpoint(serve: Serve) -> None:
    endpoint = serve(lambda X: "old")
    serve(lambda X: "new")
    assert endpoint.predict([1]) == "new"
    assert (endpoint.state, endpoint.loaded) == ("loaded", True)
    endpoint.stop()
    assert (endpoint.state, endpoint.loaded, endpoint.token) == ("stopped", False, None)
    assert repr(endpoint) == "<Endpoint m, stopped>"
    for ask in (endpoint.stop, endpoint.load, endpoint.unload, endpoint.refresh, endpoint.metadata):
        with pytest.raises(NotFound, match=r"m was stopped\. Serve it anew"):
            ask()
    with pytest.raises(NotFound):
        endpoint.predict([1])


def test_unloading_reports_and_the_next_call_loads_again(serve: Serve) -> None:
    endpoint = serve(Model())
    report = endpoint.unload()
    assert (report.state, report.holders) == ("unloaded", ())
    assert report.freed_bytes >= 0
    assert (endpoint.state, endpoint.loaded) == ("unloaded", False)
    assert endpoint.predict([[1]]) == [[1]]
    assert endpoint.loaded
    endpoint.unload()
    endpoint.load()
    assert endpoint.metadata()["counters"] | {"loads": 2, "unloads": 2} == endpoint.metadata()["counters"]


def test_an_endpoint_can_be_made_first_and_served_later(shell: Any) -> None:
    endpoint = Endpoint(Model(), name="later")
    assert repr(endpoint) == "<Endpoint later, not served yet>"
    assert endpoint.state == "unloaded"
    with pytest.raises(Conflict, match=r"not loaded yet\. Call \.load\(\) first, or \.serve"):
        endpoint.predict([[1]])
    assert endpoint.serve() is endpoint
    assert endpoint.serve() is endpoint
    assert endpoint.metadata()["version"] == 1
    assert endpoint.predict([[1]]) == [[1]]
    assert endpoint._given is None


def test_everything_that_is_served_can_be_had_by_name(shell: Any) -> None:
    import nbserve

    nbserve.serve(Model(), name="one")
    nbserve.serve(Model(), name="two")
    assert [each.name for each in nbserve.endpoints()] == ["one", "two"]
    assert nbserve.get("two").predict([[1]]) == [[1]]
    with pytest.raises(NotFound, match=r"'tow'. Did you mean 'two'\?"):
        nbserve.get("tow")
    nbserve.stop_all()
    assert nbserve.endpoints() == []


def test_its_text_is_one_line_without_the_token(serve: Serve) -> None:
    endpoint = serve(Model())
    assert repr(endpoint).startswith(f"m · loaded · {endpoint.url} · Model")
    assert "\n" not in repr(endpoint)
    assert str(endpoint.token) not in repr(endpoint)


def test_two_models_that_call_each_other_do_not_wait_for_ever(serve: Serve) -> None:
    def ping(X: list[int]) -> list[int]:
        return X if X[0] <= 0 else pongs.predict([X[0] - 1])

    def pong(X: list[int]) -> list[int]:
        return X if X[0] <= 0 else pings.predict([X[0] - 1])

    pings = serve(ping, name="ping", deadline_s="200ms")
    pongs = serve(pong, name="pong", deadline_s="200ms")
    assert pings.predict([1]) == [0]
    with pytest.raises(ModelError, match="did not answer its caller"):
        pings.predict([2])
    assert pings.predict([0]) == pongs.predict([0]) == [0]


def test_what_another_endpoint_refuses_is_the_fault_of_the_model_that_asked_it(serve: Serve) -> None:
    inner = serve(lambda X: len(X) * X.shape[0], name="inner")

    def outer(X: list[int]) -> object:
        return inner.predict(nonsense=1)

    with pytest.raises(ModelError, match="InputError"):
        serve(outer, name="outer").predict([1])
