"""The heartbeat of the cards: one thread that lets them show what is true now, also while a cell runs."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable
from typing import Protocol

__all__ = ["Beating", "Pulse"]

_JOIN_S = 2.0
_log = logging.getLogger(__name__)


class Beating(Protocol):
    """What has a pulse: a card."""

    @property
    def is_open(self) -> bool:
        """False once nobody can see it change any more."""

    @property
    def is_moving(self) -> bool:
        """True while it changes by itself, and so fast that once an interval is too seldom."""

    def push(self) -> None:
        """Show what is true now."""


class Pulse:
    """One daemon thread that pushes every open card once an interval, and at once when something happened.

    Cards are held weakly, and leave when they are no longer open; the thread lives only while there is a card. At
    most one round of pushes starts every `gap_s`, however often it is woken; while a card moves, one does. Thread-safe.
    `wait` is `threading.Event.wait` for everybody but a test.
    """

    def __init__(
        self,
        interval_s: float = 1.0,
        *,
        gap_s: float = 0.25,
        wait: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        self._gap_s = min(gap_s, interval_s)
        self._rest_s = interval_s - self._gap_s
        self._wait = wait
        self._lock = threading.Lock()
        self._cards: weakref.WeakSet[Beating] = weakref.WeakSet()
        self._happened = threading.Event()
        self._quit = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        thread = self._thread
        return thread is not None and thread.is_alive()

    def add(self, card: Beating) -> None:
        """Push this card from now on; adding it again changes nothing."""
        with self._lock:
            self._cards.add(card)
            if not self.is_running:
                self._start()

    def wake(self) -> None:
        """Something happened: push soon."""
        self._happened.set()

    def stop(self) -> None:
        """End the thread and wait for its end; the cards are forgotten."""
        with self._lock:
            thread, self._thread = self._thread, None
            self._cards.clear()
            self._quit.set()
        self._happened.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(_JOIN_S)

    def _start(self) -> None:
        self._quit = threading.Event()
        self._happened.clear()
        self._thread = threading.Thread(target=self._beat, args=(self._quit,), name="nbserve-pulse", daemon=True)
        self._thread.start()

    def _beat(self, quit_: threading.Event) -> None:
        while cards := self._open_cards(quit_):
            for card in cards:
                _push(card)
            is_moving = any(card.is_moving for card in cards)
            del cards, card  # a card that is closed while this thread rests must not be held by it
            self._wait(quit_, self._gap_s)
            if not is_moving:
                self._wait(self._happened, self._rest_s)
            self._happened.clear()

    def _open_cards(self, quit_: threading.Event) -> list[Beating]:
        """The cards to push; when there is none the thread has been let go, so that `add` starts another."""
        with self._lock:
            if quit_.is_set():
                return []
            cards = [card for card in self._cards if card.is_open]
            self._cards = weakref.WeakSet(cards)
            if not cards:
                self._thread = None
            return cards


def _push(card: Beating) -> None:
    try:
        card.push()
    except Exception:  # noqa: BLE001 - one broken card must not stop the sign of life of the others
        _log.debug("A card could not be pushed.", exc_info=True)
