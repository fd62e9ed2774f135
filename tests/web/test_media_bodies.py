"""Rows in other formats than JSON, over HTTP, to real models."""

from __future__ import annotations

import importlib.util
import json
import random
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor

from nbserve.core.codecs import Medium
from nbserve.core.codecs.media import medium as medium_module
from nbserve.core.codecs.media import npy as npy_format
from nbserve.notebook.session import Session
from nbserve.web import predict
from tests.bodies import TYPES, arrow, npy, parquet, read
from tests.client import Caller, assert_error, opened
from tests.models import (
    iris_array,
    iris_frame,
    logistic_on_arrays,
    logistic_on_frame,
    text_pipeline,
    titanic_frame,
    titanic_input,
    titanic_pipeline,
)


def total(frame: pl.DataFrame, *, scale: float = 1.0) -> pl.DataFrame:
    return frame.select(sum=(pl.col("a") + pl.col("b")) * scale)


def add(a: int, b: int = 2) -> int:
    return a + b


@pytest.fixture(scope="module")
def shop() -> Iterator[tuple[Session, Caller]]:
    with opened() as (session, caller):
        models = {
            "iris": logistic_on_arrays(),
            "flowers": logistic_on_frame(),
            "titanic": titanic_pipeline().fit(titanic_input(), titanic_frame()["survived"]),
            "texts": text_pipeline(),
            "process": GaussianProcessRegressor(optimizer=None).fit(iris_array()[:20], iris_array()[:20, 0]),
            "total": total,
            "add": add,
        }
        for name, model in models.items():
            session.serve(model, {"name": name})
        session.serve(logistic_on_arrays(), {"name": "narrow", "body_limit": 4096})
        yield session, caller


@pytest.fixture
def caller(shop: tuple[Session, Caller]) -> Caller:
    return shop[1]


def ask(caller: Caller, path: str, kind: str, content: bytes, wanted: str = "", **options: Any) -> Any:
    headers = {"content-type": TYPES.get(kind, kind)} | ({"accept": TYPES.get(wanted, wanted)} if wanted else {})
    return caller.post(path, content=content, headers=headers, **options)


def in_every_format(frame: Any) -> dict[str, bytes]:
    return {"arrow": arrow(frame), "parquet": parquet(frame), "csv": frame.to_csv(index=False).encode()}


@pytest.mark.parametrize("kind", TYPES)
def test_rows_in_any_format_are_answered_like_rows_in_json(caller: Caller, kind: str) -> None:
    rows = iris_array()
    frame = pd.DataFrame(rows, columns=["x0", "x1", "x2", "x3"])
    content = (in_every_format(frame) | {"npy": npy(rows)})[kind]
    wanted = caller.predict("/iris/predict_proba/", json={"X": rows.tolist()})
    answer = ask(caller, "/iris/predict_proba/", kind, content)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["predict_result"] == wanted


@pytest.mark.parametrize("kind", ["arrow", "parquet", "csv"])
def test_frames_of_text_and_numbers_are_answered_like_records(caller: Caller, kind: str) -> None:
    frame = titanic_input()
    wanted = caller.predict("/titanic/predict_proba/", json={"X": json.loads(frame.to_json(orient="records"))})
    content = in_every_format(frame[frame.columns[::-1]])[kind]
    assert ask(caller, "/titanic/predict_proba/", kind, content).json()["predict_result"] == wanted


@pytest.mark.parametrize("sent", TYPES)
@pytest.mark.parametrize("wanted", TYPES)
def test_any_format_is_answered_in_any_other(caller: Caller, sent: str, wanted: str) -> None:
    frame = iris_frame().head(9)
    content = (in_every_format(frame) | {"npy": npy(frame.to_numpy())})[sent]
    answer = ask(caller, "/flowers/predict_proba/", sent, content, wanted)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].partition(";")[0] == TYPES[wanted]
    assert len(answer.headers["x-predict-id"]) == 32
    found = read(wanted, answer.content)
    known = np.array(caller.predict("/flowers/predict_proba/", json={"X": frame.to_numpy().tolist()}))
    if wanted == "npy":
        np.testing.assert_array_equal(found, known)
    else:
        assert list(found) == ["0", "1", "2"]
        np.testing.assert_array_equal(np.array(list(found.values())).T, known)


