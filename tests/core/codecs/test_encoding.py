"""Any answer is JSON, or is refused in words."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nbserve.core.codecs import encode, to_plain
from nbserve.errors import OutputError
from tests.outputs import OUTPUTS, REFUSED, Output, Refused


def _refuse_constant(name: str) -> Any:
    raise AssertionError(name)


def _strictly_read(body: bytes) -> Any:
    return json.loads(body, parse_constant=_refuse_constant)


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda output: output.id)
def test_an_awkward_answer_has_one_json_form(output: Output) -> None:
    assert _strictly_read(encode(output.make())) == output.expected


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda output: output.id)
def test_the_exact_way_writes_the_same_as_the_quick_one(output: Output) -> None:
    forced = {0: output.make()}  # a key that is no string is beyond the quick way
    assert encode(forced) == b'{"0":' + encode(output.make()) + b"}"


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda output: output.id)
def test_plain_values_are_what_a_client_reads(output: Output) -> None:
    assert to_plain(output.make()) == output.expected


@pytest.mark.parametrize("refused", REFUSED, ids=lambda refused: refused.id)
def test_an_answer_without_a_json_form_is_refused_in_words(refused: Refused) -> None:
    with pytest.raises(OutputError) as caught:
        encode(refused.make())
    assert refused.says in caught.value.problem
    assert caught.value.remedy


def test_254_levels_are_written() -> None:
    body = b"[" * 254 + b"]" * 254
    assert encode(orjson.loads(body)) == body


def test_what_a_generator_raises_is_not_hidden() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise KeyError("column")

    with pytest.raises(KeyError, match="column"):
        encode({"a": failing()})


def test_a_generator_is_read_once_even_when_the_answer_needs_the_exact_way() -> None:
    assert encode({"a": (i for i in range(2)), "b": 2**80, 3: 1}) == b'{"a":[0,1],"b":1208925819614629174706176,"3":1}'


def test_an_array_is_written_by_its_memory_not_by_its_items() -> None:
    array = np.arange(30_000, dtype=float).reshape(1000, 30)
    assert encode(array) == orjson.dumps(array, option=orjson.OPT_SERIALIZE_NUMPY)


class Tensor:
    """Stands for `torch.Tensor`, which is too large to install for a test."""

    def __init__(self, array: Any, dtype: str = "torch.float32", layout: str = "torch.strided") -> None:
        self.array, self.dtype, self.layout = array, dtype, layout
        self.is_detached = self.is_on_cpu = False

    def detach(self) -> Tensor:
        self.is_detached = True
        return self

    def cpu(self) -> Tensor:
        self.is_on_cpu = True
        return self

    def to_dense(self) -> Tensor:
        return Tensor(self.array, self.dtype)

    def float(self) -> Tensor:
        return Tensor(self.array)

    def resolve_conj(self) -> Tensor:
        return self

    def resolve_neg(self) -> Tensor:
        return self

    def numpy(self) -> Any:
        if (self.dtype, self.layout) != ("torch.float32", "torch.strided"):
            raise TypeError(self.dtype)
        return self.array


Tensor.__module__ = "torch"


@pytest.mark.parametrize("dtype", ["torch.float32", "torch.bfloat16"])
@pytest.mark.parametrize("layout", ["torch.strided", "torch.sparse_coo"])
def test_a_tensor_is_known_by_its_name_and_brought_to_the_cpu(dtype: str, layout: str) -> None:
    tensor = Tensor(np.array([[0.5]], dtype="f4"), dtype, layout)
    assert encode({"scores": tensor}) == b'{"scores":[[0.5]]}'
    assert tensor.is_detached
    assert tensor.is_on_cpu


def test_fields_that_start_with_an_underscore_stay_inside() -> None:
    body = encode(next(output.make() for output in OUTPUTS if output.id == "dataclass"))
    assert b"_cache" not in body


def test_attributes_of_unknown_objects_are_not_guessed_at() -> None:
    with pytest.raises(OutputError, match="SimpleNamespace"):
        encode(SimpleNamespace(a=1))


_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(exclude_categories=())),
    st.binary(),
    st.complex_numbers(),
    st.decimals(),
    st.fractions(),
    st.dates(),
    st.datetimes(timezones=st.none() | st.timezones()),
    st.times(),
    st.timedeltas(),
    st.uuids(),
    hnp.arrays(
        st.one_of(
            hnp.floating_dtypes(endianness="?"),
            hnp.integer_dtypes(endianness="?"),
            hnp.boolean_dtypes(),
            hnp.complex_number_dtypes(),
            hnp.datetime64_dtypes(endianness="="),
            hnp.timedelta64_dtypes(endianness="="),
            hnp.unicode_string_dtypes(endianness="=", max_len=3),
            hnp.byte_string_dtypes(endianness="=", max_len=3),
        ),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
    ),
)
_KEYS = st.one_of(st.text(), st.integers(), st.booleans(), st.none(), st.floats(), st.dates(), st.tuples(st.integers()))
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(_KEYS, inner, max_size=4),
        st.lists(inner, max_size=3).map(iter),
        st.lists(inner, max_size=3).map(lambda values: pd.Series(values, dtype=object)),
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(_VALUES)
def test_no_answer_is_ever_invalid_json(value: Any) -> None:
    try:
        body = encode(value)
    except OutputError as error:
        if "two keys" not in error.problem:
            raise
    else:
        _strictly_read(body)


@settings(max_examples=200, deadline=None)
@given(hnp.arrays(hnp.floating_dtypes(sizes=(16, 32, 64), endianness="="), st.integers(0, 5)))
def test_finite_floats_of_every_width_come_back_as_they_were(array: Any) -> None:
    read = _strictly_read(encode(array))
    expected = [float(value) if math.isfinite(value) else None for value in array]
    back = [None if value is None else float(array.dtype.type(value)) for value in read]
    assert back == expected
    assert [_strictly_read(encode(value)) for value in array] == read
