"""A real IPython shell in this process, and cells that are run in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from IPython.core.completer import provisionalcompleter, rectify_completions
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from nbserve.notebook.magics import unload_ipython_extension


@dataclass
class Cell:
    """What a cell came to, and what it printed."""

    result: Any
    stdout: str
    stderr: str

    @property
    def value(self) -> Any:
        return self.result.result

    @property
    def error(self) -> BaseException | None:
        found: BaseException | None = self.result.error_in_exec or self.result.error_before_exec
        return found

    def check(self) -> Cell:
        if self.error is not None:
            raise self.error
        return self


class Shell:
    """An IPython shell; `run` is a cell."""

    def __init__(self, ipython: InteractiveShell, capture: pytest.CaptureFixture[str]) -> None:
        self.ipython = ipython
        self.variables: dict[str, Any] = ipython.user_ns
        self._capture = capture

    def run(self, code: str) -> Cell:
        self._capture.readouterr()
        result = self.ipython.run_cell(code)
        return Cell(result, *self._capture.readouterr())

    def complete(self, code: str) -> list[str]:
        """What a front end offers with the cursor at the end: the same call as the kernel's."""
        with provisionalcompleter():
            found = list(self.ipython.Completer.completions(code, len(code)))
            return [each.text for each in rectify_completions(code, found)]


@pytest.fixture(scope="session")
def ipython(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InteractiveShell]:
    folder = tmp_path_factory.mktemp("ipython")
    before = os.environ.get("IPYTHONDIR")
    os.environ["IPYTHONDIR"] = str(folder)
    config = Config()
    config.HistoryManager.enabled = False
    made = InteractiveShell.instance(config=config, colors="nocolor", ipython_dir=str(folder))
    yield made
    InteractiveShell.clear_instance()
    if before is None:
        del os.environ["IPYTHONDIR"]
    else:
        os.environ["IPYTHONDIR"] = before


@pytest.fixture
def bare(ipython: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    """A shell that has not heard of nbserve."""
    ipython.reset()
    yield Shell(ipython, capsys)
    unload_ipython_extension(ipython)
    ipython.extension_manager.loaded.discard("nbserve")
    ipython.reset()


@pytest.fixture
def shell(bare: Shell) -> Shell:
    bare.run("%load_ext nbserve").check()
    return bare
