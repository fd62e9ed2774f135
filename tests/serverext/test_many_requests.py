"""Ten thousand requests while a cell runs, is interrupted, and the model is swapped: each is answered, and rightly."""

from __future__ import annotations

import http.client
import json
import threading
from dataclasses import dataclass, field
from itertools import count
from urllib.parse import urlsplit

import pytest

from tests.kernel.harness import PATIENCE_S, eventually
from tests.serverext.real_jupyter import JupyterServer, Kernel

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(180)]

REQUESTS = {"link": 10_000, "user": 2_000}
CALLERS = 8
PHASES = 5
"""Idle; a cell that sleeps; it is interrupted; a cell that computes; a model that was swapped meanwhile."""

SERVED = """
%load_ext nbserve
import nbserve, time
class Model:
    def __init__(self, version):
        self.version = version
    def predict(self, X):
        return [[self.version, *row] for row in X]
model = Model(1)
%serve model --name swapped
"""
SWAP = "model = Model({0})\n%serve model --name swapped"


@dataclass
class Callers:
    """Those who ask without a pause, each over a connection of his own, until all is asked."""

    url: str
    authorization: str
    requests: int
    answered: list[tuple[int, int]] = field(default_factory=list)
    """Which version may have been asked at the least, and which has answered."""
    wrong: list[str] = field(default_factory=list)
    oldest: int = 1
    """No version that is older than this may answer who asks from now on."""

    def start(self) -> None:
        self._numbers = count()
        self._threads = [threading.Thread(target=self._ask_all) for _ in range(CALLERS)]
        for thread in self._threads:
            thread.start()

    def wait_for(self, answers: int) -> None:
        assert eventually(lambda: len(self.answered) >= answers or bool(self.wrong)), len(self.answered)

    def join(self) -> None:
        for thread in self._threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()

    def _ask_all(self) -> None:
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=PATIENCE_S)
        headers = {"Authorization": self.authorization, "Content-Type": "application/json"}
        while (number := next(self._numbers)) < self.requests:
            oldest = self.oldest
            try:
                connection.request("POST", f"{parts.path}predict/", json.dumps({"X": [[number]]}), headers)
                answer = connection.getresponse()
                told = json.loads(answer.read())
                ((version, echoed),) = told["predict_result"]
            except Exception as error:  # noqa: BLE001 - the test that asserts there is none shows it
                self.wrong.append(f"{number}: {error!r}")
                return
            if answer.status != 200 or echoed != number:
                self.wrong.append(f"{number}: {answer.status} {told}")
            self.answered.append((oldest, version))
        connection.close()


@pytest.mark.parametrize("by", REQUESTS)
def test_ten_thousand_requests_are_answered_rightly_whatever_the_notebook_does(jupyter: JupyterServer, by: str) -> None:
    kernel = jupyter.start_kernel(SERVED)
    callers = _by_link(jupyter, kernel) if by == "link" else _by_user(jupyter, kernel)
    callers.start()
    share = callers.requests // PHASES
    callers.wait_for(share)

    kernel.start("time.sleep(600)")
    callers.wait_for(2 * share)
    _interrupt(jupyter, kernel)
    callers.wait_for(3 * share)

    kernel.start("while True: sum(range(1000))")
    callers.wait_for(3 * share + share // 2)
    _interrupt(jupyter, kernel)
    for version in (2, 3, 4):
        kernel.run(SWAP.format(version))
        callers.oldest = version
        callers.wait_for(min(callers.requests, len(callers.answered) + share // 4))
    callers.join()

    assert callers.wrong == []
    assert len(callers.answered) == callers.requests
    assert [pair for pair in callers.answered if pair[1] < pair[0]] == []
    assert {version for _, version in callers.answered} == {1, 2, 3, 4}
    told = kernel.ask("nbserve.get('swapped').metadata()['counters']")
    assert told["errors"] == 0
    if by == "link":
        assert _uses(jupyter, kernel) == (callers.requests, callers.requests, 0)
    jupyter_log = jupyter.log.read_text()
    assert "Traceback" not in jupyter_log.partition(kernel.id)[2]


def _by_user(jupyter: JupyterServer, kernel: Kernel) -> Callers:
    return Callers(kernel.address("swapped/"), f"token {jupyter.token}", REQUESTS["user"])


def _by_link(jupyter: JupyterServer, kernel: Kernel) -> Callers:
    with jupyter.client() as user:
        made = user.post(kernel.address("swapped/shares/"), json={"allow": True}).json()
    return Callers(made["link"].partition("#")[0], f"Bearer {made['token']}", REQUESTS["link"])


def _uses(jupyter: JupyterServer, kernel: Kernel) -> tuple[int, int, int]:
    """What the link was used for: requests, rows, errors."""
    with jupyter.client() as user:
        (share,) = user.get(kernel.address("swapped/shares/")).json()["shares"]
    return share["uses"]["requests"], share["uses"]["rows"], share["uses"]["errors"]


def _interrupt(jupyter: JupyterServer, kernel: Kernel) -> None:
    """As the button of a front end does it."""
    with jupyter.client() as user:
        user.post(f"api/kernels/{kernel.id}/interrupt").raise_for_status()
    assert eventually(lambda: _is_idle(kernel))


def _is_idle(kernel: Kernel) -> bool:
    """Whether it runs a cell again: what it is asked right after an interrupt, it gives up, too."""
    try:
        kernel.run("pass")
    except AssertionError:
        return False
    return True
