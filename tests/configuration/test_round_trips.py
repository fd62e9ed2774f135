"""What is written is read again: every option, in every format, and by way of endpoints."""

from __future__ import annotations

import tomllib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import pytest
import yaml
from hypothesis import given as given_any
from hypothesis import strategies

from nbserve import Endpoint
from nbserve.configuration import written
from nbserve.configuration.reading import READERS
from nbserve.errors import ModelRefused, OptionError
from nbserve.options import OPTIONS, read_option
from tests.models import IRIS_ROWS, logistic_on_frame
from tests.test_options import GOOD

KINDS = ("yaml", "json", "toml")

in_a_shell = pytest.mark.usefixtures("shell")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    joblib.dump(logistic_on_frame(), tmp_path / "iris.joblib")
    return tmp_path / "iris.joblib"


# --- every option


@pytest.mark.parametrize(("name", "given", "read"), GOOD, ids=str)
def test_what_an_option_has_read_it_reads_again(name: str, given: Any, read: Any) -> None:
    assert read_option(name, read_option(name, given)) == read


IN_FILES = [row for row in GOOD if row[0] != "model_class" or isinstance(row[1], str)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "given", "read"), IN_FILES, ids=str)
def test_every_option_comes_back_from_every_format(tmp_path: Path, name: str, given: Any, read: Any, kind: str) -> None:
    endpoint = Endpoint("model.joblib", **{name: given})
    path = tmp_path / f"a.{kind}"
    getattr(endpoint, f"to_{kind}")(path)
    for back in (
        getattr(Endpoint, f"from_{kind}")(path),
        Endpoint.from_file(path),
        Endpoint.from_dict(endpoint.to_dict()),
    ):
        assert getattr(back.options, name) == read
        assert back.to_dict() == endpoint.to_dict()
        assert {each.name: getattr(back.options, each.name) for each in OPTIONS} == {
            each.name: getattr(endpoint.options, each.name) for each in OPTIONS
        }


@pytest.mark.parametrize("kind", KINDS)
def test_a_class_is_written_as_its_place_unless_a_cell_defines_it(kind: str) -> None:
    assert "collections:OrderedDict" in written({"model_class": OrderedDict}, kind)
    here = type("Here", (), {"__module__": "__main__"})
    with pytest.raises(OptionError, match="which a file cannot hold"):
        written({"model_class": here}, kind)


def test_every_option_has_its_row_of_the_good_ones() -> None:
    assert {name for name, *_ in GOOD} == {option.name for option in OPTIONS}


# --- text that other programs read, too


