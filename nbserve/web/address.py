"""Where a server listens, and under which addresses it is reached: found out without asking anybody."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from ipaddress import ip_address

from ..errors import OptionError

__all__ = ["LOOPBACK", "Address", "address_of", "bracketed"]

_FAR = {
    socket.AF_INET: ("192.0.2.1", "10.255.255.254", "172.31.255.254", "192.168.255.254", "100.127.255.254"),
    socket.AF_INET6: ("2001:db8::1", "fd00::1"),
}
"""One address in each kind of network that there may be around: nothing is sent there."""
_DISCARD_PORT = 9


@dataclass(frozen=True, slots=True)
class Address:
    """A host as it was given, and the number of this machine's that it stands for."""

    given: str
    number: str

    @property
    def is_local(self) -> bool:
        """Whether no other machine can come by it."""
        return ip_address(self.number).is_loopback

    @property
    def is_any(self) -> bool:
        """Whether it stands for all addresses of the machine."""
        return ip_address(self.number).is_unspecified

    def hosts_here(self) -> tuple[str, ...]:
        """What programs of this machine may call it, the plainest first."""
        if self.is_any:
            return ("::1",) if ":" in self.number else ("127.0.0.1", "localhost")
        if self.is_local:
            return ("localhost", self.number) if self.given == "localhost" else (self.number, "localhost")
        return (self.given,)

    def hosts_elsewhere(self) -> tuple[str, ...]:
        """What other machines of its networks may call it; none if they do not reach it."""
        if self.is_local:
            return ()
        return _own_numbers(":" in self.number) if self.is_any else (self.given,)


def address_of(host: str) -> Address:
    """Raises `OptionError` for a name that nobody knows here."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise OptionError(f"host cannot be {host!r}: nobody knows that name here.", "Give a number: 0.0.0.0.") from None
    found.sort(key=lambda each: each[0] != socket.AF_INET)
    return Address(host, str(found[0][4][0]))


LOOPBACK = Address("127.0.0.1", "127.0.0.1")


def bracketed(host: str) -> str:
    """As it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def _own_numbers(with_ipv6: bool) -> tuple[str, ...]:
    """The machine's numbers in the networks around it, as its own table of routes tells them."""
    families = (socket.AF_INET, socket.AF_INET6) if with_ipv6 else (socket.AF_INET,)
    numbers = (_number_towards(family, far) for family in families for far in _FAR[family])
    return tuple(dict.fromkeys(number for number in numbers if number and not ip_address(number).is_loopback))


def _number_towards(family: socket.AddressFamily, far: str) -> str:
    """Empty if there is no way. To connect such a socket only looks the way up, and sends nothing."""
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((far, _DISCARD_PORT))
        return str(probe.getsockname()[0])
    return ""
