"""The schema of a request and its decoder agree about what is valid."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nbserve.core.codecs import Decoder, parse_json, request_schema, response_schema
from nbserve.core.schema import Container, DataArgument, DataKind, Datatype, Feature, Parameter, Signature
from nbserve.errors import BodyError, InputError
from tests.malformed import CASES, PASSENGER, SIGNATURES, Malformed


@dataclass
class Place:
    name: str
    rooms: list[int]


@dataclass
class Tree:
    value: int
    children: list[Tree]


PARAMETERS = (
    Parameter("k", Datatype.INTEGER, default=3, nullable=False),
    Parameter("weights", choices=("uniform", "distance"), default="uniform", nullable=False),
    Parameter("scale", Datatype.NUMBER, required=True),
    Parameter("rest", Datatype.STRING, is_variadic=True),
)

SHAPES = {
    **SIGNATURES,
    "matrix with names": Signature(
        "predict",
        DataArgument(
            "X",
            DataKind.MATRIX,
            Container.NUMPY,
            features=tuple(Feature(name, Datatype.NUMBER) for name in ("x0", "x1")),
        ),
    ),
    "small dtypes": Signature("predict", DataArgument("X", DataKind.MATRIX, Container.NUMPY, width=2, dtype="uint8")),
    "all datatypes": Signature(
        "predict",
        DataArgument(
            "X",
            DataKind.TABLE,
            Container.PANDAS,
            features=tuple(
                Feature(str(datatype), datatype, nullable=i % 2 == 0) for i, datatype in enumerate(Datatype)
            ),
        ),
    ),
    "moment": Signature(
        "predict", DataArgument("X", DataKind.TABLE, Container.PANDAS, features=(Feature("when", Datatype.DATETIME),))
    ),
    "parameters beside data": Signature("kneighbors", DataArgument("X", DataKind.MATRIX, width=2), PARAMETERS),
    "parameters only": Signature("f", None, PARAMETERS),
    "any": Signature("f", DataArgument("value")),
    "annotated": Signature("f", DataArgument("place", annotation=Place)),
    "no arguments": Signature("f"),
}


def is_valid(signature: Signature, payload: Any) -> bool:
    validator = jsonschema.Draft202012Validator(
        request_schema(signature), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    return validator.is_valid(payload)


def is_taken(signature: Signature, payload: Any) -> bool:
    try:
        Decoder(signature)(payload)
    except InputError:
        return False
    return True


@pytest.mark.parametrize("shape", SHAPES)
def test_the_schema_is_one_and_needs_nothing_outside_of_it(shape: str) -> None:
    schema = request_schema(SHAPES[shape])
    jsonschema.Draft202012Validator.check_schema(schema)
    assert "$ref" not in json.dumps(schema)


# JSON Schema has no words for these
_BEYOND_SCHEMA = {"columns of two lengths"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_what_the_decoder_refuses_is_invalid_by_the_schema(case: Malformed) -> None:
    try:
        payload = parse_json(case.body)
    except BodyError:
        return
    assert is_valid(SIGNATURES[case.model], payload) == (case.id in _BEYOND_SCHEMA)


GOOD: list[tuple[str, Any]] = [
    ("iris", {"X": [[1, 2, 3, None]]}),
    ("iris", {"x": [[1, 2, 3, True]]}),
    ("iris", {"data_for_predict": [[1, 2, 3, 4.5]]}),
    ("iris", [[1, 2, 3, 4]]),
    ("titanic", [PASSENGER]),
    ("titanic", {"X": PASSENGER}),
    ("titanic", {"inputs": {name: [value] for name, value in PASSENGER.items()}}),
    ("titanic", {"X": [list(PASSENGER.values())]}),
    ("texts", ["a"]),
    ("texts", {"X": [""]}),
    ("matrix with names", [{"x0": 1, "x1": 2}]),
    ("matrix with names", [[1, 2]]),
    ("small dtypes", [[0, 255.0]]),
    (
        "all datatypes",
        {"X": {"number": 1, "integer": 2, "boolean": 0, "string": "a", "datetime": "2020-01-02T03:04:05Z", "any": "x"}},
    ),
    ("moment", [["2020-01-02"]]),
    ("moment", [["2020-01-02T03:04"]]),
    ("moment", [["2020-01-02T03:04:05.123+02:00"]]),
    ("parameters beside data", {"X": [[1, 2]], "scale": 1}),
    ("parameters beside data", {"instances": [[1, 2]], "scale": None, "k": 2.0, "weights": "distance", "rest": ["a"]}),
    ("parameters only", {"scale": 1.5}),
    ("parameters only", {"X": 1.5}),
    ("any", {"value": None}),
    ("any", {"X": {"a": 1}}),
    ("any", [1, "a"]),
    ("annotated", {"X": {"name": "a", "rooms": [1, 2.0]}}),
    ("no arguments", {}),
]
BAD: list[tuple[str, Any]] = [
    ("iris", [[1, 2, 3]]),
    ("iris", {"X": [[1, 2, 3, 4]], "x": [[1, 2, 3, 4]]}),
    ("small dtypes", [[0, 256]]),
    ("small dtypes", [[0, 0.5]]),
    ("matrix with names", [{"x0": 1}]),
    ("matrix with names", [[1, None]]),
    ("parameters beside data", {"X": [[1, 2]]}),
    ("parameters beside data", [[1, 2]]),
    ("parameters beside data", {"input": [[1, 2]], "x": [[1, 2]], "scale": 1}),
    ("parameters beside data", {"scale": 1}),
    ("parameters beside data", {"X": [[1, 2]], "scale": 1, "k": True}),
    ("parameters beside data", {"X": [[1, 2]], "scale": 1, "k": None}),
    ("parameters beside data", {"X": [[1, 2]], "scale": 1, "weights": "none"}),
    ("parameters beside data", {"X": [[1, 2]], "scale": 1, "rest": "a"}),
    ("parameters only", {"k": 1}),
    ("moment", [["2020-13-02"]]),
    ("moment", [["today"]]),
    ("moment", [[1577934245]]),
    ("any", {}),
    ("annotated", {"X": {"name": "a", "rooms": [1.5]}}),
    ("annotated", {"X": {"name": "a"}}),
    ("no arguments", {"a": 1}),
    ("no arguments", []),
]


@pytest.mark.parametrize(("shape", "payload"), GOOD)
def test_a_good_request_is_valid_and_taken(shape: str, payload: Any) -> None:
    assert is_valid(SHAPES[shape], payload)
    assert is_taken(SHAPES[shape], payload)


@pytest.mark.parametrize(("shape", "payload"), BAD)
def test_a_bad_request_is_invalid_and_refused(shape: str, payload: Any) -> None:
    assert not is_valid(SHAPES[shape], payload)
    assert not is_taken(SHAPES[shape], payload)


_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-300, 300),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["male", "S", "2020-01-02", "x", "uniform"]),
)
_ROWS = st.lists(
    st.lists(_LEAVES, min_size=1, max_size=5) | st.fixed_dictionaries({"x0": _LEAVES, "x1": _LEAVES}), max_size=2
)
_RECORDS = st.fixed_dictionaries(dict.fromkeys(PASSENGER, _LEAVES))
_DATA = st.one_of(_LEAVES, _ROWS, _RECORDS, st.lists(_RECORDS, max_size=2), st.lists(_LEAVES, max_size=3))
_PAYLOADS = st.one_of(
    _DATA,
    st.fixed_dictionaries({"X": _DATA}, optional={"scale": _LEAVES, "k": _LEAVES, "input": _DATA, "weights": _LEAVES}),
    st.fixed_dictionaries({"instances": _DATA}, optional={"scale": _LEAVES}),
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from([shape for shape in SHAPES if shape != "all datatypes"]), _PAYLOADS)
def test_schema_and_decoder_never_disagree(shape: str, payload: Any) -> None:
    assert is_valid(SHAPES[shape], payload) == is_taken(SHAPES[shape], payload)


def test_a_recursive_annotation_is_cut_where_it_leads_back_to_itself() -> None:
    schema = request_schema(Signature("f", DataArgument("tree", annotation=Tree)))
    jsonschema.Draft202012Validator.check_schema(schema)
    assert "$ref" not in json.dumps(schema)


def test_the_example_is_shown_and_defaults_are_told() -> None:
    example = {"X": [[1.0, 2.0]], "scale": 1}
    schema = request_schema(Signature("f", DataArgument("X", DataKind.MATRIX, width=2), PARAMETERS, example=example))
    assert schema["examples"] == [example]
    properties = schema["anyOf"][0]["properties"]
    assert (properties["k"]["default"], properties["k"]["title"]) == (3, "k")
    assert "default" not in properties["scale"]


def test_an_answer_is_an_array_only_where_rows_are_answered_one_by_one() -> None:
    outputs = (Feature("setosa", Datatype.NUMBER),)
    known = response_schema(Signature("predict_proba", DataArgument("X"), outputs=outputs, row_wise=True))
    assert known["properties"]["predict_result"]["type"] == "array"
    unknown = response_schema(Signature("predict", DataArgument("X")))
    assert "type" not in unknown["properties"]["predict_result"]
    assert known["required"] == unknown["required"] == ["predict_result"]
