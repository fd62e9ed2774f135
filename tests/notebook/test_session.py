"""A session without a shell: what a plain Python program has."""

from __future__ import annotations

import gc
import json
import socket
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from nbserve.errors import Conflict, ModelRefused, NotFitted, NotFound, OptionError, PortTaken
from nbserve.notebook.folder import LOCK
from nbserve.notebook.handle import Endpoint
from nbserve.notebook.session import Session
from tests.client import handle


class Constant:
    def __init__(self, value: Any = 1) -> None:
        self.value = value

    def predict(self, X: Any) -> list[Any]:
        return [self.value for _ in X]


def nothing() -> dict[str, Any]:
    return {}


@pytest.fixture
def namespace() -> dict[str, Any]:
    return {}


@pytest.fixture
def session(namespace: dict[str, Any]) -> Iterator[Session]:
    made = Session(namespace)
    yield made
    made.close()


def get(url: str, token: str | None, body: Any = None) -> Any:
    headers = {"content-type": "application/json"} | ({} if token is None else {"authorization": f"Bearer {token}"})
    with urlopen(Request(url, None if body is None else json.dumps(body).encode(), headers), timeout=30) as answer:
        return json.load(answer)


def predict(endpoint: Endpoint, X: Any) -> Any:
    return get(f"{endpoint.url}predict/", endpoint.token, {"X": X})["predict_result"]


def threads() -> list[str]:
    return sorted(each.name for each in threading.enumerate() if each.name.startswith("nbserve"))


def test_before_anything_is_served_there_is_neither_thread_nor_port(session: Session) -> None:
    assert threads() == []
    assert session.url == ""


def test_the_name_is_the_one_given_or_the_variables_or_the_types(session: Session, namespace: dict[str, Any]) -> None:
    namespace["mine"] = model = Constant()
    assert session.serve(model, {"name": "given"}) == "given"
    assert session.serve(model, {}) == "mine"
    assert session.serve(Constant(), {}) == "constant"


def test_serving_again_keeps_url_token_counters_and_log_and_counts_versions(session: Session) -> None:
    first = handle(session, Constant(1), {"name": "m"})
    url, token = first.url, first.token
    assert predict(first, [[0]]) == [1]
    session.serve(Constant(2), {"name": "m"})
    assert (first.url, first.token) == (url, token)
    assert predict(first, [[0]]) == [2]
    assert first.metadata()["version"] == 2
    assert first.metadata()["counters"]["requests"] == 2


def test_a_route_of_the_users_below_an_endpoint_is_in_the_way_of_no_swap(session: Session) -> None:
    endpoint = handle(session, Constant(1), {"name": "one"})
    session.app.add_api_route("/one/extra", nothing)
    session.serve(Constant(2), {"name": "one"})
    assert (predict(endpoint, [[0]]), get(f"{endpoint.url}extra", endpoint.token)) == ([2], {})
    session.unserve("one")
    with pytest.raises(Conflict, match="/one"):
        session.serve(Constant(3), {"name": "one"})


def test_a_swap_may_open_and_close_the_endpoint(session: Session) -> None:
    endpoint = handle(session, Constant(), {"name": "m"})
    closed = endpoint.token
    session.serve(Constant(), {"name": "m", "token": False})
    assert endpoint.token is None
    assert predict(endpoint, [[0]]) == [1]
    session.serve(Constant(), {"name": "m"})
    assert endpoint.token not in (None, closed)
    with pytest.raises(HTTPError, match="401"):
        get(f"{endpoint.url}predict/", closed, {"X": [[0]]})
    with pytest.raises(HTTPError, match="401"):
        get(f"{endpoint.url}predict/", None, {"X": [[0]]})


def test_a_stopped_name_gets_a_new_token_and_starts_anew(session: Session) -> None:
    endpoint = handle(session, Constant(), {"name": "m"})
    token = endpoint.token
    endpoint.stop()
    assert handle(session, Constant(), {"name": "m"}).token != token
    assert endpoint.metadata()["version"] == 1


@pytest.mark.parametrize(
    ("model", "options", "kind"),
    [
        (Constant(), {"nmae": "x"}, OptionError),
        (Constant(), {"threads": 0}, OptionError),
        (Constant(), {"loop": "kernel"}, OptionError),
        (Constant(), {"name": "taken"}, Conflict),
        (3, {}, ModelRefused),
        (Constant, {}, ModelRefused),
    ],
    ids=["unknown option", "wrong option", "no kernel's loop", "a route's name", "no model", "class"],
)
def test_what_is_refused_changes_nothing(session: Session, model: Any, options: dict[str, Any], kind: type) -> None:
    session.app.add_api_route("/taken/here", nothing)
    with pytest.raises(kind):
        session.serve(model, options)
    assert (len(session.registry), session.url, threads()) == (0, "", [])


