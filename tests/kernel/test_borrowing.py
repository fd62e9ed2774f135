"""What the notebook holds stays the notebook's: unloading it costs nothing, and it is never lost."""

from __future__ import annotations

import pytest

from tests.kernel.harness import Kernel

LETTING_GO = {
    "deleted": "del model",
    "bound to another": "model = Constant(2)",
    "bound to nothing": "model = None",
    "deleted in a loop": "for name in ['model']:\n    del globals()[name]",
    "deleted by a cell that fails": "del model\n1 / 0",
}


@pytest.fixture
def notebook(kernel: Kernel) -> Kernel:
    kernel.run("model = Constant(1)\nident, alive = id(model), weakref.ref(model)\nep = %serve model").check()
    return kernel


def spilled(kernel: Kernel) -> bool:
    return bool(kernel.ask("ep.metadata()['memory']['spilled_bytes'] > 0"))


def test_what_the_notebook_holds_is_the_same_object_after_a_reload(notebook: Kernel) -> None:
    said = notebook.run("%nbserve unload model").check().stdout
    assert said == "model: Unloaded; it is still held as model, so no memory came back.\n"
    notebook.run("x = 1").check()
    notebook.run("model.value = 11").check()
    assert not spilled(notebook)
    assert notebook.ask("ep.predict([[1]])") == [11]
    assert notebook.ask("id(model) == ident and model is alive()") is True


@pytest.mark.parametrize("letting_go", LETTING_GO.values(), ids=LETTING_GO.keys())
@pytest.mark.parametrize("cells", [1, 2], ids=["in the cell that unloads", "in a later cell"])
def test_what_it_lets_go_of_while_unloaded_is_put_aside_and_comes_back(
    notebook: Kernel, letting_go: str, cells: int
) -> None:
    if cells == 1:
        notebook.run(f"ep.unload()\n{letting_go}")
    else:
        notebook.run("ep.unload();").check()
        notebook.run(letting_go)
    notebook.run("collected = gc.collect()").check()
    assert notebook.ask("[ep.state, alive() is None]") == ["unloaded", True]
    assert spilled(notebook)
    with notebook.caller() as caller:
        assert caller.predict([[1]]) == [1]
    assert notebook.ask("ep.state") == "loaded"
    assert not spilled(notebook)


def test_what_is_let_go_of_while_a_caller_unloads_it_is_not_lost(notebook: Kernel) -> None:
    notebook.run("opened = threading.Event()\n@ep.app.post('/open')\ndef open_it(): opened.set()").check()
    url, owners = notebook.ask("[ep.url, get_ipython().nbserve_session.access.session_token]")
    from tests.kernel.harness import Caller

    with Caller(url, owners) as owner:
        running = notebook.start("print('begin')\nassert opened.wait(60)\ndel model\nx = gc.collect()")
        assert notebook.wait_until(lambda: "begin" in running.stdout)
        report = owner.post("unload/").json
        assert {key: report[key] for key in ("state", "freed_bytes", "holders")} == {
            "state": "unloaded",
            "freed_bytes": 0,
            "holders": ["model"],
        }
        owner.post("/open")
        running.wait().check()
        assert owner.predict([[1]]) == [1]


def test_a_second_name_is_enough_to_hold_it(notebook: Kernel) -> None:
    notebook.run("other = model\nep.unload();").check()
    notebook.run("del model").check()
    assert not spilled(notebook)
    assert notebook.ask("[ep.predict([[1]]), id(other) == ident]") == [[1], True]


def test_what_cannot_be_put_aside_stays_loaded_and_is_told_in_one_sentence(kernel: Kernel) -> None:
    kernel.run("class Locked(Constant):\n    def __reduce__(self):\n        raise TypeError('has a lock')").check()
    kernel.run("ep = nbserve.serve(Locked(4), name='locked')").check()
    ran = kernel.run("%nbserve unload locked")
    assert ran.error == "UsageError"
    assert ran.stderr.count("\n") == 1
    assert "cannot be pickled (TypeError: has a lock). It stays loaded" in ran.stderr
    assert kernel.run("ep.unload()").error == "SpillError"
    assert kernel.ask("[ep.state, ep.predict([[1]])]") == ["loaded", [4]]


def test_what_cannot_be_put_aside_is_borrowed_all_the_same_and_not_lost(kernel: Kernel) -> None:
    kernel.run("class Locked(Constant):\n    def __reduce__(self):\n        raise TypeError('has a lock')").check()
    kernel.run("model = Locked(4)\nep = nbserve.serve(model)\nep.unload();").check()
    assert kernel.ask("ep.state") == "unloaded"
    kernel.run("del model").check()
    assert kernel.ask("[ep.predict([[1]]), ep.state]") == [[4], "loaded"]


def test_a_function_of_the_notebook_comes_back_with_what_it_uses(kernel: Kernel) -> None:
    kernel.run("factor = 3\ndef times(X):\n    return [x * factor for x in X]\nep = nbserve.serve(times)").check()
    kernel.run("ep.unload();").check()
    kernel.run("del times").check()
    assert kernel.ask("ep.predict([2])") == [6]
