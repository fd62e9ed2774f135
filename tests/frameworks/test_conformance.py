"""What holds for a model of every framework: the same questions to each of a table."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import orjson
import pytest
import tensorflow as tf

from nbserve.core import loaders
from nbserve.core.analysis import analyse
from nbserve.core.schema import Task
from nbserve.notebook.session import Session
from tests.client import Caller, assert_error, handle, opened
from tests.frameworks.cases import CASES, COLUMNS, answered, matrix, mixed, records, texts

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("ignore")]  # of the libraries, about themselves


@pytest.fixture(scope="module")
def house() -> Iterator[tuple[Session, Caller]]:
    with opened() as opening:
        yield opening


Answers = Callable[[Any], Any]


@pytest.fixture
def asked(house: tuple[Session, Caller], request: pytest.FixtureRequest) -> Iterator[Answers]:
    """The model of the case, served as it lies in the notebook, and asked over HTTP."""
    session, caller = house
    ep = handle(session, CASES[request.getfixturevalue("name")].make(), {"name": "m"})

    def ask(rows: Any) -> Any:
        answer = caller.post("/m/predict", json=rows)
        assert answer.status_code == 200, answer.text
        return orjson.loads(answer.content)["predict_result"]  # unlike others it takes no NaN for JSON

    yield ask
    ep.stop()


NAMES = pytest.mark.parametrize("name", CASES)
ROWS = pytest.mark.parametrize("n", [1, 7, 1000])
"""One row, some, and a thousand."""


NUMBERED = ["x0", "x1", "x2", "x3"]

FOUND: dict[str, tuple[str | None, str, list[str], Task, tuple[Any, ...] | None]] = {
    "scikit-learn": ("scikit-learn", "X", [*COLUMNS, "kind"], Task.CLASSIFICATION, ("no", "yes")),
    "scikit-learn, no names": ("scikit-learn", "X", NUMBERED, Task.CLASSIFICATION, (0, 1)),
    "lightgbm": ("lightgbm", "data", COLUMNS, Task.REGRESSION, None),
    "xgboost": ("xgboost", "X", COLUMNS, Task.CLASSIFICATION, (0, 1)),
    "catboost": ("catboost", "data", [*COLUMNS, "kind"], Task.REGRESSION, None),
    "torch": ("torch", "input", NUMBERED, Task.UNKNOWN, None),
    "keras": ("keras", "x", NUMBERED, Task.UNKNOWN, None),
    "tensorflow": ("keras", "x", NUMBERED, Task.UNKNOWN, None),
    "onnx": ("onnxruntime", "X", NUMBERED, Task.UNKNOWN, None),
    "transformers": ("transformers", "texts", [], Task.CLASSIFICATION, ("LABEL_0", "LABEL_1")),
    "a function": (None, "frame", ["a", "b"], Task.UNKNOWN, None),
    "a class": (None, "X", [], Task.UNKNOWN, None),
}
"""Its library, what its rows are called, their columns, what it is for, its classes."""


@NAMES
def test_what_it_is_and_takes_is_found(name: str) -> None:
    profile = analyse(CASES[name].make())
    data = profile.main.data
    assert data is not None
    columns = [each.name for each in data.features]
    assert (profile.library, data.name, columns, profile.task, profile.classes) == FOUND[name]
    assert profile.main.method == "predict"
    assert (profile.library_version is None) == (profile.library is None)


@NAMES
@ROWS
def test_an_answer_is_the_librarys_own_to_the_last_bit(name: str, n: int, asked: Answers) -> None:
    assert asked(CASES[name].rows(n)) == answered(name, n)


@NAMES
def test_its_example_works(name: str, asked: Answers) -> None:
    profile = analyse(CASES[name].make())
    assert len(asked(profile.main.example)) == 2


@NAMES
def test_the_order_of_columns_and_keys_changes_nothing(name: str, asked: Answers) -> None:
    _, argument, columns, *_ = FOUND[name]
    rows = CASES[name].rows(7)
    assert asked({argument: rows}) == answered(name, 7)
    if not columns:  # rows of these have none
        return
    named = [row if isinstance(row, dict) else dict(zip(columns, row, strict=True)) for row in rows]
    assert asked([turned(row, at) for at, row in enumerate(named)]) == answered(name, 7)
    by_column = {column: [row[column] for row in named] for column in named[0]}
    for at in range(len(by_column)):
        assert asked({argument: turned(by_column, at)}) == answered(name, 7)


def turned(row: dict[str, Any], by: int) -> dict[str, Any]:
    """The same, begun with another key and read backwards: each row in an order of its own."""
    keys = list(row)
    at = by % len(keys)
    return {key: row[key] for key in reversed(keys[at:] + keys[:at])}


WRONG = {matrix: [[1, 2]], records: [{"a": 1}], mixed: [{"a": 1}], texts: [3]}


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith("a ")])  # those take what they take
def test_rows_that_do_not_fit_are_the_callers_fault(name: str, house: tuple[Session, Caller]) -> None:
    session, caller = house
    case = CASES[name]
    ep = handle(session, case.make(), {"name": "wrong"})
    assert_error(caller.post("/wrong/predict", json=WRONG[case.rows]), 422, "input_invalid")
    ep.stop()


@NAMES
def test_what_is_put_aside_is_freed_and_comes_back_the_same(name: str, house: tuple[Session, Caller]) -> None:
    session, caller = house
    model = CASES[name].make()
    alive = weakref.ref(model)
    ep = handle(session, model, {"name": "away"})
    before = caller.predict("/away/predict", json=CASES[name].rows(7))
    del model
    report = ep.unload()
    gc.collect()
    assert (report.state, ep.loaded) == ("unloaded", False)
    assert report.holders == ()
    assert (alive() is None) == (name != "a function")  # code is referred to, and not copied
    assert session.registry["away"].component.source.spilled_bytes > 0
    assert caller.predict("/away/predict", json=CASES[name].rows(7)) == before == answered(name, 7)
    ep.stop()


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.save is not None])
def test_its_file_is_recognised_and_served_and_let_go_of_alike(
    name: str, house: tuple[Session, Caller], tmp_path: Path
) -> None:
    session, caller = house
    case = CASES[name]
    assert case.save is not None
    path = tmp_path / case.file
    case.save(case.make(), path)
    assert loaders.find_loader(path).runs_code is case.trust
    header = loaders.peek(path)
    assert json.loads(json.dumps(header)) == header
    ep = handle(session, str(path), {"name": "file", "trust": case.trust})
    assert ep.state == "unloaded"
    for n in (1, 7, 1000):
        assert caller.predict("/file/predict", json=case.rows(n)) == answered(name, n)
    with session.registry["file"].component.lease() as model:
        alive = weakref.ref(model)
        del model
    ep.unload()
    gc.collect()
    assert alive() is None
    assert caller.predict("/file/predict", json=case.rows(7)) == answered(name, 7)
    ep.stop()


def test_tensorflow_is_the_backend() -> None:
    """Else what is told of Keras here is told of another one, and of TensorFlow nothing."""
    assert keras.backend.backend() == "tensorflow"
    assert tf.__version__
