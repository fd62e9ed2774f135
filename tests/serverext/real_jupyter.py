"""A real Jupyter server in a process of its own, and a real kernel of it that serves."""

from __future__ import annotations

import ast
import json
import re
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
from jupyter_client.blocking.client import BlockingKernelClient

from tests.kernel.harness import PATIENCE_S, eventually, isolated

__all__ = ["BASE", "SERVED", "JupyterServer", "Kernel", "started"]

SERVED = (Path(__file__).parent / "served.py").read_text()
"""What the notebook of these tests does: a model, and a resource with routes of its own."""

BASE = "/user/x%40y/"


@dataclass
class Kernel:
    """A kernel of the server's own, and what is run in it."""

    id: str
    client: BlockingKernelClient
    server: JupyterServer

    def run(self, code: str) -> None:
        """Run a cell to its end; it must end well."""
        reply = self._execute(code)
        assert reply["status"] == "ok", "\n".join(reply.get("traceback", []))

    def start(self, code: str) -> None:
        """Begin to run a cell."""
        self.client.execute(code, store_history=False)

    def ask(self, expression: str) -> Any:
        """The value of an expression."""
        value = self._execute("", user_expressions={"it": f"__import__('json').dumps({expression})"})
        told = value["user_expressions"]["it"]
        assert told["status"] == "ok", told
        return json.loads(ast.literal_eval(told["data"]["text/plain"]))

    def address(self, path: str) -> str:
        """Below the kernel's part of the server: `iris/predict/`."""
        return f"{self.server.url}nbserve/e/{self.id}/{path}"

    def listing(self, name: str) -> Path:
        return self.server.runtime / "nbserve" / f"{self.id}-{name}.json"

    def _execute(self, code: str, **more: Any) -> dict[str, Any]:
        message = self.client.execute_interactive(
            code, store_history=False, allow_stdin=False, output_hook=lambda _: None, timeout=PATIENCE_S, **more
        )
        return dict(message["content"])


@dataclass
class JupyterServer:
    """A running server, and how programs and browsers ask it."""

    process: subprocess.Popen[bytes]
    url: str
    token: str
    runtime: Path
    log: Path
    kernels: list[Kernel] = field(default_factory=list)

    def client(self, *, is_logged_in: bool = True, **headers: str) -> httpx.Client:
        """A program, with the server's token if it has one."""
        own = {"Authorization": f"token {self.token}"} if is_logged_in else {}
        return httpx.Client(base_url=self.url, headers=own | headers, timeout=PATIENCE_S, trust_env=False)

    @contextmanager
    def browser(self) -> Iterator[httpx.Client]:
        """Logged in by cookies, as a browser is."""
        with self.client(is_logged_in=False, Accept="text/html") as client:
            client.get("api/status", params={"token": self.token}).raise_for_status()
            client.get("nbserve/").raise_for_status()
            assert "_xsrf" in client.cookies
            yield client

    def start_kernel(self, code: str = SERVED) -> Kernel:
        with self.client() as client:
            answer = client.post("api/kernels", json={})
            answer.raise_for_status()
        kernel = Kernel(answer.json()["id"], BlockingKernelClient(), self)
        self.kernels.append(kernel)
        self.connect(kernel)
        kernel.run(code)
        return kernel

    def connect(self, kernel: Kernel) -> None:
        kernel.client = BlockingKernelClient(connection_file=str(self.runtime / f"kernel-{kernel.id}.json"))
        kernel.client.load_connection_file()
        kernel.client.start_channels()
        assert eventually(lambda: _is_ready(kernel.client))

    def watch_memory(self) -> Callable[[], int]:
        """Begin to look at its memory: what this answers says how many bytes more it has held since, at its peak."""
        about = Path(f"/proc/{self.process.pid}")
        (about / "clear_refs").write_text("5")  # the peak until now is forgotten
        before = _kept_bytes(about, "VmRSS")
        return lambda: _kept_bytes(about, "VmHWM") - before

    def pid_of(self, kernel: Kernel, name: str) -> int:
        return int(json.loads(kernel.listing(name).read_text())["pid"])

    def close(self) -> None:
        for kernel in self.kernels:
            kernel.client.stop_channels()
        self.process.terminate()
        self.process.wait(PATIENCE_S)


def _kept_bytes(about: Path, which: str) -> int:
    found = re.search(rf"{which}:\s+(\d+) kB", (about / "status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def _is_ready(client: BlockingKernelClient) -> bool:
    """On a busy machine a kernel that begins misses heartbeats, and is taken for dead."""
    try:
        client.wait_for_ready(timeout=PATIENCE_S)
    except RuntimeError:
        return False
    return True


def started(home: Path, options: tuple[str, ...]) -> JupyterServer:
    environment, token, log = isolated(home), secrets.token_hex(16), home / "server.log"
    settings = {
        "ServerApp.open_browser": "False",
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": "0",
        "ServerApp.base_url": BASE,
        "ServerApp.root_dir": str(home),
        "ServerApp.jpserver_extensions": "nbserve=True",
        "IdentityProvider.token": token,
    }
    command = [sys.executable, "-m", "jupyter_server", "--allow-root", "--debug"]
    command += [f"--{name}={text}" for name, text in settings.items()]
    with log.open("wb") as file:
        process = subprocess.Popen([*command, *options], env=environment, stdout=file, stderr=file)
    runtime = Path(environment["JUPYTER_RUNTIME_DIR"])
    return JupyterServer(process, _address(process, runtime, log), token, runtime, log)


def _address(process: subprocess.Popen[bytes], runtime: Path, log: Path) -> str:
    announced = runtime / f"jpserver-{process.pid}.json"

    def is_there() -> bool:
        return announced.exists() and announced.read_text().endswith("}")

    started = monotonic()
    assert eventually(lambda: is_there() or process.poll() is not None), monotonic() - started
    assert process.poll() is None, log.read_text()[-3000:]
    return str(json.loads(announced.read_text())["url"])
