"""The user's certificate: what is read of it, and what is refused before anybody is served."""

from __future__ import annotations

from pathlib import Path

import pytest

from nbserve.errors import OptionError
from nbserve.web.certificate import certificate_of
from tests.certificates import PASSWORD, issued, locked, self_signed


def refused(*files: object, password: str | None = None) -> str:
    certfile, *keyfile = map(str, files)
    with pytest.raises(OptionError) as caught:
        certificate_of(certfile, keyfile[0] if keyfile else None, password)
    assert caught.value.remedy
    return str(caught.value)


def test_its_names_are_those_that_callers_take_it_for(tmp_path: Path) -> None:
    certfile = issued(tmp_path, "Box.example", "*.lab.example", "127.0.0.1", "::1")
    found = certificate_of(str(certfile), str(tmp_path / "key.pem"))
    for host in ("box.example", "BOX.example", "a.lab.example", "127.0.0.1", "::1"):
        assert found.covers(host), host
    for host in ("example", "a.b.lab.example", "lab.example", "localhost", "127.0.0.2", ""):
        assert not found.covers(host), host
    assert found.domains == ("box.example",)
    assert not found.is_own
    assert found.file == certfile


def test_one_file_may_hold_both(tmp_path: Path) -> None:
    issued(tmp_path)
    assert certificate_of(str(tmp_path / "both.pem")).covers("localhost")


def test_one_that_has_signed_itself_is_told(tmp_path: Path) -> None:
    found = certificate_of(str(self_signed(tmp_path)))
    assert found.is_own
    assert found.covers("box.example")


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    certfile = issued(tmp_path)
    assert "'nowhere.pem' cannot be read: No such file or directory." in refused("nowhere.pem")
    assert "cannot be read: Is a directory." in refused(tmp_path)
    assert f"The key '{tmp_path}' cannot be read: Is a directory." in refused(certfile, tmp_path)


def test_files_that_are_something_else_are_refused(tmp_path: Path) -> None:
    certfile, other = issued(tmp_path), tmp_path / "text.pem"
    other.write_bytes(b"\xff no PEM")
    assert "not a certificate and its key in PEM form" in refused(other, other)
    assert "not a certificate and its key in PEM form" in refused(tmp_path / "key.pem", certfile)
    assert "does not hold both a certificate and its key" in refused(certfile)


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    certfile = issued(tmp_path / "one")
    issued(tmp_path / "other")
    assert "is not that of the certificate" in refused(certfile, tmp_path / "other" / "key.pem")


def test_an_encrypted_key_needs_its_password_and_nobody_is_asked_on_the_terminal(tmp_path: Path) -> None:
    certfile = issued(tmp_path)
    key = locked(tmp_path / "key.pem")
    assert "is encrypted. Put its password into the environment: NBSERVE_KEYFILE_PASSWORD." in refused(certfile, key)
    told = refused(certfile, key, password="wrong horse")
    assert "NBSERVE_KEYFILE_PASSWORD does not open it" in told
    assert "wrong horse" not in told
    found = certificate_of(str(certfile), str(key), PASSWORD)
    assert found.covers("localhost")
    assert PASSWORD not in repr(found)


def test_one_that_no_caller_would_accept_is_refused_with_the_reason(tmp_path: Path) -> None:
    issued(tmp_path, days=-1)
    assert "No caller would accept" in (told := refused(tmp_path / "both.pem"))
    assert "certificate has expired" in told
