"""Whatever the server is asked, no cell shows anything but its own; and it answers while a cell runs."""

from __future__ import annotations

import socket
import struct
import time
from contextlib import suppress

import pytest

from tests.kernel.harness import Caller, Kernel, Ran

CHATTY = """
import logging, sys
from fastapi import HTTPException

class Chatty(Constant):
    def predict(self, X):
        print("printed", X[0][0])
        print("complained", file=sys.stderr)
        warnings.warn("warned")
        logging.getLogger("mine").error("logged")
        if X[0][0] == 13:
            raise RuntimeError("thirteen")
        return super().predict(X)

go = threading.Event()
ep = nbserve.serve(Chatty(1), name="model")

@ep.app.post("/go")
def open_the_gate():
    go.set()

@ep.app.get("/mine/bad")
def bad():
    print("a route printed")
    raise ValueError("a route failed")

@ep.app.get("/mine/worse")
async def worse():
    print("an async route printed")
    raise HTTPException(418, "teapot")
"""

RUNNING = """
print("begin")
assert go.wait(60)
print("end")
"""


class Rude:
    """Sends what nobody should send."""

    def __init__(self, caller: Caller) -> None:
        self._to = (caller.host, caller.port)
        self._path = f"{caller.path}predict/"
        self._token = caller.token

    def say(self, data: bytes) -> bytes:
        """Send it, and read to the end."""
        answer = b""
        with socket.create_connection(self._to, timeout=30) as connection, suppress(ConnectionError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while more := connection.recv(65536):
                answer += more
        return answer

    def leave(self, data: bytes) -> None:
        """Send it, and close without reading."""
        with socket.create_connection(self._to, timeout=30) as connection:
            connection.sendall(data)

    def reset(self, data: bytes) -> None:
        """Send it, and break the connection off."""
        with socket.create_connection(self._to, timeout=30) as connection:
            connection.sendall(data)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def head(self, *more: str) -> bytes:
        head = (f"POST {self._path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {self._token}")
        return "\r\n".join([*head, "Content-Type: application/json", *more, "", ""]).encode()


def do_everything_wrong(caller: Caller, owner: Caller) -> None:
    """Requests that are right, wrong, malformed, aborted, huge and slow."""
    _ask_wrongly(caller, owner)
    rude = Rude(caller)
    assert rude.say(b"not http at all\r\n\r\n").startswith(b"HTTP/1.1 400")
    rude.say(b"GET / HTTP/9.9\r\n\r\n")
    rude.say(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40))  # somebody tries TLS
    rude.say(b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000 + b"\r\n\r\n")
    rude.say(b"GET /model/ HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    rude.say(rude.head("Transfer-Encoding: chunked") + b"zz\r\n")
    assert b" 413 " in rude.say(rude.head(f"Content-Length: {10**12}"))[:20]
    rude.leave(b"")
    rude.leave(rude.head("Content-Length: 1000") + b'{"X": [')
    rude.leave(rude.head("Content-Length: 12") + b'{"X": [[1]]}')
    rude.reset(rude.head("Content-Length: 1000") + b'{"X": [')
    rude.reset(rude.head("Content-Length: 12") + b'{"X": [[1]]}')
    assert caller.post("predict/", {"X": [[2]]}).status == 200


def _ask_wrongly(caller: Caller, owner: Caller) -> None:
    assert caller.post("predict/", {"X": [[1]]}).status == 200
    assert caller.post("predict/", {"X": [[13]]}).status == 500
    assert caller.post("predict/", {"Y": 1}).status == 422
    assert caller.request("POST", "predict/", b'{"X": ').status == 422
    assert caller.get("predict/").status == 405
    assert caller.get("nothing/").status == 404
    with Caller(f"http://{caller.host}:{caller.port}{caller.path}") as stranger:
        assert stranger.post("predict/", {"X": [[1]]}).status == 401
    assert owner.get("/mine/bad").status == 500
    assert owner.get("/mine/worse").status == 418
    assert owner.get("/nowhere").status == 404
    assert owner.post("unload/").status == 200
    assert caller.get("inspect/").status == 200


def owner_of(kernel: Kernel) -> Caller:
    return Caller(*kernel.ask("[nbserve.get('model').url, get_ipython().nbserve_session.access.session_token]"))


def streams(ran: Ran) -> dict[str, str]:
    return {name: text for name in ("stdout", "stderr") if (text := ran.stream(name))}


def test_nothing_of_the_servers_is_shown_in_any_cell(kernel: Kernel) -> None:
    before = len(kernel.shown)
    served = kernel.run(CHATTY).check()
    with kernel.caller() as caller, owner_of(kernel) as owner:
        do_everything_wrong(caller, owner)
        running = kernel.start(RUNNING)
        assert kernel.wait_until(lambda: "begin" in running.stdout)
        do_everything_wrong(caller, owner)
        owner.post("/go")
        running.wait().check()
        do_everything_wrong(caller, owner)
    last = kernel.run("print('after')").check()
    assert streams(served) == {}
    assert streams(running) == {"stdout": "begin\nend\n"}
    assert streams(last) == {"stdout": "after\n"}
    known = {served.ident, running.ident, last.ident}
    assert [each for each in kernel.shown[before:] if each["parent_header"].get("msg_id") not in known] == []


def test_what_the_model_prints_warns_and_logs_is_in_its_log(kernel: Kernel) -> None:
    kernel.run(CHATTY).check()
    with kernel.caller() as caller:
        caller.post("predict/", {"X": [[1]]})
        caller.post("predict/", {"X": [[13]]})
    log = kernel.run("%nbserve log model").check().stdout
    for words in ("printed 1", "printed 13", "complained", "UserWarning: warned", "logged", "RuntimeError: thirteen"):
        assert words in log
    assert kernel.ask("len(ep.log)") == log.count("\n")


def test_a_call_from_a_cell_prints_into_the_log_as_well(kernel: Kernel) -> None:
    kernel.run(CHATTY).check()
    ran = kernel.run("print('mine'); answer = ep.predict([[7]]); print('still mine')").check()
    assert streams(ran) == {"stdout": "mine\nstill mine\n"}
    assert any("printed 7" in line for line in kernel.ask("ep.log"))


def test_what_runs_in_the_cell_itself_is_shown_there(kernel: Kernel) -> None:
    kernel.run(CHATTY).check()
    ran = kernel.run("answer = ep and Chatty(1).predict([[8]])").check()
    assert "printed 8" in ran.stdout
    assert "complained" in ran.stderr
    assert kernel.ask("ep.log") == []


BUSY = {
    "asleep": "time.sleep(60 if not go.wait(60) else 0)",
    "a python loop": "while not go.is_set():\n    sum(range(1000))",
    "a list that grows": "xs = []\nwhile not go.is_set():\n    xs.append(len(xs))",
}


@pytest.mark.parametrize("busy", BUSY.values(), ids=BUSY.keys())
def test_it_answers_while_a_cell_is_busy(kernel: Kernel, busy: str) -> None:
    kernel.run(CHATTY).check()
    with kernel.caller() as caller, owner_of(kernel) as owner:
        running = kernel.start(f"print('begin', flush=True)\n{busy}")
        assert kernel.wait_until(lambda: "begin" in running.stdout)
        took_s = []
        for _ in range(20):
            began = time.perf_counter()
            assert caller.predict([[1]]) == [1]
            took_s.append(time.perf_counter() - began)
        assert owner.post("unload/").json["state"] == "unloaded"
        assert caller.predict([[1]]) == [1]
        ticket = caller.post("predict/?ticket=1", {"X": [[1]]}).json["ticket"]
        assert caller.get(f"result/{ticket}/").json == {"predict_result": [1]}
        assert not running.has_ended
        owner.post("/go")
        running.wait().check()
    assert sorted(took_s)[len(took_s) // 2] < 0.5
