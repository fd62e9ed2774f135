"""A browser without a network, and pages that must not complain in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page
from stand_in import TOKEN, StandIn, running

from tests.chromium import launched


@pytest.fixture
def jp_asyncio_loop() -> None:
    """No loop of the Jupyter plugin's: Playwright's runs in this thread, and there can be only one."""


@pytest.fixture
def jp_server_cleanup() -> None:
    """Nothing to clean up: no Jupyter server is started here."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture(
    params=[("", False), ("/user/x/nbserve/e/k1", False), ("/user/x/nbserve/e/k1", True)],
    ids=["at the root", "below a prefix", "in a sandbox"],
)
def server(request: pytest.FixtureRequest) -> Iterator[StandIn]:
    root, is_sandboxed = request.param
    with running(root, is_sandboxed=is_sandboxed) as stand_in:
        yield stand_in


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with running("/user/x/nbserve/e/k1") as stand_in:
        yield stand_in


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A tab; the test fails when a script fails, the policy is violated, or a request leaves this machine."""
    context = chromium.new_context(viewport={"width": 1280, "height": 860})
    context.set_default_timeout(10_000)
    tab = context.new_page()
    complaints: list[str] = []
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("console", lambda said: complaints.append(said.text) if _is_complaint(said.text, said.type) else None)
    tab.on("request", lambda sent: complaints.append(sent.url) if not _is_local(sent.url) else None)
    yield tab
    context.close()
    assert complaints == []


@pytest.fixture
def show(page: Page, stand_in: StandIn) -> Callable[[str], Page]:
    """Open a path of the stand-in, with the token."""

    def opened(path: str) -> Page:
        page.goto(f"{stand_in.url}{path}?token={TOKEN}")
        return page

    return opened


def _is_complaint(text: str, kind: str) -> bool:
    """A refused request is logged as an error by the browser; it is what some tests are about."""
    return kind in ("error", "warning") and "Failed to load resource" not in text


def _is_local(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "data:", "blob:http://127.0.0.1:"))
