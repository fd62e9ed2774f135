"""Bodies that are broken, or that come to far more than they are: refused in a sentence, before it is unpacked."""

from __future__ import annotations

import random
import struct
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from nbserve.core.codecs import Body, Bounds, Decoder, sent_as
from nbserve.core.codecs.media.pages import footer_of
from nbserve.core.codecs.media.thrift import Broken, read_struct
from nbserve.core.schema import Container, DataArgument, DataKind, Datatype, Feature, Signature
from nbserve.errors import BodyError, BodyTooLarge, InputError, NbserveError
from tests.bodies import TYPES, arrow, npy, parquet

LIMIT = 1024**2
NUMBERS = Decoder(
    Signature("predict", DataArgument("X", DataKind.MATRIX, Container.NUMPY, (Feature("a", Datatype.NUMBER),), 1))
)
TEXTS = Decoder(
    Signature(
        "predict", DataArgument("X", DataKind.TABLE, Container.PANDAS, (Feature("a", Datatype.STRING, "str"),), 1)
    )
)
ANYTHING = Decoder(Signature("predict", DataArgument("X", DataKind.VALUE, Container.PANDAS, annotation=pd.DataFrame)))


def asked(kind: str, content: bytes, decode: Decoder = NUMBERS, parameters: str = "") -> Any:
    medium, given = sent_as(TYPES[kind] + parameters)
    assert medium is not None
    return Body(medium, content, Bounds(LIMIT), given).read(decode)


def peak_of(kind: str, content: bytes, decode: Decoder = NUMBERS) -> tuple[int, NbserveError]:
    """What was allocated at most on the way to the refusal, by Python and by Arrow."""
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    with pytest.raises(NbserveError) as raised:
        asked(kind, content, decode)
    peak = tracemalloc.get_traced_memory()[1] + pa.total_allocated_bytes() - before
    tracemalloc.stop()
    return peak, raised.value


def head(shape: str, dtype: str = "'<f8'", order: str = "False") -> bytes:
    text = f"{{'descr': {dtype}, 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


@pytest.mark.parametrize(
    "content",
    [
        head("(1000000000000, 1)") + bytes(64),
        head("(4611686018427387904, 4)") + bytes(64),
        head("(1, 1)") + bytes(7),
        head("(1, 1)") + bytes(9),
        head("(-1, 1)"),
        head("(True, 1)") + bytes(8),
        head("(0, 1000000000000)"),
        head("()") + bytes(8),
        head("(1, 1)", "'|O'") + bytes(8),
        head("(1000000000,)", "'|V0'"),
        head("(1000000000,)", "'<U0'"),
        head("(1000000000,)", "[('a', '<U0')]"),
        head("(1,)", "[('a', '<f8', (2,))]") + bytes(16),
        head("(1,)", "[('a', [('b', '<f8')])]") + bytes(8),
        head("(1, 1)", "'<c16'") + bytes(16),
        head("(1,)", "'<M8'") + bytes(8),
        head("__import__('os')"),
        head("(" * 3000),
        head("(1,)", "'nonsense'"),
        head(str((1,) * 40)) + bytes(8),
        b"\x93NUMPY\x01\x00",
        b"\x93NUMPY\x09\x00" + bytes(100),
        b"\x93NUMPY\x02\x00" + b"\xff\xff\xff\x7f" + bytes(100),
        b"not npy",
        b"\x80\x04\x95pickled",
    ],
)
def test_an_npy_body_is_what_it_says_or_refused(content: bytes) -> None:
    peak, error = peak_of("npy", content)
    assert isinstance(error, BodyError)
    assert peak < 10 * LIMIT


def test_small_numbers_that_grow_beyond_the_limit_are_refused() -> None:
    fitting, beyond = LIMIT // 8, LIMIT // 8 + 1
    assert asked("npy", npy(np.zeros((fitting, 1), dtype="int8"))).rows == fitting
    with pytest.raises(BodyTooLarge, match="more than 1 MiB"):
        asked("npy", npy(np.zeros((beyond, 1), dtype="int8")))


ZEROS = {"a": np.zeros(20_000_000)}


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_a_compressed_stream_is_weighed_before_it_is_unpacked(codec: str) -> None:
    content = arrow(ZEROS, codec)
    peak, error = peak_of("arrow", content)
    assert isinstance(error, BodyTooLarge)
    assert peak < 10 * LIMIT
    assert asked("arrow", arrow({"a": np.zeros(1000)}, codec)).rows == 1000


def test_a_compressed_stream_that_lies_about_its_size_is_refused() -> None:
    content = arrow({"a": np.arange(1000.0)}, "zstd")
    said = struct.pack("<q", 8000)
    assert said in content
    for lie in (1 << 40, -5, 7999, 8001):
        peak, error = peak_of("arrow", content.replace(said, struct.pack("<q", lie)))
        assert isinstance(error, InputError)
        assert peak < 10 * LIMIT


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"a": pa.nulls(1_000_000_000)}),
        pa.table({"a": pa.DictionaryArray.from_arrays(pa.array(np.zeros(200_000, "int8")), pa.array(["x"]))}),
    ],
    ids=["nulls", "a dictionary"],
)
def test_rows_that_take_no_room_count_all_the_same(table: Any) -> None:
    peak, error = peak_of("arrow", arrow(table), TEXTS)
    assert isinstance(error, BodyTooLarge)
    assert peak < 10 * LIMIT


