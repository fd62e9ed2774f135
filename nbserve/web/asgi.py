"""The little of ASGI that is spoken here directly."""

from __future__ import annotations

import asyncio
import re
import types
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, MutableMapping
from typing import Any

__all__ = [
    "App",
    "Headers",
    "Receive",
    "Scope",
    "Send",
    "bring_back_ours",
    "header",
    "headers_of",
    "hide_ours",
    "note_prefix",
    "said_at_once",
    "send_body",
    "take_in",
    "take_out_ours",
    "wants_page",
]

_PREFIX = re.compile(r"(?:/[\w.~%!$&'()*+,;=:@-]+)+")

OURS = b"x-nbserve-"
"""What the names of headers begin with that the Jupyter server tells the kernel something by."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = dict[bytes, bytes]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def headers_of(scope: Mapping[str, Any]) -> Headers:
    """By their lower-case names; of several, the first is what counts."""
    return dict(reversed(scope["headers"]))


def header(scope: Mapping[str, Any], name: bytes) -> str | None:
    """The first header of that lower-case name."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return None


def said_at_once(receive: Receive) -> tuple[Any, Awaitable[Any] | None]:
    """What `receive` says without waiting, and None; else None, and what is to be awaited for it.

    Mostly a request has come as a whole, and then it needs neither a deadline nor a turn of the loop.
    """
    said = receive()
    if not asyncio.iscoroutine(said):
        return None, said
    try:
        awaited = said.send(None)
    except StopIteration as end:
        return end.value, None
    return None, _gone_on_with(said, awaited)


@types.coroutine
def _gone_on_with(begun: Any, awaited: Any) -> Generator[Any, Any, Any]:
    """What a coroutine comes to that waits for `awaited` already."""
    try:
        while True:
            try:
                sent = yield awaited
            except BaseException as error:  # noqa: BLE001 - it is the coroutine's to handle
                awaited = begun.throw(error)
            else:
                awaited = begun.send(sent)
    except StopIteration as end:
        return end.value
    finally:
        begun.close()


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


def take_out_ours(scope: Scope) -> None:
    """Headers that the Jupyter server alone may set are for no code of the user's, whoever sent them."""
    scope["headers"] = [each for each in scope["headers"] if not each[0].startswith(OURS)]


def hide_ours(scope: Scope) -> None:
    """Keep the Jupyter server's key, and what it tells with it, from code of the user's that comes before the door."""
    hidden = [each for each in scope["headers"] if each[0] == b"authorization" or each[0].startswith(OURS)]
    scope["nbserve.hidden"] = hidden
    scope["headers"] = [each for each in scope["headers"] if each not in hidden]


def bring_back_ours(scope: Scope) -> None:
    """At the door they are read."""
    hidden = scope.pop("nbserve.hidden", None)
    if hidden:
        scope["headers"] = [*scope["headers"], *hidden]


def wants_page(scope: Mapping[str, Any]) -> bool:
    """Whether a browser asks, who would rather read a page than JSON."""
    return scope["method"] in ("GET", "HEAD") and "text/html" in (header(scope, b"accept") or "")


async def send_body(
    send: Send, status: int, content_type: bytes, body: bytes, headers: Iterable[tuple[bytes, bytes]]
) -> None:
    head = [(b"content-type", content_type), (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})