AWKWARD = [
    "yes",
    "on",
    "null",
    "~",
    "1e3",
    "1.0",
    "007",
    "a: b",
    "# no",
    "é ü",
    "\U0001f600",
    "a\x85\x7f\u2028b",
    '"',
    "\\",
    "'",
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", AWKWARD)
def test_text_stays_text(kind: str, text: str) -> None:
    values = {"name": text, "list": [text, 1, True, {"a b": text, "none": None}], "none": None}
    expected = {"name": text, "list": [text, 1, True, {"a b": text}]}
    assert READERS[kind]("a", written(values, kind)).values == expected
    if kind == "yaml":
        assert yaml.safe_load(written(values, kind)) == expected
    if kind == "toml":
        assert tomllib.loads(written(values, kind)) == expected


_KEYS = strategies.text("ab c")
_NAMES = strategies.from_regex(r"[a-z_]{1,8}", fullmatch=True)
_PLAIN = strategies.recursive(
    strategies.booleans()
    | strategies.integers(-(2**63), 2**63 - 1)
    | strategies.floats(allow_nan=False, allow_infinity=False)
    | strategies.text(strategies.characters(exclude_categories=["Cs"])),
    lambda inner: (
        strategies.lists(inner, max_size=3) | strategies.dictionaries(strategies.text("ab c"), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.mark.fuzz
@given_any(
    strategies.dictionaries(strategies.from_regex(r"[a-z_]{1,8}", fullmatch=True), _PLAIN, min_size=1, max_size=4)
)
def test_whatever_is_plain_comes_back(values: dict[str, Any]) -> None:
    for kind in KINDS:
        assert READERS[kind]("a", written(values, kind)).values == values


def test_what_a_file_cannot_hold_is_said() -> None:
    with pytest.raises(OptionError, match=r"columns is of type object, which a file cannot hold\. Give it in Python"):
        written({"columns": [object()]}, "yaml")
    assert written({"mask": frozenset({"b", "a"}), "hosts": ("a",)}, "yaml") == 'mask: ["a", "b"]\nhosts: ["a"]\n'


# --- endpoints


@in_a_shell
@pytest.mark.parametrize("kind", KINDS)
def test_a_served_file_is_written_and_served_again(file: Path, kind: str) -> None:
    endpoint = Endpoint(file, trust=True, deadline_s="5s").serve()
    path = file.parent / f"settings.{kind}"
    text = getattr(endpoint, f"to_{kind}")(path)
    assert path.read_text() == text
    assert str(file.parent) not in text
    expected = endpoint.predict(IRIS_ROWS.tolist())
    endpoint.stop()
    again = getattr(Endpoint, f"from_{kind}")(path).serve()
    assert again.name == "iris"
    assert again.predict(IRIS_ROWS.tolist()) == expected
    assert (again.options.deadline_s, again.options.trust) == (5.0, True)


def test_a_model_elsewhere_is_written_with_its_whole_path(file: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    text = Endpoint(file).to_yaml(elsewhere / "a.yaml")
    assert f'model: "{file}"' in text
    assert Endpoint(file).to_dict() == Endpoint(str(file)).to_dict() == {"model": str(file)}
    assert "secret" not in Endpoint("https://me:secret@host/a.onnx?key=secret").to_yaml()
    assert Endpoint("s3://bucket/key").to_dict() == {"model": "s3://bucket/key"}


@in_a_shell
@pytest.mark.parametrize("step", [lambda ep: None, lambda ep: ep.load(), lambda ep: ep.serve()])
def test_a_live_object_is_not_written_unless_it_is_told_how(step: Callable[[Endpoint], Any]) -> None:
    endpoint = Endpoint(logistic_on_frame(), name="m", threads=2)
    step(endpoint)
    with pytest.raises(OptionError, match=r"The model of m is an object in memory.* Save it first, and name its file"):
        endpoint.to_yaml()
    assert endpoint.to_dict(model=False) == {"name": "m", "threads": 2}
    assert endpoint.to_toml(model="m.joblib") == 'model = "m.joblib"\nname = "m"\nthreads = 2\n'
    back = Endpoint.from_dict(endpoint.to_dict(model=False), model=logistic_on_frame())
    back.load()
    assert len(back.predict(IRIS_ROWS.tolist())) == len(IRIS_ROWS)
    with pytest.raises(ModelRefused, match="has no model"):
        Endpoint.from_dict(endpoint.to_dict(model=False)).load()


def test_what_is_given_beside_a_file_goes_before_it(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('model = "a.joblib"\nname = "a"\nthreads = 2\nqueue = 5\n')
    endpoint = Endpoint.from_toml(tmp_path / "a.toml", name="b", threads=3)
    assert (endpoint.name, endpoint.options.threads, endpoint.options.queue) == ("b", 3, 5)
    assert "queue" in repr(endpoint.options)
    assert "a.toml" in repr(endpoint.options)


def test_all_endpoints_of_a_file_are_read_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('[endpoints.b]\nmodel = "b.joblib"\n[endpoints.a]\nmodel = "a.joblib"\n')
    assert [each.name for each in Endpoint.all_from_file(tmp_path / "a.toml")] == ["b", "a"]
    assert Endpoint.from_file(tmp_path / "a.toml", name="a").name == "a"


def test_a_place_that_cannot_be_written_is_said_and_nothing_is_left_there(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="cannot be written"):
        Endpoint("a.joblib").to_yaml(tmp_path / "missing" / "a.yaml")
    (tmp_path / "a.yaml").mkdir()
    with pytest.raises(OptionError, match="cannot be written"):
        Endpoint("a.joblib").to_yaml(tmp_path / "a.yaml")
    assert [each.name for each in tmp_path.iterdir()] == ["a.yaml"]
