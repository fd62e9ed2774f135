"""What `%serve` does, as plain functions."""

from __future__ import annotations

from typing import Any

from .handle import Endpoint
from .session import current_session

__all__ = ["endpoints", "get", "serve", "stop_all"]


def serve(model: object, **options: Any) -> Endpoint:
    """Serve `model` over HTTP, or swap it in where its name is served already; answers a handle.

    `model` is an object with methods such as `predict`, or any callable. The options are those of ``%serve``
    (``name="iris"``, ``port=8000``, ``token=False``, …).

    Raises `ModelRefused` (`NotFitted`) for what has nothing to serve, `OptionError` for an option, `PortTaken` and
    `ServerError` when there is no listening.
    """
    return current_session().serve(model, options)


def get(name: str) -> Endpoint:
    """The endpoint of that name. Raises `NotFound`."""
    session = current_session()
    return Endpoint.of(session, session.registry[name].name)


def endpoints() -> list[Endpoint]:
    """Everything served, in the order in which it was first served."""
    session = current_session()
    return [Endpoint.of(session, served.name) for served in session.registry]


def stop_all() -> None:
    """Stop every endpoint and the server."""
    current_session().stop_all()
