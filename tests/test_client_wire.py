"""Both clients before servers that break off, lie, hang, send elsewhere, or speak TLS."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

import nbserve
from nbserve.errors import AnswerLost, DeadlineExceeded, NbserveError, OptionError, TokenMissing, Unreachable
from tests.asking import Awaited, Part, answer, scripted

Connect = Callable[..., Any]

TOKEN = "sesame-of-the-test"
GOOD = answer(200, b'{"predict_result":[1]}')
PAGE = answer(502, b"<html><title>502 Bad Gateway</title></html>", "text/html")


@pytest.fixture(params=[nbserve.Client, Awaited], ids=["sync", "async"])
def connect(request: pytest.FixtureRequest, waits: list[float]) -> Iterator[Connect]:
    made: list[Any] = []

    def connected(url: str, **options: Any) -> Any:
        made.append(request.param(url, TOKEN, **{"timeout": 20.0, **options}))
        return made[-1]

    yield connected
    for client in made:
        client.end() if isinstance(client, Awaited) else client.close()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the clients would wait; they do not."""
    noted: list[float] = []

    async def noted_async(seconds: float) -> None:
        noted.append(seconds)

    monkeypatch.setattr(nbserve.Client, "_sleep", staticmethod(noted.append))
    monkeypatch.setattr(nbserve.AsyncClient, "_sleep", staticmethod(noted_async))
    return noted


def closed(connection: socket.socket) -> None:
    """No answer."""


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


def test_a_request_is_what_it_should_be(connect: Connect) -> None:
    with scripted(GOOD) as server:
        assert connect(server.url).predict([[1, 2]], k=3) == [1]
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert body == b'{"X":[[1,2]],"k":3}'
    lines = head.lower().split(b"\r\n")
    assert lines[0] == b"post /iris/predict/ http/1.1"
    for line in (f"authorization: bearer {TOKEN}", "content-type: application/json", "accept: application/json"):
        assert line.encode() in lines


def test_what_a_server_wants_to_be_remembered_is_not(connect: Connect) -> None:
    with scripted(answer(200, b"{}", set_cookie="session=1; Path=/"), GOOD) as server:
        client = connect(server.url)
        client.metadata()
        client.predict([[1]])
        assert b"cookie" not in server.requests[1].lower()