def test_what_is_refused_leaves_what_was_served_there(session: Session) -> None:
    from sklearn.linear_model import LogisticRegression

    endpoint = handle(session, Constant(), {"name": "m"})
    with pytest.raises(NotFitted):
        session.serve(LogisticRegression(), {"name": "m"})
    assert endpoint.metadata()["version"] == 1
    assert predict(endpoint, [[0]]) == [1]


def test_a_handle_cannot_be_served(session: Session) -> None:
    endpoint = handle(session, Constant(), {"name": "m"})
    with pytest.raises(ModelRefused, match="m is an endpoint already"):
        session.serve(endpoint, {})


# --- the port


def test_a_taken_port_is_said_at_once_and_nothing_is_served(session: Session) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"Port {port} of 127.0.0.1 cannot be listened on"):
            session.serve(Constant(), {"name": "m", "port": port})
    assert (len(session.registry), threads()) == (0, [])
    assert f":{port}/" in handle(session, Constant(), {"name": "m", "port": port}).url


def test_another_port_than_the_running_one_is_refused(session: Session) -> None:
    endpoint = handle(session, Constant(), {"name": "m"})
    port = int(endpoint.url.split(":")[2].partition("/")[0])
    with pytest.raises(OptionError, match=f"listens on port {port} already"):
        session.serve(Constant(), {"name": "other", "port": port - 1})
    assert handle(session, Constant(), {"name": "other", "port": port}).url.startswith(session.url)


def test_only_this_machine_can_call(session: Session) -> None:
    assert handle(session, Constant(), {"name": "m"}).url.startswith("http://127.0.0.1:")


def test_stopping_closes_the_port_and_ends_the_threads(session: Session) -> None:
    endpoint = handle(session, Constant(), {"name": "m"})
    predict(endpoint, [[0]])
    url = endpoint.url
    session.stop_all()
    assert threads() == []
    with pytest.raises(OSError, match="refused"):
        urlopen(url, timeout=5)
    assert predict(handle(session, Constant(5), {"name": "m"}), [[0]]) == [5]


def test_two_sessions_know_nothing_of_each_other(session: Session) -> None:
    other = Session({})
    try:
        mine, others = handle(session, Constant(1), {"name": "m"}), handle(other, Constant(2), {"name": "m"})
        assert (predict(mine, [[0]]), predict(others, [[0]])) == ([1], [2])
        with pytest.raises(HTTPError, match="401"):
            get(f"{mine.url}predict/", others.token, {"X": [[0]]})
    finally:
        other.close()


# --- what is served


def test_two_endpoints_of_one_class_are_two(session: Session) -> None:
    one, two = handle(session, Constant(1), {"name": "one"}), handle(session, Constant(2), {"name": "two"})
    assert (predict(one, [[0]]), predict(two, [[0]])) == ([1], [2])
    with pytest.raises(HTTPError, match="403"):
        get(f"{one.url}predict/", two.token, {"X": [[0]]})


def test_what_is_not_served_is_named_with_the_nearest(session: Session) -> None:
    session.serve(Constant(), {"name": "iris"})
    with pytest.raises(NotFound, match=r"'irsi'. Did you mean 'iris'\? Served are: iris."):
        session.unserve("irsi")


def test_the_snapshot_of_a_card_holds_no_model(session: Session) -> None:
    session.serve(Constant(), {"name": "m"})
    shown = session.snapshot("m")
    assert json.loads(json.dumps(shown)) == shown
    assert (shown["dashboard"], shown["gone"]) == (False, False)
    assert session.snapshot("nope")["gone"]
    assert [each["name"] for each in session.snapshot()["endpoints"]] == ["m"]


def test_a_cards_orders_are_carried_out(session: Session) -> None:
    endpoint = handle(session, Constant(), {"name": "m"})
    assert session.obey("unload", "m").startswith("Unloaded; ")
    assert endpoint.state == "unloaded"
    assert session.obey("load", "m") == "Loaded."
    assert session.obey("stop", "m") == "Stopped."
    assert endpoint.state == "stopped"
    session.serve(Constant(), {"name": "m"})
    with pytest.raises(OptionError, match="no order 'explode'"):
        session.obey("explode", "m")


def test_analysing_again_serves_what_has_changed_in_place(session: Session) -> None:
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    endpoint = handle(session, model, {"name": "m"})
    assert predict(endpoint, [[2.0]]) == pytest.approx([2.0])
    model.fit([[0.0, 0.0], [1.0, 1.0]], [0.0, 2.0])
    endpoint.refresh()
    assert predict(endpoint, [[2.0, 2.0]]) == pytest.approx([4.0])
    assert endpoint.metadata()["counters"]["loads"] == 0


# --- memory


