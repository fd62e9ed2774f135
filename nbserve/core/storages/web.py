"""http and https, by the standard library: it logs no address, and needs no other one."""

from __future__ import annotations

import base64
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO, Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

from ...errors import LoadError
from ...version import __version__
from .address import Address
from .copying import copied
from .storage import Arrived, Found, Part

__all__ = ["check", "find"]

SILENCE_S = 30.0
"""How long a server may send nothing."""

UNCHANGED = 304
VALIDATORS = (("ETag", "If-None-Match"), ("Last-Modified", "If-Modified-Since"))

REFUSALS = {
    401: ("wants to know who asks", "Put the user and the password into the address, or download the file."),
    403: ("does not let us in", "Ask for an address that you may read; one that was signed may have expired."),
    404: ("has nothing there", "Check the address."),
    410: ("has nothing there any more", "Check the address."),
    429: ("is asked too often", "Load it again later."),
}


def check(address: Address) -> None:
    parts = urlsplit(address.text)
    try:
        port, host = parts.port, parts.hostname
    except ValueError:
        port, host = None, None
    if not host or port == 0:
        raise LoadError(f"{address.shown} names no host to ask.", "Write it as https://host/path.")


@contextmanager
def find(address: Address, known: str) -> Iterator[Found | None]:
    response = _asked(address, known)
    if response is None:
        yield None
        return
    with response:
        size = response.headers.get("Content-Length", "")
        expected = int(size) if size.isdecimal() else None
        yield Found(_version(response.headers), (Part(address.name, expected, partial(_fetch, response)),))


def _fetch(response: HTTPResponse, into: Path, arrived: Arrived) -> None:
    try:
        copied(response.read1, into, arrived)  # what there is: who only drips is noticed, too
    except (HTTPException, ConnectionError):
        raise LoadError(f"{into.name} did not come whole: the connection ended before it.", "Load it again.") from None


def _asked(address: Address, known: str) -> HTTPResponse | None:
    """The answer of who has it; None when it is what is known. Raises `LoadError`."""
    try:
        response: HTTPResponse = _opener().open(_request(address, known), timeout=SILENCE_S)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == UNCHANGED and known:
            return None
        raise _refused(address, error.code) from None
    except urllib.error.URLError as error:
        raise _unreachable(address, error.reason) from None
    except (OSError, HTTPException) as error:  # before the answer began
        raise _unreachable(address, error) from None
    return response


def _request(address: Address, known: str) -> urllib.request.Request:
    parts = urlsplit(address.text)
    request = urllib.request.Request(_bare(parts))  # noqa: S310 - the scheme was looked at
    request.add_header("User-Agent", f"nbserve/{__version__}")
    request.add_header("Accept-Encoding", "identity")
    for header, condition in VALIDATORS:
        if known.startswith(f"{header}: "):
            request.add_header(condition, known.removeprefix(f"{header}: "))
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        # one that is not redirected: it is of this host alone
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}")
    return request


def _bare(parts: SplitResult) -> str:
    """The address without user, password and fragment, in the letters that a request may have."""
    path = quote(parts.path, safe="/%:@!$&'()*+,;=~-._") or "/"
    query = quote(parts.query, safe="/?%:@!$&'()*+,;=~-._")
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], path=path, query=query, fragment="").geturl()


def _version(headers: HTTPMessage) -> str:
    return next((f"{name}: {headers[name]}" for name, _ in VALIDATORS if headers[name]), "")


def _opener() -> urllib.request.OpenerDirector:
    """What asks: nothing but http and https is in it."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=_trusted()),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        Redirects(),
    ):
        opener.add_handler(handler)
    return opener


def _trusted() -> ssl.SSLContext:
    """The certificates of the system, or of its environment; those that httpx brings where there are none."""
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    if not (context.get_ca_certs() or paths.cafile or paths.capath):
        import certifi

        context.load_verify_locations(certifi.where())
    return context


class Redirects(urllib.request.HTTPRedirectHandler):
    """Followed to http and https, and never from https to http."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        scheme = urlsplit(newurl).scheme
        if scheme not in ("http", "https") or (req.type == "https" and scheme != "https"):
            fp.close()
            raise LoadError(
                f"{req.host} leads on from {req.type} to {scheme}, which is not followed.",
                "Give the address that it leads to, if you trust it.",
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _refused(address: Address, status: int) -> LoadError:
    host = urlsplit(address.text).hostname
    if 300 <= status < 400:
        return LoadError(f"{host} leads from {address.name} to where nothing is read ({status}).", "Check the address.")
    what, remedy = REFUSALS.get(status, ("does not answer as it should", "Load it again later."))
    return LoadError(f"{host} {what}: it was asked for {address.name} and answered {status}.", remedy)


def _unreachable(address: Address, reason: Any) -> LoadError:
    host = urlsplit(address.text).hostname
    if isinstance(reason, TimeoutError):
        return LoadError(f"{host} does not answer: nothing came for {SILENCE_S:g} s.", "Load it again later.")
    if isinstance(reason, socket.gaierror):
        return LoadError(f"There is no host {host}.", "Check the address, and your connection.")
    if isinstance(reason, ssl.SSLCertVerificationError):
        return LoadError(f"{host} cannot show that it is {host}: {reason.verify_message}.", "Check the address.")
    what = getattr(reason, "strerror", None) or type(reason).__name__
    return LoadError(f"{host} cannot be reached: {what}.", "Check the address, and load it again later.")
