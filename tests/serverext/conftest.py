"""Real Jupyter servers in processes of their own, and a kernel that serves."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.serverext.real_jupyter import JupyterServer, Kernel, started

StartServer = Callable[..., JupyterServer]


@pytest.fixture(scope="module")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """Starts servers with options of their own: ``start_server("--MappingKernelManager.cull_interval=1")``."""
    running: list[JupyterServer] = []

    def start(*options: str) -> JupyterServer:
        server = started(tmp_path_factory.mktemp("jupyter"), options)
        running.append(server)
        return server

    yield start
    for server in running:
        server.close()


@pytest.fixture(scope="module")
def jupyter(start_server: StartServer) -> JupyterServer:
    return start_server()


@pytest.fixture(scope="module")
def kernel(jupyter: JupyterServer) -> Kernel:
    """It serves `double`, `free` without a token, and `shop`, a resource."""
    return jupyter.start_kernel()


@pytest.fixture
def user(jupyter: JupyterServer) -> Iterator[httpx.Client]:
    """A program with the Jupyter server's token."""
    with jupyter.client() as client:
        yield client


@pytest.fixture
def browser(jupyter: JupyterServer) -> Iterator[httpx.Client]:
    with jupyter.browser() as client:
        yield client


@pytest.fixture
def stranger(jupyter: JupyterServer) -> Iterator[httpx.Client]:
    with jupyter.client(is_logged_in=False) as client:
        yield client
