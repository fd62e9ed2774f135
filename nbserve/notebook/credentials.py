"""What opens each endpoint of a session: its own token, and the key by which the Jupyter server asks as its owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..web.access import Access

__all__ = ["Credentials"]


class Credentials:
    """Tokens and keys by the names of endpoints, in words; `access` holds their digests, and lets in who has one.

    A swap under a name leaves both as they are. Whoever calls holds the session's lock.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._tokens: dict[str, str] = {}
        self._keys: dict[str, str] = {}

    def settle(self, name: str, *, needs_token: bool) -> str:
        """The endpoint has a token from now on, or is open to everybody on this machine; answers its key."""
        token = self._tokens.get(name)
        if needs_token and token is None:
            self._tokens[name] = self._access.issue_for(name)
        elif not needs_token and token is not None:
            self._access.revoke(self._tokens.pop(name))
        self._access.set_open(name, not needs_token)
        if name not in self._keys:
            self._keys[name] = self._access.issue_key(name)
        return self._keys[name]

    def token(self, name: str) -> str | None:
        """The endpoint's own token; None when it needs none."""
        return self._tokens.get(name)

    def key(self, name: str) -> str | None:
        """What its owner's programs ask with; None when nothing is served there."""
        return self._keys.get(name)

    def withdraw(self, name: str) -> None:
        """Neither opens anything any more."""
        for issued in (self._tokens, self._keys):
            if name in issued:
                self._access.revoke(issued.pop(name))
        self._access.forget(name)
