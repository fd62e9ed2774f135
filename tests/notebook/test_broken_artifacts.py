"""Each artifact of the table gets its sentence, in time, and leaves nothing behind: by hand, and when it is served."""

from __future__ import annotations

import io
import re
import tempfile
import threading
import tracemalloc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import joblib
import pytest
from sklearn.linear_model import LogisticRegression

import nbserve
from nbserve.core.loaders import archive, streams
from nbserve.errors import LoadError
from nbserve.notebook.session import Session
from tests.broken_artifacts import BROKEN, ROOM_BYTES, Broken
from tests.client import Caller, handle
from tests.hosts import Host, hosted
from tests.models import iris_array, iris_target

pytestmark = pytest.mark.timeout(40)

MOST_BYTES = 8 * ROOM_BYTES
"""What a bomb may take while it is found out."""

DEADLINE_S = 15.0
"""Of each load for which its row says no other: what took longer would be told in other words than the row's."""

BODY = {"X": [[5.1, 3.5, 1.4, 0.2]]}


@pytest.fixture(params=BROKEN.values(), ids=BROKEN)
def broken(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Broken]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("NBSERVE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")  # where a canary would be
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    row: Broken = request.param
    if not row.is_bomb:
        yield row
        return
    for module in (archive, streams):
        monkeypatch.setattr(module, "largest_bytes", lambda: ROOM_BYTES)
    yield row


@contextmanager
def watched(row: Broken) -> Iterator[None]:
    """A bomb is found out before it has taken much memory."""
    if not row.is_bomb:
        yield
        return
    tracemalloc.start()
    try:
        yield
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most_bytes < MOST_BYTES


@pytest.fixture
def host() -> Iterator[Host]:
    with hosted() as host:
        yield host


def place_of(row: Broken, tmp_path: Path, host: Host, *, far: bool = False) -> str:
    """Where it is now: in a folder, or (`far`) at a host."""
    if row.place is not None:
        return row.place(tmp_path, host)
    assert row.data is not None
    if far:
        host.has[row.name] = row.data()
        return host.address(row.name)
    (tmp_path / row.name).write_bytes(row.data())
    return str(tmp_path / row.name)


def check(said: str, row: Broken, tmp_path: Path) -> None:
    assert re.search(row.sentence, said), said
    assert str(tmp_path) not in said
    assert "Traceback" not in said
    assert "\n" not in said.replace("\\n", "")
    assert not list(Path.cwd().iterdir())  # nobody has made a canary


def good() -> bytes:
    stream = io.BytesIO()
    joblib.dump(LogisticRegression(max_iter=500).fit(iris_array(), iris_target()), stream)
    return stream.getvalue()


def test_loaded_by_hand_it_is_one_sentence(broken: Broken, tmp_path: Path, host: Host) -> None:
    place = place_of(broken, tmp_path, host)
    with watched(broken), pytest.raises(LoadError) as refused:
        nbserve.load(place, trust=broken.trust, **{"load_deadline_s": DEADLINE_S, **dict(broken.options)})
    check(str(refused.value), broken, tmp_path)
    host.given_up.set()
    for thread in threading.enumerate():
        if thread.name == "nbserve:fetch":
            thread.join(20)
    assert [each for each in (tmp_path / "cache").rglob("*") if ".begun-" in str(each)] == []
    assert list((tmp_path / "temporary").iterdir()) == []


def test_served_it_is_refused_or_answers_503_and_what_is_mended_loads(
    broken: Broken, tmp_path: Path, host: Host, session: Session, caller: Caller
) -> None:
    place = place_of(broken, tmp_path, host, far=True)
    with watched(broken):
        _check_served(place, broken, tmp_path, session, caller)
    if broken.place is not None:
        return
    host.has[broken.name] = good()
    handle(session, place, {"name": "it", "trust": True}).load()
    assert caller.predict("/it/predict", json=BODY) == [0]


def _check_served(place: str, broken: Broken, tmp_path: Path, session: Session, caller: Caller) -> None:
    options = {"name": "it", "trust": broken.trust or None, "load_deadline_s": DEADLINE_S, **dict(broken.options)}
    if not _is_served(session, place, options, broken, tmp_path):
        assert list(session.registry) == []
        return
    for _ in range(2):
        answer = caller.post("/it/predict", json=BODY)
        assert (answer.status_code, answer.json()["code"]) == (503, "load_failed"), answer.text
        check(f"{answer.json()['error']} {answer.json().get('remedy', '')}", broken, tmp_path)
    component = session.registry["it"].component
    assert (component.state, component.source.spilled_bytes) == ("failed", 0)
    assert caller.get("/it/metadata").json()["loaded"] is False


def _is_served(session: Session, place: str, options: dict[str, Any], row: Broken, tmp_path: Path) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            session.serve(place, options)
    except LoadError as error:
        check(str(error), row, tmp_path)
        return False
    return True


READ = {name: row for name, row in BROKEN.items() if row.data is not None and row.trust}
"""Files that are read before they are found out."""


@pytest.mark.parametrize("broken", READ.values(), ids=READ, indirect=True)
def test_a_file_that_is_broken_while_it_is_served_fails_and_loads_when_it_is_mended(
    broken: Broken, tmp_path: Path, host: Host, session: Session, caller: Caller
) -> None:
    assert broken.data is not None
    path = tmp_path / broken.name
    path.write_bytes(good())
    endpoint = handle(session, path, {"name": "it", "trust": True})
    assert caller.predict("/it/predict", json=BODY) == [0]
    endpoint.unload()
    path.write_bytes(broken.data())
    answer = caller.post("/it/predict", json=BODY)
    assert (answer.status_code, answer.json()["code"]) == (503, "load_failed"), answer.text
    check(f"{answer.json()['error']} {answer.json().get('remedy', '')}", broken, tmp_path)
    assert endpoint.state == "failed"
    path.write_bytes(good())
    endpoint.load()
    assert caller.predict("/it/predict", json=BODY) == [0]


def test_there_are_enough_of_them() -> None:
    assert len(BROKEN) >= 40
