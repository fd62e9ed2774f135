"""Predictions that a client asks for and fetches later."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

import nbserve
from nbserve.errors import InputError, ModelError, NotFound, OptionError, ResultPending
from tests import models
from tests.asking import Awaited
from tests.conftest import Serve
from tests.gated import Gated

Ask = Callable[..., Any]


@pytest.fixture(params=[nbserve.Client, Awaited], ids=["sync", "async"])
def connect(request: pytest.FixtureRequest) -> Iterator[Ask]:
    made: list[Any] = []

    def connect(endpoint: Any, **options: Any) -> Any:
        made.append(request.param(endpoint.url, endpoint.token, **options))
        return made[-1]

    yield connect
    for client in made:
        client.end() if isinstance(client, Awaited) else client.close()


def done(client: Any, answer: Any) -> Any:
    """What a ticket's method answers, awaited for the test where it is to be."""
    return client.loop.run_until_complete(answer) if inspect.isawaitable(answer) else answer


def test_a_ticket_comes_to_what_the_call_would_have_answered_in_the_kind_of_the_data(
    connect: Ask, serve: Serve
) -> None:
    model = models.logistic_on_arrays()
    client = connect(serve(model, name="iris"))
    rows = models.iris_array()
    array, frame = client.submit("predict_proba", rows), client.submit("predict", pd.DataFrame(rows))
    assert np.array_equal(done(client, array.result()), model.predict_proba(rows))
    assert done(client, frame.result()).tolist() == model.predict(rows).tolist()
    assert np.array_equal(done(client, array.result(timeout=5)), model.predict_proba(rows))
    assert array.id in repr(array)


def test_a_result_that_is_not_there_in_time_is_still_to_come(connect: Ask, serve: Serve, gated: Gated) -> None:
    client = connect(serve(gated, name="m"))
    ticket = client.submit("predict", X=[1])
    with pytest.raises(ResultPending, match="no result"):
        done(client, ticket.result(timeout=0.1))
    gated.may_leave.set()
    assert done(client, ticket.result()) == [1]
    with pytest.raises(OptionError, match="above 0"):
        done(client, ticket.result(timeout=0))


def test_a_wait_is_begun_again_until_the_result_is_there(
    connect: Ask, serve: Serve, gated: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nbserve.client.plans.WAIT_S", 0.02)
    endpoint = serve(gated, name="m")
    client = connect(endpoint, timeout=10)
    ticket = client.submit("predict", [1])
    with pytest.raises(ResultPending):
        done(client, ticket.result(timeout=0.3))
    gated.may_leave.set()
    assert done(client, ticket.result(timeout=10)) == [1]


def test_what_went_wrong_is_raised_where_the_result_is_fetched(connect: Ask, serve: Serve) -> None:
    def fails(X: list[int]) -> int:
        raise RuntimeError("broken")

    client = connect(serve(fails, name="m"))
    with pytest.raises(ModelError, match="broken"):
        done(client, client.submit("predict", [1]).result())
    with pytest.raises(InputError):
        done(client, client.submit("predict", ["x"]).result())
    with pytest.raises(NotFound):
        client.submit("nothing", [1])
    with pytest.raises(OptionError, match="no name of a method"):
        client.submit("no name", [1])


def test_a_ticket_is_taken_back(connect: Ask, serve: Serve, gated: Gated) -> None:
    client = connect(serve(gated, name="m"))
    running, waiting = client.submit("predict", [1]), client.submit("predict", [2])
    assert done(client, waiting.cancel()) is True
    with pytest.raises(NotFound, match="cancelled"):
        done(client, waiting.result())
    gated.may_leave.set()
    assert done(client, running.result()) == [1]
    assert done(client, running.cancel()) is False
    assert gated.calls == 1
