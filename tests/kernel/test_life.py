"""Interrupts, restarts, kills, forks and reloads: what the server outlives, and what it takes with it."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

import nbserve
from tests.kernel.harness import Caller, Kernel, eventually

Fresh = Callable[..., Kernel]

OURS = "sorted(each.name for each in threading.enumerate() if each.name.startswith('nbserve'))"


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def can_be_bound(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def files(kernel: Kernel) -> list[str]:
    """What nbserve has left in the kernel's temporary folder."""
    return sorted(str(each.relative_to(kernel.scratch)) for each in kernel.scratch.glob("nbserve-*/*.spill"))


def folders(kernel: Kernel) -> list[Path]:
    return sorted(kernel.scratch.glob("nbserve-*"))


# --- interrupts


def test_an_interrupt_of_a_busy_cell_ends_the_cell_and_not_the_server(kernel: Kernel) -> None:
    kernel.run("%serve Constant(1) --name model").check()
    with kernel.caller() as caller:
        for code in ("time.sleep(60)", "while True: pass"):
            running = kernel.start(f"print('begin', flush=True)\n{code}")
            assert kernel.wait_until(lambda running=running: "begin" in running.stdout)
            kernel.interrupt()
            assert running.wait().error == "KeyboardInterrupt"
            assert caller.predict([[1]]) == [1]


def test_an_interrupt_of_an_idle_kernel_does_nothing(kernel: Kernel) -> None:
    kernel.run("%serve Constant(1) --name model").check()
    with kernel.caller() as caller:
        for _ in range(3):
            kernel.interrupt()
            assert caller.predict([[1]]) == [1]
    assert kernel.run("print('here')").check().stdout == "here\n"


GATED = """
came, gate = threading.Event(), threading.Event()

class Gated(Constant):
    def predict(self, X):
        came.set()
        assert gate.wait(60)
        return super().predict(X)

class AsyncGated(Constant):
    async def predict(self, X):
        import asyncio
        came.set()
        while not gate.is_set():
            await asyncio.sleep(0.01)
        return super().predict(X)
"""

WAITING = {
    "predict": ("Gated", "own", "ep.predict([[1]])"),
    "predict_from": ("Gated", "own", "ep.predict_from([[1]])"),
    "predict of an async model": ("AsyncGated", "own", "ep.predict([[1]])"),
    "predict on the kernel's loop": ("AsyncGated", "kernel", "ep.predict([[1]])"),
}


@pytest.mark.parametrize(("model", "loop", "ask"), WAITING.values(), ids=WAITING.keys())
def test_an_interrupt_while_a_cell_waits_for_a_slow_model(kernel: Kernel, model: str, loop: str, ask: str) -> None:
    kernel.run(f"{GATED}\nep = nbserve.serve({model}(2), name='model', loop={loop!r})").check()
    waiting = kernel.start(f"print('begin', flush=True)\n{ask}")
    assert kernel.wait_until(lambda: "begin" in waiting.stdout)
    while not waiting.has_ended:  # it may be a moment before the cell really waits
        kernel.interrupt()
        kernel.wait_until(lambda: waiting.has_ended, 1.0)
    assert waiting.error == "KeyboardInterrupt"
    kernel.run("gate.set()").check()
    with kernel.caller() as caller:
        assert caller.predict([[1], [1]]) == [2, 2]
    assert kernel.run("ep.predict([[1]])").check().displays == [{"text/plain": "[2]"}]


def test_an_interrupt_that_meets_a_model_on_the_kernels_loop_is_the_cells(kernel: Kernel) -> None:
    kernel.run("""import signal

class Interrupted(Constant):
    is_first = True

    async def predict(self, X):
        if self.is_first:
            self.is_first = False
            signal.raise_signal(signal.SIGINT)
        return super().predict(X)

ep = nbserve.serve(Interrupted(2), name="model", loop="kernel")""").check()
    assert kernel.run("ep.predict([[1]])").error == "KeyboardInterrupt"
    assert kernel.run("ep.predict([[1]])").check().displays == [{"text/plain": "[2]"}]


