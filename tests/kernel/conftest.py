"""Real kernels: one a module, cleared between the tests; a fresh one where a test ends or spoils it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kernel.harness import Kernel

MODELS = '''
import gc, json, os, threading, time, warnings, weakref
import nbserve

class Constant:
    """Answers the same for every row."""

    def __init__(self, value=0):
        self.value = value

    def predict(self, X):
        return [self.value for _ in X]

class Fragile(Constant):
    """Fails on a row of its choice."""

    def predict(self, X):
        if X[0] == [13]:
            raise RuntimeError("thirteen")
        return super().predict(X)
'''


@pytest.fixture
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Kernel]]:
    """Starts kernels that are this test's alone."""
    started: list[Kernel] = []

    def start(**env: str) -> Kernel:
        kernel = Kernel(tmp_path_factory.mktemp("kernel"), env=env)
        started.append(kernel)
        kernel.run(f"%load_ext nbserve\n{MODELS}").check()
        return kernel

    yield start
    for kernel in started:
        kernel.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    kernel = Kernel(tmp_path_factory.mktemp("kernel"))
    kernel.run("%load_ext nbserve").check()
    yield kernel
    kernel.close()


@pytest.fixture
def kernel(shared: Kernel) -> Kernel:
    """The module's kernel, with nothing served and nothing but the models of `MODELS` in its notebook."""
    shared.run("%unserve --all").check()
    shared.run("%reset -f").check()
    shared.run(MODELS).check()
    return shared


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.kernel)
