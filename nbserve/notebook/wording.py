"""The sentences and lines that cells and cards show."""

from __future__ import annotations

import json
import shlex
from typing import Any

from ..core.lifecycle import UnloadReport

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
        held = f" {_holders(report)[:1].upper()}{_holders(report)[1:]}." if report.holders else ""
        return f"It was unloaded already.{held}"
    if report.state != "unloaded":
        return f"It is {report.state}: somebody asked for it meanwhile."
    forgotten = f" {', '.join(report.forgotten)} let go of it." if report.forgotten else ""
    if report.holders:
        return f"Unloaded; {_holders(report)}, so no memory came back.{forgotten}"
    return f"Unloaded; {megabytes(report.freed_bytes)} came back{_resident(report)}.{forgotten}"


def _resident(report: UnloadReport) -> str:
    """`: the process went from 512.0 MB to 308.1 MB`, where the platform tells."""
    if not report.resident_after_bytes:
        return ""
    return (
        f": the process went from {megabytes(report.resident_before_bytes)} to {megabytes(report.resident_after_bytes)}"
    )


def _holders(report: UnloadReport) -> str:
    return f"it is still held as {', '.join(report.holders)}"
