"""Requests that must be refused, and how: one list for the codec's tests and for those over HTTP.

Three models: ``iris`` takes four numbers a row; ``titanic`` a table of age (number), fare (number or null), sex
(``male``, ``female``) and embarked (``S``, ``C``, ``Q`` or null); ``texts`` a list of strings. All call their data X.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from nbserve.core.schema import Container, DataArgument, DataKind, Datatype, Feature, Signature

__all__ = ["CASES", "PASSENGER", "SIGNATURES", "Malformed"]


@dataclass(frozen=True, slots=True)
class Malformed:
    """A request, where its first fault is, and words that the refusal must hold."""

    id: str
    body: bytes
    model: str
    loc: tuple[str | int, ...]
    says: str


PASSENGER: dict[str, Any] = {"age": 3, "fare": 7.25, "sex": "male", "embarked": "S"}
"""A row that the titanic model accepts."""

SIGNATURES = {
    "iris": Signature("predict", DataArgument("X", DataKind.MATRIX, Container.NUMPY, width=4), row_wise=True),
    "titanic": Signature(
        "predict",
        DataArgument(
            "X",
            DataKind.TABLE,
            Container.PANDAS,
            features=(
                Feature("age", Datatype.NUMBER, "float64"),
                Feature("fare", Datatype.NUMBER, "float64", nullable=True),
                Feature("sex", Datatype.STRING, "str", categories=("male", "female"), closed=True),
                Feature("embarked", Datatype.STRING, "str", nullable=True, categories=("S", "C", "Q"), closed=True),
            ),
            width=4,
        ),
        row_wise=True,
    ),
    "texts": Signature("predict", DataArgument("X", DataKind.TEXTS), row_wise=True),
}


def _with(**changes: Any) -> dict[str, Any]:
    return {**PASSENGER, **changes}


def _without(name: str) -> dict[str, Any]:
    return {key: value for key, value in PASSENGER.items() if key != name}


def _case(name: str, model: str, payload: Any, loc: tuple[str | int, ...], says: str) -> Malformed:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Malformed(name, body, model, loc, says)


_ROW = [5.1, 3.5, 1.4, 0.2]
_DEEP = b'{"X": ' + b"[" * 5000 + b"]" * 5000 + b"}"

CASES = [
    # no JSON at all
    _case("empty body", "iris", b"", (), "The body is empty"),
    _case("blank body", "iris", b" \n ", (), "The body is empty"),
    _case("plain text", "iris", b"hello", (), "The body is not JSON"),
    _case("form data", "iris", b"X=1&y=2", (), "The body is not JSON"),
    _case("python quotes", "iris", b"{'X': [[1, 2, 3, 4]]}", (), "line 1, column 2"),
    _case("cut off", "iris", b'{"X": [[5.1, 3.5', (), "The body is not JSON"),
    _case("trailing comma", "iris", b'{"X": [[1, 2, 3, 4],]}', (), "The body is not JSON"),
    _case("trailing text", "iris", b'{"X": [[1, 2, 3, 4]]} !', (), "The body is not JSON"),
    _case("comment", "iris", b'{"X": [[1, 2, 3, 4]]} // rows', (), "The body is not JSON"),
    _case("fault on the second line", "iris", b'{"X":\n [[1, 2, 3, x]]}', (), "line 2"),
    _case("NaN", "iris", b'{"X": [[1, 2, 3, NaN]]}', (), "NaN at line 1, column 18 is not JSON"),
    _case("Infinity", "iris", b'{"X": [[1, 2, 3, Infinity]]}', (), "Infinity at line 1"),
    _case("minus Infinity", "iris", b'{"X": [[1, 2, 3, -Infinity]]}', (), "-Infinity at line 1"),
    _case("number beyond doubles", "iris", b'{"X": [[1, 2, 3, 1e999]]}', (), "is too large"),
    _case("invalid UTF-8", "texts", b'{"X": ["\xff\xfe"]}', (), "The body is not UTF-8: byte 8"),
    _case("latin-1", "texts", '{"X": ["café"]}'.encode("latin-1"), (), "The body is not UTF-8"),
    _case("UTF-16", "texts", '{"X": ["a"]}'.encode("utf-16"), (), "The body is not UTF-8"),
    _case("byte order mark", "iris", b'\xef\xbb\xbf{"X": [[1, 2, 3, 4]]}', (), "byte order mark"),
    _case("half a surrogate pair", "texts", rb'{"X": ["\ud800"]}', (), "half a character"),
    _case("deep nesting", "iris", _DEEP, (), "nested too deeply"),
    # JSON of another form
    _case("a number", "iris", 5, (), "The body is a number"),
    _case("a string", "iris", "rows", (), "The body is a string"),
    _case("null", "iris", None, (), "The body is null"),
    _case("true", "iris", True, (), "The body is true"),
    _case("no argument", "iris", {}, ("X",), "The argument 'X' is missing"),
    _case("unknown argument", "iris", {"Xs": [_ROW]}, ("Xs",), "Unknown argument 'Xs'. Did you mean 'X'"),
    _case("unknown argument beside X", "iris", {"X": [_ROW], "k": 3}, ("k",), "Unknown argument 'k'"),
    _case("the data twice", "iris", {"X": [_ROW], "inputs": [_ROW]}, ("inputs",), "are the same argument"),
    _case("the data twice by aliases", "iris", {"input": [_ROW], "instances": [_ROW]}, ("instances",), "the same"),
    # rows of another form
    _case("X is null", "iris", {"X": None}, ("X",), "'X' is null, not a list of rows"),
    _case("X is a number", "iris", {"X": 1.5}, ("X",), "'X' is 1.5, not a list of rows"),
    _case("X is a string", "iris", {"X": "1,2,3,4"}, ("X",), "not a list of rows"),
    _case("no rows", "iris", {"X": []}, ("X",), "'X' is empty"),
    _case("no rows, bare", "iris", [], (), "The body is empty"),
    _case("one flat row", "iris", {"X": _ROW}, ("X",), "'X' holds 5.1, not rows"),
    _case("one flat row, bare", "iris", _ROW, (), "not rows"),
    _case("an empty row", "iris", {"X": [[]]}, ("X", 0), "Row 0 has 0 values, the model expects 4"),
    _case("a short row", "iris", {"X": [_ROW, _ROW, _ROW[:3]]}, ("X", 2), "Row 2 has 3 values, the model expects 4"),
    _case("a long row", "iris", {"X": [[*_ROW, 1]]}, ("X", 0), "Row 0 has 5 values"),
    _case("far too many values", "iris", {"X": [[0] * 5000]}, ("X", 0), "Row 0 has 5000 values"),
    _case("a row that is null", "iris", {"X": [_ROW, None]}, ("X", 1), "Row 1 is null, not a list"),
    _case("a row that is a number", "iris", {"X": [_ROW, 7]}, ("X", 1), "Row 1 is 7, not a list"),
    _case("a row that is an object", "iris", {"X": [_ROW, {"a": 1}]}, ("X", 1), "Row 1 is an object, not a list"),
    _case("three levels", "iris", {"X": [[_ROW]]}, ("X", 0), "Row 0 has 1 value"),
    _case("names where none are known", "iris", {"X": [{"a": 1}]}, ("X",), "column names, the model knows none"),
    _case("columns where none are known", "iris", {"X": {"a": [1]}}, ("X",), "column names, the model knows none"),
    # values of another type
    _case("a number in quotes", "iris", {"X": [[5.1, 3.5, 1.4, "0.2"]]}, ("X", 0, 3), "'0.2'"),
    _case("a word for a number", "iris", {"X": [_ROW, [1, "n/a", 3, 4]]}, ("X", 1, 1), "'n/a'"),
    _case("a list for a number", "iris", {"X": [[1, 2, 3, [4]]]}, ("X", 0, 3), "a list"),
    _case("an object for a number", "iris", {"X": [[1, 2, 3, {}]]}, ("X", 0, 3), "an object"),
    _case("the alias tells the place", "iris", {"instances": [[1, 2, "x", 4]]}, ("instances", 0, 2), "'x'"),
    # tables
    _case("a missing column", "titanic", {"X": [_without("fare")]}, ("X", 0, "fare"), "lacks the column 'fare'"),
    _case(
        "a misspelt column",
        "titanic",
        {"X": [{**_without("age"), "agee": 3}]},
        ("X", 0, "agee"),
        "unknown column 'agee'. Did you mean 'age'",
    ),
    _case("a column too many", "titanic", {"X": [_with(name="Ann")]}, ("X", 0, "name"), "unknown column 'name'"),
    _case("a column in capitals", "titanic", {"X": [{**_without("sex"), "Sex": "male"}]}, ("X", 0, "Sex"), "'sex'"),
    _case("an empty record", "titanic", {"X": [{}]}, ("X", 0, "age"), "lacks the column 'age'"),
    _case("an empty object", "titanic", {"X": {}}, ("X",), "'X' is empty"),
    _case("a short list row", "titanic", {"X": [[3, 7.25, "male"]]}, ("X", 0), "Row 0 has 3 values"),
    _case("a number after records", "titanic", {"X": [PASSENGER, 3]}, ("X", 1), "Row 1 is 3, not an object"),
    _case("a list after records", "titanic", {"X": [PASSENGER, [1]]}, ("X", 1), "Row 1 is a list, not an object"),
    _case("a string for an age", "titanic", {"X": [_with(age="n/a")]}, ("X", 0, "age"), "row 0 holds 'n/a'"),
    _case("an age in quotes", "titanic", {"X": [PASSENGER, _with(age="3")]}, ("X", 1, "age"), "expects a number"),
    _case("a list for an age", "titanic", {"X": [_with(age=[3])]}, ("X", 0, "age"), "row 0 holds a list"),
    _case("a null age", "titanic", {"X": [_with(age=None)]}, ("X", 0, "age"), "does not accept missing values"),
    _case("a null sex", "titanic", {"X": [_with(sex=None)]}, ("X", 0, "sex"), "does not accept missing values"),
    _case("a number for a sex", "titanic", {"X": [_with(sex=1)]}, ("X", 0, "sex"), "row 0 holds 1"),
    _case("an unknown category", "titanic", {"X": [_with(sex="mail")]}, ("X", 0, "sex"), "Did you mean 'male'"),
    _case("a category in capitals", "titanic", {"X": [_with(embarked="q")]}, ("X", 0, "embarked"), "one of"),
    _case("a flat list for a table", "titanic", {"X": [3, 7.25, "male", "S"]}, ("X",), "not rows"),
    _case("columns with one missing", "titanic", {"X": {"age": [3], "sex": ["male"]}}, ("X", "fare"), "'fare'"),
    _case(
        "columns of two lengths",
        "titanic",
        {"X": {"age": [3, 4], "fare": [1], "sex": ["male", "male"], "embarked": ["S", "S"]}},
        ("X", "fare"),
        "Column 'fare' has 1 value, column 'age' has 2",
    ),
    _case(
        "a column that is no list",
        "titanic",
        {"X": {"age": [3], "fare": 1, "sex": ["male"], "embarked": ["S"]}},
        ("X", "fare"),
        "not a list of values",
    ),
    _case(
        "a fault inside a column",
        "titanic",
        {"X": {"age": [3, "old"], "fare": [1, 2], "sex": ["male"] * 2, "embarked": ["S"] * 2}},
        ("X", "age", 1),
        "row 1 holds 'old'",
    ),
    _case(
        "columns without rows",
        "titanic",
        {"X": {"age": [], "fare": [], "sex": [], "embarked": []}},
        ("X",),
        "'X' is empty",
    ),
    _case("one record with a fault", "titanic", {"X": _with(age="old")}, ("X", "age"), "'old'"),
    _case("thirty faults", "titanic", {"X": [_with(age="x")] * 30}, ("X", 0, "age"), "19 more faults at least"),
    # texts
    _case("one string", "texts", {"X": "a text"}, ("X",), "one string, not a list of strings"),
    _case("no texts", "texts", {"X": []}, ("X",), "'X' is empty"),
    _case("a number among texts", "texts", {"X": ["a", 1]}, ("X", 1), "Text 1 is 1, not a string"),
    _case("null among texts", "texts", {"X": [None]}, ("X", 0), "Text 0 is null"),
    _case("texts in rows", "texts", {"X": [["a"]]}, ("X", 0), "Text 0 is a list"),
    _case("an object of texts", "texts", {"X": {"a": "b"}}, ("X",), "not a list of strings"),
    _case("null texts", "texts", {"X": None}, ("X",), "not a list of strings"),
]
