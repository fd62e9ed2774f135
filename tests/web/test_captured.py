"""The newest requests over HTTP: who may see them, and what of them is kept."""

from __future__ import annotations

import gc
import io
import json
import socket
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from nbserve import resource_method
from nbserve.core.exchanges import MOST
from nbserve.notebook.session import Session
from nbserve.shares import new_share
from tests.client import Caller, assert_error, opened, received
from tests.conftest import Serve
from tests.gated import Gated
from tests.resources import Loads, Scores

SECRET = "a secret"


def double(X):
    return [[2 * each for each in row] for row in X]


@pytest.fixture(scope="module")
def shop() -> Iterator[tuple[Session, Caller]]:
    with opened() as (session, caller):
        session.serve(double, {"name": "double"})
        yield session, caller


def newest(caller: Caller, name: str = "double") -> dict[str, Any]:
    """The newest exchange with what was asked and answered."""
    told = caller.get(f"/{name}/traffic/").json()
    found = caller.get(f"/{name}/traffic/{told['exchanges'][0]['id']}/")
    assert found.status_code == 200
    assert told["exchanges"][0].items() <= found.json().items()
    return dict(found.json())


@pytest.mark.parametrize("connection", ["keep-alive", "close"], ids=["on the line", "by ASGI"])
def test_a_request_is_found_by_its_id_with_what_was_asked_and_answered(
    shop: tuple[Session, Caller], connection: str
) -> None:
    _, caller = shop
    answer = caller.post("/double/predict/", json={"X": [[1], [2]]}, headers={"connection": connection})
    told = newest(caller)
    assert told["id"] == answer.headers["x-predict-id"]
    assert json.loads(told["request"]) == {"X": [[1], [2]]}
    assert told["answer"] == answer.text
    assert (told["caller"], told["method"], told["rows"], told["status"]) == ("127.0.0.1", "predict", 2, 200)
    assert told["answer_bytes"] == len(answer.content)
    assert told["ms"] > 0


