"""The user's own certificate: read, and looked at as its callers will look at it."""

from __future__ import annotations

import contextlib
import re
import ssl
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from ..errors import OptionError
from ..options import PASSWORD_VARIABLE

__all__ = ["Certificate", "certificate_of"]

_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_TURNS = 4
"""More than any handshake takes."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with its key. `names` are the hosts that it is for, `is_own` says that it has signed itself."""

    file: Path
    context: ssl.SSLContext = field(repr=False, compare=False)
    names: tuple[str, ...]
    is_own: bool

    def covers(self, host: str) -> bool:
        """Whether callers take it for that host's."""
        domain = host.partition(".")[2]
        return host.lower() in self.names or bool(domain and f"*.{domain.lower()}" in self.names)

    @property
    def domains(self) -> tuple[str, ...]:
        """Those of its names that other machines may look up."""
        return tuple(name for name in self.names if re.search("[a-z]", name) and ":" not in name and "*" not in name)


def certificate_of(certfile: str, keyfile: str | None = None, password: str | None = None) -> Certificate:
    """Of PEM files; without `keyfile` the certificate's holds the key, too.

    Raises `OptionError` for what cannot be read, does not belong together, or no caller would accept.
    """
    blocks = "\n".join(_BLOCK.findall(_text(certfile, "certificate")))
    if keyfile is not None:
        _text(keyfile, "key")
    context = _context(certfile, keyfile, password)
    seen = _seen(certfile, context, blocks)
    names = tuple(_plain(str(name)) for _, name in seen.get("subjectAltName", ()))
    return Certificate(Path(certfile).resolve(), context, names, seen.get("issuer") == seen.get("subject"))


def _plain(name: str) -> str:
    """In lower case, and numbers in their shortest form."""
    try:
        return str(ip_address(name))
    except ValueError:
        return name.lower()


def _text(path: str, what: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError as error:
        raise OptionError(
            f"The {what} {path!r} cannot be read: {error.strerror or error}.", "Give the path of a PEM file."
        ) from None


def _context(certfile: str, keyfile: str | None, password: str | None) -> ssl.SSLContext:
    asked: list[bool] = []

    def tell() -> str:
        """Without it, OpenSSL would ask on the terminal."""
        asked.append(True)
        return password or ""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certfile, keyfile, tell)
    except (ssl.SSLError, ValueError) as error:
        raise _refused(certfile, keyfile, error, is_locked=bool(asked), has_password=bool(password)) from None
    return context


def _refused(
    certfile: str, keyfile: str | None, error: Exception, *, is_locked: bool, has_password: bool
) -> OptionError:
    key = f"The key {keyfile!r}" if keyfile is not None else f"The key in {certfile!r}"
    if is_locked:
        fault = f"is encrypted, and {PASSWORD_VARIABLE} does not open it" if has_password else "is encrypted"
        return OptionError(f"{key} {fault}.", f"Put its password into the environment: {PASSWORD_VARIABLE}.")
    if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
        return OptionError(
            f"{key} is not that of the certificate {certfile!r}.", "Give two files that belong together."
        )
    if keyfile is None:
        return OptionError(
            f"{certfile!r} does not hold both a certificate and its key.", "Give the key with --keyfile."
        )
    return OptionError(
        f"{certfile!r} and {keyfile!r} are not a certificate and its key in PEM form.",
        "Give the paths of two PEM files.",
    )


def _seen(certfile: str, context: ssl.SSLContext, blocks: str) -> dict[str, Any]:
    """What a caller sees who trusts exactly this certificate: names and issuer. Raises `OptionError`."""
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.load_verify_locations(cadata=blocks)
    trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    asked, answered = ssl.MemoryBIO(), ssl.MemoryBIO()
    caller, server = trusting.wrap_bio(answered, asked), context.wrap_bio(asked, answered, server_side=True)
    try:
        for side in (caller, server) * _TURNS:
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", None) or error.reason or "the handshake fails"
        raise OptionError(f"No caller would accept {certfile!r}: {reason}.", "Give another certificate.") from None
    return dict(caller.getpeercert() or {})