def test_an_interrupt_while_a_cell_awaits_a_slow_model(kernel: Kernel) -> None:
    kernel.run(f"{GATED}\nep = nbserve.serve(Gated(2), name='model')").check()
    kernel.run("@ep.app.post('/open')\ndef open_it():\n    gate.set()").check()
    url, owners = kernel.ask("[ep.url, get_ipython().nbserve_session.access.session_token]")
    with Caller(url, owners) as owner:
        awaiting = kernel.start("print('begin', flush=True)\nawait ep.async_predict([[1]])")
        assert kernel.wait_until(lambda: "begin" in awaiting.stdout)
        kernel.interrupt()
        owner.post("/open")  # ipykernel hears of an interrupt when its loop wakes
        assert awaiting.wait().error in ("CancelledError", "KeyboardInterrupt")
        assert owner.predict([[1], [1]]) == [2, 2]
    assert kernel.run("await ep.async_predict([[1]])").check().displays == [{"text/plain": "[2]"}]


def test_who_waits_for_a_load_can_be_interrupted_and_the_load_goes_on(kernel: Kernel) -> None:
    code = """
gate = threading.Event()
class Slow(Constant):
    def __setstate__(self, state):
        gate.wait(60)
        self.__dict__.update(state)
ep = nbserve.serve(Slow(3), name="model")
ep.unload();
"""
    kernel.run(code).check()
    with kernel.caller() as caller:
        loading = kernel.start("ep.load()")
        assert eventually(lambda: caller.get("metadata/").json["state"] == "loading")
        kernel.interrupt()
        assert loading.wait().error == "KeyboardInterrupt"
        assert caller.get("metadata/").json["state"] == "loading"
        kernel.run("gate.set()").check()
        assert caller.predict([[1]]) == [3]
        assert caller.get("metadata/").json["counters"]["loads"] == 1


# --- the end of a kernel


def test_a_restart_closes_the_port_and_leaves_no_file(fresh: Fresh) -> None:
    kernel = fresh()
    kernel.run("ep = nbserve.serve(Constant(1), name='model')\nep.unload();").check()
    assert len(files(kernel)) == 1
    caller = kernel.caller()
    assert caller.predict([[1]]) == [1]
    kernel.run("ep.unload();").check()
    kernel.restart()
    assert not is_open(caller.port)
    assert folders(kernel) == []
    caller.close()
    assert kernel.run("%serve").stderr == "UsageError: Line magic function `%serve` not found.\n"
    kernel.run(f"%load_ext nbserve\ndef model(X): return X\n%serve model --port {caller.port}").check()
    with kernel.caller() as again:
        assert (again.port, again.predict([1])) == (caller.port, [1])


def test_a_shutdown_in_the_middle_of_a_request_ends_soon(fresh: Fresh) -> None:
    kernel = fresh()
    kernel.run(f"{GATED}\nep = nbserve.serve(Gated(1), name='model')").check()
    with kernel.caller() as caller, socket.create_connection((caller.host, caller.port)) as connection:
        body = b'{"X": [[1]]}'
        head = f"POST {caller.path}predict/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {caller.token}\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        kernel.run("assert came.wait(60)").check()
        kernel.restart()
        assert not is_open(caller.port)


def test_a_killed_kernel_leaves_a_free_port_and_the_next_one_serves(fresh: Fresh) -> None:
    kernel = fresh()
    kernel.run("ep = nbserve.serve(Constant(1), name='model')\nep.unload();").check()
    with kernel.caller() as caller:
        assert caller.get("metadata/").status == 200
        pid = kernel.pid
        kernel.kill()
        assert kernel.pid != pid
        assert not is_open(caller.port)
        kernel.run(f"%load_ext nbserve\ndef model(X): return X\n%serve model --port {caller.port}").check()
    with kernel.caller() as again:
        assert again.predict([1]) == [1]


def test_what_a_killed_kernel_left_behind_is_swept_by_the_next(fresh: Fresh) -> None:
    kernel, neighbour = fresh(), None
    kernel.run("ep = nbserve.serve(Constant(1), name='model')\nep.unload();").check()
    neighbour = fresh(TMPDIR=str(kernel.scratch))
    neighbour.run("ep = nbserve.serve(Constant(2), name='model')\nep.unload();").check()
    assert len(folders(kernel)) == 2
    kernel.kill()
    kernel.run("%load_ext nbserve\nimport nbserve\ndef model(X): return X\nep = nbserve.serve(model)").check()
    kernel.run("ep.unload()\ndel model").check()
    assert len(folders(kernel)) == 2, "its own of now, and the neighbour's"
    assert neighbour.ask("ep.predict([[1]])") == [2]


