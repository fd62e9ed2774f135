"""Who holds a model in a notebook, and how the notebook lets go of it."""

from __future__ import annotations

import builtins
import gc
import re
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from nbserve.notebook.holders import Notebook, referrers
from tests.notebook.conftest import Shell

CLASSES = """
import collections, functools, gc, sys, threading, types, weakref

class Model:
    def predict(self, X):
        return X

class Keeper:
    pass

class Slotted:
    __slots__ = ("kept", "empty")

model = Model()
alive = weakref.ref(model)
"""


@pytest.fixture(scope="module", autouse=True)
def _small_heap(ipython: InteractiveShell) -> Iterator[None]:
    """What is there before refers to none of it, and need not be searched in every test."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def cells(bare: Shell, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """A shell with a `model`, a weak reference to it, and the `book` that is asked about it."""
    monkeypatch.setattr(referrers, "PATIENCE_S", 30.0)
    for name in ("last_value", "last_traceback", "last_type", "last_exc"):
        monkeypatch.delattr(sys, name, raising=False)
    bare.run(CLASSES).check()
    bare.variables["book"] = Notebook(bare.variables, bare.ipython)
    yield bare
    bare.ipython.InteractiveTB.tb = None


def holders(cells: Shell) -> list[str]:
    cells.run("found = book.all_holders(alive())").check()
    return list(cells.variables["found"])


def forget(cells: Shell) -> list[str]:
    cells.run("found = book.forget(alive(), 'stand-in')").check()
    return list(cells.variables["found"])


def is_gone(cells: Shell) -> bool:
    cells.run("collected = gc.collect(); is_gone = alive() is None").check()
    return bool(cells.variables["is_gone"])


# --- what is asked once a second


def test_variables_and_outputs_are_told_by_their_names(cells: Shell) -> None:
    cells.run("other = _kept = model\nmodel")
    number = cells.ipython.execution_count - 1
    cells.variables["found"] = cells.variables["book"].holders(cells.variables["model"])
    assert cells.variables["found"] == ("model", "other", "_kept", f"Out[{number}]")


@pytest.mark.parametrize(
    ("namespace", "expected"),
    [
        ({"a": 1, "_": 1, "__": 1}, ("a", "_", "__")),
        ({"_7": 1, "Out": {7: 1, 8: 2}}, ("Out[7]",)),
        ({"_7": 1, "Out": {8: 2}}, ("_7",)),
        ({"Out": "mine", "_oh": {3: 1}}, ("Out[3]",)),
        ({"_hidden": 1, "seen": 1}, ("seen", "_hidden")),
        ({3: 1, "a": 1}, ("a",)),
        ({}, ()),
    ],
    ids=str,
)
def test_a_namespace_without_a_shell_is_read_alike(namespace: dict[Any, Any], expected: tuple[str, ...]) -> None:
    model = object()

    def given(value: Any) -> Any:
        held = {1: model}
        return {key: held.get(each, each) for key, each in value.items()} if isinstance(value, dict) else value

    filled = {key: model if value == 1 else given(value) for key, value in namespace.items()}
    assert Notebook(filled).holders(model) == expected


# --- what is asked for a report

HELD = [
    ("models = [0, model]", "models[1]"),
    ("pair = (model, 2)", "pair[0]"),
    ("registry = {'best': {('a', 1): model}}", "registry['best'][…]"),
    ("registry = {'best': {3: model}}", "registry['best'][3]"),
    ("names = {model: 'best'}", "a key of names"),
    ("chosen = {model}", "an element of chosen"),
    ("queue = collections.deque([1, model])", "queue[1]"),
    ("search = Keeper(); search.estimator = model", "search.estimator"),
    ("search = Keeper(); vars(search)['estimator'] = model", "search.estimator"),
    ("slotted = Slotted(); slotted.kept = model", "slotted.kept"),
    ("Keeper.best = model", "Keeper.best"),
    ("pool = Keeper(); pool.items = [{'one': model}]", "pool.items[0]['one']"),
    ("predict = model.predict", "the bound method predict"),
    ("many = [model.predict]", "the bound method many[0]"),
    ("work = functools.partial(Model.predict, model)", "work.args[0]"),
    ("work = functools.partial(Model.predict, self=model)", "work.keywords['self']"),
    ("def make(m):\n    return lambda: m\nscorer = make(model)", "the closure of scorer"),
    ("def make(m):\n    return lambda: m\nscorers = [make(model)]", "the closure of scorers[0]"),
    ("def make(m):\n    return lambda: m\nscorer = make([model])", "a list in the closure of scorer"),
    ("def score(m=model): pass", "score.__defaults__[0]"),
    ("def score(*, m=model): pass", "score.__kwdefaults__['m']"),
    ("def score(): pass\nscore.model = model", "score.model"),
    ("def each(m):\n    yield 1\n    yield m\nsteps = each(model); first = next(steps)", "the suspended steps"),
    ("@functools.lru_cache\ndef load(): return model\nn = load() is model", "the cache of load"),
    ("@functools.lru_cache\ndef load(m): return 1\nn = load(model)", "a tuple in the cache of load"),
    ("reader = property(model)", "reader.fget"),
    ("module = types.ModuleType('module'); module.best = model", "module.best"),
    ("sys.modules['gone_soon'] = types.ModuleType('gone_soon'); sys.modules['gone_soon'].m = model", "gone_soon.m"),
    ("(model, 2)", "Out[0][0]"),
]


@pytest.mark.parametrize(("code", "place"), HELD, ids=[place for _, place in HELD])
def test_what_the_user_put_it_into_is_told_by_its_place(cells: Shell, code: str, place: str) -> None:
    cells.run(code).check()
    try:
        found = holders(cells)
        assert found == ["model", place]
    finally:
        sys.modules.pop("gone_soon", None)


LOOSE = [
    ("[model]", "a list"),
    ("{'a': model}", "a dict"),
    ("[{'a': model}]", "a dict"),
    ("keeper(model)", "attribute 'kept' of a Keeper"),
    ("keeper([model])", "a list in attribute 'kept' of a Keeper"),
    ("model.predict", "a bound method"),
    ("(lambda m: lambda: m)(model)", "the closure of <lambda>.<locals>.<lambda>"),
    ("(lambda m: (yield))(model)", "a generator <lambda> that is not finished"),
    ("type('Best', (), {'it': model})", "attribute 'it' of the class Best"),
    ("iter([model])", "a list"),
    ("failed()", "a list in a frame of fail"),
]


@pytest.mark.parametrize(("code", "kind"), LOOSE, ids=[code for code, _ in LOOSE])
def test_what_has_no_name_is_told_by_its_kind(cells: Shell, code: str, kind: str) -> None:
    cells.run("import numpy as np\ndef keeper(it):\n    made = Keeper(); made.kept = it\n    return made").check()
    cells.run("def fail(m): raise ValueError").check()
    catch = "    try: fail([model])\n    except ValueError as error: return error.__traceback__.tb_next"
    cells.run(f"def failed():\n{catch}").check()
    cells.run(f"hidden = np.empty(1, object); hidden[0] = {code}").check()  # the collector does not see what is in it
    cells.run("steps = hidden[0]; first = next(steps, 0) if hasattr(steps, 'send') else 0; del steps").check()
    assert holders(cells) == ["model", kind]


def test_what_is_held_in_several_ways_is_told_once_each_and_no_more_than_ten_times(cells: Shell) -> None:
    cells.run("models = [model]; again = models; also = [models]").check()
    assert holders(cells) in (["model", "models[0]"], ["model", "again[0]"])
    cells.run("many = [[model] for _ in range(500)]").check()
    found = holders(cells)
    assert len([each for each in found if each.startswith("many[")]) >= 9
    assert found[-1] == "and 491 more"


def test_what_only_garbage_holds_is_not_told(cells: Shell) -> None:
    cells.run("ring = [model]; ring.append(ring); del ring").check()
    assert holders(cells) == ["model"]


def test_a_model_that_its_own_parts_refer_to_is_not_held_by_them(cells: Shell) -> None:
    cells.run("model.itself = model; model.part = Keeper(); model.part.whole = model; model.all = [model.part]").check()
    cells.run("model.calls = {'predict': model.predict, 'again': lambda: 0}").check()
    assert holders(cells) == ["model"]
    cells.run("part = model.part").check()
    assert holders(cells) == ["model", "part.whole"]


def test_a_model_that_leads_back_to_itself_from_far_down_holds_itself(cells: Shell) -> None:
    cells.run("far = model\nfor step in range(12): far.next = Keeper(); far = far.next").check()
    cells.run("def make(m):\n    return lambda: m\nfar.again, far.call = [model], make(model)\ndel far").check()
    assert holders(cells) == ["model"]
    cells.run("mine = model.next.next").check()
    forget(cells)
    assert holders(cells) == ["mine, which leads to it"]


def test_nbserves_own_is_not_told(cells: Shell) -> None:
    cells.run("from nbserve.core.registry import Registry").check()
    cells.run("mine = Keeper(); mine.slot = model; hidden = [mine]; found = book.all_holders(model, [mine])").check()
    assert list(cells.variables["found"]) == ["model"]
    assert holders(cells) == ["model", "mine.slot"]


def test_a_leased_model_is_not_told_to_be_held_by_the_lease(cells: Shell) -> None:
    cells.run(
        "from nbserve.core.component import Component\n"
        "component = Component(None, model)\n"
        "with component.lease() as leased: found = book.all_holders(leased, [component])"
    ).check()
    assert list(cells.variables["found"]) == ["model", "leased"]


# --- errors that are remembered

FAIL = """
def fit(m):
    inner = m
    raise ValueError("no")

