"""``nbserve run --workers N``: processes that share one listening socket, each with models of its own."""

from __future__ import annotations

import os
import secrets
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Self

from ..errors import OptionError, ServerError
from ..options import Options
from ..program import GRACE_S, TOKEN_VARIABLE
from ..settings import GIVEN, Layer, Settings
from .bell import Bell
from .exits import FAILED
from .plans import FOREGROUND, plans_of

__all__ = ["Duty", "run"]

DUTY_VARIABLE = "NBSERVE_WORKER"
"""Tells a process that it is a worker, and the numbers of its three descriptors."""

SHORT_LIFE_S = 5.0
"""A worker that ends sooner is not replaced: the next would do no better."""


@dataclass(frozen=True, slots=True)
class Duty:
    """What a worker has of the process that started it: where to listen, whom to tell, and whose end is its own."""

    listening: socket.socket
    ready: int
    lifeline: int

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self | None:
        given = environment.get(DUTY_VARIABLE)
        if given is None:
            return None
        listening, ready, lifeline = map(int, given.split(","))
        return cls(socket.socket(fileno=listening), ready, lifeline)

    def is_ready(self) -> None:
        os.write(self.ready, b".")
        os.close(self.ready)


def run(models: Sequence[str], given: Mapping[str, Any], count: int, words: Sequence[str]) -> int:
    """Serve by `count` processes until a signal; answers the exit code. Raises `OptionError`, `PortTaken`."""
    if os.name != "posix":
        raise OptionError("Workers need a system that hands sockets over.", "Leave --workers away.")
    options = _options_of(models, given)
    crew = _Crew(_listening(options), words, count)
    with crew.bell:
        try:
            if crew.start():
                _tell(crew, options)
                return crew.work()
            return 0
        finally:
            crew.end()


def _options_of(models: Sequence[str], given: Mapping[str, Any]) -> Options:
    """Where they listen, by what the first of them says: the workers see to it that the others agree."""
    layer = plans_of(models)[0].layer
    return Settings.of(Layer(GIVEN, given), layer, Layer("run", FOREGROUND, is_shared=True)).options


def _listening(options: Options) -> socket.socket:
    from ..web.address import LOOPBACK, address_of
    from ..web.server import bound

    address = LOOPBACK if options.host is None else address_of(options.host)
    return bound(address.number, options.port or 0)


def _tell(crew: _Crew, options: Options) -> None:
    host, port = crew.listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    scheme = "http" if options.certfile is None else "https"
    token = f"?token={crew.token}" if options.token else ""
    print(f"Serving by {crew.count} workers on {scheme}://{shown}:{port}/{token}", flush=True)  # noqa: T201


class _Crew:
    """The workers, replaced when they end by themselves, until a signal comes."""

    def __init__(self, listening: socket.socket, words: Sequence[str], count: int) -> None:
        self.listening = listening
        self.count = count
        self.token = os.environ.get(TOKEN_VARIABLE) or secrets.token_urlsafe(24)
        self._words = words
        self._ended: SimpleQueue[_Worker] = SimpleQueue()
        self._workers: list[_Worker] = []
        self.bell = Bell(self._end_all)

    def start(self) -> bool:
        """All of them, the first before the others: what is wrong is told once. False when the end comes first.

        Raises `ServerError`.
        """
        return self._are_ready(1) and self._are_ready(self.count - 1)

    def work(self) -> int:
        """Until a signal; `FAILED` if a worker cannot be replaced."""
        while not self.bell.is_over:
            if self._ended.empty():
                self.bell.wait()
                continue
            ended = self._ended.get()
            self._workers.remove(ended)
            ended.end(SHORT_LIFE_S)
            if ended.age_s < SHORT_LIFE_S and not self.bell.is_over:
                return FAILED
            self._are_ready(1)
        return 0

    def _are_ready(self, count: int) -> bool:
        """So many more of them; false when the end comes first. Raises `ServerError`."""
        for worker in [self._add() for _ in range(count) if not self.bell.is_over]:
            worker.wait_ready(self.bell)
        return not self.bell.is_over

    def end(self) -> None:
        """Every worker answers what it has, for a bounded time."""
        self._end_all()
        until = time.monotonic() + GRACE_S + 2 * SHORT_LIFE_S
        for worker in self._workers:
            worker.end(max(0.0, until - time.monotonic()))
        self.listening.close()

    def _add(self) -> _Worker:
        worker = _Worker(self._words, self.listening, self.token, self._tell_of)
        self._workers.append(worker)
        if self.bell.is_over:  # the signal came while it was being started
            worker.ask_to_end()
        return worker

    def _end_all(self) -> None:
        """Told once: the second time would be an order to answer nobody any more."""
        for worker in self._workers:
            worker.ask_to_end()

    def _tell_of(self, ended: _Worker) -> None:
        self._ended.put(ended)
        self.bell.ring()


class _Worker:
    """One process, which runs the same command line; it ends when this one does."""

    def __init__(
        self, words: Sequence[str], listening: socket.socket, token: str, tell: Callable[[Self], None]
    ) -> None:
        self._ready, ready = os.pipe()
        lifeline, self._lifeline = os.pipe()
        passed = (listening.fileno(), ready, lifeline)
        environment = {**os.environ, TOKEN_VARIABLE: token, DUTY_VARIABLE: ",".join(map(str, passed))}
        command = [sys.executable, "-m", "nbserve", *words]
        self.process = subprocess.Popen(command, env=environment, pass_fds=passed)  # noqa: S603
        os.close(ready)
        os.close(lifeline)
        self._began = time.monotonic()
        self._is_asked = False
        threading.Thread(target=self._watch, args=(tell,), daemon=True).start()

    @property
    def age_s(self) -> float:
        return time.monotonic() - self._began

    def wait_ready(self, bell: Bell) -> None:
        """Or for the end of all. Raises `ServerError` for one that has ended instead."""
        while not bell.wait(self._ready):
            if select.select([self._ready], [], [], 0)[0]:
                if not os.read(self._ready, 1) and not bell.is_over:
                    raise ServerError("A worker did not start.", "It has said why.")
                return

    def ask_to_end(self) -> None:
        if not self._is_asked:
            self._is_asked = True
            self.process.terminate()

    def end(self, timeout_s: float) -> None:
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for descriptor in (self._ready, self._lifeline):
            os.close(descriptor)

    def _watch(self, tell: Callable[[Self], None]) -> None:
        self.process.wait()
        tell(self)
