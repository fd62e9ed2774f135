"""Attacks on the way from a visitor to a kernel, and from a hostile kernel to the Jupyter server: each must fail."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.kernel.harness import PATIENCE_S
from tests.serverext.real_jupyter import JupyterServer, Kernel

MIB = 1024**2
MOST_GROWTH = 16 * MIB


# --- what one server reads in one way and the next in another


def raw(kernel: Kernel, lines: str, body: bytes = b"") -> bytes:
    """All that comes back for a request to `shop/echo/` with these lines in its head, as they stand."""
    parts = urlsplit(kernel.address("shop/echo/"))
    head = [f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}", f"Authorization: token {kernel.server.token}"]
    sent = "\r\n".join([*head, "Connection: close", lines, "", ""]).encode("latin-1") + body
    with socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_S) as connection:
        connection.sendall(sent)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def headers_seen(answer: bytes) -> dict[str, str]:
    """Those that reached the user's code."""
    assert answer.startswith(b"HTTP/1.1 200 "), answer[:300]
    return dict(json.loads(answer.partition(b"\r\n\r\n")[2])["headers"])


@pytest.mark.parametrize(
    "lines",
    [
        "Content-Length: 4\r\nTransfer-Encoding : chunked",
        "Content-Length: 4\r\nTransfer-Encoding:\x0bchunked",
        "Content-Length: 4\r\n Transfer-Encoding: chunked",
        "Content-Length: 4\r\nX: y\r\n\tTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: identity, chunked",
        "Content-Length: 4\r\nContent_Length: 40",
        "Content-Length: 0x4",
        "Content-Length: 4\r\ncontent-length : 40",
    ],
)
def test_a_second_request_inside_the_first_reaches_no_model(kernel: Kernel, user: httpx.Client, lines: str) -> None:
    """Whatever is made of the first, what is hidden in it is not carried out."""
    before = user.get(kernel.address("double/metadata/")).json()["counters"]["requests"]
    hidden = b'POST /double/predict/ HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n{"X": [[1]]}'
    answer = raw(kernel, lines, b"0\r\n\r\n" + hidden)
    assert answer.count(b"HTTP/1.1 ") <= 1
    assert b"predict_result" not in answer
    assert user.get(kernel.address("double/metadata/")).json()["counters"]["requests"] == before


@pytest.mark.parametrize(
    "name",
    [
        "X-Nbserve-Share",
        "X-Nbserve-User",
        "X-Nbserve-Page-Token",
        "x-nbserve-anything",
        "X-Forwarded-Prefix",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "Forwarded",
        "Cookie",
        "Proxy-Authorization",
    ],
)
@pytest.mark.parametrize(
    "form", ["{}: forged", "{} : forged", "{}:forged", "X: y\r\n {}: forged", "X: y\r\n\t{}: forged"]
)
def test_a_visitor_says_nothing_in_the_jupyter_servers_name(kernel: Kernel, name: str, form: str) -> None:
    answer = raw(kernel, f"Content-Length: 0\r\n{form.format(name)}")
    if answer.startswith(b"HTTP/1.1 400 "):
        return  # the head is no head at all
    seen = headers_seen(answer)
    assert [key for key, text in seen.items() if "forged" in text and key != "x"] == []


def test_a_header_of_underscores_is_none_of_ours(kernel: Kernel) -> None:
    lines = "Content-Length: 0\r\nX_Nbserve_Share: forged\r\nX_Forwarded_Prefix: /forged\r\nAuthorization_: forged"
    answer = raw(kernel, lines)
    assert answer.startswith(b"HTTP/1.1 200 "), answer[:300]
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["root"].endswith(f"nbserve/e/{kernel.id}")


@pytest.mark.parametrize(
    "named",
    ["Authorization", "Host", "X-Forwarded-For", "X-Forwarded-Prefix", "Content-Length", "X-Nbserve-User", "Origin"],
)
def test_no_header_of_ours_is_dropped_by_a_visitor_who_calls_it_the_next_hops(kernel: Kernel, named: str) -> None:
    parts = urlsplit(kernel.address("shop/echo/"))
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=PATIENCE_S)
    headers = {"Authorization": f"token {kernel.server.token}", "Connection": f"keep-alive, {named}"}
    connection.request("POST", parts.path, b"abc", headers)
    told = json.loads(connection.getresponse().read())
    connection.close()
    assert {"host", "x-forwarded-for", "x-forwarded-prefix"} <= set(dict(told["headers"]))
    assert told["size"] == 3


# --- a hostile kernel


@contextmanager
def hostile(kernel: Kernel, say: Callable[[socket.socket], None]) -> Iterator[tuple[str, list[int]]]:
    """What is listed as an endpoint is a program that says whatever it likes; its address here, and how much it said.

    It is the owner's own kernel that would have to be: no other may write the listing.
    """
    said: list[int] = []
    listening = socket.create_server(("127.0.0.1", 0))
    listing = json.loads(kernel.listing("double").read_text())
    port = listening.getsockname()[1]
    path = kernel.listing("hostile")
    path.write_text(json.dumps(listing | {"name": "hostile", "url": f"http://127.0.0.1:{port}/hostile/"}))
    path.chmod(0o600)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(PATIENCE_S)
                    connection.recv(65536)
                    said.append(0)
                    say(_Counted(connection, said))  # type: ignore[arg-type]

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield kernel.address("hostile/"), said
    finally:
        path.unlink()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(PATIENCE_S)