def test_a_long_text_that_stands_in_many_rows_is_weighed_as_often() -> None:
    long = pa.DictionaryArray.from_arrays(pa.array(np.zeros(10_000, "int8")), pa.array(["x" * 10_000]))
    for kind, content in (("arrow", arrow({"a": long})), ("parquet", parquet({"a": long}))):
        peak, error = peak_of(kind, content, TEXTS)
        assert isinstance(error, BodyTooLarge)
        assert peak < 10 * LIMIT
    assert asked("parquet", parquet({"a": ["x", "x"]}), TEXTS).rows == 2


def test_a_stream_of_very_many_batches_is_refused() -> None:
    with pytest.raises(BodyError, match="more than 10,000 batches"):
        asked("arrow", arrow({"a": np.zeros(10_001)}, batch=1))


@pytest.mark.parametrize("kind", ["arrow", "parquet"])
@pytest.mark.parametrize(
    "column",
    [
        pa.array([[1.0]]),
        pa.array([{"b": 1.0}]),
        pa.array([b"x"]),
        pa.array([1], pa.duration("s")),
        pa.array([1], pa.time32("s")),
    ],
    ids=["list", "struct", "bytes", "duration", "time"],
)
def test_a_column_of_anything_but_single_values_is_refused_by_name(kind: str, column: Any) -> None:
    with pytest.raises(BodyError, match=r"Column 'a' is of the type .*, which is not read here|columns inside"):
        asked(kind, {"arrow": arrow, "parquet": parquet}[kind]({"a": column}))


def test_a_column_of_runs_is_refused() -> None:
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([1_000_000_000], pa.int32()), pa.array([1.0]))
    with pytest.raises(BodyError, match="run_end_encoded"):
        asked("arrow", arrow({"a": runs}))


def test_two_columns_of_one_name_are_refused() -> None:
    twice = pa.Table.from_arrays([pa.array([1.0]), pa.array([2.0])], names=["a", "a"])
    for kind, content in (("arrow", arrow(twice)), ("parquet", parquet(twice)), ("csv", b"a,a\n1,2\n")):
        with pytest.raises(BodyError, match="two columns 'a'"):
            asked(kind, content)


def test_text_that_points_outside_of_its_buffer_is_refused() -> None:
    content = bytearray(arrow({"a": ["abc", "de"]}))
    at = bytes(content).index(struct.pack("<iii", 0, 3, 5))
    content[at : at + 12] = struct.pack("<iii", 0, 3, 1 << 30)
    with pytest.raises(BodyError, match="no column of their type can"):
        asked("arrow", bytes(content), TEXTS)


@pytest.mark.parametrize("options", [{}, {"use_dictionary": False}, {"data_page_version": "2.0"}], ids=str)
@pytest.mark.parametrize("codec", ["zstd", "gzip", "snappy", "brotli", "lz4"])
def test_a_packed_file_is_weighed_before_it_is_unpacked(codec: str, options: dict[str, Any]) -> None:
    content = parquet({"a": np.zeros(2_000_000)}, compression=codec, **options)
    peak, error = peak_of("parquet", content)
    assert isinstance(error, BodyTooLarge)
    assert peak < 10 * LIMIT
    assert asked("parquet", parquet({"a": np.zeros(1000)}, compression=codec, **options)).rows == 1000


def varint(number: int) -> bytes:
    number <<= 1
    found = b""
    while number >= 128:
        found += bytes([number & 127 | 128])
        number >>= 7
    return found + bytes([number])


def test_a_file_whose_footer_lies_about_sizes_is_weighed_by_its_pages() -> None:
    rows = 100_000
    content = parquet({"a": ["x" * 1000] * rows}, compression="zstd", use_dictionary=False, write_statistics=False)
    size = int.from_bytes(content[-8:-4], "little")
    pages, footer, end = content[: -8 - size], content[-8 - size : -8], content[-8:]
    for number in (rows,):  # so few rows, says the footer
        assert varint(number) in footer
        footer = footer.replace(varint(number), varint(20_000))
    peak, error = peak_of("parquet", pages + footer + end, TEXTS)
    assert isinstance(error, BodyTooLarge)
    assert peak < 10 * LIMIT


def test_rows_of_nothing_in_a_file_count_all_the_same() -> None:
    for table in ({"a": pa.nulls(1_000_000)}, {"a": np.zeros(200_000)}):
        _, error = peak_of("parquet", parquet(table))
        assert isinstance(error, BodyTooLarge)


def test_an_encoding_that_repeats_long_text_for_nothing_is_refused() -> None:
    content = parquet({"a": ["x" * 100] * 10}, use_dictionary=False, column_encoding={"a": "DELTA_BYTE_ARRAY"})
    with pytest.raises(BodyError, match="DELTA_BYTE_ARRAY is not read here"):
        asked("parquet", content, TEXTS)