@pytest.mark.parametrize("connection", ["keep-alive", "close"])
@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b'{"X": 5}', {}, 500),
        (b'{"Y": 5}', {}, 422),
        (b"{", {}, 422),
        (b"", {"content-type": "text/plain"}, 415),
        (b"1", {"content-encoding": "gzip"}, 415),
    ],
)
def test_errors_are_kept_too(
    shop: tuple[Session, Caller], connection: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    _, caller = shop
    answer = caller.post("/double/predict/", content=body, headers={**headers, "connection": connection})
    told = newest(caller)
    assert (told["id"], told["status"]) == (answer.headers["x-predict-id"], status)
    assert told["answer"] == answer.text
    assert told["request_bytes"] == len(body)


def test_who_was_not_let_in_is_none_of_the_endpoints_traffic(shop: tuple[Session, Caller]) -> None:
    _, caller = shop
    before = caller.get("/double/traffic/").json()
    assert_error(caller.post("/double/predict/", json={"X": [[1]]}, token="wrong"), 401, "token_missing")
    assert caller.get("/double/traffic/").json() == before


def test_the_traffic_is_the_owners_alone(shop: tuple[Session, Caller]) -> None:
    session, caller = shop
    caller.predict("/double/predict/", json={"X": [[1]]})
    ident = newest(caller)["id"]
    for path in ("/double/traffic/", f"/double/traffic/{ident}/", "/double/traffic/nothing/"):
        assert_error(caller.get(path, token=session.token("double")), 403, "token_refused")
        assert_error(caller.get(path, token=None), 401, "token_missing")
        assert_error(caller.get(path, token=session.access.issue_key("another")), 403, "token_refused")
    assert caller.get("/double/traffic/", token=session.access.issue_key("double")).status_code == 200


def test_an_endpoint_without_a_token_shows_its_traffic_to_its_owner_alone(serve: Serve, caller: Caller) -> None:
    serve(double, name="free", token=False)
    caller.predict("/free/predict/", json={"X": [[1]]}, token=None)
    assert_error(caller.get("/free/traffic/", token=None), 403, "token_refused")
    assert len(caller.get("/free/traffic/").json()["exchanges"]) == 1


def test_what_is_not_kept_is_not_found(shop: tuple[Session, Caller]) -> None:
    _, caller = shop
    assert_error(caller.get("/double/traffic/0/"), 404, "not_found")
    assert_error(caller.get("/double/traffic/%00%ff/"), 404, "not_found")


def test_a_visitor_cannot_say_who_he_is_and_the_key_can(serve: Serve, session: Session, caller: Caller) -> None:
    serve(double, name="double")
    said = {"x-nbserve-user": "Ada%20L%C3%B6we%0A%00"}
    for connection in ("keep-alive", "close"):
        for token, expected in (
            (session.token("double"), "127.0.0.1"),
            (session.access.issue_key("double"), "Ada Löwe"),
        ):
            headers = {**said, "connection": connection}
            caller.predict("/double/predict/", json={"X": [[1]]}, token=token, headers=headers)
            assert newest(caller)["caller"] == expected
    key = session.access.issue_key("double")
    caller.predict("/double/predict/", json={"X": [[1]]}, token=key, headers={"x-nbserve-user": "x" * 5000})
    assert newest(caller)["caller"] == "x" * 100


def test_who_comes_by_a_link_is_named_by_its_label_and_sees_nothing_of_others(
    serve: Serve, session: Session, caller: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    serve(double, name="double")
    terms: dict[str, Any] = {"notebook": "", "kernel_id": "k1", "until": time.time() + 60, "methods": (), "rate": ""}
    share = new_share(name="double", label="a colleague", rows=0, created=0.0, **terms)[0]
    key = session.access.issue_key("double")
    for connection in ("keep-alive", "close"):
        headers = {"x-nbserve-share": share.id, "x-nbserve-user": "the queen", "connection": connection}
        caller.predict("/double/predict/", json={"X": [[1]]}, token=key, headers=headers)
        ident = newest(caller)["id"]
        assert newest(caller)["caller"] == "a colleague"
        for path in ("/double/traffic/", f"/double/traffic/{ident}/"):
            assert_error(caller.get(path, token=key, headers=headers), 403, "token_refused")


def test_who_hangs_up_and_who_waits_too_long_are_kept(serve: Serve, caller: Caller, gated: Gated) -> None:
    serve(gated, name="slow", deadline_s=0.2)
    assert_error(caller.post("/slow/predict/", json={"X": [[1]]}), 504, "deadline_exceeded")
    assert newest(caller, "slow")["status"] == 504
    body = b'{"X": [[2]]}'
    with caller.connect() as connection:
        connection.sendall(caller.head("POST", "/slow/predict/", content_length=str(len(body))) + body)
        connection.shutdown(socket.SHUT_WR)
        received(connection)
    told = newest(caller, "slow")
    assert (told["status"], json.loads(told["request"])) == (408, {"X": [[2]]})


def test_a_swap_keeps_what_was_asked_and_drops_it_with_another_mask(serve: Serve, caller: Caller) -> None:
    serve(double, name="double")
    caller.predict("/double/predict/", json={"X": [[1]]})
    serve(double, name="double")
    assert len(caller.get("/double/traffic/").json()["exchanges"]) == 1
    serve(double, name="double", mask="age")
    assert caller.get("/double/traffic/").json() == {"captures": True, "captured_bytes": 0, "exchanges": []}
    caller.predict("/double/predict/", json={"X": [[1]]})
    serve(double, name="double", mask="age", capture=False)
    serve(double, name="double", mask="age")
    assert caller.get("/double/traffic/").json()["exchanges"] == []


def test_a_request_in_flight_is_kept_under_the_mask_it_came_under(serve: Serve, caller: Caller, gated: Gated) -> None:
    serve(gated, name="slow")
    body = b'{"X": [["a secret"]]}'
    with caller.connect() as connection:
        connection.sendall(caller.head("POST", "/slow/predict/", content_length=str(len(body))) + body)
        assert gated.is_inside.wait(20)
        serve(double, name="slow", mask="age")
        gated.may_leave.set()
        assert b"a secret" in connection.recv(65536)
    assert caller.get("/slow/traffic/").json()["exchanges"] == []


def test_without_capture_nothing_is_kept(serve: Serve, session: Session, caller: Caller) -> None:
    serve(double, name="double", capture=False)
    answer = caller.post("/double/predict/", json={"X": [[1]]})
    assert caller.get("/double/traffic/").json() == {"captures": False, "captured_bytes": 0, "exchanges": []}
    assert_error(caller.get(f"/double/traffic/{answer.headers['x-predict-id']}/"), 404, "not_found")
    assert session.registry["double"].exchanges is None
    assert caller.get("/double/metadata/").json()["counters"]["requests"] == 1


def test_so_many_are_kept(serve: Serve, caller: Caller) -> None:
    serve(double, name="double")
    idents = [caller.post("/double/predict/", json={"X": [[1]]}).headers["x-predict-id"] for _ in range(MOST + 1)]
    kept = [each["id"] for each in caller.get("/double/traffic/").json()["exchanges"]]
    assert kept == idents[:0:-1]


# --- masked


PEOPLE = pd.DataFrame({"age": [30.0, 40.0], "fare": [7.0, 8.0]})


@pytest.fixture(scope="module")
def people() -> Iterator[Caller]:
    with opened() as (session, caller):
        session.serve(LinearRegression().fit(PEOPLE, [1, 2]), {"name": "people", "mask": "age"})
        yield caller


@pytest.mark.parametrize("connection", ["keep-alive", "close"])
@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([{"age": 5555, "fare": 7}], [{"age": "•••", "fare": 7}]),
        ([[5555, 7]], [["•••", 7]]),
        ({"age": [5555], "fare": [7]}, {"age": "•••", "fare": [7]}),
        ([{"age": "5555", "fare": 7}], [{"age": "•••", "fare": 7}]),
        ([["5555", "x"]], [["•••", "x"]]),
        ([[5555]], ["•••"]),
        ([5555], ["•••"]),
        ([{"aeg": "5555", "fare": 7}], [{"aeg": "•••", "fare": 7}]),
    ],
    ids=str,
)
def test_marked_fields_are_masked_in_requests_and_in_errors_about_them(
    people: Caller, connection: str, rows: Any, expected: Any
) -> None:
    answer = people.post("/people/predict/", json={"X": rows}, headers={"connection": connection})
    told = newest(people, "people")
    assert "5555" not in json.dumps(told)
    assert told["status"] == answer.status_code
    assert json.loads(told["request"])["X"] == expected
    if answer.status_code != 200:
        assert json.loads(told["answer"])["code"] == answer.json()["code"]


