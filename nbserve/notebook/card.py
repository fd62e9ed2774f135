"""How an endpoint shows itself in a cell: live where widgets live, as HTML or as one line of text elsewhere."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from ..errors import NbserveError, NotFound
from ..web import pages
from .bundle import module_of, styles_of, styles_within
from .still import as_html, as_text

__all__ = ["Card"]

Snapshot = dict[str, Any]

Ask = Callable[[str, str, str, Any], tuple[int, Any]]

ORDERS = ("load", "unload", "forget", "stop", "ask")

_log = logging.getLogger(__name__)
_SCRIPT = Path(__file__).parent / "card" / "card.js"
_PAGE = Path(pages.__file__).parent / "page.css"
_SHARED = ("Controls", "The form", "The answer", "Tables and what folds")
_MOST_FEATURES = 200
_MOST_VALUES = 40
_MOST_ROWS = 100
_DRIFT_S = 1.5
_LONGEST_BEAT_S = 600.0


class Card(anywidget.AnyWidget):
    """Shows one endpoint, or the dashboard of all; holds only a snapshot (plain JSON) and never a model.

    `read` gives the snapshot. `obey(order, name)` carries out what a button asks for and answers with a sentence, or
    raises; `ask(name, verb, path, body)` answers what the endpoint's own routes do, as status and JSON. Both run on a
    thread of their own, so that a long load never blocks the kernel. `push` may be called from any thread. Without a
    front end (a terminal, a script) a card is only its line of text.

    The beat is the card's clock in seconds: what is shown is as old as the beat is later than the snapshot's `as_of`.
    It is sent with what has changed, while `is_busy()`, and for as long as a front end wants it as a sign of life:
    each is activity of the kernel, and one that is idle must look so.
    """

    _esm = module_of(_SCRIPT)
    _css = styles_within(".nbserve-form", _PAGE, _SHARED) + styles_of(_SCRIPT)

    snapshot = traitlets.Dict().tag(sync=True)
    beat = traitlets.Float().tag(sync=True)

    def __init__(
        self,
        read: Callable[[], Snapshot],
        obey: Callable[[str, str], str],
        ask: Ask | None = None,
        *,
        is_busy: Callable[[], bool] = bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._obey = obey
        self._ask = ask
        self._is_busy = is_busy
        self._beat_until = -math.inf
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

    def push(self, *, with_beat: bool = False) -> None:
        """Send what has changed since the last push, and the beat where it is wanted."""
        with self._pushing, self.hold_sync():
            now = round(self._clock() - self._made_at, 3)
            fresh = self._fresh(now, self.snapshot)
            is_news = not _looks_the_same(fresh, self.snapshot)
            if is_news:
                self.snapshot = fresh
            is_wanted = not fresh.get("gone") and (now <= self._beat_until or self._is_busy())
            if is_news or is_wanted or with_beat:
                self.beat = now

    def __repr__(self) -> str:
        return as_text(self.snapshot)

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """The live widget, and what stands in for it where no widget can live."""
        self.push(with_beat=True)
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle
        return {**data, "text/html": as_html(self.snapshot), "text/plain": as_text(self.snapshot)}, metadata

    def _fresh(self, now: float, before: Snapshot) -> Snapshot:
        return {**_settled(_slim(self._read()), before), "as_of": now}

    def _hear(self, _card: Card, content: Any, _buffers: Any) -> None:
        """Take a button's order: say that it was heard, and let a thread carry it out."""
        if not isinstance(content, dict):
            return
        if isinstance(wanted_s := content.get("beat"), int | float) and wanted_s >= 0:
            self._beat_for(wanted_s)
        if content.get("order") not in ORDERS:
            return
        ident, order, name = (str(content.get(key, "")) for key in ("id", "order", "name"))
        self.send({"id": ident, "heard": True})
        given = (ident, order, name, content.get("given"))
        threading.Thread(target=self._answer, args=given, name="nbserve-order", daemon=True).start()

    def _beat_for(self, seconds: float) -> None:
        """A front end has no other sign of life; or (0) wants to know once how old the snapshot is."""
        until = self._clock() - self._made_at + min(seconds, _LONGEST_BEAT_S)
        self._beat_until = max(self._beat_until, until)
        self.push(with_beat=True)

    def _answer(self, ident: str, order: str, name: str, given: Any) -> None:
        if order == "ask":
            answer = _asked(self._ask, name, given)
        else:
            answer = dict(zip(("ok", "text"), _carried_out(self._obey, order, name), strict=True))
        try:
            self.push()
        except Exception:  # noqa: BLE001 - the person waits for the answer; the next beat shows the rest
            _log.debug("A card could not be pushed.", exc_info=True)
        self.send({"id": ident, **answer})


# --- orders ---------------------------------------------------------------------------------------------------------


def _carried_out(obey: Callable[[str, str], str], order: str, name: str) -> tuple[bool, str]:
    try:
        return True, obey(order, name)
    except NbserveError as error:
        return False, str(error)
    except Exception as error:  # noqa: BLE001 - loading runs the user's code; a traceback would land in any cell
        return False, f"{order.capitalize()} failed: {type(error).__name__}: {error}"


def _asked(ask: Ask | None, name: str, given: Any) -> dict[str, Any]:
    """What the endpoint answers; status 0 when it does not."""
    asked = given if isinstance(given, dict) else {}
    verb, path = str(asked.get("verb", "GET")), str(asked.get("path", ""))
    try:
        if ask is None:
            raise NotFound("This card cannot ask.")
        status, value = ask(name, verb, path, asked.get("body"))
        return {"ok": status < 400, "text": "", "status": status, "value": value}
    except NbserveError as error:
        value = {"error": error.problem, "remedy": error.remedy, "code": error.code}
        return {"ok": False, "text": str(error), "status": 0, "value": value}
    except (OSError, ValueError, TypeError, HTTPException) as error:
        text = f"The endpoint does not answer: {error}"
        return {"ok": False, "text": text, "status": 0, "value": {"error": text}}


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
