"""What `serve` returns: a handle to an endpoint, which never holds the model."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any, Self

from ..core.blame import forget_locals
from ..core.calls import Coroutines, Method
from ..core.codecs import Call, bind, to_plain
from ..core.output import is_serving
from ..core.served import Served
from ..core.sharing import Answer
from ..errors import Conflict, DeadlineExceeded, Fault, InputError, ModelRefused, NbserveError, NotFound
from ..settings import GIVEN, Layer, OptionsView, Settings
from .configured import Configured
from .current import current_session
from .noting import keep_call
from .offer import address_of
from .prepared import Prepared
from .session import Session

if TYPE_CHECKING:
    from fastapi import FastAPI

    from ..core.lifecycle import UnloadReport

__all__ = ["Endpoint"]


class Endpoint(Configured):
    """A model to serve, or one that is served: its name, its URL, and everything that can be asked of it.

    `Endpoint(model, **options)` does nothing but check the options. `load` brings the model into memory and looks at
    it: from then on it can be asked, in this process. `serve` answers for it over HTTP, loaded or not; `nbserve.serve`
    is both steps in one. Until it is served it keeps the model, loaded or not; then it refers to it by name only: it
    follows a swap, and keeps nothing in memory. Thread-safe.

    Raises `OptionError`.
    """

    def __init__(self, model: object = None, **options: Any) -> None:
        self._given = model
        self._settings = Settings.of(Layer(GIVEN, options))
        self._session: Session | None = None
        self._name: str = self._settings.options.wanted_name or ""
        self._prepared: Prepared | None = None
        self._order = threading.Lock()
        self._shown_in = -1

    @classmethod
    def of(cls, session: Session, name: str) -> Self:
        """The handle of what `session` serves as `name`."""
        handle = cls(name=name)
        handle._session = session
        return handle

    def serve(self) -> Self:
        """Serve it now. Raises what `nbserve.serve` raises."""
        with self._order:
            if self.served:
                return self
            session = current_session() if self._session is None else self._session
            prepared, settings = self._prepared, session.settled(*self._settings.own)
            if prepared is not None:
                self._name = session.place(prepared.offer_for(settings.options), settings)
                prepared.retire()
            else:
                self._name = session.place(session.offer(self._model, settings.options), settings)
            self._session, self._prepared = session, None
            self._let_go()
        self.load_if_eager()
        return self

    def load_if_eager(self) -> None:
        """Load it now, if it was served so. Raises `LoadError`."""
        if self._served.options.eager:
            self.load()

    @property
    def name(self) -> str:
        return self._name

    @property
    def url(self) -> str:
        """Where it answers, with the last slash; empty when it is stopped."""
        return self._home.url_of(self._name)

    @property
    def token(self) -> str | None:
        """What a caller sends as ``Authorization: Bearer …``; None when it is served without."""
        return self._home.token(self._name)

    @property
    def state(self) -> str:
        """unloaded, loading, loaded or failed; stopped when it is not served any more."""
        if self._session is None:
            return "unloaded" if self._prepared is None else str(self._prepared.served.component.state)
        served = self._session.registry.get(self._name)
        return "stopped" if served is None else str(served.component.state)

    @property
    def loaded(self) -> bool:
        """Whether the model is in memory, looked at, and can be asked."""
        return self.state == "loaded"

    @property
    def served(self) -> bool:
        """Whether it is answered for over HTTP now."""
        return self._session is not None and self._name in self._session.registry

    @property
    def options(self) -> OptionsView:
        """As attributes: ``ep.options.deadline_s = "5s"``. What is set counts from the next `refresh` on."""
        return OptionsView(self._settings_now, self._set)

    @property
    def app(self) -> FastAPI:
        """The FastAPI application of the session: what is added to it is served at once, behind the tokens."""
        return self._home.app

    @property
    def log(self) -> list[str]:
        """What the model printed, warned and raised, newest last."""
        return self._served.log.lines()

    def load(self) -> None:
        """Bring the model into memory, if it is not there yet. Raises `LoadError`, `ModelRefused`."""
        with self._order:
            if self._session is None and self._prepared is None:
                self._prepared = Prepared.of(current_session(), self._model, self._settings)
                self._name = self._prepared.served.name
                self._let_go()
        self._served.load()
        self._changed()

    def unload(self, *, forget: bool = False) -> UnloadReport:
        """Let the model's memory go; the next call brings it back.

        With `forget` the notebook's own variables and memories of it let go, too: where a variable stood is a handle
        with a `restore` then. Raises `SpillError`, and the model stays; `UnloadError` of a component of your own.
        """
        try:
            return self._served.unload(forget=forget)
        finally:
            self._changed()

    def share(self, **terms: Any) -> dict[str, Any]:
        """A link that opens this endpoint to people without an account on the Jupyter server.

        ``ep.share(label="Ann", for_s="2h", methods="predict", rate="10/s", rows=1000)``; its `link` and `token` are
        told here and never again. Raises `SharingOff`, which says how to allow links: ``allow=True``.
        """
        return self._home.share(self._name, **terms)

    def shares(self) -> list[dict[str, Any]]:
        """The links to it, and what they were used for, the newest first; served or not: they open it when it is."""
        return self._notebooks.shares(self._name)

    def revoke(self, share_id: str) -> None:
        """End a link. Raises `NotFound`."""
        self._notebooks.revoke(share_id, self._name)

    def stop(self) -> None:
        """Serve it no longer."""
        self._there.unserve(self._name)

    def refresh(self) -> None:
        """Take over `options` that were set, and look again at a model that has changed in place: nothing is loaded.

        Requests go on meanwhile, and are answered as before or as after. Raises `OptionError`, and changes nothing.
        """
        if self._session is None:
            self._loaded_once.refresh(self._settings)
        else:
            self._there.refresh(self._name)

    def inspect(self) -> Any:
        """What ``GET /{name}/inspect/`` answers. Raises `LoadError`."""
        return self._served.inspect()

    def metadata(self) -> dict[str, Any]:
        """What ``GET /{name}/metadata/`` answers; never loads."""
        return self._served.metadata()

    def traffic(self) -> dict[str, Any]:
        """What ``GET /{name}/traffic/`` answers: the newest requests, with time, caller, rows, ms and status."""
        return self._served.captured()

    def exchange(self, ident: str) -> dict[str, Any]:
        """One of them with what was asked and answered; `ident` is its X-Predict-id. Raises `NotFound`."""
        return self._served.exchange(ident)

    def predict(self, X: Any = None, /, *, method: str | None = None, **given: Any) -> Any:
        """The value of "predict_result" for the same arguments over HTTP: ``ep.predict(X=rows)``.

        Rows are lists, records, columns, arrays or frames. Raises `InputError`, `ModelError`, `LoadError`, `Busy`.
        """
        payload = _payload(X, given)
        return self._asked(method, payload, lambda chosen: chosen.decode(payload), to_plain)

    def predict_from(self, X: Any = None, /, *, method: str | None = None, **given: Any) -> Any:
        """The model's own answer to native values, neither of them converted."""
        arguments = _payload(X, given)
        return self._asked(method, arguments, lambda chosen: bind(chosen.signature, arguments), _as_it_is)

    async def async_predict(self, X: Any = None, /, *, method: str | None = None, **given: Any) -> Any:
        """`predict` for a cell that awaits: the kernel is free meanwhile."""
        payload = _payload(X, given)
        began = perf_counter()
        try:
            _, _, future = self._submit(method, lambda chosen: chosen.decode(payload), to_plain)
            answer = await asyncio.wrap_future(future)
        except NbserveError as error:
            self._keep(method, payload, perf_counter() - began, error)
            raise _let_go(error)  # noqa: B904 - its cause, the model's own error, stays
        self._keep(method, payload, perf_counter() - began, answer)
        return answer.value

    def show(self) -> None:
        """Display the card now; where there is a card, the end of this cell does not display it again."""
        self._shown_in = self._home.cells_ended if self._home.show(self._name) else -1

    def __repr__(self) -> str:
        if self._session is None:
            is_loaded = "loaded, " if self.loaded else ""
            return f"<Endpoint {self._name or 'without a name'}, {is_loaded}not served yet>"
        if self.state == "stopped":
            return f"<Endpoint {self._name}, stopped>"
        return self._session.text(self._name)

    def _ipython_display_(self) -> None:
        """The card; nothing when the magic of this very cell has shown it already."""
        if self._session is not None and self._shown_in == self._session.cells_ended:
            return
        if not self.served or not self._home.show(self._name):
            print(repr(self))  # noqa: T201 - the display of a handle is its text

    @property
    def _home(self) -> Session:
        if self._session is None:
            raise Conflict("This endpoint is not served yet.", "Call .serve() first.")
        return self._session

    @property
    def _notebooks(self) -> Session:
        """The session that it is served in, or would be: links are the notebook's, and outlive what they open."""
        return current_session() if self._session is None else self._session

    @property
    def _served(self) -> Served:
        return self._loaded_once.served if self._session is None else self._there.registry[self._name]

    @property
    def _there(self) -> Session:
        """The session, while it serves the name."""
        home = self._home
        if self._name not in home.registry:
            remedy = "Serve it anew: nbserve.serve(model)." if self._given is None else "Call .serve() first."
            raise NotFound(f"{self._name} was stopped.", remedy)
        return home

    @property
    def _loaded_once(self) -> Prepared:
        if self._prepared is None:
            raise Conflict("This endpoint's model is not loaded yet.", "Call .load() first, or .serve().")
        return self._prepared

    @property
    def _model(self) -> object:
        if self._given is None:
            problem = (
                "This endpoint has no model." if self._session is None else "This endpoint has let go of its model."
            )
            raise ModelRefused(problem, "Serve one: nbserve.serve(model).")
        return self._given

    def _address(self) -> str | None:
        if self._session is not None and self.served:
            return self._session.address(self._name)
        if self._prepared is not None:
            return self._prepared.address
        return address_of(self._given)

    def _tell(self, settings: Settings) -> None:
        self._settings, self._name = settings, settings.options.wanted_name or ""

    def _let_go(self) -> None:
        """Somebody else holds the model now; an address may be of use again."""
        if not isinstance(self._given, (str, os.PathLike)):
            self._given = None

    def _settings_now(self) -> Settings:
        if self._session is None or not self.served:
            return self._settings
        return self._session.settings(self._name)

    def _set(self, option: str, value: Any) -> None:
        if self._session is not None and self.served:
            self._session.tell(self._name, option, value)
            self._settings = Settings.of(*self._session.settings(self._name).own)  # for `serve` after a `stop`
            return
        self._settings = self._settings.changed(option, value)
        self._name = self._settings.options.wanted_name or self._name

    def _changed(self) -> None:
        if self._session is not None:
            self._session.changed()

    def _asked(
        self, method: str | None, payload: Any, read: Callable[[Method], Call], finish: Callable[[Any], Any]
    ) -> Any:
        began = perf_counter()
        try:
            answer = _waited(*self._submit(method, read, finish))
        except NbserveError as error:
            self._keep(method, payload, perf_counter() - began, error)
            raise
        self._keep(method, payload, perf_counter() - began, answer)
        return answer.value

    def _keep(self, method: str | None, payload: Any, took_s: float, came_to: Answer[Any] | NbserveError) -> None:
        with suppress(NbserveError):  # it was stopped meanwhile, or never loaded
            keep_call(self._served, method, payload, took_s, came_to)

    def _submit(
        self, method: str | None, read: Callable[[Method], Call], finish: Callable[[Any], Any]
    ) -> tuple[Coroutines, float | None, Future[Answer[Any]]]:
        """Where the call runs, how long may be waited for it, and its future: none of them holds the model."""
        served = self._served
        if not served.is_described:
            served.load()
            served.see()
        chosen = served.method(method or served.profile.main.method)
        # a cell may wait for ever; a model that asks another endpoint may not, for that one may be waiting for it
        patience_s = served.options.deadline_s if is_serving() else None
        return served.coroutines, patience_s, served.submit(chosen, read, finish)