class _Counted:
    def __init__(self, connection: socket.socket, said: list[int]) -> None:
        self._connection, self._said = connection, said

    def sendall(self, data: bytes) -> None:
        self._connection.sendall(data)
        self._said[-1] += len(data)


ENDLESS = 64 * MIB
"""More than anybody may take in before it is refused."""


def flood(begin: bytes, again: bytes) -> Callable[[socket.socket], None]:
    def say(connection: socket.socket) -> None:
        connection.sendall(begin)
        piece = again * (65536 // len(again) + 1)
        for _ in range(ENDLESS // len(piece)):
            connection.sendall(piece)

    return say


@pytest.mark.parametrize(
    "say",
    [
        flood(b"HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n"),
        flood(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x"),
        flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        flood(b"", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
        flood(b"HTTP/1.1 200 ", b"O"),
        flood(b"", b"no HTTP at all\r\n"),
        flood(b"HTTP/1.1 200 OK\r\nSet-Cookie: a", b"\r\n x"),
    ],
    ids=["headers", "one header", "continue", "early hints", "a status", "no http", "folded lines"],
)
def test_endless_heads_of_a_hostile_kernel_end_in_bounded_memory(
    jupyter: JupyterServer, kernel: Kernel, user: httpx.Client, say: Callable[[socket.socket], None]
) -> None:
    user.get(kernel.address("shop/echo/"))
    grown = jupyter.watch_memory()
    with hostile(kernel, say) as (address, said):
        answer = user.get(f"{address}metadata/")
        assert (answer.status_code, answer.json()["code"]) == (503, "kernel_gone")
        assert said[0] < ENDLESS - MIB
    assert grown() < MOST_GROWTH
    assert user.get(kernel.address("shop/echo/")).status_code == 200


@pytest.mark.parametrize(
    "say",
    [
        flood(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x"),
        flood(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
        flood(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X-Trailer: more\r\n"),
        flood(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"),
    ],
    ids=["an extension of a chunk", "a length of a chunk", "trailers", "a second answer"],
)
def test_endless_ends_of_a_hostile_kernel_end_in_bounded_memory(
    jupyter: JupyterServer, kernel: Kernel, user: httpx.Client, say: Callable[[socket.socket], None]
) -> None:
    grown = jupyter.watch_memory()
    with hostile(kernel, say) as (address, said):
        with contextlib.suppress(httpx.HTTPError):
            assert len(user.get(f"{address}metadata/").content) <= 1
        assert said[0] < ENDLESS - MIB
    assert grown() < MOST_GROWTH
    assert user.get(kernel.address("shop/echo/")).status_code == 200


def test_an_answer_split_into_two_by_a_header_of_the_models_stays_one(kernel: Kernel, user: httpx.Client) -> None:
    def say(connection: socket.socket) -> None:
        injected = (
            b"X-Mine: a\x85Set-Cookie: planted\x0bSet-Cookie: planted\r\nX-\xff: d\r\nContent-Length: 2\r\n\r\nok"
        )
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + injected)

    with hostile(kernel, say) as (address, _):
        answer = user.get(f"{address}metadata/")
    assert answer.status_code in (200, 503)
    assert "planted" not in answer.headers.get("set-cookie", "")


# --- listings


def test_a_listing_that_is_a_link_is_none(kernel: Kernel, user: httpx.Client, tmp_path: Path) -> None:
    listing = json.loads(kernel.listing("double").read_text())
    target = tmp_path / "target.json"
    target.write_text(json.dumps(listing | {"name": "linked"}))
    target.chmod(0o600)
    path = kernel.listing("linked")
    path.symlink_to(target)
    try:
        assert user.get(kernel.address("linked/metadata/")).status_code == 404
        assert "linked" not in {each["name"] for each in user.get("nbserve/").json()["endpoints"]}
    finally:
        path.unlink()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff" * 100, b"[" * 60_000, b'{"name":' * 5000])
def test_a_listing_that_is_no_listing_harms_nobody(kernel: Kernel, user: httpx.Client, content: bytes) -> None:
    path = kernel.listing("broken")
    path.write_bytes(content)
    path.chmod(0o600)
    try:
        assert user.get(kernel.address("broken/metadata/")).status_code == 404
        assert user.get("nbserve/").status_code == 200
    finally:
        path.unlink()


def test_a_listing_that_is_a_pipe_holds_up_nobody(kernel: Kernel, user: httpx.Client) -> None:
    path = kernel.listing("piped")
    os.mkfifo(path, 0o600)
    try:
        assert user.get(kernel.address("piped/metadata/")).status_code == 404
        assert user.get("nbserve/").status_code == 200
    finally:
        path.unlink()
