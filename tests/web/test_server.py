"""The server: its port, its start and its end."""

from __future__ import annotations

import asyncio
import logging
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from nbserve.errors import PortTaken, ServerError
from nbserve.notebook.session import Session
from nbserve.web import server as server_module
from nbserve.web.server import THREAD_NAME, Server
from tests.client import PATIENCE_S, Caller, handle
from tests.conftest import Serve
from tests.gated import Gated

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files cannot be counted here")


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(app)
    yield server
    server.stop()


def ask(server: Server) -> str:
    url = f"http://{'[::1]' if ':' in server.host else server.host}:{server.port}/"
    with httpx.Client(trust_env=False, verify=False) as client:
        return client.get(url).text


def echo(X):
    return X


def test_the_port_is_known_and_answers_at_once(server: Server) -> None:
    assert server.host == "127.0.0.1"
    assert server.port > 0
    assert ask(server) == "ok"
    assert server.is_alive


def test_it_listens_on_this_machine_only(serve: Serve, caller: Caller) -> None:
    serve(echo, name="echo")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no other address")
        address = probe.getsockname()[0]
    if address.startswith("127."):
        pytest.skip("this machine has no other address")
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((address, caller.port), timeout=5)


def test_a_taken_port_is_an_error_at_once_and_starts_nothing(server: Server) -> None:
    with pytest.raises(PortTaken, match=str(server.port)) as caught:
        Server(app, port=server.port)
    assert "--port" in caught.value.remedy
    assert len(_threads()) == 1
    assert ask(server) == "ok"


def test_a_port_taken_by_somebody_else_fails_in_the_cell_and_nothing_is_served(session: Session) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(PortTaken):
            session.serve(echo, {"name": "echo", "port": other.getsockname()[1]})
    assert len(session.registry) == 0
    assert handle(session, echo, {"name": "echo"}).url.startswith("http://127.0.0.1:")


def test_a_wanted_port_is_the_one_and_is_free_again_after_the_stop() -> None:
    first = Server(app)
    port = first.port
    assert ask(first) == "ok"
    first.stop()
    again = Server(app, port=port)
    assert again.port == port
    assert ask(again) == "ok"
    again.stop()


