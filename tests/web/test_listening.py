"""Where a server listens, and what it is called there."""

from __future__ import annotations

import socket

import pytest

from nbserve.errors import OptionError, PortTaken
from nbserve.web import address as address_module
from nbserve.web.address import LOOPBACK, Address, address_of, bracketed
from nbserve.web.server import Server

FAR = {socket.AF_INET: ("127.0.0.9", "192.0.2.1"), socket.AF_INET6: ("::1",)}


async def app(scope: object, receive: object, send: object) -> None: ...


@pytest.mark.parametrize(
    ("host", "number", "is_local", "here"),
    [
        ("127.0.0.1", "127.0.0.1", True, "127.0.0.1"),
        ("127.0.0.7", "127.0.0.7", True, "127.0.0.7"),
        ("localhost", "127.0.0.1", True, "localhost"),
        ("::1", "::1", True, "::1"),
        ("0.0.0.0", "0.0.0.0", False, "127.0.0.1"),
        ("0", "0.0.0.0", False, "127.0.0.1"),
        ("::", "::", False, "::1"),
        ("192.0.2.7", "192.0.2.7", False, "192.0.2.7"),
        ("::ffff:127.0.0.1", "::ffff:127.0.0.1", False, "::ffff:127.0.0.1"),
    ],
)
def test_whom_a_host_is_for_is_told_by_its_number_and_never_by_how_it_is_written(
    host: str, number: str, is_local: bool, here: str
) -> None:
    address = address_of(host)
    assert (address.number, address.is_local, address.hosts_here()[0]) == (number, is_local, here)


@pytest.mark.parametrize("host", ["nobody.invalid", "a" * 70, "1.2.3.4.5"])
def test_a_name_that_nobody_knows_is_refused(host: str) -> None:
    with pytest.raises(OptionError, match="nobody knows that name here"):
        address_of(host)


def test_other_machines_have_no_name_for_what_is_local_and_one_for_what_is_named() -> None:
    assert LOOPBACK.hosts_elsewhere() == ()
    assert Address("box.example", "192.0.2.7").hosts_elsewhere() == ("box.example",)


def test_for_all_addresses_others_have_the_machines_own_numbers_and_never_the_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    towards = {"192.0.2.1": "192.168.1.5", "10.255.255.254": "192.168.1.5", "172.31.255.254": "127.0.0.1"}
    v6 = {"2001:db8::1": "2001:db8::5", "fd00::1": "::1"}
    monkeypatch.setattr(address_module, "_number_towards", lambda _, far: (towards | v6).get(far, ""))
    assert address_of("0.0.0.0").hosts_elsewhere() == ("192.168.1.5",)
    assert address_of("::").hosts_elsewhere() == ("192.168.1.5", "2001:db8::5")


def test_a_network_that_is_not_there_gives_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address_module, "_FAR", FAR)
    assert "127.0.0.1" not in address_of("::").hosts_elsewhere()
    assert address_module._number_towards(socket.AF_INET, "no number") == ""


def test_numbers_of_ipv6_stand_in_brackets() -> None:
    assert (bracketed("::1"), bracketed("127.0.0.1"), bracketed("box.example")) == ("[::1]", "127.0.0.1", "box.example")


def test_an_address_of_another_machine_cannot_be_listened_on() -> None:
    with pytest.raises(OptionError, match=r"198\.51\.100\.1 is no address of this machine"):
        Server(app, "198.51.100.1")


def test_a_taken_port_of_a_side_door_s_server_leaves_nothing_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(PortTaken):
        Server(app, "127.0.0.1", taken.getsockname()[1], has_side_door=True)
