"""How tests ask a session over HTTP."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from nbserve.notebook.handle import Endpoint
from nbserve.notebook.session import Session

__all__ = ["PATIENCE_S", "Caller", "assert_error", "handle", "opened", "received"]

PATIENCE_S = 20.0
"""No answer may take so long; a test that waits longer has found a hang."""

ERROR_KEYS = {"error", "code", "remedy", "detail", "predict_id"}


class Caller:
    """A program that calls what a session serves, with the session's token if no other is given."""

    def __init__(self, session: Session) -> None:
        self.token = ""
        """A place for the token of an endpoint that many tests share."""
        self._session = session
        self._http = httpx.Client(timeout=PATIENCE_S, trust_env=False, verify=False)

    @property
    def port(self) -> int:
        return int(self._session.url.rstrip("/").rpartition(":")[2])

    def request(self, method: str, path: str, *, token: str | None = "", **options: Any) -> httpx.Response:
        """`token` None sends none; `headers` are added to it."""
        headers = httpx.Headers(options.pop("headers", None))
        given = self._session.access.session_token if token == "" else token
        if given is not None:
            headers.setdefault("authorization", f"Bearer {given}")
        url = httpx.URL(self._session.url).copy_with(raw_path=path.encode())
        return self._http.request(method, url, headers=headers, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def predict(self, path: str, **options: Any) -> Any:
        """The result of a call that must succeed."""
        answer = self.post(path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()["predict_result"]

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    def send(self, sent: bytes) -> bytes:
        """Everything that comes back over one connection until the server closes it."""
        with self.connect() as connection:
            connection.sendall(sent)
            return received(connection)

    def head(self, method: str = "POST", path: str = "/echo/predict", **headers: str) -> bytes:
        """The head of a request, in bytes, with the token; underscores in names of headers stand for dashes."""
        all_headers = {
            "host": f"127.0.0.1:{self.port}",
            "authorization": f"Bearer {self._session.access.session_token}",
        }
        all_headers |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in all_headers.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def close(self) -> None:
        self._http.close()


@contextmanager
def opened(namespace: dict[str, Any] | None = None) -> Iterator[tuple[Session, Caller]]:
    """A session, and somebody who calls it: for the length of a module, where every test would do with the same."""
    session = Session({} if namespace is None else namespace)
    caller = Caller(session)
    yield session, caller
    caller.close()
    session.close()


def handle(session: Session, model: object, given: dict[str, Any]) -> Endpoint:
    """Serve a model in a session, and answer its handle, as `nbserve.serve` does in the session of the shell."""
    return Endpoint.of(session, session.serve(model, given))


def received(connection: socket.socket) -> bytes:
    chunks = []
    while chunk := connection.recv(65536):
        chunks.append(chunk)
    return b"".join(chunks)


def assert_error(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The answer is an error in the one shape; its body."""
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-type"] == "application/json"
    body: dict[str, Any] = json.loads(answer.content)
    assert set(body) == ERROR_KEYS
    assert body["code"] == code
    assert isinstance(body["error"], str)
    assert body["error"].strip()
    assert isinstance(body["remedy"], str)
    for fault in body["detail"]:
        assert set(fault) == {"loc", "msg", "type"}
    assert body["predict_id"] == answer.headers.get("x-predict-id")
    return body
