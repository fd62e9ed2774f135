"""Certificates as users have them: PEM files, signed by an authority of the tests, or by themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

__all__ = ["HOSTS", "PASSWORD", "issued", "locked", "self_signed"]

HOSTS = ("localhost", "127.0.0.1", "box.example")
PASSWORD = "correct horse"


def issued(folder: Path, *hosts: str, days: int = 1) -> Path:
    """The certificate's file; beside it are `key.pem`, `both.pem` and the authority's `ca.pem`."""
    authority = trustme.CA()
    now = datetime.now(UTC)
    begins = now - timedelta(days=2)
    cert = authority.issue_cert(*(hosts or HOSTS), not_before=begins, not_after=now + timedelta(days=days))
    folder.mkdir(parents=True, exist_ok=True)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    cert.private_key_pem.write_to_path(folder / "key.pem")
    cert.private_key_and_cert_chain_pem.write_to_path(folder / "both.pem")
    cert.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    return folder / "cert.pem"


def locked(key: Path) -> Path:
    """The same key, encrypted with `PASSWORD`."""
    opened = load_pem_private_key(key.read_bytes(), None)
    wanted = (Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSWORD.encode()))
    target = key.with_name("locked.pem")
    target.write_bytes(opened.private_bytes(*wanted))
    return target


def self_signed(folder: Path, *hosts: str) -> Path:
    """As `openssl req -x509` makes it: one file with certificate and key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "the tests")])
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(1)
    )
    names = x509.SubjectAlternativeName([_named(host) for host in hosts or HOSTS])
    signed = builder.add_extension(names, critical=False).sign(key, SHA256())
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "own.pem").write_bytes(plain + signed.public_bytes(Encoding.PEM))
    return folder / "own.pem"


def _named(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
