"""Requests over raw connections: whichever way one comes in, its answer is the same, and no answer is another's."""

from __future__ import annotations

import gc
import json
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NamedTuple

import httptools
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nbserve.notebook.session import Session
from nbserve.web.door import Door
from nbserve.web.line import Exchange, Line
from nbserve.web.predict import Prediction
from tests.client import PATIENCE_S, Caller, opened
from tests.conftest import Serve
from tests.gated import GatedRows
from tests.models import iris_array, logistic_on_arrays

BODY = b'{"X":[[5.1,3.5,1.4,0.2]]}'


class Fragile:
    """Twice each number; 13 is too much for it."""

    def predict(self, X: np.ndarray) -> Any:
        if (X == 13).any():
            raise ValueError("13")
        return X[:, 0] * 2


class Waits(GatedRows):
    """Answers each number when it is let."""

    def answered(self, X: np.ndarray) -> Any:
        return X[:, 0]


@pytest.fixture(scope="module")
def shop() -> Iterator[tuple[Session, Caller]]:
    with opened() as (session, caller):
        session.serve(logistic_on_arrays(), {"name": "iris"})
        session.serve(Fragile(), {"name": "fragile", "batch": True})
        session.serve(lambda X: X, {"name": "echo"})
        session.serve(logistic_on_arrays(), {"name": "small", "body_limit": 200})
        session.serve(logistic_on_arrays(), {"name": "open", "token": False})
        yield session, caller


@pytest.fixture
def user(shop: tuple[Session, Caller]) -> Iterator[Caller]:
    """Calls the server, which must answer as well after the test as before."""
    _, caller = shop
    yield caller
    assert caller.predict("/iris/predict", content=BODY) == [0]
    assert counters(caller, "iris")["in_flight"] == 0


@pytest.fixture
def waits() -> Iterator[Waits]:
    model = Waits()
    yield model
    model.may_leave.set()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


@pytest.fixture
def on_the_line(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The methods that whole requests were for, as they come."""
    came: list[str] = []
    answer = Door.answer

    def counted(self: Door, *given: Any) -> None:
        came.append(given[1])
        answer(self, *given)

    monkeypatch.setattr(Door, "answer", counted)
    return came


class Said(NamedTuple):
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def request(
    user: Caller, path: str = "/iris/predict", body: bytes = BODY, method: str = "POST", **headers: str
) -> bytes:
    given = {"content_type": "application/json", "content_length": str(len(body)), **headers}
    return user.head(method, path, **given) + body


class Answers:
    """Reads one answer after the other from a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._found: list[Said] = []
        self._parser = httptools.HttpResponseParser(self)

    def next(self) -> Said:
        while not self._found:
            data = self._connection.recv(65536)
            assert data, "closed before the answer"
            self._parser.feed_data(data)
        return self._found.pop(0)

    def are_over(self) -> bool:
        """Whether the connection ends without another answer."""
        return not self._found and self._connection.recv(65536) == b""

    def on_message_begin(self) -> None:
        self._headers: list[tuple[str, str]] = []
        self._body = b""

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode().lower(), value.decode()))

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._found.append(Said(self._parser.get_status_code(), tuple(self._headers), self._body))


def comparable(said: Said) -> Any:
    """The answer without what differs from one to the next."""
    headers = dict(said.headers)
    assert len(headers) == len(said.headers), "a header came twice"
    headers.pop("date")
    predict_id = headers.pop("x-predict-id", None)
    body = json.loads(said.body)
    if "predict_id" in body:
        assert body.pop("predict_id") == predict_id
    if said.status == 200 and "predict_result" in body:
        assert predict_id is not None
    return said.status, headers, body


def answers(user: Caller, *pieces: bytes, count: int = 1) -> list[Said]:
    """What is answered to the pieces, each sent when the loop has read those before."""
    with user.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for n, piece in enumerate(pieces):
            if n:
                assert user.get("/health").status_code == 200  # the loop has had a turn, and read what came before
            connection.sendall(piece)
        reading = Answers(connection)
        return [reading.next() for _ in range(count)]


