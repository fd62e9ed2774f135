"""Long predictions: a ticket now, and the result when somebody comes for it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from nbserve.core import tickets as core_tickets
from nbserve.notebook.session import Session
from tests.bodies import TYPES, read
from tests.client import PATIENCE_S, Caller, assert_error
from tests.conftest import Serve
from tests.gated import Gated
from tests.kernel.harness import eventually
from tests.models import iris_array, logistic_on_arrays


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def echo(X):
    return X


def asked(caller: Caller, X: Any, name: str = "m", **options: Any) -> str:
    """Where the result of a ticket will be."""
    answer = caller.post(f"/{name}/predict/?ticket=1", json={"X": X}, **options)
    assert answer.status_code == 202, answer.text
    return str(answer.headers["location"])


def in_flight(caller: Caller, count: int, name: str = "m") -> None:
    while caller.get(f"/{name}/metadata").json()["counters"]["in_flight"] != count:
        pass


def test_a_ticket_is_answered_at_once_and_its_result_is_what_the_request_would_have_been_answered(
    serve: Serve, caller: Caller, gated: Gated
) -> None:
    serve(gated, name="m", result_ttl_s="90s")
    answer = caller.post("/m/predict?ticket=1", json={"X": [1, 2]})
    assert answer.status_code == 202
    receipt = answer.json()
    assert receipt == {"ticket": receipt["ticket"], "result_url": answer.headers["location"], "kept_s": 90.0}
    assert receipt["result_url"] == f"/m/result/{receipt['ticket']}/"
    gated.may_leave.set()
    for path in (receipt["result_url"], receipt["result_url"].rstrip("/")):
        result = caller.get(path)
        assert (result.status_code, result.json()) == (200, {"predict_result": [1, 2]})
        assert result.headers["x-predict-id"] == answer.headers["x-predict-id"]
        assert result.headers["content-type"] == "application/json"
        assert 80 <= int(result.headers["x-result-expires-in"]) <= 90
    assert caller.get("/m/metadata").json()["counters"] | {"loads": 0} == {
        "requests": 1,
        "errors": 0,
        "rows": 2,
        "in_flight": 0,
        "loads": 0,
        "unloads": 0,
    }


@pytest.mark.parametrize("timeout", ["0", "0.05", "0.05s"])
def test_a_result_that_is_not_there_in_time_is_408_and_comes_later(
    serve: Serve, caller: Caller, gated: Gated, timeout: str
) -> None:
    serve(gated, name="m")
    where = asked(caller, [1])
    answer = caller.get(f"{where}?timeout={timeout}")
    assert_error(answer, 408, "result_pending")
    assert int(answer.headers["retry-after"]) >= 1
    gated.may_leave.set()
    assert caller.get(where).json()["predict_result"] == [1]
    assert caller.get(f"{where}?timeout={timeout}").json()["predict_result"] == [1]


def test_all_who_wait_are_woken_by_the_result(
    serve: Serve, caller: Caller, gated: Gated, pool: ThreadPoolExecutor
) -> None:
    served = serve(gated, name="m")._served
    where = asked(caller, [1])
    waiting = [pool.submit(caller.get, f"{where}?timeout=600") for _ in range(4)]
    ticket = next(iter(served.tickets._tickets.values()))
    while len(ticket._waiters) < 4:
        pass
    gated.may_leave.set()
    assert [each.result().json()["predict_result"] for each in waiting] == [[1]] * 4
    assert not ticket._waiters


def test_who_waits_and_hangs_up_takes_nothing_with_him(
    serve: Serve, caller: Caller, gated: Gated, pool: ThreadPoolExecutor
) -> None:
    served = serve(gated, name="m")._served
    where = asked(caller, [1])
    ticket = next(iter(served.tickets._tickets.values()))
    gone = caller.connect()
    gone.sendall(caller.head("GET", where))
    while not ticket._waiters:
        pass
    gone.close()
    gated.may_leave.set()
    assert caller.get(where).json()["predict_result"] == [1]


@pytest.mark.parametrize("timeout", ["-1", "601", "soon", "nan", "inf", ""])
def test_a_wait_that_is_none_is_refused(serve: Serve, caller: Caller, timeout: str) -> None:
    serve(echo, name="m")
    where = asked(caller, [1])
    assert caller.get(f"{where}?timeout=600").status_code == 200
    body = assert_error(caller.get(f"{where}?timeout={timeout}"), 422, "input_invalid")
    assert body["remedy"] == "Allowed: seconds from 0 to 600."


def test_a_wish_for_a_ticket_is_yes_or_no(serve: Serve, caller: Caller) -> None:
    serve(echo, name="m")
    for yes in ("1", "true", "True"):
        assert caller.post(f"/m/predict?ticket={yes}", json=[1]).status_code == 202
    for no in ("ticket=0", "ticket=false", "tickets=1", ""):
        assert caller.post(f"/m/predict?{no}", json=[1]).status_code == 200
    body = assert_error(caller.post("/m/predict?ticket=maybe", json=[1]), 422, "input_invalid")
    assert body["error"] == "ticket cannot be 'maybe'."


def test_a_ticket_has_no_deadline(serve: Serve, caller: Caller, gated: Gated) -> None:
    serve(gated, name="m", deadline_s="50ms")
    where = asked(caller, [1])
    assert gated.is_inside.wait(PATIENCE_S)
    assert_error(caller.post("/m/predict", json={"X": [2]}), 504, "deadline_exceeded")
    assert_error(caller.get(f"{where}?timeout=0.2"), 408, "result_pending")
    gated.may_leave.set()
    assert caller.get(where).json()["predict_result"] == [1]


def test_the_result_may_be_an_error_and_is_told_like_one(serve: Serve, caller: Caller) -> None:
    def fails(X: list[int]) -> int:
        raise RuntimeError("broken")

    serve(fails, name="m")
    failed = caller.get(asked(caller, [1]))
    assert_error(failed, 500, "model_failed")
    assert int(failed.headers["x-result-expires-in"]) > 0
    wrong = caller.get(asked(caller, "no list"))
    assert_error(wrong, 422, "input_invalid")
    assert caller.get("/m/metadata").json()["counters"]["errors"] == 2


def test_what_is_plainly_wrong_gets_no_ticket(serve: Serve, caller: Caller, gated: Gated) -> None:
    served = serve(gated, name="m", body_limit=100, queue=1)._served
    assert_error(caller.post("/m/predict?ticket=1", content=b"x" * 101), 413, "body_too_large")
    assert_error(caller.post("/m/nothing?ticket=1", json=[1]), 404, "not_found")
    assert_error(
        caller.post("/m/predict?ticket=1", json=[1], headers={"content-encoding": "gzip"}),
        415,
        "media_type_unsupported",
    )
    first = asked(caller, [1])
    assert gated.is_inside.wait(PATIENCE_S)
    second = asked(caller, [2])
    assert_error(caller.post("/m/predict?ticket=1", json=[3]), 429, "busy")
    assert len(served.tickets._tickets) == 2
    gated.may_leave.set()
    assert [caller.get(each).json()["predict_result"] for each in (first, second)] == [[1], [2]]


def test_tickets_count_as_requests_in_flight(serve: Serve, caller: Caller, gated: Gated) -> None:
    serve(gated, name="m", max_requests=1)
    where = asked(caller, [1])
    assert_error(caller.post("/m/predict?ticket=1", json=[2]), 429, "busy")
    gated.may_leave.set()
    assert caller.get(where).json()["predict_result"] == [1]
    assert caller.predict("/m/predict", json=[3]) == [3]


def test_a_result_has_the_form_that_was_asked_for(serve: Serve, caller: Caller) -> None:
    model = logistic_on_arrays()
    serve(model, name="m")
    where = asked(caller, iris_array().tolist(), headers={"accept": TYPES["npy"]})
    result = caller.get(where)
    assert result.headers["content-type"] == TYPES["npy"]
    assert np.array_equal(read("npy", result.content), model.predict(iris_array()))


# --- whose it is, and how long


def test_a_ticket_is_for_the_token_that_it_was_made_with(serve: Serve, caller: Caller, session: Session) -> None:
    endpoint = serve(echo, name="m")
    other = serve(echo, name="other")
    where = asked(caller, [1], token=endpoint.token)
    assert caller.get(where, token=endpoint.token).status_code == 200
    assert caller.get(f"{where}?token={endpoint.token}", token=None).status_code == 200
    for verb in ("GET", "DELETE"):
        body = assert_error(caller.request(verb, where), 404, "not_found")  # the session's own token
        assert "of yours" in body["error"]
        assert_error(caller.request(verb, where, token=other.token), 403, "token_refused")
        assert_error(caller.request(verb, where, token=None), 401, "token_missing")
        assert_error(caller.request(verb, where.replace("/m/", "/other/")), 404, "not_found")
    assert caller.get(where, token=endpoint.token).status_code == 200


def test_an_open_endpoint_gives_tickets_to_everybody(serve: Serve, caller: Caller) -> None:
    serve(echo, name="m", token=False)
    where = asked(caller, [1], token=None)
    assert caller.get(where, token=None).json()["predict_result"] == [1]


def test_a_result_leaves_when_its_time_is_over(serve: Serve, caller: Caller) -> None:
    served = serve(echo, name="m", result_ttl_s="200ms")._served
    where = asked(caller, [1])
    assert caller.get(where).headers["x-result-expires-in"] == "0"
    while served.tickets._tickets:  # it leaves by itself: nobody asks
        pass
    body = assert_error(caller.get(where), 404, "not_found")
    assert "is gone: its result has expired" in body["error"]
    assert "no ticket 'x' of yours" in assert_error(caller.get("/m/result/x/"), 404, "not_found")["error"]


# --- taken back


def test_a_ticket_that_is_taken_back_leaves_the_queue(
    serve: Serve, caller: Caller, gated: Gated, pool: ThreadPoolExecutor
) -> None:
    served = serve(gated, name="m")._served
    running, waiting = asked(caller, [1]), asked(caller, [2])
    assert gated.is_inside.wait(PATIENCE_S)
    ticket = served.tickets._tickets[waiting.split("/")[3]]
    told = pool.submit(caller.get, waiting)
    while not ticket._waiters:
        pass
    answer = caller.request("DELETE", waiting)
    assert (answer.status_code, answer.json()) == (200, {"ticket": ticket.id, "cancelled": True})
    assert "it was cancelled" in assert_error(told.result(), 404, "not_found")["error"]
    in_flight(caller, 1)
    assert caller.request("DELETE", running).json()["cancelled"]
    in_flight(caller, 0)
    gated.may_leave.set()
    assert caller.predict("/m/predict", json=[3]) == [3]
    assert gated.calls == 2
    assert_error(caller.request("DELETE", running), 404, "not_found")


def test_a_result_that_is_there_is_forgotten(serve: Serve, caller: Caller) -> None:
    serve(echo, name="m")
    where = asked(caller, [1])
    assert caller.get(where).status_code == 200
    assert caller.request("DELETE", where).json()["cancelled"] is False
    assert_error(caller.get(where), 404, "not_found")


# --- beside swaps, unloads and stops


class PutAside(Gated):
    """Its gate is not put aside with it."""

    def __reduce__(self):
        return PutAside, ()


def test_a_swap_and_an_unload_keep_tickets_and_results(
    serve: Serve, caller: Caller, pool: ThreadPoolExecutor, session: Session
) -> None:
    serve(echo, name="m")
    done = asked(caller, [1])
    gated = PutAside()
    serve(gated, name="m")
    pending = asked(caller, [2])
    assert gated.is_inside.wait(PATIENCE_S)
    component = session.registry["m"].component
    unloading = pool.submit(caller.post, "/m/unload")
    assert eventually(lambda: component._is_leaving)
    serve(lambda X: "new", name="m")
    assert caller.post("/m/unload").status_code == 200  # the new one, which nobody has asked yet
    assert not unloading.done()
    gated.may_leave.set()
    assert caller.get(done).json()["predict_result"] == [1]
    assert caller.get(pending).json()["predict_result"] == [2]
    assert caller.get(asked(caller, [3])).json()["predict_result"] == "new"
    assert unloading.result().status_code == 200


def test_an_unload_of_what_cannot_be_put_aside_is_refused_and_keeps_its_tickets(
    serve: Serve, caller: Caller, gated: Gated
) -> None:
    serve(gated, name="m")
    pending = asked(caller, [1])
    assert gated.is_inside.wait(PATIENCE_S)
    assert_error(caller.post("/m/unload"), 507, "spill_failed")
    gated.may_leave.set()
    assert caller.get(pending).json()["predict_result"] == [1]


def test_when_the_endpoint_is_stopped_nobody_waits_any_more(
    serve: Serve, caller: Caller, gated: Gated, pool: ThreadPoolExecutor, session: Session
) -> None:
    serve(echo, name="stays")
    endpoint = serve(gated, name="m")
    served = endpoint._served
    running, waiting = asked(caller, [1]), asked(caller, [2])
    tickets = list(served.tickets._tickets.values())
    told = [pool.submit(caller.get, each) for each in (running, waiting)]
    while not all(each._waiters for each in tickets):
        pass
    endpoint.stop()
    assert all("served no more" in assert_error(each.result(), 404, "not_found")["error"] for each in told)
    gated.may_leave.set()
    serve(echo, name="m")
    assert_error(caller.get(running), 404, "not_found")
    assert gated.calls == 1


def test_a_file_that_was_never_loaded_is_loaded_for_a_ticket(serve: Serve, caller: Caller, tmp_path: Path) -> None:
    model = logistic_on_arrays()
    joblib.dump(model, tmp_path / "m.joblib")
    with pytest.warns(UserWarning, match="runs the code"):
        serve(str(tmp_path / "m.joblib"), name="m")
    where = asked(caller, iris_array().tolist())
    assert caller.get(where).json()["predict_result"] == model.predict(iris_array()).tolist()


def test_a_file_that_does_not_load_is_the_result(serve: Serve, caller: Caller) -> None:
    from nbserve import ModelComponent

    class Broken(ModelComponent):
        def load_model(self) -> None:
            raise OSError("no such store")

    serve(Broken(), name="m")
    assert_error(caller.get(asked(caller, [1])), 503, "load_failed")
    in_flight(caller, 0)


@pytest.mark.parametrize("prefix", ["", "/user/x/nbserve/e/k1"])
def test_the_result_is_below_the_prefix_of_a_proxy(serve: Serve, caller: Caller, prefix: str) -> None:
    serve(echo, name="m")
    answer = caller.post("/m/predict?ticket=1", json=[1], headers={"x-forwarded-prefix": prefix})
    assert answer.headers["location"].startswith(f"{prefix}/m/result/")
    assert answer.json()["result_url"] == answer.headers["location"]
    assert caller.get(answer.headers["location"].removeprefix(prefix)).status_code == 200


# --- as many as may be


def test_as_many_tickets_are_kept_as_may_be_and_those_that_were_seen_make_room(
    serve: Serve, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core_tickets, "MOST_TICKETS", 2)
    serve(echo, name="m")
    first, second = asked(caller, [1]), asked(caller, [2])
    assert_error(caller.post("/m/predict?ticket=1", json=[3]), 429, "busy")
    assert caller.get(second).status_code == 200
    third = asked(caller, [3])
    assert [caller.get(each).status_code for each in (first, second, third)] == [200, 404, 200]
    assert "others needed its place" in caller.get(second).json()["error"]


def test_results_that_weigh_too_much_leave_the_oldest_first(
    serve: Serve, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(lambda X: "x" * X[0], name="m")
    weight = len(caller.get(asked(caller, [100])).content)
    monkeypatch.setattr(core_tickets, "MOST_BYTES", 2 * weight)
    places = []
    for _ in range(3):
        places.append(asked(caller, [100]))
        assert caller.get(places[-1]).status_code == 200
    assert [caller.get(each).status_code for each in places] == [404, 200, 200]
    huge = asked(caller, [1000])
    assert caller.get(huge).status_code == 200
    assert [caller.get(each).status_code for each in places] == [404, 404, 404]


def test_requests_that_wait_may_weigh_so_much(
    serve: Serve, caller: Caller, gated: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core_tickets, "MOST_BYTES", 30)
    serve(gated, name="m")
    first, second = (caller.post("/m/predict?ticket=1", content=b'{"X": [1]}     ') for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 202)
    assert_error(caller.post("/m/predict?ticket=1", content=b"1"), 429, "busy")
    gated.may_leave.set()
    assert caller.get(second.headers["location"]).status_code == 200


def test_many_tickets_at_once_are_each_their_own(serve: Serve, caller: Caller, pool: ThreadPoolExecutor) -> None:
    serve(logistic_on_arrays(), name="m")
    expected = logistic_on_arrays().predict(iris_array()).tolist()

    def ask(n: int) -> Any:
        where = asked(caller, iris_array()[n : n + 2].tolist())
        return caller.get(where).json()["predict_result"]

    assert list(pool.map(ask, range(100))) == [expected[n : n + 2] for n in range(100)]
