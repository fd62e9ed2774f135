"""Answers that are awkward to write as JSON, and what a client must read: one list for all the tests that need it.

`make` builds the value anew each time, since some can be read only once. The libraries are imported inside.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, OrderedDict, UserDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from fractions import Fraction
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import polars as pl
import pydantic
import scipy.sparse

__all__ = ["OUTPUTS", "REFUSED", "Output", "Refused"]


@dataclass(frozen=True, slots=True)
class Output:
    """A value, and what its JSON says."""

    id: str
    make: Callable[[], Any]
    expected: Any


@dataclass(frozen=True, slots=True)
class Refused:
    """A value without a JSON form, and words of the refusal."""

    id: str
    make: Callable[[], Any]
    says: str


class Colour(Enum):
    RED = 1


class Level(IntEnum):
    HIGH = 3


class Kind(StrEnum):
    CAT = "cat"


Point = namedtuple("Point", "x y")


@dataclass
class Box:
    label: str
    score: Any = None
    _cache: list[int] = field(default_factory=list)


class Item(pydantic.BaseModel):
    name: str
    when: date


class Word(str):
    __slots__ = ()


class Half(float):
    pass


def _counted(count: int) -> Iterator[int]:
    yield from range(count)


def _itself() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def _nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def _object_circle() -> Box:
    box = Box("a")
    box.score = {"inner": box}
    return box


_RECORDS = np.array([(1, 2.5), (2, math.nan)], dtype=[("a", int), ("b", float)])

OUTPUTS = [
    # numbers
    Output("None", lambda: None, None),
    Output("nan", lambda: math.nan, None),
    Output("infinities", lambda: [math.inf, -math.inf], [None, None]),
    Output("integer beyond 64 bits", lambda: 2**70, 2**70),
    Output("negative integer beyond 64 bits", lambda: {"n": [-(2**64)]}, {"n": [-(2**64)]}),
    Output("complex", lambda: 1 + 2j, {"real": 1.0, "imag": 2.0}),
    Output("complex nan", lambda: complex(1, math.nan), {"real": 1.0, "imag": None}),
    Output("decimal", lambda: Decimal("1.10"), 1.1),
    Output("decimal nan", lambda: [Decimal("NaN"), Decimal("Infinity")], [None, None]),
    Output("huge decimal", lambda: Decimal(10**30), 10**30),
    Output("decimal beyond doubles", lambda: Decimal("1e999"), None),
    Output("fraction", lambda: Fraction(1, 4), 0.25),
    Output("float subclass", lambda: Half(0.5), 0.5),
    # texts
    Output("str subclass", lambda: Word("a"), "a"),
    Output("half a surrogate pair", lambda: ["\ud800", "a\udc00"], ["�", "a�"]),
    Output("a surrogate pair", lambda: "\ud83d\ude00", "😀"),
    Output("bytes", lambda: b"ab\xff", "YWL/"),
    Output("bytearray", lambda: bytearray(b"ab"), "YWI="),
    Output("memoryview", lambda: memoryview(b"ab"), "YWI="),
    Output("uuid", lambda: UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    Output("path", lambda: PurePosixPath("a/b"), "a/b"),
    Output("enums", lambda: [Colour.RED, Level.HIGH, Kind.CAT], [1, 3, "cat"]),
    # times
    Output("datetime", lambda: datetime(2020, 1, 2, 3, 4, 5), "2020-01-02T03:04:05"),  # noqa: DTZ001
    Output("datetime in UTC", lambda: datetime(2020, 1, 2, tzinfo=UTC), "2020-01-02T00:00:00+00:00"),
    Output(
        "datetime in a zone",
        lambda: datetime(2020, 1, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=-5))),
        "2020-01-02T03:04:05.000006-05:00",
    ),
    Output("date", lambda: date(2020, 1, 2), "2020-01-02"),
    Output("time", lambda: time(1, 2, 3), "01:02:03"),
    Output("time in a zone", lambda: time(1, 2, 3, tzinfo=UTC), "01:02:03+00:00"),
    Output("timedelta", lambda: timedelta(days=1, hours=2, seconds=3.5), "P1DT2H3.5S"),
    Output("negative timedelta", lambda: timedelta(seconds=-90), "-PT1M30S"),
    Output("no time at all", lambda: timedelta(), "PT0S"),
    # containers
    Output("tuple", lambda: (1, (2,)), [1, [2]]),
    Output("named tuple", lambda: Point(1, math.nan), {"x": 1, "y": None}),
    Output("set", lambda: {3}, [3]),
    Output("frozenset", lambda: frozenset({3}), [3]),
    Output("deque", lambda: deque([1, 2]), [1, 2]),
    Output("range", lambda: range(3), [0, 1, 2]),
    Output("generator", lambda: _counted(3), [0, 1, 2]),
    Output("generator of generators", lambda: (_counted(n) for n in (1, 2)), [[0], [0, 1]]),
    Output("map", lambda: map(str, [1]), ["1"]),
    Output("dict views", lambda: [{"a": 1}.keys(), {"a": 1}.values(), {"a": 1}.items()], [["a"], [1], [["a", 1]]]),
    Output("mapping proxy", lambda: MappingProxyType({"a": 1}), {"a": 1}),
    Output("user dict", lambda: UserDict({"a": 1}), {"a": 1}),
    Output(
        "dicts of other classes",
        lambda: [OrderedDict(a=1), Counter("aa"), defaultdict(int, b=2)],
        [{"a": 1}, {"a": 2}, {"b": 2}],
    ),
    Output(
        "keys of many types",
        lambda: {7: "a", None: "b", True: "c", 2.5: "d", date(2020, 1, 2): "e"},
        {"7": "a", "true": "c", "null": "b", "2.5": "d", "2020-01-02": "e"},
    ),
    Output("numpy keys", lambda: {np.int64(1): 1, np.str_("a"): 2, np.float32(0.5): 3}, {"1": 1, "a": 2, "0.5": 3}),
    Output("enum keys", lambda: {Colour.RED: 1, Kind.CAT: 2}, {"1": 1, "cat": 2}),
    Output("tuple keys", lambda: {(1, 2): 3}, {"(1, 2)": 3}),
    Output("dataclass", lambda: Box("a", np.float32(0.1)), {"label": "a", "score": 0.1}),
    Output("pydantic model", lambda: Item(name="a", when=date(2020, 1, 2)), {"name": "a", "when": "2020-01-02"}),
    # numpy
    Output("numpy bool", lambda: [np.bool_(True), np.array([True])], [True, [True]]),
    Output("numpy integers", lambda: [np.int8(-1), np.uint64(2**64 - 1), np.int64(3)], [-1, 2**64 - 1, 3]),
    Output("numpy floats", lambda: [np.float32(0.1), np.float64(0.1), np.longdouble(0.5)], [0.1, 0.1, 0.5]),
    Output("numpy float16", lambda: np.float16(0.5), 0.5),
    Output("numpy nan", lambda: [np.float32("nan"), np.float64("inf"), np.longdouble("nan")], [None, None, None]),
    Output("numpy complex", lambda: np.complex64(1j), {"real": 0.0, "imag": 1.0}),
    Output("numpy text", lambda: [np.str_("a"), np.bytes_(b"ab")], ["a", "YWI="]),
    Output("numpy moment", lambda: np.datetime64("2020-01-02T03:04:05.5", "ns"), "2020-01-02T03:04:05.500000"),
    Output("numpy date", lambda: np.datetime64("2020-01-02"), "2020-01-02"),
    Output("numpy hour", lambda: np.datetime64("2020-01-02T03", "h"), "2020-01-02T03:00:00"),
    Output("numpy NaT", lambda: [np.datetime64("NaT", "s"), np.timedelta64("NaT", "s")], [None, None]),
    Output("numpy durations", lambda: [np.timedelta64(90, "s"), np.timedelta64(2, "M")], ["PT1M30S", "P2M"]),
    Output("numpy void", lambda: np.void(b"ab"), "YWI="),
    Output("numpy record", lambda: _RECORDS[1], {"a": 2, "b": None}),
    Output("structured array", lambda: _RECORDS, [{"a": 1, "b": 2.5}, {"a": 2, "b": None}]),
    Output("array of no dimension", lambda: np.array(5), 5),
    Output("empty array", lambda: np.zeros((0, 3)), []),
    Output("array of empty rows", lambda: np.zeros((2, 0)), [[], []]),
    Output("array with nan", lambda: np.array([[1, math.nan]]), [[1.0, None]]),
    Output("float32 array", lambda: np.array([0.1], dtype="f4"), [0.1]),
    Output("longdouble array", lambda: np.array([0.5], dtype="g"), [0.5]),
    Output("complex array", lambda: np.array([1j]), [{"real": 0.0, "imag": 1.0}]),
    Output("Fortran array", lambda: np.asfortranarray([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    Output("strided array", lambda: np.arange(6)[::-2], [5, 3, 1]),
    Output("big-endian array", lambda: np.array([1, 2], dtype=">i4"), [1, 2]),
    Output("three dimensions", lambda: np.zeros((1, 1, 2)), [[[0.0, 0.0]]]),
    Output("text array", lambda: np.array([["a", "b"]]), [["a", "b"]]),
    Output("object array", lambda: np.array([None, 1, "a", np.float32(0.1)], dtype=object), [None, 1, "a", 0.1]),
    Output("moment array", lambda: np.array(["2020-01-02", "NaT"], "M8[ns]"), ["2020-01-02T00:00:00", None]),
    Output("masked array", lambda: np.ma.array([[1, 2]], mask=[[False, True]]), [[1, None]]),
    Output("masked constant", lambda: [np.ma.masked], [None]),
    Output("matrix", lambda: np.array([[1, 2]]).view(np.matrix), [[1, 2]]),
    # frames and the like
    Output(
        "frame",
        lambda: pd.DataFrame(
            {"a": [1, 2], "b": [1.5, None], "c": ["x", None], 4: pd.to_datetime(["2020-01-02", None])}
        ),
        [
            {"a": 1, "b": 1.5, "c": "x", "4": "2020-01-02T00:00:00"},
            {"a": 2, "b": None, "c": None, "4": None},
        ],
    ),
    Output("frame of float32", lambda: pd.DataFrame({"a": np.array([0.1], dtype="f4")}), [{"a": 0.1}]),
    Output("frame without columns", lambda: pd.DataFrame(index=[0, 1]), [{}, {}]),
    Output("frame without rows", lambda: pd.DataFrame({"a": []}), []),
    Output("series", lambda: pd.Series([1.5, None], index=["a", "b"]), [1.5, None]),
    Output("series of nullable integers", lambda: pd.Series([1, None], dtype="Int64"), [1, None]),
    Output("index", lambda: pd.Index(["a", "b"]), ["a", "b"]),
    Output("multi-index", lambda: pd.MultiIndex.from_tuples([("a", 1)]), [["a", 1]]),
    Output("categorical", lambda: pd.Categorical(["a", None]), ["a", None]),
    Output("pandas nothing", lambda: [pd.NA, pd.NaT], [None, None]),
    Output("timestamp", lambda: pd.Timestamp("2020-01-02T03:04:05.000000006"), "2020-01-02T03:04:05.000000006"),
    Output("pandas duration", lambda: pd.Timedelta("1 days 2 s"), "P1DT2S"),
    Output("period", lambda: pd.Period("2020-01"), "2020-01"),
    Output("interval", lambda: pd.Interval(0, 1), {"left": 0, "right": 1, "closed": "right"}),
    Output(
        "polars frame",
        lambda: pl.DataFrame({"a": [1, None], "b": ["x", "y"]}),
        [{"a": 1, "b": "x"}, {"a": None, "b": "y"}],
    ),
    Output("polars series", lambda: pl.Series([date(2020, 1, 2)]), ["2020-01-02"]),
    Output("sparse matrix", lambda: scipy.sparse.csr_matrix([[0, 1]]), [[0, 1]]),
    Output("sparse array", lambda: scipy.sparse.coo_array([[0.5, 0]]), [[0.5, 0.0]]),
    Output(
        "a bit of all",
        lambda: {"a": [np.arange(2), {1: pd.Series([Point(1, b"ab")])}]},
        {"a": [[0, 1], {"1": [{"x": 1, "y": "YWI="}]}]},
    ),
]

REFUSED = [
    Refused("an object", object, "an object, which has no JSON form"),
    Refused("a function", lambda: len, "a builtin_function_or_method, which has no JSON form"),
    Refused("a class", lambda: Box, "a type, which has no JSON form"),
    Refused("an object inside", lambda: {"a": [1, Box("b", object())]}, "at ['a'][1]['score']"),
    Refused("a list that holds itself", _itself, "holds itself"),
    Refused("a dataclass that holds itself", _object_circle, "holds itself"),
    Refused("far too deep", lambda: _nested(100_000), "nested deeper"),
    Refused("too deep by one", lambda: _nested(255), "nested deeper"),
    Refused("keys that collide", lambda: {1: "a", "1": "b"}, "two keys '1'"),
    Refused("columns that collide", lambda: pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns 'a'"),
    Refused("an endless generator", lambda: itertools.count(), "more than 2,000,000 items"),
    Refused("an endless range", lambda: {"a": range(10**12)}, "more than 2,000,000 items"),
    Refused("a sparse giant", lambda: scipy.sparse.coo_array((10**6, 10**6)), "sparse matrix of 1000000 by 1000000"),
    Refused("an integer of many digits", lambda: 10**5000, "thousands of digits"),
]