@pytest.mark.parametrize("fault", [RuntimeError("no loop for you"), SystemExit(3), OSError("no more files")])
def test_a_server_that_does_not_start_is_an_error_of_the_caller(
    monkeypatch: pytest.MonkeyPatch, fault: BaseException
) -> None:
    async def fails(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(uvicorn.Server, "startup", fails)
    with pytest.raises(ServerError, match="did not start") as caught:
        Server(app)
    assert type(fault).__name__ in caught.value.problem
    assert not _threads()


def test_a_server_that_never_says_that_it_has_started_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    may_end = threading.Event()

    async def hangs(*_: object, **__: object) -> None:
        await asyncio.get_running_loop().run_in_executor(None, may_end.wait)

    monkeypatch.setattr(server_module, "START_S", 0.05)
    monkeypatch.setattr(uvicorn.Server, "startup", hangs)
    with pytest.raises(ServerError, match="too long"):
        Server(app)
    may_end.set()
    _await_threads_end()


def test_a_failed_start_leaves_nothing_served(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: object, **__: object) -> None:
        raise RuntimeError("not today")

    with monkeypatch.context() as patched:
        patched.setattr(uvicorn.Server, "startup", fails)
        with pytest.raises(ServerError):
            session.serve(echo, {"name": "echo"})
    assert len(session.registry) == 0
    assert handle(session, echo, {"name": "echo"}).predict(X=[1]) == [1]


def test_stop_answers_what_is_in_flight(serve: Serve, caller: Caller, session: Session, gated: Gated) -> None:
    serve(gated, name="gated")
    server = session.hosting._server
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(caller.post, "/gated/predict", json={"X": [1]})
        assert gated.is_inside.wait(PATIENCE_S)
        stopping = pool.submit(session.stop_all)
        gated.may_leave.set()
        assert asked.result().json()["predict_result"] == [1]
        stopping.result()
    assert server is not None
    assert not server.is_alive


def test_stop_is_bounded_while_a_model_does_not_answer(
    serve: Serve, caller: Caller, session: Session, gated: Gated
) -> None:
    serve(gated, name="gated")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(caller.post, "/gated/predict", json={"X": [1]})
        assert gated.is_inside.wait(PATIENCE_S)
        began = time.monotonic()
        session.stop_all()
        assert time.monotonic() - began < server_module.STOP_S + 1.5
        with pytest.raises(httpx.HTTPError):
            asked.result().raise_for_status()
    assert not _threads()
    gated.may_leave.set()


def test_stop_is_bounded_while_a_client_sends_nothing(serve: Serve, caller: Caller, session: Session) -> None:
    serve(echo, name="echo")
    with caller.connect() as silent, caller.connect() as half:
        half.sendall(b"POST /echo/predict HTTP/1.1\r\nhost: x\r\ncontent-le")
        began = time.monotonic()
        session.stop_all()
        assert time.monotonic() - began < server_module.STOP_S + 1.5
        assert silent.recv(1) == b""


def test_stop_may_be_asked_for_twice(server: Server) -> None:
    server.stop()
    server.stop()
    assert not server.is_alive


# Counted in processes of their own: whatever else ran in this one may open or close a file at any time.
APP = """
import gc, os, sys, threading
import httpx, uvicorn
from nbserve.errors import ServerError
from nbserve.web.server import Server

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})

def left():
    gc.collect()
    return threading.active_count(), len(os.listdir("/proc/self/fd"))
"""


@needs_proc
def test_starting_and_stopping_leaves_no_thread_and_no_open_file_behind() -> None:
    program = """
def cycle():
    server = Server(app)
    with httpx.Client(trust_env=False) as client:
        assert client.get(f"http://127.0.0.1:{server.port}/").text == "ok"
    server.stop()

cycle()
before = left()
for _ in range(30):
    cycle()
print(before == left(), before, left())
"""
    assert _run(APP + program).startswith("True")


@needs_proc
def test_a_failed_start_leaves_no_thread_and_no_open_file_behind() -> None:
    program = """
async def fails(*given, **named):
    raise RuntimeError("no")

uvicorn.Server.startup = fails

def attempt():
    try:
        Server(app)
    except ServerError:
        return
    sys.exit("it started")

attempt()
before = left()
for _ in range(30):
    attempt()
print(before == left(), before, left())
"""
    assert _run(APP + program).startswith("True")


def test_a_session_serves_again_after_everything_was_stopped(session: Session) -> None:
    first = handle(session, echo, {"name": "echo"})
    assert first.predict(X=[1]) == [1]
    session.stop_all()
    assert session.url == ""
    assert handle(session, echo, {"name": "echo"}).predict(X=[1]) == [1]


# --- fork


@needs_fork
def test_a_forked_child_harms_nothing_and_lets_go_of_the_port() -> None:
    server = Server(app)
    assert ask(server) == "ok"
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(read)
            server.stop()
            verdict = b"alive" if server.is_alive else b"let go"
            os.write(write, verdict)
            select.select([], [], [], PATIENCE_S)
        finally:
            os._exit(0)
    try:
        os.close(write)
        with os.fdopen(read, "rb") as told:
            assert told.read(6) == b"let go"
        assert ask(server) == "ok"
        server.stop()
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", server.port), timeout=5)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


# --- logs


def test_what_the_server_logs_reaches_no_handler_and_what_the_users_own_logs_does(
    serve: Serve, caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    serve(echo, name="echo")
    caller.send(b"this is no HTTP at all\r\n\r\n")
    caller.post("/echo/predict", json={"X": [1]})

    def log() -> None:
        logging.getLogger("uvicorn.error").warning("the user's own server")
        logging.getLogger("asyncio").warning("the user's own loop")

    own = threading.Thread(target=log, name="my-server")
    own.start()
    own.join()
    ours = [record for record in caplog.records if record.threadName == THREAD_NAME]
    assert ours == []
    assert {"the user's own server", "the user's own loop"} <= set(caplog.messages)


def test_the_users_loggers_are_left_as_they_are(server: Server) -> None:
    assert logging.getLogger("uvicorn").handlers == []
    assert logging.getLogger("uvicorn.error").level == logging.NOTSET
    assert not logging.getLogger("uvicorn.error").disabled


def test_nothing_is_printed(serve: Serve, caller: Caller, capfd: pytest.CaptureFixture[str]) -> None:
    endpoint = serve(echo, name="echo")
    caller.send(b"garbage\r\n\r\n")
    caller.post("/echo/predict", content=b"{")
    endpoint.app.add_api_route("/fails", lambda: 1 / 0)
    assert caller.get("/fails").status_code == 500
    assert capfd.readouterr() == ("", "")


# --- the user's own event loops


def test_it_serves_beside_a_running_loop_that_was_made_to_nest() -> None:
    program = """
import asyncio, httpx
import nest_asyncio
nest_asyncio.apply()
from nbserve.web.server import Server

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})

async def cell():
    server = Server(app)
    assert httpx.get(f"http://127.0.0.1:{server.port}/", trust_env=False).text == "ok"
    server.stop()
    assert not server.is_alive

asyncio.run(cell())
print("served", nest_asyncio.__name__)
"""
    assert "served" in _run(program)


def test_a_program_that_ends_while_it_serves_ends_quietly() -> None:
    program = """
import nbserve
endpoint = nbserve.serve(lambda X: X, name="echo")
assert endpoint.predict(X=[1]) == [1]
print("served")
"""
    assert _run(program) == "served\n"


def _run(program: str) -> str:
    import subprocess

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def _threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == THREAD_NAME]


def _await_threads_end() -> None:
    for thread in _threads():
        thread.join(PATIENCE_S)
    assert not _threads()
