"""Where an endpoint is, and the token that its address may bring along."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, parse_qs, quote, urlsplit, urlunsplit

from ..errors import OptionError

__all__ = ["below", "is_loopback", "parted"]

_LINK = re.compile(r"/nbserve/s/[\w.-]+/?$")
_REMEDY = "Give the URL that the endpoint's card or link shows, like 'http://127.0.0.1:8123/iris/'."


def parted(url: str, token: str | None) -> tuple[str, str | None]:
    """The URL, ending in a slash and free of secrets, and the token: the one given, else the one in the URL.

    No complaint quotes a URL or a token: they end up in logs.
    """
    parts = _split(url)
    found = token or _token_in(parts.fragment) or _token_in(parts.query) or _token_of_link(parts)
    if found is not None and not (found.isascii() and found.isprintable() and " " not in found):
        raise OptionError("The token has characters that no token has.", "Copy it again from the endpoint's card.")
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/") + "/", "", "")), found


def below(url: str, path: str) -> str:
    """The URL of a path below the endpoint's. Raises `OptionError` for one that would lead out of it."""
    named, _, query = path.partition("?")
    steps = named.split("/")
    if ".." in steps or "." in steps or "\\" in named or "#" in named or named.startswith("/"):
        raise OptionError(f"{path[:80]!r} is no path below the endpoint's.", "Give it like 'threshold/'.")
    return url + quote(named, safe="/%:@!$&'()*+,;=~") + (f"?{query}" if query else "")


def is_loopback(url: str) -> bool:
    """Whether only this very machine can be meant."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url.strip() if isinstance(url, str) else "")
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise OptionError("That is not the http or https URL of an endpoint.", _REMEDY)
    if "@" in parts.netloc:
        raise OptionError("The URL holds a name and a password, which no endpoint asks for.", _REMEDY)
    return parts


def _token_of_link(parts: SplitResult) -> str | None:
    """A link that was shared ends with its token; behind any other address `#…` is a place on its page."""
    return parts.fragment or None if _LINK.search(parts.path) else None


def _token_in(text: str) -> str | None:
    return parse_qs(text).get("token", [None])[0]
