"""What `%serve` does, as plain functions."""

from __future__ import annotations

from typing import Any

from ..errors import OptionError
from .current import current_session
from .handle import Endpoint

__all__ = ["endpoints", "get", "serve", "stop_all"]


def serve(model: object, **options: Any) -> Endpoint:
    """Serve `model` over HTTP, or swap it in where its name is served already; answers a handle.

    `model` is an object with methods such as `predict`, any callable, a `ModelResource` (class or instance), a
    `ModelComponent`, or the path of a file, which is loaded with the first request. The options are those of
    ``%serve`` (``name="iris"``, ``port=8000``, ``token=False``, ``eager=True``, …).

    Raises `ModelRefused` (`NotFitted`) for what has nothing to serve, `LoadError` for a file that cannot be read,
    `OptionError` for an option, `Conflict` for a name that is taken, `PortTaken` and `ServerError` when there is no
    listening.
    """
    session = current_session()
    endpoint = Endpoint.of(session, session.serve(model, options))
    endpoint.load_if_eager()
    return endpoint


def get(name: str) -> Endpoint:
    """The endpoint of that name. Raises `NotFound`, and `OptionError` for what is no name."""
    if not isinstance(name, str):
        raise OptionError(f"An object of type {type(name).__name__} is no name.", "Give the name of an endpoint.")
    session = current_session()
    return Endpoint.of(session, session.registry[name].name)


def endpoints() -> list[Endpoint]:
    """Everything served, in the order in which it was first served."""
    session = current_session()
    return [Endpoint.of(session, served.name) for served in session.registry]


def stop_all() -> None:
    """Stop every endpoint and the server."""
    current_session().stop_all()
