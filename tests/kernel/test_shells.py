"""Where there is no notebook: IPython in a terminal, and a plain Python program."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pexpect
import pytest

from tests.kernel.harness import Caller, eventually, isolated

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r")


class Terminal:
    """IPython on a pseudo-terminal; `run` is what a person types."""

    def __init__(self, folder: Path) -> None:
        options = [
            "--simple-prompt",
            "--no-banner",
            "--no-confirm-exit",
            "--colors=nocolor",
            "--HistoryManager.enabled=False",
        ]
        self._child = pexpect.spawn(
            sys.executable,
            ["-m", "IPython", *options],
            env={**isolated(folder), "TERM": "dumb"},
            cwd=str(folder),
            encoding="utf-8",
            timeout=60,
            dimensions=(50, 400),
            # as in a terminal, also where these tests were started in the background, which ignores interrupts
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )
        self._child.expect_exact("In [")
        self._child.expect_exact("]: ")

    @property
    def pid(self) -> int:
        return int(self._child.pid)

    def run(self, line: str) -> str:
        """What the line has shown."""
        self._child.sendline(line)
        self._child.expect(r"\r\nIn \[\d+\]: ")
        return ANSI.sub("", self._child.before).partition("\n")[2].strip()

    def interrupt(self) -> str:
        self._child.sendintr()
        self._child.expect(r"\r\nIn \[\d+\]: ")
        return ANSI.sub("", self._child.before)

    def start(self, line: str, until: str) -> None:
        self._child.sendline(line)
        self._child.expect_exact(f"\n{until}")

    def exit(self) -> str:
        """All that is shown until the end."""
        self._child.sendline("exit")
        self._child.expect(pexpect.EOF)
        self._child.close()
        return ANSI.sub("", self._child.before).partition("\n")[2].strip()

    def kill(self) -> None:
        self._child.close(force=True)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path)
    yield made
    made.kill()


def caller(terminal: Terminal, name: str = "model") -> Caller:
    url = terminal.run(f"print(nbserve.get({name!r}).url, nbserve.get({name!r}).token)")
    return Caller(*url.split())


def test_a_terminal_serves_swaps_and_stops(terminal: Terminal) -> None:
    assert terminal.run("%load_ext nbserve") == ""
    terminal.run("import nbserve, time; model = lambda X: ['one' for _ in X]")
    shown = terminal.run("%serve model")
    assert re.fullmatch(r"Out\[\d+\]: model · loaded · http://127\.0\.0\.1:\d+/model/ · .*0 requests", shown)
    with caller(terminal) as calling:
        assert calling.predict([1, 2]) == ["one", "one"]
        url, token = calling.path, calling.token
        terminal.run("model = lambda X: ['two' for _ in X]")
        terminal.run("ep = nbserve.serve(model)")
        assert calling.predict([1]) == ["two"]
        assert terminal.run("ep.predict([1])").endswith("['two']")
        with caller(terminal) as again:
            assert (again.path, again.port, again.token) == (url, calling.port, token)
        assert "'modle'. Did you mean 'model'?" in terminal.run("%serve modle")
        assert terminal.run("%serve modle").count("\n") == 0
        assert "no kernel loop here" in terminal.run("%serve model --loop kernel")
        assert terminal.run("ep.unload().state").endswith("'unloaded'>")
        terminal.run("del model")
        assert calling.predict([1]) == ["two"]
        terminal.run("%unserve --all")
        assert terminal.run("%serve") == "Nothing is served. Type %serve MODEL."


def test_a_terminal_is_served_while_it_is_busy_and_survives_an_interrupt(terminal: Terminal) -> None:
    terminal.run("import nbserve, time; ep = nbserve.serve(lambda X: X, name='model')")
    with caller(terminal) as calling:
        terminal.start("print('begin', flush=True); time.sleep(60)", until="begin")
        assert calling.predict([1]) == [1]
        assert "KeyboardInterrupt" in terminal.interrupt()
        assert calling.predict([2]) == [2]
        terminal.start("print('begin', flush=True); input()", until="begin")
        assert calling.predict([3]) == [3]
        assert "KeyboardInterrupt" in terminal.interrupt()


def test_what_the_model_prints_does_not_disturb_who_types(terminal: Terminal) -> None:
    terminal.run("import nbserve; ep = nbserve.serve(lambda X: print('noise') or X, name='model')")
    with caller(terminal) as calling:
        for _ in range(3):
            calling.predict([1])
        assert calling.post("predict/", {"Z": 1}).status == 422
    assert terminal.run("1 + 1").endswith("2")
    assert "noise" not in terminal.run("ep.predict([1])")
    assert terminal.run("print(len(ep.log))") == "4"
    assert terminal.exit() == ""


def test_leaving_a_terminal_leaves_neither_port_nor_files(terminal: Terminal, tmp_path: Path) -> None:
    terminal.run("import nbserve; ep = nbserve.serve(lambda X: X, name='model')")
    with caller(terminal) as calling:
        terminal.run("ep.unload();")
        assert len(list(tmp_path.glob("tmpdir/nbserve-*"))) == 1
        assert terminal.exit() == ""
        with pytest.raises(OSError, match=r"refused|reset|closed|aborted"):
            Caller(f"http://127.0.0.1:{calling.port}/").get("/health")
    assert list(tmp_path.glob("tmpdir/nbserve-*")) == []


# --- a plain program

PROGRAM = """
import json, sys, threading
import nbserve

