"""A session of its own for each test, on a real server, and somebody who calls it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from nbserve.notebook.handle import Endpoint
from nbserve.notebook.session import Session
from tests.client import Caller, handle, opened

if TYPE_CHECKING:
    from tests.gated import Gated

Serve = Callable[..., Endpoint]


@pytest.fixture
def session() -> Iterator[Session]:
    with opened() as (session, _):
        yield session


@pytest.fixture
def serve(session: Session) -> Serve:
    """Serve a model in the session of the test: ``serve(model, name="iris")``."""

    def served(model: Any, **options: Any) -> Endpoint:
        return handle(session, model, options)

    return served


@pytest.fixture
def caller(session: Session) -> Iterator[Caller]:
    """Calls what the session of the test serves."""
    caller = Caller(session)
    yield caller
    caller.close()


@pytest.fixture
def gated() -> Iterator[Gated]:
    """A model that answers when it is let, and is let at the end of the test at the latest."""
    from tests.gated import Gated  # needs numpy, which there is not for the tests behind a hub

    model = Gated()
    yield model
    model.may_leave.set()
