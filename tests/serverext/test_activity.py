"""A kernel that serves is not idle: not for Jupyter's own culler, nor for those that ask this server from outside."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from threading import Event
from time import monotonic
from urllib.parse import urlsplit

import httpx

from tests.kernel.harness import Caller, eventually
from tests.serverext.conftest import StartServer
from tests.serverext.real_jupyter import SERVED, JupyterServer, Kernel

CULLED_AFTER_S = 12
ROWS = {"X": [[1]]}
WITH_CARD = "\nget_ipython().run_line_magic('serve', '')"
"""A live card is shown, and is not to help."""


def test_the_culler_stops_idle_kernels_and_none_that_serves(start_server: StartServer) -> None:
    server = start_server(
        f"--MappingKernelManager.cull_idle_timeout={CULLED_AFTER_S}", "--MappingKernelManager.cull_interval=1"
    )
    asked, direct, streaming, watched = (server.start_kernel(SERVED + WITH_CARD) for _ in range(4))
    url, token = direct.ask("[nbserve.get('double').url, nbserve.get('double').token]")
    began, turn = monotonic(), Event()
    running = {watched.id}
    with (
        server.client() as user,
        Caller(url, token) as caller,
        user.stream("GET", streaming.address("shop/events/")) as stream,
    ):
        lines = stream.iter_lines()
        while watched.id in running and monotonic() - began < 4 * CULLED_AFTER_S and not turn.wait(0.3):
            assert user.post(asked.address("double/predict/"), json=ROWS).status_code == 200
            assert caller.predict([[1]]) == [[2]]
            assert next(lines) is not None
            for looked_at in ("metadata", "traffic", "shares"):
                user.get(watched.address(f"double/{looked_at}/"))
            user.get("nbserve/?no_track_activity=1")
            running = {each["id"] for each in user.get("api/kernels").json()}
    assert running == {asked.id, direct.id, streaming.id}


def _last_activity(user: httpx.Client, kernel: Kernel) -> datetime:
    told = user.get(f"api/kernels/{kernel.id}").json()["last_activity"]
    return datetime.fromisoformat(told).astimezone(UTC)


def test_a_proxied_request_is_activity_of_its_kernel_and_of_the_server(
    kernel: Kernel, user: httpx.Client, jupyter: JupyterServer
) -> None:
    before = datetime.now(UTC)
    assert _last_activity(user, kernel) < before
    user.post(kernel.address("double/predict/"), json=ROWS).raise_for_status()
    assert _last_activity(user, kernel) >= before.replace(microsecond=0)
    status = user.get("api/status?no_track_activity=1").json()
    assert datetime.fromisoformat(status["last_activity"]) >= before.replace(microsecond=0)


def test_to_look_is_no_activity(kernel: Kernel, user: httpx.Client, jupyter: JupyterServer) -> None:
    user.get("api/status")
    before = user.get("api/status?no_track_activity=1").json()["last_activity"]
    last = _last_activity(user, kernel)
    user.get(kernel.address("double/metadata/")).raise_for_status()
    for accept in ("text/html", "application/json"):
        user.get(kernel.address("double/"), headers={"Accept": accept}).raise_for_status()
    user.get(kernel.address("_pages/page.css")).raise_for_status()
    user.get("nbserve/?no_track_activity=1").raise_for_status()
    assert _last_activity(user, kernel) == last
    after = user.get("api/status?no_track_activity=1").json()["last_activity"]
    assert datetime.fromisoformat(after) - datetime.fromisoformat(before) < datetime.resolution * 2_000_000


def test_what_ended_kernels_left_is_swept_and_what_lives_elsewhere_is_not(start_server: StartServer) -> None:
    server = start_server("--NbserveExtension.look_every_s=1")
    kernel = server.start_kernel()
    listing = json.loads(kernel.listing("double").read_text())
    folder = kernel.listing("double").parent
    process = server.process
    made = {
        "dead": listing | {"kernel_id": "dead", "pid": 2**22 - 1},
        "reused": listing | {"kernel_id": "reused", "pid": process.pid, "began": 1},
        "living": listing | {"kernel_id": "living", "pid": process.pid, "began": 0},
        "elsewhere": listing | {"kernel_id": "elsewhere", "pid": 2**22 - 1, "machine": "another"},
    }
    for name, fields in made.items():
        (folder / f"{name}-double.json").write_text(json.dumps(fields))
        (folder / f"{name}-double.json").chmod(0o600)
    left = {
        "living-double.json",
        "elsewhere-double.json",
        *(f"{kernel.id}-{each}.json" for each in ("double", "free", "shop")),
    }
    assert eventually(lambda: {each.name for each in folder.glob("*.json")} == left)
    assert urlsplit(listing["url"]).hostname == "127.0.0.1"