def test_an_error_about_another_field_keeps_its_words(people: Caller) -> None:
    answer = people.post("/people/predict/", json={"X": [{"age": 5, "fare": "n/a"}]})
    told = newest(people, "people")
    assert "'n/a'" in answer.json()["error"]
    assert told["answer"] == answer.text


def test_marked_fields_are_masked_in_other_formats_and_in_queries(people: Caller) -> None:
    csv = {"content-type": "text/csv"}
    assert (
        people.post("/people/predict/?age=5555&token=5555", content="fare,age\n7,5555\n", headers=csv).status_code
        == 422
    )
    told = newest(people, "people")
    assert told["request"].split() == ["fare,age", "7,•••"]
    assert told["query"] == "age=•••&token=•••"
    file = io.BytesIO()
    np.save(file, [[5555.0, 7.0]])
    npy = {"content-type": "application/x-npy", "accept": "application/x-npy"}
    assert people.post("/people/predict/", content=file.getvalue(), headers=npy).status_code == 200
    told = newest(people, "people")
    assert told["request"] == f"Not shown: {len(file.getvalue())} bytes of application/x-npy."
    assert told["answer"].endswith("bytes of application/x-npy.")


# --- memory


class Large:
    """A model that can be watched."""

    def predict(self, X):
        return [0 for _ in X]


def test_nothing_that_is_kept_holds_the_model(serve: Serve, session: Session, caller: Caller) -> None:
    model = Large()
    watched = weakref.ref(model)
    serve(model, name="large")
    for body in ({"X": [[1]]}, {"Y": 1}, {"X": 5}):
        caller.post("/large/predict/", json=body)
        caller.post("/large/predict/", json=body, headers={"connection": "close"})
    exchanges = session.registry["large"].exchanges
    assert exchanges is not None
    del model
    session.unserve("large")
    gc.collect()
    assert watched() is None
    assert len(exchanges.lines()) == 6


def test_a_large_body_is_let_go_of(serve: Serve, session: Session, caller: Caller) -> None:
    serve(Large(), name="large")
    rows = json.dumps({"X": [[1.5] * 10] * 100_000})
    answer = caller.post("/large/predict/", content=rows, headers={"content-type": "application/json"})
    assert answer.status_code == 200
    told = newest(caller, "large")
    assert told["request"].endswith(f"… the first 65,536 of {len(rows):,} bytes.")
    assert told["request_bytes"] == len(rows)
    assert caller.get("/large/traffic/").json()["captured_bytes"] < 140_000
    exchanges = session.registry["large"].exchanges
    assert exchanges is not None
    assert len(exchanges._kept[0].sent) < 66_000


def test_the_rate_is_told(serve: Serve, caller: Caller) -> None:
    serve(double, name="double")
    assert caller.get("/double/metadata/").json()["rate"] == 0
    caller.predict("/double/predict/", json={"X": [[1]]})
    assert 0 < caller.get("/double/metadata/").json()["rate"] <= 1


def test_a_resources_own_route_of_that_name_takes_the_place_of_both(serve: Serve, caller: Caller) -> None:
    class Own(Scores):
        @resource_method("/traffic/", methods=["GET"])
        def traffic(self):
            return {"cars": 3}

    serve(Own(component=Loads()), name="own")
    assert caller.get("/own/traffic/").json() == {"cars": 3}
    assert_error(caller.get("/own/traffic/0/"), 404, "not_found")
    assert not any("traffic/{id}" in path for path in caller.get("/own/openapi.json").json()["paths"])


def test_it_is_documented(shop: tuple[Session, Caller]) -> None:
    _, caller = shop
    paths = caller.get("/openapi.json").json()["paths"]
    assert set(paths["/double/traffic/"]) == set(paths["/double/traffic/{id}/"]) == {"get"}


def test_head_is_answered(shop: tuple[Session, Caller]) -> None:
    answer: httpx.Response = shop[1].request("HEAD", "/double/traffic")
    assert (answer.status_code, answer.content) == (200, b"")
