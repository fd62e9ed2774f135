"""What this server refuses itself, in the one shape that every error of nbserve has."""

from __future__ import annotations

from html import escape
from http.client import responses
from importlib.resources import files
from string import Template
from typing import Any

from tornado import web

from ..errors import NbserveError

__all__ = ["STATUS", "in_shape", "page_of", "status_of"]

STATUS = {
    "token_missing": 401,
    "access_denied": 403,
    "token_refused": 403,
    "sharing_off": 403,
    "not_found": 404,
    "share_ended": 410,
    "body_invalid": 422,
    "kernel_gone": 503,
}
"""Code → HTTP status, of what is refused here; as the kernel's own table has it."""


def status_of(error: BaseException | None) -> int:
    if isinstance(error, NbserveError):
        return STATUS.get(error.code, 500)
    return error.status_code if isinstance(error, web.HTTPError) else 500


def in_shape(error: BaseException | None) -> dict[str, Any]:
    """The error as JSON; of what nobody has foreseen, nothing but that."""
    if isinstance(error, NbserveError):
        problem, code, remedy = error.problem, error.code, error.remedy
    else:
        status = status_of(error)
        problem, code, remedy = f"{_told(error) or responses.get(status, 'Unknown error')}.", f"http_{status}", ""
    return {"error": problem, "code": code, "remedy": remedy, "detail": [], "predict_id": None}


def page_of(error: BaseException | None, home: str) -> str:
    """The error as a person reads it; `home` is the address of the page of all endpoints."""
    shape = in_shape(error)
    parts = {"status": status_of(error), "home": home, **{name: shape[name] for name in ("error", "code", "remedy")}}
    text = files(__package__).joinpath("pages/error.html").read_text(encoding="utf-8")
    return Template(text).substitute({name: escape(str(part)) for name, part in parts.items()})


def _told(error: BaseException | None) -> str:
    """What Jupyter has to say of its own refusals."""
    return (error.log_message or "").rstrip(".") if isinstance(error, web.HTTPError) and not error.args else ""