def test_a_long_footer_and_very_many_groups_are_refused() -> None:
    with pytest.raises(BodyError, match=r"footer is too long|too many columns and groups"):
        asked("parquet", parquet({"a": np.zeros(11_000)}, row_group_size=1))


@pytest.mark.parametrize(
    "content",
    [b"PAR1", b"PAR1PAR1", b"PAR1" + b"\xff\xff\xff\x7f" + b"PAR1", b"PAR1\x00\x01\x00\x00\x00PAR1", b"x" * 100],
)
def test_what_is_no_parquet_file_is_refused(content: bytes) -> None:
    with pytest.raises(BodyError, match="not a Parquet file"):
        asked("parquet", content)


@pytest.mark.parametrize(
    "content",
    [
        b"\x15\x02\x15\x04",  # no end
        b"\x15\x02\x05\x02\x04\x00",  # field 1 once more
        b"\x15\xff\xff\xff\xff\x7f\x00",  # more than 32 bits
        b"\x19\xf5\xff\xff\xff\x7f",  # a list of so many
        b"\x1c" * 50,  # too deep
        b"\x18\x7fabc",  # text without an end
        b"\x1b\x00\x00",  # a map
    ],
)
def test_structs_that_two_readers_may_take_for_different_things_are_refused(content: bytes) -> None:
    with pytest.raises(Broken):
        read_struct(content, 0, len(content))
    with pytest.raises(Broken):
        footer_of(content, 0, len(content))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b'a\n"1', "not CSV"),
        (b'a\n"1"2\n', "not CSV"),
        (b"a\n\xff\n", "not UTF-8"),
        (b"a,b\n1\n", "Row 0 has 1 value, the header has 2"),
        (b"a\n1\n2,3\n", "Row 1 has 2 values, the header has 1"),
        (b"1\n2\n", "cannot be told"),
        (b"a\n" + b"1" * 200_000, "not CSV"),
    ],
)
def test_broken_csv_is_refused_with_its_place(content: bytes, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        asked("csv", content)


def test_cells_that_only_python_takes_for_numbers_are_none() -> None:
    for cell in ("1_000", "٣", "0x10", "1e", "--1"):
        with pytest.raises(InputError, match="Feature 'a' expects a number, row 1"):
            asked("csv", f"a\n1\n{cell}\n".encode())
    call = asked("csv", b"a\n 1\n2.5e3 \n-.5\n+1e-2\n")
    assert NUMBERS.placement.data_of(call).ravel().tolist() == [1, 2500, -0.5, 0.01]


def test_the_header_of_csv_is_where_it_is_said_to_be() -> None:
    assert NUMBERS.placement.data_of(asked("csv", b"1\n2\n", parameters="; header=absent")).tolist() == [[1], [2]]
    with pytest.raises(InputError, match="unknown column '1'"):
        asked("csv", b"1\n2\n", parameters="; header=present")
    with pytest.raises(InputError, match="unknown column 'b'"):
        asked("csv", b"b\n2\n")
    assert NUMBERS.placement.data_of(asked("csv", b"\xef\xbb\xbfa\r\n1\r\n\r\n2")).tolist() == [[1], [2]]


SEEDS: dict[str, tuple[str, Callable[[], bytes], Decoder]] = {
    "npy": ("npy", lambda: npy(np.arange(9.0).reshape(9, 1)), NUMBERS),
    "arrow": ("arrow", lambda: arrow({"a": np.arange(9.0)}), NUMBERS),
    "arrow, text": ("arrow", lambda: arrow({"a": ["x", "yy"]}, "lz4"), TEXTS),
    "arrow, a dictionary": ("arrow", lambda: arrow({"a": pa.array(["x", "y", "x"]).dictionary_encode()}), TEXTS),
    "arrow, moments": ("arrow", lambda: arrow({"a": pa.array([1, 2], pa.timestamp("us", "UTC"))}), ANYTHING),
    "parquet": ("parquet", lambda: parquet({"a": np.arange(9.0)}), NUMBERS),
    "parquet, text": ("parquet", lambda: parquet({"a": ["x", "yy"]}, compression="zstd"), TEXTS),
    "parquet, pages": ("parquet", lambda: parquet({"a": ["x"] * 9}, data_page_version="2.0", row_group_size=4), TEXTS),
    "csv": ("csv", lambda: b'a\n1\n"2"\n3.5\n', NUMBERS),
}


@pytest.mark.parametrize("name", SEEDS)
def test_any_change_of_a_body_is_read_or_refused_and_nothing_else(name: str) -> None:
    kind, make, decode = SEEDS[name]
    whole, draw = make(), random.Random(4)
    for _ in range(400):
        changed = bytearray(whole)
        if draw.random() < 0.2:
            del changed[draw.randrange(len(changed)) :]
        for _ in range(draw.choice((0, 1, 1, 3))):
            if changed:
                changed[draw.randrange(len(changed))] = draw.choice((0, 127, 255, draw.randrange(256)))
        try:
            asked(kind, bytes(changed), decode)
        except InputError as error:
            assert error.problem  # noqa: PT017 - most are refused, some are read
