"""The tutorial's program in a real kernel, files that are typed, and what is set for all endpoints."""

from __future__ import annotations

from pathlib import Path

import joblib
import pytest
from sklearn.neural_network import MLPClassifier

from tests.kernel.harness import Kernel

TUTORIAL = (Path(__file__).parents[1] / "tutorial.py").read_text(encoding="utf-8").partition("app = Flama(")[0]
XOR = [[0, 0], [0, 1], [1, 0], [1, 1]]


@pytest.fixture
def xor(tmp_path: Path) -> Path:
    path = tmp_path / "sklearn_model.flm"
    joblib.dump(MLPClassifier((10,), activation="tanh", max_iter=2000, random_state=0).fit(XOR, [0, 1, 1, 0]), path)
    return path


def test_the_tutorial_gives_its_sequence_in_a_notebook_and_can_be_run_again(kernel: Kernel, xor: Path) -> None:
    kernel.run(f"import os\nos.chdir({str(xor.parent)!r})").check()
    for version in (1, 2):
        kernel.run(TUTORIAL).check()
        kernel.run("%serve MyCustomModelResource --path /model").check()
        with kernel.caller("model") as caller:

            def loaded(path: str) -> bool:
                return bool(caller.get(path).json["metadata"]["custom"]["loaded"])

            assert not loaded("metadata/")
            assert caller.get("inspect/").json["activation"] == "tanh"
            assert loaded("metadata/")
            assert not loaded("unload/")
            assert caller.post("predict/", {"input": XOR}).result == [0, 1, 1, 0]
            assert loaded("metadata/")
        assert kernel.ask("nbserve.get('model').metadata()['version']") == version


def test_a_file_that_is_typed_is_served_with_one_line_of_warning(kernel: Kernel, xor: Path) -> None:
    kernel.run(f"import os\nos.chdir({str(xor.parent)!r})").check()
    ran = kernel.run("%serve sklearn_model.flm --name churn").check()
    assert ran.stderr.count("\n") == 1
    assert "sklearn_model.flm" in ran.stderr
    assert "--trust" in ran.stderr
    assert kernel.ask("nbserve.get('churn').state") == "unloaded"
    assert kernel.run("%serve ./sklearn_model.flm --name churn --trust --eager").check().stderr == ""
    assert kernel.ask("nbserve.get('churn').state") == "loaded"


def test_a_load_that_fails_is_one_line_when_it_was_to_be_eager(kernel: Kernel, tmp_path: Path) -> None:
    kernel.run(
        "class Broken(nbserve.ModelComponent):\n    def load_model(self):\n        raise RuntimeError('no weights')\n"
        "broken = Broken()"
    ).check()
    ran = kernel.run("%serve broken --eager")
    assert "Loading raised RuntimeError: no weights" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert kernel.ask("nbserve.get('broken').state") == "failed"


def test_what_is_set_for_all_endpoints_is_their_default_and_checked(kernel: Kernel) -> None:
    kernel.run("%config Nbserve.idle_s = '10m'\n%config Nbserve.budget = '2GB'").check()
    try:
        kernel.run("model = Constant()\n%serve model").check()
        metadata = kernel.ask("nbserve.get('model').metadata()")
        assert metadata["memory"]["budget_bytes"] == 2_000_000_000
        assert 590 < metadata["idle_unload_in_s"] <= 600
        kernel.run("%serve model --idle 1m").check()
        assert kernel.ask("nbserve.get('model').metadata()['idle_unload_in_s']") <= 60
        assert "budget cannot be 'much'" in kernel.run("%config Nbserve.budget = 'much'").stderr
    finally:
        kernel.run("%config Nbserve.idle_s = None\n%config Nbserve.budget = None").check()
    assert kernel.ask("nbserve.get('model').metadata()['memory']['budget_bytes']") is None


def test_the_environment_sets_the_budget_too(fresh: object) -> None:
    kernel = fresh(NBSERVE_BUDGET="3GB")  # type: ignore[operator]
    kernel.run("model = Constant()\n%serve model").check()
    assert kernel.ask("nbserve.get('model').metadata()['memory']['budget_bytes']") == 3_000_000_000


def test_an_idle_model_is_unloaded_while_a_cell_runs(kernel: Kernel) -> None:
    kernel.run("model = Constant()\n%serve model --idle 200ms\ndel model").check()
    with kernel.caller() as caller:
        assert caller.predict([[1]]) == [0]
        cell = kernel.start("threading.Event().wait(30)\n0")
        assert kernel.wait_until(lambda: caller.get("metadata/").json["state"] == "unloaded", 20)
        assert not cell.has_ended
        kernel.interrupt()
        cell.wait()
        assert caller.predict([[1]]) == [0]


def test_a_load_that_hangs_delays_neither_health_nor_another_endpoint(kernel: Kernel) -> None:
    kernel.run(
        "gate = threading.Event()\n"
        "class Slow(nbserve.ModelComponent):\n"
        "    def load_model(self):\n        gate.wait(60)\n        self.model = Constant(1)\n"
        "slow, quick = Slow(), Constant(2)\n"
    ).check()
    kernel.run("%serve slow").check()
    kernel.run("%serve quick").check()
    with kernel.caller("slow") as waiting, kernel.caller("quick") as caller:
        kernel.run("loading = threading.Thread(target=nbserve.get('slow').load); loading.start()").check()
        assert kernel.wait_until(lambda: waiting.get("metadata/").json["state"] == "loading", 20)
        assert caller.predict([[1]]) == [2]
        assert caller.get("/health").status == 200
        kernel.run("gate.set(); loading.join(20)").check()
        assert waiting.predict([[1]]) == [1]
