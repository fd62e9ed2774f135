"""A loader of the user's own: one line, asked before all others, and never the cause of a traceback."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nbserve
from nbserve.core import loaders
from nbserve.core.loaders.registered import registered
from nbserve.errors import LoadError, OptionError
from nbserve.notebook.completion import suggestions
from tests.client import Caller
from tests.conftest import Serve


class Scale:
    def __init__(self, factor: float) -> None:
        self.factor = factor

    def predict(self, X: list[float]) -> list[float]:
        return [self.factor * each for each in X]


def read_scale(path: Path) -> Scale:
    return Scale(float(path.read_text()))


@pytest.fixture(autouse=True)
def cleared() -> Iterator[None]:
    yield
    for loader in registered():
        loaders.unregister_loader(loader.suffixes[0])


@pytest.fixture
def scale(tmp_path: Path) -> Path:
    (tmp_path / "double.abc").write_text("2")
    return tmp_path / "double.abc"


def test_one_line_and_a_file_is_served(scale: Path, serve: Serve, caller: Caller) -> None:
    assert nbserve.register_loader(".abc", read_scale) is read_scale
    ep = serve(scale, name="m", trust=False)
    assert caller.predict("/m/predict", json=[1, 2]) == [2.0, 4.0]
    ep.unload()
    scale.write_text("3")
    assert caller.predict("/m/predict", json=[1, 2]) == [3.0, 6.0]


def test_it_may_be_a_decorator(scale: Path) -> None:
    @nbserve.register_loader(".ABC")
    def again(path: Path) -> Scale:
        return read_scale(path)

    assert loaders.load(scale).model.factor == 2
    assert again(scale).factor == 2


def test_its_files_are_completed_and_told_among_what_is_read(scale: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(scale.parent)
    assert suggestions("%serve dou", {}) == ("dou", [])
    nbserve.register_loader(".abc", read_scale)
    assert suggestions("%serve dou", {}) == ("dou", [("double.abc", "file")])
    (scale.parent / "x.txt").write_text("hello")
    with pytest.raises(LoadError, match="What is read: read_scale, "):
        loaders.find_loader(scale.parent / "x.txt")


def test_it_goes_before_what_is_built_in_and_a_newer_one_before_it(tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(3))
    nbserve.register_loader(".pkl", lambda path: "the older")
    nbserve.register_loader(".pkl", lambda path: "the newer")
    assert loaders.load(tmp_path / "m.pkl").model == "the newer"
    nbserve.unregister_loader(".pkl")
    assert loaders.find_loader(tmp_path / "m.pkl").name == "pickle"
    with pytest.raises(OptionError, match=r"No loader is registered for '\.pkl'"):
        nbserve.unregister_loader(".pkl")


def test_with_a_sniff_the_content_counts_and_not_the_name(tmp_path: Path) -> None:
    nbserve.register_loader(".abc", read_scale, sniff=lambda path, beginning: beginning == b"2")
    (tmp_path / "other").write_text("2")
    (tmp_path / "m.abc").write_text("text")
    assert loaders.load(tmp_path / "other").model.factor == 2
    with pytest.raises(LoadError, match=r"m\.abc is text"):
        loaders.find_loader(tmp_path / "m.abc")


def test_a_sniff_that_fails_is_told_of_its_own_files_only(scale: Path) -> None:
    def broken(path: Path, beginning: bytes) -> bool:
        raise ZeroDivisionError

    nbserve.register_loader(".abc", read_scale, sniff=broken)
    with pytest.raises(LoadError, match=r"broken could not tell what double\.abc is: ZeroDivisionError"):
        loaders.find_loader(scale)
    (scale.parent / "m.pkl").write_bytes(pickle.dumps(3))
    assert loaders.find_loader(scale.parent / "m.pkl").name == "pickle"


def test_one_that_runs_code_needs_trust(scale: Path) -> None:
    nbserve.register_loader(".abc", read_scale, runs_code=True)
    with pytest.raises(LoadError, match=r"double\.abc \(read_scale\) would run the code.*--trust"):
        loaders.load(scale)
    assert loaders.load(scale, trust=True).model.factor == 2


def test_what_goes_wrong_in_it_is_a_sentence(scale: Path) -> None:
    nbserve.register_loader(".abc", read_scale)
    scale.write_text("two")
    with pytest.raises(LoadError, match=r"double\.abc could not be loaded \(read_scale\): ValueError: .*'two'"):
        loaders.load(scale)

    def read_nothing(path: Path) -> None: ...

    nbserve.register_loader(".abc", read_nothing)
    with pytest.raises(LoadError, match=r"read_nothing answered None for double\.abc"):
        loaders.load(scale)


async def slow(path: Path) -> None: ...


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("abc", read_scale), "suffix cannot be 'abc'.*such as .abc"),
        ((".", read_scale), "suffix cannot be '.'"),
        ((".a/b", read_scale), "suffix cannot be '.a/b'"),
        ((3, read_scale), "suffix cannot be 3"),
        ((".abc", "read"), r"load cannot be 'read'.*load\(path\)"),
        ((".abc", slow), "load cannot be <function slow"),
        ((".abc", lambda: None), r"<lambda> cannot be called as load\(path\)"),
        ((".abc", lambda path, device: None), "cannot be called as load"),
    ],
    ids=repr,
)
def test_what_cannot_load_a_file_is_refused_in_the_cell(given: tuple[Any, Any], sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence):
        nbserve.register_loader(*given)
    assert registered() == ()


def test_a_sniff_that_cannot_be_called_is_refused() -> None:
    with pytest.raises(OptionError, match=r"cannot be called as sniff\(path, beginning\)"):
        nbserve.register_loader(".abc", read_scale, sniff=lambda path: True)  # type: ignore[misc]
    assert registered() == ()
