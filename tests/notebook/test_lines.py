"""What can be typed after a magic's name, read without a shell."""

from __future__ import annotations

from typing import Any

import pytest

from nbserve.errors import OptionError
from nbserve.notebook.lines import NBSERVE, SERVE, UNSERVE
from nbserve.terms import TERMS


@pytest.mark.parametrize(
    ("line", "target", "options"),
    [
        ("", None, {}),
        ("model", "model", {}),
        ("  model  ", "model", {}),
        ("model --name iris", "model", {"name": "iris"}),
        ("model --name=iris", "model", {"name": "iris"}),
        ("model --name 'iris'", "model", {"name": "iris"}),
        ('model --name "my iris"', "model", {"name": "my iris"}),
        ("model --no-token --threads 2", "model", {"token": False, "threads": "2"}),
        ("model --deadline 5s --body-limit 1kB", "model", {"deadline_s": "5s", "body_limit": "1kB"}),
        ("model --port -1", "model", {"port": "-1"}),
        ("models['a b'][-1]", "models['a b'][-1]", {}),
        ('pipe["clf"] --port 0', 'pipe["clf"]', {"port": "0"}),
        ("make(2, -1) --name x", "make(2, -1)", {"name": "x"}),
        ("make(a - b, -c) --name x", "make(a - b, -c)", {"name": "x"}),
        ("f(x=-y)", "f(x=-y)", {}),
        ("--name iris", None, {"name": "iris"}),
        ("größe --name g", "größe", {"name": "g"}),
    ],
)
def test_a_line_is_a_model_and_options(line: str, target: str | None, options: dict[str, Any]) -> None:
    given = SERVE.read(line)
    assert given is not None
    assert (given.target, given.options) == (target, options)


@pytest.mark.parametrize("line", ["model --nope", "model --name", "model --name a b", "model 'open", "-x"])
def test_a_line_that_cannot_be_read_is_refused_and_never_ends_the_program(line: str) -> None:
    with pytest.raises(OptionError) as refused:
        SERVE.read(line)
    assert refused.value.remedy


def test_what_follows_a_quotation_that_is_not_closed_is_said_so() -> None:
    with pytest.raises(OptionError, match="Close the quotation"):
        UNSERVE.read('"iris')


def test_a_call_for_help_is_answered_and_is_no_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert UNSERVE.read("iris --help") is None
    assert capsys.readouterr().out.strip() == UNSERVE.help().strip()


def test_all_of_them_is_a_switch() -> None:
    given = UNSERVE.read("--all")
    assert given is not None
    assert (given.target, given.options) == (None, {"all": True})


def test_a_verb_and_its_name_are_both_words() -> None:
    given = NBSERVE.read("unload iris")
    assert given is not None
    assert given.target == "unload iris"


def test_the_flags_are_those_that_are_read() -> None:
    assert SERVE.flags[0] == "--help"
    assert set(UNSERVE.flags) == {"--help", "--all"}
    assert NBSERVE.flags == ["--help", "--forget", *(term.flag for term in TERMS)]
