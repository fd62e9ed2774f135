"""What a card asks over the widget's channel: the routes of a real session, asked from inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sklearn.dummy import DummyClassifier

from nbserve.errors import NotFound, OptionError
from nbserve.notebook.session import Session
from tests.certificates import self_signed
from tests.conftest import Serve


@pytest.fixture
def asked(session: Session, serve: Serve) -> Any:
    """``asked("POST", "predict/", body)`` of a classifier that is served as `m`."""
    serve(DummyClassifier().fit([[0.0]] * 3, ["a", "a", "b"]), name="m")
    return lambda *given: session.ask("m", *given)


def test_a_prediction_is_answered_and_counted_as_one_over_http(asked: Any, session: Session) -> None:
    assert asked("POST", "predict/", {"X": [[1.0]]}) == (200, {"predict_result": ["a"]})
    assert session.registry["m"].traffic.counters()["requests"] == 1


def test_a_refusal_comes_in_the_one_shape(asked: Any) -> None:
    status, refusal = asked("POST", "predict/", {"nothing": 1})
    assert (status, refusal["code"]) == (422, "input_invalid")


def test_the_endpoint_is_described_by_its_own_address(asked: Any) -> None:
    status, view = asked("GET", "")
    assert status == 200
    assert [each["method"] for each in view["model"]["methods"]][:2] == ["predict", "predict_proba"]


def test_it_asks_as_the_owner(asked: Any, session: Session) -> None:
    assert asked("POST", "unload/", {"forget": True})[0] == 200
    assert asked("DELETE", "")[0] == 200
    with pytest.raises(NotFound):
        asked("GET", "")


@pytest.mark.parametrize(
    ("verb", "path"),
    [("PUT", ""), ("GET", "../other/"), ("GET", "/other/"), ("GET", "a\r\nX: y"), ("GET", "ä/")],
    ids=["verb", "up", "root", "header", "not ASCII"],
)
def test_what_is_no_route_of_the_endpoint_is_refused(asked: Any, verb: str, path: str) -> None:
    with pytest.raises(OptionError, match="nothing that a card asks"):
        asked(verb, path)


def test_over_https_it_asks_whatever_name_the_certificate_is_for(session: Session, tmp_path: Path) -> None:
    certificate = self_signed(tmp_path, "box.example")
    session.serve(DummyClassifier().fit([[0.0]], ["a"]), {"name": "m", "certfile": str(certificate)})
    assert session.url.startswith("https://")
    assert session.ask("m", "POST", "predict/", {"X": [[1.0]]}) == (200, {"predict_result": ["a"]})
