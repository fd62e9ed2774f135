"""The Jupyter server tells what its notebooks serve, and to whom it may."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.auth import Authorizer
from tornado.httpclient import HTTPClientError

from nbserve.directory import Listing, announce


@pytest.fixture
def jp_server_config() -> dict[str, Any]:
    return {"ServerApp": {"jpserver_extensions": {"nbserve": True}}}


async def test_the_endpoints_of_a_kernel_that_this_server_runs_are_listed(jp_serverapp: Any, jp_fetch: Any) -> None:
    kernel = json.loads((await jp_fetch("api", "kernels", method="POST", body="{}")).body)
    try:
        pid = jp_serverapp.kernel_manager.get_kernel(kernel["id"]).provisioner.pid
        announce(Listing("iris", "http://127.0.0.1:1/iris/", kernel["id"], pid, "a.ipynb"))
        announce(Listing("stale", "http://127.0.0.1:1/stale/", kernel["id"], pid + 1))
        announce(Listing("foreign", "http://127.0.0.1:1/foreign/", "another-kernel", pid))
        listed = json.loads((await jp_fetch("nbserve")).body)["endpoints"]
    finally:
        await jp_fetch("api", "kernels", kernel["id"], method="DELETE")
    shown = {"name": "iris", "url": "http://127.0.0.1:1/iris/", "kernel_id": kernel["id"], "notebook": "a.ipynb"}
    assert listed == [shown]


async def test_nobody_without_a_token_is_told(jp_fetch: Any) -> None:
    with pytest.raises(HTTPClientError) as refused:
        await jp_fetch("nbserve", headers={"Authorization": "token wrong"})
    assert refused.value.code == 403


class Denier(Authorizer):
    """Lets nobody look at endpoints."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        return resource != "nbserve"


async def test_the_servers_authorizer_is_asked(jp_serverapp: Any, jp_fetch: Any) -> None:
    jp_serverapp.web_app.settings["authorizer"] = Denier(parent=jp_serverapp)
    with pytest.raises(HTTPClientError) as refused:
        await jp_fetch("nbserve")
    assert refused.value.code == 403


def test_the_extension_imports_neither_the_web_nor_the_core() -> None:
    code = (
        "import sys, nbserve; nbserve._jupyter_server_extension_points()\n"
        "print([name for name in ('fastapi', 'numpy', 'nbserve.core', 'IPython', 'pydantic') if name in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_installing_nbserve_enables_the_extension(tmp_path: Path) -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "jupyter", "server", "extension", "list"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "JUPYTER_CONFIG_DIR": str(tmp_path), "NO_COLOR": "1"},
    )
    assert "nbserve enabled" in _plain(listed.stderr + listed.stdout)


def _plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