def _waited(coroutines: Coroutines, patience_s: float | None, future: Future[Answer[Any]]) -> Answer[Any]:
    try:
        return coroutines.wait_here(future) if coroutines.is_here() else future.result(patience_s)
    except TimeoutError:
        future.cancel()
        raise DeadlineExceeded(
            f"The endpoint did not answer its caller, a model, within {patience_s:g} s.",
            "Two models that call each other need --threads, or wait for ever.",
        ) from None
    except NbserveError as error:
        if isinstance(error.__cause__, KeyboardInterrupt) and coroutines.is_here():
            raise KeyboardInterrupt from None  # of the one who waits: it came while the model ran in his thread
        raise _let_go(error)  # noqa: B904 - its cause, the model's own error, stays


def _let_go(error: NbserveError) -> NbserveError:
    """The error, to be raised here: its traceback is the caller's, and neither it nor its cause holds the model."""
    forget_locals(error)
    return error.with_traceback(None)


def _payload(X: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Raises `InputError` for data that is given in both ways."""
    if X is not None and "X" in given:
        problem = "The argument 'X' is given twice."
        raise InputError(problem, "Give it once.", faults=[Fault(("X",), problem, "duplicate")])
    return given if X is None else {"X": X, **given}


def _as_it_is(value: Any) -> Any:
    return value
