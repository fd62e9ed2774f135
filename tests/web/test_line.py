"""Requests on the line: in one piece, in many, behind each other; answered as those are that go by way of ASGI."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from nbserve.notebook.session import Session
from nbserve.web import line as lines
from nbserve.web.line import Line
from tests.client import PATIENCE_S, Caller, handle, opened
from tests.gated import Gated
from tests.models import logistic_on_arrays

ROW = [5.1, 3.5, 1.4, 0.2]
BODY = json.dumps({"X": [ROW]}).encode()


class Rows:
    """Answers each row's first number, whoever else has asked."""

    def predict(self, X: np.ndarray) -> Any:
        if (X[:, 0] < 0).any():
            raise ValueError("below zero")
        return X[:, 0]


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Session, Caller]]:
    with opened() as (session, caller):
        session.serve(logistic_on_arrays(), {"name": "iris"})
        session.serve(Rows(), {"name": "rows", "batch": True})
        session.serve(logistic_on_arrays(), {"name": "small", "body_limit": 64, "deadline_s": 0.2})
        yield session, caller


@pytest.fixture
def asked(shared: tuple[Session, Caller]) -> Caller:
    return shared[1]


class Answer:
    """One answer as it came: status, headers in lower case, body."""

    def __init__(self, stream: Any) -> None:
        self.status = int(stream.readline().split()[1])
        self.headers: dict[str, str] = {}
        while (text := stream.readline()) not in (b"\r\n", b""):
            name, _, value = text.decode().strip().partition(": ")
            self.headers[name.lower()] = value
        self.body = stream.read(int(self.headers.get("content-length", 0)))

    @property
    def value(self) -> Any:
        return json.loads(self.body)

    def likeness(self) -> Any:
        """What two answers to the same request have in common."""
        body = self.value | {"predict_id": None} if self.status != 200 else self.value
        return self.status, set(self.headers) - {"connection"}, self.headers["content-type"], body


def answers(caller: Caller, *pieces: bytes, count: int = 1) -> list[Answer]:
    """The pieces, each sent by itself, and so many answers."""
    with caller.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
        with connection.makefile("rb") as stream:
            return [Answer(stream) for _ in range(count)]


def request(caller: Caller, body: bytes = BODY, path: str = "/iris/predict/", **headers: str) -> bytes:
    said = {"content_type": "application/json", "content_length": str(len(body))} | headers
    return caller.head("POST", path, **said) + body


def by_asgi(caller: Caller, body: bytes, path: str, **headers: str) -> Answer:
    """The same request on a connection that is to be closed, which is nothing for the line."""
    [answer] = answers(caller, request(caller, body, path, connection="close", **headers))
    return answer


def metadata(session: Session, name: str) -> dict[str, Any]:
    served = session.registry.get(name)
    assert served is not None
    return served.metadata()


# --- the same answers


ASKED: dict[str, tuple[bytes, str, dict[str, str]]] = {
    "a row": (BODY, "/iris/predict/", {}),
    "no slash at the end": (BODY, "/iris/predict", {}),
    "another method": (BODY, "/iris/predict_proba/", {}),
    "a wrong width": (b'{"X": [[1]]}', "/iris/predict/", {}),
    "no JSON": (b'{"X": [[1', "/iris/predict/", {}),
    "nothing": (b"", "/iris/predict/", {}),
    "a model's fault": (b'{"X": [[-1]]}', "/rows/predict/", {}),
    "an unknown method": (BODY, "/iris/perdict/", {}),
    "an unknown endpoint": (BODY, "/isis/predict/", {}),
    "a wrong token": (BODY, "/iris/predict/", {"authorization": "Bearer no"}),
    "another type": (BODY, "/iris/predict/", {"content_type": "text/plain"}),
    "a coding": (BODY, "/iris/predict/", {"content_encoding": "gzip"}),
    "an answer that is not made": (BODY, "/iris/predict/", {"accept": "image/png"}),
    "too much": (b"1" * 65, "/small/predict/", {}),
    "a percent": (BODY, "/%69ris/predict/", {}),
    "two slashes": (BODY, "//iris/predict/", {}),
    "a query": (BODY, "/iris/predict/?a=1", {}),
}


