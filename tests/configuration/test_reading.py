"""Files of settings: what is read, and the place and the sentence of everything that is not."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from nbserve.configuration import is_configuration, read_configuration
from nbserve.configuration.document import DEEPEST, LARGEST_BYTES
from nbserve.errors import OptionError


def refused(folder: Path, name: str, text: str | bytes) -> str:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(OptionError) as error:
        read_configuration(file)
    assert str(folder) not in str(error.value)
    return str(error.value)


def read(folder: Path, name: str, text: str) -> dict[str, Any]:
    (folder / name).write_text(text)
    return dict(read_configuration(folder / name).one().layer.given)


BOMB = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))

BAD: list[tuple[str, str | bytes, str]] = [
    # nothing, and what is no file of its kind
    ("a.yaml", "", r"a\.yaml: There are no settings\. Write 'model: FILE'"),
    ("a.yaml", "# nothing\n", "There are no settings"),
    ("a.yaml", "- model\n", "There are no settings"),
    ("a.yaml", "just text", "There are no settings"),
    ("a.json", "", r"a\.json, line 1: This is no JSON: Expecting value"),
    ("a.json", "[1]", "There are no settings"),
    ("a.json", '{"name": "a",\n}', r"a\.json, line [12]: This is no JSON"),
    ("a.toml", "", "There are no settings"),
    ("a.toml", "name: a", r"a\.toml: This is no TOML: .*line 1"),
    ("a.yaml", "name: 'a", r"a\.yaml, line 1: This is no YAML"),
    ("a.yaml", "name: a\n  port: 1", r"a\.yaml, line 2: This is no YAML"),
    ("a.yaml", "name: \x00", "This is no YAML"),
    ("a.yaml", b"name: \xff", r"a\.yaml: Byte 6 is no UTF-8\. Save it as UTF-8"),
    ("a.json", b'{"name": "\xff"}', "Byte 10 is no UTF-8"),
    ("a.toml", b'name = "\xff"', "Byte 8 is no UTF-8"),
    # twice
    ("a.yaml", "port: 1\nname: a\nport: 2", r"a\.yaml, line 3: 'port' is there twice \(first in line 1\)"),
    ("a.json", '{"port": 1, "port": 2}', r"a\.json: 'port' is there twice"),
    ("a.toml", "port = 1\nport = 2", r"a\.toml: This is no TOML: Cannot overwrite a value"),
    ("a.yaml", "deadline: 1\ndeadline_s: 2", r"a\.yaml, line 2, deadline_s: deadline is there twice, in two spellings"),
    ("a.yaml", "endpoints:\n  a: {model: a}\n  a: {model: b}", r"line 3: 'a' is there twice \(first in line 2\)"),
    # names and values
    (
        "a.yaml",
        "name: a\ndedline: 5s",
        r"a\.yaml, line 2, dedline: There is no option 'dedline'\. Did you mean 'deadline'\?",
    ),
    ("a.toml", "dedline = 5", r"a\.toml, dedline: There is no option 'dedline'\. Did you mean 'deadline'\?"),
    ("a.json", '{"modell": "a"}', r"a\.json, modell: There is no option 'modell'\. Did you mean 'model'\?"),
    ("a.yaml", "threads: 0", r"a\.yaml, line 1, threads: threads cannot be 0\. Allowed: a whole number from 1 to 64"),
    ("a.yaml", "threads: [1]", r"threads cannot be \[1\]\. Allowed"),
    ("a.yaml", "threads: {a: 1}", r"threads cannot be {'a': 1}\. Allowed"),
    ("a.yaml", "threads: 1.0", r"threads cannot be 1\.0"),
    ("a.toml", "threads = true", "threads cannot be True"),
    ("a.toml", "deadline = 2024-01-01", "deadline cannot be datetime"),
    ("a.toml", "deadline = inf", "deadline cannot be inf"),
    ("a.toml", "deadline = nan", "deadline cannot be nan"),
    ("a.json", '{"deadline": NaN}', "NaN is no value"),
    ("a.json", '{"deadline": -Infinity}', "-Infinity is no value"),
    ("a.yaml", "deadline: .inf", r"deadline cannot be '\.inf'"),
    ("a.json", '{"queue": ' + "9" * 5000 + "}", "A number is too long"),
    ("a.toml", "queue = " + "9" * 5000, "A number is too long"),
    ("a.yaml", "queue: " + "9" * 5000, "queue cannot be inf"),
    ("a.yaml", "model: [a]", r"a\.yaml, line 1, model: The model is no path and no address"),
    ("a.yaml", "model: ' '", "The model is no path"),
    ("a.yaml", "name: a\npath: /b", "two names for one endpoint"),
    ("a.yaml", "mode: direct\nqueue: 5", "exclude each other"),
    # the pitfalls of YAML
    ("a.yaml", "on: yes", r"line 1, on: There is no option 'on'"),
    ("a.yaml", "name: yes: no", "This is no YAML"),
    ("a.yaml", "deadline: 1:30", r"deadline cannot be '1:30'\. Allowed: a time above 0, such as 30s"),
    ("a.yaml", "threads: 0x10", "threads cannot be '0x10'"),
    ("a.yaml", "<<: {port: 1}", "There is no option '<<'"),
    ("a.yaml", "? [a]\n: 1", "A key is a word"),
    ("a.yaml", "name: a\n---\nname: b", r"a\.yaml, line 2: There is a second document"),
    # what would build objects, or grow
    (
        "a.yaml",
        "name: !!python/object/apply:os.system [id]",
        r"line 1: Tags \(tag:yaml\.org,2002:python/object",
    ),
    ("a.yaml", "name: !!str 1", "Tags .* are not read"),
    ("a.yaml", "!!map {name: a}", "Tags .* are not read"),
    ("a.yaml", "name: !x a", "Tags"),
    ("a.yaml", "!!str name: a", "A key is a word"),
    ("a.yaml", BOMB, r"line 1: Anchors and aliases \(&, \*\) are not read"),
    ("a.yaml", "name: &a b", "Anchors"),
    ("a.yaml", "&a name: b", "A key is a word"),
    ("a.yaml", "name: *a", "Anchors|no YAML"),
    ("a.yaml", "name: " + "[" * 10_000, "nested too deeply"),
    ("a.yaml", "name: " + "{a: " * 10_000, "nested too deeply"),
    ("a.json", '{"name": ' + "[" * 100_000, "nested too deeply"),
    ("a.json", '{"name": ' + "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1) + "}", "nested too deeply"),
    ("a.toml", "name = " + "[" * 50_000, "nested too deeply"),
    ("a.yaml", "#" * (LARGEST_BYTES + 1), "It is larger than 256 KiB"),
    # several
    ("a.yaml", "endpoints:", r"line 1, endpoints: There are no endpoints by name"),
    ("a.yaml", "endpoints: [a]", "There are no endpoints by name"),
    ("a.yaml", "endpoints: {}", "There are no endpoints by name"),
    ("a.yaml", "endpoints:\n  a: a.joblib", r"line 2, endpoints\.a: This is no endpoint"),
    (
        "a.yaml",
        "name: b\nendpoints: {a: {model: a}}",
        r"line 1, name: 'name' is of one endpoint\. Write it",
    ),
    ("a.yaml", "model: b\nendpoints: {a: {model: a}}", r"line 1, model: 'model' is of one endpoint\. Write it"),
    ("a.yaml", "endpoints:\n  a:\n    name: b", r"line 2, endpoints\.a: It has two names"),
    ("a.yaml", "endpoints:\n  a b:\n    model: b", r"line 2, endpoints\.a b: name cannot be 'a b'"),
    ("a.yaml", "endpoints:\n  docs: {}", "a name other than docs"),
    ("a.toml", "[endpoints.a]\nthreads = 0", r"a\.toml, endpoints\.a\.threads: threads cannot be 0"),
    ("a.yaml", "endpoints:\n  a:\n    port: x\n", r"a\.yaml, line 3, endpoints\.a\.port: port cannot be 'x'"),
]


@pytest.mark.parametrize(("name", "text", "sentence"), BAD, ids=range(len(BAD)))
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, name: str, text: str | bytes, sentence: str) -> None:
    told = refused(tmp_path, name, text)
    assert re.search(sentence, told), told
    assert told.startswith(name)
    assert "\n" not in told
    assert len(told) < 6000


def test_the_depth_and_the_size_have_an_end_that_is_allowed(tmp_path: Path) -> None:
    text = json.dumps({"name": "a"})
    assert read(tmp_path, "a.json", text + " " * (LARGEST_BYTES - len(text))) == {"name": "a"}
    deep = "name: " + "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1)
    assert "name cannot be" in refused(tmp_path, "a.yaml", deep)


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("name: 1e3\nthreads: 2", None),
        ("name: '1e3'\nthreads: 2", {"name": "1e3", "threads": 2}),
        ("batch: on", {"batch": "on"}),
        ("batch: off", {"batch": "off"}),
        ("batch: true", {"batch": True}),
        ("token: no", {"token": "no"}),
        ("token: false", {"token": False}),
        ("idle:\nname: null", {"idle_s": None, "name": None}),
        ("idle: ~", {"idle_s": None}),
        ("deadline: .5", {"deadline_s": 0.5}),
        ("deadline: 1e-05", {"deadline_s": 1e-05}),
        ("body-limit: 5 MiB", {"body_limit": "5 MiB"}),
        ("body_limit: +5", {"body_limit": 5}),
        ("{deadline: 5s, port: 0}", {"deadline_s": "5s", "port": 0}),
        ('name: "\\u0061"', {"name": "a"}),
        ("--- \nname: a\n...\n", {"name": "a"}),
        ("\ufeffname: a", {"name": "a"}),
    ],
)
def test_yaml_is_read_as_it_looks(tmp_path: Path, text: str, given: dict[str, Any] | None) -> None:
    if given is None:
        assert "name cannot be 1000.0" in refused(tmp_path, "a.yaml", text)
    else:
        assert read(tmp_path, "a.yaml", text) == given


@pytest.mark.parametrize("name", ["a.ini", "a", "a.py"])
def test_a_file_of_another_name_is_told_what_names_there_are(tmp_path: Path, name: str) -> None:
    assert re.search(r"is no file of settings\. Call it \.yaml", refused(tmp_path, name, "name: a"))
    assert read_configuration(tmp_path / name, "yaml").one().name == "a"


def test_a_missing_file_is_told_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "churn.yaml").write_text("name: a")
    with pytest.raises(OptionError, match=r"There is no file 'chrun\.yaml'\. Did you mean 'churn\.yaml'\?"):
        read_configuration(tmp_path / "chrun.yaml")
    for path in (tmp_path, tmp_path / "folder.yaml" / "x.yaml", "\0.yaml"):
        with pytest.raises(OptionError):
            read_configuration(path)


def test_what_is_there_and_no_file_is_told_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "gone.yaml").symlink_to(tmp_path / "nothing.yaml")
    (tmp_path / "round.yaml").symlink_to("round.yaml")
    os.mkfifo(tmp_path / "pipe.yaml")
    for name, sentence in (("folder", "'folder.yaml' is a folder."), *((n, "is no file") for n in ("gone", "pipe"))):
        with pytest.raises(OptionError, match=sentence) as refused:
            read_configuration(tmp_path / f"{name}.yaml")
        assert "Did you mean" not in str(refused.value)
    with pytest.raises(OptionError, match=r"round\.yaml"):
        read_configuration(tmp_path / "round.yaml")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.yaml", None, True),
        ("A.YML", None, True),
        ("a.toml", None, True),
        ("a.joblib", "", False),
        ("a.json", '{"model": "a.joblib"}', True),
        ("a.json", '{"endpoints": {}}', True),
        ("a.json", '{"learner": {}, "version": [2, 1, 0]}', False),
        ("a.json", '{"model": {}}', False),
        ("a.json", "[", False),
        ("a.json", None, False),
        ("a.json", '{"model": "' + "a" * LARGEST_BYTES + '"}', False),
    ],
)
def test_what_is_a_file_of_settings_and_what_may_be_a_model(
    tmp_path: Path, name: str, text: str | None, expected: bool
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    assert is_configuration(tmp_path / name) is is_configuration(str(tmp_path / name)) is expected


def test_objects_and_addresses_are_no_files_of_settings() -> None:
    assert not any(map(is_configuration, (object(), None, "https://host/a.yaml", b"a.yaml", {"model": "a"})))
