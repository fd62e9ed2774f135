"""What a terminal or a cell shows while a model is loaded."""

from __future__ import annotations

import io
import threading

import pytest

from nbserve import ModelComponent
from nbserve.core.served import Served
from nbserve.notebook.bar import Terminal, drawn, loading_of, screen_here, shown, terminal
from nbserve.notebook.session import Session


class Screen(io.StringIO):
    """Tells when something is written on it."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal
        self.is_used = threading.Event()

    def isatty(self) -> bool:
        return self._is_terminal

    def write(self, text: str) -> int:
        self.is_used.set()
        return super().write(text)


class Slow(ModelComponent):
    """Loads as long as nobody has looked."""

    def __init__(self, seen: threading.Event) -> None:
        self.model = None
        self._seen = seen

    def load_model(self) -> None:
        assert self._seen.wait(30)
        self.model = lambda x: x  # type: ignore[assignment]

    def unload_model(self) -> None:
        self.model = None


def _load(screen: Screen, seen: threading.Event) -> None:
    session = Session({}, has_server=False)
    try:
        served = _served(session, seen)
        with shown("slow", loading_of(served), terminal(screen), after_s=0.001):
            served.load()
    finally:
        session.close()


def _served(session: Session, seen: threading.Event) -> Served:
    return session.registry[session.serve(Slow(seen), {"name": "slow"})]


def test_a_terminal_shows_that_a_model_is_loading_and_then_nothing() -> None:
    screen = Screen(is_terminal=True)
    _load(screen, screen.is_used)
    lines = screen.getvalue().split("\r")
    assert any(line.startswith("Loading slow …") for line in lines)
    assert lines[-1] == ""
    assert lines[-2].strip() == ""


def test_what_is_no_terminal_gets_not_a_byte() -> None:
    screen, seen = Screen(is_terminal=False), threading.Event()
    seen.set()
    _load(screen, seen)
    assert screen.getvalue() == ""


def test_a_load_that_fails_leaves_no_bar_behind() -> None:
    screen = Screen(is_terminal=True)

    session = Session({}, has_server=False)
    served = _served(session, threading.Event())

    def fails() -> None:
        with shown("slow", loading_of(served), terminal(screen), after_s=0.001):
            assert screen.is_used.wait(30)
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        fails()
    session.close()
    assert screen.getvalue().endswith("\r")
    assert not any(thread.name == "nbserve:bar" for thread in threading.enumerate())


@pytest.mark.parametrize(
    ("done", "total", "text"),
    [
        (None, None, "Loading churn … 3 s"),
        (5_000_000, 0, "Loading churn … 5.0 MB, 3 s"),
        (0, 10_000_000, "Loading churn ░░░░░░░░░░░░░░░░░░░░░░░░ 0.0 MB of 10.0 MB, 3 s"),
        (5_000_000, 10_000_000, "Loading churn ████████████░░░░░░░░░░░░ 5.0 MB of 10.0 MB, 3 s"),
        (11_000_000, 10_000_000, "Loading churn ████████████████████████ 11.0 MB of 10.0 MB, 3 s"),
    ],
)
def test_a_bar_is_as_long_as_what_is_done(done: int | None, total: int | None, text: str) -> None:
    assert drawn("churn", {"seconds": 3.2, "done_bytes": done, "total_bytes": total}) == text


def test_before_the_load_has_begun_there_is_only_its_name() -> None:
    assert drawn("churn", None) == "Loading churn …"


def test_only_a_terminal_is_drawn_on_and_only_for_who_waits_on_the_main_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[object] = []
    for stderr in (None, Screen(is_terminal=False), Screen(is_terminal=True)):
        monkeypatch.setattr("sys.stderr", stderr)
        found.append(screen_here())
    assert found[:2] == [None, None]
    assert isinstance(found[2], Terminal)
    other = threading.Thread(target=lambda: found.append(screen_here()))
    other.start()
    other.join()
    assert found[3] is None


def test_what_is_loaded_soon_draws_nothing() -> None:
    screen = Screen(is_terminal=True)
    with shown("soon", lambda: None, terminal(screen), after_s=60.0):
        pass
    assert screen.getvalue() == ""
