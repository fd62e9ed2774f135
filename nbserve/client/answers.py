"""What comes back → a value, or the error that it says; also when it is not an endpoint that answers."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from .. import errors
from ..errors import (
    AccessError,
    AnswerLost,
    BodyIncomplete,
    BodyTooLarge,
    Busy,
    Conflict,
    DeadlineExceeded,
    Fault,
    InputError,
    MediaTypeError,
    MethodNotAllowed,
    NbserveError,
    NotFound,
    TokenMissing,
    Unreachable,
)
from .formats import Format, format_of

__all__ = ["Reply", "code_of", "failure_of", "json_of", "retry_after_s", "value_of"]

NO_CONTENT = 204

SHAPE = {"error", "code", "remedy", "detail"}


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP response, whole. The names in `headers` are looked up in any case."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes


def value_of(reply: Reply) -> Any:
    """The value of a good answer: of JSON what it says, of text a string, of all else the bytes; None if there is none.

    Raises `AnswerLost` for JSON that is none.
    """
    if _format(reply) is not None:
        return json_of(reply)
    if reply.headers.get("content-type", "").startswith("text/"):
        return reply.body.decode("utf-8", "replace")
    return reply.body or None


def json_of(reply: Reply) -> Any:
    """The value of an answer that must be one of an endpoint, None if there is none by intent. Raises `AnswerLost`."""
    form = _format(reply)
    if form is None and reply.status == NO_CONTENT:
        return None
    if form is None:
        given = reply.headers.get("content-type", "").partition(";")[0][:60] or "nothing"
        raise AnswerLost(f"{_host(reply)} answered {given}, and not as an endpoint does.", _CHECK_URL)
    try:
        return form.read(reply.body)
    except ValueError:
        raise AnswerLost(f"{_host(reply)} answered {form.media_type} that cannot be read.", _MAY_HAVE_RUN) from None


def failure_of(reply: Reply) -> NbserveError | None:
    """The error that the reply is, of the class that has its code; None for a good answer."""
    if 200 <= reply.status < 300:
        return None
    said = _said(reply)
    if not said.keys() >= SHAPE:
        return _foreign(reply, said)
    kind = _BY_CODE.get(str(said["code"])) or _BY_STATUS.get(reply.status, NbserveError)
    error = kind(str(said["error"]), str(said["remedy"]), **_further(kind, reply))
    error.faults = tuple(map(_fault, _objects(said["detail"])))
    error.predict_id = said.get("predict_id")
    return error


def code_of(reply: Reply) -> str | None:
    """The stable name of the error, None when it is no endpoint that answered."""
    said = _said(reply)
    return str(said["code"]) if said.keys() >= SHAPE else None


def retry_after_s(reply: Reply) -> float | None:
    """When to come again, from seconds or a date; None if the answer does not say."""
    given = reply.headers.get("retry-after")
    if given is None:
        return None
    if given.strip().isdecimal():
        return float(given)
    try:
        return max(0.0, parsedate_to_datetime(given).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _said(reply: Reply) -> dict[str, Any]:
    """The object that the body of an error is, an empty one for anything else."""
    form = _format(reply)
    if form is None:
        return {}
    try:
        value = form.read(reply.body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _format(reply: Reply) -> Format | None:
    return format_of(reply.headers.get("content-type", ""))


def _fault(said: dict[str, Any]) -> Fault:
    return Fault(tuple(said.get("loc") or ()), str(said.get("msg", "")), str(said.get("type", "")))


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _further(kind: type[NbserveError], reply: Reply) -> dict[str, Any]:
    """What only this class of error is told."""
    if issubclass(kind, Busy):
        return {"retry_after_s": retry_after_s(reply) or 1.0}
    if issubclass(kind, MethodNotAllowed):
        return {"allowed": re.findall(r"\w+", reply.headers.get("allow", ""))}
    return {}


def _foreign(reply: Reply, said: Mapping[str, Any]) -> NbserveError:
    """The error of whoever answered in the endpoint's place: a proxy, a hub, another program."""
    kind = _BY_STATUS.get(reply.status, AnswerLost)
    reason = next((text for key in ("message", "detail") if isinstance(text := said.get(key), str)), "")
    phrase = next((each.phrase for each in HTTPStatus if each == reply.status), "")
    problem = f"{_host(reply)} answered {reply.status} {phrase}".rstrip() + ", and not as an endpoint does"
    return kind(f"{problem}{reason and ': '}{reason[:200].rstrip('.')}.", _REMEDIES[kind], **_further(kind, reply))


def _host(reply: Reply) -> str:
    return urlsplit(reply.url).netloc


_MAY_HAVE_RUN = "The call may have been carried out; repeat it if that does no harm."

_BY_CODE: dict[str, type[NbserveError]] = {
    kind.code: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, NbserveError)
}

_BY_STATUS: dict[int, type[NbserveError]] = {
    400: InputError,
    401: TokenMissing,
    403: AccessError,
    404: NotFound,
    405: MethodNotAllowed,
    408: BodyIncomplete,
    409: Conflict,
    413: BodyTooLarge,
    415: MediaTypeError,
    422: InputError,
    429: Busy,
    502: AnswerLost,
    503: Unreachable,
    504: DeadlineExceeded,
}

_CHECK_URL = "Check the URL: the endpoint's card shows it."

_REMEDIES: dict[type[NbserveError], str] = {
    AccessError: "Ask whoever serves it for a link or a token.",
    AnswerLost: _MAY_HAVE_RUN,
    BodyIncomplete: "Send it again.",
    BodyTooLarge: "Send fewer rows at a time.",
    Busy: "Ask again later.",
    Conflict: _CHECK_URL,
    DeadlineExceeded: _MAY_HAVE_RUN,
    InputError: _CHECK_URL,
    MediaTypeError: _CHECK_URL,
    MethodNotAllowed: _CHECK_URL,
    NotFound: _CHECK_URL,
    TokenMissing: "Give the token that the endpoint's card shows: Client(url, token).",
    Unreachable: "Ask again later; is the notebook running?",
}
