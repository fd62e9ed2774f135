"""An endpoint is stopped over HTTP, by its owner alone."""

from __future__ import annotations

from collections.abc import Callable

from nbserve.notebook.session import Session
from tests.client import Caller, assert_error
from tests.gated import Gated


class Model:
    def predict(self, X):
        return X


def test_the_owner_stops_an_endpoint_and_its_tokens_with_it(serve: Callable, session: Session, caller: Caller) -> None:
    serve(Model(), name="iris")
    serve(Model(), name="other")
    token, key = session.token("iris"), session.access.issue_key("iris")
    answer = caller.request("DELETE", "/iris/", token=key)
    assert (answer.status_code, answer.json()) == (200, {"name": "iris", "stopped": True})
    assert [each.name for each in session.registry] == ["other"]
    assert_error(caller.get("/iris/"), 404, "not_found")
    assert_error(caller.get("/iris/", token=token), 401, "token_missing")


def test_the_endpoints_own_token_and_no_token_do_not_stop_it(serve: Callable, session: Session, caller: Caller) -> None:
    serve(Model(), name="iris")
    serve(Model(), name="free", token=False)
    refused = caller.request("DELETE", "/iris", token=session.token("iris"))
    assert "%unserve" in assert_error(refused, 403, "token_refused")["remedy"]
    assert_error(caller.request("DELETE", "/free", token=None), 403, "token_refused")
    assert_error(caller.request("DELETE", "/free", token=session.access.issue_key("iris")), 403, "token_refused")
    assert len(session.registry) == 2


def test_who_has_asked_before_the_stop_is_answered(serve: Callable, session: Session, caller: Caller) -> None:
    from concurrent.futures import ThreadPoolExecutor

    model = Gated()
    serve(model, name="slow")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(caller.predict, "/slow/predict", json={"X": [[1]]})
        assert model.is_inside.wait(10)
        other = Caller(session)
        assert other.request("DELETE", "/slow").status_code == 200
        other.close()
        model.may_leave.set()
        assert asked.result(10) == [[1]]