def assert_alike(user: Caller, sent: bytes) -> Said:
    """Sent whole and in pieces it is answered alike; that answer."""
    [whole] = answers(user, sent)
    head = sent.index(b"\r\n\r\n") + 4
    [apart] = answers(user, sent[: head - 9], sent[head - 9 : head], *([sent[head:]] if sent[head:] else []))
    assert comparable(whole) == comparable(apart)
    return whole


def counters(caller: Caller, name: str) -> dict[str, int]:
    found: dict[str, int] = caller.get(f"/{name}/metadata").json()["counters"]
    return found


def until(caller: Caller, name: str, in_flight: int) -> None:
    while counters(caller, name)["in_flight"] != in_flight:
        pass


# --- whole, and in pieces


def test_wherever_a_request_is_cut_its_answer_is_the_same(user: Caller) -> None:
    sent = request(user)
    expected = comparable(answers(user, sent)[0])
    with user.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reading = Answers(connection)
        for cut in range(1, len(sent)):
            connection.sendall(sent[:cut])
            assert user.get("/health").status_code == 200
            connection.sendall(sent[cut:])
            assert comparable(reading.next()) == expected, cut


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_however_requests_are_cut_each_is_answered_once_and_in_turn(user: Caller, data: st.DataObject) -> None:
    numbers = data.draw(st.lists(st.integers(0, 20), min_size=1, max_size=6))
    sent = b"".join(request(user, "/fragile/predict", b'{"X":[[%d]]}' % n) for n in numbers)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(sent) - 1), max_size=5)))
    pieces = [sent[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    found = answers(user, *pieces, count=len(numbers))
    assert [each.status for each in found] == [500 if n == 13 else 200 for n in numbers]
    assert [json.loads(each.body).get("predict_result") for each in found] == [
        None if n == 13 else [2 * n] for n in numbers
    ]


CHUNKED = b"8\r\n" + BODY[:8] + b"\r\n%x\r\n" % len(BODY[8:]) + BODY[8:] + b"\r\n0\r\n\r\n"
AS_CHUNKS = {"transfer_encoding": "chunked", "content_type": "application/json"}
LARGE = json.dumps({"X": iris_array().tolist() * 10}).encode()

ALIKE: dict[str, tuple[Callable[[Caller], bytes], int]] = {
    "plain": (request, 200),
    "chunks": (lambda user: user.head("POST", "/iris/predict", **AS_CHUNKS) + CHUNKED, 200),
    "trailers": (lambda user: user.head("POST", "/iris/predict", **AS_CHUNKS) + CHUNKED[:-2] + b"x: y\r\n\r\n", 200),
    "upper case": (lambda user: request(user).replace(b"content-type", b"CONTENT-TYPE"), 200),
    "no type": (lambda user: user.head(path="/iris/predict", content_length=str(len(BODY))) + BODY, 200),
    "two types": (lambda user: request(user, Content_Type="text/plain"), 200),
    "another type": (lambda user: request(user, content_type="text/plain"), 415),
    "compressed": (lambda user: request(user, content_encoding="gzip"), 415),
    "no token": (lambda user: request(user, authorization="none"), 401),
    "wrong token": (lambda user: request(user, authorization="Bearer wrong"), 401),
    "wrong token in the query": (lambda user: request(user, "/iris/predict?token=no", authorization="none"), 401),
    "open": (lambda user: request(user, "/open/predict", authorization="none"), 200),
    "open for strangers": (
        lambda user: request(user, "/open/predict", authorization="none", origin="http://elsewhere"),
        401,
    ),
    "no endpoint": (lambda user: request(user, "/nothing/predict"), 404),
    "no method": (lambda user: request(user, "/iris/nothing"), 404),
    "slash behind": (lambda user: request(user, "/iris/predict/"), 200),
    "escaped": (lambda user: request(user, "/iris/%70redict"), 200),
    "slash escaped": (lambda user: request(user, "/iris%2Fpredict"), 200),
    "slashes before": (lambda user: request(user, "//iris/predict"), 200),
    "slashes between": (lambda user: request(user, "/iris//predict"), 404),
    "empty": (lambda user: request(user, body=b""), 422),
    "no length": (lambda user: user.head(path="/iris/predict"), 422),
    "no JSON": (lambda user: request(user, body=b"{"), 422),
    "no rows": (lambda user: request(user, body=b'{"X":[]}'), 422),
    "ragged": (lambda user: request(user, body=b'{"X":[[1,2,3,4],[1,2]]}'), 422),
    "texts": (lambda user: request(user, body=b'{"X":[["a","b","c","d"]]}'), 422),
    "null": (lambda user: request(user, body=b'{"X":[[null,1,2,3]]}'), 422),
    "NaN": (lambda user: request(user, body=b'{"X":[[NaN,1,2,3]]}'), 422),
    "huge": (lambda user: request(user, body=b'{"X":[[%d,1,2,3]]}' % 10**30), 200),
    "half a character": (lambda user: request(user, body=b'{"\\ud800":[[1,1,2,3]]}'), 422),
    "another name": (lambda user: request(user, body=b'{"rows":[[1,2,3,4]]}'), 422),
    "too large": (lambda user: request(user, "/small/predict", LARGE), 413),
    "large": (lambda user: request(user, "/iris/predict", LARGE), 200),
    "of its own": (lambda user: request(user, "/echo/predict", b'{"X": {"a": [1, "b", null]}}'), 200),
    "model fails": (lambda user: request(user, "/fragile/predict", b'{"X":[[13]]}'), 500),
    "closes": (lambda user: request(user, connection="close"), 200),
    "another expectation": (lambda user: request(user, expect="nothing"), 200),
}


@pytest.mark.parametrize(("make", "status"), ALIKE.values(), ids=ALIKE)
def test_a_whole_request_is_answered_like_one_in_pieces(
    user: Caller, make: Callable[[Caller], bytes], status: int
) -> None:
    assert assert_alike(user, make(user)).status == status


def test_a_token_may_stand_in_the_query(shop: tuple[Session, Caller], user: Caller) -> None:
    token = shop[0].access.session_token
    said = assert_alike(user, request(user, f"/iris/predict?token={token}", authorization="none"))
    assert said.status == 200


def test_old_http_is_answered_and_closed(user: Caller) -> None:
    with user.connect() as connection:
        connection.sendall(request(user).replace(b"HTTP/1.1", b"HTTP/1.0"))
        reading = Answers(connection)
        said = reading.next()
        assert (said.status, dict(said.headers)["connection"]) == (200, "close")
        assert reading.are_over()


def test_who_wants_to_close_is_closed(user: Caller) -> None:
    with user.connect() as connection:
        connection.sendall(request(user, connection="close"))
        reading = Answers(connection)
        assert dict(reading.next().headers)["connection"] == "close"
        assert reading.are_over()


def test_who_asks_first_is_told_to_go_on(user: Caller) -> None:
    with user.connect() as connection:
        connection.sendall(request(user, expect="100-continue"))
        assert connection.recv(25, socket.MSG_WAITALL) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert Answers(connection).next().status == 200


def test_one_connection_is_good_for_many_requests(user: Caller, on_the_line: list[str]) -> None:
    with user.connect() as connection:
        reading = Answers(connection)
        ids = set()
        for _ in range(200):
            connection.sendall(request(user))
            ids.add(dict(reading.next().headers)["x-predict-id"])
    assert len(ids) == len(on_the_line) == 200


def test_garbage_behind_a_request_is_refused_and_nothing_stays_in_flight(user: Caller) -> None:
    with user.connect() as connection:
        connection.sendall(request(user) + b"garbage\r\n\r\n")
        found = b""
        while data := connection.recv(65536):
            found += data
    assert b"HTTP/1.1 400" in found
    until(user, "iris", 0)


def test_a_body_longer_than_it_says_is_cut_and_the_rest_is_no_request(user: Caller) -> None:
    sent = request(user, content_length=str(len(BODY) - 2))
    assert [each.status for each in answers(user, sent, count=2)] == [422, 400]


# --- one behind the other


@pytest.mark.parametrize("count", [2, 20])
def test_requests_in_one_piece_are_answered_in_turn(user: Caller, count: int) -> None:
    sent = b"".join(request(user, "/fragile/predict", b'{"X":[[%d]]}' % n) for n in range(100, 100 + count))
    found = answers(user, sent, count=count)
    assert [json.loads(each.body)["predict_result"] for each in found] == [[2 * n] for n in range(100, 100 + count)]


def test_answers_errors_and_pages_keep_their_turn(user: Caller) -> None:
    bare = {"content_type": "application/json", "content_length": "0"}
    each = [
        (request(user, authorization="none"), 401),
        (request(user), 200),
        (user.head("GET", "/iris/metadata"), 200),
        (request(user, authorization="none"), 401),
        (request(user, "/fragile/predict", b'{"X":[[13]]}'), 500),
        (user.head("GET", "/nothing/there"), 404),
        (user.head("POST", "/iris/predict", **bare), 422),
        (user.head("GET", "/iris/predict"), 405),
        (request(user), 200),
    ]
    for shift in range(len(each)):
        turned = each[shift:] + each[:shift]
        found = answers(user, b"".join(sent for sent, _ in turned), count=len(turned))
        assert [said.status for said in found] == [status for _, status in turned]


def test_a_request_behind_one_that_waits_waits_too(serve: Serve, caller: Caller, waits: Waits) -> None:
    serve(waits, name="m", batch=True)
    with caller.connect() as connection:
        connection.sendall(request(caller, "/m/predict", b'{"X":[[1]]}'))
        assert waits.is_inside.wait(PATIENCE_S)
        connection.sendall(request(caller, "/m/predict", b'{"X":[[2]]}') + caller.head("GET", "/health"))
        assert caller.get("/health").status_code == 200
        waits.may_leave.set()
        reading = Answers(connection)
        found = [json.loads(reading.next().body) for _ in range(3)]
    assert [each.get("predict_result") for each in found] == [[1], [2], None]


def test_an_answer_at_once_does_not_end_the_patience_for_the_next_one(
    serve: Serve, caller: Caller, session: Session, waits: Waits
) -> None:
    serve(waits, name="m", batch=True)
    with caller.connect() as connection:
        first = request(caller, "/m/predict", b'{"X":[[1]]}', authorization="none")
        connection.sendall(first + request(caller, "/m/predict", b'{"X":[[2]]}'))
        assert waits.is_inside.wait(PATIENCE_S)
        assert session.hosting._server is not None
        lines = [each for each in session.hosting._server._server.server_state.connections if isinstance(each, Line)]
        [busy] = [each for each in lines if isinstance(each.cycle, Exchange) and not each.cycle.response_complete]
        assert busy.timeout_keep_alive_task is None
        waits.may_leave.set()
        reading = Answers(connection)
        assert [reading.next().status, reading.next().status] == [401, 200]


# --- who leaves


@pytest.mark.parametrize("with_another", [False, True], ids=["alone", "another sent behind it"])
def test_who_hangs_up_while_he_waits_is_an_error_and_leaves_the_queue(
    serve: Serve, caller: Caller, pool: ThreadPoolExecutor, waits: Waits, with_another: bool
) -> None:
    serve(waits, name="m", batch=True)
    first = pool.submit(caller.predict, "/m/predict", json={"X": [[0]]})
    assert waits.is_inside.wait(PATIENCE_S)
    sent = request(caller, "/m/predict", b'{"X":[[1]]}')
    gone = caller.connect()
    gone.sendall(sent * (1 + with_another))
    until(caller, "m", 2)
    if with_another:  # who has sent more is not read from any more until he is answered: only a stop finds him gone
        [line] = (each for each in lines_of(serve) if isinstance(each._exchange, Exchange) and each.pipeline)
        line.loop.call_soon_threadsafe(line.transport.abort)
    gone.close()
    until(caller, "m", 1)
    waits.may_leave.set()
    assert first.result() == [0]
    assert caller.predict("/m/predict", json={"X": [[2]]}) == [2]
    assert waits.sizes == [1, 1]
    assert counters(caller, "m")["errors"] == 1


def lines_of(serve: Serve) -> list[Line]:
    session: Any = next(
        each.cell_contents for each in serve.__closure__ or () if isinstance(each.cell_contents, Session)
    )
    return [each for each in session.hosting._server._server.server_state.connections if isinstance(each, Line)]


@pytest.mark.parametrize("pieces", [1, 2])
def test_who_says_no_more_before_the_answer_harms_nobody(
    serve: Serve, caller: Caller, waits: Waits, pieces: int
) -> None:
    serve(waits, name="m", batch=True)
    sent = request(caller, "/m/predict", b'{"X":[[1]]}')
    with caller.connect() as connection:
        connection.sendall(sent[:-1] if pieces == 2 else sent)
        if pieces == 2:
            assert caller.get("/health").status_code == 200
            connection.sendall(sent[-1:])
        assert waits.is_inside.wait(PATIENCE_S)
        connection.shutdown(socket.SHUT_WR)
        until(caller, "m", 0)
        waits.may_leave.set()
        assert connection.recv(100) == b""
    assert caller.predict("/m/predict", json={"X": [[2]]}) == [2]


def test_who_never_reads_is_sent_no_more_than_fits(serve: Serve, caller: Caller) -> None:
    calls = []

    class Long:
        def predict(self, X: np.ndarray) -> Any:
            calls.append(len(X))
            return np.ones((len(X), 200_000))

    serve(Long(), name="m", batch=True)
    sent = request(caller, "/m/predict", b'{"X":[[1]]}')
    with caller.connect() as connection:
        connection.setblocking(False)
        with suppress(BlockingIOError):
            while connection.send(sent):
                pass
        for _ in range(200):
            assert caller.get("/health").status_code == 200
        answered = len(calls)
    assert answered < 50
    until(caller, "m", 0)


# --- what the line itself answers


@pytest.mark.parametrize("where", ["Access.admit", "Served.ask", "Prediction.answered", "Sharing.groups"])
def test_a_fault_of_ours_is_500_and_the_connection_goes_on(
    serve: Serve, caller: Caller, session: Session, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    from nbserve.core.served import Served
    from nbserve.core.sharing import Sharing

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("it is broken")

    serve(logistic_on_arrays(), name="m")
    kind = {"Access": type(session.access), "Served": Served, "Prediction": Prediction, "Sharing": Sharing}
    name, _, attribute = where.partition(".")
    with caller.connect() as connection:
        reading = Answers(connection)
        connection.sendall(request(caller, "/m/predict"))
        assert reading.next().status == 200
        with monkeypatch.context() as broken:
            broken.setattr(kind[name], attribute, fails)
            connection.sendall(request(caller, "/m/predict"))
            status, _, body = comparable(reading.next())
            assert (status, body["code"]) == (500, "nbserve_error")
        connection.sendall(request(caller, "/m/predict"))
        assert reading.next().status == 200
    assert counters(caller, "m")["in_flight"] == 0


def test_a_fault_of_ours_before_the_body_has_come_is_500_too(
    serve: Serve, caller: Caller, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("it is broken")

    serve(logistic_on_arrays(), name="m")
    sent = request(caller, "/m/predict")
    with monkeypatch.context() as broken:
        broken.setattr(session.access, "admit", fails)
        [said] = answers(caller, sent[:-5], sent[-5:])
    assert (said.status, json.loads(said.body)["code"]) == (500, "nbserve_error")
    assert caller.predict("/m/predict", content=BODY) == [0]


def test_the_deadline_and_a_full_queue_are_told_on_the_line(
    serve: Serve, caller: Caller, waits: Waits, on_the_line: list[str]
) -> None:
    serve(waits, name="m", batch=True, queue=1, deadline_s="500ms")
    connections = [caller.connect() for _ in range(3)]
    sent = request(caller, "/m/predict", b'{"X":[[1]]}')
    connections[0].sendall(sent)
    assert waits.is_inside.wait(PATIENCE_S)
    connections[1].sendall(sent)
    until(caller, "m", 2)
    connections[2].sendall(sent)
    full = Answers(connections[2]).next()
    assert full.status == 429
    assert int(dict(full.headers)["retry-after"]) >= 1
    assert [Answers(each).next().status for each in connections[:2]] == [504, 504]
    assert on_the_line == ["predict"] * 3
    for each in connections:
        each.close()
    assert counters(caller, "m")["in_flight"] == 0


@pytest.mark.parametrize("behind", [0, 2])
def test_a_stop_answers_or_closes_who_waits_and_leaves_nothing_behind(
    serve: Serve, caller: Caller, session: Session, waits: Waits, behind: int
) -> None:
    before = sys.getswitchinterval(), gc.get_threshold()
    endpoint = serve(waits, name="m", batch=True)
    connection = caller.connect()
    connection.sendall(request(caller, "/m/predict", b'{"X":[[1]]}') * (1 + behind))
    assert waits.is_inside.wait(PATIENCE_S)
    traffic = endpoint._served.traffic
    session.stop_all()
    assert connection.recv(100) == b""
    connection.close()
    assert traffic.in_flight == 0
    assert (sys.getswitchinterval(), gc.get_threshold()) == before


def test_a_model_that_is_replaced_answers_who_waits_for_it(serve: Serve, caller: Caller, waits: Waits) -> None:
    serve(waits, name="m", batch=True)
    with caller.connect() as connection:
        connection.sendall(request(caller, "/m/predict", b'{"X":[[1]]}'))
        assert waits.is_inside.wait(PATIENCE_S)
        serve(Fragile(), name="m", batch=True)
        assert caller.predict("/m/predict", json={"X": [[4]]}) == [8]
        waits.may_leave.set()
        reading = Answers(connection)
        assert json.loads(reading.next().body)["predict_result"] == [1]
        connection.sendall(request(caller, "/m/predict", b'{"X":[[1]]}'))
        assert json.loads(reading.next().body)["predict_result"] == [2]


# --- none is lost, none is answered twice, none is another's


def test_each_answer_belongs_to_its_request(serve: Serve, caller: Caller) -> None:
    """Many connections, each with numbers of its own, while the model is unloaded and replaced."""
    connections, requests, ahead = 100, 30, 3
    serve(Fragile(), name="m", batch=True)
    is_over = threading.Event()

    def disturb() -> None:
        while not is_over.is_set():
            assert caller.post("/m/unload").status_code == 200
            serve(Fragile(), name="m", batch=True)

    def ask(n: int) -> list[tuple[int, int]]:
        wrong = []
        with caller.connect() as connection:
            reading = Answers(connection)
            for start in range(0, requests, ahead):
                numbers = [13 if k % 7 == 5 else 1000 * (n + 1) + k for k in range(start, start + ahead)]
                connection.sendall(
                    b"".join(request(caller, "/m/predict", b'{"X":[[%d]]}' % number) for number in numbers)
                )
                for number in numbers:
                    said = reading.next()
                    expected = (500, None) if number == 13 else (200, [2 * number])
                    if (said.status, json.loads(said.body).get("predict_result")) != expected:
                        wrong.append((number, said.status))
            connection.setblocking(False)
            with pytest.raises(BlockingIOError):  # and nothing more has come
                connection.recv(1)
        return wrong

    with ThreadPoolExecutor(connections + 1) as pool:
        disturbing = pool.submit(disturb)
        asking = [pool.submit(ask, n) for n in range(connections)]
        wrong = [each for asked in asking for each in asked.result()]
        is_over.set()
        disturbing.result()
    assert wrong == []
    found = counters(caller, "m")
    assert (found["in_flight"], found["requests"]) == (0, connections * requests)


def test_a_fork_leaves_the_line_alone(serve: Serve, caller: Caller) -> None:
    serve(logistic_on_arrays(), name="m")
    with caller.connect() as connection:
        reading = Answers(connection)
        connection.sendall(request(caller, "/m/predict"))
        reading.next()
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        connection.sendall(request(caller, "/m/predict"))
        assert reading.next().status == 200
