"""What a card asks of its endpoint over the widget's channel: the endpoint's own routes, asked from here."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any
from urllib.parse import urlsplit

from ..errors import NotFound, OptionError

__all__ = ["VERBS", "asked"]

VERBS = ("GET", "POST", "DELETE")


def asked(url: str, key: str | None, verb: str, path: str, body: Any = None) -> tuple[int, Any]:
    """The status and the JSON that the endpoint at `url` answers to whom it belongs; None for what is no JSON.

    Waits as long as the endpoint takes. Raises `NotFound` when nothing is served, `OptionError` for what is no route
    of it, OSError.
    """
    if not url or key is None:
        raise NotFound("This endpoint is served no more.", "Run the %serve cell again.")
    if verb not in VERBS or ".." in path or path.startswith("/") or not path.isascii() or not path.isprintable():
        raise OptionError(f"{verb} {path!r} is nothing that a card asks.")
    connection = _connection(url)
    try:
        sent = None if body is None else json.dumps(body)
        headers = {"Authorization": f"Bearer {key}", "Accept": "application/json"}
        if sent is not None:
            headers["Content-Type"] = "application/json"
        connection.request(verb, urlsplit(url).path + path, sent, headers)
        answer = connection.getresponse()
        return answer.status, _plain(answer.read())
    finally:
        connection.close()


def _connection(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    host = parts.hostname or "127.0.0.1"
    if parts.scheme != "https":
        return http.client.HTTPConnection(host, parts.port)
    # to this very process, whose certificate is for the names that others call it by
    return http.client.HTTPSConnection(host, parts.port, context=ssl._create_unverified_context())  # noqa: S323, SLF001


def _plain(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