@pytest.mark.parametrize("name", ASKED)
def test_it_is_answered_as_it_is_by_way_of_asgi(asked: Caller, name: str) -> None:
    body, path, headers = ASKED[name]
    [on_line] = answers(asked, request(asked, body, path, **headers))
    other = by_asgi(asked, body, path, **headers)
    assert on_line.likeness() == other.likeness()
    predicted = {"x-predict-id"} & set(on_line.headers)
    assert not predicted or len(on_line.headers["x-predict-id"]) == 32


def test_a_request_for_a_model_is_on_the_line(asked: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    replied = []
    inner = lines.Exchange.reply
    monkeypatch.setattr(lines.Exchange, "reply", lambda self, reply: (replied.append(reply), inner(self, reply))[1])
    assert asked.predict("/iris/predict/", json={"X": [ROW]}) == [0]
    assert [each.status for each in replied] == [200]
    by_asgi(asked, BODY, "/iris/predict/")
    asked.get("/iris/metadata/")
    assert len(replied) == 1


# --- pieces


@pytest.mark.parametrize("step", [1, 7, 40])
def test_wherever_it_is_cut_it_is_answered(asked: Caller, step: int) -> None:
    sent = request(asked)
    for at in range(1, len(sent), step):
        with asked.connect() as connection, connection.makefile("rb") as stream:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(sent[:at])
            connection.sendall(sent[at:])
            answer = Answer(stream)
            assert (answer.status, answer.value) == (200, {"predict_result": [0]}), at


def test_byte_by_byte(asked: Caller) -> None:
    sent = request(asked)
    [answer] = answers(asked, *[sent[i : i + 1] for i in range(len(sent))])
    assert answer.value == {"predict_result": [0]}


def test_a_body_in_chunks_is_read(asked: Caller) -> None:
    head = asked.head("POST", "/iris/predict/", transfer_encoding="chunked")
    for pieces in ([BODY], [BODY[:5], BODY[5:]]):
        sent = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        for parts in ([head + sent], [head, sent], [head + sent[:4], sent[4:]]):
            [answer] = answers(asked, *parts)
            assert answer.value == {"predict_result": [0]}


def test_a_large_body_comes_in_many_pieces(asked: Caller) -> None:
    body = json.dumps({"X": [[float(n)] for n in range(200_000)]}).encode()
    assert len(body) > 2**20
    [answer] = answers(asked, request(asked, body, "/rows/predict/"))
    assert answer.value["predict_result"] == list(range(200_000))


def test_a_body_whose_end_does_not_come_is_408_and_counted(shared: tuple[Session, Caller]) -> None:
    session, caller = shared
    head, body = caller.head("POST", "/small/predict/", content_length="50"), b'{"X": [['
    with caller.connect() as connection, connection.makefile("rb") as stream:
        connection.sendall(head + body)
        answer = Answer(stream)
        assert (answer.status, answer.value["code"]) == (408, "body_incomplete")
        connection.sendall(b"1" * 42 + request(caller))  # what comes too late is read away, and the next is answered
        assert Answer(stream).value == {"predict_result": [0]}
    assert metadata(session, "small")["counters"]["in_flight"] == 0


def test_who_hangs_up_half_way_is_counted(shared: tuple[Session, Caller]) -> None:
    session, caller = shared
    before = metadata(session, "iris")["counters"]["errors"]
    with caller.connect() as connection:
        connection.sendall(caller.head("POST", "/iris/predict/", content_length="50") + b"{")
        while not metadata(session, "iris")["counters"]["in_flight"]:
            pass
    counters = metadata(session, "iris")["counters"]
    while counters["in_flight"] or counters["errors"] == before:
        counters = metadata(session, "iris")["counters"]
    assert counters["errors"] == before + 1


# --- one behind the other


def test_many_in_one_piece_are_answered_in_order(asked: Caller) -> None:
    bodies = [json.dumps({"X": [[n]]}).encode() for n in range(20)]
    sent = b"".join(request(asked, body, "/rows/predict/") for body in bodies)
    found = answers(asked, sent, count=20)
    assert [each.value["predict_result"] for each in found] == [[float(n)] for n in range(20)]


def test_pages_and_errors_keep_their_place_among_them(asked: Caller) -> None:
    parts = [
        request(asked),
        asked.head("GET", "/health"),
        request(asked, b"no"),
        asked.head("GET", "/nothing/"),
        request(asked, authorization="Bearer no"),
        request(asked),
    ]
    found = answers(asked, b"".join(parts), count=len(parts))
    assert [each.status for each in found] == [200, 200, 422, 404, 401, 200]


def test_one_behind_one_that_waits_waits_for_it(shared: tuple[Session, Caller], gated: Gated) -> None:
    session, caller = shared
    session.serve(gated, {"name": "gated"})
    with caller.connect() as connection, connection.makefile("rb") as stream:
        connection.sendall(request(caller, b'{"X": [[1]]}', "/gated/predict/") + request(caller))
        assert gated.is_inside.wait(PATIENCE_S)
        gated.may_leave.set()
        assert Answer(stream).value == {"predict_result": [[1]]}
        assert Answer(stream).value == {"predict_result": [0]}


# --- connections


def test_a_connection_is_used_again_and_again(asked: Caller) -> None:
    with asked.connect() as connection, connection.makefile("rb") as stream:
        for _ in range(50):
            connection.sendall(request(asked))
            assert Answer(stream).status == 200


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_who_wants_it_closed_has_it_closed(asked: Caller, version: str) -> None:
    sent = request(asked, connection="close").replace(b"HTTP/1.1", f"HTTP/{version}".encode())
    answered = asked.send(sent)
    assert answered.endswith(b'{"predict_result":[0]}')


def test_who_asks_whether_to_send_is_told_to(asked: Caller) -> None:
    head = asked.head("POST", "/iris/predict/", expect="100-continue", content_length=str(len(BODY)))
    with asked.connect() as connection, connection.makefile("rb") as stream:
        connection.sendall(head)
        assert stream.readline().startswith(b"HTTP/1.1 100")
        assert stream.readline() == b"\r\n"
        connection.sendall(BODY)
        assert Answer(stream).value == {"predict_result": [0]}


def test_what_is_no_http_is_refused_and_hurts_nobody(asked: Caller) -> None:
    assert asked.send(b"GET\x00nothing\r\n\r\n").startswith(b"HTTP/1.1 400")
    assert asked.predict("/iris/predict/", json={"X": [ROW]}) == [0]


def test_a_fault_of_ours_is_a_500_and_the_connection_goes_on(asked: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    with asked.connect() as connection, connection.makefile("rb") as stream:
        for owner, name in ((lines.Prediction, "ask"), (lines.Prediction, "answered")):
            with monkeypatch.context() as patch:
                patch.setattr(owner, name, _broken)
                connection.sendall(request(asked))
                answer = Answer(stream)
            assert (answer.status, answer.value["code"]) == (500, "nbserve_error")
        connection.sendall(request(asked))
        assert Answer(stream).status == 200


def _broken(*_: Any, **__: Any) -> Any:
    raise RuntimeError("broken")


def test_who_waits_when_the_server_stops_is_not_left_waiting(gated: Gated) -> None:
    with opened() as (session, caller):
        endpoint = handle(session, gated, {"name": "gated"})
        with caller.connect() as connection:
            connection.sendall(request(caller, b'{"X": [[1]]}', "/gated/predict/"))
            assert gated.is_inside.wait(PATIENCE_S)
            connection.settimeout(PATIENCE_S)
            with ThreadPoolExecutor(1) as pool:
                stopping = pool.submit(session.close)
                assert connection.recv(1) in (b"", b"H")
                gated.may_leave.set()
                stopping.result(PATIENCE_S)
        del endpoint


# --- many


def test_none_is_lost_and_none_answered_twice(asked: Caller) -> None:
    """Fifty connections, on each of which every answer must be of the question before it."""

    def talk(first: int) -> int:
        with asked.connect() as connection, connection.makefile("rb") as stream:
            for n in range(first, first + 40):
                bad = n % 7 == 0
                connection.sendall(
                    request(asked, json.dumps({"X": [[-n - 1 if bad else n]]}).encode(), "/rows/predict/")
                )
                answer = Answer(stream)
                assert answer.status == (500 if bad else 200)
                assert bad or answer.value == {"predict_result": [float(n)]}
            connection.setblocking(False)
            with pytest.raises(BlockingIOError):
                connection.recv(1)
        return first

    with ThreadPoolExecutor(50) as pool:
        assert list(pool.map(talk, range(0, 50_000, 1000))) == list(range(0, 50_000, 1000))


def test_the_protocol_is_uvicorns_own_but_for_what_is_overridden() -> None:
    overridden = {name for name in vars(Line) if not name.startswith("__") and hasattr(Line.__bases__[0], name)}
    assert overridden == {"connection_lost", "data_received", "on_body", "on_headers_complete", "on_message_complete"}
