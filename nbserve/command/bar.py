"""What a terminal shows while a model is fetched and loaded."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from ..core.served import Served

__all__ = ["drawn", "shown"]

EVERY_S = 0.2
WIDTH = 24


@contextmanager
def shown(served: Served, to: TextIO | None = None, every_s: float = EVERY_S) -> Iterator[None]:
    """Draws a bar while the block loads the model; nothing where no person looks at it."""
    screen = sys.stderr if to is None else to
    if not screen.isatty():
        yield
        return
    over = threading.Event()
    drawing = threading.Thread(target=_draw, args=(served, screen, over, every_s), name="nbserve:bar", daemon=True)
    drawing.start()
    try:
        yield
    finally:
        over.set()
        drawing.join()


def _draw(served: Served, screen: TextIO, over: threading.Event, every_s: float) -> None:
    before = ""
    while not over.wait(every_s):
        line = drawn(served.name, served.metadata()["loading"])
        screen.write("\r" + line.ljust(len(before)))
        screen.flush()
        before = line
    if before:
        screen.write("\r" + " " * len(before) + "\r")
        screen.flush()


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
