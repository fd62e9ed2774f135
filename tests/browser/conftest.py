"""A real Jupyter server and a real browser, with nothing of the user's own set-up in either."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.chromium import launched

START_S = 60
IPYKERNELS = os.environ.get("NBSERVE_IPYKERNELS", "")
"""A folder of ipykernels, each in a folder that is called after its version."""
SETTINGS = {"notification": {"fetchNews": "false", "checkForUpdates": False}}


@dataclass(frozen=True)
class JupyterServer:
    """A running JupyterLab, which serves Notebook 7 too."""

    root: Path
    url: str
    token: str

    def address(self, path: str, app: str) -> str:
        return f"{self.url}{'lab/tree' if app == 'lab' else 'notebooks'}/{path}?reset&token={self.token}"

    def end_kernels(self) -> None:
        """End every kernel, so that the next notebook finds none.

        Jupyter answers 500 for one that is just being restarted: it is asked again.
        """
        deadline = monotonic() + START_S
        while (kernels := self._api("GET", "kernels")) and monotonic() < deadline:
            for kernel in kernels:
                with contextlib.suppress(HTTPError):
                    self._api("DELETE", f"kernels/{kernel['id']}")
        assert not kernels

    def _api(self, method: str, path: str) -> Any:
        request = Request(f"{self.url}api/{path}", method=method, headers={"Authorization": f"token {self.token}"})
        with urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or "null")

    def kernel_activity(self) -> str:
        """When its only kernel was last active, as it tells those who stop what is idle."""
        (kernel,) = self._api("GET", "kernels")
        return str(kernel["last_activity"])

    def write(self, name: str, *cells: str, kernel: str = "python3") -> str:
        """Put a notebook with these code cells into the server's folder."""
        kernelspec = {"name": kernel, "display_name": kernel, "language": "python"}
        (self.root / name).write_text(
            json.dumps(
                {
                    "cells": [_code_cell(number, source) for number, source in enumerate(cells)],
                    "metadata": {"kernelspec": kernelspec},
                    "nbformat": 4,
                    "nbformat_minor": 5,
                }
            )
        )
        return name


def _code_cell(number: int, source: str) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "id": f"cell-{number}",
        "metadata": {},
        "source": source,
        "outputs": [],
        "execution_count": None,
    }


@dataclass
class NotebookPage:
    """One notebook in one browser tab, driven the way a person does."""

    page: Any
    outside_requests: list[str] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)

    def wait_until_ready(self) -> None:
        """Wait for the notebook and its kernel."""
        ready = "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
        self.page.wait_for_function(ready, timeout=START_S * 1000)

    def command(self, name: str, **arguments: Any) -> None:
        """Start a command of the application; don't wait for its end."""
        self.page.evaluate("([name, given]) => { window.jupyterapp.commands.execute(name, given) }", [name, arguments])

    def run(self, number: int) -> None:
        """Run one cell, without waiting for it."""
        self.page.evaluate(
            "number => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = number }", number
        )
        self.command("notebook:run-cell")

    def cell(self, number: int) -> Any:
        """A code cell of the notebook in front."""
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell").nth(number)

    def output(self, number: int) -> Any:
        return self.cell(number).locator(".jp-OutputArea-output").first

    def prompt(self, number: int) -> Any:
        """The `[*]` of a running cell, the `[3]` of one that ran."""
        return self.cell(number).locator(".jp-InputPrompt")

    def choose_theme(self, name: str) -> None:
        self.command("apputils:change-theme", theme=name)
        is_light = "false" if "Dark" in name else "true"
        self.page.locator(f"body[data-jp-theme-light='{is_light}']").wait_for(state="attached")

    def restart_kernel(self) -> None:
        """Restart as a person does: through the menu, and yes."""
        self.command("kernelmenu:restart")
        self.page.locator(".jp-Dialog .jp-mod-accept").click()

    def interrupt_kernel(self) -> None:
        self.command("kernelmenu:interrupt")

    def end_kernel(self) -> None:
        """Shut the kernel down for good."""
        self.command("kernelmenu:shutdown")

    def save(self) -> None:
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    home = tmp_path_factory.mktemp("jupyter")
    root = home / "notebooks"
    root.mkdir()
    _add_kernels(home / "data" / "kernels")
    token = secrets.token_hex(16)
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen(_command(root, token), env=_environment(home), stdout=log, stderr=log)
        try:
            yield JupyterServer(root, _address(server, home), token)
        finally:
            _end(server)


