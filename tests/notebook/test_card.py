"""The card without a browser: what it sends, what it obeys, and what stands in for it as HTML and as text."""

from __future__ import annotations

import copy
import threading
from html.parser import HTMLParser
from queue import Queue
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from nbserve.errors import LoadError
from nbserve.notebook.card import Card, as_html, as_text

SOON_S = 5.0
NASTY = "<img src=x onerror=alert(1)>\"'&"
IRIS: dict[str, Any] = {
    "name": "iris",
    "version": 1,
    "url": "http://127.0.0.1:49152/iris/",
    "page_url": "http://127.0.0.1:49152/iris/?token=secret",
    "token": "secret",
    "state": "loaded",
    "reason": None,
    "memory": {"model_bytes": 12_345_678, "spilled_bytes": 0},
    "model": {
        "type": "LogisticRegression",
        "library": "scikit-learn",
        "library_version": "1.9.1",
        "task": "classification",
        "classes": ["setosa", "versicolor"],
        "features": [
            {"name": "length", "datatype": "number", "dtype": "float64", "nullable": True, "categories": None},
            {"name": "colour", "datatype": "string", "dtype": "category", "nullable": False, "categories": ["red"]},
        ],
    },
    "signatures": ["predict(X: 2 columns)"],
    "counters": {"requests": 12, "errors": 1, "rows": 30, "in_flight": 0, "loads": 1, "unloads": 0},
    "latency_ms": {"p50": 1.2, "p99": 3.4},
    "history": [],
    "curl": "curl -H 'Authorization: Bearer secret' http://127.0.0.1:49152/iris/predict/",
}


def endpoint(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(IRIS), **changes}


def snapshot(*endpoints: dict[str, Any], dashboard: bool = False) -> dict[str, Any]:
    return {"endpoints": list(endpoints), "dashboard": dashboard}


class Wire:
    """A comm that notes what is sent; the real one needs a kernel."""

    comm_id = "wire"
    kernel = object()

    def __init__(self) -> None:
        self.updates: list[dict[str, Any]] = []
        self.messages: Queue[dict[str, Any]] = Queue()

    def send(self, data: dict[str, Any], buffers: Any = None) -> None:
        if data["method"] == "update":
            self.updates.append(data["state"])
        else:
            self.messages.put(data["content"])

    def on_msg(self, callback: Any) -> None: ...

    def close(self) -> None: ...


class Source:
    """What `read` and `obey` stand for: one snapshot, and a list of the orders given."""

    def __init__(self, shown: dict[str, Any]) -> None:
        self.shown = shown
        self.orders: list[tuple[str, str]] = []

    def read(self) -> dict[str, Any]:
        return copy.deepcopy(self.shown)

    def obey(self, order: str, name: str) -> str:
        self.orders.append((order, name))
        return f"{name}: {order} done."


@pytest.fixture
def source() -> Source:
    return Source(snapshot(endpoint()))


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def card(source: Source, wire: Wire) -> Card:
    made = Card(source.read, source.obey)
    made.comm = wire
    return made


def press(card: Card, order: Any, name: str = "iris", ident: str = "1") -> None:
    """What arrives when a person presses a button."""
    card._handle_custom_msg({"id": ident, "order": order, "name": name}, [])


def answer(wire: Wire) -> dict[str, Any]:
    """The next answer that is not only "heard"."""
    while (message := wire.messages.get(timeout=SOON_S)).get("heard"):
        pass
    return message


# --- what is sent ---------------------------------------------------------------------------------------------------


def test_an_unchanged_snapshot_sends_only_the_beat(card: Card, wire: Wire) -> None:
    card.push()
    card.push()
    assert wire.updates == [{"beat": 1}, {"beat": 2}]


def test_a_changed_snapshot_is_sent_with_the_beat_in_one_message(card: Card, source: Source, wire: Wire) -> None:
    source.shown["endpoints"][0]["state"] = "unloaded"
    card.push()
    assert len(wire.updates) == 1
    assert wire.updates[0]["beat"] == 1
    assert wire.updates[0]["snapshot"]["endpoints"][0]["state"] == "unloaded"