class Constant:
    def __init__(self, value):
        self.value = value
    def predict(self, X):
        print("noise")
        return [self.value for _ in X]

model = Constant(1)
ep = nbserve.serve(model)
print(json.dumps([ep.url, ep.token]), flush=True)
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """A running program: what it is told it does; answers what it prints. The last line of all is how it began."""
    (tmp_path / "program.py").write_text(PROGRAM)
    with subprocess.Popen(
        [sys.executable, "-W", "error", "program.py"],
        cwd=tmp_path,
        env=isolated(tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        began = child.stdout.readline().strip()

        def do(line: str) -> str:
            if not line:
                return began
            print(line, file=child.stdin, flush=True)
            printed = []
            while (said := child.stdout.readline().strip()) != "done":
                assert said, child.stderr.read()
                printed.append(said)
            return "\n".join(printed)

        yield do
        out, err = child.communicate(timeout=60)
        assert (out, err, child.returncode) == ("", "", 0)
    assert list(tmp_path.glob("tmpdir/nbserve-*")) == []


def test_a_program_serves_swaps_unloads_and_ends(program: Callable[[str], str]) -> None:
    url, token = json.loads(program(""))
    assert url.endswith("/model/")
    with Caller(url, token) as calling:
        assert calling.predict([[0]]) == [1]
        program("ep = nbserve.serve(Constant(2), name='model')")
        assert calling.predict([[0]]) == [2]
        assert program("print([ep.url, ep.token, ep.metadata()['version']])") == str([url, token, 2])
        assert program("print(ep.predict([[0]]))") == "[2]"
        assert program("print(ep)").startswith("model · loaded · http")
        program("ep.unload()")
        assert program("print(ep.state, ep.metadata()['memory']['spilled_bytes'] > 0)") == "unloaded True"
        assert calling.predict([[0]]) == [2]


def test_a_program_that_catches_errors_reads_sentences(program: Callable[[str], str]) -> None:
    wrong = "try: nbserve.serve(3)\nexcept nbserve.NbserveError as error: print(error)"
    assert program(f"exec({wrong!r})").startswith("There is nothing to call in an object of type int.")
    kernels = "try: nbserve.serve(model, loop='kernel')\nexcept nbserve.NbserveError as error: print(error)"
    assert program(f"exec({kernels!r})") == "There is no kernel loop here. Use loop='own', or serve from a notebook."


def test_a_program_may_end_in_the_middle_of_a_request(tmp_path: Path) -> None:
    code = """
import nbserve, sys, threading
came = threading.Event()
def forever(X):
    came.set()
    threading.Event().wait()
ep = nbserve.serve(forever)
threading.Thread(target=lambda: ep.predict([1]), daemon=True).start()
assert came.wait(30)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env=isolated(tmp_path), capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_program_that_is_killed_frees_its_port(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    with subprocess.Popen(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env=isolated(tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        url, token = json.loads(child.stdout.readline())
        os.kill(child.pid, 9)
    with Caller(url, token) as calling:
        assert eventually(lambda: _is_refused(calling), 10)


def _is_refused(calling: Caller) -> bool:
    try:
        calling.get("metadata/")
    except OSError:
        return True
    return False
