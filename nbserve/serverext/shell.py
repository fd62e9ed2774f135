"""The page of a link before it is opened: the same for all links, and nothing secret in it."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from string import Template

from ..private import is_part

__all__ = ["POLICY", "has_shell", "shell_of"]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'"
)


def has_shell(share_id: str, rest: str) -> bool:
    """Whether a browser is shown it there: at the link itself, and at its documentation."""
    return is_part(share_id) and rest.rstrip("/") in ("", "docs")


def shell_of(base: str, share_id: str) -> str:
    text = files(__package__).joinpath("pages/share.html").read_text(encoding="utf-8")
    return Template(text).substitute(base=escape(base), root=escape(f"{base}nbserve/s/{share_id}"))