BROKEN: dict[str, bytes | Part] = {
    "closed": closed,
    "reset": reset,
    "half a head": b"HTTP/1.1 200 OK\r\ncontent-le",
    "half a body": GOOD[:-5],
    "half a chunk": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\n{",
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "no gzip": answer(200, b"plain", content_encoding="gzip"),
    "a page": answer(200, b"<html>Welcome!</html>", "text/html"),
    "half of the JSON": answer(200, b'{"predict_result":['),
    "nothing": answer(200, b"", ""),
    "a gateway": PAGE,
}


@pytest.mark.parametrize("part", BROKEN.values(), ids=BROKEN)
def test_a_prediction_whose_answer_is_lost_is_not_asked_for_again(
    connect: Connect, waits: list[float], part: bytes | Part
) -> None:
    with scripted(part) as server:
        with pytest.raises(AnswerLost) as raised:
            connect(server.url).predict([[1]])
        assert raised.value.remedy
        assert TOKEN not in str(raised.value)
        assert len(server.requests) == 1
    assert waits == []


@pytest.mark.parametrize("part", [closed, reset, GOOD[:-5], PAGE], ids=["closed", "reset", "half a body", "a gateway"])
def test_a_look_whose_answer_is_lost_is_taken_again(connect: Connect, waits: list[float], part: bytes | Part) -> None:
    with scripted(part, part, answer(200, b'{"name":"iris"}')) as server:
        assert connect(server.url).metadata() == {"name": "iris"}
        assert len(server.requests) == 3
    assert len(waits) == 2


@pytest.mark.parametrize("value", ["text", None, [1], {"a": 1}, {"predict_result": 1, "a": 2}], ids=repr)
def test_what_a_resource_answers_itself_is_answered_as_it_says(connect: Connect, value: object) -> None:
    with scripted(*[answer(200, json.dumps(value).encode())] * 2) as server:
        client = connect(server.url)
        assert client.predict([[1]]) == value
        assert client.inspect() == value


def test_no_content_is_an_answer(connect: Connect) -> None:
    with scripted(b"HTTP/1.1 204 No Content\r\n\r\n") as server:
        assert connect(server.url).call("note", [1]) is None


def test_another_program_is_no_endpoint(connect: Connect) -> None:
    page = answer(200, b"<html>", "text/html")
    with scripted(page) as server, pytest.raises(AnswerLost, match="answered text/html, and not as an endpoint does"):
        connect(server.url).metadata()


def test_a_load_may_be_asked_for_twice_and_an_unload_not(connect: Connect, waits: list[float]) -> None:
    with scripted(closed, answer(200, b'{"state":"loaded"}'), closed) as server:
        client = connect(server.url)
        assert client.load() == {"state": "loaded"}
        with pytest.raises(AnswerLost):
            client.unload()
        assert len(server.requests) == 3


def test_retry_after_is_honoured(connect: Connect, waits: list[float]) -> None:
    busy = answer(429, b"slow down", "text/plain", retry_after="7")
    away = answer(503, b"restarting", "text/plain", retry_after="3")
    with scripted(busy, away, GOOD) as server:
        assert connect(server.url).predict([[1]]) == [1]
        assert server.requests[0] == server.requests[1] == server.requests[2]
    assert 7 <= waits[0] < 7.5
    assert 3 <= waits[1] < 3.5


def test_a_server_that_comes_back_is_asked_again(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        address = reserved.getsockname()
    waited = threading.Event()
    back: list[Any] = []

    def come_back(_: float) -> None:
        if not waited.is_set():
            back.append(_answering(address))
        waited.set()

    async def come_back_async(seconds: float) -> None:
        come_back(seconds)

    monkeypatch.setattr(nbserve.Client, "_sleep", staticmethod(come_back))
    monkeypatch.setattr(nbserve.AsyncClient, "_sleep", staticmethod(come_back_async))
    assert connect(f"http://127.0.0.1:{address[1]}/iris/").predict([[1]]) == [1]
    back[0].join(5)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_port_that_nobody_listens_on_is_told_after_some_attempts(
    connect: Connect, waits: list[float], host: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    with pytest.raises(Unreachable, match=f"Nothing answers at {host}:{port}: connection refused"):
        connect(f"http://{host}:{port}/iris/").predict([[1]])
    assert len(waits) == 3


def test_a_host_that_is_not_known_is_told(connect: Connect) -> None:
    with pytest.raises(Unreachable, match=r"The host of nobody\.invalid is not known"):
        connect("http://nobody.invalid/iris/").predict([[1]])


# --- time


def _hang(connection: socket.socket) -> None:
    connection.recv(1)  # until the client goes


def _drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n")
    gone = threading.Event()
    while not gone.wait(0.02):
        connection.sendall(b" ")


@pytest.mark.parametrize("part", [_hang, _drip], ids=["silent", "dripping"])
def test_an_answer_that_takes_too_long_is_given_up(connect: Connect, part: Part) -> None:
    with scripted(part) as server:
        with pytest.raises(DeadlineExceeded, match=r"did not come in 0\.[12]") as raised:
            connect(server.url, timeout=0.2).predict([[1]])
        assert "may have been carried out" in raised.value.remedy
        assert len(server.requests) == 1


# --- redirects


def test_the_token_never_goes_to_another_server(connect: Connect) -> None:
    with scripted(GOOD) as other:
        for status in (301, 302, 303, 307, 308):
            with scripted(answer(status, b"", location=f"{other.url}predict/")) as server:
                with pytest.raises(Unreachable, match="sends the request on to http://127"):
                    connect(server.url).predict([[1]])
                assert len(server.requests) == 1
        assert other.requests == []


def test_the_same_path_of_the_same_server_is_followed(connect: Connect) -> None:
    with scripted(answer(308, b"", location="/user/me/iris/predict/"), GOOD) as server:
        assert connect(server.url).predict([[1]]) == [1]
        assert server.requests[1].startswith(b"POST /user/me/iris/predict/ ")
        assert server.requests[1].endswith(b'{"X":[[1]]}')


def test_a_page_to_sign_in_is_told(connect: Connect) -> None:
    with scripted(answer(302, b"", location="/hub/login?next=x")) as server, pytest.raises(TokenMissing):
        connect(server.url).metadata()


# --- TLS


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate and who has signed it; its key is beside it."""
    path = tmp_path_factory.mktemp("tls") / "cert.pem"
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(str(path.with_name("key.pem")))
    for each in (*issued.cert_chain_pems, authority.cert_pem):
        each.write_to_path(str(path), append=True)
    return path


@pytest.fixture
def secure(certificate: Path) -> Iterator[str]:
    """The URL of a server with that certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    with scripted(*[GOOD] * 4, tls=context) as server:
        yield server.url


def test_a_certificate_of_its_owner_is_not_trusted_by_itself(connect: Connect, secure: str, waits: list[float]) -> None:
    with pytest.raises(Unreachable, match=r"certificate of 127\.0\.0\.1:\d+ is not trusted: self.signed") as raised:
        connect(secure).predict([[1]])
    assert "verify='cert.pem'" in raised.value.remedy
    assert waits == []


def test_a_certificate_of_its_owner_is_trusted_when_it_is_given(
    connect: Connect, secure: str, certificate: Path
) -> None:
    assert connect(secure, verify=certificate).predict([[1]]) == [1]
    assert connect(secure, verify=str(certificate)).predict([[1]]) == [1]
    assert connect(secure, verify=ssl.create_default_context(cafile=certificate)).predict([[1]]) == [1]
    assert connect(secure, verify=False).predict([[1]]) == [1]


def test_a_server_without_tls_is_told(connect: Connect, waits: list[float]) -> None:
    with scripted() as server, pytest.raises(Unreachable, match="does not speak TLS"):
        connect(server.url.replace("http:", "https:")).predict([[1]])
    assert waits == []


@pytest.mark.parametrize("content", [None, "no certificate"], ids=["missing", "another file"])
def test_a_certificate_that_cannot_be_read_is_told(connect: Connect, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "cert.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(OptionError, match="cannot be read"):
        connect("https://127.0.0.1/iris/", verify=path)


def test_every_error_of_a_client_is_one_of_ours() -> None:
    assert all(issubclass(kind, NbserveError) for kind in (AnswerLost, Unreachable))
    assert not issubclass(AnswerLost, Unreachable)  # who repeats what was unreachable repeats nothing that has run


def _answering(address: tuple[str, int]) -> threading.Thread:
    listening = socket.create_server(address)

    def live() -> None:
        with listening:
            connection, _ = listening.accept()
            with connection:
                while b"}" not in connection.recv(65536):
                    pass
                connection.sendall(GOOD)

    thread = threading.Thread(target=live, daemon=True)
    thread.start()
    return thread