def fit_all(models):
    fit(models[0])
"""


def test_a_failed_function_is_told_and_let_go_of(cells: Shell) -> None:
    cells.run(FAIL)
    assert isinstance(cells.run("fit(model)").error, ValueError)
    assert holders(cells) == ["model", "sys.last_traceback (in fit)"]
    assert forget(cells) == ["model", "sys.last_traceback (in fit)"]
    assert is_gone(cells)
    assert "ValueError: no" in cells.run("%tb").stdout
    assert sys.last_value.__traceback__ is not None


def test_a_list_that_only_a_failed_function_has_goes_with_it(cells: Shell) -> None:
    cells.run(FAIL)
    cells.run("fit_all([model])")
    assert set(holders(cells)[1:]) == {"sys.last_traceback (in fit)", "a list in sys.last_traceback (in fit_all)"}
    forget(cells)
    assert is_gone(cells)


def test_a_failed_function_that_has_the_users_own_list_keeps_it(cells: Shell) -> None:
    cells.run(FAIL)
    cells.run("models = [model]; fit_all(models)")
    assert forget(cells) == ["model", "sys.last_traceback (in fit)"]
    assert not is_gone(cells)
    assert holders(cells) == ["models[0]"]
    frames = [frame for frame, _ in _walk(sys.last_traceback) if frame.f_code.co_name == "fit_all"]
    assert frames[0].f_locals["models"] is cells.variables["models"]


@pytest.mark.parametrize(
    "code",
    [
        "model.predit",
        "raise ValueError('bad', model)",
        "error = ValueError('bad'); error.estimator = model; raise error",
        "def fail(m):\n    assert m is None\nfail(model)",
        "def fail(m):\n    def inner(): return m\n    raise ValueError\nfail(model)",
        "class Half:\n    it = model\n    raise ValueError",
        "def fail(m):\n    try: {}[3]\n    except KeyError as error: raise ValueError from error\nfail(model)",
        "def fail(m): {}[3]\ntry: fail(model)\nexcept KeyError: raise ValueError",
        "def fail(m): {}[3]\ntry: fail(model)\nexcept KeyError as error: raise ExceptionGroup('all', [error])",
        "def fail(m):\n    kept.append(sys.exc_info()) or inner()\ndef inner():\n    raise ValueError\nfail(model)",
        "def fail(m):\n    yield {}[3]\nlist(fail(model))",
        "import asyncio\nasync def fail(m):\n    await asyncio.sleep(0)\n    {}[3]\nawait fail(model)",
    ],
)
def test_whatever_way_an_error_holds_it_the_notebook_lets_go(cells: Shell, code: str) -> None:
    cells.run("kept = []")
    failed = cells.run(code)
    assert failed.error is not None
    said = str(failed.error)
    del failed
    assert len(holders(cells)) > 1
    forget(cells)
    cells.run("kept.clear()")
    assert is_gone(cells)
    assert str(sys.last_value) == re.sub("<.*>", "'stand-in'", said)


def test_an_error_that_the_user_keeps_is_told_and_left_alone(cells: Shell) -> None:
    cells.run(FAIL)
    cells.run("try: fit(model)\nexcept ValueError as error: mine = error").check()
    assert holders(cells) == ["model", "mine.__traceback__ (in fit)"]
    assert forget(cells) == ["model"]
    assert holders(cells) == ["mine.__traceback__ (in fit)"]


def test_an_error_that_the_user_put_somewhere_is_told_by_its_place(cells: Shell) -> None:
    cells.run(FAIL)
    cells.run("errors = []\ntry: fit(model)\nexcept ValueError as error: errors.append(error)").check()
    assert holders(cells) == ["model", "errors[0].__traceback__ (in fit)"]
    cells.run("errors.clear()\ntry: fit_all([model])\nexcept ValueError as error: errors.append([error])").check()
    assert set(holders(cells)[1:]) == {
        "errors[0][0].__traceback__ (in fit)",
        "a list in errors[0][0].__traceback__ (in fit_all)",
    }


def test_locals_that_a_failed_function_gave_away_stay_with_whom_it_gave_them(cells: Shell) -> None:
    cells.run("def fit(m):\n    kept.update(all=locals())\n    raise ValueError\nkept = {}; fit(model)")
    forget(cells)
    assert set(cells.variables["kept"]["all"]) == {"m"}
    assert "kept['all']['m']" in holders(cells)


def test_a_generator_that_is_not_finished_goes_on(cells: Shell) -> None:
    cells.run(
        "def each(m):\n"
        "    try: {}[3]\n"
        "    except KeyError as error: sys.last_value = error\n"
        "    yield 1\n"
        "    yield m\n"
        "steps = each(model); first = next(steps)"
    ).check()
    assert "the suspended steps" in holders(cells)
    forget(cells)
    assert cells.run("next(steps) is alive()").value is True


def test_the_debugger_lets_go_of_the_function_that_it_was_in(cells: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["p m", "up", "q"])
    monkeypatch.setattr(builtins, "input", lambda *_: next(answers))
    cells.run(FAIL)
    cells.run("fit_all([model])")
    assert "Model object" in cells.run("%debug").check().stdout
    cells.run("another_error")
    assert len(holders(cells)) > 1
    forget(cells)
    assert is_gone(cells)


def _walk(traceback: Any) -> Iterator[tuple[Any, int]]:
    while traceback is not None:
        yield traceback.tb_frame, traceback.tb_lineno
        traceback = traceback.tb_next


# --- code that runs


def test_functions_that_run_are_told_and_left_alone(cells: Shell) -> None:
    cells.run(
        "began, end, seen = threading.Event(), threading.Event(), []\n"
        "def train(m, others):\n"
        "    began.set(); end.wait(30)\n"
        "    seen.append((m is alive(), others[0] is alive()))\n"
        "def start():\n"
        "    thread = threading.Thread(target=lambda: train(alive(), [alive()]))\n"
        "    thread.start(); began.wait(30)\n"
        "    return thread\n"
        "thread = start()"
    ).check()
    try:
        found = holders(cells)
        forget(cells)
    finally:
        cells.run("end.set(); thread.join()").check()
    assert found == ["model", "a list in others of train, which is running", "a running frame of train"]
    assert cells.variables["seen"] == [(True, True)]
    assert is_gone(cells)


def test_looking_at_a_function_that_runs_changes_nothing_in_it(cells: Shell) -> None:
    cells.run(
        "def train():\n"
        "    taken = locals()\n"
        "    big = Keeper(); watched = weakref.ref(big)\n"
        "    found = book.all_holders(alive())\n"
        "    del big\n"
        "    return sorted(taken), watched() is None\n"
        "def plain():\n"
        "    big = Keeper(); watched = weakref.ref(big)\n"
        "    found = book.all_holders(alive())\n"
        "    del big\n"
        "    return watched() is None\n"
        "answers = train(), plain()"
    ).check()
    assert cells.variables["answers"] == (([], True), True)


# --- forgetting


def test_variables_and_every_memory_of_outputs_get_the_stand_in(cells: Shell) -> None:
    ipython = cells.ipython
    cells.run("other = _kept = model; beside = 3")
    for _ in range(3):
        cells.run("model")
    assert forget(cells) == ["model", "other", "_kept", "Out[0]"]
    assert [cells.variables[name] for name in ("model", "other", "_kept", "beside")] == ["stand-in"] * 3 + [3]
    assert cells.variables["Out"][0] == cells.variables["_"] == cells.variables["_0"] == "stand-in"
    assert is_gone(cells)
    assert cells.run("4").value == 4
    assert (cells.variables["_"], cells.variables["__"], ipython.displayhook._) == (4, "stand-in", 4)


def test_a_copy_that_only_ipython_has_is_told_and_let_go_of(cells: Shell) -> None:
    cells.run("model")
    cells.run("del model, _, _0\nOut.clear()")
    assert cells.variables["book"].holders(cells.variables["alive"]()) == ()
    assert holders(cells) == ["IPython's memory of outputs"]
    assert forget(cells) == ["IPython's memory of outputs"]
    assert is_gone(cells)


def test_what_a_script_left_behind_is_let_go_of(cells: Shell, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import weakref\nclass Fitted: pass\nfitted = Fitted()\n")
    cells.run(f"del model\n%run {tmp_path / 'train.py'}\nalive = weakref.ref(fitted)").check()
    assert holders(cells) == ["fitted", "fitted of %run train.py"]
    cells.run("del fitted")
    assert holders(cells) == ["fitted of %run train.py"]
    assert forget(cells) == ["fitted of %run train.py"]
    assert is_gone(cells)


def test_what_the_user_put_it_into_is_left_alone(cells: Shell) -> None:
    cells.run("models = [model]; search = Keeper(); search.estimator = model")
    assert forget(cells) == ["model"]
    assert sorted(holders(cells)) == ["models[0]", "search.estimator"]


def test_putting_back_spares_what_is_something_else_by_now(cells: Shell) -> None:
    cells.run("other = third = model")
    cells.run("model")
    book, model = cells.variables["book"], cells.variables["alive"]()
    stand_in = object()
    book.forget(model, stand_in)
    cells.variables["third"] = 3
    book.put_back(stand_in, model)
    assert book.holders(model) == ("model", "other")
    assert book.variables(model) == ("model", "other")
    assert cells.variables["third"] == 3
    assert cells.variables["Out"][0] is stand_in


def test_a_plain_interpreter_remembers_in_its_builtins(monkeypatch: pytest.MonkeyPatch) -> None:
    namespace = {"model": _Model()}
    monkeypatch.setattr(builtins, "_", namespace["model"], raising=False)
    book, alive = Notebook(namespace), weakref.ref(namespace["model"])
    assert book.holders(namespace["model"]) == ("model",)
    assert book.forget(namespace["model"], None) == ("model", "_ of builtins")
    assert (namespace, alive()) == ({"model": None}, None)


class _Model:
    pass


# --- whatever the objects are

ODD = {
    "compares as it likes": "def __eq__(self, other): raise RuntimeError('asked')\n    __hash__ = None",
    "is equal to everything": "def __eq__(self, other): return True\n    __hash__ = None",
    "has no attributes": "def __getattribute__(self, name): raise RuntimeError('asked')",
    "lies about its class": "@property\n    def __class__(self): raise RuntimeError('asked')",
    "has a dictionary of its own": "@property\n    def __dict__(self): raise RuntimeError('asked')",
    "has no truth": "def __bool__(self): raise RuntimeError('asked')",
    "has no length": "def __len__(self): raise RuntimeError('asked')",
}


@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
def test_no_code_of_the_objects_is_run(cells: Shell, body: str) -> None:
    cells.run(f"class Odd:\n    {body}").check()
    cells.run("class Sly(list):\n    def __iter__(self): raise RuntimeError('asked')").check()
    cells.run("odd = Odd(); beside = Odd(); holder = Odd(); object.__setattr__(holder, 'it', odd)").check()
    cells.run("sly = Sly(); sly.append(odd); watched = weakref.ref(odd)").check()
    cells.run("found = book.all_holders(odd)").check()
    found = {each.replace("something in holder", "holder.it") for each in cells.variables["found"]}
    assert found == {"odd", "sly[0]", "holder.it"}
    cells.run("found = book.forget(odd, 'stand-in')").check()
    assert cells.variables["found"] == ("odd",)
    cells.run("del sly[:]; del holder; collected = gc.collect(); gone = watched() is None").check()
    assert cells.variables["gone"] is True


def test_arrays_beside_it_are_not_compared(cells: Shell) -> None:
    cells.run("import numpy as np; other = np.arange(3); model = np.ones(3); frame = [model]").check()
    cells.run("found = book.all_holders(model), book.forget(model, 'stand-in')").check()
    assert cells.variables["found"] == (("model", "frame[0]"), ("model",))


def test_a_namespace_may_change_while_it_is_read() -> None:
    namespace: dict[str, Any] = {"model": _Model()}
    book, end = Notebook(namespace), threading.Event()

    def write() -> None:
        number = 0
        while not end.is_set():
            number += 1
            namespace[f"x{number % 997}"] = number
            namespace.pop(f"x{(number * 7) % 997}", None)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert {book.holders(namespace["model"]) for _ in range(2000)} == {("model",)}
    finally:
        end.set()
        writer.join()


def test_a_large_heap_is_searched_in_bounded_time(cells: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(referrers, "PATIENCE_S", 0.0)
    cells.run("registry = {'best': {'x': model}}")
    assert holders(cells) == ["model", "a dict"]
