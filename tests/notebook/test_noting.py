"""Calls from the notebook are kept with an endpoint's requests, and nothing of what they were given."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import weakref
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from nbserve.errors import InputError, ModelError
from nbserve.notebook.handle import Endpoint
from nbserve.notebook.noting import MOST_VALUES
from nbserve.notebook.verbs import VERBS
from tests.conftest import Serve


class Model:
    def predict(self, X):
        if X[0][0] == 13:
            raise ValueError("unlucky 13")
        return [row[0] for row in X]


def newest(endpoint: Endpoint) -> dict[str, Any]:
    return endpoint.exchange(endpoint.traffic()["exchanges"][0]["id"])


@pytest.fixture
def endpoint(serve: Serve) -> Endpoint:
    return serve(Model(), name="model")


def test_a_call_from_the_notebook_is_kept_as_the_notebooks(endpoint: Endpoint) -> None:
    assert endpoint.predict(X=[[1], [2]]) == [1, 2]
    told = newest(endpoint)
    assert (told["caller"], told["method"], told["rows"], told["status"]) == ("notebook", "predict", 2, 200)
    assert json.loads(told["request"]) == {"X": [[1], [2]]}
    assert json.loads(told["answer"]) == {"predict_result": [1, 2]}
    assert told["ms"] > 0


def test_so_are_native_values_and_awaited_calls(endpoint: Endpoint) -> None:
    endpoint.predict_from(X=np.array([[1.5]]))
    assert json.loads(newest(endpoint)["request"]) == {"X": [[1.5]]}
    asyncio.run(endpoint.async_predict(X=[[3]]))
    assert json.loads(newest(endpoint)["answer"]) == {"predict_result": [3]}


def test_errors_are_kept_with_the_status_that_they_have_over_http(endpoint: Endpoint) -> None:
    with pytest.raises(ModelError):
        endpoint.predict(X=[[13]])
    told = newest(endpoint)
    assert (told["status"], json.loads(told["answer"])["code"]) == (500, "model_failed")
    with pytest.raises(InputError):
        endpoint.predict(Y=[[1]])
    assert newest(endpoint)["status"] == 422
    with pytest.raises(InputError):
        asyncio.run(endpoint.async_predict(Y=[[1]]))
    assert len(endpoint.traffic()["exchanges"]) == 3


def test_what_is_large_is_described_and_let_go_of(endpoint: Endpoint) -> None:
    array = np.zeros((MOST_VALUES + 1, 1))
    alone = sys.getrefcount(array)
    endpoint.predict_from(X=array)
    gc.collect()
    assert sys.getrefcount(array) == alone
    assert newest(endpoint)["request"] == f"Not shown: ndarray of {MOST_VALUES + 1} x 1."
    assert newest(endpoint)["rows"] == MOST_VALUES + 1
    endpoint.predict_from(X=array[:-1])
    assert newest(endpoint)["request"].startswith('{"X":[[0.0],')
    endpoint.predict(X=[[1]] * (MOST_VALUES + 1))
    assert newest(endpoint)["request"] == f"Not shown: list of {MOST_VALUES + 1:,}."


def test_frames_and_objects_are_written_if_they_can_be(serve: Serve) -> None:
    endpoint = serve(lambda X: 1, name="any", mask="age")
    endpoint.predict_from(X=pd.DataFrame({"age": [1234], "fare": [7]}))
    assert "1234" not in json.dumps(newest(endpoint))
    assert "fare" in newest(endpoint)["request"]
    endpoint.predict_from(X=(each for each in range(3)))
    assert newest(endpoint)["request"] == "Not shown: generator."
    endpoint.predict_from(X=[object()])
    assert newest(endpoint)["request"] == "Not shown: it has no JSON form."


def test_a_marked_field_that_there_is_not_is_told_with_the_nearest(serve: Serve) -> None:
    frame = pd.DataFrame({"age": [1.0, 2.0], "fare": [3.0, 4.0]})
    model = LinearRegression().fit(frame, [1, 2])
    with pytest.warns(UserWarning, match=r"no field is called 'agee'. Did you mean 'age'\? It is masked wherever"):
        serve(model, name="model", mask="fare,agee")
    serve(model, name="model", mask="Age,FARE,X,prediction")


def test_without_capture_none_is_kept(serve: Serve) -> None:
    endpoint = serve(Model(), name="model", capture=False)
    endpoint.predict(X=[[1]])
    assert endpoint.traffic() == {"captures": False, "captured_bytes": 0, "exchanges": []}


def test_what_is_kept_of_a_call_holds_neither_the_model_nor_what_it_was_given(serve: Serve) -> None:
    model = Model()
    watched = weakref.ref(model)
    endpoint = serve(model, name="model")
    endpoint.predict(X=[[1]])
    with pytest.raises(ModelError) as kept:
        endpoint.predict(X=[[13]])
    exchanges = endpoint._served.exchanges
    assert exchanges is not None
    endpoint.stop()
    del model
    gc.collect()
    assert watched() is None
    assert len(exchanges.lines()) == 2
    del kept


def test_the_verb_prints_a_line_each(endpoint: Endpoint, capsys: pytest.CaptureFixture[str]) -> None:
    session = endpoint._home
    VERBS["traffic"].run(session, "model")
    assert capsys.readouterr().out == "Nobody has asked yet.\n"
    endpoint.predict(X=[[1], [2]])
    with pytest.raises(InputError):
        endpoint.predict(Y=[[1]])
    VERBS["traffic"].run(session, "model")
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["time", "caller", "method", "rows", "ms", "status"]
    assert [line.split()[1:3] + line.split()[-1:] for line in lines] == [
        ["notebook", "predict", "200"],
        ["notebook", "predict", "422"],
    ]
    assert session.traffic("model") == endpoint.traffic()
    session.serve(Model(), {"name": "model", "capture": False})
    VERBS["traffic"].run(session, "model")
    assert "--no-capture" in capsys.readouterr().out
