"""What files of settings describe: endpoints, their models and options, and who has said what."""

from __future__ import annotations

from pathlib import Path

import pytest

from nbserve.configuration import configuration_from, read_configuration
from nbserve.errors import OptionError

SEVERAL = """
idle: 10m
deadline: 30s
endpoints:
  churn:
    model: models/churn.joblib
    deadline: 5s
  iris:
    model: s3://bucket/iris.onnx
    path: /iris
"""


def test_several_endpoints_share_what_stands_beside_them(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SEVERAL)
    churn, iris = read_configuration(tmp_path / "a.yaml").plans
    assert churn.layer.given == {"name": "churn", "idle_s": "10m", "deadline_s": "5s"}
    assert iris.layer.given == {"name": "iris", "idle_s": "10m", "deadline_s": "30s"}
    assert churn.layer.origin == iris.layer.origin == "a.yaml"
    assert (churn.name, iris.name) == ("churn", "iris")


def test_the_path_of_a_model_is_seen_from_the_files_folder_and_an_address_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SEVERAL)
    assert [plan.model for plan in read_configuration(tmp_path / "a.yaml").plans] == [
        str(tmp_path / "models" / "churn.joblib"),
        "s3://bucket/iris.onnx",
    ]
    for given in ("/elsewhere/a.joblib", "models:/name/1", "hf://org/name"):
        (tmp_path / "b.yaml").write_text(f"model: {given}")
        assert read_configuration(tmp_path / "b.yaml").one().model == given
    (tmp_path / "b.yaml").write_text("model: ~/a.joblib")
    assert read_configuration(tmp_path / "b.yaml").one().model == str(Path.home() / "a.joblib")


def test_one_of_several_is_chosen_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SEVERAL)
    several = read_configuration(tmp_path / "a.yaml")
    assert several.one("iris").name == "iris"
    with pytest.raises(OptionError, match=r"a\.yaml holds 2 endpoints: churn, iris\. Name one of them"):
        several.one()
    with pytest.raises(OptionError, match=r"no endpoint 'irs'\. Did you mean 'iris'\? It has churn, iris\."):
        several.one("irs")


def test_a_model_that_is_not_named_is_missed_when_it_is_needed() -> None:
    plan = configuration_from({"name": "a"}).one("any name: it is the only one")
    assert (plan.model, plan.name) == (None, "a")
    with pytest.raises(OptionError, match=r"the dict names no model\. Write 'model: FILE'"):
        _ = plan.address


@pytest.mark.parametrize("key", ["deadline", "deadline_s", "deadline-s"])
def test_an_option_may_be_spelled_as_in_python_or_as_a_flag(key: str) -> None:
    assert configuration_from({key: 5}).one().layer.given == {"deadline_s": 5}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "the dict: There are no settings"),
        ({1: 2}, "There is no option '1'"),
        ({"endpoints": {1: {}}}, None),
        ({"endpoints": {None: {}}}, None),
        ({"endpoints": {"a": None}}, r"the dict, endpoints\.a: This is no endpoint"),
        ({"model": 3}, "the dict, model: The model is no path"),
        ({"model": "a\0b"}, "The model is no path"),
        ({"threads": object()}, "threads cannot be"),
    ],
)
def test_a_dict_is_checked_like_a_file(values: dict[object, object], sentence: str | None) -> None:
    if sentence is None:
        assert configuration_from(values).one().name in ("1", "None")  # type: ignore[arg-type]
        return
    with pytest.raises(OptionError, match=sentence):
        configuration_from(values)  # type: ignore[arg-type]
