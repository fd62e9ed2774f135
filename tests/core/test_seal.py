"""A seal tells whether bytes have been changed."""

from __future__ import annotations

import os

import pytest

from nbserve.core import seal as module
from nbserve.core.seal import EXAMPLE, EXAMPLE_KEY, EXAMPLE_TAG, is_intact, seal


@pytest.fixture(params=["poly1305", "sha-256"])
def tagging(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    way = module._poly1305() if request.param == "poly1305" else module._sha256
    if way is None:
        pytest.skip("the OpenSSL of this Python cannot be reached")
    monkeypatch.setattr(module, "_tagging", lambda: way)


def writable(data: bytes) -> memoryview:
    return memoryview(bytearray(data))


@pytest.mark.usefixtures("tagging")
@pytest.mark.parametrize("size", [1, 16, 1000, 1 << 20])
def test_bytes_that_were_not_changed_are_intact(size: int) -> None:
    data = os.urandom(size)
    assert is_intact(writable(data), seal(writable(data)))


@pytest.mark.usefixtures("tagging")
@pytest.mark.parametrize("at", [0, 500, 999])
def test_one_changed_bit_is_seen(at: int) -> None:
    block = writable(os.urandom(1000))
    sealed = seal(block)
    block[at] ^= 1
    assert not is_intact(block, sealed)
    assert not is_intact(block[:-1], sealed)


@pytest.mark.usefixtures("tagging")
def test_two_seals_of_the_same_bytes_have_nothing_in_common() -> None:
    one, other = seal(writable(b"same")), seal(writable(b"same"))
    assert one.key != other.key
    assert one.tag != other.tag


def test_the_example_of_the_standard_is_met() -> None:
    tag = module._poly1305()
    if tag is None:
        pytest.skip("the OpenSSL of this Python cannot be reached")
    assert tag(EXAMPLE_KEY, writable(EXAMPLE)) == EXAMPLE_TAG


def test_without_openssl_it_is_sha_256(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_poly1305", lambda: None)
    assert module._tagging.__wrapped__() is module._sha256
