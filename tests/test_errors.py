"""One tree of errors; each is a problem, a remedy and a code."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import pytest

from nbserve import errors
from nbserve.errors import Busy, Fault, InputError, MethodNotAllowed, NbserveError, OptionError, nearest
from nbserve.web.answers import STATUS


def _tree(kind: type[NbserveError]) -> Iterator[type[NbserveError]]:
    yield kind
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from _tree(below)


KINDS = sorted(_tree(NbserveError), key=lambda kind: kind.__name__)
IDS = [kind.__name__ for kind in KINDS]


def test_the_drawing_of_the_tree_is_the_tree() -> None:
    drawn: dict[str, str] = {}
    path: list[str] = []
    for line in inspect.cleandoc(errors.__doc__ or "").splitlines():
        found = re.match(r"(?P<indent>[ │├└─]*)(?P<name>[A-Z]\w+)(\s{2,}|$)", line)
        if found is None or (not path and found["name"] != "NbserveError"):
            continue
        depth = len(found["indent"]) // 4 - 1  # the drawing itself is indented
        path[depth:] = [found["name"]]
        drawn[path[-1]] = path[-2] if depth else ""
    assert drawn == {kind.__name__: kind.__base__.__name__ if kind is not NbserveError else "" for kind in KINDS}


def test_every_error_is_exported_and_the_exports_are_sorted() -> None:
    assert errors.__all__ == sorted(errors.__all__)
    assert {kind.__name__ for kind in KINDS} | {"Fault", "nearest", "shortened"} == set(errors.__all__)


def test_no_two_errors_share_a_code() -> None:
    codes = [kind.code for kind in KINDS]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)


@pytest.mark.parametrize("kind", KINDS, ids=IDS)
def test_every_error_has_a_status_and_a_docstring(kind: type[NbserveError]) -> None:
    assert kind.code in STATUS
    assert kind.__doc__


@pytest.mark.parametrize("kind", KINDS, ids=IDS)
def test_an_error_reads_as_its_problem_and_its_remedy(kind: type[NbserveError]) -> None:
    error = kind("It is red.", "Paint it.")
    assert (error.problem, error.remedy, str(error)) == ("It is red.", "Paint it.", "It is red. Paint it.")
    assert str(kind("It is red.")) == "It is red."


def test_the_callers_data_is_never_a_server_error_and_a_models_bug_never_the_callers() -> None:
    for kind in KINDS:
        if issubclass(kind, InputError):
            assert 400 <= STATUS[kind.code] < 500
        if issubclass(kind, errors.ModelError):
            assert STATUS[kind.code] == 500


def test_an_error_may_say_where() -> None:
    error = InputError("Two faults.", faults=[Fault(("X", 3, "age"), "is missing", "missing")])
    assert [fault.to_dict() for fault in error.faults] == [
        {"loc": ["X", 3, "age"], "msg": "is missing", "type": "missing"}
    ]
    assert OptionError("None.").faults == ()


def test_a_busy_endpoint_says_when_to_come_again() -> None:
    assert Busy("Full.", retry_after_s=2.5).retry_after_s == 2.5


def test_a_wrong_method_says_which_are_right() -> None:
    assert MethodNotAllowed("No.", allowed=["GET", "POST"]).allowed == ("GET", "POST")


@pytest.mark.parametrize(
    ("word", "tail"), [("agee", " Did you mean 'age'?"), ("xyz", ""), ("", "")], ids=["near", "far", "nothing"]
)
def test_the_nearest_known_word_is_named_if_there_is_one(word: str, tail: str) -> None:
    assert nearest(word, ["age", "fare"]) == tail
    assert nearest(word, []) == ""
