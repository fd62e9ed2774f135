"""Where a session listens: on this machine alone, or for others and then never without a token; with TLS or without."""

from __future__ import annotations

import json
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

import nbserve
from nbserve.errors import OptionError, TokenMissing
from nbserve.notebook import session as session_module
from nbserve.notebook.session import Session
from nbserve.notebook.still import as_html, as_text
from nbserve.web import address as address_module
from nbserve.web.access import Access
from tests.certificates import PASSWORD, issued, locked, self_signed
from tests.client import PATIENCE_S, handle

ROWS = {"X": [[1.0, 2.0]]}
FOR_ALL = {"host": "0.0.0.0"}


def echo(X):
    return X


@pytest.fixture
def lan(monkeypatch: pytest.MonkeyPatch) -> str:
    """The number that this machine has in its network, as it would seem."""
    monkeypatch.setattr(address_module, "_number_towards", lambda *_: "192.168.1.5")
    return "192.168.1.5"


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the Jupyter server is told: where each endpoint is for it."""
    told: dict[str, str] = {}
    monkeypatch.setattr(session_module, "announce_endpoint", lambda name, url, key: told.update({name: url}))
    return told


@pytest.fixture
def certificate(tmp_path: Path) -> dict[str, str]:
    certfile = issued(tmp_path)
    return {"certfile": str(certfile), "keyfile": str(tmp_path / "key.pem")}


def listening(session: Session) -> list[tuple[str, int]]:
    server = session.hosting._server
    assert server is not None
    return [each.getsockname()[:2] for each in server._sockets]


def test_it_is_for_this_machine_alone_unless_the_user_says_otherwise(session: Session) -> None:
    endpoint = handle(session, echo, {"name": "echo"})
    assert [host for host, _ in listening(session)] == ["127.0.0.1"]
    assert session.snapshot("echo")["endpoints"][0]["addresses"] == []
    assert "For teammates" not in as_html(session.snapshot("echo"))
    assert endpoint.url.startswith("http://127.0.0.1:")


def test_for_all_addresses_it_answers_with_the_token_whatever_it_is_called(session: Session, lan: str) -> None:
    endpoint = handle(session, echo, {"name": "echo", **FOR_ALL})
    port = urlsplit(endpoint.url).port
    assert listening(session) == [("0.0.0.0", port)]
    headers = {"authorization": f"Bearer {endpoint.token}", "host": f"{lan}:{port}"}
    with httpx.Client(timeout=PATIENCE_S, trust_env=False) as client:
        assert client.post(f"{endpoint.url}predict/", json=ROWS, headers=headers).json()["predict_result"] == ROWS["X"]
        assert client.post(f"{endpoint.url}predict/", json=ROWS, headers={"host": lan}).status_code == 401


def test_the_card_says_which_addresses_others_can_use(session: Session, lan: str) -> None:
    endpoint = handle(session, echo, {"name": "echo", **FOR_ALL})
    address = endpoint.url.replace("127.0.0.1", lan)
    entry = session.snapshot("echo")["endpoints"][0]
    assert (entry["url"], entry["addresses"]) == (endpoint.url, [address])
    assert address in as_text(session.snapshot("echo"))
    page = as_html(session.snapshot("echo"))
    assert address in page
    assert str(endpoint.token) not in page


def test_another_host_is_refused_while_it_listens_and_the_same_in_another_form_is_not(session: Session) -> None:
    session.serve(echo, {"name": "echo", "host": "127.0.0.1"})
    for host in ("localhost", "127.1", "127.0.0.1"):
        session.serve(echo, {"name": "echo", "host": host})
    with pytest.raises(OptionError, match=r"listens on 127\.0\.0\.1 already\. Leave --host away, or %unserve --all"):
        session.serve(echo, {"name": "other", **FOR_ALL})
    assert "other" not in session.registry
    session.stop_all()
    assert handle(session, echo, {"name": "other", **FOR_ALL}).url


@pytest.mark.parametrize("host", ["0.0.0.0", "0", "::"])
def test_nothing_is_served_to_other_machines_without_a_token(session: Session, host: str) -> None:
    with pytest.raises(OptionError, match="Without a token nothing is served to other machines") as refused:
        session.serve(echo, {"name": "echo", "host": host, "token": False})
    assert "--no-token" in refused.value.remedy
    assert session.url == ""
    assert len(session.registry) == 0


def test_what_is_served_later_needs_a_token_too_and_nothing_changes_when_it_has_none(session: Session) -> None:
    endpoint = handle(session, echo, {"name": "echo", **FOR_ALL})
    for name in ("other", "echo"):
        with pytest.raises(OptionError, match="Without a token"):
            session.serve(echo, {"name": name, "token": False})
    assert [served.name for served in session.registry] == ["echo"]
    assert httpx.post(f"{endpoint.url}predict/", json=ROWS, trust_env=False).status_code == 401


def test_what_is_open_already_keeps_a_server_that_starts_anew_from_other_machines(session: Session) -> None:
    session.serve(echo, {"name": "open", "token": False})
    server = session.hosting._server
    assert server is not None
    server.stop()
    with pytest.raises(OptionError, match="Without a token"):
        session.serve(echo, {"name": "echo", **FOR_ALL})
    assert handle(session, echo, {"name": "echo"}).url.startswith("http://127.0.0.1:")


def test_the_token_is_needed_where_the_default_says_none_and_the_line_says_others(session: Session) -> None:
    session._settings = lambda: {"token": False}
    with pytest.raises(OptionError, match="Without a token"):
        session.serve(echo, {"name": "echo", **FOR_ALL})


def test_a_caller_of_another_machine_gets_nothing_that_is_open_whatever_he_calls_it() -> None:
    access = Access()
    access.set_open("echo", True)
    scope = {"headers": [(b"host", b"127.0.0.1")], "query_string": b""}
    for here in (("127.0.0.1", 1), ("127.9.9.9", 1), ("::1", 1), None, ("", 0)):
        assert access.admit({**scope, "client": here}, "echo").covers("echo")
    for elsewhere in ("192.168.1.9", "2001:db8::9", "10.0.0.127"):
        with pytest.raises(TokenMissing):
            access.admit({**scope, "client": (elsewhere, 1)}, "echo")


def test_an_address_that_is_not_this_machines_is_an_error_and_nothing_is_served(session: Session) -> None:
    with pytest.raises(OptionError, match=r"198\.51\.100\.1 is no address of this machine"):
        session.serve(echo, {"name": "echo", "host": "198.51.100.1"})
    assert len(session.registry) == 0
    assert session.url == ""


# --- the Jupyter server


@pytest.mark.parametrize("host", [None, "127.0.0.1", "0.0.0.0", "::1", "::"])
def test_the_jupyter_server_is_told_a_number_that_no_other_machine_has(
    session: Session, announced: dict[str, str], host: str | None
) -> None:
    endpoint = handle(session, echo, {"name": "echo", "host": host})
    assert announced["echo"] == endpoint.url
    assert urlsplit(endpoint.url).hostname in ("127.0.0.1", "::1")
    assert len(listening(session)) == 1


@pytest.mark.parametrize(
    ("host", "number"),
    [
        ("localhost", "127.0.0.1"),
        ("127.0.0.3", "127.0.0.3"),
        ("0.0.0.0", "127.0.0.1"),
        ("::1", "[::1]"),
        ("::", "[::1]"),
    ],
)
def test_the_jupyter_server_is_told_a_number_of_this_machine_and_no_name(
    session: Session, announced: dict[str, str], host: str, number: str
) -> None:
    session.serve(echo, {"name": "echo", "host": host})
    assert announced["echo"] == f"http://{number}:{session.hosting.url.rstrip('/').rpartition(':')[2]}/echo/"


def test_where_it_listens_for_one_network_or_with_tls_the_jupyter_server_has_a_side_door_of_this_machine(
    session: Session, announced: dict[str, str], certificate: dict[str, str]
) -> None:
    endpoint = handle(session, echo, {"name": "echo", **certificate})
    assert [host for host, _ in listening(session)] == ["127.0.0.1", "127.0.0.1"]
    assert announced["echo"] == f"http://127.0.0.1:{listening(session)[1][1]}/echo/"
    with httpx.Client(timeout=PATIENCE_S, trust_env=False) as client:
        assert client.get(f"{announced['echo']}metadata/").status_code == 401
        key = {"authorization": f"Bearer {session._credentials.key('echo')}"}
        assert client.post(f"{announced['echo']}predict/", json=ROWS, headers=key).status_code == 200
        with pytest.raises(httpx.HTTPError):
            client.get(endpoint.url.replace("https", "http"))
    ports = [port for _, port in listening(session)]
    session.stop_all()
    for port in ports:
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", port), timeout=5)


# --- TLS


def test_with_a_certificate_every_url_is_https_and_the_client_verifies_it(
    session: Session, certificate: dict[str, str], tmp_path: Path
) -> None:
    endpoint = handle(session, echo, {"name": "echo", **certificate})
    assert endpoint.url.startswith("https://127.0.0.1:")
    entry = session.snapshot("echo")["endpoints"][0]
    assert entry["page_url"].startswith(endpoint.url)
    assert f"curl -X POST {endpoint.url}predict/" in entry["curl"]
    assert "--cacert" not in entry["curl"]
    with nbserve.Client(endpoint.url, endpoint.token, verify=tmp_path / "ca.pem") as client:
        assert client.predict(X=ROWS["X"]) == ROWS["X"]
    with nbserve.Client(endpoint.url, endpoint.token, retries=0) as client, pytest.raises(nbserve.NbserveError):
        client.predict(X=ROWS["X"])


def test_large_bodies_and_pages_come_over_tls_as_they_do_without(
    session: Session, certificate: dict[str, str], tmp_path: Path
) -> None:
    endpoint = handle(session, echo, {"name": "echo", **certificate})
    rows = [[float(number)] for number in range(100_000)]
    trusting = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    with httpx.Client(verify=trusting, timeout=PATIENCE_S, trust_env=False) as client:
        client.headers["authorization"] = f"Bearer {endpoint.token}"
        answer = client.post(f"{endpoint.url}predict/", json={"X": rows})
        assert answer.json()["predict_result"] == rows
        page = client.get(endpoint.url, headers={"accept": "text/html"})
        assert page.status_code == 200
        assert "http://" not in page.text.replace("http://www.w3.org", "")


def test_a_certificate_that_has_signed_itself_is_named_in_the_line_for_curl(session: Session, tmp_path: Path) -> None:
    certfile = self_signed(tmp_path)
    endpoint = handle(session, echo, {"name": "echo", "certfile": str(certfile)})
    assert f"--cacert {certfile}" in session.snapshot("echo")["endpoints"][0]["curl"]
    with nbserve.Client(endpoint.url, endpoint.token, verify=certfile) as client:
        assert client.predict(X=ROWS["X"]) == ROWS["X"]


def test_the_url_is_one_that_the_certificate_is_for(session: Session, tmp_path: Path, lan: str) -> None:
    certfile = self_signed(tmp_path, "localhost", "box.example", "*.lab.example")
    endpoint = handle(session, echo, {"name": "echo", "certfile": str(certfile), **FOR_ALL})
    port = urlsplit(endpoint.url).port
    assert endpoint.url == f"https://localhost:{port}/echo/"
    entry = session.snapshot("echo")["endpoints"][0]
    assert entry["addresses"] == [f"https://box.example:{port}/echo/"]


def test_a_certificate_for_nothing_that_it_is_called_leaves_the_numbers(
    session: Session, tmp_path: Path, lan: str
) -> None:
    certfile = self_signed(tmp_path, "localhost")
    endpoint = handle(session, echo, {"name": "echo", "certfile": str(certfile), **FOR_ALL})
    port = urlsplit(endpoint.url).port
    assert session.snapshot("echo")["endpoints"][0]["addresses"] == [f"https://{lan}:{port}/echo/"]


def test_another_certificate_is_refused_while_it_listens_and_the_same_is_not(
    session: Session, certificate: dict[str, str], tmp_path: Path
) -> None:
    session.serve(echo, {"name": "echo", **certificate})
    session.serve(echo, {"name": "echo", **certificate})
    session.serve(echo, {"name": "echo"})
    other = issued(tmp_path / "other")
    with pytest.raises(OptionError, match="has another certificate already"):
        session.serve(echo, {"name": "echo", "certfile": str(other)})


def test_a_certificate_is_refused_where_it_is_served_without(session: Session, certificate: dict[str, str]) -> None:
    session.serve(echo, {"name": "echo"})
    with pytest.raises(OptionError, match="serves without TLS already"):
        session.serve(echo, {"name": "echo", **certificate})


def test_a_key_alone_and_a_wrong_pair_are_refused_and_nothing_is_served(
    session: Session, certificate: dict[str, str], tmp_path: Path
) -> None:
    issued(tmp_path / "other")
    with pytest.raises(OptionError, match="key alone"):
        session.serve(echo, {"name": "echo", "keyfile": certificate["keyfile"]})
    with pytest.raises(OptionError, match="is not that of the certificate"):
        session.serve(echo, {"name": "echo", **certificate, "keyfile": str(tmp_path / "other" / "key.pem")})
    assert session.url == ""


def test_the_password_of_an_encrypted_key_comes_from_the_environment(
    session: Session, certificate: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {**certificate, "keyfile": str(locked(tmp_path / "key.pem"))}
    with pytest.raises(OptionError, match="is encrypted"):
        session.serve(echo, {"name": "echo", **given})
    monkeypatch.setenv("NBSERVE_KEYFILE_PASSWORD", PASSWORD)
    assert handle(session, echo, {"name": "echo", **given}).url.startswith("https://")
    assert PASSWORD not in json.dumps(session.snapshot("echo"))
