"""The sentences and lines that cells and cards show."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from ..core.masking import fields_of
from ..core.schema import Profile
from ..errors import nearest, shortened

__all__ = ["advice_on_mask", "curl_line", "traffic_table"]


def curl_line(url: str, token: str | None, body: dict[str, Any], trusted: str | None = None) -> str:
    """A call of the endpoint, ready for a shell; `trusted` is a certificate that nobody else vouches for."""
    parts = [f"curl -X POST {shlex.quote(url)}"]
    if trusted is not None:
        parts.append(f"--cacert {shlex.quote(trusted)}")
    if token is not None:
        parts.append(f"-H {shlex.quote(f'Authorization: Bearer {token}')}")
    parts += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(json.dumps(body, ensure_ascii=False))}"]
    return " \\\n  ".join(parts)


def advice_on_mask(names: Iterable[str] | None, profile: Profile) -> str:
    """A line about a marked field that no method has, where the fields are known: it may be mistyped."""
    if not names or not profile.features:
        return ""
    known = {each.casefold(): each for each in fields_of(profile.signatures)}
    unknown = [name for name in names if name.casefold() not in known]
    if not unknown:
        return ""
    hint = nearest(unknown[0], list(known.values()))
    return f"--mask: no field is called {shortened(unknown[0])}.{hint} It is masked wherever it comes by that name."


def traffic_table(told: dict[str, Any]) -> str:
    """The newest requests, a line each, in local time; the newest last, beside the prompt."""
    if not told["captures"]:
        return "Requests are not kept: it is served with --no-capture."
    if not told["exchanges"]:
        return "Nobody has asked yet."
    rows = [_HEADS, *map(_cells, reversed(told["exchanges"]))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    set_ = (str.ljust, str.ljust, str.ljust, str.rjust, str.rjust, str.rjust)
    return "\n".join(
        "  ".join(put(cell, width) for put, cell, width in zip(set_, row, widths, strict=True)) for row in rows
    )


_HEADS = ("time", "caller", "method", "rows", "ms", "status")


def _cells(exchange: dict[str, Any]) -> tuple[str, ...]:
    at = datetime.fromisoformat(exchange["at"]).astimezone()
    rows = "" if exchange["rows"] is None else str(exchange["rows"])
    ms = f"{exchange['ms']:.1f}"
    return (f"{at:%H:%M:%S}", exchange["caller"], exchange["method"], rows, ms, str(exchange["status"]))
