"""Models served by a program of one's own, without a notebook."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import ModelRefused, OptionError, nearest
from .options import PASSWORD_VARIABLE

if TYPE_CHECKING:
    from fastapi import FastAPI

    from .core.custom import ModelComponent
    from .notebook.handle import Endpoint
    from .web.certificate import Certificate

__all__ = ["App", "run"]

GRACE_S = 10
"""How long answers in flight are waited for at the end."""

TOKEN_VARIABLE = "NBSERVE_SESSION_TOKEN"  # noqa: S105 - the name of the variable
"""The environment's own token for all that a program serves; without it a new one is made."""


class App:
    """An ASGI application that serves models: ``nbserve.run(app)``, or any ASGI server, runs it.

    `components` are those that its resources use; a resource that brings its own needs no mention here. `docs` is a
    second address of the documentation, which is at ``/docs`` in any case.
    """

    def __init__(
        self,
        title: str = "nbserve",
        version: str = "1",
        description: str = "",
        docs: str = "/docs/",
        components: Iterable[ModelComponent] = (),
    ) -> None:
        from .notebook.session import Session
        from .web.door import Door

        about = {"title": title, "version": version, "description": description}
        self._session = Session({}, about=about, session_token=os.environ.get(TOKEN_VARIABLE), has_server=False)
        self.models = Models(self)
        self._door = Door(self._session.app, self._session.access)
        for component in components:
            self.add_component(component)
        if docs.strip("/") not in ("", "docs"):
            self._session.add_docs_at(docs)

    @property
    def app(self) -> FastAPI:
        """The FastAPI application: routes that are added to it are served too."""
        return self._session.app

    @property
    def token(self) -> str:
        """Opens everything that is served here."""
        return self._session.access.session_token

    def go_public(self, host: str) -> None:
        """It will be served there. Raises `OptionError` if what is open would be reached by other machines."""
        self._session.hosting.go_public(host)

    def add_component(self, component: ModelComponent) -> None:
        """Say that the component belongs to this application. Raises `ModelRefused` for what is none."""
        from .core.custom import component_of

        component_of(component)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self._door(scope, receive, send)

    async def _live(self, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                self._session.close()
                return

    def serve(self, model: object, **options: Any) -> Endpoint:
        """Serve what `nbserve.serve` serves. Raises what it raises, and `Conflict` for a path that is taken."""
        from .notebook.handle import Endpoint

        endpoint = Endpoint.of(self._session, self._session.serve_new(model, options))
        endpoint.load_if_eager()
        return endpoint


class Models:
    """The models of an application, added by their paths."""

    def __init__(self, app: App) -> None:
        self._app = app

    def add_model_resource(self, path: str, resource: Any, **options: Any) -> Endpoint:
        """Serve a `ModelResource`, a class or an instance, at ``path``."""
        return self._app.serve(resource, path=path, **options)

    def add_model(self, path: str, model: Any, **options: Any) -> Endpoint:
        """Serve a model, or a file of one, at ``path``."""
        return self._app.serve(model, path=path, **options)


def run(
    app: App | str | None = None,
    *,
    flama_app: App | str | None = None,
    server_host: str = "127.0.0.1",
    server_port: int = 8000,
    server_reload: bool = False,
    server_certfile: str | None = None,
    server_keyfile: str | None = None,
) -> Any:
    """Serve an application until it is interrupted, or asked to end by SIGTERM; in a notebook, beside it.

    `app` is an `App`, or where one is found: ``"module:name"``. An empty `server_host` is this machine alone; any other
    needs tokens. With `server_certfile`, and `server_keyfile` where it does not hold the key, it speaks https. With
    `server_reload` it begins anew when the program's files change. `flama_app` is another name for `app`, which
    programs that were written for Flama use.

    Raises `ModelRefused` for what is no `App`, `OptionError` for what is open and would be reached by other machines
    and for files that are no certificate, `PortTaken` and `ServerError` (in a notebook).
    """
    wanted = app if app is not None else flama_app
    found = _found(wanted)
    host = server_host or "127.0.0.1"
    found.go_public(host)
    certificate = _certificate(server_certfile, server_keyfile)
    if "ipykernel" in sys.modules and "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None:
        return _beside(found, host, server_port, certificate)
    import uvicorn

    place = wanted if server_reload and isinstance(wanted, str) else None  # a process that begins anew needs a place
    if place is not None:
        os.environ[TOKEN_VARIABLE] = found.token
    print(f"Serving on {_shown(host, server_port, certificate)}?token={found.token}", flush=True)  # noqa: T201
    target: Any = found if place is None else place
    uvicorn.run(
        target,
        host=host,
        port=server_port,
        reload=place is not None,
        timeout_graceful_shutdown=GRACE_S,
        access_log=False,  # its lines would hold the tokens of queries
        log_level="warning",
        ws="none",
        server_header=False,
        ssl_certfile=None if certificate is None else server_certfile,
        ssl_keyfile=None if certificate is None else server_keyfile,
        ssl_keyfile_password=os.environ.get(PASSWORD_VARIABLE),
    )
    return None


def _certificate(certfile: str | None, keyfile: str | None) -> Certificate | None:
    """Raises `OptionError`."""
    if certfile is None and keyfile is None:
        return None
    from .web.certificate import certificate_of

    if certfile is None:
        raise OptionError("A key alone serves nothing over https.", "Give its certificate: server_certfile.")
    return certificate_of(certfile, keyfile, os.environ.get(PASSWORD_VARIABLE))


def _shown(host: str, port: int, certificate: Certificate | None) -> str:
    from .web.address import bracketed

    return f"{'http' if certificate is None else 'https'}://{bracketed(host)}:{port}/"


def _beside(app: App, host: str, port: int, certificate: Certificate | None) -> Any:
    """Serve it on a thread of the kernel, for as long as the application is kept."""
    from .web.address import address_of
    from .web.server import Server

    server = Server(app, address_of(host).number, port, tls=None if certificate is None else certificate.context)
    # without the token, which would be saved with the notebook
    shown = _shown(server.host, server.port, certificate)
    print(f"Serving on {shown} (its token is the application's: app.token)")  # noqa: T201
    return server


def _found(wanted: App | str | None) -> App:
    if isinstance(wanted, str):
        wanted = _imported(wanted)
    if wanted is None:
        raise ModelRefused("There is no App to run.", "Make one: app = nbserve.App(); nbserve.run(app).")
    if not isinstance(wanted, App):
        raise ModelRefused(
            f"An object of type {type(wanted).__name__} is no App.", "Make one: app = nbserve.App(); nbserve.run(app)."
        )
    return wanted


def _imported(place: str) -> Any:
    module_name, _, name = place.partition(":")
    if not name:
        raise OptionError(f"{place!r} is no place of an App.", "Write 'module:name'.")
    try:
        module = import_module(module_name)
    except ImportError as error:
        raise OptionError(f"{place!r} cannot be found: {error}.", "Write 'module:name' of a module here.") from None
    if not hasattr(module, name):
        problem = f"{module_name} has no {name!r}.{nearest(name, dir(module))}"
        raise OptionError(problem, "Name the variable of the App.")
    return getattr(module, name)