def test_a_frame_of_polars_goes_in_and_out(caller: Caller) -> None:
    answer = ask(caller, "/total/predict/?scale=2", "arrow", arrow({"b": [1, 2], "a": [10, 20]}), "arrow")
    assert read("arrow", answer.content) == {"sum": [22.0, 44.0]}
    answer = ask(caller, "/total/predict/", "csv", b"a,b\n1,2.5\n", "csv")
    assert answer.content == b"sum\r\n3.5\r\n"


def test_texts_come_in_any_format(caller: Caller) -> None:
    texts = ["a good film", "a bad film"]
    wanted = caller.predict("/texts/predict/", json={"X": texts})
    for kind, content in (("arrow", arrow({"text": texts})), ("npy", npy(np.array(texts)))):
        assert ask(caller, "/texts/predict/", kind, content).json()["predict_result"] == wanted
    answer = ask(caller, "/texts/predict/", "text/csv; header=absent", "\n".join(texts).encode())
    assert answer.json()["predict_result"] == wanted
    assert_error(ask(caller, "/texts/predict/", "csv", b"text\na"), 422, "body_invalid")


def test_other_arguments_stand_in_the_query(caller: Caller) -> None:
    rows = iris_array()[:3]
    wanted = caller.predict("/process/predict/", json={"X": rows.tolist(), "return_std": True})
    answer = ask(caller, f"/process/predict/?return_std=true&token={caller.token}", "npy", npy(rows))
    assert answer.json()["predict_result"] == wanted
    body = assert_error(ask(caller, "/process/predict/?return_sdt=true", "npy", npy(rows)), 422, "input_invalid")
    assert body["error"] == "Unknown argument 'return_sdt'. Did you mean 'return_std'?"
    body = assert_error(ask(caller, "/total/predict/?scale=wide", "arrow", arrow({"a": [1]})), 422, "input_invalid")
    assert body["detail"][0]["loc"] == ["scale"]
    assert_error(ask(caller, "/iris/predict/?X=1", "npy", npy(iris_array())), 422, "input_invalid")


def test_a_token_may_stand_in_the_query(shop: tuple[Session, Caller]) -> None:
    session, caller = shop
    path = f"/iris/predict/?token={session.token('iris')}"
    assert ask(caller, path, "npy", npy(iris_array()), token=None).status_code == 200


def test_an_answer_that_has_not_the_form_is_406_and_errors_are_json(caller: Caller) -> None:
    rows = npy(iris_array()[:3])
    answer = ask(caller, "/process/predict/?return_std=true", "npy", rows, "npy")
    body = assert_error(answer, 406, "not_acceptable")
    assert body["remedy"] == "Ask for JSON, which can hold any answer."
    assert_error(ask(caller, "/iris/predict/", "npy", rows, "image/png"), 406, "not_acceptable")
    assert_error(ask(caller, "/iris/predict/", "npy", rows[:-1], "npy"), 422, "body_invalid")
    assert (
        caller.post("/add/predict/", json={"a": 1}, headers={"accept": TYPES["csv"]}).text == "predict_result\r\n3\r\n"
    )


def test_formats_that_are_not_read_are_415_with_those_that_are(caller: Caller) -> None:
    body = assert_error(ask(caller, "/iris/predict/", "application/octet-stream", b"x"), 415, "media_type_unsupported")
    assert all(each in body["remedy"] for each in TYPES.values())
    assert_error(ask(caller, "/add/predict/", "npy", npy(np.array([1]))), 415, "media_type_unsupported")
    packed = {"content-type": TYPES["npy"], "content-encoding": "gzip"}
    answer = caller.post("/iris/predict/", content=npy(iris_array()), headers=packed)
    assert_error(answer, 415, "media_type_unsupported")


