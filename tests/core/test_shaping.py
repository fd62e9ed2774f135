"""Columns that a user gives, and classes that check rows: what the model gets, and what is refused, and where."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Literal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from pydantic import BaseModel, Field, field_validator

from nbserve.columns import columns_from, row_from
from nbserve.core.analysis import analyse
from nbserve.core.codecs import Body, Bounds, Decoder, request_schema, sent_as
from nbserve.core.codecs.columns import Column
from nbserve.core.schema import Profile
from nbserve.core.shaping import Shape, shaped
from nbserve.errors import InputError, OptionError
from tests.bodies import TYPES, arrow
from tests.models import iris_array, logistic_on_arrays, logistic_on_frame, text_pipeline

COLUMNS = columns_from(
    [
        {"name": "age", "type": "int", "required": True},
        {"name": "fare", "type": float, "required": False, "default": 7.5},
        {"name": "note", "type": "str", "required": False},
        {"name": "marks", "type": "int", "collection_type": "List", "required": False, "default": [1]},
    ]
)


class Customer(BaseModel):
    age: int = Field(ge=0)
    plan: Literal["free", "paid"] = "free"
    since: datetime | None = None

    @field_validator("age")
    @classmethod
    def _odd(cls, age: int) -> int:
        if age == 13:
            raise ValueError("13 is unlucky")
        return age


def plain(X):
    return X


def framed(X: pd.DataFrame):
    return X


def polar(X: pl.DataFrame):
    return X


def arrayed(X: np.ndarray):
    return X


def profile(model: Any, columns: Any = None, row: Any = None, **said: str) -> Profile:
    return shaped(analyse(model), Shape(columns, row, **said))


def given_to(decode: Decoder, sent: Any) -> Any:
    call = decode.from_bytes(json.dumps(sent).encode())
    return decode.placement.data_of(call)


def refused(decode: Decoder, sent: Any) -> list[tuple[tuple[Any, ...], str]]:
    with pytest.raises(InputError) as error:
        decode.from_bytes(json.dumps({"X": sent}).encode())
    return [(each.loc, each.type) for each in error.value.faults]


FULL = {"age": 3, "fare": 7.5, "note": None, "marks": [1]}


@pytest.mark.parametrize(
    "sent",
    [
        [{"age": 3}],
        [{"marks": [1], "age": 3, "fare": 7.5}],
        {"age": [3]},
        {"age": 3},
        [[3, 7.5, None, [1]]],
        [{"age": 3, "note": None}],
    ],
    ids=str,
)
def test_what_is_not_sent_has_its_default_in_every_form(sent: Any) -> None:
    decode = Decoder(profile(plain, COLUMNS).main)
    assert given_to(decode, {"X": sent}) == [FULL]


def test_values_are_held_to_their_types_and_told_where_they_are_not() -> None:
    decode = Decoder(profile(plain, COLUMNS).main)
    assert refused(decode, [{"fare": 1}]) == [(("X", 0, "age"), "missing_column")]
    assert refused(decode, [{"age": None}]) == [(("X", 0, "age"), "null")]
    assert refused(decode, [{"age": 1}, {"age": 1.5}]) == [(("X", 1, "age"), "integer_expected")]
    assert refused(decode, [{"age": 1, "fare": "x"}]) == [(("X", 0, "fare"), "number_expected")]
    assert refused(decode, [{"age": 1, "fare": None}]) == [(("X", 0, "fare"), "null")]
    assert refused(decode, [{"age": 1, "marks": 5}]) == [(("X", 0, "marks"), "integer_expected")]
    assert refused(decode, [{"age": 1, "marks": [1, "x"]}]) == [(("X", 0, "marks"), "integer_expected")]
    assert refused(decode, [{"age": 1, "agee": 2}]) == [(("X", 0, "agee"), "unknown_column")]
    assert refused(decode, [[1, 2, "x"]]) == [(("X", 0), "width")]


def test_each_container_holds_the_columns_in_their_order() -> None:
    rows = [{"note": "a", "age": 1, "marks": [4, 5]}, {"age": 2}]
    frame = given_to(Decoder(profile(framed, COLUMNS).main), rows)
    assert list(frame.columns) == ["age", "fare", "note", "marks"]
    assert frame["age"].tolist() == [1, 2]
    assert str(frame["age"].dtype) == "int64"
    assert frame["marks"].tolist() == [[4, 5], [1]]
    assert frame["note"].isna().tolist() == [False, True]
    polars = given_to(Decoder(profile(polar, COLUMNS).main), rows)
    assert polars.to_dicts() == [
        {"age": 1, "fare": 7.5, "note": "a", "marks": [4, 5]},
        {"age": 2, "fare": 7.5, "note": None, "marks": [1]},
    ]
    array = given_to(Decoder(profile(arrayed, columns_from({"a": "int", "b": "float"})).main), [{"b": 2, "a": 1}])
    assert array.tolist() == [[1.0, 2.0]]


def test_rows_in_other_formats_are_held_to_the_same() -> None:
    decode = Decoder(profile(framed, COLUMNS).main)
    medium, parameters = sent_as(TYPES["arrow"])
    assert medium is not None
    call = Body(medium, arrow({"fare": [1.0, 2.0], "age": [1, 2]}), Bounds(1 << 20), parameters, {}).read(decode)
    frame = decode.placement.data_of(call)
    assert frame["age"].tolist() == [1, 2]
    assert frame["marks"].tolist() == [[1], [1]]
    with pytest.raises(InputError, match="age"):
        Body(medium, arrow({"age": ["x"]}), Bounds(1 << 20), parameters, {}).read(decode)


def test_a_frame_from_a_cell_gets_its_defaults() -> None:
    decode = Decoder(profile(framed, columns_from({"a": "int", "b": {"type": "int", "default": 5}})).main)
    assert decode.placement.data_of(decode({"X": pd.DataFrame({"a": [1, 2]})})).to_dict("list") == {
        "a": [1, 2],
        "b": [5, 5],
    }


def test_columns_give_names_to_an_array_and_keep_what_a_frame_is_known_by() -> None:
    names = ["w", "x", "y", "z"]
    model = logistic_on_arrays()
    found = profile(model, columns_from(dict.fromkeys(names, "number")))
    assert [each.name for each in found.features] == names
    array = given_to(Decoder(found.main), [dict(zip(reversed(names), [4, 3, 2, 1], strict=True))])
    assert array.tolist() == [[1, 2, 3, 4]]
    assert model.predict(array).shape == (1,)
    assert {each.data.width for each in found.signatures if each.data} == {4}
    known = [each.name for each in analyse(logistic_on_frame()).features]
    given = columns_from([{"name": name, "default": 1.0} for name in reversed(known)])
    framed = profile(logistic_on_frame(), given)
    assert [each.name for each in framed.features] == known
    assert given_to(Decoder(framed.main), [{known[0]: 2}]).iloc[0].tolist() == [2, 1, 1, 1]


def test_columns_that_the_model_does_not_have_are_refused() -> None:
    with pytest.raises(OptionError, match="takes 4 columns, and 1 are given"):
        profile(logistic_on_arrays(), columns_from({"a": "int"}))
    known = [each.name for each in analyse(logistic_on_frame()).features]
    wrong = dict.fromkeys([*known[:3], known[3] + "x"], "number")
    with pytest.raises(OptionError, match=r"has no column .* Did you mean"):
        profile(logistic_on_frame(), columns_from(wrong))
    with pytest.raises(OptionError, match="list of texts"):
        profile(text_pipeline(), columns_from({"a": "str"}))
    with pytest.raises(OptionError, match="takes no rows"):
        profile(lambda: 1, columns_from({"a": "str"}))
    with pytest.raises(OptionError, match="default of 'a' is not of its type"):
        profile(plain, columns_from({"a": {"type": "int", "default": "x"}}))
    with pytest.raises(OptionError, match=r"categories of 'a' are not of its type\. All are integer"):
        profile(plain, columns_from({"a": {"type": "int", "categories": [1, "x"]}}))
    with pytest.raises(OptionError, match="default of 'a' is none of its categories"):
        profile(plain, columns_from({"a": {"type": "str", "default": "z", "categories": ["x"]}}))
    with pytest.raises(OptionError, match="Give one that is a list, each integer"):
        profile(plain, columns_from({"a": {"type": "int", "collection_type": "list", "default": [1, "x"]}}))


def test_each_value_of_a_list_is_one_of_its_categories() -> None:
    said = columns_from({"a": {"type": "str", "collection_type": "list", "categories": ["x", "y"], "default": ["x"]}})
    (feature,) = profile(plain, said).main.data.features
    assert Column(feature).lets_in([["x", "y"], []])
    assert not Column(feature).lets_in([["x", "z"]])
    assert not Column(feature).lets_in(["x"])


def test_the_document_says_what_must_be_sent_and_what_stands_for_the_rest() -> None:
    schema = request_schema(profile(plain, COLUMNS).main)
    record = schema["anyOf"][0]["properties"]["X"]["anyOf"][0]["items"]
    assert record["required"] == ["age"]
    assert record["properties"]["fare"]["default"] == 7.5
    assert record["properties"]["marks"]["items"]["type"] == ["integer", "boolean"]
    assert record["properties"]["note"]["default"] is None
    assert record["additionalProperties"] is False


def test_the_example_of_given_columns_is_accepted() -> None:
    for model in (plain, framed, polar):
        signature = profile(model, COLUMNS).main
        Decoder(signature)(signature.example)


# --- a class that checks each row


def test_a_class_of_pydantic_checks_each_row_and_fills_it() -> None:
    decode = Decoder(profile(plain, row=Customer).main)
    expected = [{"age": 3, "plan": "free", "since": None}]
    for sent in ([{"age": 3}], {"age": [3]}, {"age": 3}, [[3, "free", None]]):
        assert given_to(decode, {"X": sent}) == expected
    since = given_to(decode, [{"age": 3, "plan": "paid", "since": "2024-01-02T03:04:05"}])[0]["since"]
    assert since == datetime.fromisoformat("2024-01-02T03:04:05")
    assert refused(decode, [{"age": 3}, {"age": -1}]) == [(("X", 1, "age"), "greater_than_equal")]
    assert refused(decode, [{"age": 13}]) == [(("X", 0, "age"), "value_error")]
    assert refused(decode, [{"plan": "free"}]) == [(("X", 0, "age"), "missing")]
    assert refused(decode, [{"age": 1, "plan": "x"}]) == [(("X", 0, "plan"), "literal_error")]
    assert refused(decode, [1]) != []
    assert refused(decode, []) == [(("X",), "empty")]
    assert refused(decode, "x") == [(("X",), "rows_expected")]


def test_a_class_of_pydantic_makes_frames_too() -> None:
    frame = given_to(Decoder(profile(framed, row=Customer).main), [{"age": 3}, {"plan": "paid", "age": 4}])
    assert frame[["age", "plan"]].to_dict("list") == {"age": [3, 4], "plan": ["free", "paid"]}


def test_a_class_of_pydantic_is_in_the_document_with_its_example() -> None:
    signature = profile(plain, row=Customer).main
    schema = request_schema(signature)
    item = schema["anyOf"][0]["properties"]["X"]["items"]
    assert item["properties"]["age"]["minimum"] == 0
    assert item["required"] == ["age"]
    assert [each.to_dict().get("required", True) for each in signature.data.features] == [True, False, False]
    Decoder(signature)(signature.example)


# --- what may be given


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        ([], "name"),
        ({}, "name"),
        (5, "name"),
        ("cols", "a variable"),
        ("[", "a variable"),
        ([5], "column 0 is '5'"),
        ([{"type": "int"}], "column 0 has no name"),
        ([{"name": ""}], "column 0 has no name"),
        ([{"name": "a"}, {"name": "a"}], "not 'a' twice"),
        ([{"name": "a", "tpye": "int"}], r"'tpye' \(did you mean 'type'\?\)"),
        ([{"name": "a", "type": "interger"}], r"'interger' \(did you mean 'integer'\?\)"),
        ([{"name": "a", "type": None}], "is of 'None'"),
        ([{"name": "a", "required": "yes"}], "True or False as required of 'a'"),
        ([{"name": "a", "required": True, "default": 1}], "a default only of a column that is not required"),
        ([{"name": "a", "collection_type": "Set"}], "collection_type list"),
        ([{"name": "a", "categories": "x"}], "a list of values as categories"),
    ],
    ids=repr,
)
def test_columns_that_are_none_are_refused_and_told_what_is_allowed(given: Any, allowed: str) -> None:
    with pytest.raises(ValueError, match=allowed):
        columns_from(given)


def test_columns_may_be_said_in_short_and_are_read_again_as_they_were() -> None:
    assert columns_from({"a": int, "b": "float", "c": list}) == [
        {"name": "a", "type": "integer"},
        {"name": "b", "type": "number"},
        {"name": "c", "type": "any", "collection_type": "list"},
    ]
    assert columns_from('{"a": "int"}') == [{"name": "a", "type": "integer"}]
    assert columns_from([{"name": "a", "type": "int", "required": True, "default": None}])[0]["required"] is True
    assert columns_from(COLUMNS) == COLUMNS
    closed = profile(plain, columns_from([{"name": "a", "type": "str", "categories": ["x", "y"]}]))
    assert refused(Decoder(closed.main), [{"a": "z"}]) == [(("X", 0, "a"), "category")]


def test_a_class_is_one_of_pydantic_or_the_place_of_one() -> None:
    assert row_from(Customer) is Customer
    assert row_from(f"{__name__}:Customer") is Customer
    for wrong in (dict, Customer(age=1), "Customer", "no.such:Customer", f"{__name__}:Nobody", 5, BaseModel):
        with pytest.raises(ValueError, match="a class of pydantic"):
            row_from(wrong)


def test_iris_answers_alike_under_given_columns() -> None:
    model = logistic_on_arrays()
    found = profile(model, columns_from(dict.fromkeys("abcd", "number")))
    records = [dict(zip("abcd", row, strict=True)) for row in iris_array().tolist()]
    assert np.array_equal(model.predict(given_to(Decoder(found.main), records)), model.predict(iris_array()))