def test_two_notebooks_serve_side_by_side(kernel: Kernel, fresh: Fresh) -> None:
    other = fresh()
    kernel.run("%serve Constant(1) --name model").check()
    other.run("%serve Constant(2) --name model").check()
    with kernel.caller() as mine, other.caller() as others:
        assert mine.port != others.port
        assert (mine.predict([[0]]), others.predict([[0]])) == ([1], [2])
        with Caller(f"http://{mine.host}:{mine.port}{mine.path}", others.token) as mixed_up:
            assert mixed_up.post("predict/", {"X": [[0]]}).status == 401
        ran = other.run(f"%unserve --all\n%serve Constant(2) --name model --port {mine.port}")
        assert ran.error == "UsageError"
        assert ran.stderr.startswith(
            f"UsageError: Port {mine.port} of 127.0.0.1 cannot be listened on: Address already"
        )
        assert ran.stderr.count("\n") == 1
        assert other.ask("len(nbserve.endpoints())") == 0


# --- forks

FORKED = """
import multiprocessing, socket, sys
ready, leave = multiprocessing.get_context("fork").Event(), multiprocessing.get_context("fork").Event()

def child():
    ready.set()
    leave.wait(60)
"""

FORK = "pid = os.fork()\nif pid == 0:\n    child()\n"
EXIT = "    weakref.finalize._exitfunc()\n    sys.modules['nbserve.web.server']._stop_all()\n"
"""What runs at the end of a program that was forked, as far as it is ours."""

FORKS = {
    "multiprocessing": ("p = multiprocessing.get_context('fork').Process(target=child)\np.start()", "p.join(60)"),
    "os.fork": (f"{FORK}    os._exit(0)", "assert os.waitpid(pid, 0)[1] == 0"),
    "os.fork, and what runs at an exit": (f"{FORK}{EXIT}    os._exit(0)", "assert os.waitpid(pid, 0)[1] == 0"),
}


@pytest.mark.parametrize("uvloop", [True, False], ids=["uvloop", "asyncio"])
@pytest.mark.parametrize(("fork", "join"), FORKS.values(), ids=FORKS.keys())
def test_a_forked_child_keeps_no_hand_on_the_port_nor_on_the_files(
    fresh: Fresh, fork: str, join: str, uvloop: bool
) -> None:
    kernel = fresh()
    if not uvloop:
        kernel.run("import sys\nsys.modules['uvloop'] = None").check()
    kernel.run(f"{FORKED}\nep = nbserve.serve(Constant(1), name='model')\nep.unload();").check()
    before = files(kernel)
    assert len(before) == 1
    with kernel.caller() as caller:
        assert caller.get("metadata/").status == 200
        kernel.run(f"warnings.simplefilter('ignore')\n{fork}\nassert ready.wait(60)").check()
        assert caller.get("metadata/").json["state"] == "unloaded"
        with kernel.caller() as late:
            assert late.get("metadata/").status == 200
        kernel.run("nbserve.serve(Constant(2), name='other')").check()
        with kernel.caller("other") as other:
            assert other.predict([[0]]) == [2]
        kernel.run(f"leave.set()\n{join}").check()
        assert files(kernel) == before
        assert caller.predict([[0]]) == [1]


@pytest.mark.parametrize("uvloop", [True, False], ids=["uvloop", "asyncio"])
def test_the_port_is_free_after_a_stop_while_a_child_lives(fresh: Fresh, uvloop: bool) -> None:
    kernel = fresh()
    if not uvloop:
        kernel.run("import sys\nsys.modules['uvloop'] = None").check()
    kernel.run(f"{FORKED}\nep = nbserve.serve(Constant(1), name='model')").check()
    with kernel.caller() as caller:
        assert caller.predict([[0]]) == [1]
        kernel.run(
            "warnings.simplefilter('ignore')\npid = os.fork()\nif pid == 0:\n    child()\n    os._exit(0)"
        ).check()
        kernel.run("assert ready.wait(60)").check()
        kernel.run("%unserve --all").check()
        assert not is_open(caller.port)
        kernel.run(f"%serve Constant(3) --name model --port {caller.port}").check()
    with kernel.caller() as again:
        assert (again.port, again.predict([[0]])) == (caller.port, [3])
    kernel.run("leave.set()\nassert os.waitpid(pid, 0)[1] == 0").check()
    with kernel.caller() as again:
        assert again.predict([[0]]) == [3]


# --- reloading


