"""Letting go of a model that the notebook holds in every way it can, in real kernels, terminals and programs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.harness import Kernel, isolated
from tests.kernel.test_shells import Terminal

BOOK = """
import gc, sys, weakref
from nbserve.notebook.holders import Notebook

class Model:
    def predict(self, X):
        return X

def fit(m):
    inner = m
    raise ValueError("no")

def told():
    return json.dumps(book.all_holders(alive()))

def forget():
    return json.dumps(book.forget(alive(), "stand-in"))

model = Model()
alive = weakref.ref(model)
"""


@pytest.fixture
def book(kernel: Kernel) -> Kernel:
    kernel.run(f"{BOOK}\nimport json\nbook = Notebook(get_ipython().user_ns, get_ipython())").check()
    kernel.run("sys.last_value = sys.last_traceback = None").check()
    return kernel


def is_gone(kernel: Kernel) -> bool:
    kernel.run("collected = gc.collect()").check()
    return bool(kernel.ask("alive() is None or [str(type(each)) for each in gc.get_referrers(alive())]") is True)


def test_a_model_that_was_displayed_named_and_failed_with_is_let_go_of(book: Kernel) -> None:
    shown = [book.run("model").check().displays for _ in range(3)]
    assert all("Model at" in each[0]["text/plain"] for each in shown)
    assert book.run("fit(model)").error == "ValueError"
    assert {"predict"} <= set(book.complete("model.pr"))
    assert "predict(X)" in book.inspect("model.predict")
    assert book.run("Out[max(Out)].nothing").error == "AttributeError"
    assert book.run("fit(model)").error == "ValueError"
    before = json.loads(book.ask("told()"))
    assert before[0] == "model"
    assert len([each for each in before if each.startswith("Out[")]) == 3
    assert before[4:] == ["sys.last_traceback (in fit)"]
    assert json.loads(book.ask("forget()")) == before
    assert is_gone(book)
    assert book.ask("[model, _, str(sys.last_value)]") == ["stand-in", "stand-in", "no"]
    assert [each["content"]["ename"] for each in book.run("%tb").messages] == ["ValueError"]


def test_letting_go_in_the_cell_that_displays_it(book: Kernel) -> None:
    book.run("model").check()
    book.run("from IPython.core.interactiveshell import InteractiveShell").check()
    book.run("get_ipython().ast_node_interactivity = 'all'").check()
    try:
        book.run("model\nmodel\nforgotten = forget()\nforgotten").check()
    finally:
        book.run("get_ipython().ast_node_interactivity = 'last_expr'").check()
    assert is_gone(book)


def test_an_attribute_that_is_missing_holds_the_model_until_it_is_forgotten(book: Kernel) -> None:
    assert book.run("model.predit").error == "AttributeError"
    assert "sys.last_value.obj" in json.loads(book.ask("told()"))
    book.run("forgotten = forget()").check()
    assert is_gone(book)


def test_an_asynchronous_cell_that_failed_lets_go(book: Kernel) -> None:
    book.run("import asyncio\nasync def later(m):\n    await asyncio.sleep(0)\n    raise ValueError('no')").check()
    assert book.run("await later(model)").error == "ValueError"
    assert json.loads(book.ask("told()")) == ["model", "sys.last_traceback (in later)"]
    book.run("forgotten = forget()").check()
    assert is_gone(book)


def test_what_the_shell_was_given_is_told(book: Kernel) -> None:
    book.run("get_ipython().my_model = model").check()
    assert json.loads(book.ask("told()")) == ["model", "get_ipython().my_model"]
    book.run("del get_ipython().my_model").check()


def test_an_endpoint_forgets_and_its_handle_restores(book: Kernel) -> None:
    book.run("ep = nbserve.serve(model, name='iris')").check()
    for _ in range(3):
        book.run("model").check()
    assert book.run("fit(model)").error == "ValueError"
    assert {"predict"} <= set(book.complete("model.pr"))
    book.run("report = ep.unload(forget=True)").check()
    assert book.ask("[str(report.state), list(report.holders), alive() is None]") == ["unloaded", [], True]
    assert book.ask("repr(model)").startswith("<Model 'iris', unloaded (")
    assert book.ask("repr(model)").endswith("): model.restore() brings it back>")
    with book.caller("iris") as caller:
        assert caller.predict([[1]]) == [[1]]
    book.run("back = model.restore()").check()
    assert book.ask("[back is model, type(model) is Model, model.predict(3)]") == [True, True, 3]


def test_an_endpoint_tells_who_still_holds_what_it_cannot_make_them_forget(book: Kernel) -> None:
    book.run("ep = nbserve.serve(model, name='iris'); models = [model]").check()
    assert book.ask("list(ep.unload(forget=True).holders)") == ["models[0]"]
    book.run("models.clear()").check()
    assert is_gone(book)
    with book.caller("iris") as caller:
        assert caller.predict([[1]]) == [[1]]


# --- without a notebook


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    (tmp_path / "book.py").write_text(BOOK)
    made = Terminal(tmp_path)
    made.run("import json; from book import *; import book as home; model = Model(); alive = weakref.ref(model)")
    made.run("home.alive, home.json = alive, json; del home.model")
    made.run("home.book = Notebook(get_ipython().user_ns, get_ipython())")
    yield made
    made.kill()


def test_a_terminal_lets_go(terminal: Terminal) -> None:
    for _ in range(3):
        assert "Model at" in terminal.run("model")
    assert "ValueError: no" in terminal.run("fit(model)")
    held = json.loads(terminal.run("print(told())"))
    assert (held[0], held[-1], len(held)) == ("model", "sys.last_traceback (in fit)", 5)
    assert json.loads(terminal.run("print(forget())")) == held
    assert terminal.run("print(gc.collect() >= 0, alive(), model)").endswith("True None stand-in")
    assert "ValueError: no" in terminal.run("%tb")


def test_a_plain_interpreter_lets_go(tmp_path: Path) -> None:
    typed = [
        "import json, __main__; book = Notebook(vars(__main__))",
        "model",
        "fit(model)",
        "model.predit",
        "fit(model)",
        "print(told()); print(forget()); collected = gc.collect(); print(alive(), model, sys.last_value)",
    ]
    (tmp_path / "book.py").write_text(BOOK)
    done = subprocess.run(
        [sys.executable, "-i", "-q", "book.py"],
        cwd=tmp_path,
        env=isolated(tmp_path),
        input="\n".join(typed) + "\n",
        capture_output=True,
        text=True,
        timeout=60,
    )
    shown, told, forgotten, after = done.stdout.splitlines()
    assert "Model object" in shown
    assert json.loads(told) == json.loads(forgotten) == ["model", "_ of builtins", "sys.last_traceback (in fit)"]
    assert after == "None stand-in no"
