"""Event loops: the server's, the models', the kernel's, and what nest_asyncio makes of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.kernel.harness import Caller, Kernel

MODELS = """
import asyncio

class Sync(Constant):
    pass

class OwnLoop(Constant):
    '''Makes what it needs where it runs.'''

    async def predict(self, X):
        event = asyncio.Event()
        asyncio.get_running_loop().call_soon(event.set)
        await event.wait()
        return [self.value for _ in X]

class KernelLoop(Constant):
    '''Needs what was made on the kernel's loop, as a client of a data base does.'''

    def __init__(self, value):
        super().__init__(value)
        self.home = asyncio.get_running_loop()
        self.lock = asyncio.Lock()
        self.done = self.home.create_future()

    async def predict(self, X):
        assert asyncio.get_running_loop() is self.home
        async with self.lock:
            self.home.call_soon(lambda: self.done.done() or self.done.set_result(None))
            await self.done
            await asyncio.sleep(0.001)
        return [self.value for _ in X]
"""

SERVE = """
nbserve.serve(Sync(1), name="sync")
nbserve.serve(OwnLoop(2), name="own")
nbserve.serve(KernelLoop(3), name="kernel", loop="kernel");
"""


def check(kernel: Kernel) -> None:
    """Every model answers everybody, however it is asked."""
    for name, value in (("sync", 1), ("own", 2), ("kernel", 3)):
        with kernel.caller(name) as caller:
            assert caller.predict([[0], [0]]) == [value, value]
            kernel.run(f"ep = nbserve.get({name!r})").check()
            assert kernel.run("ep.predict([[0]])").check().displays == [{"text/plain": f"[{value}]"}]
            assert kernel.run("ep.predict_from([[0]])").check().displays == [{"text/plain": f"[{value}]"}]
            assert kernel.run("await ep.async_predict([[0]])").check().displays == [{"text/plain": f"[{value}]"}]
            together = "await asyncio.gather(*(ep.async_predict([[0]]) for _ in range(5)))"
            assert kernel.run(together).check().displays == [{"text/plain": str([[value]] * 5)}]
            assert caller.predict([[0]]) == [value]


@pytest.mark.parametrize("uvloop", [True, False], ids=["uvloop", "asyncio"])
@pytest.mark.parametrize("nest", ["nest_asyncio", "nest_asyncio2"])
def test_a_user_who_nests_the_loops_breaks_nothing(fresh: Callable[..., Kernel], nest: str, uvloop: bool) -> None:
    kernel = fresh()
    if not uvloop:
        kernel.run("import sys\nsys.modules['uvloop'] = None").check()
    kernel.run(f"{MODELS}\n{SERVE}").check()
    assert kernel.ask("'uvloop' in __import__('sys').modules and bool(__import__('sys').modules['uvloop'])") is uvloop
    check(kernel)
    kernel.run(f"import {nest}\n{nest}.apply()").check()
    check(kernel)
    kernel.run(f"%unserve --all\n{SERVE}").check()
    check(kernel)
    kernel.run("assert asyncio.run(nbserve.get('own').async_predict([[0]])) == [2]").check()
    kernel.run("assert asyncio.get_event_loop().run_until_complete(asyncio.sleep(0, 5)) == 5").check()


@pytest.mark.parametrize("uvloop", [True, False], ids=["uvloop", "asyncio"])
def test_loops_that_were_nested_before_anything_was_served_do_too(fresh: Callable[..., Kernel], uvloop: bool) -> None:
    kernel = fresh()
    if not uvloop:
        kernel.run("import sys\nsys.modules['uvloop'] = None").check()
    kernel.run(f"import nest_asyncio\nnest_asyncio.apply()\n{MODELS}\n{SERVE}").check()
    check(kernel)
    kernel.run("%unserve --all").check()
    assert kernel.ask("[each.name for each in threading.enumerate() if each.name == 'nbserve:server']") == []


def test_nothing_is_nested_unless_a_cell_waits_for_a_model_on_its_own_loop(fresh: Callable[..., Kernel]) -> None:
    kernel = fresh()
    kernel.run(f"{MODELS}\n{SERVE}").check()
    is_nested = "hasattr(asyncio, '_nest_patched') or hasattr(asyncio, '_nest_asyncio2')"
    with kernel.caller("kernel") as caller:
        caller.predict([[0]])
    kernel.run("nbserve.get('sync').predict([[0]]), nbserve.get('own').predict([[0]])").check()
    kernel.run("await nbserve.get('kernel').async_predict([[0]])").check()
    assert kernel.ask(f"[{is_nested}, 'nest_asyncio2' in __import__('sys').modules]") == [False, False]
    kernel.run("nbserve.get('kernel').predict([[0]])").check()
    assert kernel.ask("'nest_asyncio2' in __import__('sys').modules") is True


def test_over_http_a_model_on_the_kernels_loop_is_answered_between_cells_and_while_one_awaits(kernel: Kernel) -> None:
    kernel.run(f"{MODELS}\n{SERVE}").check()
    with kernel.caller("kernel") as caller:
        assert caller.predict([[0]]) == [3]
        awaiting = kernel.start("print('begin', flush=True)\nwaits = asyncio.Event()\nawait waits.wait()")
        assert kernel.wait_until(lambda: "begin" in awaiting.stdout)
        assert caller.predict([[0]]) == [3]
        kernel.interrupt()
        assert caller.predict([[0]]) == [3]
        assert awaiting.wait().status == "error"


def test_an_async_model_that_fails_on_the_kernels_loop_fails_alone(kernel: Kernel) -> None:
    code = (
        "class Bad(KernelLoop):\n    async def predict(self, X):\n        print('mine')\n        raise KeyError('deep')"
    )
    kernel.run(f"{MODELS}\n{code}\nep = nbserve.serve(Bad(1), name='model', loop='kernel')").check()
    before = len(kernel.shown)
    with kernel.caller() as caller:
        assert caller.post("predict/", {"X": [[1]]}).status == 500
    assert kernel.run("ep.predict([[1]])").error == "ModelError"
    assert kernel.run("await ep.async_predict([[1]])").error == "ModelError"
    assert [each for each in kernel.shown[before:] if each["msg_type"] == "stream"] == []
    assert kernel.run("print('alive')").check().stdout == "alive\n"
    assert any("mine" in line for line in kernel.ask("ep.log"))


def test_an_own_loop_is_free_while_a_cell_is_busy(kernel: Kernel) -> None:
    kernel.run(f"{MODELS}\ngo = threading.Event()\nep = nbserve.serve(OwnLoop(2), name='own')").check()
    kernel.run("@ep.app.post('/go')\ndef open_it():\n    go.set()").check()
    owners = kernel.ask("get_ipython().nbserve_session.access.session_token")
    with kernel.caller("own") as caller:
        busy = kernel.start("print('begin', flush=True)\nassert go.wait(60)")
        assert kernel.wait_until(lambda: "begin" in busy.stdout)
        assert caller.predict([[0]]) == [2]
        caller.post(f"/go?token={owners}")
        busy.wait().check()


def test_a_model_may_call_its_own_endpoint(kernel: Kernel) -> None:
    code = """
