"""The extension in the Jupyter server: it is found, costs little, and asks who may."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.auth import Authorizer
from tornado.httpclient import HTTPClientError

from nbserve.directory import Listing, announce

HEAVY = ("fastapi", "numpy", "nbserve.core", "nbserve.web", "nbserve.notebook", "IPython", "pydantic", "uvicorn")


@pytest.fixture
def jp_server_config() -> dict[str, Any]:
    return {"ServerApp": {"jpserver_extensions": {"nbserve": True}}}


async def test_the_endpoints_of_a_kernel_that_this_server_runs_are_listed(jp_serverapp: Any, jp_fetch: Any) -> None:
    kernel = json.loads((await jp_fetch("api", "kernels", method="POST", body="{}")).body)
    try:
        pid = jp_serverapp.kernel_manager.get_kernel(kernel["id"]).provisioner.pid
        for name, kernel_id, its_pid in (
            ("iris", kernel["id"], pid),
            ("stale", kernel["id"], pid + 1),
            ("foreign", "another-kernel", pid),
        ):
            _rewrite(announce(name, "http://127.0.0.1:1/", kernel_id, "key", "a.ipynb"), its_pid)
        listed = json.loads((await jp_fetch("nbserve")).body)["endpoints"]
    finally:
        await jp_fetch("api", "kernels", kernel["id"], method="DELETE")
    assert [(each["name"], each["kernel_id"], each["notebook"]) for each in listed] == [
        ("iris", kernel["id"], "a.ipynb")
    ]
    assert listed[0]["state"] == "silent"  # nobody listens there


async def test_nobody_without_a_token_is_told(jp_fetch: Any) -> None:
    with pytest.raises(HTTPClientError) as refused:
        await jp_fetch("nbserve", headers={"Authorization": "token wrong"})
    assert refused.value.code == 403


class Allowing(Authorizer):
    """Lets everybody do these things with endpoints, and all else that there is."""

    actions: tuple[str, ...] = ()

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        return resource != "nbserve" or action in self.actions


@asynccontextmanager
async def listed(serverapp: Any, fetch: Any) -> AsyncIterator[str]:
    """Where something is served, as far as this server knows: a kernel that has announced an endpoint."""
    kernel = json.loads((await fetch("api", "kernels", method="POST", body="{}")).body)
    pid = serverapp.kernel_manager.get_kernel(kernel["id"]).provisioner.pid
    _rewrite(announce("iris", "http://127.0.0.1:1/iris/", kernel["id"], "key"), pid)
    yield f"nbserve/e/{kernel['id']}/iris/"
    await fetch("api", "kernels", kernel["id"], method="DELETE")


@pytest.mark.parametrize(
    ("actions", "verb", "status"),
    [
        ((), "GET", 403),
        ((), "POST", 403),
        (("read",), "GET", 503),
        (("read",), "POST", 403),
        (("read",), "DELETE", 403),
        (("write",), "GET", 403),
        (("write",), "POST", 503),
        (("read", "write"), "DELETE", 503),
    ],
)
async def test_the_servers_authorizer_is_asked_for_each_verb(
    jp_serverapp: Any, jp_fetch: Any, actions: tuple[str, ...], verb: str, status: int
) -> None:
    """503 is of the kernel, where nobody listens: the caller was let in."""
    authorizer = jp_serverapp.web_app.settings["authorizer"] = Allowing(parent=jp_serverapp)
    authorizer.actions = actions
    body = b"{}" if verb == "POST" else None
    async with listed(jp_serverapp, jp_fetch) as path:
        told = await jp_fetch(path, method=verb, body=body, raise_error=False)
        overview = await jp_fetch("nbserve", raise_error=False)
    assert told.code == status
    assert overview.code == (200 if "read" in actions else 403)


def test_what_is_refused_here_has_the_status_that_it_has_in_kernels() -> None:
    from nbserve.serverext.refusal import STATUS
    from nbserve.web import answers

    assert STATUS.items() <= answers.STATUS.items()


@pytest.mark.parametrize("is_allowed", [True, False])
async def test_jupyter_finds_no_handler_that_forgot_who_may_ask(
    jp_configurable_serverapp: Any, is_allowed: bool, jp_asyncio_loop: Any
) -> None:
    """Warnings are errors here; without `allow_unauthenticated_access` Jupyter warns of such handlers."""
    config = {"ServerApp": {"jpserver_extensions": {"nbserve": True}, "allow_unauthenticated_access": is_allowed}}
    jp_configurable_serverapp(config=config)


def test_what_the_page_shares_with_a_kernels_pages_is_there() -> None:
    from nbserve.serverext.overview import _OWN, _VENDORED, _asset

    assert all(_asset(name) for name in (*_OWN, *_VENDORED, "dom.js", "page.css", "icon.svg"))
    assert [_asset(name) for name in ("__init__.py", "endpoint.html", "..", "absent.js")] == [None] * 4


def test_the_extension_imports_neither_the_web_nor_the_core() -> None:
    code = (
        "import sys, nbserve; nbserve._jupyter_server_extension_points()\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_the_extension_costs_the_server_little_more_than_its_own_modules() -> None:
    code = (
        "import sys, jupyter_server.serverapp, jupyter_server.extension.application, tornado.simple_httpclient\n"
        "before = set(sys.modules); import nbserve; nbserve._jupyter_server_extension_points()\n"
        "more = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(more - sys.stdlib_module_names))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "['nbserve']"


def test_installing_nbserve_enables_the_extension(tmp_path: Path) -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "jupyter", "server", "extension", "list"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "JUPYTER_CONFIG_DIR": str(tmp_path), "NO_COLOR": "1"},
    )
    told = _plain(listed.stderr + listed.stdout)
    assert "nbserve enabled" in told
    assert re.search(r"nbserve [\w.+-]+ OK", told), told


def _rewrite(listing: Listing, pid: int) -> None:
    """As the process of that id would have announced it."""
    listing.path.write_text(json.dumps(asdict(replace(listing, pid=pid))))


def _plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
