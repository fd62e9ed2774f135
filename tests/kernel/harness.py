"""A real kernel, driven as a front end drives it, and callers of what it serves.

Everything that the kernel publishes is kept with the id of the request that it answers, so that a test can say what a
cell has shown, and that nothing else has been shown anywhere.
"""

from __future__ import annotations

import ast
import http.client
import json
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import zmq
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from jupyter_core.utils import ensure_event_loop

__all__ = ["Answer", "Caller", "Kernel", "Ran", "eventually", "hammering", "isolated"]

T = TypeVar("T")

PATIENCE_S = 60.0
SHOWN = ("stream", "display_data", "update_display_data", "execute_result", "error")


def isolated(folder: Path) -> dict[str, str]:
    """The environment of a kernel that shares no file with anybody: all of them are below `folder`."""
    places = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "TMPDIR", "HOME")
    made = {name: str(folder / name.lower()) for name in places}
    for place in made.values():
        Path(place).mkdir(parents=True, exist_ok=True)
    quiet = {"JUPYTER_PREFER_ENV_PATH": "0", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    return {**os.environ, **made, **quiet}


def eventually(is_true: Callable[[], bool], within_s: float = PATIENCE_S) -> bool:
    """Waits for another process to get somewhere that shows no event of its own; bounded."""
    deadline, turn = time.monotonic() + within_s, threading.Event()
    while not (reached := is_true()) and time.monotonic() < deadline:
        turn.wait(0.01)
    return reached


# --- callers --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def result(self) -> Any:
        """The prediction. Fails on anything but a 200."""
        assert self.status == 200, (self.status, self.body)
        return self.json["predict_result"]


class Caller:
    """One client of an endpoint, with one connection that it keeps."""

    def __init__(self, url: str, token: str | None = None, timeout_s: float = PATIENCE_S) -> None:
        parts = urlsplit(url)
        self.token = token
        self.path, self.host, self.port = parts.path, parts.hostname or "", parts.port or 0
        self._headers = {"content-type": "application/json"}
        if token is not None:
            self._headers["authorization"] = f"Bearer {token}"
        self._connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout_s)

    def post(self, path: str, body: Any = None) -> Answer:
        return self.request("POST", path, json.dumps(body).encode())

    def get(self, path: str) -> Answer:
        return self.request("GET", path)

    def predict(self, X: Any) -> Any:
        return self.post("predict/", {"X": X}).result

    def request(self, verb: str, path: str, body: bytes | None = None) -> Answer:
        """`path` is below the endpoint, or of the whole server with its first slash."""
        target = path if path.startswith("/") else self.path + path
        self._connection.request(verb, target, body, self._headers)
        answer = self._connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass
class Hammer:
    """What many callers have been answered, in the order in which each of them was."""

    answers: list[Answer] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    def wait_for(self, more: int) -> None:
        """Until that many further answers have come."""
        wanted = len(self.answers) + more
        assert eventually(lambda: len(self.answers) >= wanted or bool(self.failures))


@contextmanager
def hammering(make: Callable[[], Caller], ask: Callable[[Caller], Answer], threads: int = 4) -> Iterator[Hammer]:
    """Callers that ask without a pause until the block ends."""
    hammer, stop = Hammer(), threading.Event()

    def hit() -> None:
        with make() as caller:
            try:
                while not stop.is_set():
                    hammer.answers.append(ask(caller))
            except Exception as error:  # noqa: BLE001 - the test that asserts there is none shows it
                hammer.failures.append(error)

    callers = [threading.Thread(target=hit) for _ in range(threads)]
    for each in callers:
        each.start()
    try:
        yield hammer
    finally:
        stop.set()
        for each in callers:
            each.join(PATIENCE_S)


# --- the kernel -----------------------------------------------------------------------------------------------------


@dataclass
class Ran:
    """A cell: what it has shown so far, and how it ended."""

    ident: str
    _kernel: Kernel

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What was published for this cell and is no mere state of the kernel."""
        return [each for each in self._kernel.shown if each["parent_header"].get("msg_id") == self.ident]

    def stream(self, name: str) -> str:
        streams = (each["content"] for each in self.messages if each["msg_type"] == "stream")
        return "".join(each["text"] for each in streams if each["name"] == name)

    @property
    def stdout(self) -> str:
        return self.stream("stdout")

    @property
    def stderr(self) -> str:
        return self.stream("stderr")

    @property
    def displays(self) -> list[dict[str, Any]]:
        """The mime bundles that were displayed, the cell's own value last."""
        kinds = ("display_data", "execute_result")
        return [each["content"]["data"] for each in self.messages if each["msg_type"] in kinds]

    def wait(self, timeout_s: float = PATIENCE_S) -> Self:
        """Itself, when it has ended and all that it has shown has arrived."""
        assert self._kernel.wait_until(lambda: self.has_ended, timeout_s), "the cell does not end"
        return self

    @property
    def has_ended(self) -> bool:
        return {"reply", "idle"} <= self._kernel.ends[self.ident].keys()

    @property
    def reply(self) -> dict[str, Any]:
        return dict(self._kernel.ends[self.ident]["reply"])

    @property
    def status(self) -> str:
        return str(self.reply["status"])

    @property
    def error(self) -> str:
        """The name of the error that the cell ended with."""
        return str(self.reply.get("ename", ""))

    def check(self) -> Self:
        """Itself, if the cell ended well."""
        assert self.status == "ok", "\n".join(self.reply.get("traceback", [])) or self.stderr
        return self