def test_without_its_library_a_format_is_refused_with_the_way_to_get_it(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(medium_module, "find_spec", lambda name: None if name == "pyarrow" else found(name))
    content = arrow({"x0": [1.0]})
    body = assert_error(ask(caller, "/iris/predict/", "arrow", content), 415, "media_type_unsupported")
    assert 'pip install "jupyter-nbserve[arrow]"' in body["remedy"]
    body = assert_error(ask(caller, "/iris/predict/", "npy", npy(iris_array()), "parquet"), 406, "not_acceptable")
    assert 'pip install "jupyter-nbserve[arrow]"' in body["remedy"]
    assert ask(caller, "/iris/predict/", "npy", npy(iris_array())).status_code == 200
    described = caller.get("/openapi.json").json()["paths"]["/iris/predict/"]["post"]
    assert set(described["requestBody"]["content"]) == {"application/json", TYPES["npy"], TYPES["csv"]}


@pytest.mark.parametrize("kind", ["arrow", "npy", "parquet"])
def test_what_is_small_on_its_way_only_is_413(caller: Caller, kind: str) -> None:
    columns = {f"x{index}": np.zeros(1_000, dtype="float64") for index in range(4)}
    content = {
        "arrow": lambda: arrow(columns, "zstd"),
        "npy": lambda: npy(np.zeros((900, 4), dtype="int8")),
        "parquet": lambda: parquet(columns, compression="zstd"),
    }[kind]()
    assert len(content) < 4096
    body = assert_error(ask(caller, "/narrow/predict/", kind, content), 413, "body_too_large")
    assert body["remedy"] == "Send fewer rows at a time."
    assert ask(caller, "/iris/predict/", kind, content).status_code == 200


def test_a_fault_in_a_large_body_is_told_with_its_place(caller: Caller) -> None:
    frame = pd.concat([titanic_input()] * 20, ignore_index=True)
    frame.loc[2_345 % len(frame), "pclass"] = 7
    answer = ask(caller, "/titanic/predict/", "parquet", parquet(frame), "arrow")
    body = assert_error(answer, 422, "input_invalid")
    assert body["detail"][0]["loc"] == ["X", 2_345 % len(frame), "pclass"]


def test_the_document_names_every_format(caller: Caller) -> None:
    paths = caller.get("/openapi.json").json()["paths"]
    operation = paths["/process/predict/"]["post"]
    assert set(operation["requestBody"]["content"]) >= {"application/json", *TYPES.values()}
    assert set(operation["responses"]["200"]["content"]) == {"application/json", *TYPES.values()}
    assert "406" in operation["responses"]
    assert [each["name"] for each in operation["parameters"]] == ["ticket", "return_std", "return_cov"]
    assert set(paths["/add/predict/"]["post"]["requestBody"]["content"]) == {"application/json"}


def test_whatever_is_sent_is_answered_or_refused(caller: Caller) -> None:
    frame, draw = titanic_input().head(5), random.Random(9)
    bodies = [("titanic", kind, content) for kind, content in in_every_format(frame).items()]
    bodies += [("iris", "npy", npy(iris_array()[:5])), ("total", "arrow", arrow({"a": [1], "b": [2.5]}, "lz4"))]
    for _ in range(60):
        for name, kind, whole in bodies:
            changed = bytearray(whole[: draw.randrange(1, len(whole)) if draw.random() < 0.2 else None])
            changed[draw.randrange(len(changed))] = draw.randrange(256)
            answer = ask(caller, f"/{name}/predict/", kind, bytes(changed), draw.choice(["", *TYPES]))
            assert answer.status_code in (200, 413, 422) or (name == "total" and answer.status_code == 500), answer.text


def test_a_library_is_not_fetched_on_the_loop_that_answers_everybody(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    threads = []

    def write(answer: Any, signature: Any) -> bytes:
        importlib.import_module("colorsys")
        threads.append(threading.current_thread().name)
        return b"written"

    medium = Medium("Colours", ("image/x-colours",), npy_format.read, write, needs="colorsys")
    monkeypatch.setattr(predict, "accepted", lambda accept: medium)
    rows = {"X": iris_array()[:3].tolist()}
    for _ in range(60):
        assert caller.post("/iris/predict/", json=rows).status_code == 200
    assert caller.post("/iris/predict/", json=rows, headers={"accept": "image/x-colours"}).content == b"written"
    assert threads == ["nbserve:iris"]
