"""Which format a request is in, and which it is answered in."""

from __future__ import annotations

from typing import Any

import pytest

from nbserve.core.codecs import accepted, arguments_of, sent_as
from nbserve.errors import InputError, MediaTypeError, NotAcceptable

ARROW, NPY, CSV = "application/vnd.apache.arrow.stream", "application/x-npy", "text/csv"
PARQUET = "application/vnd.apache.parquet"
JSON = "application/json"


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("application/json", JSON),
        ("application/*", JSON),
        ("text/html,application/xhtml+xml,*/*;q=0.8", JSON),
        (NPY, NPY),
        (NPY.upper(), NPY),
        (f"{NPY}, */*", NPY),
        (f"{NPY};q=0.5, {ARROW}", ARROW),
        (f"{NPY};q=0.5, application/json;q=0.4", NPY),
        (f"{NPY};q=0.3, application/json;q=0.4", JSON),
        (f"{NPY};q=0, */*", JSON),
        (f"application/json;q=0, {CSV}", CSV),
        (f"{CSV}, {NPY}", CSV),
        (f"{NPY}, {CSV}", NPY),
        ("text/csv; header=present", CSV),
        ("application/x-parquet", PARQUET),
        ("text/json", JSON),
    ],
)
def test_what_is_wanted_most_is_answered(accept: str, wanted: str) -> None:
    medium = accepted(accept)
    assert (JSON if medium is None else medium.type) == wanted


@pytest.mark.parametrize("accept", ["image/png", "text/html", "application/json;q=0", f"{NPY};q=nonsense"])
def test_what_cannot_be_written_is_refused_with_what_can(accept: str) -> None:
    with pytest.raises(NotAcceptable) as raised:
        accepted(accept)
    assert raised.value.remedy == f"Accept one of {JSON}, {ARROW}, {NPY}, {CSV}, {PARQUET}."


@pytest.mark.parametrize(
    ("content_type", "title", "parameters"),
    [
        ("application/json; charset=UTF-8", None, {"charset": "UTF-8"}),
        ("application/problem+json", None, {}),
        (ARROW, "Arrow", {}),
        ('text/csv; charset="utf-8"; header=absent', "CSV", {"charset": "utf-8", "header": "absent"}),
        ("Application/X-NPY", "npy", {}),
        ("application/parquet", "Parquet", {}),
    ],
)
def test_a_content_type_names_a_format(content_type: str, title: str | None, parameters: Any) -> None:
    medium, given = sent_as(content_type)
    assert (None if medium is None else medium.title) == title
    assert given == parameters


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/octet-stream",
        "text/csv; charset=latin-1",
        "application/json; charset=utf-16",
        "",
        "text/csv; header=maybe",
    ],
)
def test_any_other_content_type_is_refused(content_type: str) -> None:
    with pytest.raises(MediaTypeError):
        sent_as(content_type)


def test_arguments_of_a_query_are_json_where_they_can_be() -> None:
    query = b"k=3&exact=true&name=km&other=%22x%22&none=null&list=[1,2]&empty=&token=secret&plus=a+b%26"
    assert arguments_of(query) == {
        "k": 3,
        "exact": True,
        "name": "km",
        "other": "x",
        "none": None,
        "list": [1, 2],
        "empty": "",
        "plus": "a b&",
    }
    assert arguments_of(b"") == {}


@pytest.mark.parametrize("query", [b"k=1&k=2", b"k=%ff", b"a=1&" * 1001])
def test_a_query_that_says_no_one_thing_is_refused(query: bytes) -> None:
    with pytest.raises(InputError):
        arguments_of(query)
