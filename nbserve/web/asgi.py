"""The little of ASGI that is spoken here directly."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

__all__ = ["App", "Receive", "Scope", "Send", "header", "note_prefix", "send_json", "take_in", "wants_page"]

_PREFIX = re.compile(r"(?:/[\w.~%!$&'()*+,;=:@-]+)+")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def header(scope: Mapping[str, Any], name: bytes) -> str | None:
    """The first header of that lower-case name."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return None


def note_prefix(scope: Scope) -> None:
    """Take over the prefix that a proxy has taken off the path: what is linked is below it."""
    prefix = (header(scope, b"x-forwarded-prefix") or "").rstrip("/")
    # a path that begins with it was not made shorter; to Starlette it would look as if
    if _PREFIX.fullmatch(prefix) and not f"{scope['path']}/".startswith(f"{prefix}/"):
        scope["root_path"] = prefix


def take_in(scope: Scope, name: str) -> None:
    """Keep a header for ourselves: it is at `nbserve.{name}` then, and no longer among those of the request."""
    scope[f"nbserve.{name}"] = header(scope, name.encode())
    scope["headers"] = [each for each in scope["headers"] if each[0] != name.encode()]


def wants_page(scope: Mapping[str, Any]) -> bool:
    """Whether a browser asks, who would rather read a page than JSON."""
    return scope["method"] in ("GET", "HEAD") and "text/html" in (header(scope, b"accept") or "")


async def send_json(send: Send, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    head += [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})
