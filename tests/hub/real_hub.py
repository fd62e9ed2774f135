"""A real JupyterHub in a process of its own, as an administrator sets it up who trusts every password."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.kernel.harness import PATIENCE_S, eventually, isolated
from tests.serverext.real_jupyter import JupyterServer

__all__ = ["PREFIX", "Hub", "running"]

PREFIX = "/hub-prefix/"

PROXY = Path(__file__).parents[2] / ".cache" / "hub" / "node_modules" / ".bin" / "configurable-http-proxy"
"""Where `make test-hub` puts it."""

CONFIG = """
c.JupyterHub.bind_url = {bind_url!r}
c.JupyterHub.hub_bind_url = {hub_url!r}
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allowed_users = {{"alice", "bob", "carol"}}
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = {home!r}
c.Spawner.environment = {environment!r}
c.Spawner.args = ["--allow-root", "--ServerApp.jpserver_extensions=nbserve=True"]
c.Spawner.cmd = [{python!r}, "-m", "jupyterhub.singleuser"]
c.Spawner.http_timeout = c.Spawner.start_timeout = 60
c.ConfigurableHTTPProxy.command = {proxy!r}
c.ConfigurableHTTPProxy.api_url = {proxy_url!r}
c.ConfigurableHTTPProxy.pid_file = {pid_file!r}
c.JupyterHub.db_url = "sqlite:///:memory:"
c.JupyterHub.cookie_secret_file = {cookies!r}
c.JupyterHub.services = [{{"name": "tests", "api_token": {token!r}}}]
c.JupyterHub.load_roles = [
    {{"name": "tests", "scopes": ["admin:users", "admin:servers", "tokens"], "services": ["tests"]}},
    {{"name": "guests", "scopes": ["access:servers!server=alice/"], "users": ["carol"]}},
]
"""


@dataclass
class Hub:
    """A running hub; `url` is its address with its prefix."""

    process: subprocess.Popen[bytes]
    url: str
    token: str
    home: Path
    log: Path

    def token_of(self, user: str) -> str:
        """A token for all that the user may do."""
        with self._api() as api:
            answer = api.post(f"users/{user}/tokens", json={"note": "tests"})
            answer.raise_for_status()
            return str(answer.json()["token"])

    def server_of(self, user: str) -> JupyterServer:
        """The user's server, started."""
        with self._api() as api:
            api.post(f"users/{user}/server").raise_for_status()
            assert eventually(lambda: bool(_server(api, user).get("ready"))), self.log.read_text()[-3000:]
        runtime = Path(self.environment["JUPYTER_RUNTIME_DIR"])
        return JupyterServer(self.process, f"{self.url}user/{user}/", self.token_of(user), runtime, self.log)

    @property
    def environment(self) -> dict[str, str]:
        return isolated(self.home / "alice")

    @contextmanager
    def program(self, token: str | None = None) -> Iterator[httpx.Client]:
        headers = {} if token is None else {"Authorization": f"token {token}"}
        with httpx.Client(headers=headers, timeout=PATIENCE_S, trust_env=False) as client:
            yield client

    @contextmanager
    def browser(self, user: str) -> Iterator[httpx.Client]:
        """Logged in at the hub, as a person."""
        with httpx.Client(
            headers={"Accept": "text/html"}, timeout=PATIENCE_S, trust_env=False, follow_redirects=True
        ) as client:
            page = client.get(f"{self.url}hub/login").text
            found = re.search(r'name="_xsrf" value="([^"]+)"', page)
            assert found is not None
            sent = {"username": user, "password": "any", "_xsrf": found[1]}
            client.post(f"{self.url}hub/login?next={PREFIX}hub/home", data=sent).raise_for_status()
            yield client

    def _api(self) -> httpx.Client:
        return httpx.Client(
            base_url=f"{self.url}hub/api/",
            headers={"Authorization": f"token {self.token}"},
            timeout=PATIENCE_S,
            trust_env=False,
        )


@contextmanager
def running(home: Path) -> Iterator[Hub]:
    ports = _free_ports(3)
    token, log, config = secrets.token_hex(16), home / "hub.log", home / "config.py"
    hub = Hub(None, f"http://127.0.0.1:{ports[0]}{PREFIX}", token, home, log)  # type: ignore[arg-type]
    places = {name: text for name, text in hub.environment.items() if text != os.environ.get(name)}
    # several ids of processes may not be known to it, and no proxy of the environment stands between its parts
    config.write_text(
        CONFIG.format(
            bind_url=hub.url,
            hub_url=f"http://127.0.0.1:{ports[1]}",
            proxy_url=f"http://127.0.0.1:{ports[2]}",
            home=str(home / "{username}"),
            environment=places,
            python=sys.executable,
            proxy=[str(PROXY)],
            pid_file=str(home / "proxy.pid"),
            cookies=str(home / "cookies"),
            token=token,
        )
    )
    assert PROXY.exists(), "make test-hub installs the hub's proxy"
    assert shutil.which("node"), "the hub's proxy needs node"
    with log.open("wb") as file:
        command = [sys.executable, "-m", "jupyterhub", "-f", str(config)]
        hub.process = subprocess.Popen(
            command, cwd=home, stdout=file, stderr=file, env={**os.environ, "HOME": str(home)}
        )
    try:
        assert eventually(lambda: _answers(hub) or hub.process.poll() is not None)
        assert hub.process.poll() is None, log.read_text()[-3000:]
        yield hub
    finally:
        hub.process.send_signal(signal.SIGTERM)  # it ends its proxy and its users' servers
        hub.process.wait(PATIENCE_S)


def _answers(hub: Hub) -> bool:
    try:
        return httpx.get(f"{hub.url}hub/api/", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _server(api: httpx.Client, user: str) -> dict[str, Any]:
    servers = json.loads(api.get(f"users/{user}").text)["servers"]
    return dict(servers.get("", {}))


def _free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports
