"""Every option's check, on both sides of each of its limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel

from nbserve.errors import OptionError
from nbserve.options import OPTIONS, Options, check_name, environment_options, option_names, options_from
from nbserve.readers import RESERVED_NAMES


class Row(BaseModel):
    age: int


GOOD: list[tuple[str, Any, Any]] = [
    ("name", "a", "a"),
    ("name", "Iris-2.v_1", "Iris-2.v_1"),
    ("name", "7", "7"),
    ("name", "a" * 64, "a" * 64),
    ("port", 0, 0),
    ("port", "65535", 65535),
    ("host", "0.0.0.0", "0.0.0.0"),
    ("host", "[::1]", "::1"),
    ("host", "FD00:0::1", "fd00::1"),
    ("host", "box_1.example.", "box_1.example."),
    ("host", "a" * 254, "a" * 254),
    ("certfile", "cert.pem", "cert.pem"),
    ("certfile", Path("a b/cert.pem"), "a b/cert.pem"),
    ("keyfile", "/key.pem", "/key.pem"),
    ("token", False, False),
    ("token", True, True),
    ("token", "off", False),
    ("path", "/model", "model"),
    ("path", "model", "model"),
    ("path", "/model/", "model"),
    ("eager", True, True),
    ("eager", "1", True),
    ("trust", True, True),
    ("trust", "No", False),
    ("model_class", "Net", "Net"),
    ("model_class", "package.nets:Net", "package.nets:Net"),
    ("model_class", dict, dict),
    ("load_deadline_s", "1ms", 0.001),
    ("load_deadline_s", "10m", 600.0),
    ("artifact_limit", "1", 1),
    ("artifact_limit", "8GiB", 8 * 1024**3),
    ("cache", "~/models", "~/models"),
    ("cache", Path("models"), "models"),
    ("cache_limit", "1B", 1),
    ("cache_limit", "100GB", 100_000_000_000),
    ("cache_limit", "2TB", 2_000_000_000_000),
    ("cache_limit", "1TiB", 1024**4),
    ("idle_s", "10m", 600.0),
    ("idle_s", 0.5, 0.5),
    ("budget", "2GB", 2_000_000_000),
    ("budget", 1, 1),
    ("budget", "none", 0),
    ("budget", 0, 0),
    ("threads", "1", 1),
    ("threads", 64, 64),
    ("queue", 1, 1),
    ("queue", "1000000", 1_000_000),
    ("deadline_s", "1ms", 0.001),
    ("deadline_s", "500ms", 0.5),
    ("deadline_s", "30s", 30.0),
    ("deadline_s", "30", 30.0),
    ("deadline_s", 2.5, 2.5),
    ("deadline_s", ".5 s", 0.5),
    ("deadline_s", "2m", 120.0),
    ("deadline_s", "1H", 3600.0),
    ("deadline_s", "1.5d", 129_600.0),
    *((name, "3650d", 315_360_000.0) for name in ("deadline_s", "result_ttl_s", "load_deadline_s", "idle_s")),
    ("result_ttl_s", "1ms", 0.001),
    ("result_ttl_s", "10m", 600.0),
    ("body_limit", "1", 1),
    ("body_limit", 1000, 1000),
    ("body_limit", "500kB", 500_000),
    ("body_limit", "64MiB", 64 * 1024**2),
    ("body_limit", "1.5 GB", 1_500_000_000),
    ("batch", "auto", "auto"),
    ("batch", "on", "on"),
    ("batch", "off", "off"),
    ("batch", True, "on"),
    ("batch", False, "off"),
    *(("mode", mode, mode) for mode in ("auto", "direct", "queue", "batch")),
    ("max_requests", 1, 1),
    ("max_requests", "1000000", 1_000_000),
    ("max_rows", "1", 1),
    ("max_rows", 1_000_000_000, 1_000_000_000),
    ("columns", {"age": int}, [{"name": "age", "type": "integer"}]),
    ("columns", '[{"name": "age"}]', [{"name": "age", "type": "any"}]),
    ("row", Row, Row),
    ("row", f"{__name__}:Row", Row),
    *(("container", each, each) for each in ("numpy", "pandas", "polars", "list", "records", "torch")),
    *(("container", each, each) for each in ("tensorflow", "sparse")),
    ("dtype", "float32", "float32"),
    ("dtype", "uint8", "uint8"),
    ("loop", "own", "own"),
    ("loop", "kernel", "kernel"),
    ("capture", False, False),
    ("capture", "on", True),
    ("mask", "age", ("age",)),
    ("mask", " name, age,name ", ("age", "name")),
    ("mask", ["the name", "age"], ("age", "the name")),
]

BAD: list[tuple[str, Any, str]] = [
    *((name, "3650.1d", "3650d at most") for name in ("deadline_s", "result_ttl_s", "load_deadline_s", "idle_s")),
    ("idle_s", 1e300, "3650d at most"),
    ("name", "", "letters, digits"),
    ("name", "a b", "letters, digits"),
    ("name", "a/b", "letters, digits"),
    ("name", "-a", "beginning with a letter or digit"),
    ("name", ".hidden", "beginning with a letter or digit"),
    ("name", "iris\n", "letters, digits"),
    ("name", "é", "letters, digits"),
    ("name", "a" * 65, "64 at most"),
    ("name", 3, "letters, digits"),
    *(("name", reserved, "a name other than docs") for reserved in sorted(RESERVED_NAMES)),
    ("port", -1, "a whole number from 0 to 65535"),
    ("port", 65536, "a whole number from 0 to 65535"),
    ("port", "http", "a whole number from 0 to 65535"),
    ("port", True, "a whole number from 0 to 65535"),
    ("port", 80.0, "a whole number from 0 to 65535"),
    *(("host", given, "a number or a name of this machine") for given in ("", "http://box", "box:80", "*", "a b", 0)),
    ("host", "fe80::1%eth0", "a number or a name of this machine"),
    ("host", "a" * 255, "a number or a name of this machine"),
    ("host", "box-", "a number or a name of this machine"),
    ("certfile", "", "the path of a PEM file"),
    ("certfile", "a\0b", "the path of a PEM file"),
    ("keyfile", b"key.pem", "the path of a PEM file"),
    ("keyfile", True, "the path of a PEM file"),
    ("token", "secret", "True or False"),
    ("token", 0, "True or False"),
    ("path", "", "a path of one part"),
    ("path", "/", "a path of one part"),
    ("path", "/v1/model", "letters, digits"),
    ("path", "//model", "letters, digits"),
    ("path", 3, "a path of one part"),
    ("eager", "soon", "True or False"),
    ("eager", 1, "True or False"),
    ("trust", "me", "True or False"),
    ("model_class", "Net(4)", "a class or a function"),
    ("model_class", "", "a class or a function"),
    ("model_class", 4, "a class or a function"),
    ("load_deadline_s", 0, "a time above 0"),
    ("artifact_limit", 0, "a size of 1 byte or more"),
    ("artifact_limit", "none", "a size of 1 byte or more"),
    ("cache", "", "the path of a folder"),
    ("cache", "a\0b", "the path of a folder"),
    ("cache", 3, "the path of a folder"),
    ("cache_limit", 0, "a size of 1 byte or more"),
    ("cache_limit", "all", "a size of 1 byte or more"),
    ("idle_s", "0s", "a time above 0"),
    ("idle_s", True, "a time above 0"),
    ("budget", "0GB", "a size of 1 byte or more"),
    ("budget", False, "a size of 1 byte or more"),
    ("budget", "much", "a size of 1 byte or more"),
    ("threads", 0, "a whole number from 1 to 64"),
    ("threads", 65, "a whole number from 1 to 64"),
    ("queue", 0, "a whole number from 1 to 1000000"),
    ("queue", 1_000_001, "a whole number from 1 to 1000000"),
    ("deadline_s", 0, "a time above 0"),
    ("deadline_s", "0ms", "a time above 0"),
    ("deadline_s", -1, "a time above 0"),
    ("deadline_s", "nan", "a time above 0"),
    ("deadline_s", "inf", "a time above 0"),
    ("deadline_s", "2 days", "a time above 0"),
    ("deadline_s", "5MiB", "a time above 0"),
    ("deadline_s", "9" * 400, "a time above 0"),
    ("deadline_s", True, "a time above 0"),
    ("result_ttl_s", 0, "a time above 0"),
    ("result_ttl_s", "0s", "a time above 0"),
    ("body_limit", 0, "a size of 1 byte or more"),
    ("body_limit", "0.5", "a size of 1 byte or more"),
    ("body_limit", -1, "a size of 1 byte or more"),
    ("body_limit", "9" * 400, "a size of 1 byte or more"),
    ("body_limit", "5s", "a size of 1 byte or more"),
    ("body_limit", "1e3", "a size of 1 byte or more"),
    ("batch", "yes", "'auto' or 'on' or 'off'"),
    ("batch", 1, "'auto' or 'on' or 'off'"),
    ("mode", "batching", "'auto' or 'direct' or 'queue' or 'batch'"),
    ("mode", True, "'auto' or 'direct' or 'queue' or 'batch'"),
    ("max_requests", 0, "a whole number from 1 to 1000000"),
    ("max_requests", 1_000_001, "a whole number from 1 to 1000000"),
    ("max_rows", "0", "a whole number from 1 to 1000000000"),
    ("max_rows", 1_000_000_001, "a whole number from 1 to 1000000000"),
    ("columns", [], "name"),
    ("columns", {"age": "years"}, "the types number, integer"),
    ("row", dict, "a class of pydantic"),
    ("row", "Row", "a class of pydantic"),
    ("container", "array", "'numpy' or 'pandas'"),
    ("container", dict, "'numpy' or 'pandas'"),
    ("dtype", "float", "'float32' or 'float64'"),
    ("dtype", "int128", "'float32' or 'float64'"),
    ("loop", "main", "'own' or 'kernel'"),
    ("loop", 1, "'own' or 'kernel'"),
    ("capture", "some", "True or False"),
    ("capture", 0, "True or False"),
    ("mask", "", "names of fields"),
    ("mask", "age,", "names of fields"),
    ("mask", [], "names of fields"),
    ("mask", ["age", 1], "names of fields"),
    ("mask", True, "names of fields"),
]


@pytest.mark.parametrize(("name", "given", "read"), GOOD, ids=str)
def test_what_is_allowed_is_read(name: str, given: Any, read: Any) -> None:
    value = getattr(options_from({name: given}), name)
    assert value == read
    assert type(value) is type(read)


@pytest.mark.parametrize(("name", "given", "allowed"), BAD, ids=repr)
def test_what_is_not_allowed_is_refused_and_told_what_is(name: str, given: Any, allowed: str) -> None:
    with pytest.raises(OptionError) as refused:
        options_from({name: given})
    assert name.removesuffix("_s").replace("_", "-") in refused.value.problem
    assert repr(given)[:200] in refused.value.problem
    assert refused.value.remedy.startswith("Allowed: ")
    assert allowed in refused.value.remedy


def test_every_option_is_tried_on_both_sides() -> None:
    names = {option.name for option in OPTIONS}
    assert {name for name, *_ in GOOD} == {name for name, *_ in BAD} == names


def test_an_unknown_option_is_told_the_nearest_and_all() -> None:
    with pytest.raises(
        OptionError, match=r"no option 'nmae'. Did you mean 'name'\? There are artifact_limit, batch, body_limit, "
    ):
        options_from({"nmae": "iris"})


def test_none_is_the_default_of_each() -> None:
    assert options_from({option.name: None for option in OPTIONS}) == Options() == options_from({})


def test_a_name_alone_is_checked_alike() -> None:
    assert check_name("iris") == "iris"
    with pytest.raises(OptionError, match="name cannot be 'docs'"):
        check_name("docs")


def test_the_flags_are_what_people_type() -> None:
    assert [option.flag for option in OPTIONS] == [
        *("--name", "--path", "--port", "--host", "--certfile", "--keyfile"),
        *("--no-token", "--threads", "--queue", "--batch", "--mode"),
        *("--max-requests", "--max-rows", "--deadline", "--result-ttl", "--body-limit"),
        *("--columns", "--row", "--container", "--dtype", "--loop"),
        *(
            "--eager",
            "--trust",
            "--model-class",
            "--load-deadline",
            "--artifact-limit",
            "--cache",
            "--cache-limit",
            "--idle",
            "--budget",
        ),
        *("--no-capture", "--mask"),
    ]
    assert all(option.help and option.help[-1] != "." for option in OPTIONS)


def test_a_path_is_the_name_in_another_form() -> None:
    assert options_from({"path": "/model"}).wanted_name == "model"
    assert options_from({"path": "/model", "name": "model"}).wanted_name == "model"
    assert options_from({"name": "iris"}).wanted_name == "iris"
    assert options_from({}).wanted_name is None
    with pytest.raises(OptionError, match="two names for one endpoint"):
        options_from({"path": "/model", "name": "iris"})


@pytest.mark.parametrize(
    ("mode", "other", "why"),
    [
        ("direct", {"batch": "on"}, "--mode direct and --batch on exclude each other: a direct call shares no run."),
        ("direct", {"queue": "5"}, "--mode direct and --queue 5 exclude each other: no direct call waits."),
        ("queue", {"batch": True}, "--mode queue and --batch on exclude each other: calls in a queue share no run."),
        ("queue", {"threads": 2}, "--mode queue and --threads 2 exclude each other: calls in a queue run one after"),
        ("batch", {"batch": "off"}, "--mode batch and --batch off exclude each other: they say the opposite"),
    ],
)
def test_options_that_contradict_each_other_are_refused_and_a_default_gives_way(
    mode: str, other: dict[str, Any], why: str
) -> None:
    for given, shared in (({"mode": mode, **other}, {}), ({}, {"mode": mode, **other})):
        with pytest.raises(OptionError) as refused:
            options_from(given, shared)
        assert refused.value.problem.startswith(why)
        assert refused.value.remedy == "Leave one of them away."
    assert options_from({"mode": mode}, other) == Options(mode=mode)
    assert options_from(other, {"mode": mode}) == options_from(other)


def test_columns_are_said_once() -> None:
    with pytest.raises(OptionError, match="say both what the columns are"):
        options_from({"columns": {"age": "int"}, "row": Row})


def test_what_agrees_with_a_mode_may_be_said_beside_it() -> None:
    assert options_from({"mode": "batch", "batch": "on", "threads": 2, "queue": 5}).sharing == "on"
    assert options_from({"mode": "queue", "batch": "off", "threads": 1, "queue": 5}).sharing == "off"
    assert options_from({"mode": "direct", "batch": "auto", "threads": 4}).sharing == "off"
    assert [options_from({"batch": batch}).sharing for batch in ("auto", "on", "off")] == ["auto", "on", "off"]


def test_what_is_given_goes_before_what_all_endpoints_share() -> None:
    shared = {"threads": "2", "idle_s": "1m"}
    assert options_from({"threads": 3, "idle_s": None}, shared) == Options(threads=3, idle_s=60.0)


def test_the_environment_sets_what_all_endpoints_share_and_no_name() -> None:
    environment = {"NBSERVE_BUDGET": "2GB", "NBSERVE_LOAD_DEADLINE": "5s", "NBSERVE_NAME": "x", "NBSERVE_IDLE": ""}
    assert environment_options(environment) == {"budget": "2GB", "load_deadline_s": "5s"}
    with pytest.raises(OptionError, match="budget cannot be 'much'"):
        options_from({}, environment_options({"NBSERVE_BUDGET": "much"}))


@pytest.mark.parametrize("name", option_names())
@pytest.mark.parametrize("wrong", [np.zeros((3, 3)), pd.DataFrame(np.zeros((99, 3))), b"\0\n" * 999], ids=type)
def test_whatever_is_given_is_refused_in_one_short_line(name: str, wrong: Any) -> None:
    with pytest.raises(OptionError, match=r"^[a-z-]+ cannot be ") as refused:
        options_from({name: wrong})
    assert "\n" not in str(refused.value)
    assert len(refused.value.problem) < 350
    assert "ambiguous" not in refused.value.remedy


def test_a_dtype_may_be_numpys_own() -> None:
    given = ["float32", np.float32, np.dtype("float32"), np.dtype("int8"), bool]
    assert [options_from({"dtype": each}).dtype for each in given] == ["float32"] * 3 + ["int8", "bool"]
    for wrong in (np.dtype("datetime64[ns]"), np.str_, str):
        with pytest.raises(OptionError, match="dtype cannot be"):
            options_from({"dtype": wrong})


def test_all_but_what_is_of_one_model_has_a_default_for_all() -> None:
    assert {option.name for option in OPTIONS if not option.is_shared} == {
        "name", "path", "columns", "row", "model_class"
    }  # fmt: skip
    said = environment_options({"NBSERVE_CONTAINER": "numpy", "NBSERVE_DTYPE": "float32", "NBSERVE_COLUMNS": "[]"})
    assert said == {"container": "numpy", "dtype": "float32"}
