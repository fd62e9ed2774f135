"""http and https: what is followed, what is sent along, and what each refusal is called."""

from __future__ import annotations

import base64
import logging
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from nbserve.core.storages import Address, Terms, fetched, storage_of, web
from nbserve.errors import LoadError
from tests.hosts import Host, hosted, status, told

DATA = b"model" * 1000


def got(address: str, terms: Terms) -> bytes:
    place = Address.read(address)
    with fetched(place, storage_of(place), terms) as path:
        return path.read_bytes()


def test_user_and_password_are_sent_and_said_nowhere(
    host: Host, terms: Terms, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    host.has["m.bin"] = DATA
    secrets = ("us%40er", "us@er", "pa55word", "s3cr3t")
    assert got(host.address("m.bin?sig=s3cr3t#s3cr3t", "us%40er:pa55word@"), terms) == DATA
    path, headers = host.asked[0]
    assert path == "/m.bin?sig=s3cr3t"
    assert headers["Authorization"] == f"Basic {base64.b64encode(b'us@er:pa55word').decode()}"
    host.has["m.bin"] = status(403)
    with pytest.raises(LoadError) as refused:
        got(host.address("m.bin?sig=s3cr3t", "us%40er:pa55word@"), terms)
    chain, said = refused.value, [caplog.text, *capfd.readouterr()]
    while chain is not None:
        said.append(f"{chain!r} {chain}")
        chain = chain.__cause__ or chain.__context__  # type: ignore[assignment]
    assert not any(secret in text for secret in secrets for text in said)


def test_a_redirect_is_followed_and_takes_no_password_along(host: Host, terms: Terms) -> None:
    with hosted() as other:
        other.has["real.bin"] = DATA
        host.has["m.bin"] = told(302, Location=other.address("real.bin?token=s3cr3t"))
        assert got(host.address("m.bin", "user:pa55word@"), terms) == DATA
        assert "Authorization" not in other.asked[0][1]
        assert got(host.address("m.bin", "user:pa55word@"), terms) == DATA  # unchanged, of where it leads to
        assert other.asked[1][1]["If-None-Match"]


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x", "memory://x"])
def test_a_redirect_to_another_scheme_is_refused(host: Host, terms: Terms, to: str) -> None:
    host.has["m.bin"] = told(302, Location=to)
    with pytest.raises(LoadError, match=r"not followed|leads from m\.bin to where nothing is read") as refused:
        got(host.address("m.bin"), terms)
    assert "passwd" not in str(refused.value)


def test_a_redirect_in_a_circle_ends(host: Host, terms: Terms) -> None:
    host.has["m.bin"] = told(302, Location="/m.bin")
    with pytest.raises(LoadError, match=r"leads from m\.bin to where nothing is read"):
        got(host.address("m.bin"), terms)
    assert len(host.asked) < 15


STATUSES = [
    (401, "wants to know who asks"), (403, "does not let us in"), (404, "has nothing there"),
    (410, "has nothing there any more"), (429, "is asked too often"), (500, "does not answer as it should"),
    (503, "does not answer as it should"), (304, "leads from m.bin to where nothing is read"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "sentence"), STATUSES)
def test_each_refusal_has_its_sentence(host: Host, terms: Terms, code: int, sentence: str) -> None:
    host.has["m.bin"] = status(code)
    with pytest.raises(LoadError, match=rf"127\.0\.0\.1 {sentence}.*{code}") as refused:
        got(host.address("m.bin"), terms)
    assert refused.value.remedy


def test_a_server_that_says_nothing_is_given_up(host: Host, terms: Terms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "SILENCE_S", 0.2)
    host.has["m.bin"] = lambda _: host.given_up.wait(20)  # type: ignore[assignment,return-value]
    with pytest.raises(LoadError, match=r"127\.0\.0\.1 does not answer: nothing came for 0\.2 s"):
        got(host.address("m.bin"), terms)


def test_a_server_that_stops_in_the_middle_is_given_up(
    host: Host, terms: Terms, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "SILENCE_S", 0.2)

    def stops(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"a")
        host.given_up.wait(20)

    host.has["m.bin"] = stops
    with pytest.raises(LoadError, match=r"/m\.bin has stopped answering"):
        got(host.address("m.bin"), terms)
    assert [each for each in cache.rglob("*") if each.is_file()] == []


def test_what_is_no_http_is_told(host: Host, terms: Terms) -> None:
    def noise(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"SSH-2.0-OpenSSH\r\n\r\n")
        handler.close_connection = True

    host.has["m.bin"] = noise
    with pytest.raises(LoadError, match=r"127\.0\.0\.1 cannot be reached: BadStatusLine"):
        got(host.address("m.bin"), terms)


def test_nobody_there_is_told(terms: Terms) -> None:
    with hosted() as gone:
        pass
    with pytest.raises(LoadError, match=r"127\.0\.0\.1 cannot be reached: Connection refused"):
        got(gone.address("m.bin"), terms)


@pytest.mark.parametrize(
    "address", ["http://", "https:///m.bin", "http://host:0/m", "http://host:99999/m", "http://h:x/m"]
)
def test_an_address_without_a_host_is_refused_at_once(address: str) -> None:
    with pytest.raises(LoadError, match="names no host to ask"):
        storage_of(Address.read(address))


def test_a_certificate_that_nobody_vouches_for_is_refused_and_https_does_not_lead_to_http(
    host: Host, terms: Terms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/down":
                told(302, Location=host.address("m.bin"))(self)
            else:
                told(200, DATA)(self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    address = f"https://127.0.0.1:{server.server_port}"
    try:
        with pytest.raises(LoadError, match=r"127\.0\.0\.1 cannot show that it is 127\.0\.0\.1"):
            got(f"{address}/m.bin", terms)
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        assert got(f"{address}/m.bin", terms) == DATA
        with pytest.raises(LoadError, match="leads on from https to http, which is not followed"):
            got(f"{address}/down", terms)
        assert host.asked == []
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