class Factorial:
    def predict(self, X):
        n = X[0][0]
        return 1 if n < 2 else n * ep.predict([[n - 1]])

class AsyncFactorial:
    async def predict(self, X):
        n = X[0][0]
        return 1 if n < 2 else n * await ep.async_predict([[n - 1]])
"""
    kernel.run(code).check()
    for serve in ("Factorial(), name='model'", "AsyncFactorial(), name='model'"):
        kernel.run(f"ep = nbserve.serve({serve})").check()
        with kernel.caller() as caller:
            assert caller.predict([[5]]) == 120
        assert kernel.run("ep.predict([[5]])").check().displays == [{"text/plain": "120"}]
    kernel.run("ep = nbserve.serve(AsyncFactorial(), name='model', loop='kernel')").check()
    assert kernel.run("ep.predict([[5]])").check().displays == [{"text/plain": "120"}]
    assert kernel.run("await ep.async_predict([[5]])").check().displays == [{"text/plain": "120"}]


def test_a_route_that_is_added_while_it_serves_answers_at_once(kernel: Kernel) -> None:
    kernel.run("ep = nbserve.serve(Constant(1), name='model')").check()
    owners = kernel.ask("get_ipython().nbserve_session.access.session_token")
    with kernel.caller() as caller:
        assert caller.get(f"/mine?token={owners}").status == 404
        kernel.run("ep.app.add_api_route('/mine', lambda: {'mine': ep.predict([[0]])})").check()
        assert caller.get(f"/mine?token={owners}").json == {"mine": [1]}
        kernel.run("@ep.app.get('/mine/bad')\ndef bad(number: int):\n    raise KeyError(number)").check()
        failed, wrong = caller.get(f"/mine/bad?number=1&token={owners}"), caller.get(f"/mine/bad?token={owners}")
        assert (failed.status, failed.json["code"]) == (500, "model_failed")
        assert (wrong.status, wrong.json["detail"][0]["loc"]) == (422, ["query", "number"])
        with Caller(f"http://{caller.host}:{caller.port}/") as stranger:
            refused = stranger.get("/mine")
            assert (refused.status, refused.json["code"]) == (401, "token_missing")
