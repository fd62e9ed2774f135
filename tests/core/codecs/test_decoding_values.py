"""Values of any form, texts, and plain arguments: by annotation, by datatype, by container."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any, Literal
from uuid import UUID

import numpy as np
import pandas as pd
import polars as pl
import pydantic
import pytest

from nbserve.core.codecs import Call, Decoder, bind, decode, encode
from nbserve.core.schema import Container, DataArgument, DataKind, Datatype, Parameter, Signature
from nbserve.errors import InputError, ModelError


def value(annotation: Any = None, container: Container = Container.PYTHON) -> Decoder:
    return Decoder(Signature("predict", DataArgument("X", DataKind.VALUE, container, annotation=annotation)))


def argument(parameter: Parameter) -> Callable[[Any], Any]:
    decoder = Decoder(Signature("f", None, (parameter,)))
    return lambda sent: decoder({parameter.name: sent}).kwargs[parameter.name]


def fault_of(decode: Callable[[], Any]) -> tuple[tuple[str | int, ...], str, str]:
    with pytest.raises(InputError) as caught:
        decode()
    first = caught.value.faults[0]
    return first.loc, first.type, caught.value.problem


# what is not annotated


@pytest.mark.parametrize("sent", [5, "a", None, True, [], {}, [1, "a"], [{"a": [1]}], {"a": {"b": None}}])
def test_a_plain_value_is_passed_as_it_was_sent(sent: Any) -> None:
    assert value()({"X": sent}).kwargs["X"] is sent


@pytest.mark.parametrize(("sent", "rows"), [(5, None), ({"a": 1}, None), ([1, 2], 2), ([], 0), ("abc", None)])
def test_only_a_list_of_things_has_rows(sent: Any, rows: int | None) -> None:
    assert value()({"X": sent}).rows == rows


def test_numeric_lists_become_arrays_for_numpy_and_nothing_else_does() -> None:
    decoder = value(container=Container.NUMPY)
    assert decoder({"X": [[1, 2], [3, 4]]}).kwargs["X"].tolist() == [[1, 2], [3, 4]]
    assert decoder({"X": [1, 2]}).rows == 2
    for sent in ([[1], [2, 3]], [{"a": 1}], ["a"], [[1, "a"]], {"a": 1}, 3, []):
        assert decoder({"X": sent}).kwargs["X"] is sent


def test_records_columns_and_rows_become_frames_for_pandas_and_nothing_else_does() -> None:
    decoder = value(container=Container.PANDAS)
    for sent in ([{"a": 1}], {"a": [1]}, [[1, 2]]):
        assert isinstance(decoder({"X": sent}).kwargs["X"], pd.DataFrame)
    for other in ([], [1], {"a": 1}, "a", [[1], [2, 3]]):
        assert decoder({"X": other}).kwargs["X"] is other


@pytest.mark.parametrize("levels", [300, 1000])
def test_a_value_too_deep_to_be_answered_is_the_callers_fault(levels: int) -> None:
    sent: Any = 1
    for _ in range(levels):
        sent = [sent]
    assert fault_of(lambda: value()({"X": sent}))[:2] == (("X",), "depth")
    assert fault_of(lambda: argument(Parameter("a"))(sent))[0] == ("a",)


def test_a_deep_value_that_can_be_answered_is_taken() -> None:
    sent: Any = 1
    for _ in range(240):
        sent = [sent]
    assert encode(value()({"X": sent}).kwargs["X"])


def test_a_flat_list_becomes_a_series_and_nothing_else_does() -> None:
    decoder = value(container=Container.SERIES)
    for sent in ([1, 2], ["a", None], []):
        assert isinstance(decoder({"X": sent}).kwargs["X"], pd.Series)
    for other in ([[1]], [{"a": 1}], {"a": 1}, 3):
        assert decoder({"X": other}).kwargs["X"] is other


def test_rows_become_a_frame_of_polars_where_they_can() -> None:
    decoder = value(container=Container.POLARS)
    for sent in ([{"a": 1}], {"a": [1]}, [[1, 2]]):
        assert isinstance(decoder({"X": sent}).kwargs["X"], pl.DataFrame)
    for other in ([], [1], {"a": 1}, "a", [[1], [2, 3]]):
        assert decoder({"X": other}).kwargs["X"] is other


def test_arguments_go_by_position_as_far_as_they_are_given() -> None:
    parameters = (Parameter("k"), Parameter("top"), Parameter("flag", keyword_only=True))
    decoder = Decoder(Signature("f", DataArgument("X"), parameters, by_position=True))
    assert decoder({"X": 1, "k": 2, "flag": 3}) == Call((1, 2), {"flag": 3}, None)
    assert decoder({"X": 1, "top": 2}) == Call((1,), {"top": 2}, None)


# what is annotated


@dataclass
class House:
    rooms: int
    built: date
    tags: set[str]


class Colour(Enum):
    RED = "red"


class Wine(pydantic.BaseModel):
    sugar: float
    colour: Colour = Colour.RED


class Own:
    pass


ANNOTATED = [
    (int, 3, 3),
    (int, 3.0, 3),
    (float, 3, 3.0),
    (list[float], [1, 2.5], [1.0, 2.5]),
    (list[int], [1.0], [1]),
    (set[int], [1, 1], {1}),
    (tuple[int, str], [1, "a"], (1, "a")),
    (dict[str, int], {"a": 1}, {"a": 1}),
    (date, "2020-01-02", date(2020, 1, 2)),
    (datetime | None, None, None),
    (Literal["a", "b"], "b", "b"),
    (Colour, "red", Colour.RED),
    (House, {"rooms": 3.0, "built": "1900-01-01", "tags": ["old"]}, House(3, date(1900, 1, 1), {"old"})),
    (list[Wine], [{"sugar": 1}], [Wine(sugar=1.0)]),
]


@pytest.mark.parametrize(("annotation", "sent", "expected"), ANNOTATED)
def test_an_annotation_says_what_json_becomes(annotation: Any, sent: Any, expected: Any) -> None:
    got = value(annotation)({"X": sent}).kwargs["X"]
    assert got == expected
    assert type(got) is type(expected)
    assert argument(Parameter("a", annotation=annotation))(sent) == expected


MISFITS = [
    (int, "3", ("X",)),
    (int, 3.5, ("X",)),
    (int, True, ("X",)),
    (float, "1", ("X",)),
    (str, 1, ("X",)),
    (list[float], [1, "2"], ("X", 1)),
    (list, {"a": 1}, ("X",)),
    (date, "soon", ("X",)),
    (Literal["a"], "b", ("X",)),
    (Colour, "blue", ("X",)),
    (House, {"rooms": 3, "built": "1900-01-01"}, ("X", "tags")),
    (list[Wine], [{"sugar": 1}, {"sugar": None}], ("X", 1, "sugar")),
]


@pytest.mark.parametrize(("annotation", "sent", "loc"), MISFITS)
def test_what_an_annotation_does_not_allow_is_refused_with_its_path(annotation: Any, sent: Any, loc: Any) -> None:
    assert fault_of(lambda: value(annotation)({"X": sent}))[0] == loc


@pytest.mark.parametrize("annotation", [np.ndarray, Own, list[Own], pd.DataFrame, Any, "Undefined"])
def test_an_annotation_without_rules_lets_the_value_pass(annotation: Any) -> None:
    assert value(annotation)({"X": {"a": 1}}).kwargs["X"] == {"a": 1}


def test_an_annotated_array_becomes_one() -> None:
    assert isinstance(value(np.ndarray, Container.NUMPY)({"X": [[1.0]]}).kwargs["X"], np.ndarray)


def test_instances_given_by_python_code_satisfy_their_annotation() -> None:
    house = House(3, date(1900, 1, 1), {"old"})
    assert value(House)({"X": house}).kwargs["X"] == house


@pytest.mark.parametrize(
    ("annotation", "sent", "loc", "problem"),
    [
        (UUID, 5, ("X",), "'X': UUID input should be a string, bytes or UUID object, not 5."),
        (int | str, 2.5, ("X",), "'X': input should be a valid integer or a valid string, not 2.5."),
        (House | int, {"rooms": "x", "built": "1900-01-01", "tags": []}, ("X", "rooms"), "'X'.rooms: input should be"),
        (list[int | str], [1, 2.5], ("X", 1), "'X'.1: input should be a valid integer or a valid string, not 2.5."),
    ],
)
def test_a_refusal_tells_the_place_in_what_was_sent_and_no_types_names(
    annotation: Any, sent: Any, loc: Any, problem: str
) -> None:
    found = fault_of(lambda: value(annotation)({"X": sent}))
    assert found[0] == loc
    assert found[2].startswith(problem)


def test_a_validator_with_a_bug_is_the_models_fault() -> None:
    class Strange(pydantic.BaseModel):
        a: int

        @pydantic.field_validator("a")
        @classmethod
        def check(cls, a: int) -> int:
            raise KeyError(a)

    with pytest.raises(ModelError, match="KeyError"):
        value(Strange)({"X": {"a": 1}})


# plain arguments


@pytest.mark.parametrize(
    ("parameter", "sent", "expected"),
    [
        (Parameter("k", Datatype.INTEGER), 3, 3),
        (Parameter("k", Datatype.INTEGER), 3.0, 3),
        (Parameter("k", Datatype.INTEGER), None, None),
        (Parameter("k", Datatype.INTEGER, annotation=int), np.int64(3), 3),
        (Parameter("t", Datatype.NUMBER), 0.5, 0.5),
        (Parameter("t", Datatype.NUMBER, annotation=float), 1, 1.0),
        (Parameter("b", Datatype.BOOLEAN), True, True),
        (Parameter("s", Datatype.STRING), "a", "a"),
        (Parameter("d", Datatype.DATETIME), "2020-01-02", datetime(2020, 1, 2)),  # noqa: DTZ001
        (Parameter("c", choices=("a", 1, True)), 1.0, 1.0),
        (Parameter("c", choices=("a", 1, True)), True, True),
        (Parameter("x"), {"a": [1]}, {"a": [1]}),
    ],
)
def test_an_argument_is_converted_to_its_datatype(parameter: Parameter, sent: Any, expected: Any) -> None:
    got = argument(parameter)(sent)
    assert got == expected
    assert type(got) is type(expected)


@pytest.mark.parametrize(
    ("parameter", "sent", "says"),
    [
        (Parameter("k", Datatype.INTEGER), True, "Argument 'k' expects an integer, not true"),
        (Parameter("k", Datatype.INTEGER), 2.5, "expects an integer, not 2.5"),
        (Parameter("k", Datatype.INTEGER), "3", "expects an integer, not '3'"),
        (Parameter("k", Datatype.INTEGER), 2**63, "which is out of range"),
        (Parameter("k", Datatype.INTEGER), -(2.0**63), "which is out of range"),  # of JSON: -(2**63) - 1
        (Parameter("k", Datatype.INTEGER, nullable=False), None, "Argument 'k' is null"),
        (Parameter("t", Datatype.NUMBER), True, "expects a number, not true"),
        (Parameter("t", Datatype.NUMBER), "0.5", "expects a number, not '0.5'"),
        (Parameter("t", Datatype.NUMBER), math.inf, "which is out of range"),
        (Parameter("b", Datatype.BOOLEAN), 1, "expects true or false, not 1"),
        (Parameter("s", Datatype.STRING), 1, "expects a string, not 1"),
        (Parameter("s", Datatype.STRING), {}, "expects a string, not an object"),
        (Parameter("d", Datatype.DATETIME), "soon", "in ISO 8601, not 'soon'"),
        (Parameter("c", choices=("uniform", "distance")), "distanse", "Did you mean 'distance'"),
        (Parameter("c", choices=(1, 2)), True, "expects one of 1, 2, not true"),
        (Parameter("c", choices=("a",)), ["a"], "expects one of 'a', not a list"),
    ],
)
def test_an_argument_of_another_type_is_refused(parameter: Parameter, sent: Any, says: str) -> None:
    loc, _, problem = fault_of(lambda: argument(parameter)(sent))
    assert loc == (parameter.name,)
    assert says in problem


# names


def test_the_only_required_argument_may_be_sent_by_any_name_of_the_data() -> None:
    decoder = Decoder(Signature("f", None, (Parameter("text", Datatype.STRING, required=True), Parameter("k"))))
    for sent in ({"text": "a"}, {"X": "a"}, {"inputs": "a"}):
        assert decoder(sent) == Call((), {"text": "a"}, None)
    listed = Decoder(Signature("f", None, (Parameter("words", required=True),)))
    assert listed(["a"]).kwargs == {"words": ["a"]}


def test_two_required_arguments_have_no_other_names() -> None:
    decoder = Decoder(Signature("add", None, (Parameter("a", required=True), Parameter("b", required=True))))
    assert decoder({"a": 1, "b": 2}).kwargs == {"a": 1, "b": 2}
    assert fault_of(lambda: decoder({"X": 1}))[:2] == (("X",), "unknown_argument")
    assert fault_of(lambda: decoder([1, 2]))[1] == "object_expected"
    assert fault_of(lambda: decoder({"a": 1}))[:2] == (("b",), "missing")


def test_an_argument_that_is_named_like_an_alias_wins() -> None:
    signature = Signature("f", DataArgument("rows"), (Parameter("X"), Parameter("input")))
    assert decode(signature, {"rows": 1, "X": 2, "input": 3}).kwargs == {"rows": 1, "X": 2, "input": 3}
    assert decode(signature, {"inputs": 1}).kwargs == {"rows": 1}
    assert fault_of(lambda: decode(signature, {"rows": 1, "x": 2}))[:2] == (("x",), "unknown_argument")


def test_unknown_arguments_pass_where_the_method_takes_any() -> None:
    signature = Signature("f", DataArgument("X"), accepts_any_keyword=True)
    assert decode(signature, {"inputs": 1, "top": 2}).kwargs == {"X": 1, "top": 2}


def test_a_method_without_arguments_takes_an_empty_object() -> None:
    assert decode(Signature("f"), {}) == Call((), {}, None)
    assert fault_of(lambda: decode(Signature("f"), {"a": 1}))[0] == ("a",)


# places


def called(function: Callable[..., Any], signature: Signature, sent: Any) -> Any:
    call = decode(signature, sent)
    return function(*call.args, **call.kwargs)


def test_arguments_before_the_data_and_by_keyword_only_find_their_places() -> None:
    signature = Signature("f", DataArgument("X", position=1), (Parameter("ids"), Parameter("k", keyword_only=True)))
    assert called(lambda ids, X, *, k: (ids, X, k), signature, {"X": 1, "k": 2, "ids": 3}) == (3, 1, 2)


def test_arguments_by_position_only_are_given_so_with_defaults_between() -> None:
    def predict(ids: Any, X: Any, k: Any = 5, top: Any = 6, /, *, flag: Any = 7) -> Any:
        return ids, X, k, top, flag

    signature = Signature(
        "f",
        DataArgument("X", position=1, positional=True),
        (
            Parameter("ids", required=True, positional=True),
            Parameter("k", default=5, positional=True),
            Parameter("top", default=6, positional=True),
            Parameter("flag", default=7, keyword_only=True),
        ),
    )
    assert called(predict, signature, {"X": 1, "ids": 0}) == (0, 1, 5, 6, 7)
    assert called(predict, signature, {"X": 1, "ids": 0, "top": 2, "flag": 3}) == (0, 1, 5, 2, 3)


def test_a_list_for_the_rest_pushes_all_before_it_into_place() -> None:
    def predict(X: Any, k: Any = 5, *rest: Any, flag: Any = 7) -> Any:
        return X, k, rest, flag

    signature = Signature(
        "f",
        DataArgument("X"),
        (
            Parameter("k", default=5),
            Parameter("rest", Datatype.INTEGER, is_variadic=True),
            Parameter("flag", keyword_only=True),
        ),
    )
    assert called(predict, signature, {"X": 1}) == (1, 5, (), 7)
    assert called(predict, signature, {"X": 1, "rest": [2, 3], "flag": 4}) == (1, 5, (2, 3), 4)
    assert called(predict, signature, {"X": 1, "rest": []}) == (1, 5, (), 7)
    assert fault_of(lambda: decode(signature, {"X": 1, "rest": [2, "a"]}))[0] == ("rest", 1)
    assert fault_of(lambda: decode(signature, {"X": 1, "rest": 2}))[0] == ("rest",)


def test_native_values_are_bound_as_they_are() -> None:
    signature = Signature("f", DataArgument("X", DataKind.MATRIX, width=4), (Parameter("k", Datatype.INTEGER),))
    array = np.ones((3, 2))
    call = bind(signature, {"input": array, "k": "any"})
    assert call.kwargs["X"] is array
    assert (call.kwargs["k"], call.rows) == ("any", 3)
    assert fault_of(lambda: bind(signature, {"Y": array}))[:2] == (("Y",), "unknown_argument")
    assert fault_of(lambda: bind(signature, {}))[:2] == (("X",), "missing")


def test_texts_come_in_the_models_container() -> None:
    for container, kind in ((Container.PYTHON, list), (Container.NUMPY, np.ndarray), (Container.PANDAS, pd.Series)):
        call = decode(Signature("f", DataArgument("X", DataKind.TEXTS, container)), {"X": ["a", "b"]})
        assert type(call.kwargs["X"]) is kind
        assert list(call.kwargs["X"]) == ["a", "b"]
        assert call.rows == 2


@pytest.mark.parametrize("texts", [("a", "b"), np.array(["a", "b"]), pd.Series(["a", "b"])])
def test_texts_given_by_python_code_become_a_list(texts: Any) -> None:
    assert decode(Signature("f", DataArgument("X", DataKind.TEXTS)), {"X": texts}).kwargs["X"] == ["a", "b"]
