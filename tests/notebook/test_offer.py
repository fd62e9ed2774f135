"""What can be given to `serve` besides an object: files, components and resources."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from nbserve import Model, ModelComponent, ModelResource
from nbserve.errors import Conflict, LoadError, ModelRefused, OverBudget, SpillError
from nbserve.notebook.session import Session
from tests.client import Caller, handle

Serve = Callable[..., Any]
X, Y = load_iris(return_X_y=True)
ROW = [[5.1, 3.5, 1.4, 0.2]]
TRUSTED = {"trust": True}


@pytest.fixture
def churn(tmp_path: Path) -> Path:
    path = tmp_path / "churn.joblib"
    joblib.dump(LogisticRegression(max_iter=500).fit(X, Y), path)
    return path


class Loads(ModelComponent):
    """Loads the value that it was made with, and counts."""

    def __init__(self, value: int = 0) -> None:
        self.value, self.loads = value, 0

    def load_model(self) -> None:
        self.loads += 1
        value = self.value
        self.model = Answers(lambda rows: [value for _ in rows])


class Answers(Model):
    def predict(self, X: list[Any]) -> Any:
        return self.model(X)


class Resource(ModelResource):
    name = "resource"


# --- files


def test_a_file_is_served_without_being_loaded(serve: Serve, caller: Caller, churn: Path) -> None:
    endpoint = serve(str(churn), **TRUSTED)
    assert (endpoint.name, endpoint.state) == ("churn", "unloaded")
    metadata = caller.get("/churn/metadata").json()
    assert (metadata["loaded"], metadata["described"], metadata["source"]) == (False, False, "churn.joblib")
    assert endpoint.state == "unloaded"


def test_the_first_request_loads_it_and_finds_its_columns(serve: Serve, caller: Caller, churn: Path) -> None:
    serve(churn, **TRUSTED)
    assert caller.predict("/churn/predict", json={"X": ROW}) == [0]
    metadata = caller.get("/churn/metadata").json()
    assert (metadata["loaded"], metadata["described"], metadata["counters"]["requests"]) == (True, True, 1)
    assert caller.post("/churn/predict", json={"X": [[1, 2]]}).status_code == 422


def test_the_first_request_may_be_for_any_method_of_the_model(serve: Serve, caller: Caller, churn: Path) -> None:
    serve(churn, **TRUSTED)
    assert len(caller.predict("/churn/predict_proba", json={"X": ROW})[0]) == 3


def test_a_method_that_it_turns_out_not_to_have_is_not_found(serve: Serve, caller: Caller, churn: Path) -> None:
    serve(churn, **TRUSTED)
    answer = caller.post("/churn/predict_probe", json={"X": ROW})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "Did you mean 'predict_proba'" in answer.json()["error"]


def test_the_first_call_from_a_cell_loads_it_too(serve: Serve, churn: Path) -> None:
    assert serve(churn, **TRUSTED).predict(X=ROW) == [0]


def test_to_inspect_it_loads_it_where_its_file_tells_too_little(serve: Serve, caller: Caller, churn: Path) -> None:
    endpoint = serve(churn, **TRUSTED)
    model = caller.get("/churn/inspect").json()["model"]
    assert model["type"] == "LogisticRegression"
    assert len(model["features"]) == 4 or endpoint.state == "unloaded"


def test_the_document_describes_it_before_and_after(serve: Serve, caller: Caller, churn: Path) -> None:
    serve(churn, **TRUSTED)
    before = caller.get("/openapi.json").json()["paths"]
    caller.predict("/churn/predict", json={"X": ROW})
    after = caller.get("/openapi.json").json()["paths"]
    assert "/churn/predict/" in before
    assert "/churn/predict_proba/" in after.keys() - before.keys()


def test_eager_is_loaded_at_once(session: Session, churn: Path) -> None:
    endpoint = handle(session, churn, {"eager": True, **TRUSTED})
    endpoint.load_if_eager()
    assert endpoint.loaded


def test_a_file_that_was_written_anew_is_described_anew_after_an_unload(
    serve: Serve, caller: Caller, churn: Path
) -> None:
    endpoint = serve(churn, **TRUSTED)
    caller.predict("/churn/predict", json={"X": ROW})
    endpoint.unload()
    joblib.dump(LogisticRegression(max_iter=500).fit(X[:, :2], Y), churn)
    assert caller.post("/churn/predict", json={"X": ROW}).status_code in (422, 500)
    assert caller.predict("/churn/predict", json={"X": [[5.1, 3.5]]}) == [0]


def test_a_file_that_is_gone_fails_with_its_reason_and_can_be_loaded_when_it_is_back(
    serve: Serve, caller: Caller, churn: Path
) -> None:
    endpoint = serve(churn, **TRUSTED)
    content = churn.read_bytes()
    churn.unlink()
    for _ in range(2):
        answer = caller.post("/churn/predict", json={"X": ROW})
        assert (answer.status_code, answer.json()["code"]) == (503, "load_failed")
        assert str(churn.parent) not in answer.text
    assert endpoint.state == "failed"
    assert caller.get("/ready").status_code == 503
    churn.write_bytes(content)
    endpoint.load()
    assert caller.predict("/churn/predict", json={"X": ROW}) == [0]


def test_what_is_in_the_file_must_be_a_model(serve: Serve, caller: Caller, tmp_path: Path) -> None:
    joblib.dump({"not": "a model"}, tmp_path / "dict.joblib")
    serve(tmp_path / "dict.joblib", **TRUSTED)
    answer = caller.post("/dict/predict", json={"X": ROW})
    assert (answer.status_code, answer.json()["code"]) == (503, "load_failed")
    assert "nothing to call in an object of type dict" in answer.json()["error"]


def test_one_line_of_warning_for_a_file_that_runs_code(session: Session, churn: Path) -> None:
    with pytest.warns(UserWarning, match="churn.joblib") as warned:
        session.serve(churn, {})
    assert len(warned) == 1


def test_a_model_from_a_file_is_gone_after_an_unload(serve: Serve, session: Session, churn: Path) -> None:
    endpoint = serve(churn, **TRUSTED)
    endpoint.predict(X=ROW)
    watched = session.registry["churn"].component.peek(weakref.ref)
    assert watched is not None
    report = endpoint.unload()
    gc.collect()
    assert watched() is None
    assert (report.holders, report.was_loaded) == ((), True)


# --- names


def test_a_new_version_is_a_swap_and_anything_else_of_the_name_a_clash(serve: Serve, churn: Path) -> None:
    serve(churn, **TRUSTED)
    assert serve(churn, **TRUSTED).metadata()["version"] == 2
    other = churn.parent / "other" / "churn.joblib"
    other.parent.mkdir()
    joblib.dump(LogisticRegression(max_iter=500).fit(X, Y), other)
    with pytest.raises(Conflict, match=r"churn is the name of another endpoint, of churn\.joblib"):
        serve(other, **TRUSTED)
    assert serve(other, name="churn", **TRUSTED).metadata()["version"] == 3


def test_two_resources_of_one_name_clash_and_a_class_that_is_defined_anew_does_not(serve: Serve) -> None:
    class Other(Resource):
        component = Loads()

    serve(Resource(component=Loads()))
    assert serve(Resource(component=Loads())).metadata()["version"] == 2
    with pytest.raises(Conflict, match="resource is the name of another endpoint"):
        serve(Other)


def test_two_endpoints_of_one_class_have_two_models(serve: Serve, caller: Caller) -> None:
    serve(Resource(component=Loads(1)), path="/one")
    serve(Resource(component=Loads(2)), path="/two")
    assert caller.predict("/one/predict", json={"X": ROW}) == [1]
    assert caller.predict("/two/predict", json={"X": ROW}) == [2]


# --- components and resources


def test_a_component_is_served_as_it_is(serve: Serve, caller: Caller) -> None:
    endpoint = serve(Loads(3))
    assert (endpoint.name, endpoint.state) == ("loads", "unloaded")
    assert caller.predict("/loads/predict", json={"X": ROW}) == [3]


def test_a_component_that_is_loaded_already_is_described_at_once(serve: Serve) -> None:
    component = Loads(3)
    component.resolve()
    assert serve(component).metadata()["described"] is True


def test_a_resource_with_a_file_has_a_component_made_for_it(serve: Serve, caller: Caller, churn: Path) -> None:
    endpoint = serve(Resource(model_path=churn), **TRUSTED)
    assert endpoint.metadata()["source"] == "churn.joblib"
    assert caller.predict("/resource/predict", json={"X": ROW}) == [0]
    assert len(caller.predict("/resource/predict_proba", json={"X": ROW})[0]) == 3


def test_a_component_without_a_model_is_refused(serve: Serve) -> None:
    with pytest.raises(ModelRefused, match="component"):
        serve(Resource)


def test_first_requests_of_every_kind_make_one_load(serve: Serve, caller: Caller, session: Session) -> None:
    component = Loads(3)
    endpoint = serve(component)
    together, answers = threading.Barrier(8), []

    def ask(number: int) -> None:
        together.wait(10)
        way = (
            lambda: caller.predict("/loads/predict", json={"X": ROW}),
            lambda: endpoint.predict(X=ROW),
            lambda: component.resolve().predict(ROW),
            lambda: caller.post("/loads/load").status_code,
        )[number % 4]
        answers.append(way())

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert component.loads == 1
    assert sorted(map(str, answers)) == sorted(["[3]"] * 6 + ["200"] * 2)


def test_a_component_that_is_served_no_longer_lets_go_of_its_model(serve: Serve, session: Session) -> None:
    component = Loads(3)
    endpoint = serve(component)
    endpoint.predict(X=ROW)
    watched = weakref.ref(component.model)
    endpoint.stop()
    for thread in threading.enumerate():
        if thread.name == "nbserve:retire":
            thread.join(10)
    gc.collect()
    assert watched() is None


def test_a_component_of_two_endpoints_stays_loaded_for_the_other(serve: Serve, caller: Caller) -> None:
    component = Loads(3)
    serve(component, name="one")
    serve(component, name="two").predict(X=ROW)
    caller.post("/one/predict", json={"X": ROW})
    serve(lambda X: [0], name="one")
    assert caller.predict("/two/predict", json={"X": ROW}) == [3]
    assert component.loads == 1


def test_a_load_that_hangs_fails_at_its_deadline_and_the_server_goes_on(serve: Serve, caller: Caller) -> None:
    gate = threading.Event()

    class Hangs(Loads):
        def load_model(self) -> None:
            gate.wait(30)
            super().load_model()

    serve(Hangs(3), load_deadline_s=0.2)
    try:
        for _ in range(2):
            answer = caller.post("/hangs/predict", json={"X": ROW})
            assert (answer.status_code, answer.json()["error"]) == (503, "Loading has taken longer than 0.2 s.")
        assert caller.get("/health").status_code == 200
    finally:
        gate.set()


# --- the budget, and what is idle


def test_the_budget_of_a_session_is_what_was_said_last(serve: Serve, session: Session, churn: Path) -> None:
    endpoint = serve(churn, budget="1GB", **TRUSTED)
    assert endpoint.metadata()["memory"]["budget_bytes"] == 1_000_000_000
    serve(Loads(3))
    assert endpoint.metadata()["memory"]["budget_bytes"] == 1_000_000_000
    serve(Loads(3), budget="none")
    assert endpoint.metadata()["memory"]["budget_bytes"] is None


def test_over_the_budget_a_request_is_answered_507(serve: Serve, caller: Caller, churn: Path) -> None:
    endpoint = serve(churn, budget="100B", **TRUSTED)
    answer = caller.post("/churn/predict", json={"X": ROW})
    assert (answer.status_code, answer.json()["code"]) == (507, "over_budget")
    assert "--budget" in answer.json()["remedy"]
    with pytest.raises(OverBudget):
        endpoint.predict(X=ROW)
    assert endpoint.state == "unloaded"
    serve(churn, budget="1GB", **TRUSTED)
    assert caller.predict("/churn/predict", json={"X": ROW}) == [0]


def test_a_file_that_cannot_be_read_is_refused_when_it_is_served(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "empty.joblib").touch()
    with pytest.raises(LoadError, match=r"empty\.joblib"):
        serve(tmp_path / "empty.joblib", **TRUSTED)
    with pytest.raises(LoadError, match=r"missing\.joblib"):
        serve(tmp_path / "missing.joblib", **TRUSTED)


# --- a live object under two names


def test_an_object_under_two_names_is_never_lost(serve: Serve, session: Session) -> None:
    class Constant:
        def predict(self, X: list[Any]) -> list[int]:
            return [7 for _ in X]

    model = Constant()
    one, two = serve(model, name="one"), serve(model, name="two")
    del model
    assert one.unload().holders == ("endpoint two",)
    two.stop()
    for thread in threading.enumerate():
        if thread.name == "nbserve:retire":
            thread.join(10)
    assert one.predict(X=ROW) == [7]


def test_a_refusal_of_trust_is_heard_and_a_pickle_under_a_harmless_name_needs_it(serve: Serve, churn: Path) -> None:
    with pytest.raises(LoadError, match="would run the code"):
        serve(churn, trust=False)
    with pytest.raises(LoadError, match="would run the code"):
        serve(Resource(model_path=churn), trust=False)
    disguised = churn.rename(churn.with_name("weights.safetensors"))
    with pytest.raises(LoadError, match="--trust"):
        serve(disguised)
    assert serve(disguised, **TRUSTED).predict(X=ROW) == [0]


def test_the_order_of_a_new_files_columns_changes_no_answer(serve: Serve, caller: Caller, tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [0.0, 0.0, 1.0, 1.0], "b": [5.0, 7.0, 5.0, 7.0]})
    path = tmp_path / "tree.joblib"
    joblib.dump(DecisionTreeClassifier().fit(frame[["a", "b"]], [0, 0, 1, 1]), path)
    endpoint = serve(path, **TRUSTED)
    row = {"X": [{"a": 1.0, "b": 5.0}]}
    assert caller.predict("/tree/predict", json=row) == [1]
    endpoint.unload()
    joblib.dump(DecisionTreeClassifier().fit(frame[["b", "a"]], [0, 0, 1, 1]), path)
    assert caller.predict("/tree/predict", json=row) == [1]


def test_a_load_that_asks_its_own_endpoint_fails_at_once(serve: Serve) -> None:
    class Asks(Loads):
        def load_model(self) -> None:
            endpoints[0].predict(X=ROW)

    endpoints = [serve(Asks())]
    with pytest.raises(LoadError, match="by its own load"):
        endpoints[0].load()


def test_what_cannot_be_put_aside_stays_the_users_also_when_he_wants_to_forget_it() -> None:
    class Stuck:
        def __init__(self) -> None:
            self.lock = threading.Lock()

        def predict(self, X: list[Any]) -> list[int]:
            return [5 for _ in X]

    namespace: dict[str, Any] = {"stuck": Stuck()}
    session = Session(namespace, is_watched=True)
    try:
        endpoint = handle(session, namespace["stuck"], {})
        with pytest.raises(SpillError):
            endpoint.unload(forget=True)
        assert isinstance(namespace["stuck"], Stuck)
        assert endpoint.predict(X=ROW) == [5]
    finally:
        session.close()


def test_what_stands_for_a_forgotten_model_can_be_served_again() -> None:
    namespace: dict[str, Any] = {"model": LogisticRegression(max_iter=500).fit(X, Y)}
    session = Session(namespace, is_watched=True)
    try:
        report = handle(session, namespace["model"], {}).unload(forget=True)
        assert (report.forgotten, report.holders) == (("model",), ())
        assert "restore" in repr(namespace["model"])
        endpoint = handle(session, namespace["model"], {"name": "model"})
        assert isinstance(namespace["model"], LogisticRegression)
        assert endpoint.predict(X=ROW) == [0]
    finally:
        session.close()


def test_a_component_that_is_stopped_while_it_loads_keeps_no_model(serve: Serve, caller: Caller) -> None:
    gate, begun = threading.Event(), threading.Event()

    class Slow(Loads):
        def load_model(self) -> None:
            begun.set()
            assert gate.wait(20)
            super().load_model()

    component = Slow(3)
    endpoint = serve(component)
    answers: list[Any] = []
    asking = threading.Thread(target=lambda: answers.append(endpoint.predict(X=ROW)))
    asking.start()
    assert begun.wait(10)
    endpoint.stop()
    gate.set()
    asking.join(20)
    for thread in threading.enumerate():
        if thread.name == "nbserve:retire":
            thread.join(10)
    assert answers == [[3]]
    assert component.model.model is None


@pytest.mark.parametrize("given", ["", "~nobody-at-all/m.joblib", "x" * 5000, "a\0b", "s3://bucket/m.joblib"])
def test_what_is_no_path_of_a_file_is_told_in_a_sentence(serve: Serve, given: str) -> None:
    with pytest.raises(LoadError) as refused:
        serve(given)
    assert refused.value.remedy or "no file" in refused.value.problem
