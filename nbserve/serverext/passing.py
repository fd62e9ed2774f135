"""What of a request and of its answer is passed on, and under which addresses."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, unquote_plus, urlsplit

from tornado.httputil import HTTPHeaders, HTTPServerRequest

from ..directory import Listing
from ..errors import BodyError

__all__ = ["Way", "is_chunked", "query_without"]

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_NOT_ASKED = _HOP_BY_HOP | {
    "authorization",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "origin",
    "referer",
    "x-real-ip",
    "x-scheme",
    "x-xsrftoken",
}
"""The visitor's own: his rights at the Jupyter server are no business of a model's."""
_NOT_ASKED_PREFIXES = ("x-forwarded-", "x-nbserve-")

_NOT_ANSWERED = _HOP_BY_HOP | {
    "alt-svc",
    "clear-site-data",
    "nel",
    "origin-agent-cluster",
    "public-key-pins",
    "refresh",
    "report-to",
    "reporting-endpoints",
    "service-worker-allowed",
    "set-cookie",
    "set-cookie2",
    "strict-transport-security",
    "www-authenticate",
}
"""What would hold for the whole Jupyter server, or is asked of its visitors in its name."""
_NOT_ANSWERED_PREFIXES = ("access-control-",)

LONGEST_USER = 100

_NOT_IN_QUERIES = frozenset({"token", "_xsrf"})


@dataclass(frozen=True, slots=True)
class Way:
    """Where a request goes: to which endpoint's kernel, and as which path (still quoted) there.

    `prefix` is what the visitor's address has before that path, or instead of its `hidden` beginning. With its own
    `page_token` a page calls back. Without `has_key` the request goes as anybody's, with a `share` as that one's;
    `user` is who asks, for the owner to see.
    """

    listing: Listing
    path: str
    prefix: str
    page_token: str = ""
    has_key: bool = True
    share: str = ""
    user: str = ""
    hidden: str = ""

    def target(self, request: HTTPServerRequest) -> str:
        """What the kernel is asked for."""
        query = query_without(request.query)
        return f"{self.path}?{query}" if query else self.path

    def asked(self, request: HTTPServerRequest) -> HTTPHeaders:
        """The request's headers as the kernel gets them. Raises `BodyError`."""
        headers = _without(request.headers, _NOT_ASKED, _NOT_ASKED_PREFIXES)
        headers["Host"] = urlsplit(self.listing.url).netloc
        headers["X-Forwarded-For"] = str(request.remote_ip)
        headers["X-Forwarded-Host"] = request.host
        headers["X-Forwarded-Proto"] = request.protocol
        headers["X-Forwarded-Prefix"] = self.prefix
        if self.has_key:
            headers["Authorization"] = f"Bearer {self.listing.key}"
        if self.user:
            headers["X-Nbserve-User"] = quote(self.user[:LONGEST_USER], safe="")
        if self.share:
            headers["X-Nbserve-Share"] = self.share
        if self.page_token:
            headers["X-Nbserve-Page-Token"] = self.page_token
        if is_chunked(request):
            headers["Transfer-Encoding"] = "chunked"
        elif "Content-Length" in request.headers or request.method in ("POST", "PUT", "PATCH"):
            headers["Content-Length"] = _length(request.headers)
        return headers

    def answered(self, given: HTTPHeaders) -> HTTPHeaders:
        """The answer's headers as the visitor gets them."""
        headers = _without(given, _NOT_ANSWERED, _NOT_ANSWERED_PREFIXES)
        if "Location" in headers:
            headers["Location"] = self._below(headers["Location"])
        return headers

    def _below(self, location: str) -> str:
        """An address of the kernel's, as the visitor has it."""
        parts, kernel = urlsplit(location), urlsplit(self.listing.url)
        if parts.netloc == kernel.netloc and parts.scheme in ("http", "https"):
            location = location.partition(parts.netloc)[2] or "/"
        elif parts.scheme or parts.netloc or not location.startswith("/"):
            return location
        if location.startswith(f"{self.prefix}/"):
            location = location.removeprefix(self.prefix)
        is_hidden = self.hidden and f"{location}/".startswith(f"{self.hidden}/")
        return f"{self.prefix}{location.removeprefix(self.hidden) if is_hidden else location}"


def query_without(query: str) -> str:
    """The query without what is for the Jupyter server."""
    parts = (part for part in query.split("&") if part)
    return "&".join(part for part in parts if unquote_plus(part.partition("=")[0]) not in _NOT_IN_QUERIES)


def is_chunked(request: HTTPServerRequest) -> bool:
    return "chunked" in request.headers.get("Transfer-Encoding", "").lower()


def _without(headers: HTTPHeaders, names: frozenset[str], prefixes: tuple[str, ...]) -> HTTPHeaders:
    """The headers but those, and but those that their sender says are for the next hop alone."""
    dropped = names | {name.strip() for name in headers.get("Connection", "").lower().split(",")}
    kept = HTTPHeaders()
    for name, text in headers.get_all():
        if name.lower() not in dropped and not name.lower().startswith(prefixes):
            kept.add(name, text)
    return kept


def _length(headers: HTTPHeaders) -> str:
    """Raises `BodyError` for what two servers may read in two ways."""
    length = headers.get("Content-Length", "0")
    if not (length.isascii() and length.isdigit()):
        raise BodyError("The body's length is no number.", "Send one Content-Length.")
    return length