@pytest.mark.parametrize(("requests", "is_sent"), [(0, False), (3, True)], ids=["quiet", "traffic"])
def test_seconds_that_pass_are_sent_only_when_the_chart_moves(
    card: Card, source: Source, wire: Wire, requests: int, is_sent: bool
) -> None:
    source.shown["endpoints"][0]["history"] = [[100, requests, 0, None, None]]
    card.push()
    source.shown["endpoints"][0]["history"] = [[100, requests, 0, None, None], [101, 0, 0, None, None]]
    card.push()
    assert ("snapshot" in wire.updates[-1]) is is_sent


def test_a_wide_model_is_cut_before_it_is_sent_and_counted(source: Source) -> None:
    model = source.shown["endpoints"][0]["model"]
    model["features"] = [{"name": f"f{i}", "datatype": "number", "categories": list(range(500))} for i in range(5000)]
    model["classes"] = list(range(900))
    sent = Card(source.read, source.obey).snapshot["endpoints"][0]["model"]
    assert (len(sent["features"]), sent["feature_count"]) == (200, 5000)
    assert (len(sent["features"][0]["categories"]), sent["features"][0]["category_count"]) == (40, 500)
    assert (len(sent["classes"]), sent["class_count"]) == (40, 900)


def test_pushes_from_many_threads_are_each_counted(card: Card, wire: Wire) -> None:
    threads = [threading.Thread(target=lambda: [card.push() for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert card.beat == 80
    assert [update["beat"] for update in wire.updates] == list(range(1, 81))


@pytest.mark.parametrize("shown", [{"gone": True}, snapshot()], ids=["gone", "missing"])
def test_an_endpoint_that_has_gone_is_shown_once_as_stopped_with_what_was_known(
    card: Card, source: Source, wire: Wire, shown: dict[str, Any]
) -> None:
    source.shown = shown
    card.push()
    card.push()
    assert len(wire.updates) == 1
    assert wire.updates[0]["snapshot"]["endpoints"][0]["name"] == "iris"
    assert wire.updates[0]["snapshot"]["endpoints"][0]["state"] == "stopped"


def test_an_endpoint_that_is_served_again_makes_its_card_live_again(card: Card, source: Source, wire: Wire) -> None:
    source.shown = {"gone": True}
    card.push()
    source.shown = snapshot(endpoint())
    card.push()
    card.push()
    assert card.snapshot["endpoints"][0]["state"] == "loaded"
    assert wire.updates[-1] == {"beat": 3}


def test_a_dashboard_of_nothing_has_a_beat(wire: Wire) -> None:
    empty = Source(snapshot(dashboard=True))
    card = Card(empty.read, empty.obey)
    card.comm = wire
    card.push()
    assert wire.updates == [{"beat": 1}]


def test_a_closed_card_is_not_open_and_can_still_be_pushed(card: Card, wire: Wire) -> None:
    card.close()
    card.push()
    assert not card.is_open
    assert wire.updates == []


# --- orders ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["load", "unload", "stop"])
def test_an_order_is_carried_out_and_answered(card: Card, source: Source, wire: Wire, order: str) -> None:
    press(card, order)
    assert wire.messages.get(timeout=SOON_S) == {"id": "1", "heard": True}
    assert wire.messages.get(timeout=SOON_S) == {"id": "1", "ok": True, "text": f"iris: {order} done."}
    assert source.orders == [(order, "iris")]


def test_a_long_order_is_heard_at_once_and_blocks_nobody(source: Source, wire: Wire) -> None:
    gate, caller = threading.Event(), threading.current_thread()
    threads: list[threading.Thread] = []

    def obey(order: str, name: str) -> str:
        threads.append(threading.current_thread())
        assert gate.wait(SOON_S)
        return order

    card = Card(source.read, obey)
    card.comm = wire
    press(card, "load", ident="1")
    press(card, "stop", ident="2")
    assert [wire.messages.get(timeout=SOON_S)["id"] for _ in range(2)] == ["1", "2"]
    assert wire.messages.empty()
    gate.set()
    assert {answer(wire)["text"], answer(wire)["text"]} == {"load", "stop"}
    assert caller not in threads


def test_the_new_state_is_pushed_before_the_answer(card: Card, source: Source, wire: Wire) -> None:
    source.shown["endpoints"][0]["state"] = "unloaded"
    press(card, "unload")
    assert answer(wire)["ok"]
    assert wire.updates[-1]["snapshot"]["endpoints"][0]["state"] == "unloaded"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (LoadError("The file is gone.", "Serve again."), "The file is gone. Serve again."),
        (ZeroDivisionError("division by zero"), "Load failed: ZeroDivisionError: division by zero"),
    ],
    ids=["ours", "the user's"],
)
def test_an_order_that_fails_is_answered_with_the_reason(
    source: Source, wire: Wire, error: Exception, text: str
) -> None:
    def obey(order: str, name: str) -> str:
        raise error

    card = Card(source.read, obey)
    card.comm = wire
    press(card, "load")
    assert answer(wire) == {"id": "1", "ok": False, "text": text}


def test_an_order_is_answered_even_when_the_snapshot_cannot_be_read(card: Card, source: Source, wire: Wire) -> None:
    def unreadable() -> dict[str, Any]:
        raise RuntimeError("no snapshot")

    card._read = unreadable
    press(card, "load")
    assert answer(wire)["text"] == "iris: load done."


@pytest.mark.parametrize(
    "content",
    [None, "stop", {}, {"id": "1", "order": "format", "name": "iris"}, {"order": ["stop"]}],
    ids=["nothing", "text", "empty", "unknown", "a list"],
)
def test_what_is_no_order_is_not_obeyed(card: Card, source: Source, wire: Wire, content: Any) -> None:
    card._handle_custom_msg(content, [])
    assert wire.messages.empty()
    assert source.orders == []


# --- what stands in for it ------------------------------------------------------------------------------------------


def test_the_bundle_has_the_widget_the_picture_and_one_line(card: Card) -> None:
    bundle = card._repr_mimebundle_()
    assert bundle is not None
    data, _ = bundle
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == "wire"
    assert data["text/html"] == as_html(card.snapshot)
    assert data["text/plain"] == as_text(card.snapshot)


def test_the_bundle_shows_what_is_true_when_it_is_displayed(card: Card, source: Source) -> None:
    source.shown["endpoints"][0]["state"] = "unloaded"
    assert "unloaded" in card._repr_mimebundle_()[0]["text/plain"]  # type: ignore[index]


def test_in_a_terminal_a_card_is_its_line_of_text(source: Source) -> None:
    shell = InteractiveShell()
    data, _ = shell.display_formatter.format(Card(source.read, source.obey), include={"text/plain"})
    assert data == {"text/plain": as_text(source.shown)}


@pytest.mark.parametrize(
    ("shown", "line"),
    [
        (
            snapshot(endpoint()),
            "iris · loaded · http://127.0.0.1:49152/iris/ · LogisticRegression (scikit-learn 1.9.1) · 12 requests",
        ),
        (
            snapshot(
                endpoint(model={"type": "function", "library": None}, counters={**IRIS["counters"], "requests": 1})
            ),
            "iris · loaded · http://127.0.0.1:49152/iris/ · function · 1 request",
        ),
        (snapshot(), "nbserve · stopped"),
        (snapshot(dashboard=True), "nbserve · nothing is served · %serve model"),
        (
            snapshot(endpoint(), endpoint(name="churn", state="unloaded"), dashboard=True),
            "nbserve · 2 endpoints: iris (loaded), churn (unloaded)",
        ),
    ],
    ids=["endpoint", "function", "stopped", "empty dashboard", "dashboard"],
)
def test_the_line_says_what_is_served(shown: dict[str, Any], line: str) -> None:
    assert as_text(shown) == line


class Tags(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data + "\n"


def nasty_endpoint() -> dict[str, Any]:
    model = {"type": NASTY, "library": NASTY, "library_version": NASTY, "task": NASTY, "classes": [NASTY]}
    model["features"] = [{"name": NASTY, "datatype": NASTY, "nullable": False, "categories": [NASTY]}]
    texts = dict.fromkeys(("name", "url", "page_url", "state", "reason", "curl"), NASTY)
    return endpoint(**texts, model=model, signatures=[NASTY])


@pytest.mark.parametrize("dashboard", [False, True], ids=["endpoint", "dashboard"])
def test_no_value_becomes_markup(dashboard: bool) -> None:
    page = Tags(as_html(snapshot(nasty_endpoint(), dashboard=dashboard)))
    assert set(page.tags) <= {"div", "strong", "table", "tr", "th", "td"}
    assert page.attributes == {"style"}
    assert page.text.count(NASTY) >= 5


@pytest.mark.parametrize("dashboard", [False, True], ids=["endpoint", "dashboard"])
def test_the_picture_and_the_line_hold_no_token(dashboard: bool) -> None:
    shown = snapshot(endpoint(), dashboard=dashboard)
    assert "secret" not in as_html(shown)
    assert "secret" not in as_text(shown)


UNLOADED: dict[str, Any] = {"state": "unloaded"}
NOTHING = {"model_bytes": 0, "spilled_bytes": 0}
SPILLED = {"model_bytes": 0, "spilled_bytes": 8_100_000}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "12.3 MB"),
        ({"memory": {"model_bytes": 12_345_678, "spilled_bytes": 8_100_000}}, "12.3 MB"),
        (UNLOADED | {"memory": SPILLED}, "8.1 MB on disk"),
        (UNLOADED | {"holders": ["model", "best"]}, "12.3 MB, held by the notebook as model, best"),
        (UNLOADED | {"holders": ["model"], "memory": NOTHING}, "held by the notebook as model"),
        (UNLOADED | {"holders": ["model"], "memory": SPILLED}, "8.1 MB on disk"),
        (UNLOADED | {"holders": []}, "–"),
        (UNLOADED, "–"),
        ({"holders": ["model"]}, "12.3 MB"),
        ({"state": "stopped", "holders": ["model"], "memory": SPILLED}, "–"),
        ({"state": "failed", "reason": "The file is gone."}, "failed: The file is gone."),
        ({"latency_ms": {"p50": None, "p99": None}}, "–"),
        ({"memory": {"model_bytes": 999, "spilled_bytes": 0}}, "999 B"),
        ({"memory": {"model_bytes": 1_000, "spilled_bytes": 0}}, "1.0 kB"),
        ({"memory": {"model_bytes": 2_500_000_000_000, "spilled_bytes": 0}}, "2.5 TB"),
    ],
    ids=[
        *("loaded", "loaded with a spill", "spilled", "held", "held, not measured", "held and spilled"),
        *("held by nobody", "holders not known", "loaded and held", "stopped"),
        *("failed", "no latency", "bytes", "kilobytes", "terabytes"),
    ],
)
def test_the_picture_says(changes: dict[str, Any], text: str) -> None:
    assert text in Tags(as_html(snapshot(endpoint(**changes)))).text.split("\n")


def test_the_picture_of_nothing_says_what_to_type() -> None:
    assert "%serve model" in as_html(snapshot(dashboard=True))


@pytest.mark.parametrize("word", ["innerHTML", "outerHTML", "insertAdjacentHTML", "fetch(", "eval(", "import "])
def test_the_script_writes_text_only_and_asks_nobody(word: str) -> None:
    assert word not in str(Card._esm)
