"""Ten thousand requests by a link, while the notebook is used as notebooks are: none is lost, none answered wrongly."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

import nbserve
from tests.kernel.harness import eventually
from tests.serverext.real_jupyter import JupyterServer, Kernel

CALLERS, CALLS = 8, 1250
SERVE = "nbserve.serve(type('Model', (), {{'predict': lambda self, X: [{0} for _ in X]}})(), name='counted')"


class Progress:
    """Which version is certainly served, and which may be; how many were answered."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.least = self.most = 1
        self.answered = 0


def call(link: str, progress: Progress) -> list[str]:
    """All calls of one caller; what was wrong with their answers."""
    wrong = []
    with nbserve.Client(link, retries=0) as client:
        for _ in range(CALLS):
            least = progress.least
            try:
                (version,) = client.predict([[0]])
            except nbserve.NbserveError as error:
                wrong.append(str(error))
                continue
            if not least <= version <= progress.most:
                wrong.append(f"{version} is not from {least} to {progress.most}")
            with progress.lock:
                progress.answered += 1
    return wrong


def runs(kernel: Kernel, code: str) -> bool:
    """Whether the cell has run: what waits behind one that is interrupted is given up by the kernel."""
    return bool(kernel._execute(code)["status"] == "ok")


@pytest.mark.timeout(400)
def test_none_of_ten_thousand_requests_is_lost_or_answered_by_the_wrong_version(
    jupyter: JupyterServer, kernel: Kernel
) -> None:
    kernel.run(SERVE.format(1))
    with jupyter.client() as user, ThreadPoolExecutor(CALLERS) as pool:
        made = user.post(kernel.address("counted/shares/"), json={"allow": True}).json()
        progress = Progress()
        calling = [pool.submit(call, made["link"], progress) for _ in range(CALLERS)]
        for version, cell in ((2, "import time; time.sleep(600)"), (3, "while True: pass"), (4, "1 + 1")):
            kernel.start(cell)
            answered = progress.answered
            assert eventually(lambda before=answered: progress.answered >= min(before + 1500, CALLERS * CALLS))
            user.post(f"api/kernels/{kernel.id}/interrupt").raise_for_status()
            progress.most = version
            assert eventually(partial(runs, kernel, SERVE.format(version)))
            progress.least = version
        assert [each.result() for each in calling] == [[]] * CALLERS
        (entry,) = user.get(kernel.address("counted/shares/")).json()["shares"]
    uses = entry["uses"]
    assert (uses["requests"], uses["rows"], uses["errors"]) == (CALLERS * CALLS, CALLERS * CALLS, 0)
