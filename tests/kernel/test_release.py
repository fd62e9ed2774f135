"""A model that is not served any more is gone: nothing of ours holds it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.kernel.harness import Kernel

HOLDERS = """
def holders():
    '''Who holds the model, for the one who reads a failed test.'''
    import types
    found = []
    for each in gc.get_referrers(alive()):
        name = f"frame of {each.f_code.co_qualname}" if isinstance(each, types.FrameType) else type(each).__qualname__
        found.append(f"{name}: {str(each)[:200]}" if not isinstance(each, types.FrameType) else name)
    return found
"""

LET_GO = "del model\ncollected = gc.collect()"
"""Nothing but the variable: neither `Out` nor `_` nor the last error has to be forgotten."""


@pytest.fixture
def gone(kernel: Kernel) -> Callable[[], None]:
    """Serve a model with its card, and then assert that nothing holds it."""
    kernel.run(HOLDERS).check()
    kernel.run("model = Fragile(1)\nalive = weakref.ref(model)\n%serve model").check()

    def check() -> None:
        kernel.run(LET_GO).check()
        assert kernel.ask("alive() is None or holders()") is True

    return check


def test_after_it_was_stopped(kernel: Kernel, gone: Callable[[], None]) -> None:
    kernel.run("%unserve model").check()
    gone()


def test_after_predictions_over_http_and_from_cells(kernel: Kernel, gone: Callable[[], None]) -> None:
    kernel.run("ep = nbserve.get('model')\nep.predict([[1]]), ep.predict_from([[1]])").check()
    kernel.run("await ep.async_predict([[1]])").check()
    with kernel.caller() as caller:
        assert caller.predict([[1]]) == [1]
    kernel.run("%unserve model").check()
    gone()


@pytest.mark.parametrize("ask", ["ep.predict([[13]])", "ep.predict_from([[13]])", "await ep.async_predict([[13]])"])
def test_after_an_error_that_a_cell_was_shown(kernel: Kernel, gone: Callable[[], None], ask: str) -> None:
    kernel.run("ep = nbserve.get('model')").check()
    assert kernel.run(ask).error == "ModelError"
    assert kernel.ask("type(__import__('sys').last_value).__name__") == "ModelError"
    kernel.run("%unserve model").check()
    gone()


def test_after_an_error_that_a_cell_keeps(kernel: Kernel, gone: Callable[[], None]) -> None:
    kernel.run("ep = nbserve.get('model')\ntry: ep.predict([[13]])\nexcept Exception as error: kept = error").check()
    kernel.run("ep.stop()").check()
    gone()
    assert kernel.ask("[type(kept).__name__, str(kept.__cause__)]") == ["ModelError", "thirteen"]


def test_after_errors_over_http(kernel: Kernel, gone: Callable[[], None]) -> None:
    with kernel.caller() as caller:
        assert caller.post("predict/", {"X": [[13]]}).status == 500
        assert caller.post("predict/", {"Y": [[1]]}).status == 422
        kernel.run("%unserve model").check()
        gone()


def test_after_a_swap(kernel: Kernel, gone: Callable[[], None]) -> None:
    with kernel.caller() as caller:
        caller.predict([[1]])
        kernel.run("other = Constant(2)\n%serve other --name model").check()
        gone()
        assert caller.predict([[1]]) == [2]


def test_while_a_handle_and_all_that_was_asked_of_it_are_kept(kernel: Kernel, gone: Callable[[], None]) -> None:
    code = "ep = nbserve.get('model')\nkept = [ep, ep.inspect(), ep.metadata(), ep.app, repr(ep), nbserve.endpoints()]"
    kernel.run(code).check()
    kernel.run("ep").check()
    with kernel.caller() as caller:
        for path in ("", "inspect/", "metadata/", "/openapi.json", "/docs", "/"):
            caller.get(path)
    kernel.run("%nbserve inspect model").check()
    kernel.run("%unserve model").check()
    gone()


def test_after_the_extension_was_unloaded(kernel: Kernel, gone: Callable[[], None]) -> None:
    kernel.run("%unload_ext nbserve").check()
    gone()
    kernel.run("%load_ext nbserve").check()


def test_when_it_was_unloaded_and_let_go_of(kernel: Kernel, gone: Callable[[], None]) -> None:
    kernel.run("%nbserve unload model").check()
    gone()
    with kernel.caller() as caller:
        assert caller.predict([[1]]) == [1]


@pytest.mark.parametrize("loop", ["own", "kernel"])
def test_an_asynchronous_model_goes_too(kernel: Kernel, loop: str) -> None:
    kernel.run(HOLDERS).check()
    code = "class Later(Fragile):\n    async def predict(self, X):\n        return super().predict(X)\n"
    kernel.run(f"{code}model = Later(1)\nalive = weakref.ref(model)\n%serve model --loop {loop}").check()
    kernel.run("ep = nbserve.get('model')\nep.predict([[1]])").check()
    assert kernel.run("ep.predict([[13]])").error == "ModelError"
    assert kernel.run("await ep.async_predict([[13]])").error == "ModelError"
    with kernel.caller() as caller:
        assert caller.predict([[1]]) == [1]
        assert caller.post("predict/", {"X": [[13]]}).status == 500
    kernel.run("ep.stop()").check()
    kernel.run(LET_GO).check()
    assert kernel.ask("alive() is None or holders()") is True


def test_its_memory_comes_back(kernel: Kernel) -> None:
    kernel.run("class Heavy(Constant):\n    pass\nimport numpy as np").check()
    kernel.run("ep = nbserve.serve(Heavy(np.ones(10_000_000)), name='heavy')").check()
    assert kernel.ask("ep.metadata()['memory']['model_bytes']") > 80_000_000
    kernel.run(
        "from nbserve.core.memory import resident_bytes\nbefore = resident_bytes()\nreport = ep.unload()"
    ).check()
    state, freed, holders, gone = kernel.ask(
        "[report.state, report.freed_bytes, report.holders, before - resident_bytes()]"
    )
    assert (state, holders) == ("unloaded", [])
    assert freed > 70_000_000
    assert gone > 70_000_000
    assert kernel.ask("ep.metadata()['memory']['spilled_bytes']") > 80_000_000
    kernel.run("answer = ep.predict_from([1])").check()
    assert kernel.ask("[float(answer[0].sum()), ep.state]") == [10_000_000.0, "loaded"]