def _add_kernels(specs: Path) -> None:
    """A kernel for each ipykernel that is installed in a folder of its own in `NBSERVE_IPYKERNELS`."""
    for folder in Path(IPYKERNELS).iterdir() if IPYKERNELS else ():
        spec = {
            "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            "display_name": f"ipykernel {folder.name}",
            "language": "python",
            "env": {"PYTHONPATH": os.pathsep.join([str(folder.resolve()), os.environ.get("PYTHONPATH", "")])},
        }
        target = specs / f"ipykernel-{folder.name}"
        target.mkdir(parents=True)
        (target / "kernel.json").write_text(json.dumps(spec))


def _end(server: subprocess.Popen[bytes]) -> None:
    """End the server, and by force when a kernel that is just restarting holds it; its kernels end with it."""
    server.terminate()
    try:
        server.wait(timeout=10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait(timeout=10)


def _command(root: Path, token: str) -> list[str]:
    options = {
        "ServerApp.open_browser": "False",
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": "0",
        "ServerApp.root_dir": str(root),
        "IdentityProvider.token": token,
        "LabApp.expose_app_in_browser": "True",
        "JupyterNotebookApp.expose_app_in_browser": "True",
    }
    return [sys.executable, "-m", "jupyterlab", "--allow-root", *(f"--{key}={text}" for key, text in options.items())]


def _environment(home: Path) -> dict[str, str]:
    """The user's environment, with every folder that Jupyter and IPython write to inside `home`."""
    folders = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    }
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    for name, chosen in SETTINGS.items():
        (settings / f"{name}.jupyterlab-settings").write_text(json.dumps(chosen))
    isolated = {name: str(home / folder) for name, folder in folders.items()}
    return {**os.environ, **isolated, "JUPYTER_PREFER_ENV_PATH": "0"}


def _address(server: subprocess.Popen[bytes], home: Path) -> str:
    """Wait until the server says where it is."""
    deadline = monotonic() + START_S
    announced = home / "runtime" / f"jpserver-{server.pid}.json"
    while monotonic() < deadline and server.poll() is None:
        if announced.exists() and (text := announced.read_text()).endswith("}"):
            return str(json.loads(text)["url"])
        sleep(0.1)
    pytest.fail("Jupyter did not start:\n" + (home / "server.log").read_text()[-3000:])


@pytest.fixture(autouse=True)
def jp_asyncio_loop() -> None:
    """In place of pytest-jupyter's: the driver of the browser has an event loop of its own on this thread."""


@pytest.fixture(autouse=True)
def jp_server_cleanup() -> None:
    """In place of pytest-jupyter's, which runs on that loop."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The browser; no longer than a module, because no other loop can run on this thread meanwhile."""
    with launched() as browser:
        yield browser


@pytest.fixture
def open_notebook(jupyter: JupyterServer, chromium: Any) -> Iterator[Callable[..., NotebookPage]]:
    """`open_notebook("a.ipynb", app="notebook", width=1200)`: a tab on that notebook, its kernel ready."""
    contexts = []

    def open_(path: str, app: str = "lab", width: int = 1280, height: int = 1000) -> NotebookPage:
        context = chromium.new_context(viewport={"width": width, "height": height}, device_scale_factor=2)
        contexts.append(context)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        tab = NotebookPage(context.new_page())
        tab.page.on("request", lambda request: _note_request(tab, request.url))
        tab.page.on("pageerror", lambda error: tab.mistakes.append(str(error)))
        tab.page.goto(jupyter.address(path, app))
        tab.wait_until_ready()
        return tab

    yield open_
    for context in contexts:
        context.close()
    jupyter.end_kernels()


def _note_request(tab: NotebookPage, url: str) -> None:
    if not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")):
        tab.outside_requests.append(url)
