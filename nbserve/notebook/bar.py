"""What a person sees while a model is fetched and loaded: a bar in a terminal, or a line in a cell."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from time import perf_counter
from typing import Any, Protocol, TextIO

from ..core.served import Served

__all__ = ["Cell", "Screen", "Terminal", "drawn", "loading_of", "screen_here", "shown", "terminal"]

EVERY_S = 0.2
WIDTH = 24

Loading = Callable[[], "dict[str, Any] | None"]
"""How far a load is: `seconds`, `done_bytes`, `total_bytes`; None before it has begun."""


class Screen(Protocol):
    """Where one line is drawn, again and again."""

    def draw(self, line: str) -> None: ...

    def end(self, line: str) -> None:
        """Nothing more comes: `line` says what came of it. Called only if something was drawn."""


class Terminal:
    """A line that is gone afterwards."""

    def __init__(self, to: TextIO) -> None:
        self._to = to
        self._width = 0

    def draw(self, line: str) -> None:
        self._to.write("\r" + line.ljust(self._width))
        self._to.flush()
        self._width = len(line)

    def end(self, line: str) -> None:  # noqa: ARG002  # what follows in a terminal says it
        self._to.write("\r" + " " * self._width + "\r")
        self._to.flush()


class Cell:
    """A display of the cell that runs, which ends as a line of text."""

    def __init__(self) -> None:
        self._handle: Any = None

    def draw(self, line: str) -> None:
        from IPython.display import display

        if self._handle is None:
            self._handle = display({"text/plain": line}, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update({"text/plain": line}, raw=True)

    def end(self, line: str) -> None:
        self.draw(line)


def screen_here() -> Screen | None:
    """Where somebody looks who waits on this thread: other threads' loads are shown by the card, or by nobody."""
    if threading.current_thread() is not threading.main_thread():
        return None
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return Cell() if hasattr(shell, "kernel") else terminal(sys.stderr)


def terminal(to: TextIO | None) -> Screen | None:
    """None where no person looks at it."""
    return Terminal(to) if to is not None and to.isatty() else None


def loading_of(served: Served) -> Loading:
    return lambda: served.metadata()["loading"]


@contextmanager
def shown(
    name: str, loading: Loading, to: Screen | None, after_s: float = EVERY_S, every_s: float = EVERY_S
) -> Iterator[None]:
    """Draws a bar while the block loads the model, if it takes longer than `after_s`."""
    if to is None:
        yield
        return
    drawing = _Drawing(name, loading, to, after_s, every_s)
    has_ended_well = False
    try:
        yield
        has_ended_well = True
    finally:
        drawing.end(has_ended_well)


class _Drawing:
    """A thread that draws until it is told to end; in the context of who began it, so that a cell's is its own."""

    def __init__(self, name: str, loading: Loading, screen: Screen, after_s: float, every_s: float) -> None:
        self._name, self._loading, self._screen = name, loading, screen
        self._pauses_s = after_s, every_s
        self._over = threading.Event()
        self._began = perf_counter()
        self._has_drawn = False
        run = copy_context().run
        self._thread = threading.Thread(target=run, args=(self._draw,), name="nbserve:bar", daemon=True)
        self._thread.start()

    def end(self, has_ended_well: bool) -> None:
        self._over.set()
        self._thread.join()
        if self._has_drawn:
            took = f"{perf_counter() - self._began:.0f} s"
            self._screen.end(f"Loaded {self._name} in {took}." if has_ended_well else f"{self._name} was not loaded.")

    def _draw(self) -> None:
        pause_s, every_s = self._pauses_s
        while not self._over.wait(pause_s):
            self._has_drawn, pause_s = True, every_s
            self._screen.draw(drawn(self._name, self._loading()))


def drawn(name: str, loading: dict[str, Any] | None) -> str:
    """One line: a bar where it is known how much there is to read, else how long it has taken so far."""
    if loading is None:
        return f"Loading {name} …"
    done, total, seconds = loading["done_bytes"], loading["total_bytes"], f"{loading['seconds']:.0f} s"
    if not total:
        return f"Loading {name} … {seconds}" if done is None else f"Loading {name} … {_megabytes(done)}, {seconds}"
    share = min(1.0, done / total)
    bar = "█" * int(WIDTH * share)
    return f"Loading {name} {bar:░<{WIDTH}} {_megabytes(done)} of {_megabytes(total)}, {seconds}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