def test_nothing_holds_a_model_that_is_not_served_any_more(session: Session) -> None:
    model = Constant()
    alive = weakref.ref(model)
    endpoint = handle(session, model, {"name": "m"})
    predict(endpoint, [[0]])
    endpoint.inspect(), endpoint.metadata()
    del model
    assert alive() is not None
    endpoint.stop()
    gc.collect()
    assert alive() is None


def test_nothing_holds_a_model_that_was_swapped_out(session: Session) -> None:
    old = Constant()
    alive = weakref.ref(old)
    endpoint = handle(session, old, {"name": "m"})
    predict(endpoint, [[0]])
    del old
    session.serve(Constant(2), {"name": "m"})
    gc.collect()
    assert alive() is None


def test_the_files_of_a_closed_session_are_gone(
    session: Session, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    handle(session, Constant(), {"name": "m"}).unload()
    (folder,) = tmp_path.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [each.suffix for each in folder.iterdir() if each.name != LOCK] == [".spill"]
    session.close()
    assert list(tmp_path.iterdir()) == []


# --- a model that the notebook holds


@pytest.fixture
def notebook(namespace: dict[str, Any]) -> Iterator[Session]:
    """A session around whose cells somebody calls."""
    made = Session(namespace, is_watched=True)
    yield made
    made.close()


def test_a_model_that_a_variable_holds_is_left_there(notebook: Session, namespace: dict[str, Any]) -> None:
    namespace["m"] = Constant()
    endpoint = handle(notebook, namespace["m"], {})
    report = endpoint.unload()
    assert (report.state, report.holders) == ("unloaded", ("m",))
    assert endpoint.metadata()["memory"]["spilled_bytes"] == 0
    with notebook.registry["m"].component.lease() as model:
        assert model is namespace["m"]


def test_a_model_that_is_unloaded_and_let_go_of_in_one_cell_is_not_lost(
    notebook: Session, namespace: dict[str, Any]
) -> None:
    namespace["m"] = Constant(7)
    endpoint = handle(notebook, namespace["m"], {})
    endpoint.unload()
    del namespace["m"]
    gc.collect()
    notebook.after_execution()
    assert endpoint.metadata()["memory"]["spilled_bytes"] > 0
    assert endpoint.predict([[0]]) == [7]


def test_a_model_that_is_unloaded_by_a_caller_while_a_cell_lets_go_of_it_is_not_lost(
    notebook: Session, namespace: dict[str, Any]
) -> None:
    namespace["m"] = Constant(8)
    endpoint = handle(notebook, namespace["m"], {})
    get(f"{endpoint.url}unload/", notebook.access.session_token, {})
    namespace["m"] = Constant(9)
    gc.collect()
    notebook.after_execution()
    assert predict(endpoint, [[0]]) == [8]


def test_after_a_cell_has_let_go_of_an_unloaded_model_nothing_holds_it(
    notebook: Session, namespace: dict[str, Any]
) -> None:
    namespace["m"] = Constant()
    watched = weakref.ref(namespace["m"])
    handle(notebook, namespace["m"], {}).unload()
    notebook.after_execution()
    assert watched() is namespace["m"]
    del namespace["m"]
    notebook.after_execution()
    gc.collect()
    assert watched() is None
    assert notebook.registry["m"].component.source.spilled_bytes > 0


class Counts:
    """Notes how many call it at once."""

    def __init__(self) -> None:
        self.running, self.most, self.gate = 0, 0, threading.Event()

    def predict(self, X: list[int]) -> list[int]:
        self.running += 1
        self.most = max(self.most, self.running)
        self.gate.wait(0.2)
        self.running -= 1
        return X


def test_one_object_is_called_by_one_thread_whatever_its_names(session: Session) -> None:
    model = Counts()
    endpoints = [handle(session, model, {"name": name}) for name in "aba"]
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(endpoint.predict, X=[1]) for endpoint in endpoints]
        assert [each.result(10) for each in asked] == [[1], [1], [1]]
    assert model.most == 1
    endpoints[0].stop()
    assert endpoints[1].predict(X=[2]) == [2]


def test_a_function_that_nobody_holds_is_kept_and_nobody_is_told_to_hold_it(session: Session) -> None:
    endpoint = handle(session, lambda X: X, {"name": "kept"})
    report = endpoint.unload()
    assert (report.state, report.holders) == ("unloaded", ())
    assert endpoint.predict(X=[1]) == [1]


def test_what_the_shell_remembers_holds_the_model_too() -> None:
    model = Counts()
    session = Session({"Out": {3: model}, "_": model}, is_watched=True)
    try:
        report = handle(session, model, {"name": "kept"}).unload()
        assert report.holders == ("Out[3]",)
        assert session.snapshot("kept")["endpoints"][0]["holders"] == ["Out[3]"]
        again = session.registry["kept"].unload()
        assert (again.was_loaded, again.freed_bytes, again.holders) == (False, 0, ("Out[3]",))
        assert again.sentence() == "It was unloaded already. It is still held as Out[3]."
    finally:
        session.close()
