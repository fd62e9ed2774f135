"""A real JupyterHub with its proxy, and a user's server in which a kernel serves.

As those with frameworks, these tests are collected only where they are asked for: ``pytest -m hub``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub.real_hub import Hub, running
from tests.serverext.real_jupyter import JupyterServer, Kernel


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    asked = re.search(r"(?<!not )\bhub\b", config.getoption("markexpr"))
    return None if asked else True


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with running(tmp_path_factory.mktemp("hub")) as hub:
        yield hub


@pytest.fixture(scope="session")
def server(hub: Hub) -> Iterator[JupyterServer]:
    """Alice's."""
    server = hub.server_of("alice")
    yield server
    for kernel in server.kernels:
        kernel.client.stop_channels()


@pytest.fixture(scope="session")
def kernel(server: JupyterServer) -> Kernel:
    """It serves `double`, `free` without a token, and `shop`, a resource."""
    return server.start_kernel()
