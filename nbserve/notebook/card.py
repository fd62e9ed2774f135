"""How an endpoint shows itself in a cell: live where widgets live, as HTML or as one line of text elsewhere."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from ..errors import NbserveError
from .bundle import module_of, styles_of
from .still import as_html, as_text

__all__ = ["Card"]

Snapshot = dict[str, Any]

ORDERS = ("load", "unload", "forget", "stop")

_log = logging.getLogger(__name__)
_SCRIPT = Path(__file__).parent / "card" / "card.js"
_MOST_FEATURES = 200
_MOST_VALUES = 40
_MOST_ROWS = 100
_DRIFT_S = 1.5


class Card(anywidget.AnyWidget):
    """Shows one endpoint, or the dashboard of all; holds only a snapshot (plain JSON) and never a model.

    `read` gives the snapshot. `obey(order, name)` carries out what a button asks for and answers with a sentence, or
    raises; it runs on a thread of its own, so that a long load never blocks the kernel. `push` may be called from
    any thread. Without a front end (a terminal, a script) a card is only its line of text. The beat is the card's
    clock in seconds: what is shown is as old as the beat is later than the snapshot's `as_of`.
    """

    _esm = module_of(_SCRIPT)
    _css = styles_of(_SCRIPT)

    snapshot = traitlets.Dict().tag(sync=True)
    beat = traitlets.Float().tag(sync=True)

    def __init__(
        self,
        read: Callable[[], Snapshot],
        obey: Callable[[str, str], str],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._obey = obey
        self._clock = clock
        self._made_at = clock()
        self._pushing = threading.Lock()
        super().__init__(snapshot=self._fresh(0.0, {}))
        self.on_msg(self._hear)

    @property
    def is_open(self) -> bool:
        """False once the card was closed."""
        return self.comm is not None

    @property
    def is_moving(self) -> bool:
        """True while something loads."""
        return any(endpoint["state"] == "loading" for endpoint in self.snapshot["endpoints"])

    def push(self) -> None:
        """Send what has changed since the last push; the beat always has, but for an endpoint that has gone."""
        with self._pushing, self.hold_sync():
            now = round(self._clock() - self._made_at, 3)
            fresh = self._fresh(now, self.snapshot)
            is_news = not _looks_the_same(fresh, self.snapshot)
            if is_news:
                self.snapshot = fresh
            if is_news or not fresh.get("gone"):
                self.beat = now

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

    def _fresh(self, now: float, before: Snapshot) -> Snapshot:
        return {**_settled(_slim(self._read()), before), "as_of": now}

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
    over = {"state": "stopped", "last_used_s": None, "idle_unload_in_s": None, "loading": None}
    return {"endpoints": [{**endpoint, **over} for endpoint in known], "dashboard": False, "gone": True}


def _slim(snapshot: Snapshot) -> Snapshot:
    """The snapshot with long lists cut, so that a push stays small however wide the model is, or many the models."""
    endpoints = snapshot.get("endpoints") or []
    if not snapshot.get("dashboard"):
        return {**snapshot, "endpoints": [_slim_endpoint(endpoint) for endpoint in endpoints]}
    rows = [_slim_row(endpoint) for endpoint in _foremost(endpoints)]
    return {**snapshot, "endpoints": rows, "endpoint_count": len(endpoints)}


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


def _slim_row(endpoint: dict[str, Any]) -> dict[str, Any]:
    """What the dashboard shows of an endpoint: not what it expects."""
    model = {key: endpoint["model"].get(key) for key in ("type", "library", "library_version", "task")}
    kept = {key: value for key, value in endpoint.items() if key not in ("token", "curl", "signatures", "methods")}
    return {**kept, "model": model}


def _foremost(endpoints: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As many as a dashboard shows, in their order: those that need a look, are loaded, or were used last."""
    if len(endpoints) <= _MOST_ROWS:
        return endpoints
    ranked = sorted(range(len(endpoints)), key=lambda at: _rank(endpoints[at]))
    return [endpoints[at] for at in sorted(ranked[:_MOST_ROWS])]


def _rank(endpoint: dict[str, Any]) -> tuple[int, float]:
    states = ("loading", "failed", "loaded")
    last_used_s = endpoint.get("last_used_s")
    rank = states.index(endpoint["state"]) if endpoint["state"] in states else len(states)
    return rank, float("inf") if last_used_s is None else last_used_s


def _looks_the_same(one: Snapshot, other: Snapshot) -> bool:
    """Whether a card drawn from one, and left to its own clock, shows what it would show drawn from the other."""
    if _visible(one) != _visible(other):
        return False
    return all(abs(at - then) < _DRIFT_S for at, then in zip(_moments(one), _moments(other), strict=True))


def _visible(snapshot: Snapshot) -> Snapshot:
    """The snapshot without what draws nothing: seconds in which there was no request, and clocks that only went on."""
    endpoints = [_visible_endpoint(endpoint) for endpoint in snapshot.get("endpoints") or []]
    return {**snapshot, "endpoints": endpoints, "as_of": None}


def _visible_endpoint(endpoint: dict[str, Any]) -> dict[str, Any]:
    loading = endpoint.get("loading")
    return {
        **endpoint,
        "history": endpoint["history"] if any(row[1] for row in endpoint["history"]) else [],
        "last_used_s": endpoint.get("last_used_s") is not None,
        "idle_unload_in_s": endpoint.get("idle_unload_in_s") is not None,
        "loading": loading and {**loading, "seconds": None},
    }


def _moments(snapshot: Snapshot) -> list[float]:
    """When, on the card's clock, each thing happened or will happen that is told in seconds."""
    now, moments = snapshot.get("as_of") or 0.0, []
    for endpoint in snapshot.get("endpoints") or []:
        since, left = endpoint.get("last_used_s"), endpoint.get("idle_unload_in_s")
        loading = endpoint.get("loading") or {}
        moments += [now - seconds for seconds in (since, loading.get("seconds")) if seconds is not None]
        moments += [now + left] if left is not None else []
    return moments
