"""All that one kernel serves."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping, MutableMapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..core.analysis import analyse
from ..core.component import Component
from ..core.engines import CoroutineThread, Lane
from ..core.output import Log, catch_prints, release_prints, write_to
from ..core.registry import Registry
from ..core.served import Coroutines, Served
from ..core.storage import LiveObject
from ..errors import Conflict, ModelRefused, OptionError
from ..options import Options, options_from
from ..version import __version__
from .announcing import announce_endpoint, withdraw_endpoint
from .cards import Cards, entry_of
from .folder import PrivateFolder
from .handle import Endpoint
from .kernel_loop import KernelLoop
from .naming import memories_of, name_for, names_of
from .wording import unload_sentence

if TYPE_CHECKING:
    from fastapi import FastAPI

    from ..web.server import Server

__all__ = ["Session", "close_session", "current_session"]


class Session:
    """All that one kernel serves: the registry, the tokens, the server, the cards. Thread-safe.

    `namespace` are the user's variables; with `is_watched` somebody calls `before_cell` and `after_cell` around all
    code that may change them, so that a model can be left to the notebook while it is unloaded.
    """

    def __init__(
        self, namespace: MutableMapping[str, Any], *, is_watched: bool = False, has_widgets: bool = False
    ) -> None:
        from ..web.access import Access

        self.registry = Registry()
        self.access = Access()
        self.log = Log()
        self.cells_ended = 0
        self._namespace = namespace
        self._is_watched = is_watched
        self._tokens: dict[str, str] = {}
        self._cards = Cards(self.snapshot, self.obey, can_show=has_widgets)
        self._app: FastAPI | None = None
        self._server: Server | None = None
        self._kernel_loop = KernelLoop.running()
        self._folder: PrivateFolder | None = None
        self._lock = threading.RLock()

    def serve(self, model: object, given: Mapping[str, Any]) -> Endpoint:
        """Serve `model`, or swap it in where its name is served. Raises `NbserveError`s, and changes nothing then."""
        options = options_from(given)
        if isinstance(model, Endpoint):
            raise ModelRefused(f"{model.name} is an endpoint already.", "Serve the model itself.")
        profile = analyse(model, namespace=dict(self._namespace))
        name = options.name or name_for(model, profile.type_name, self._namespace)
        with self._lock:
            before = self.registry.get(name)
            coroutines = self._coroutines(name, options, before)
            self._check_free(name)
            self._ensure_server(options)
            served = Served(
                name,
                Component(LiveObject(self._private_folder, self._is_held), model),
                profile,
                options,
                coroutines=coroutines,
                holders=self._holders,
                before=before,
                lane=self._lane_of(model, options),
            )
            self._announce(served)
        if before is not None:
            before.retire(self.registry)
        return Endpoint.of(self, name)

    def unserve(self, name: str) -> None:
        """Raises `NotFound`."""
        with self._lock:
            served = self.registry.remove(name)
            token = self._tokens.pop(name, None)
            if token is not None:
                self.access.revoke(token)
            self.access.forget(name)
        withdraw_endpoint(name)
        served.retire(self.registry)
        self.changed()

    def stop_all(self) -> None:
        """Stop every endpoint, and the server."""
        for served in self.registry:
            self.unserve(served.name)
        with self._lock:
            server, self._server = self._server, None
        if server is not None:
            server.stop()

    def close(self) -> None:
        """Stop and remove everything this session brought."""
        self.stop_all()
        self._cards.close()
        with self._lock:
            folder, self._folder = self._folder, None
        if folder is not None:
            folder.remove()
        release_prints()

    @property
    def app(self) -> FastAPI:
        """The FastAPI application; routes that are added to it are served at once."""
        if self._app is None:
            from ..web.app import create_app

            self._app = create_app(self.registry, self.log, version=__version__)
        return self._app

    @property
    def url(self) -> str:
        """Where the server listens, with the last slash; empty when it does not."""
        server = self._server
        return "" if server is None else f"http://{server.host}:{server.port}/"

    def url_of(self, name: str) -> str:
        """Where the endpoint answers, with the last slash; empty when it does not."""
        return f"{self.url}{name}/" if name in self.registry else ""

    def token(self, name: str) -> str | None:
        """The endpoint's own token; None when it needs none."""
        return self._tokens.get(name)

    def before_cell(self, *_: object) -> None:
        for source in self._live_objects():
            source.pin()

    def after_cell(self, *_: object) -> None:
        self.cells_ended += 1
        for source in self._live_objects():
            source.settle()

    def refresh(self, name: str) -> None:
        """Analyse the endpoint's model again. Raises `NotFound`, `LoadError`, and what `analyse` raises."""
        served = self.registry[name]
        with served.component.lease() as model:
            served.describe(analyse(model, namespace=dict(self._namespace)))
        self.changed()

    def changed(self) -> None:
        """Let the cards show it at once."""
        self._cards.wake()

    def snapshot(self, name: str | None = None) -> dict[str, Any]:
        """What a card shows: one endpoint, or (None) all of them."""
        shown = list(self.registry) if name is None else [each for each in self.registry if each.name == name]
        entries = [entry_of(served, self.url_of(served.name), self.token(served.name)) for served in shown]
        return {"endpoints": entries, "dashboard": name is None, "gone": name is not None and not entries}

    def obey(self, order: str, name: str) -> str:
        """Carry out what a card's button says; answers a sentence."""
        served = self.registry[name]
        if order == "load":
            served.load()
            return "Loaded."
        if order == "unload":
            return unload_sentence(served.unload())
        if order == "stop":
            self.unserve(name)
            return "Stopped."
        raise OptionError(f"There is no order {order!r}.")

    def text(self, name: str) -> str:
        from .card import as_text

        return as_text(self.snapshot(name))

    def show(self, name: str | None) -> bool:
        """Display the card of one endpoint, or the dashboard; False where cards cannot be shown."""
        return self._cards.show(name)

    def _check_free(self, name: str) -> None:
        taken = {getattr(route, "path", "").strip("/").partition("/")[0] for route in self.app.routes}
        if name in taken:
            raise Conflict(f"A route of your own begins with /{name}.", "Serve it under another name: --name NAME.")

    def _ensure_server(self, options: Options) -> None:
        server = self._server
        if server is not None and server.is_alive:
            if options.port not in (None, 0, server.port):
                raise OptionError(
                    f"This session listens on port {server.port} already.",
                    "Leave --port away, or %unserve --all first.",
                )
            return
        from ..web.app import Door
        from ..web.server import Server

        self._server = Server(Door(self.app, self.access), port=options.port, enter=partial(write_to, self.log))

    def _announce(self, served: Served) -> None:
        name, needs_token = served.name, served.options.token
        token = self._tokens.get(name)
        if needs_token and token is None:
            self._tokens[name] = self.access.issue_for(name)
        elif not needs_token and token is not None:
            self.access.revoke(self._tokens.pop(name))
        self.access.set_open(name, not needs_token)
        catch_prints()
        self.registry.put(served)
        announce_endpoint(name, self.url_of(name))
        self.changed()

    def _coroutines(self, name: str, options: Options, before: Served | None) -> Coroutines:
        if before is not None and before.options.loop == options.loop:
            return before.coroutines
        if options.loop == "own":
            return CoroutineThread(f"nbserve:{name}:async")
        if self._kernel_loop is None:
            self._kernel_loop = KernelLoop.running()
        if self._kernel_loop is None:
            raise KernelLoop.missing()
        return self._kernel_loop

    def _lane_of(self, model: object, options: Options) -> Lane | None:
        """The lane of the very same object, if it is served already: it is called by one thread, whatever its names."""
        for each in self.registry:
            if each.lane.is_like(options.threads, options.queue) and each.component.peek(lambda other: other is model):
                return each.lane
        return None

    def _holders(self, model: object) -> tuple[str, ...]:
        return (*names_of(model, self._namespace), *memories_of(model, self._namespace))

    def _is_held(self, model: object) -> bool:
        return self._is_watched and bool(self._holders(model))

    def _private_folder(self) -> Path:
        with self._lock:
            if self._folder is None or self._folder.pid != os.getpid():
                self._folder = PrivateFolder()
            return self._folder.path

    def _live_objects(self) -> list[LiveObject]:
        sources = (served.component.source for served in self.registry)
        return [source for source in sources if isinstance(source, LiveObject)]


def close_session(shell: Any) -> None:
    """End the shell's session, if it has one."""
    session = getattr(shell, "nbserve_session", None)
    if session is not None:
        del shell.nbserve_session
        shell.events.unregister("pre_run_cell", session.before_cell)
        shell.events.unregister("post_run_cell", session.after_cell)
        session.close()


_plain: Session | None = None


def current_session() -> Session:
    """The session of the shell that runs here, else that of the plain Python process."""
    shell = _shell()
    if shell is None:
        return _plain_session()
    session = getattr(shell, "nbserve_session", None)
    if session is None:
        # on the shell and not in a module: %autoreload empties the variables of modules
        session = shell.nbserve_session = Session(shell.user_ns, is_watched=True, has_widgets=hasattr(shell, "kernel"))
        shell.events.register("pre_run_cell", session.before_cell)
        shell.events.register("post_run_cell", session.after_cell)
    return cast("Session", session)


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


def _plain_session() -> Session:
    global _plain
    if _plain is None:
        _plain = Session(sys.modules["__main__"].__dict__)
    return _plain
