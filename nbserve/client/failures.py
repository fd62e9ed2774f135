"""What httpx raises → what has happened, in words, and whether the endpoint may have seen the question."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx

from ..errors import AnswerLost, DeadlineExceeded, NbserveError, Unreachable
from .exchange import Again, Broken, Send

__all__ = ["broken", "late"]

Say = Callable[[str, Exception], NbserveError]


def broken(step: Send, error: httpx.HTTPError) -> Broken:
    """What became of the question."""
    if isinstance(error, (httpx.ReadTimeout, httpx.WriteTimeout)):
        return late(step)
    host = urlsplit(step.question.url).netloc
    cause = _root(error)
    if isinstance(error, httpx.ConnectError) and isinstance(cause, ssl.SSLError):
        return Broken(_tls(host, cause), Again.NEVER)
    say, again = next((row for kind, row in _TABLE.items() if isinstance(error, kind)), (_lost, Again.IF_HARMLESS))
    failure = say(host, cause)
    failure.__cause__ = error
    return Broken(failure, again)


def late(step: Send) -> Broken:
    """The time for the whole answer is over."""
    problem = f"The answer did not come in {step.timeout_s or 0:.3g} s."
    remedy = "Send fewer rows, or raise the client's timeout. The call may have been carried out."
    return Broken(DeadlineExceeded(problem, remedy), Again.NEVER)


def _refused(host: str, cause: Exception) -> NbserveError:
    if isinstance(cause, socket.gaierror):
        return Unreachable(f"The host of {host} is not known.", "Check the URL: the endpoint's card shows it.")
    errno = getattr(cause, "errno", None)  # and not its words, which asyncio replaces
    reason = os.strerror(errno).lower() if errno else str(cause)[:200].rstrip(".") or type(cause).__name__
    problem = f"Nothing answers at {host}: {reason}."
    return Unreachable(problem, "Is the notebook running, and the model served? Its card shows the URL.")


def _unconnected(host: str, _: Exception) -> NbserveError:
    return Unreachable(f"{host} did not accept a connection in time.", "Is it the right host, and may you reach it?")


def _crowded(host: str, _: Exception) -> NbserveError:
    problem = f"All of the client's connections to {host} were busy all the time."
    return Unreachable(problem, "Make fewer calls at once, or raise the client's timeout.")


def _detoured(host: str, cause: Exception) -> NbserveError:
    problem = f"The proxy on the way to {host} refused: {str(cause)[:200].rstrip('.')}."
    return Unreachable(problem, "The environment names it: HTTP_PROXY, HTTPS_PROXY, NO_PROXY.")


def _tls(host: str, cause: ssl.SSLError) -> NbserveError:
    if isinstance(cause, ssl.SSLCertVerificationError):
        problem = f"The certificate of {host} is not trusted: {cause.verify_message.rstrip('.')}."
        return Unreachable(problem, "If it is its owner's own, give the file: Client(url, verify='cert.pem').")
    return Unreachable(f"{host} does not speak TLS as it should: {cause.reason}.", "Should the URL begin with http:?")


def _garbled(host: str, _: Exception) -> NbserveError:
    return AnswerLost(f"The answer of {host} could not be unpacked.", _MAY_HAVE_RUN)


def _lost(host: str, _: Exception) -> NbserveError:
    return AnswerLost(f"The connection to {host} broke before the whole answer had come.", _MAY_HAVE_RUN)


def _root(error: BaseException) -> Exception:
    """The first of the errors behind this one: the one of the system."""
    before = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error.__cause__ or error.__context__
    if before is not None:
        return _root(before)
    return error if isinstance(error, Exception) else Exception()


_MAY_HAVE_RUN = "The call may have been carried out; repeat it if that does no harm."

_TABLE: dict[type[httpx.HTTPError], tuple[Say, Again]] = {
    httpx.ConnectTimeout: (_unconnected, Again.SAFE),
    httpx.PoolTimeout: (_crowded, Again.SAFE),
    httpx.ConnectError: (_refused, Again.SAFE),
    httpx.ProxyError: (_detoured, Again.NEVER),
    httpx.DecodingError: (_garbled, Again.NEVER),
}
