"""The card where nothing lives: a still picture in HTML, and one line of text."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

__all__ = ["as_html", "as_text"]

Snapshot = dict[str, Any]

_ENDPOINT = "endpoint "
_NOTEBOOK = "the notebook"
_SHOWN = 12
_UNDESCRIBED = "Columns are found when it is first loaded."
_UNITS = ("B", "kB", "MB", "GB", "TB")


def as_text(snapshot: Snapshot) -> str:
    """One line: what is served, whether it is loaded, where, what it is, what it has done."""
    endpoints = snapshot.get("endpoints") or []
    if snapshot.get("dashboard"):
        return _dashboard_line(endpoints, _count(snapshot))
    if not endpoints:
        return "nbserve · stopped"
    endpoint = endpoints[0]
    requests = endpoint["counters"]["requests"]
    addresses = " ".join((endpoint["url"], *(endpoint.get("addresses") or [])))
    shown = [endpoint["name"], endpoint["state"], addresses, _what(endpoint), _plural(requests, "request")]
    return " · ".join(part for part in shown if part)


def as_html(snapshot: Snapshot) -> str:
    """A still picture of the card: one table, every value escaped, neither token nor script in it.

    It is what a reopened notebook, GitHub or an exported page show, so it says that it is not live, and tells nothing
    that only a clock could keep true. The colours are those of the page around it.
    """
    endpoints = snapshot.get("endpoints") or []
    if not endpoints:
        text = "Nothing is served. Type %serve model." if snapshot.get("dashboard") else "Stopped."
        return f'<div style="{_FRAME}"><em>{text}</em></div>'
    is_dashboard = snapshot.get("dashboard")
    body = _dashboard_table(endpoints, _count(snapshot)) if is_dashboard else _endpoint_table(endpoints[0])
    return f'<div style="{_FRAME}">{body}<div style="{_FAINT}">{_STILL}</div></div>'


# --- words ----------------------------------------------------------------------------------------------------------


def _count(snapshot: Snapshot) -> int:
    """How many endpoints there are: a dashboard is not sent all of very many."""
    return int(snapshot.get("endpoint_count", len(snapshot.get("endpoints") or [])))


def _dashboard_line(endpoints: list[dict[str, Any]], count: int) -> str:
    if not endpoints:
        return "nbserve · nothing is served · %serve model"
    each = _some((f"{endpoint['name']} ({endpoint['state']})" for endpoint in endpoints), count)
    return f"nbserve · {_plural(count, 'endpoint')}: {each}"


def _kind(endpoint: dict[str, Any]) -> str:
    """`LogisticRegression (scikit-learn 1.9.1)`; less where less is known."""
    model = endpoint["model"]
    library = " ".join(str(part) for part in (model.get("library"), model.get("library_version")) if part)
    if not model.get("type"):
        return library
    return f"{model['type']} ({library})" if library else str(model["type"])


def _origin(endpoint: dict[str, Any]) -> str:
    """The file or the class that the model comes from; empty for one that was born in the notebook."""
    source = str(endpoint.get("source") or "")
    return "" if source in (_NOTEBOOK, endpoint["model"].get("type")) else source


def _what(endpoint: dict[str, Any]) -> str:
    """`Pipeline (scikit-learn 1.9.1) from model.joblib`"""
    return " from ".join(part for part in (_kind(endpoint), _origin(endpoint)) if part)


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _size(number: float | None) -> str:
    """`12.3 MB`"""
    if number is None:
        return "–"
    unit = 0
    while number >= 999.5 and unit < len(_UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return f"{number:.0f} {_UNITS[unit]}" if unit == 0 or number >= 99.5 else f"{number:.1f} {_UNITS[unit]}"


def _memory(endpoint: dict[str, Any]) -> str:
    """`204 MB of 1.2 GB used, budget 2 GB`, `spilled: 204 MB on disk`, or who holds it."""
    state, memory = endpoint["state"], endpoint["memory"]
    if state == "loaded":
        return _loaded_memory(memory)
    if state != "stopped" and memory.get("spilled_bytes"):
        return f"spilled: {_size(memory['spilled_bytes'])} on disk"
    return _held(endpoint) if state == "unloaded" and endpoint.get("holders") else "–"


def _loaded_memory(memory: dict[str, Any]) -> str:
    weight, used, budget = (memory.get(key) for key in ("model_bytes", "session_bytes", "budget_bytes"))
    if not budget or used is None:
        return _size(weight)
    of = f" of {_size(used)}" if _size(used) != _size(weight) else ""
    return f"{_size(weight)}{of} used, budget {_size(budget).replace('.0 ', ' ')}"


def _held(endpoint: dict[str, Any]) -> str:
    """What an unloaded model still weighs because the notebook holds it, too."""
    weight = endpoint["memory"].get("model_bytes")
    names = [each for each in endpoint["holders"] if not each.startswith(_ENDPOINT)]
    others = [each for each in endpoint["holders"] if each.startswith(_ENDPOINT)]
    by = [f"the notebook as {', '.join(names)}"] if names else []
    held = f"held by {' and '.join(by + others)}"
    return f"{_size(weight)}, {held}" if weight else held


def _latency(endpoint: dict[str, Any]) -> str:
    latency = endpoint["latency_ms"]
    if latency.get("p50") is None:
        return "–"
    return f"p50 {latency['p50']:.3g} ms, p99 {latency['p99']:.3g} ms"


def _feature_text(feature: dict[str, Any]) -> str:
    return f"{feature['name']}: {feature['datatype']}{'?' if feature.get('nullable') else ''}"


def _some(texts: Iterable[str], total: int, most: int = _SHOWN) -> str:
    shown = list(texts)[:most]
    return ", ".join(shown) + (f", +{total - len(shown)} more" if total > len(shown) else "")


# --- the still picture ----------------------------------------------------------------------------------------------

_FRAME = (
    "border:1px solid rgba(128,128,128,.35);border-radius:8px;padding:12px 16px;max-width:760px;"
    "font-family:system-ui,sans-serif;font-size:13px;line-height:1.5"
)
_STILL = "A still picture. Run the cell for the live card."
_FAINT = "opacity:.6;font-size:11px;margin-top:6px"
_CELL = "text-align:left;vertical-align:top;padding:2px 16px 2px 0;border:none"


def _endpoint_table(endpoint: dict[str, Any]) -> str:
    model, counters = endpoint["model"], endpoint["counters"]
    task = model.get("task") or ""
    rows = {
        "State": endpoint["state"] + (f": {endpoint['reason']}" if endpoint.get("reason") else ""),
        "URL": endpoint["url"],
        "For teammates": ", ".join(endpoint.get("addresses") or []),
        "Model": " · ".join(part for part in (_kind(endpoint), "" if task == "unknown" else task) if part),
        "Source": _origin(endpoint),
        **_expectations(endpoint),
        "Memory": _memory(endpoint),
        "Traffic": f"{_plural(counters['requests'], 'request')}, {_plural(counters['errors'], 'error')}",
        "Latency": _latency(endpoint),
    }
    shown = "".join(_row("th", (head,), "td", (text,)) for head, text in rows.items() if text)
    return f"{_title(endpoint['name'], endpoint.get('title') or '')}<table>{shown}</table>"


def _expectations(endpoint: dict[str, Any]) -> dict[str, str]:
    """What is known of the model's methods; what is not, is said."""
    model = endpoint["model"]
    if endpoint.get("described") is False:
        return {"Expects": _UNDESCRIBED}
    features, classes = model.get("features") or [], model.get("classes") or []
    return {
        "Methods": ", ".join(endpoint.get("signatures") or []),
        "Expects": _some(map(_feature_text, features), model.get("feature_count", len(features))),
        "Classes": _some(map(str, classes), model.get("class_count", len(classes))),
    }


