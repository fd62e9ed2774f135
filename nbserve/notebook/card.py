"""How an endpoint shows itself in a cell: live where widgets live, as HTML or as one line of text elsewhere."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from html import escape
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from nbserve.errors import NbserveError

__all__ = ["Card", "as_html", "as_text"]

Snapshot = dict[str, Any]

ORDERS = ("load", "unload", "stop")

_log = logging.getLogger(__name__)
_HERE = Path(__file__).parent
_MOST_FEATURES = 200
_MOST_VALUES = 40
_SHOWN_FEATURES = 12
_UNITS = ("B", "kB", "MB", "GB", "TB")


class Card(anywidget.AnyWidget):
    """Shows one endpoint, or the dashboard of all; holds only a snapshot (plain JSON) and never a model.

    `read` gives the snapshot. `obey(order, name)` carries out what a button asks for and answers with a sentence, or
    raises; it runs on a thread of its own, so that a long load never blocks the kernel. `push` may be called from
    any thread. Without a front end (a terminal, a script) a card is only its line of text.
    """

    _esm = _HERE / "card.js"
    _css = _HERE / "card.css"

    snapshot = traitlets.Dict().tag(sync=True)
    beat = traitlets.Int().tag(sync=True)

    def __init__(self, read: Callable[[], Snapshot], obey: Callable[[str, str], str]) -> None:
        self._read = read
        self._obey = obey
        self._pushing = threading.Lock()
        super().__init__(snapshot=_settled(_slim(read()), {}))
        self.on_msg(self._hear)

    @property
    def is_open(self) -> bool:
        """False once the card was closed."""
        return self.comm is not None

    def push(self) -> None:
        """Send what has changed since the last push; the beat always has, but for an endpoint that has gone."""
        with self._pushing, self.hold_sync():
            fresh = _settled(_slim(self._read()), self.snapshot)
            is_news = not _looks_the_same(fresh, self.snapshot)
            if is_news:
                self.snapshot = fresh
            if is_news or not fresh.get("gone"):
                self.beat += 1

    def __repr__(self) -> str:
        return as_text(self.snapshot)

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """The live widget, and what stands in for it where no widget can live."""
        self.push()
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle
        return {**data, "text/html": as_html(self.snapshot), "text/plain": as_text(self.snapshot)}, metadata

    def _hear(self, _card: Card, content: Any, _buffers: Any) -> None:
        """Take a button's order: say that it was heard, and let a thread carry it out."""
        if not isinstance(content, dict) or content.get("order") not in ORDERS:
            return
        ident, order, name = (str(content.get(key, "")) for key in ("id", "order", "name"))
        self.send({"id": ident, "heard": True})
        threading.Thread(target=self._answer, args=(ident, order, name), name="nbserve-order", daemon=True).start()

    def _answer(self, ident: str, order: str, name: str) -> None:
        ok, text = _carried_out(self._obey, order, name)
        try:
            self.push()
        except Exception:  # noqa: BLE001 - the person waits for the answer; the next beat shows the rest
            _log.debug("A card could not be pushed.", exc_info=True)
        self.send({"id": ident, "ok": ok, "text": text})


def as_text(snapshot: Snapshot) -> str:
    """One line: what is served, whether it is loaded, where, what it is, what it has done."""
    endpoints = snapshot.get("endpoints") or []
    if snapshot.get("dashboard"):
        return _dashboard_line(endpoints)
    if not endpoints:
        return "nbserve · stopped"
    endpoint = endpoints[0]
    requests = endpoint["counters"]["requests"]
    shown = [endpoint["name"], endpoint["state"], endpoint["url"], _kind(endpoint), _plural(requests, "request")]
    return " · ".join(part for part in shown if part)


def as_html(snapshot: Snapshot) -> str:
    """A still picture of the card: one table, every value escaped, neither token nor script in it.

    It is what a reopened notebook, GitHub or an exported page show, so it says that it is not live. The colours are
    those of the page around it.
    """
    endpoints = snapshot.get("endpoints") or []
    if not endpoints:
        text = "Nothing is served. Type %serve model." if snapshot.get("dashboard") else "Stopped."
        return f'<div style="{_FRAME}"><em>{text}</em></div>'
    body = _dashboard_table(endpoints) if snapshot.get("dashboard") else _endpoint_table(endpoints[0])
    return f'<div style="{_FRAME}">{body}<div style="{_FAINT}">{_STILL}</div></div>'


# --- orders ---------------------------------------------------------------------------------------------------------


def _carried_out(obey: Callable[[str, str], str], order: str, name: str) -> tuple[bool, str]:
    try:
        return True, obey(order, name)
    except NbserveError as error:
        return False, str(error)
    except Exception as error:  # noqa: BLE001 - loading runs the user's code; a traceback would land in any cell
        return False, f"{order.capitalize()} failed: {type(error).__name__}: {error}"


# --- snapshots ------------------------------------------------------------------------------------------------------


def _settled(fresh: Snapshot, before: Snapshot) -> Snapshot:
    """The snapshot to show: of an endpoint that has gone, the last that was known of it, as stopped."""
    if fresh.get("dashboard") or (fresh.get("endpoints") and not fresh.get("gone")):
        return fresh
    known = fresh.get("endpoints") or before.get("endpoints") or []
    return {"endpoints": [{**endpoint, "state": "stopped"} for endpoint in known], "dashboard": False, "gone": True}


