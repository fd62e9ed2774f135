"""Where a session listens: its one server, and the addresses under which that is reached."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.registry import Registry
from ..errors import OptionError
from ..options import PASSWORD_VARIABLE, Options

if TYPE_CHECKING:
    from ..web.address import Address
    from ..web.certificate import Certificate
    from ..web.server import Server

__all__ = ["Hosting", "placed"]

Start = Callable[["Address", int | None, "Certificate | None"], "Server"]

_STOP_FIRST = "or %unserve --all first."


class Hosting:
    """The server of a session, which the first endpoint starts by its options; the others' may not contradict.

    `start` makes it; without, somebody else serves. Whatever other machines reach has a token.
    """

    def __init__(self, registry: Registry, start: Start | None) -> None:
        self._registry = registry
        self._start = start
        self._server: Server | None = None
        self._address: Address | None = None
        self._certificate: Certificate | None = None

    @property
    def url(self) -> str:
        """Where programs of this machine find it, with the last slash; empty when it does not listen."""
        address, certificate = self._address, self._certificate
        if self._server is None or address is None:
            return ""
        hosts = address.hosts_here()
        covered = [host for host in hosts if certificate is not None and certificate.covers(host)]
        return self._url_of((covered or hosts)[0])

    @property
    def side_url(self) -> str:
        """The same for the Jupyter server: plain HTTP, on an address that no other machine has."""
        server, address = self._server, self._address
        if server is not None and server.side_port:
            return f"http://127.0.0.1:{server.side_port}/"
        # by number: it looks no name up
        return self._url_of(address.number) if address is not None and address.is_local else self.url

    @property
    def urls_elsewhere(self) -> list[str]:
        """Where other machines find it: under the hosts that its certificate is for, if it is for any."""
        address, certificate = self._address, self._certificate
        if self._server is None or address is None or address.is_local:
            return []
        hosts = address.hosts_elsewhere()
        if certificate is not None:
            named = [name for name in certificate.domains if address.is_any and name != "localhost"]
            hosts = tuple(dict.fromkeys((*named, *filter(certificate.covers, hosts)))) or hosts
        return [self._url_of(host) for host in hosts]

    @property
    def own_certificate(self) -> str | None:
        """The file that callers must be told to trust: a certificate that has signed itself."""
        certificate = self._certificate
        return str(certificate.file) if certificate is not None and certificate.is_own else None

    def ensure(self, options: Options) -> None:
        """Listen as the options say. Raises `OptionError` for what contradicts, `PortTaken`, `ServerError`."""
        if self._start is not None and (self._server is None or not self._server.is_alive):
            self._begin(self._start, options)
        elif self._address is not None:
            self._check_same(self._address, options)
            _check_token(self._address, options.token)

    def go_public(self, host: str) -> None:
        """Somebody else serves it there. Raises `OptionError` if what may not be reached from there is open."""
        from ..web.address import address_of

        address = address_of(host)
        _check_token(address, self._are_closed())
        self._address = address

    def stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            self._address = self._certificate = None
            server.stop()

    def _begin(self, start: Start, options: Options) -> None:
        address, certificate = placed(options, has_tokens=options.token and self._are_closed())
        self._server = start(address, options.port, certificate)
        self._address, self._certificate = address, certificate

    def _are_closed(self) -> bool:
        """Whether all that is served has a token."""
        return all(served.options.token for served in self._registry)

    def _check_same(self, address: Address, options: Options) -> None:
        from ..web.address import address_of

        server = self._server
        if server is None:
            return
        if options.port not in (None, 0, server.port):
            raise OptionError(
                f"This session listens on port {server.port} already.", f"Leave --port away, {_STOP_FIRST}"
            )
        if options.host is not None and address_of(options.host).number != address.number:
            raise OptionError(f"This session listens on {address.number} already.", f"Leave --host away, {_STOP_FIRST}")
        if options.certfile is not None and not self._has_certificate(options.certfile):
            problem = "This session serves without TLS" if self._certificate is None else "It has another certificate"
            raise OptionError(f"{problem} already.", f"Leave --certfile away, {_STOP_FIRST}")

    def _has_certificate(self, certfile: str) -> bool:
        return self._certificate is not None and self._certificate.file == Path(certfile).resolve()

    def _url_of(self, host: str) -> str:
        from ..web.address import bracketed

        scheme = "http" if self._certificate is None else "https"
        return "" if self._server is None else f"{scheme}://{bracketed(host)}:{self._server.port}/"


def placed(options: Options, *, has_tokens: bool) -> tuple[Address, Certificate | None]:
    """Where a server would listen by the options, and with what. Raises `OptionError` for what none may."""
    from ..web.address import LOOPBACK, address_of

    address = LOOPBACK if options.host is None else address_of(options.host)
    _check_token(address, has_tokens)
    return address, _certificate(options)


def _check_token(address: Address, has_token: bool) -> None:
    if not (has_token or address.is_local):
        raise OptionError(
            f"Without a token nothing is served to other machines, and {address.given} is for them, too.",
            "Leave --no-token away, or --host.",
        )


def _certificate(options: Options) -> Certificate | None:
    """Raises `OptionError`."""
    if options.certfile is None:
        if options.keyfile is not None:
            raise OptionError("A key alone serves nothing over https.", "Give its certificate with --certfile.")
        return None
    from ..web.certificate import certificate_of

    return certificate_of(options.certfile, options.keyfile, os.environ.get(PASSWORD_VARIABLE))
