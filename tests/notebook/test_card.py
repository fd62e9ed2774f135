"""The card without a browser: what it sends, what it obeys, and what is displayed of it."""

from __future__ import annotations

import copy
import itertools
import re
import threading
from queue import Queue
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from nbserve.errors import LoadError, NotFound
from nbserve.notebook.card import Card
from nbserve.notebook.still import as_html, as_text
from tests.notebook.entries import endpoint, snapshot

SOON_S = 5.0


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
    """The card of a busy kernel, whose clock goes on by a second with each push."""
    made = Card(source.read, source.obey, clock=itertools.count().__next__, is_busy=lambda: True)
    made.comm = wire
    return made


@pytest.fixture
def idle(source: Source, wire: Wire) -> Card:
    """The card of a kernel that runs no cell; its clock stands until it is turned."""
    Turned.now = 0.0
    made = Card(source.read, source.obey, clock=lambda: Turned.now)
    made.comm = wire
    return made


class Turned:
    now = 0.0


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


CLOCKS: dict[str, dict[str, Any]] = {
    "last used": {"last_used_s": 12.0},
    "idle": {"idle_unload_in_s": 588.0},
    "loading": {"state": "loading", "loading": {"seconds": 3.0, "done_bytes": None, "total_bytes": None}},
}


def pushed_with(card: Card, source: Source, *entries: dict[str, Any]) -> bool:
    """Push what is shown with each of these changes, a second apart; whether the last was sent as a snapshot."""
    for changes in entries:
        source.shown = snapshot(endpoint(**changes))
        card.push()
    return "snapshot" in card.comm.updates[-1]


@pytest.mark.parametrize(
    ("changes", "later"),
    [
        (CLOCKS["last used"], {"last_used_s": 13.0}),
        (CLOCKS["idle"], {"idle_unload_in_s": 587.1}),
        (CLOCKS["loading"], {"loading": CLOCKS["loading"]["loading"] | {"seconds": 4.2}}),
    ],
    ids=CLOCKS,
)
def test_clocks_that_only_went_on_are_not_sent(
    card: Card, source: Source, wire: Wire, changes: dict[str, Any], later: dict[str, Any]
) -> None:
    assert not pushed_with(card, source, changes, changes | later)
    assert wire.updates[-1] == {"beat": 2}


@pytest.mark.parametrize(
    ("changes", "later"),
    [
        (CLOCKS["last used"], {"last_used_s": 0.2}),
        (CLOCKS["last used"], {"last_used_s": None}),
        (CLOCKS["idle"], {"idle_unload_in_s": 600.0}),
        (CLOCKS["idle"], {"idle_unload_in_s": None}),
        ({}, CLOCKS["idle"]),
        (CLOCKS["loading"], {"loading": {"seconds": 4.0, "done_bytes": 5, "total_bytes": 10}}),
        ({}, {"memory": endpoint()["memory"] | {"session_bytes": 99_000_000}}),
    ],
    ids=["used again", "never used", "put off", "in use", "now idle", "bytes read", "another model came"],
)
def test_what_the_card_cannot_know_by_its_clock_is_sent(
    card: Card, source: Source, changes: dict[str, Any], later: dict[str, Any]
) -> None:
    assert pushed_with(card, source, changes, changes | later)


def test_a_clock_that_drifts_a_little_each_second_is_set_right_in_the_end(card: Card, source: Source) -> None:
    assert pushed_with(card, source, {"idle_unload_in_s": 600.0}, {"idle_unload_in_s": 599.5}) is False
    assert pushed_with(card, source, {"idle_unload_in_s": 599.0}, {"idle_unload_in_s": 598.5}) is True


def test_the_beat_tells_how_old_the_snapshot_is(card: Card, source: Source) -> None:
    source.shown["endpoints"][0]["state"] = "unloaded"
    for _ in range(5):
        card.push()
    assert (card.snapshot["as_of"], card.beat) == (1.0, 5.0)


def test_what_is_displayed_later_is_not_taken_for_fresh(card: Card) -> None:
    for _ in range(5):
        card.push()
    card._repr_mimebundle_()
    assert card.beat - card.snapshot["as_of"] == 6.0


def test_a_card_moves_while_something_loads(card: Card, source: Source) -> None:
    assert not card.is_moving
    pushed_with(card, source, CLOCKS["loading"])
    assert card.is_moving


def test_metadata_without_the_newer_fields_are_shown_all_the_same(wire: Wire) -> None:
    old = endpoint()
    for field in ("title", "source", "described", "last_used_s", "idle_unload_in_s", "loading"):
        del old[field]
    old["memory"] = {"model_bytes": 12_345_678, "spilled_bytes": 0}
    card = Card(Source(snapshot(old)).read, Source({}).obey, is_busy=lambda: True)
    card.comm = wire
    card.push()
    assert list(wire.updates[0]) == ["beat"]
    assert "12.3 MB" in as_html(card.snapshot)


def test_the_clocks_of_an_endpoint_that_has_gone_stand_still(card: Card, source: Source) -> None:
    pushed_with(card, source, CLOCKS["idle"] | CLOCKS["last used"])
    source.shown = {"gone": True}
    card.push()
    (shown,) = card.snapshot["endpoints"]
    assert (shown["last_used_s"], shown["idle_unload_in_s"], shown["loading"]) == (None, None, None)


def many(count: int) -> dict[str, Any]:
    """A dashboard of so many endpoints that were never used, but for the last five: loaded, and used lately."""
    unused = [endpoint(name=f"m{at}", state="unloaded") for at in range(count - 5)]
    used = [endpoint(name=f"m{at}", last_used_s=float(at)) for at in range(count - 5, count)]
    return snapshot(*unused, *used, dashboard=True)


