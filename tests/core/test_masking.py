"""Marked fields are masked in every form that they can be sent, answered and complained about in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nbserve.core.masking import MASKED, Mask, Part
from nbserve.core.schema import DataArgument, DataKind, Feature, Parameter, Signature

FEATURES = tuple(map(Feature, ("age", "name", "fare")))
TABLE = Signature("predict", DataArgument("X", DataKind.TABLE, features=FEATURES), (Parameter("limit"),))
UNNAMED = Signature("predict", DataArgument("X", DataKind.MATRIX, width=3), (Parameter("limit"),))
SECRET = "secret"


def masked(
    value: Any, *names: str, signature: Signature | None = TABLE, part: Part = Part.REQUEST, may_show: bool = False
) -> Any:
    body = Mask(names or ("age", "name")).applied(json.dumps(value).encode(), part, signature)
    assert body is not None
    assert may_show or SECRET.encode() not in body
    return json.loads(body)


REQUESTS: list[tuple[Any, Any]] = [
    ({"X": [{"age": SECRET, "name": SECRET, "fare": 7}]}, {"X": [{"age": MASKED, "name": MASKED, "fare": 7}]}),
    ({"X": [[SECRET, SECRET, 7]]}, {"X": [[MASKED, MASKED, 7]]}),
    ([[SECRET, SECRET, 7]], [[MASKED, MASKED, 7]]),
    ([{"age": SECRET, "fare": 7}], [{"age": MASKED, "fare": 7}]),
    ({"X": {"age": [SECRET], "fare": [7]}}, {"X": {"age": MASKED, "fare": [7]}}),
    ({"X": {"age": SECRET, "fare": 7}}, {"X": {"age": MASKED, "fare": 7}}),
    ({"inputs": [[SECRET, SECRET, 7]], "limit": 3}, {"inputs": [[MASKED, MASKED, 7]], "limit": 3}),
    # what is wrong is masked too, for nobody knows what it was meant to be
    ({"X": [[SECRET, SECRET]]}, {"X": [MASKED]}),
    ({"X": [[SECRET, SECRET, 7, 8]]}, {"X": [MASKED]}),
    ({"X": [SECRET, SECRET, 7]}, {"X": [MASKED, MASKED, MASKED]}),
    ({"X": SECRET}, {"X": MASKED}),
    ({"X": [{"Age": SECRET, "AGE": SECRET, "aeg": SECRET}]}, {"X": [dict.fromkeys(("Age", "AGE", "aeg"), MASKED)]}),
    (
        {"x": [{"fare": {"age": SECRET, "of": [{"name": SECRET}]}}]},
        {"x": [{"fare": {"age": MASKED, "of": [{"name": MASKED}]}}]},
    ),
    ({"aeg": SECRET, "age": SECRET}, {"aeg": MASKED, "age": MASKED}),
    ({"limit": {"age": SECRET}}, {"limit": {"age": MASKED}}),
    (SECRET, MASKED),
    ([SECRET], [MASKED]),
    ({}, {}),
    ([], []),
]


@pytest.mark.parametrize(("sent", "expected"), REQUESTS, ids=lambda value: json.dumps(value)[:60])
def test_requests_are_masked_in_every_form(sent: Any, expected: Any) -> None:
    assert masked(sent) == expected


def test_rows_of_a_model_without_names_are_masked_whole_unless_what_is_marked_is_elsewhere() -> None:
    sent = {"X": [[1, 2, 3]], "limit": SECRET}
    assert masked(sent, "limit", signature=UNNAMED) == {"X": [[1, 2, 3]], "limit": MASKED}
    assert masked(sent, "limit", "age", signature=UNNAMED) == {"X": [MASKED], "limit": MASKED}


def test_of_a_method_that_there_is_not_names_alone_are_known() -> None:
    sent = {"X": [[SECRET]], "age": SECRET, "of": {"age": SECRET}}
    assert masked(sent, signature=None) == {"X": [MASKED], "age": MASKED, "of": {"age": MASKED}}


def test_an_argument_is_masked_under_each_of_its_names() -> None:
    sent = {"input": [[SECRET]]}
    assert masked(sent, "X", signature=UNNAMED) == {"input": MASKED}
    assert masked({"X": [[1]], "limit": SECRET}, "X", "LIMIT", signature=UNNAMED) == {"X": MASKED, "limit": MASKED}


def test_a_method_with_any_keywords_shows_those_that_are_not_marked() -> None:
    signature = Signature("predict", None, (), accepts_any_keyword=True)
    assert masked({"age": SECRET, "other": 1}, signature=signature) == {"age": MASKED, "other": 1}


def test_a_mask_follows_a_new_signature_of_the_same_method() -> None:
    mask = Mask(["age"])
    turned = Signature("predict", DataArgument("X", DataKind.TABLE, features=FEATURES[::-1]))
    for signature, expected in ((TABLE, [[MASKED, 2, 3]]), (turned, [[1, 2, MASKED]]), (TABLE, [[MASKED, 2, 3]])):
        body = mask.applied(b"[[1,2,3]]", Part.REQUEST, signature)
        assert json.loads(body or b"") == expected


# --- answers


def answered(result: Any, *names: str, outputs: tuple[str, ...] = ()) -> Any:
    signature = Signature("predict", TABLE.data, outputs=tuple(map(Feature, outputs)))
    return masked({"predict_result": result}, *names, signature=signature, part=Part.ANSWER)["predict_result"]


def test_answers_are_masked_by_name_by_output_and_where_they_repeat_what_came_in() -> None:
    assert answered([{"age": SECRET, "score": 1}]) == [{"age": MASKED, "score": 1}]
    assert answered([[SECRET, SECRET, 7]]) == [[MASKED, MASKED, 7]]
    assert answered([[0.1, SECRET]], "ill", outputs=("well", "ill")) == [[0.1, MASKED]]
    assert answered([SECRET], "prediction", outputs=("prediction",)) == [MASKED]
    assert answered(SECRET, "predict_result") == MASKED
    assert answered([1, 2, 3]) == [1, 2, 3]
    assert answered([[1, 2]]) == [[1, 2]]
    assert answered([[1, 2, 3]], outputs=("a", "b", "c")) == [[1, 2, 3]]
    assert answered({"age": SECRET, "more": [{"name": SECRET}]}) == {"age": MASKED, "more": [{"name": MASKED}]}


# --- errors


def error(code: str = "input_invalid", *faults: tuple[list[Any], str], words: str = SECRET) -> dict[str, Any]:
    detail = [{"loc": loc, "msg": msg, "type": "number_expected"} for loc, msg in faults]
    return {"error": words, "code": code, "remedy": words, "detail": detail, "predict_id": "1"}


@pytest.mark.parametrize(
    "loc", [["X", 3, "age"], ["X", 3, 0], ["X", "age", 3], ["X", 3], [], ["age"], ["X", 3, 9], [3, 1]]
)
def test_an_error_about_a_marked_field_or_about_nobody_knows_what_has_no_words(loc: list[Any]) -> None:
    shape = masked(error("input_invalid", (loc, SECRET)), part=Part.ERROR)
    assert shape == {**error("input_invalid", (loc, MASKED), words=MASKED)}


@pytest.mark.parametrize("loc", [["X", 3, "fare"], ["X", 3, 2], [3, 2]])
def test_an_error_about_another_feature_keeps_them(loc: list[Any]) -> None:
    shape = error("input_invalid", (loc, "holds 'n/a'"), words="holds 'n/a'")
    assert masked(shape, part=Part.ERROR) == shape
    both = error("input_invalid", (loc, SECRET), (["X", 4, "age"], SECRET))
    assert masked(both, part=Part.ERROR)["error"] == MASKED


def test_names_that_were_sent_and_are_none_of_the_models_are_masked_in_places() -> None:
    """A first line of data that was read as a header is quoted as names."""
    shape = masked(error("input_invalid", (["X", SECRET], SECRET)), part=Part.ERROR)
    assert shape["detail"][0]["loc"] == ["X", MASKED]


@pytest.mark.parametrize(("code", "is_told"), [("model_failed", False), ("body_invalid", False), ("busy", True)])
def test_what_a_model_says_of_its_data_is_masked_and_what_is_not_about_data_is_told(code: str, is_told: bool) -> None:
    shape = masked(error(code), part=Part.ERROR, may_show=is_told)
    assert (shape["error"] == SECRET) is is_told
    assert shape["code"] == code
    assert shape["predict_id"] == "1"


# --- CSV


def csv(text: str, *names: str, signature: Signature = TABLE, part: Part = Part.REQUEST) -> str | None:
    body = Mask(names or ("age", "name")).applied(text.encode(), part, signature, is_csv=True)
    assert body is None or SECRET.encode() not in body
    return None if body is None else body.decode().replace("\r\n", "\n")


def test_columns_of_csv_are_masked_by_header_and_by_place() -> None:
    assert csv('fare,age\n7,"se,cret"\n8,secret\n') == f"fare,age\n7,{MASKED}\n8,{MASKED}\n"
    assert csv("Age,fare\nsecret,7\n") == f"Age,fare\n{MASKED},7\n"
    assert csv("secret,secret,7\n") == f"{MASKED},{MASKED},7\n"
    assert csv("\ufeffage,fare\nsecret,7\n") == f"age,fare\n{MASKED},7\n"


def test_csv_that_is_wrong_is_masked_where_it_might_be_marked() -> None:
    assert csv("age,nmae,fare\nsecret,secret,7\n") == f"age,nmae,fare\n{MASKED},{MASKED},7\n"
    assert csv("age,fare\nsecret,7,secret\n") == f"age,fare\n{MASKED}\n"
    assert csv("secret,7\n") is None
    assert csv('age\n"secret') is None
    assert csv("secret,7\n", signature=UNNAMED) is None
    assert csv("") == ""


def test_answers_in_csv_are_masked_by_their_header() -> None:
    outputs = Signature("predict", TABLE.data, outputs=(Feature("well"), Feature("ill")))
    assert csv("well,ill\n1,secret\n", "ill", signature=outputs, part=Part.ANSWER) == f"well,ill\n1,{MASKED}\n"
    assert csv("predict_result\n1\n", part=Part.ANSWER) == "predict_result\n1\n"
    assert csv("age,name,fare\nsecret,secret,7\n", part=Part.ANSWER) == f"age,name,fare\n{MASKED},{MASKED},7\n"
    assert csv("0,1,2\nsecret,secret,7\n", part=Part.ANSWER) == f"{MASKED},{MASKED},2\n{MASKED},{MASKED},7\n"
