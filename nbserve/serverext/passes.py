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

from ..directory import Listing

__all__ = ["HOURS", "Passes"]

HOURS = 12
_MARK = "nbp"


class Passes:
    """Issues passes and knows them again, with a secret that is this process's own; none is stored."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._secret = secrets.token_bytes(32)
        self._clock = clock

    def issue(self, listing: Listing, actions: Collection[str]) -> str:
        """A pass for what is served there now, which allows these actions of Jupyter's (`read`, `write`)."""
        until = str(int(self._clock()) + HOURS * 3600)
        allowed = "+".join(sorted(actions))
        return ".".join((_MARK, until, allowed, self._signature(listing, until, allowed)))

    def actions(self, token: str, listing: Listing) -> frozenset[str]:
        """What the pass allows there now: nothing, if it is none or for something else."""
        mark, until, allowed, signature = [*token.split("."), "", "", "", ""][:4]
        expected = self._signature(listing, until, allowed)
        is_ours = hmac.compare_digest(signature.encode("utf-8", "surrogateescape"), expected.encode())
        if mark != _MARK or not is_ours or int(until) < self._clock():
            return frozenset()
        return frozenset(allowed.split("+"))

    @staticmethod
    def is_one(token: str) -> bool:
        """Whether it looks like a pass; Jupyter's own tokens do not."""
        return token.startswith(f"{_MARK}.")

    def _signature(self, listing: Listing, until: str, allowed: str) -> str:
        parts = (listing.kernel_id, str(listing.pid), listing.name, until, allowed)
        return hmac.new(self._secret, "\0".join(parts).encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()
