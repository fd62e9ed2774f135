"""Links as a cell shows them: text for a terminal, HTML for a notebook; every value escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any

__all__ = ["link_html", "link_text", "links_html", "links_text"]

Entry = Mapping[str, Any]

_HEADS = ("For", "Endpoint", "Link", "Methods", "State", "Until", "Requests", "Rows", "Errors", "Refused", "Last used")
_FRAME = (
    "border:1px solid rgba(128,128,128,.35);border-radius:8px;padding:12px 16px;max-width:760px;"
    "font-family:system-ui,sans-serif;font-size:13px;line-height:1.6"
)
_FAINT = "opacity:.65;font-size:12px"
_LINK = (
    "display:block;margin:6px 0;padding:6px 10px;border-radius:6px;background:rgba(128,128,128,.14);"
    "font-family:ui-monospace,monospace;overflow-wrap:anywhere;user-select:all"
)
_CELL = "text-align:left;vertical-align:top;padding:2px 16px 2px 0;border:none"


def link_text(made: Entry) -> str:
    """The link, and what it opens, in two lines."""
    return f"{_sentence(made)}\n{made['link']}"


def link_html(made: Entry) -> str:
    """The same; the address of what is clicked is that of the page around it, whatever proxy is before that."""
    here = f'<a href="{escape(made["path"])}#{escape(made["token"])}" target="_blank" rel="noreferrer">Open it</a>'
    remark = "whoever has this link can use it, until then. It is shown this once, and stands in this cell's output."
    return (
        f'<div style="{_FRAME}"><strong>{escape(_sentence(made))}</strong>'
        f'<code style="{_LINK}">{escape(made["link"])}</code>'
        f'<div style="{_FAINT}">{here}; {remark} %nbserve revoke {escape(made["id"])} ends it.</div></div>'
    )


def links_text(entries: Sequence[Entry]) -> str:
    """A table of columns."""
    if not entries:
        return _NONE
    lines = [_HEADS, *(_cells(entry) for entry in entries)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(_HEADS))]
    return "\n".join(
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def links_html(entries: Sequence[Entry]) -> str:
    if not entries:
        return f'<div style="{_FRAME}">{escape(_NONE)}</div>'
    rows = "".join(_row("td", _cells(entry)) for entry in entries)
    return f'<div style="{_FRAME};max-width:none;overflow-x:auto"><table>{_row("th", _HEADS)}{rows}</table></div>'


_NONE = "Nothing is shared. Type %nbserve share NAME."


def _sentence(made: Entry) -> str:
    """`iris is shared with Ann until 29 Nov 2026 16:00: predict, inspect, 10/s, 1,000 rows.`"""
    label = f" with {made['label']}" if made["label"] else ""
    bounds = [", ".join(made["methods"] or ()), made["rate"] or "", f"{made['rows']:,} rows" if made["rows"] else ""]
    what = ", ".join(filter(None, bounds))
    return f"{made['name']} is shared{label} until {_moment(made['until'])}{f': {what}' if what else ''}."


def _cells(entry: Entry) -> tuple[str, ...]:
    uses = entry["uses"]
    quota = f" of {entry['rows']:,}" if entry["rows"] else ""
    return (
        entry["label"] or "–",
        entry["name"],
        entry["id"],
        ", ".join(entry["methods"] or ["all"]),
        entry["state"] if entry["served"] or entry["state"] != "open" else "open, not served now",
        _moment(entry["until"]),
        f"{uses['requests']:,}",
        f"{uses['rows']:,}{quota}",
        f"{uses['errors']:,}",
        f"{uses['refused']:,}",
        _moment(uses["last_used"]) if uses["last_used"] else "never",
    )


def _moment(iso: str) -> str:
    """In the clock of whoever reads it."""
    return datetime.fromisoformat(iso).astimezone().strftime("%d %b %Y %H:%M")


def _row(tag: str, texts: Sequence[str]) -> str:
    return "<tr>" + "".join(f'<{tag} style="{_CELL}">{escape(text)}</{tag}>' for text in texts) + "</tr>"
