"""The kernel's side of a link: the Jupyter server's key with the id of a share is that share, and no more."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import Depends

from nbserve import ModelComponent
from nbserve.notebook.session import Session
from nbserve.shares import new_share
from nbserve.web.door import BODY_LIMIT
from tests.client import Caller, assert_error
from tests.conftest import Serve

ROWS = {"X": [[1.0]]}
Ask = Callable[..., httpx.Response]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))


def echo(X):
    return X


@pytest.fixture
def key(session: Session, serve: Serve) -> str:
    serve(echo, name="echo", batch="on")
    serve(echo, name="other")
    return str(session._credentials.key("echo"))


@pytest.fixture
def ask(caller: Caller, key: str) -> Callable[..., Ask]:
    """``ask(rows=3)("POST", "predict/", json=…)``: as the Jupyter server asks for a visitor with such a share."""

    def sharing(name: str = "echo", **terms: Any) -> Ask:
        given = {"notebook": "", "kernel_id": "k", "label": "", "methods": (), "rate": "", "rows": 0, "created": 0.0}
        share, _ = new_share(**(given | {"name": name, "until": time.time() + 60} | terms))

        def asked(verb: str, path: str, **options: Any) -> httpx.Response:
            headers = {"X-Nbserve-Share": share.id, **options.pop("headers", {})}
            return caller.request(verb, f"/echo/{path}", token=key, headers=headers, **options)

        return asked

    return sharing


def test_the_short_way_in_holds_methods_rate_and_rows(ask: Callable[..., Ask]) -> None:
    assert_error(ask(methods=("inspect",))("POST", "predict/", json=ROWS), 403, "token_refused")
    twice = ask(rate="2/h")
    assert [twice("POST", "predict/", json=ROWS).status_code for _ in range(3)] == [200, 200, 429]
    three = ask(rows=3)
    assert three("POST", "predict/", json={"X": [[1.0]] * 2}).status_code == 200
    assert_error(three("POST", "predict/", json={"X": [[1.0]] * 2}), 403, "quota_used")
    assert three("POST", "predict/", json=ROWS).status_code == 200
    assert_error(three("POST", "predict/", json=ROWS), 410, "share_ended")


def test_rows_hold_behind_what_the_whole_application_depends_on(session: Session, ask: Callable[..., Ask]) -> None:
    session.app.router.dependencies.append(Depends(lambda: None))
    three = ask(rows=3)
    assert_error(three("POST", "predict/", json={"X": [[1.0]] * 4}), 403, "quota_used")
    assert three("POST", "predict/", json={"X": [[1.0]] * 3}).status_code == 200
    assert_error(three("GET", "metadata/"), 410, "share_ended")
    assert [ask(rate="1/h")("GET", "inspect/").status_code for _ in range(2)] == [200, 200]


def test_rows_hold_for_calls_that_share_a_run(ask: Callable[..., Ask]) -> None:
    asked = ask(rows=20)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: asked("POST", "predict/", json={"X": [[1.0]] * 3}), range(60)))
    assert [answer.status_code for answer in answers].count(200) == 6
    assert {answer.status_code for answer in answers} == {200, 403}


@pytest.mark.parametrize("batch", ["on", "off"])
@pytest.mark.parametrize("connection", ["keep-alive", "close"])
def test_a_request_of_more_rows_than_are_left_never_reaches_the_model(
    serve: Serve, ask: Callable[..., Ask], batch: str, connection: str
) -> None:
    seen: list[int] = []

    def counts(X):
        seen.append(len(X))
        return X

    serve(counts, name="echo", batch=batch)
    three, options = ask(rows=3), {"headers": {"connection": connection}}
    for body in ({"X": [[1.0]] * 4}, [[1.0]] * 4, {"X": [[1.0]] * 5000}):
        told = assert_error(three("POST", "predict/", json=body, **options), 403, "quota_used")
        assert "3 rows left" in told["error"]
    assert three("POST", "predict/", json={"X": [[1.0]] * 2}, **options).status_code == 200
    assert_error(three("POST", "predict/", json={"X": [[1.0]] * 2}, **options), 403, "quota_used")
    csv = {"connection": connection, "content-type": "text/csv; header=absent"}
    assert_error(three("POST", "predict/", content=b"1\n2\n", headers=csv), 403, "quota_used")
    assert three("POST", "predict/", json={"X": [[1.0]]}, **options).status_code == 200
    assert seen == [2, 1]


def test_what_is_refused_costs_no_row(ask: Callable[..., Ask]) -> None:
    one = ask(rows=1)
    assert_error(one("GET", "nothing/"), 404, "not_found")
    assert_error(one("PUT", "inspect/"), 405, "method_not_allowed")
    assert_error(one("POST", "predict/", json={"Y": 1}), 422, "input_invalid")
    assert_error(one("POST", "nothing/", content=b"x" * (BODY_LIMIT + 1)), 413, "body_too_large")
    assert one("GET", "inspect/").status_code == 200
    assert_error(one("GET", "inspect/"), 410, "share_ended")


def test_what_the_door_refuses_is_counted_once_as_an_error(session: Session, ask: Callable[..., Ask]) -> None:
    asked = ask(label="Ann", rows=5)
    assert_error(asked("OPTIONS", "predict/"), 405, "method_not_allowed")
    assert_error(asked("POST", "predict/?ticket=perhaps", json=ROWS), 422, "input_invalid")
    assert_error(asked("POST", "nothing/", content=b"x" * (BODY_LIMIT + 1)), 413, "body_too_large")
    assert_error(asked("POST", "predict/?x=1", json={"Y": 1}), 422, "input_invalid")
    assert_error(asked("GET", "nothing/"), 404, "not_found")
    (share_id,) = session.access.meters._meters
    use = session.access.meters.use_of(share_id)
    assert (use.requests, use.errors, use.rows, use.refused) == (5, 5, 0, 0)


class Unseen(ModelComponent):
    """Nobody knows its methods before it is loaded."""

    def load_model(self) -> None:
        self.model = echo


def test_rows_hold_for_routes_beside_a_model_that_was_never_seen(
    session: Session, serve: Serve, ask: Callable[..., Ask]
) -> None:
    serve(Unseen(), name="echo")
    assert not session.registry["echo"].is_described
    session.app.add_api_route("/echo/mine/", lambda: "mine")
    two = ask(rows=2)
    assert [two("GET", "mine/").status_code for _ in range(3)] == [200, 200, 410]


@pytest.mark.parametrize("pieces", [1, 2, 5])
def test_a_body_in_pieces_is_counted_once(session: Session, caller: Caller, key: str, pieces: int) -> None:
    given = {"notebook": "", "kernel_id": "k", "label": "", "methods": (), "rate": "3/h", "rows": 0, "created": 0.0}
    share, _ = new_share(name="echo", until=time.time() + 60, **given)
    body = b'{"X": [[1.0], [2.0]]}'
    head = caller.head(authorization=f"Bearer {key}", x_nbserve_share=share.id, content_length=str(len(body)))
    size = -(-len(body) // pieces)
    for expected in (b"200", b"200", b"200", b"429"):
        with caller.connect() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(head)
            for start in range(0, len(body), size):
                connection.sendall(body[start : start + size])
            assert connection.recv(65536).split(b" ")[1] == expected
    use = session.access.meters.use_of(share.id)
    assert (use.requests, use.rows, use.refused) == (3, 6, 1)


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("POST", "load/"),
        ("POST", "unload"),
        ("DELETE", ""),
        ("GET", "shares/"),
        ("POST", "shares/"),
        ("DELETE", "shares/x/"),
        ("GET", "traffic/"),
        ("POST", "//unload/"),
    ],
)
def test_nothing_of_the_owners_is_open(session: Session, ask: Callable[..., Ask], verb: str, path: str) -> None:
    assert_error(ask()(verb, path), 403, "token_refused")
    assert session.registry["echo"].component.state == "loaded"


def test_an_endpoint_that_is_open_is_not_open_to_a_link_that_is_narrow(serve: Serve, ask: Callable[..., Ask]) -> None:
    serve(echo, name="echo", token=False)
    assert_error(ask(methods=("inspect",))("POST", "predict/", json=ROWS), 403, "token_refused")


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/other/metadata/", "/mine/"])
def test_what_is_beside_the_endpoint_is_closed(
    session: Session, caller: Caller, key: str, ask: Callable[..., Ask], path: str
) -> None:
    session.app.add_api_route("/mine/", lambda: "mine")
    share, _ = new_share(
        name="echo",
        notebook="",
        kernel_id="k",
        label="",
        methods=(),
        until=time.time() + 60,
        rate="",
        rows=0,
        created=0.0,
    )
    answer = caller.get(path, token=key, headers={"X-Nbserve-Share": share.id})
    assert_error(answer, 403, "token_refused")


def test_a_share_of_another_endpoint_is_refused_with_this_ones_key(ask: Callable[..., Ask]) -> None:
    assert_error(ask(name="other")("GET", "metadata/"), 403, "token_refused")


@pytest.mark.parametrize("share_id", ["", "nothing", "../x", "é".encode().decode("latin-1")])
def test_an_id_of_nothing_is_refused_and_never_the_owner(caller: Caller, key: str, share_id: str) -> None:
    headers = {"X-Nbserve-Share": share_id.encode("latin-1")}
    assert_error(caller.request("DELETE", "/echo/", token=key, headers=headers), 403, "token_refused")


def test_without_the_key_the_header_means_nothing(session: Session, caller: Caller, serve: Serve) -> None:
    ep = serve(echo, name="echo")
    answer = caller.post("/echo/predict/", token=ep.token, json=ROWS, headers={"X-Nbserve-Share": "nothing"})
    assert answer.json()["predict_result"] == ROWS["X"]


def test_a_page_shows_what_the_link_opens(ask: Callable[..., Ask]) -> None:
    view = ask(methods=("predict",))("GET", "").json()
    assert view["model"]["findings"] == []
    assert view["model"]["parameters"] == {}
    assert view["methods"] == ["predict"]
    assert ask()("GET", "").json()["model"]["findings"] != []
