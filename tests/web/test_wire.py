"""What comes over the wire when clients are broken, gone, or up to something: never a 500, never a hang."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.client import Caller, assert_error, opened, received
from tests.conftest import Serve

BODY = b'{"X": [[1, 2]]}'
CLOSE = {"connection": "close"}


def echo(X):
    return X


@pytest.fixture(scope="module")
def shop() -> Iterator[Caller]:
    with opened() as (session, caller):
        session.serve(echo, {"name": "echo", "deadline_s": "300ms"})
        session.serve(echo, {"name": "small", "body_limit": 1000})
        yield caller


@pytest.fixture
def user(shop: Caller) -> Iterator[Caller]:
    """Calls the server, which must answer as well after the test as before."""
    yield shop
    assert shop.predict("/echo/predict", content=BODY) == [[1, 2]]
    assert shop.get("/echo/metadata").json()["counters"]["in_flight"] == 0


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def parted(answer: bytes) -> tuple[bytes, bytes]:
    """Head and body."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body


# --- broken and gone clients


GARBAGE = {
    "nothing": b"",
    "blank": b"\r\n\r\n",
    "text": b"hello\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00",
    "cut": b"GET",
    "version": b"GET / HTTP/9.9\r\n\r\n",
    "zeros": b"\x00" * 100,
    "spaces": b"GET  /  HTTP/1.1\r\n\r\n",
    "negative length": b"POST /echo/predict HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
    "two lengths": b"POST /echo/predict HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
    "length and chunks": b"POST / HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "bad chunk": b"POST /echo/predict HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.mark.parametrize("sent", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_refused_or_dropped(user: Caller, sent: bytes) -> None:
    with user.connect() as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        answer = received(connection)
    assert answer == b"" or 400 <= status(answer) < 500


@pytest.mark.parametrize("part", [1, 20, -2, -15, -16], ids=str)
def test_a_client_that_leaves_in_the_middle_harms_nothing(user: Caller, part: int) -> None:
    request = user.head(content_length=str(len(BODY)), content_type="application/json") + BODY
    for _ in range(3):
        with user.connect() as connection:
            connection.sendall(request[:part])


def test_a_client_that_leaves_before_the_answer_harms_nothing(user: Caller) -> None:
    for _ in range(5):
        with user.connect() as connection:
            connection.sendall(user.head(content_length=str(len(BODY))) + BODY)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


@pytest.mark.parametrize("sent", [b"", b'{"X": '], ids=["nothing", "half"])
def test_a_body_that_never_comes_to_its_end_is_408(user: Caller, sent: bytes) -> None:
    head, text = parted(user.send(user.head(content_length="1000", **CLOSE) + sent))
    assert status(head) == 408
    body = json.loads(text)
    assert body["code"] == "body_incomplete"
    assert body["predict_id"].encode() in head


def test_a_length_that_is_too_small_cuts_the_body_there(user: Caller) -> None:
    answer = user.send(user.head(content_length="5", **CLOSE) + BODY)
    assert status(answer) == 422


def test_a_body_without_length_and_chunks_is_empty(user: Caller) -> None:
    answer = user.send(user.head(**CLOSE) + BODY)
    assert status(answer) == 422


# --- sound but unusual ones


def test_requests_one_behind_the_other_are_answered_in_turn(user: Caller) -> None:
    bodies = [b'{"X": [%d]}' % number for number in range(5)]
    requests = [user.head(content_length=str(len(body))) + body for body in bodies]
    last = user.head("GET", "/health", **CLOSE)
    answers = user.send(b"".join(requests) + last)
    assert answers.count(b"HTTP/1.1 200") == 6
    places = [answers.index(b'{"predict_result":[%d]}' % number) for number in range(5)]
    assert places == sorted(places)


def test_a_body_that_comes_byte_by_byte_is_read(user: Caller) -> None:
    with user.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in user.head(content_length=str(len(BODY)), **CLOSE) + BODY:
            connection.sendall(bytes([byte]))
        assert b'{"predict_result":[[1,2]]}' in received(connection)


def test_a_body_in_chunks_is_read(user: Caller) -> None:
    assert user.predict("/echo/predict", content=iter([b'{"X"', b": [1", b"]}"])) == [1]


def test_old_http_is_answered(user: Caller) -> None:
    head = user.head("GET", "/health").replace(b"HTTP/1.1", b"HTTP/1.0")
    assert status(user.send(head)) == 200


def test_a_client_that_asks_first_is_told_to_go_on(user: Caller) -> None:
    with user.connect() as connection:
        connection.sendall(user.head(content_length=str(len(BODY)), expect="100-continue", **CLOSE))
        assert connection.recv(25).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(BODY)
        assert b'{"predict_result":[[1,2]]}' in received(connection)


def test_a_client_that_asks_first_whether_it_may_send_too_much_is_told_that_it_may_not(user: Caller) -> None:
    answer = user.send(user.head(path="/small/predict", content_length="1001", expect="100-continue"))
    assert status(answer) == 413
    assert b"connection: close" in answer.lower()


def test_a_body_far_too_large_is_refused_so_that_clients_which_send_it_all_first_read_why(user: Caller) -> None:
    with user.connect() as connection:
        connection.sendall(user.head(path="/small/predict", content_length=str(20_000_000)) + b" " * 20_000_000)
        assert connection.recv(12) == b"HTTP/1.1 413"


def test_an_upgrade_that_is_not_offered_is_answered_as_if_it_was_not_asked_for(user: Caller) -> None:
    headers = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    with user.connect() as connection:
        connection.sendall(user.head("GET", "/echo/metadata", **{"sec-websocket-key": "eA=="}, **headers))
        assert connection.recv(12)[9:10] in (b"2", b"4")


@pytest.mark.parametrize("path", ["/", "/echo/", "/echo/metadata", "/echo/inspect", "/health", "/ready", "/docs"])
def test_head_answers_the_head_of_get_and_no_body(user: Caller, path: str) -> None:
    head, get = user.request("HEAD", path), user.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
    assert parted(user.send(user.head("HEAD", path, **CLOSE)))[1] == b""


def test_headers_that_come_twice_count_once(user: Caller) -> None:
    head = user.head(content_length=str(len(BODY)), content_type="application/json", **CLOSE)
    double = head.replace(b"\r\n\r\n", b"\r\ncontent-type: text/plain\r\nauthorization: Bearer wrong\r\n\r\n")
    assert status(user.send(double + BODY)) == 200


# --- paths


@pytest.mark.parametrize(
    "path",
    [
        "//echo/predict",
        "///echo/predict/",
        "/echo/predict//",
        "/%65cho/predict",
        "/echo%2Fpredict",
        "/echo/predict?x=1",
    ],
)
def test_other_spellings_of_a_path_need_the_same_token_and_lead_to_the_same_model(user: Caller, path: str) -> None:
    assert user.predict(path, content=BODY) == [[1, 2]]
    assert_error(user.post(path, content=BODY, token=None), 401, "token_missing")


NOWHERE = (
    *(
        "/../echo/predict",
        "/..%2f..%2fetc%2fpasswd",
        "/echo/../../etc/passwd",
        "/.",
        "/..",
        "/%2e%2e/",
        "/echo/predict/..",
    ),
    *("/%00", "/echo%00/predict", "/ec%68o%20/predict", "/%ff%fe", "/%ed%a0%80", "/echo/predict%0d%0aX-Injected:%201"),
    *("/caf%C3%A9/predict", "/%E2%9C%93", "/%F0%9F%98%80/predict", "/*", "/echo;x/predict", "/{name}/predict"),
    *("/ECHO/predict", "/echo/__class__", "/echo/__init__/", "/echo/predict.json", "/None", "/_pages"),
)


@pytest.mark.parametrize("path", NOWHERE)
def test_paths_that_lead_nowhere_are_404_and_put_nothing_into_the_head(user: Caller, path: str) -> None:
    for method in ("GET", "POST"):
        head, body = parted(user.send(user.head(method, path, content_length=str(len(BODY)), **CLOSE) + BODY))
        assert status(head) == 404
        assert json.loads(body)["code"] == "not_found"
        assert b"x-injected" not in head.lower()


@pytest.mark.parametrize("path", ["*", "http://evil.example/echo/metadata", "echo/predict"])
def test_targets_that_are_no_path_are_refused_or_answered_as_one(user: Caller, path: str) -> None:
    answer = user.send(user.head("GET", path, **CLOSE))
    assert status(answer) in (200, 400, 404, 405)


def test_a_very_long_path_is_404_and_is_not_repeated_in_full(user: Caller) -> None:
    for path in ("/" + "a" * 60_000, "/echo/" + "a" * 60_000, "/" + "a/" * 20_000):
        head, body = parted(user.send(user.head("GET", path, **CLOSE)))
        assert status(head) == 404
        assert json.loads(body)["code"] == "not_found"
        assert len(body) < 1000
    assert 400 <= status(user.send(user.head("GET", "/" + "a" * 1_000_000, **CLOSE))) < 500


def test_a_very_long_query_and_very_many_headers_are_read(user: Caller) -> None:
    assert user.predict("/echo/predict?" + "a=b&" * 10_000, content=BODY) == [[1, 2]]
    headers = {f"x-{number}": "y" * 100 for number in range(200)}
    assert user.predict("/echo/predict", content=BODY, headers=headers) == [[1, 2]]


def test_a_name_with_every_allowed_character_is_served(serve: Serve, caller: Caller) -> None:
    name = "A0_b-c.d"
    assert serve(echo, name=name).url.endswith(f"/{name}/")
    assert caller.predict(f"/{name}/predict", content=BODY) == [[1, 2]]


def test_many_clients_at_once_are_all_answered(user: Caller) -> None:
    connections = [user.connect() for _ in range(50)]
    try:
        for connection in connections:
            connection.sendall(user.head("GET", "/health", **CLOSE))
        assert [status(received(connection)) for connection in connections] == [200] * 50
    finally:
        for connection in connections:
            connection.close()


def test_a_large_body_and_a_large_answer_come_whole(serve: Serve, caller: Caller) -> None:
    serve(echo, name="large")
    rows = [["x" * 1000] * 100] * 100
    assert caller.predict("/large/predict", json={"X": rows}) == rows


def test_the_server_says_nothing_of_itself(user: Caller) -> None:
    assert not {"server", "x-powered-by", "set-cookie"} & set(httpx.Headers(user.get("/").headers))
