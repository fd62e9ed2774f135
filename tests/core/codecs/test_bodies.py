"""Bytes become values, and the codecs need no library that the user has not imported."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import pytest

from nbserve.core.codecs import Call, Decoder, parse_json
from nbserve.core.schema import Parameter, Signature
from nbserve.errors import BodyError, InputError
from tests.malformed import SIGNATURES


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"X": [[1, 2.5, true, null, "\xc3\xa9"]]}', {"X": [[1, 2.5, True, None, "é"]]}),
        (b" [] ", []),
        (bytearray(b"1"), 1),
        (b"18446744073709551615", 2**64 - 1),
        (b"18446744073709551616", float(2**64)),
    ],
)
def test_json_is_read(body: bytes, value: Any) -> None:
    assert parse_json(body) == value
    assert type(parse_json(body)) is type(value)


def test_words_about_numbers_inside_strings_are_no_fault() -> None:
    assert parse_json(b'["NaN", "Infinity"]') == ["NaN", "Infinity"]
    with pytest.raises(InputError, match="not JSON: "):
        parse_json(b'["NaN", x]')


def test_a_long_wrong_word_is_refused_quickly() -> None:
    began = time.process_time()
    with pytest.raises(InputError, match="Unknown argument") as caught:
        Decoder(SIGNATURES["iris"])({"X" * 10_000_000: 1})
    assert caught.value.faults[0].loc == ("X" * 200,)
    assert time.process_time() - began < 1


def test_the_codecs_import_no_heavy_library() -> None:
    script = (
        "import sys, nbserve.core.codecs as codecs\n"
        "from nbserve.core.schema import Signature, DataArgument, Parameter\n"
        "call = codecs.decode(Signature('f', DataArgument('X'), (Parameter('k'),)), {'X': [1], 'k': 2})\n"
        "codecs.encode({1: call})\n"
        "heavy = {'numpy', 'pandas', 'scipy', 'pydantic', 'fastapi', 'polars', 'torch'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_body_is_needed_where_no_argument_is() -> None:
    optional = Decoder(Signature("f", None, (Parameter("k", default=3),)))
    for decoder in (Decoder(Signature("f")), optional):
        for body in (b"", b" \n", b"{}"):
            assert decoder.from_bytes(body) == Call((), {}, None)
    assert optional.from_bytes(b'{"k": 4}').kwargs == {"k": 4}


@pytest.mark.parametrize(("body", "problem"), [(b"", "The body is empty."), (b"a: 1", "The body is not JSON")])
def test_a_body_that_cannot_be_read_is_answered_with_one_that_works(body: bytes, problem: str) -> None:
    signature = Signature("f", None, (Parameter("a", required=True),), example={"a": 1})
    with pytest.raises(BodyError, match=problem) as refused:
        Decoder(signature).from_bytes(body)
    assert refused.value.remedy == 'Send JSON like {"a":1}.'
