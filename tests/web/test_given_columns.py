"""Columns that a user gives, over HTTP and in the documents, while they change and after a load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import pytest
from pydantic import BaseModel

from nbserve.errors import OptionError
from tests.client import Caller, assert_error
from tests.conftest import Serve
from tests.models import logistic_on_arrays

COLUMNS = [{"name": "age", "type": "int"}, {"name": "fare", "type": "float", "required": False, "default": 7.5}]


class Guest(BaseModel):
    name: str
    nights: int = 1


def total(rows):
    return [row["age"] + row["fare"] for row in rows]


def schema_of(caller: Caller, name: str) -> Any:
    path = caller.get(f"/{name}/openapi.json").json()["paths"][f"/{name}/predict/"]["post"]
    return path["requestBody"]["content"]["application/json"]["schema"]


def test_rows_are_checked_filled_and_described(serve: Serve, caller: Caller) -> None:
    serve(total, name="m", columns=COLUMNS)
    assert caller.predict("/m/predict", json=[{"fare": 1, "age": 2}, {"age": 3}]) == [3, 10.5]
    body = assert_error(caller.post("/m/predict", json=[{"fare": 1}]), 422, "input_invalid")
    assert body["detail"][0]["loc"] == [0, "age"]
    record = schema_of(caller, "m")["anyOf"][0]["properties"]["rows"]["anyOf"][0]["items"]
    assert record["required"] == ["age"]
    features = caller.get("/m/inspect").json()["model"]["features"]
    assert [(each["name"], each.get("required", True), each.get("default")) for each in features] == [
        ("age", True, None),
        ("fare", False, 7.5),
    ]
    example = caller.get("/m/inspect").json()["model"]["methods"][0]["example"]
    assert len(caller.predict("/m/predict", json=example)) == 1


def test_a_class_checks_each_row(serve: Serve, caller: Caller) -> None:
    serve(lambda rows: [f"{row['name']} {row['nights']}" for row in rows], name="m", row=Guest)
    assert caller.predict("/m/predict", json=[{"name": "Ann"}, {"name": "Bob", "nights": 3}]) == ["Ann 1", "Bob 3"]
    body = assert_error(caller.post("/m/predict", json=[{"name": "Ann", "nights": "x"}]), 422, "input_invalid")
    assert body["detail"][0]["loc"] == [0, "nights"]


def test_columns_given_to_an_array_share_runs_and_answer_alike(serve: Serve, caller: Caller) -> None:
    model = logistic_on_arrays()
    serve(model, name="m", columns=dict.fromkeys("abcd", "number"))
    assert caller.predict("/m/predict_proba", json=[{"d": 0.2, "c": 1.4, "b": 3.5, "a": 5.1}]) == (
        model.predict_proba([[5.1, 3.5, 1.4, 0.2]]).tolist()
    )


def test_columns_that_the_model_does_not_take_are_refused_and_change_nothing(serve: Serve, caller: Caller) -> None:
    serve(logistic_on_arrays(), name="m")
    with pytest.raises(OptionError, match="takes 4 columns, and 2 are given"):
        serve(logistic_on_arrays(), name="m", columns=COLUMNS)
    assert len(caller.predict("/m/predict", json=[[1, 2, 3, 4]])) == 1


def test_columns_may_be_set_and_given_up_while_it_is_served(serve: Serve, caller: Caller) -> None:
    endpoint = serve(lambda rows: rows, name="m", columns=COLUMNS)
    assert caller.predict("/m/predict", json=[{"age": 1}]) == [{"age": 1, "fare": 7.5}]
    endpoint.options.columns = {"age": "int"}
    endpoint.refresh()
    assert caller.predict("/m/predict", json=[{"age": 1}]) == [{"age": 1}]
    assert_error(caller.post("/m/predict", json=[{"age": 1, "fare": 2}]), 422, "input_invalid")
    endpoint.options.columns = None
    endpoint.refresh()
    assert caller.predict("/m/predict", json=["anything"]) == ["anything"]


def test_a_file_has_its_columns_when_it_is_loaded(serve: Serve, caller: Caller, tmp_path: Path) -> None:
    joblib.dump(logistic_on_arrays(), tmp_path / "m.joblib")
    with pytest.warns(UserWarning, match="runs the code"):
        serve(str(tmp_path / "m.joblib"), name="m", columns=dict.fromkeys("abcd", "number"))
    assert len(caller.predict("/m/predict", json=[dict.fromkeys("abcd", 1)])) == 1
    assert_error(caller.post("/m/predict", json=[dict.fromkeys("abce", 1)]), 422, "input_invalid")


def test_a_file_with_other_columns_says_so_when_it_is_asked(serve: Serve, caller: Caller, tmp_path: Path) -> None:
    joblib.dump(logistic_on_arrays(), tmp_path / "m.joblib")
    with pytest.warns(UserWarning, match="runs the code"):
        serve(str(tmp_path / "m.joblib"), name="m", columns={"a": "number"})
    body = assert_error(caller.post("/m/predict", json=[{"a": 1}]), 503, "load_failed")
    assert body["error"] == "The model takes 4 columns, and 1 are given."
