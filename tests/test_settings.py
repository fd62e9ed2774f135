"""Who has set which option."""

from __future__ import annotations

from typing import Any

import pytest

from nbserve.errors import OptionError
from nbserve.options import OPTIONS, environment_options
from nbserve.settings import CONFIG, DEFAULT, ENVIRONMENT, GIVEN, Layer, OptionsView, Settings, settings_table
from tests.test_options import GOOD


def layered(given: Any = (), file: Any = (), config: Any = (), environment: Any = ()) -> Settings:
    return Settings.of(
        Layer(GIVEN, dict(given)),
        Layer("a.yaml", dict(file)),
        Layer(CONFIG, dict(config), is_shared=True),
        Layer(ENVIRONMENT, dict(environment), is_shared=True),
    )


def test_the_first_layer_that_says_something_counts() -> None:
    settings = layered(
        {"threads": 2, "queue": None},
        {"threads": 3, "queue": 5},
        {"queue": 6, "budget": "1GB"},
        {"budget": "2GB", "idle_s": "10m"},
    )
    options = settings.options
    assert (options.threads, options.queue, options.budget, options.idle_s) == (2, 5, 10**9, 600.0)
    origins = {name: settings.origin_of(name) for name in ("threads", "queue", "budget", "idle_s", "body_limit")}
    assert origins == {
        "threads": GIVEN,
        "queue": "a.yaml",
        "budget": CONFIG,
        "idle_s": ENVIRONMENT,
        "body_limit": DEFAULT,
    }
    assert settings.told() == {"threads": 2, "queue": 5, "idle_s": 600.0, "budget": 10**9}


def test_a_path_takes_the_place_of_a_name_that_is_said_behind_it() -> None:
    settings = layered({"path": "/new"}, {"name": "old"})
    assert settings.options.wanted_name == "new"
    assert (settings.origin_of("path"), settings.origin_of("name")) == (GIVEN, DEFAULT)
    assert settings.told() == {"path": "new"}


def test_what_is_given_later_goes_before_the_file_and_none_gives_it_up() -> None:
    settings = layered(file={"deadline_s": 5})
    changed = settings.changed("deadline_s", "7s")
    assert (changed.options.deadline_s, changed.origin_of("deadline_s")) == (7.0, GIVEN)
    back = changed.changed("deadline_s", None)
    assert (back.options.deadline_s, back.origin_of("deadline_s")) == (5.0, "a.yaml")
    assert Settings.of().changed("threads", 4).options.threads == 4
    with pytest.raises(OptionError, match="threads cannot be 0"):
        settings.changed("threads", 0)
    assert settings.options.deadline_s == 5.0


def test_what_holds_for_all_is_read_anew() -> None:
    settings = layered({"threads": 2}, config={"queue": 5})
    now = settings.over([Layer(CONFIG, {"queue": 6}, is_shared=True)])
    assert (now.options.threads, now.options.queue) == (2, 6)


def test_the_table_has_a_row_an_option() -> None:
    lines = settings_table(layered({"threads": 2}, {"queue": 5})).splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines}
    assert lines[0].split() == ["option", "value", "default", "from"]
    assert list(rows)[1:] == [option.name for option in OPTIONS]
    assert (rows["threads"], rows["queue"]) == (["2", "1", "given"], ["5", "1024", "a.yaml"])
    assert rows["idle_s"] == ["–", "–", "default"]


def test_a_view_reads_and_sets_options_as_attributes() -> None:
    heard: list[tuple[str, Any]] = []
    view = OptionsView(lambda: layered({"threads": 2}), lambda name, value: heard.append((name, value)))
    assert view.threads == 2
    view.queue = 7
    assert heard == [("queue", 7)]
    assert dir(view) == sorted(option.name for option in OPTIONS)
    assert repr(view).startswith("option ")
    with pytest.raises(OptionError, match=r"no option 'thread'\. Did you mean 'threads'"):
        view.thread = 3
    with pytest.raises(AttributeError):
        _ = view.thread
    assert not hasattr(view, "_ipython_display_")


TYPED = [(name, given, read) for name, given, read in GOOD if isinstance(given, str)]


@pytest.mark.parametrize(("name", "given", "read"), TYPED, ids=str)
def test_every_option_is_read_alike_wherever_it_is_said(name: str, given: str, read: Any) -> None:
    option = next(each for each in OPTIONS if each.name == name)
    assert getattr(Settings.of(Layer(GIVEN, {name: given})).options, name) == read
    said = environment_options({option.variable: given})
    assert said == ({name: given} if option.is_shared else {})
    if option.is_shared:
        for origin, told in ((ENVIRONMENT, said), (CONFIG, {name: given})):
            settings = Settings.of(Layer(origin, told, is_shared=True))
            assert getattr(settings.options, name) == read
            assert settings.origin_of(name) == origin


def test_a_wrong_value_that_nobody_typed_here_is_told_with_its_place() -> None:
    with pytest.raises(OptionError, match=r"^NBSERVE_LOAD_DEADLINE: load-deadline cannot be 'soon'\. Allowed: a time"):
        layered(environment={"load_deadline_s": "soon"})
    with pytest.raises(OptionError, match=r"^%config Nbserve\.idle_s: idle cannot be 'x'\."):
        layered(config={"idle_s": "x"}, environment={"idle_s": "y"})
    with pytest.raises(OptionError, match=r"^idle cannot be 'z'\."):
        layered({"idle_s": "z"}, environment={"idle_s": "1m"})
    assert layered(config={"idle_s": "1m"}, environment={"idle_s": "y"}).options.idle_s == 60.0
