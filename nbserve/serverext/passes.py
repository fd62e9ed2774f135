"""Passes: what the page of an endpoint calls it with.

A page that comes through the Jupyter server runs in a sandbox: no cookie goes with its requests, and none of its
scripts may act as the user. Its pass opens that one endpoint, as far as the user may, for some hours, and nothing else.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Collection
from urllib.parse import quote, unquote

from ..directory import Listing

__all__ = ["HOURS", "Passes"]

HOURS = 12
_MARK = "nbp"


class Passes:
    """Issues passes and knows them again, with a secret that is this process's own; none is stored."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._secret = secrets.token_bytes(32)
        self._clock = clock

    def issue(self, listing: Listing, actions: Collection[str], user: str = "") -> str:
        """A pass for what is served there now, which allows that user these actions of Jupyter's (`read`, `write`)."""
        until = str(int(self._clock()) + HOURS * 3600)
        allowed, name = "+".join(sorted(actions)), quote(user, safe="").replace(".", "%2E")
        return ".".join((_MARK, until, allowed, name, self._signature(listing, until, allowed, name)))

    def actions(self, token: str, listing: Listing) -> frozenset[str]:
        """What the pass allows there now: nothing, if it is none or for something else."""
        mark, until, allowed, name, signature = _parts(token)
        expected = self._signature(listing, until, allowed, name)
        is_ours = hmac.compare_digest(signature.encode("utf-8", "surrogateescape"), expected.encode())
        if mark != _MARK or not is_ours or int(until) < self._clock():
            return frozenset()
        return frozenset(allowed.split("+"))

    @staticmethod
    def user(token: str) -> str:
        """Whose pass it is, if it is one that allows anything."""
        return unquote(_parts(token)[3])

    @staticmethod
    def is_one(token: str) -> bool:
        """Whether it looks like a pass; Jupyter's own tokens do not."""
        return token.startswith(f"{_MARK}.")

    def _signature(self, listing: Listing, *signed: str) -> str:
        parts = (listing.kernel_id, str(listing.pid), listing.name, *signed)
        return hmac.new(self._secret, "\0".join(parts).encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()


def _parts(token: str) -> list[str]:
    """What it is, until when, what it allows, whose it is, and the signature."""
    return [*token.split("."), "", "", "", "", ""][:5]
