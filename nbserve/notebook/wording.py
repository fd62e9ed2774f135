"""The sentences and lines that cells and cards show."""

from __future__ import annotations

import json
import shlex
from typing import Any

from ..core.component import UnloadReport

__all__ = ["curl_line", "megabytes", "unload_sentence"]


def curl_line(url: str, token: str | None, body: dict[str, Any]) -> str:
    """A call of the endpoint, ready for a shell."""
    parts = [f"curl -X POST {shlex.quote(url)}"]
    if token is not None:
        parts.append(f"-H {shlex.quote(f'Authorization: Bearer {token}')}")
    parts += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(json.dumps(body, ensure_ascii=False))}"]
    return " \\\n  ".join(parts)


def megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 50_000 else f"{size_bytes / 1e3:.1f} kB"


def unload_sentence(report: UnloadReport) -> str:
    if not report.was_loaded:
        return "It was unloaded already."
    if report.state != "unloaded":
        return f"It is {report.state}: somebody asked for it meanwhile."
    if report.holders:
        return f"Unloaded; the notebook still holds it as {', '.join(report.holders)}, so no memory came back."
    return f"Unloaded; {megabytes(report.freed_bytes)} came back."