def test_a_dashboard_of_very_many_shows_those_that_matter_and_counts_the_rest() -> None:
    source = Source(many(1000))
    shown = Card(source.read, source.obey).snapshot
    names = [each["name"] for each in shown["endpoints"]]
    assert shown["endpoint_count"] == 1000
    assert names == [*(f"m{at}" for at in range(95)), *(f"m{at}" for at in range(995, 1000))]
    assert "900 more endpoints" in as_html(shown)
    assert as_text(shown).endswith("+988 more")


def test_a_dashboard_that_fits_keeps_its_order_whatever_is_loaded() -> None:
    source = Source(many(100))
    shown = Card(source.read, source.obey).snapshot
    assert [each["name"] for each in shown["endpoints"]] == [f"m{at}" for at in range(100)]


def test_a_dashboard_is_not_sent_what_it_does_not_show() -> None:
    source = Source(snapshot(endpoint(), dashboard=True))
    (row,) = Card(source.read, source.obey).snapshot["endpoints"]
    assert not {"token", "curl", "signatures"} & set(row)
    assert set(row["model"]) == {"type", "library", "library_version", "task"}


def test_a_dashboard_of_nothing_has_a_beat(wire: Wire) -> None:
    empty = Source(snapshot(dashboard=True))
    card = Card(empty.read, empty.obey, clock=itertools.count().__next__, is_busy=lambda: True)
    card.comm = wire
    card.push()
    assert wire.updates == [{"beat": 1}]


def test_an_idle_kernel_sends_nothing_when_nothing_has_changed(idle: Card, wire: Wire) -> None:
    idle.push()
    idle.push()
    assert wire.updates == []


def test_a_front_end_without_another_sign_of_life_gets_beats_for_as_long_as_it_wants_them(
    idle: Card, wire: Wire
) -> None:
    idle._handle_custom_msg({"beat": 30}, [])
    for Turned.now in (10.0, 30.0, 30.5, 60.0):
        idle.push()
    assert wire.updates == [{"beat": 10.0}, {"beat": 30.0}]


def test_a_front_end_that_has_just_come_learns_how_old_the_snapshot_is(idle: Card, wire: Wire) -> None:
    Turned.now = 40.0
    idle._handle_custom_msg({"beat": 0}, [])
    Turned.now = 41.0
    idle.push()
    assert wire.updates == [{"beat": 40.0}]


@pytest.mark.parametrize("wanted", [-1, "300", None, [300]])
def test_what_is_no_time_asks_for_no_beat(idle: Card, wire: Wire, wanted: Any) -> None:
    Turned.now = 50.0
    idle._handle_custom_msg({"beat": wanted}, [])
    idle.push()
    assert wire.updates == []


def test_no_front_end_can_ask_for_beats_for_ever(idle: Card, wire: Wire) -> None:
    idle._handle_custom_msg({"beat": 1e9}, [])
    Turned.now = 601.0
    idle.push()
    assert wire.updates == []


def test_a_closed_card_is_not_open_and_can_still_be_pushed(card: Card, wire: Wire) -> None:
    card.close()
    card.push()
    assert not card.is_open
    assert wire.updates == []


# --- orders ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["load", "unload", "forget", "stop"])
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


ASKED = {"verb": "POST", "path": "predict/", "body": {"X": [[1.0]]}}


def asking(source: Source, wire: Wire, answers: Any) -> Card:
    card = Card(source.read, source.obey, answers)
    card.comm = wire
    return card


def press_ask(card: Card, given: Any) -> None:
    card._handle_custom_msg({"id": "1", "order": "ask", "name": "iris", "given": given}, [])


def test_what_is_asked_is_answered_with_status_and_value(source: Source, wire: Wire) -> None:
    seen: list[Any] = []

    def ask(*asked: Any) -> tuple[int, Any]:
        seen.append(asked)
        return 200, {"predict_result": ["setosa"]}

    press_ask(asking(source, wire, ask), ASKED)
    answered = {"id": "1", "ok": True, "text": "", "status": 200, "value": {"predict_result": ["setosa"]}}
    assert answer(wire) == answered
    assert seen == [("iris", "POST", "predict/", {"X": [[1.0]]})]


def test_a_refusal_is_answered_as_it_is(source: Source, wire: Wire) -> None:
    refusal = {"error": "Feature 'x' is missing.", "code": "input_invalid"}
    press_ask(asking(source, wire, lambda *_: (422, refusal)), ASKED)
    answered = answer(wire)
    assert (answered["ok"], answered["status"], answered["value"]) == (False, 422, refusal)


@pytest.mark.parametrize(
    ("raised", "text"),
    [
        (NotFound("This endpoint is served no more."), "This endpoint is served no more."),
        (ConnectionRefusedError("refused"), "The endpoint does not answer: refused"),
    ],
    ids=["ours", "the network's"],
)
def test_who_cannot_be_asked_is_told(source: Source, wire: Wire, raised: Exception, text: str) -> None:
    def ask(*_: Any) -> tuple[int, Any]:
        raise raised

    press_ask(asking(source, wire, ask), "nothing that is asked")
    answered = answer(wire)
    assert (answered["ok"], answered["status"], answered["value"]["error"]) == (False, 0, text)


# --- what is displayed ----------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("word", ["innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "import "])
def test_the_script_writes_text_only(word: str) -> None:
    assert word not in str(Card._esm)


def test_the_script_asks_in_one_place_where_it_knows_only_its_own_jupyter_server() -> None:
    assert str(Card._esm).count("fetch(") == 1
    assert not re.findall(r"""["'`]https?://(?!www\.w3\.org/2000/svg)""", str(Card._esm))