def test_autoreload_of_our_own_files_and_of_the_users_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("autoreload")
    (source,) = nbserve.__path__
    shutil.copytree(source, folder / "path" / "nbserve", ignore=shutil.ignore_patterns("__pycache__"))
    mine = folder / "path" / "mine.py"
    mine.write_text("class Mine:\n    def predict(self, X):\n        return ['old' for _ in X]\n")
    kernel = Kernel(folder, env={"PYTHONPATH": str(folder / "path"), "PYTHONDONTWRITEBYTECODE": "1"})
    try:
        kernel.run("%load_ext autoreload\n%autoreload 2\n%load_ext nbserve").check()
        kernel.run("import nbserve, os, threading\nfrom mine import Mine\nmodel = Mine()\nep = %serve model").check()
        kernel.run("async def later(X): return X\n%serve later").check()
        assert kernel.ask("nbserve.__file__").startswith(str(folder))
        with kernel.caller() as caller, kernel.caller("later") as later:
            assert caller.predict([[1]]) == ["old"]
            before = kernel.ask("[ep.url, ep.token]")
            mine.write_text(mine.read_text().replace("'old'", "'new'"))
            _touch(mine)
            kernel.run("x = 1").check()
            assert caller.predict([[1]]) == ["new"]
            for path in sorted((folder / "path" / "nbserve").rglob("*.py")):
                path.write_text(path.read_text() + "\n")
                _touch(path)
            ran = kernel.run("x = 2").check()
            assert (ran.stdout, ran.stderr) == ("", "")
            assert caller.predict([[1]]) == ["new"]
            assert later.predict([1]) == [1]
            assert caller.post("predict/", {"Y": 1}).status == 422
            assert caller.post("predict/", {"X": 13}).status == 500
            assert kernel.ask("[ep.url, ep.token]") == before
            assert kernel.ask("[each.name for each in nbserve.endpoints()]") == ["model", "later"]
            assert kernel.complete("%unserve m") == ["model"]
            assert "no variable 'modle'" in kernel.run("%serve modle").stderr
            kernel.run("ep.unload();").check()
            assert kernel.ask("[ep.state, ep.predict([[1]])]") == ["unloaded", ["new"]]
            kernel.run("%serve model").check()
            assert kernel.ask("[ep.url, ep.token, ep.metadata()['version']]") == [*before, 2]
            assert caller.predict([[1]]) == ["new"]
            kernel.run("%unserve --all").check()
            assert not is_open(caller.port)
            passing = (
                "nbserve:async",
                "nbserve-pulse",
                "nbserve:idle-call",
            )  # the last, of before, leave by themselves
            assert kernel.ask(f"[each for each in {OURS} if each not in {passing}]") == []
    finally:
        kernel.close()


def _touch(path: Path) -> None:
    """Later than the last time by more than any file system's grain."""
    at = path.stat().st_mtime + 10
    os.utime(path, (at, at))


# --- leaks


def test_fifty_rounds_leave_neither_threads_nor_descriptors_nor_files(kernel: Kernel) -> None:
    kernel.run("model = Constant(1)\nasync def later(X): return X").check()
    once = """
%serve model
%serve later
ep = nbserve.get("model")
answers = [ep.predict([[1]]), nbserve.get("later").predict([1])]
import urllib.request
request = urllib.request.Request(ep.url + "predict/", b'{"X": [[1]]}')
request.headers = {"Content-type": "application/json", "Authorization": "Bearer " + ep.token}
urllib.request.urlopen(request).read()
ep.unload()
%unserve --all
"""
    kernel.run(once).check()
    count = "[threading.active_count(), len(os.listdir('/proc/self/fd')), os.listdir(os.environ['TMPDIR'])]"
    before = kernel.ask(count)
    for _ in range(50):
        kernel.run(once).check()
    after = kernel.ask(count)
    assert after[0] <= before[0]
    assert after[1] <= before[1] + 2  # a cell of its own may just be open
    assert after[2] == before[2]
    assert kernel.ask(f"[each for each in {OURS} if each not in ('nbserve:async', 'nbserve-pulse')]") == []


def test_fifty_rounds_of_one_endpoint_beside_another_leave_nothing(kernel: Kernel) -> None:
    kernel.run("model = Constant(1)\n%serve model --name stays").check()
    once = "%serve model --name goes\nanswer = nbserve.get('goes').predict([[1]])\n%unserve goes"
    kernel.run(once).check()
    count = "[threading.active_count(), len(os.listdir('/proc/self/fd'))]"
    before = kernel.ask(count)
    for _ in range(50):
        kernel.run(once).check()
    assert eventually(lambda: kernel.ask(count)[0] <= before[0])
    assert kernel.ask(count)[1] <= before[1] + 2
    with kernel.caller("stays") as caller:
        assert caller.predict([[1]]) == [1]
        assert can_be_bound(caller.port) is False