class Kernel:
    """A kernel in a process of its own; `run` is a cell.

    All that jupyter_client does is done on one thread, the desk: its sockets and its loop belong to that thread.
    """

    def __init__(self, folder: Path, *, env: Mapping[str, str] | None = None) -> None:
        self.env = {**isolated(folder), **(env or {})}
        self.scratch = Path(self.env["TMPDIR"])
        self.notebooks = folder / "notebooks"
        self.notebooks.mkdir(exist_ok=True)
        self.shown: list[dict[str, Any]] = []
        self.ends: dict[str, dict[str, Any]] = defaultdict(dict)
        self._desk = ThreadPoolExecutor(1)
        self._at_desk(self._start, str(folder / "kernel.json"))

    @property
    def pid(self) -> int:
        return int(self._kernel.provisioner.process.pid)

    # --- cells

    def run(self, code: str, timeout_s: float = PATIENCE_S) -> Ran:
        """Run a cell to its end, however it ends."""
        return self.start(code).wait(timeout_s)

    def start(self, code: str, *, silent: bool = False, asking: Mapping[str, str] | None = None) -> Ran:
        """Begin to run a cell."""
        send = partial(self._client.execute, silent=silent, store_history=not silent, user_expressions=asking)
        return Ran(self._at_desk(send, code), self)

    def ask(self, expression: str) -> Any:
        """The value of an expression, without a cell: nothing is stored and no cell event happens."""
        asked = {"value": f"__import__('json').dumps({expression})"}
        value = self.start("", silent=True, asking=asked).wait().reply["user_expressions"]["value"]
        assert value["status"] == "ok", value
        return json.loads(ast.literal_eval(value["data"]["text/plain"]))

    def complete(self, code: str, cursor: int | None = None) -> list[str]:
        """The completions that a front end offers at the cursor (the end, if not told)."""
        return list(self._asked(partial(self._client.complete, code, cursor))["matches"])

    def inspect(self, code: str) -> str:
        """What a front end shows in its tooltip."""
        return str(self._asked(partial(self._client.inspect, code))["data"].get("text/plain", ""))

    def help(self, code: str) -> str:
        """What a front end's pager shows of `thing?`."""
        payloads = self.run(code).check().reply["payload"]
        return "".join(each["data"]["text/plain"] for each in payloads if each["source"] == "page")

    def caller(self, name: str = "model") -> Caller:
        """A client of an endpoint, from this process."""
        return self.callers(name)()

    def callers(self, name: str = "model") -> Callable[[], Caller]:
        """Makes clients of an endpoint, without asking the kernel again."""
        handle = f"__import__('nbserve').get({name!r})"
        return partial(Caller, *self.ask(f"[{handle}.url, {handle}.token]"))

    def strays(self, *own: Ran) -> list[dict[str, Any]]:
        """What was shown and belongs to none of these cells."""
        known = {each.ident for each in own}
        return [each for each in self.shown if each["parent_header"].get("msg_id") not in known]

    def wait_until(self, is_true: Callable[[], bool], timeout_s: float = PATIENCE_S) -> bool:
        """Takes in what the kernel publishes until something is so."""
        deadline = time.monotonic() + timeout_s
        while not is_true() and time.monotonic() < deadline:
            self._at_desk(self._take_in)
        return is_true()

    # --- its life

    def interrupt(self) -> None:
        self._at_desk(self._kernel.interrupt_kernel)

    def restart(self) -> None:
        """As the button of a front end does it."""
        self._at_desk(self._restart, False)

    def kill(self) -> None:
        """SIGKILL, and a new kernel in its place: nothing is cleaned up."""
        self._at_desk(self._restart, True)

    def close(self) -> None:
        self._at_desk(self._stop)
        self._desk.shutdown()

    def _at_desk(self, work: Callable[..., T], *given: Any) -> T:
        return self._desk.submit(work, *given).result()

    def _start(self, connection_file: str) -> None:
        specs = KernelSpecManager(kernel_dirs=[], data_dir=self.env["JUPYTER_DATA_DIR"])
        self._kernel = KernelManager(connection_file=connection_file, kernel_spec_manager=specs)
        self._kernel.start_kernel(
            env=self.env, cwd=str(self.notebooks), extra_arguments=["--IPKernelApp.log_level=ERROR"]
        )
        self._connect()

    def _restart(self, now: bool) -> None:
        self._client.stop_channels()
        self._kernel.restart_kernel(now=now)
        self._connect()

    def _stop(self) -> None:
        self._client.stop_channels()
        self._kernel.shutdown_kernel(now=False)
        self._kernel.cleanup_resources()
        ensure_event_loop().close()

    def _connect(self) -> None:
        self._client: BlockingKernelClient = self._kernel.client()
        self._client.session.session = uuid4().hex  # else the ids of its messages begin again after a restart
        self._client.start_channels()
        self._client.wait_for_ready(timeout=PATIENCE_S)

    def _asked(self, send: Callable[[], str]) -> dict[str, Any]:
        ident = self._at_desk(send)
        assert self.wait_until(lambda: "reply" in self.ends[ident]), "the kernel does not answer"
        return dict(self.ends[ident]["reply"])

    def _take_in(self) -> None:
        iopub, shell = self._client.iopub_channel, self._client.shell_channel
        poller = zmq.Poller()
        poller.register(iopub.socket, zmq.POLLIN)
        poller.register(shell.socket, zmq.POLLIN)
        ready = dict(poller.poll(50))
        if iopub.socket in ready:
            self._note_published(iopub.get_msg(timeout=0))
        if shell.socket in ready:
            message = shell.get_msg(timeout=0)
            self.ends[message["parent_header"].get("msg_id")]["reply"] = message["content"]

    def _note_published(self, message: dict[str, Any]) -> None:
        if message["msg_type"] in SHOWN:
            self.shown.append(message)
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            self.ends[message["parent_header"].get("msg_id")]["idle"] = True
