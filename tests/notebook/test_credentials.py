"""The tokens and keys of endpoints, by their names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from nbserve.errors import TokenMissing, TokenRefused
from nbserve.notebook.credentials import Credentials
from nbserve.web.access import Access


def scope(token: str) -> dict[str, Any]:
    """The head of a request with the token."""
    headers = [(b"host", b"127.0.0.1"), (b"authorization", f"Bearer {token}".encode())]
    return {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": headers}


@pytest.fixture
def access() -> Iterator[Access]:
    access = Access()
    yield access
    access.meters.close()


@pytest.fixture
def credentials(access: Access) -> Credentials:
    return Credentials(access)


def test_a_swap_leaves_token_and_key_as_they_are(credentials: Credentials) -> None:
    key = credentials.settle("iris", needs_token=True)
    token = credentials.token("iris")
    assert credentials.settle("iris", needs_token=True) == key == credentials.key("iris")
    assert credentials.token("iris") == token != key


def test_each_opens_its_own_endpoint_and_the_key_as_its_owner(credentials: Credentials, access: Access) -> None:
    key = credentials.settle("iris", needs_token=True)
    token = str(credentials.token("iris"))
    assert not access.admit(scope(token), "iris").is_owners
    assert access.admit(scope(key), "iris").is_owners
    for word in (token, key):
        with pytest.raises(TokenRefused):
            access.admit(scope(word), "other")


def test_a_token_that_is_needed_no_more_opens_nothing_and_a_new_one_is_made(
    credentials: Credentials, access: Access
) -> None:
    key = credentials.settle("iris", needs_token=True)
    before = str(credentials.token("iris"))
    assert credentials.settle("iris", needs_token=False) == key
    assert credentials.token("iris") is None
    credentials.settle("iris", needs_token=True)
    assert credentials.token("iris") not in (None, before)
    with pytest.raises(TokenMissing):
        access.admit(scope(before), "iris")


def test_what_was_withdrawn_opens_nothing(credentials: Credentials, access: Access) -> None:
    key = credentials.settle("iris", needs_token=True)
    token = str(credentials.token("iris"))
    credentials.withdraw("iris")
    assert (credentials.token("iris"), credentials.key("iris")) == (None, None)
    for word in (token, key):
        with pytest.raises(TokenMissing):
            access.admit(scope(word), "iris")


def test_nothing_is_withdrawn_of_an_endpoint_that_has_nothing(credentials: Credentials) -> None:
    credentials.withdraw("iris")
    assert credentials.key("iris") is None
