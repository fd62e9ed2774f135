"""Who may: tokens, what they allow, and the guard of a server without any."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import parse_qs, unquote

from ..errors import TokenMissing, TokenRefused
from .asgi import Scope, header
from .meters import Meter, Meters, Visit

__all__ = ["Access", "Grant", "caller_of", "token_in"]

LONGEST_CALLER = 100

_LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]", "::1"})


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token allows: these endpoints, or (None) everything of the session; and the owner to stop them.

    With a `meter`, no more than that share does.
    """

    endpoints: frozenset[str] | None
    is_owners: bool = False
    meter: Meter | None = None

    def covers(self, endpoint: str) -> bool:
        return self.endpoints is None or endpoint in self.endpoints

    @property
    def is_key(self) -> bool:
        """Whether it is the Jupyter server's, which asks on behalf of others."""
        return self.is_owners and self.endpoints is not None

    def owns(self, endpoint: str) -> bool:
        return self.is_owners and self.covers(endpoint)

    def begin(self, verb: str, path: str, is_ours: Callable[[], bool] = bool) -> Visit | None:
        """How the use of `path` below the endpoint is counted, if it is. Raises what `Meter.begin` does."""
        return None if self.meter is None else self.meter.begin(verb, path, is_ours)


EVERYTHING = Grant(None, is_owners=True)


class Access:
    """The tokens that were issued, as digests only, and which endpoints are open. Thread-safe."""

    def __init__(self, session_token: str | None = None) -> None:
        self._grants: dict[bytes, Grant] = {}
        self._is_open: dict[str, bool] = {}
        self._lock = threading.Lock()
        self.meters = Meters()
        self.session_token = self.issue(EVERYTHING, session_token)

    def issue(self, grant: Grant, token: str | None = None) -> str:
        """A new token, or the one that the owner wants; only who gets it knows it."""
        token = token or secrets.token_urlsafe(24)
        with self._lock:
            self._grants[_digest(token)] = grant
        return token

    def issue_for(self, endpoint: str) -> str:
        """A new token for this endpoint alone."""
        return self.issue(Grant(frozenset({endpoint})))

    def issue_key(self, endpoint: str) -> str:
        """A new token for this endpoint alone, for its owner: the Jupyter server's."""
        return self.issue(Grant(frozenset({endpoint}), is_owners=True))

    def revoke(self, token: str) -> None:
        with self._lock:
            self._grants.pop(_digest(token), None)

    def set_open(self, endpoint: str, is_open: bool) -> None:
        """Whether the endpoint answers without a token to everybody on this machine."""
        with self._lock:
            self._is_open = {**self._is_open, endpoint: is_open}

    def forget(self, endpoint: str) -> None:
        with self._lock:
            self._is_open = {name: is_open for name, is_open in self._is_open.items() if name != endpoint}

    def admit(self, scope: Scope, endpoint: str) -> Grant:
        """The grant that a request to the endpoint comes with.

        Raises `TokenMissing` without a token that was issued, `TokenRefused` with one for another endpoint.
        """
        grant = self._grant_of(scope)
        if self._is_open.get(endpoint):
            return grant or self._open_grant(scope)
        if grant is None:
            raise _missing(scope)
        if not grant.covers(endpoint):
            raise TokenRefused("This token is for another endpoint.", "Use the token that the endpoint's card shows.")
        return grant

    def admit_to_pages(self, scope: Scope) -> Grant:
        """The grant for the pages that list endpoints: they show those that it covers. Raises `TokenMissing`."""
        grant = self._unshared(scope)
        if grant is None and not any(self._is_open.values()):
            raise _missing(scope)
        return grant or self._open_grant(scope)

    def admit_to_routes(self, scope: Scope) -> Grant:
        """The grant for the routes that users add: any token of the session.

        None is needed when every endpoint is served without. Raises `TokenMissing`.
        """
        grant = self._unshared(scope)
        if grant is None and not (self._is_open and all(self._is_open.values())):
            raise _missing(scope)
        return grant or self._open_grant(scope)

    def is_owners_key(self, scope: Scope) -> bool:
        """Whether a request comes with a key of the Jupyter server's."""
        token = token_in(scope)
        grant = None if token is None else self._grants.get(_digest(token))
        return grant is not None and grant.is_key

    def visit(self, scope: Scope) -> Visit | None:
        """That of whoever comes by a link, whatever he asks for: nothing that the link allows is looked at."""
        try:
            grant = self._grant_of(scope)
        except TokenRefused:
            return None
        return None if grant is None or grant.meter is None else Visit(grant.meter)

    def _grant_of(self, scope: Scope) -> Grant | None:
        token = token_in(scope)
        if token is None:
            return None
        # looked up by its digest: how long that takes tells nothing about any token
        grant = self._grants.get(_digest(token))
        return grant if grant is None or not grant.is_key else self._narrowed(grant, scope)

    def _narrowed(self, key: Grant, scope: Scope) -> Grant:
        """What the Jupyter server may, on behalf of whoever it says. Raises `TokenRefused`."""
        share_id = header(scope, b"x-nbserve-share")
        if share_id is None or key.endpoints is None:
            return key
        (endpoint,) = key.endpoints
        return Grant(key.endpoints, meter=self.meters.of(share_id, endpoint))

    def _unshared(self, scope: Scope) -> Grant | None:
        """The grant of the token, for what is no endpoint's. Raises `TokenRefused` of a share's."""
        grant = self._grant_of(scope)
        if grant is not None and grant.meter is not None:
            raise TokenRefused("This link opens one endpoint, and nothing beside it.")
        return grant

    def _open_grant(self, scope: Scope) -> Grant:
        _refuse_strangers(scope)
        return Grant(frozenset(name for name, is_open in self._is_open.items() if is_open))


