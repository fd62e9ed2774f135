"""Callers that never stop, while the notebook swaps, unloads and loads what they call."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.kernel.harness import Caller, Kernel, hammering

SWAPS = 20


def test_running_the_cell_again_swaps_the_model_without_one_failed_request(kernel: Kernel) -> None:
    kernel.run("model = Constant(0)\n%serve model").check()
    before = kernel.ask("[nbserve.get('model').url, nbserve.get('model').token]")
    make = kernel.callers()
    with make() as caller, hammering(make, lambda each: each.post("predict/", {"X": [[1]]})) as hammer:
        for number in range(1, SWAPS + 1):
            hammer.wait_for(5)
            kernel.run(f"model = Constant({number})\n%serve model").check()
            assert caller.predict([[1]]) == [number], "the cell has returned: only the new model answers"
        hammer.wait_for(20)
    assert hammer.failures == []
    assert {each.status for each in hammer.answers} == {200}
    results = [each.result for each in hammer.answers]
    assert all(len(result) == 1 and result[0] in range(SWAPS + 1) for result in results)
    assert len({result[0] for result in results}) > SWAPS // 2
    assert kernel.ask("[nbserve.get('model').url, nbserve.get('model').token]") == before
    assert kernel.ask("nbserve.get('model').metadata()['version']") == SWAPS + 1


def test_a_swap_to_another_kind_of_model_fails_nobody(kernel: Kernel) -> None:
    kernel.run("def plain(X):\n    return X\nasync def later(X):\n    return X\n%serve plain --name model").check()
    with hammering(kernel.callers(), lambda each: each.post("predict/", {"X": [1]})) as hammer:
        for name in ("later", "plain") * 5:
            hammer.wait_for(5)
            kernel.run(f"%serve {name} --name model").check()
    assert hammer.failures == []
    assert {(each.status, each.body) for each in hammer.answers} == {(200, b'{"predict_result":[1]}')}


def test_stopping_one_endpoint_fails_nobody_of_another(kernel: Kernel) -> None:
    kernel.run("model = Constant(1)\n%serve model").check()
    with hammering(kernel.callers(), lambda each: each.post("predict/", {"X": [[1]]})) as hammer:
        for _ in range(5):
            hammer.wait_for(5)
            kernel.run("%serve model --name other").check()
            kernel.run("%unserve other").check()
    assert hammer.failures == []
    assert {each.status for each in hammer.answers} == {200}


SLOW_TO_LOAD = """
came, gate, loads = threading.Event(), threading.Event(), []

class Slow(Constant):
    def __setstate__(self, state):
        loads.append(threading.current_thread().name)
        came.set()
        assert gate.wait(60)
        self.__dict__.update(state)

ep = nbserve.serve(Slow(5), name="model")
report = ep.unload()
"""


@pytest.mark.parametrize("kind", ["Slow", "AsyncSlow"])
def test_first_requests_that_come_together_share_one_load(kernel: Kernel, kind: str) -> None:
    code = (
        SLOW_TO_LOAD + "\nclass AsyncSlow(Slow):\n    async def predict(self, X):\n        return super().predict(X)\n"
    )
    kernel.run(code + f"\nep = nbserve.serve({kind}(5), name='model')\nreport = ep.unload()").check()
    assert kernel.ask("[ep.state, ep.metadata()['memory']['spilled_bytes'] > 0]") == ["unloaded", True]
    make = kernel.callers()
    with ExitStack() as stack, ThreadPoolExecutor(8) as pool:
        callers = [stack.enter_context(make()) for _ in range(8)]
        answers = [pool.submit(each.predict, [[n]] * (n + 1)) for n, each in enumerate(callers)]
        kernel.run("assert came.wait(60)").check()
        with kernel.caller() as other:
            assert other.get("/health").status == 200
            assert other.get("/ready").status == 200
            assert other.get("metadata/").json["state"] == "loading"
        kernel.run("gate.set()").check()
        assert [each.result(60) for each in answers] == [[5] * (n + 1) for n in range(8)]
    assert kernel.ask("[len(loads), ep.metadata()['counters']['loads'], ep.state]") == [1, 1, "loaded"]


def test_predictions_that_race_with_unloads_never_fail(kernel: Kernel) -> None:
    kernel.run("ep = nbserve.serve(Constant(9), name='model')").check()
    url, token, owners = kernel.ask("[ep.url, ep.token, get_ipython().nbserve_session.access.session_token]")

    def predict(times: int) -> list[list[int]]:
        with Caller(url, token) as caller:
            return [caller.predict([[1]]) for _ in range(times)]

    def unload(times: int) -> set[int]:
        with Caller(url, owners) as owner:
            return {owner.post("unload/").status for _ in range(times)}

    with ThreadPoolExecutor(6) as pool:
        predictions, unloads = pool.map(predict, [500] * 4), pool.map(unload, [100] * 2)
        answered = [result for each in predictions for result in each]
        assert answered == [[9]] * 2000
        assert set.union(*unloads) == {200}
    counters = kernel.ask("ep.metadata()['counters']")
    assert (counters["errors"], counters["requests"]) == (0, 2000)
    assert counters["unloads"] > 0
    assert kernel.ask("ep.predict([[1]])") == [9]
