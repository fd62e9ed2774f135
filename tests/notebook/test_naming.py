"""What a model is called in the notebook, and so at its URL."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from nbserve.notebook.naming import is_hidden, name_for, names_of
from nbserve.options import check_name
from nbserve.readers import RESERVED_NAMES


class Model:
    pass


def area() -> None:
    pass


MODEL = Model()


def test_the_variables_that_hold_the_very_object_are_its_names() -> None:
    namespace = {"a": MODEL, "b": Model(), "_": MODEL, "Out": MODEL, "c": MODEL}
    assert names_of(MODEL, namespace) == ("a", "c")


def test_objects_are_compared_by_identity_and_never_asked() -> None:
    class Odd:
        def __eq__(self, other: object) -> Any:
            raise RuntimeError("compared")

        def __bool__(self) -> bool:
            raise RuntimeError("tested")

        __hash__ = object.__hash__

    odd = Odd()
    assert names_of(odd, {"x": Odd(), "odd": odd}) == ("odd",)


@pytest.mark.parametrize(
    ("model", "type_name", "namespace", "name"),
    [
        (MODEL, "Model", {"iris": MODEL}, "iris"),
        (MODEL, "Model", {"_private": MODEL, "iris": MODEL, "other": MODEL}, "iris"),
        (MODEL, "Model", {}, "model"),
        (MODEL, "RandomForestClassifier", {}, "random_forest_classifier"),
        (MODEL, "SVC", {}, "svc"),
        (area, "function", {}, "area"),
        (area, "function", {"fläche": area}, "fl-che"),
        (MODEL, "Model", {"docs": MODEL}, "model"),
        (MODEL, "Model", {"health": MODEL, "mine": MODEL}, "mine"),
        (MODEL, "Model", {"模型": MODEL}, "model"),
        (MODEL, "模型", {}, "model"),
        (partial(area), "Docs", {}, "model"),
        (lambda: 0, "function", {}, "lambda"),
        (MODEL, "Model", {"m" * 90: MODEL}, "m" * 64),
    ],
    ids=str,
)
def test_a_model_is_called_as_its_variable_else_its_function_else_its_type(
    model: Any, type_name: str, namespace: dict[str, Any], name: str
) -> None:
    assert name_for(model, type_name, namespace) == name
    assert check_name(name) == name


@pytest.mark.parametrize("reserved", sorted(RESERVED_NAMES))
def test_no_name_is_one_that_the_server_answers_itself(reserved: str) -> None:
    assert name_for(MODEL, reserved, {reserved: MODEL}) == "model"


def test_a_name_that_is_no_text_is_no_name() -> None:
    odd = Model()
    odd.__name__ = 3  # type: ignore[attr-defined]
    assert name_for(odd, "Odd", {}) == "odd"


@pytest.mark.parametrize(
    ("name", "hidden"), [("model", False), ("_", True), ("_3", True), ("In", True), ("open", True), ("exit", True)]
)
def test_what_is_ipythons_is_hidden(name: str, hidden: bool) -> None:
    assert is_hidden(name) is hidden
