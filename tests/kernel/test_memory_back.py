"""Memory that comes back, in a real kernel; each test prints what it measured."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.kernel.harness import Kernel

MB = 1_000_000

BIG = """
import numpy as np
from sklearn.neighbors import KNeighborsClassifier
from nbserve.core.memory import give_back, resident_bytes

def knn(rows):
    X = np.random.default_rng(0).random((rows, 256))
    return KNeighborsClassifier(n_neighbors=1, algorithm="brute").fit(X, np.arange(rows) % 2)

def resident():
    give_back()
    return resident_bytes()
"""

WARM = """
small = knn(100)
%serve small
ep = nbserve.get("small")
ep.predict([[0.5] * 256]), ep.unload(forget=True), ep.predict([[0.5] * 256])
nbserve.stop_all()
"""
"""What a first prediction, spill and restore need once, whatever they are about."""


@pytest.fixture
def measured(kernel: Kernel) -> Kernel:
    kernel.run(BIG).check()
    kernel.run(WARM).check()
    return kernel


def test_a_model_of_204_mb_comes_and_goes_and_leaves_nothing(measured: Kernel) -> None:
    start = measured.ask("resident()")
    measured.run("big = knn(100_000)\n%serve big\ndel big").check()
    loaded = measured.ask("resident()")
    assert loaded - start > 190 * MB
    freed = measured.ask("nbserve.get('big').unload().freed_bytes")
    after = [measured.ask("resident()") - start]
    with measured.caller("big") as caller:
        expected = caller.predict([[0.25] * 256])
        for _ in range(10):
            for _ in range(20):
                assert caller.predict([[0.25] * 256]) == expected
            measured.run("nbserve.get('big').unload()").check()
            after.append(measured.ask("resident()") - start)
    print(f"loaded {(loaded - start) / MB:.1f} MB, freed {freed / MB:.1f} MB, then above the start:")
    print(", ".join(f"{each / MB:.1f} MB" for each in after))
    assert freed > 190 * MB
    assert max(after) < 20.4 * MB


def test_a_model_of_204_mb_from_a_file_comes_and_goes_too(measured: Kernel, tmp_path: Path) -> None:
    path = tmp_path / "big.joblib"
    measured.run(f"import joblib\njoblib.dump(knn(100_000), {str(path)!r})").check()
    start = measured.ask("resident()")
    measured.run(f"path = {str(path)!r}\n%serve path --trust").check()
    after = []
    with measured.caller("big") as caller:
        for _ in range(3):
            caller.predict([[0.25] * 256])
            assert measured.ask("nbserve.get('big').loaded") is True
            measured.run("nbserve.get('big').unload()").check()
            after.append(measured.ask("resident()") - start)
    print(", ".join(f"{each / MB:.1f} MB" for each in after))
    assert max(after) < 20.4 * MB


def test_large_requests_leave_nothing(measured: Kernel) -> None:
    measured.run("small = knn(100)\n%serve small").check()
    body = json.dumps({"X": [[0.123456789] * 256] * 290}).encode()
    assert len(body) > 0.8 * MB
    with measured.caller("small") as caller:
        caller.request("POST", "predict/", body)
        start = measured.ask("resident()")
        for _ in range(60):
            assert caller.request("POST", "predict/", body).status == 200
    grown = measured.ask("resident()") - start
    print(f"60 requests of {len(body) / MB:.2f} MB: {grown / MB:+.1f} MB")
    assert abs(grown) < 20 * MB


def test_1500_predictions_that_race_with_unloads_never_fail(measured: Kernel) -> None:
    measured.run("small = knn(100)\n%serve small\ndel small").check()
    bursts, together = 20, threading.Barrier(6)

    def predict(_: int) -> int:
        right = 0
        with measured.caller("small") as caller:
            for _ in range(bursts):
                together.wait(60)
                right += sum(caller.predict([[0.5] * 256]) == expected for _ in range(15))
        return right

    with measured.caller("small") as caller:
        expected = caller.predict([[0.5] * 256])
        with ThreadPoolExecutor(5) as pool:
            answered = [pool.submit(predict, each) for each in range(5)]
            for _ in range(bursts):
                together.wait(60)
                for _ in range(3):
                    assert caller.post("unload/").status == 200
        assert [each.result() for each in answered] == [15 * bursts] * 5
        metadata = caller.get("metadata/").json
    print(f"1500 predictions, {3 * bursts} orders to unload, {metadata['counters']['unloads']} unloads")
    assert metadata["counters"]["errors"] == 0
    assert metadata["counters"]["unloads"] > 0


THOUSAND = """
import joblib, pathlib
folder = pathlib.Path({folder!r})

class Weights:
    def __init__(self, number):
        self.weights = np.full(1_000_000, number % 251, dtype=np.uint8)

    def predict(self, X):
        return [int(self.weights[0]) for _ in X]

import sys, types
module = sys.modules["weights"] = types.ModuleType("weights")
module.Weights, Weights.__module__ = Weights, "weights"
for number in range(1000):
    joblib.dump(Weights(number), folder / f"m{{number}}.joblib")
"""


def test_a_thousand_endpoints_stay_within_the_budget_of_ten(fresh: Callable[..., Kernel], tmp_path: Path) -> None:
    measured = fresh()  # what the allocator has kept of other tests would be counted, or not, as it happens
    measured.run(BIG).check()
    measured.run(WARM).check()
    measured.run(THOUSAND.format(folder=str(tmp_path))).check()
    measured.run("nbserve.serve(str(folder / 'm0.joblib'), name='first', trust=True).predict([[1]])").check()
    measured.run("nbserve.stop_all()").check()
    start = measured.ask("resident()")
    serve = "for n in range(1000): nbserve.serve(str(folder / f'm{n}.joblib'), trust=True, budget='10.5MB', threads=1)"
    measured.run(serve).check()
    idle = (measured.ask("resident()") - start) / 1000
    most, heaviest = measured.ask(
        """(lambda: (
        max((
            nbserve.get(f'm{n}').predict([[n]]) == [n % 251] or 1 / 0,
            sum(each.loaded for each in nbserve.endpoints()) if n % 25 == 0 else 0,
        )[1] for n in range(1000)),
        nbserve.get('m999').metadata()['memory']['session_bytes'],
        ))()"""
    )
    left = measured.ask("[each.name for each in nbserve.endpoints() if each.loaded]")
    grown = measured.ask("resident()") - start
    measured.run("for each in nbserve.endpoints(): each.unload()").check()
    used = min(measured.ask("resident()") - start for _ in range(3)) / 1000  # threads of loads may just be ending
    print(f"idle {idle / 1000:.1f} kB each, once used {used / 1000:.1f} kB")
    print(f"at most {most} loaded at once, {grown / MB:.1f} MB more when all had been asked")
    assert idle < 20_000
    assert used < 20_000
    assert most <= 10
    assert heaviest <= 10.5 * MB
    assert left == [f"m{number}" for number in range(990, 1000)]
    assert grown < 10.5 * MB + 1000 * 20_000