def _dashboard_table(endpoints: list[dict[str, Any]], count: int) -> str:
    heads = _row("th", ("Endpoint", "State", "URL", "Model", "Memory", "Requests", "Errors"))
    rows = "".join(_row("td", _dashboard_cells(endpoint)) for endpoint in endpoints)
    hidden = count - len(endpoints)
    more = f'<div style="{_FAINT}">… and {_plural(hidden, "more endpoint")}.</div>' if hidden else ""
    return f"{_title('nbserve')}<table>{heads}{rows}</table>{more}"


def _dashboard_cells(endpoint: dict[str, Any]) -> tuple[str, ...]:
    counts = (f"{endpoint['counters'][key]:,}" for key in ("requests", "errors"))
    return endpoint["name"], endpoint["state"], endpoint["url"], _what(endpoint), _memory(endpoint), *counts


def _title(name: str, more: str = "") -> str:
    beside = f' <span style="opacity:.75">{escape(more)}</span>' if more else ""
    return f'<strong style="font-size:15px">{escape(name)}</strong>{beside}'


def _row(tag: str, texts: Iterable[str], tag_2: str = "td", texts_2: Iterable[str] = ()) -> str:
    """A row of cells: first some of one kind, then some of another."""
    cells = [(tag, text) for text in texts] + [(tag_2, text) for text in texts_2]
    return "<tr>" + "".join(f'<{tag} style="{_CELL}">{escape(str(text))}</{tag}>' for tag, text in cells) + "</tr>"