def _missing(scope: Scope) -> TokenMissing:
    has_one = token_in(scope) is not None
    return TokenMissing(
        "This token is not one that was issued here." if has_one else "A token is needed.",
        "Send it as 'Authorization: Bearer TOKEN' or '?token=TOKEN'; the endpoint's card shows it.",
    )


def caller_of(scope: Scope, grant: Grant) -> str:
    """Who asks, in the owner's eyes: whom a link was given to, the user at the Jupyter server, or an address."""
    if grant.meter is not None and grant.meter.share.label:
        return grant.meter.share.label
    if grant.is_key:
        user = header(scope, b"x-nbserve-user")
        if user:
            return "".join(filter(str.isprintable, unquote(user)))[:LONGEST_CALLER]
    client = scope.get("client")
    return str(client[0]) if client else ""


def token_in(scope: Scope) -> str | None:
    """The token of a request: from its Authorization header, else from its query."""
    given = header(scope, b"authorization")
    if given is not None:
        scheme, _, token = given.partition(" ")
        if scheme.lower() in ("bearer", "token"):
            return token.strip() or None
    query: bytes = scope.get("query_string", b"")
    if b"token=" not in query:
        return None
    return parse_qs(query.decode("latin-1")).get("token", [None])[0]


def _refuse_strangers(scope: Scope) -> None:
    """Without a token, neither another machine may ask, nor a web page through its visitor's browser.

    Be it under a name of its own that resolves to this machine, or from another origin. Raises `TokenMissing`.
    """
    client = scope.get("client")
    host = header(scope, b"host") or ""
    origin = header(scope, b"origin")
    is_local = host.rpartition(":")[0] in _LOCAL_HOSTS or host in _LOCAL_HOSTS
    if (
        not is_local
        or (client and _is_elsewhere(client[0]))
        or (origin is not None and origin.partition("://")[2] != host)
    ):
        raise TokenMissing(
            "This endpoint is open to programs on its own machine only.", "Serve it with a token to call it from here."
        )


def _is_elsewhere(host: str) -> bool:
    """Whether a caller's address is another machine's; what is no number (a socket file) is not."""
    try:
        return not (host.startswith("127.") or ip_address(host).is_loopback)
    except ValueError:
        return False


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
