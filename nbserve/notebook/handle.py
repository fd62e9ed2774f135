"""What `serve` returns: a handle to an endpoint, which never holds the model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Self

from ..core.blame import forget_locals
from ..core.calls import Coroutines, Method
from ..core.codecs import Call, bind, to_plain
from ..core.output import is_serving
from ..core.served import Served
from ..core.sharing import Answer
from ..errors import DeadlineExceeded, NbserveError, NotFound

if TYPE_CHECKING:
    from fastapi import FastAPI

    from ..core.lifecycle import UnloadReport
    from .session import Session

__all__ = ["Endpoint"]


class Endpoint:
    """A served model: its name, its URL, and everything that can be asked of it.

    Made by `serve`. It refers to the model by name only: it follows a swap, and keeps nothing in memory. Thread-safe.

    `Endpoint(model, **options)` does nothing yet; its `serve` does. Until then it holds the model.
    """

    def __init__(self, model: object = None, **options: Any) -> None:
        self._given = model
        self._options = options
        self._session: Session | None = None
        self._name: str = options.get("name") or ""
        self._shown_in = -1

    @classmethod
    def of(cls, session: Session, name: str) -> Self:
        """The handle of what `session` serves as `name`."""
        handle = cls(name=name)
        handle._session = session
        return handle

    def serve(self) -> Self:
        """Serve it now. Raises what `nbserve.serve` raises."""
        if self._session is None:
            from .current import current_session

            session = current_session()
            self._name = session.serve(self._given, self._options).name
            self._session, self._given = session, None
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
            return "unloaded"
        served = self._session.registry.get(self._name)
        return "stopped" if served is None else str(served.component.state)

    @property
    def loaded(self) -> bool:
        return self.state == "loaded"

    @property
    def app(self) -> FastAPI:
        """The FastAPI application of the session: what is added to it is served at once, behind the tokens."""
        return self._home.app

    @property
    def log(self) -> list[str]:
        """What the model printed, warned and raised, newest last."""
        return self._served.log.lines()

    def load(self) -> None:
        """Bring the model into memory. Raises `LoadError`."""
        self._served.load()
        self._home.changed()

    def unload(self, *, forget: bool = False) -> UnloadReport:
        """Let the model's memory go; the next call brings it back.

        With `forget` the notebook's own variables and memories of it let go, too: where a variable stood is a handle
        with a `restore` then. Raises `SpillError`, and the model stays; `UnloadError` of a component of your own.
        """
        try:
            return self._served.unload(forget=forget)
        finally:
            self._home.changed()

    def stop(self) -> None:
        """Serve it no longer."""
        self._home.unserve(self._name)

    def refresh(self) -> None:
        """Analyse the model again, which has changed in place; it is not loaded again."""
        self._home.refresh(self._name)

    def inspect(self) -> Any:
        """What ``GET /{name}/inspect/`` answers. Raises `LoadError`."""
        return self._served.inspect()

    def metadata(self) -> dict[str, Any]:
        """What ``GET /{name}/metadata/`` answers; never loads."""
        return self._served.metadata()

    def predict(self, X: Any = None, /, *, method: str | None = None, **given: Any) -> Any:
        """The value of "predict_result" for the same arguments over HTTP: ``ep.predict(X=rows)``.

        Rows are lists, records, columns, arrays or frames. Raises `InputError`, `ModelError`, `LoadError`, `Busy`.
        """
        payload = _payload(X, given)
        return _waited(*self._submit(method, lambda chosen: chosen.decode(payload), to_plain))

    def predict_from(self, X: Any = None, /, *, method: str | None = None, **given: Any) -> Any:
        """The model's own answer to native values, neither of them converted."""
        arguments = given if X is None else {"X": X, **given}
        return _waited(*self._submit(method, lambda chosen: bind(chosen.signature, arguments), _as_it_is))

    async def async_predict(self, X: Any = None, /, *, method: str | None = None, **given: Any) -> Any:
        """`predict` for a cell that awaits: the kernel is free meanwhile."""
        payload = _payload(X, given)
        _, _, future = self._submit(method, lambda chosen: chosen.decode(payload), to_plain)
        try:
            return (await asyncio.wrap_future(future)).value
        except NbserveError as error:
            raise _let_go(error)  # noqa: B904 - its cause, the model's own error, stays

    def show(self) -> None:
        """Display the card now; where there is a card, the end of this cell does not display it again."""
        self._shown_in = self._home.cells_ended if self._home.show(self._name) else -1

    def __repr__(self) -> str:
        if self._session is None:
            return f"<Endpoint {self._name or 'without a name'}, not served yet>"
        if self.state == "stopped":
            return f"<Endpoint {self._name}, stopped>"
        return self._session.text(self._name)

    def _ipython_display_(self) -> None:
        """The card; nothing when the magic of this very cell has shown it already."""
        if self._session is not None and self._shown_in == self._session.cells_ended:
            return
        if self.state == "stopped" or not self._home.show(self._name):
            print(repr(self))  # noqa: T201 - the display of a handle is its text

    @property
    def _home(self) -> Session:
        if self._session is None:
            raise NotFound("This endpoint is not served yet.", "Call .serve() first.")
        return self._session

    @property
    def _served(self) -> Served:
        return self._home.registry[self._name]

    def _submit(
        self, method: str | None, read: Callable[[Method], Call], finish: Callable[[Any], Any]
    ) -> tuple[Coroutines, float | None, Future[Answer[Any]]]:
        """Where the call runs, how long may be waited for it, and its future: none of them holds the model."""
        served = self._served
        if not served.is_described:
            served.load()
        chosen = served.method(method or served.profile.main.method)
        # a cell may wait for ever; a model that asks another endpoint may not, for that one may be waiting for it
        patience_s = served.options.deadline_s if is_serving() else None
        return served.coroutines, patience_s, served.submit(chosen, read, finish)


def _waited(coroutines: Coroutines, patience_s: float | None, future: Future[Answer[Any]]) -> Any:
    try:
        return (coroutines.wait_here(future) if coroutines.is_here() else future.result(patience_s)).value
    except TimeoutError:
        future.cancel()
        raise DeadlineExceeded(
            f"The endpoint did not answer its caller, a model, within {patience_s:g} s.",
            "Two models that call each other need --threads, or wait for ever.",
        ) from None
    except NbserveError as error:
        raise _let_go(error)  # noqa: B904 - its cause, the model's own error, stays


def _let_go(error: NbserveError) -> NbserveError:
    """The error, to be raised here: its traceback is the caller's, and neither it nor its cause holds the model."""
    forget_locals(error)
    return error.with_traceback(None)


def _payload(X: Any, given: dict[str, Any]) -> Any:
    return given if X is None else {"X": X, **given}


def _as_it_is(value: Any) -> Any:
    return value
