"""``nbserve run``: models served in the foreground, until somebody says that it is enough."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Self

from ..core.output import mirror_logs
from ..notebook.bar import loading_of, shown, terminal
from ..notebook.handle import Endpoint
from ..notebook.session import Session
from ..options import environment_options
from ..program import GRACE_S, TOKEN_VARIABLE
from . import workers as several
from .bell import Bell
from .plans import FOREGROUND, offers_of, plans_of

__all__ = ["End", "run"]


def run(models: Sequence[str], given: Mapping[str, Any], workers: int, words: Sequence[str]) -> int:
    """Serve, and answer the exit code; `words` are what was typed. Raises `NbserveError` for what cannot be served."""
    duty = several.Duty.of(os.environ)
    if workers > 1 and duty is None:
        return several.run(models, given, workers, words)
    session = _session(None if duty is None else duty.listening)
    with End(None if duty is None else duty.lifeline) as end:
        try:
            endpoints = _placed(session, models, given)
            if end.comes_after(partial(_load, session, endpoints)):
                _tell(session) if duty is None else duty.is_ready()
                end.come()
            session.hosting.stop()  # first what is in flight is answered; then there is nothing left to ask
        finally:
            session.close()
            mirror_logs(None)
    return 0


class End(Bell):
    """The end that a signal says, or the end of whoever started this process, in a block."""

    def __init__(self, lifeline: int | None = None) -> None:
        super().__init__()
        self._lifeline = lifeline

    def __enter__(self) -> Self:
        super().__enter__()
        if self._lifeline is not None:
            threading.Thread(target=self._watch, args=(self._lifeline,), daemon=True).start()
        return self

    def come(self) -> None:
        """Wait for it."""
        while not self.wait():
            pass

    def comes_after(self, work: Callable[[], None]) -> bool:
        """Do it on a thread of its own; false when the end comes first. Raises what it raises."""
        done: Future[None] = Future()
        threading.Thread(target=self._do, args=(work, done), name="nbserve:opening", daemon=True).start()
        while not done.done():
            if self.wait():
                return False
        done.result()
        return True

    def _do(self, work: Callable[[], None], done: Future[None]) -> None:
        try:
            work()
            done.set_result(None)
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            done.set_exception(error)
        finally:
            self.ring()

    def _watch(self, lifeline: int) -> None:
        os.read(lifeline, 1)
        self.over()


def _session(listening: socket.socket | None) -> Session:
    mirror_logs(sys.stderr)
    said = environment_options()
    settings = {name: value for name, value in FOREGROUND.items() if name not in said}
    return Session(
        {},
        session_token=os.environ.get(TOKEN_VARIABLE),
        settings=lambda: settings,
        server_options={"grace_s": GRACE_S, "listening": listening},
        advise=_advise,
    )


def _placed(session: Session, models: Sequence[str], given: Mapping[str, Any]) -> list[Endpoint]:
    """It listens from here on, and is not ready yet."""
    session.app.state.is_opening = True
    offers = offers_of(session, plans_of(models), given)
    return [Endpoint.of(session, session.place(*each)) for each in offers]


def _load(session: Session, endpoints: Iterable[Endpoint]) -> None:
    for endpoint in endpoints:
        with shown(endpoint.name, loading_of(session.registry[endpoint.name]), terminal(sys.stderr)):
            endpoint.load_if_eager()
    session.app.state.is_opening = False


def _tell(session: Session) -> None:
    needs_token = any(served.options.token for served in session.registry)
    token = f"?token={session.access.session_token}" if needs_token else ""
    names = ", ".join(served.name for served in session.registry)
    print(f"Serving {names} on {session.url}{token}", flush=True)  # noqa: T201


def _advise(sentence: str) -> None:
    print(f"nbserve: {sentence}", file=sys.stderr, flush=True)  # noqa: T201