def _slim(snapshot: Snapshot) -> Snapshot:
    """The snapshot with long lists cut, so that a push stays small however wide the model is."""
    return {**snapshot, "endpoints": [_slim_endpoint(endpoint) for endpoint in snapshot.get("endpoints") or []]}


def _slim_endpoint(endpoint: dict[str, Any]) -> dict[str, Any]:
    model = endpoint["model"]
    features, classes = model.get("features") or [], model.get("classes") or []
    cut = {
        **model,
        "features": [_slim_feature(feature) for feature in features[:_MOST_FEATURES]],
        "feature_count": len(features),
        "classes": classes[:_MOST_VALUES],
        "class_count": len(classes),
    }
    return {**endpoint, "model": cut}


def _slim_feature(feature: dict[str, Any]) -> dict[str, Any]:
    categories = feature.get("categories")
    if categories is None:
        return feature
    return {**feature, "categories": categories[:_MOST_VALUES], "category_count": len(categories)}


def _looks_the_same(one: Snapshot, other: Snapshot) -> bool:
    return _visible(one) == _visible(other)


def _visible(snapshot: Snapshot) -> Snapshot:
    """The snapshot without what draws nothing: the seconds in which there was no request."""
    endpoints = [
        {**endpoint, "history": endpoint["history"] if any(row[1] for row in endpoint["history"]) else []}
        for endpoint in snapshot.get("endpoints") or []
    ]
    return {**snapshot, "endpoints": endpoints}


# --- words ----------------------------------------------------------------------------------------------------------


def _dashboard_line(endpoints: list[dict[str, Any]]) -> str:
    if not endpoints:
        return "nbserve · nothing is served · %serve model"
    each = ", ".join(f"{endpoint['name']} ({endpoint['state']})" for endpoint in endpoints)
    return f"nbserve · {_plural(len(endpoints), 'endpoint')}: {each}"


def _kind(endpoint: dict[str, Any]) -> str:
    """`LogisticRegression (scikit-learn 1.9.1)`"""
    model = endpoint["model"]
    library = " ".join(str(part) for part in (model.get("library"), model.get("library_version")) if part)
    return f"{model['type']} ({library})" if library else str(model["type"])


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
    memory = endpoint["memory"]
    if endpoint["state"] == "loaded":
        return _size(memory.get("model_bytes"))
    if endpoint["state"] != "stopped" and memory.get("spilled_bytes"):
        return f"{_size(memory['spilled_bytes'])} on disk"
    return _held(endpoint) if endpoint["state"] == "unloaded" and endpoint.get("holders") else "–"


def _held(endpoint: dict[str, Any]) -> str:
    """What an unloaded model still weighs because the notebook holds it, too."""
    weight = endpoint["memory"].get("model_bytes")
    held = f"held by the notebook as {', '.join(endpoint['holders'])}"
    return f"{_size(weight)}, {held}" if weight else held


def _latency(endpoint: dict[str, Any]) -> str:
    latency = endpoint["latency_ms"]
    if latency.get("p50") is None:
        return "–"
    return f"p50 {latency['p50']:.3g} ms, p99 {latency['p99']:.3g} ms"


def _feature_text(feature: dict[str, Any]) -> str:
    return f"{feature['name']}: {feature['datatype']}{'?' if feature.get('nullable') else ''}"


def _some(texts: Iterable[str], total: int, most: int = _SHOWN_FEATURES) -> str:
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
    features, classes = model.get("features") or [], model.get("classes") or []
    feature_count, class_count = model.get("feature_count", len(features)), model.get("class_count", len(classes))
    rows = {
        "State": endpoint["state"] + (f": {endpoint['reason']}" if endpoint.get("reason") else ""),
        "URL": endpoint["url"],
        "Model": " · ".join(part for part in (_kind(endpoint), model.get("task") or "") if part),
        "Methods": ", ".join(endpoint.get("signatures") or []),
        "Expects": _some(map(_feature_text, features), feature_count),
        "Classes": _some(map(str, classes), class_count),
        "Memory": _memory(endpoint),
        "Traffic": f"{_plural(counters['requests'], 'request')}, {_plural(counters['errors'], 'error')}",
        "Latency": _latency(endpoint),
    }
    shown = "".join(_row("th", (head,), "td", (text,)) for head, text in rows.items() if text)
    return f"{_title(endpoint['name'])}<table>{shown}</table>"


def _dashboard_table(endpoints: list[dict[str, Any]]) -> str:
    heads = _row("th", ("Endpoint", "State", "URL", "Model", "Memory", "Requests", "Errors"))
    rows = "".join(_row("td", _dashboard_cells(endpoint)) for endpoint in endpoints)
    return f"{_title('nbserve')}<table>{heads}{rows}</table>"


def _dashboard_cells(endpoint: dict[str, Any]) -> tuple[str, ...]:
    counts = (f"{endpoint['counters'][key]:,}" for key in ("requests", "errors"))
    return endpoint["name"], endpoint["state"], endpoint["url"], _kind(endpoint), _memory(endpoint), *counts


def _title(text: str) -> str:
    return f'<strong style="font-size:15px">{escape(text)}</strong>'


def _row(tag: str, texts: Iterable[str], tag_2: str = "td", texts_2: Iterable[str] = ()) -> str:
    """A row of cells: first some of one kind, then some of another."""
    cells = [(tag, text) for text in texts] + [(tag_2, text) for text in texts_2]
    return "<tr>" + "".join(f'<{tag} style="{_CELL}">{escape(str(text))}</{tag}>' for tag, text in cells) + "</tr>"
