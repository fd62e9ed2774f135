"""An object that was born in the notebook is found there again, or spilled."""

from __future__ import annotations

import gc
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

from nbserve.core.component import Component, State
from nbserve.core.storage import LiveObject
from nbserve.errors import LoadError


class Model:
    def __init__(self, answer: int) -> None:
        self.answer = answer


def live(tmp_path: Path, notebook: dict[str, Any]) -> LiveObject:
    return LiveObject(lambda: tmp_path, lambda model: any(each is model for each in notebook.values()))


def test_a_model_that_the_notebook_holds_is_not_spilled_and_is_the_same_again(tmp_path: Path) -> None:
    notebook = {"model": Model(1)}
    component = Component(live(tmp_path, notebook), notebook["model"])
    assert component.unload() is State.UNLOADED
    assert list(tmp_path.iterdir()) == []
    with component.lease() as model:
        assert model is notebook["model"]


def test_a_model_that_nobody_else_holds_is_spilled_and_its_memory_comes_back(tmp_path: Path) -> None:
    source = live(tmp_path, {})
    component = Component(source, Model(2))
    alive = component.peek(weakref.ref)
    component.unload()
    assert isinstance(alive, weakref.ref)
    assert alive() is None
    assert source.spilled_bytes > 0
    with component.lease() as model:
        assert model.answer == 2
    assert (source.spilled_bytes, list(tmp_path.iterdir())) == (0, [])


def test_a_model_that_the_notebook_lets_go_of_in_a_cell_is_spilled_after_it(tmp_path: Path) -> None:
    notebook = {"model": Model(3)}
    source = live(tmp_path, notebook)
    component = Component(source, notebook["model"])
    component.unload()
    alive = weakref.ref(notebook["model"])
    source.pin()
    del notebook["model"]
    source.settle()
    gc.collect()
    assert alive() is None
    with component.lease() as model:
        assert model.answer == 3


def test_a_cell_that_leaves_the_model_alone_costs_no_file(tmp_path: Path) -> None:
    notebook = {"model": Model(4)}
    source = live(tmp_path, notebook)
    component = Component(source, notebook["model"])
    component.unload()
    source.pin()
    source.settle()
    assert list(tmp_path.iterdir()) == []
    with component.lease() as model:
        assert model is notebook["model"]


def test_a_model_that_can_neither_be_found_nor_spilled_is_held_on_to(tmp_path: Path) -> None:
    unpicklable = Model(5)
    unpicklable.lock = threading.Lock()  # type: ignore[attr-defined]
    notebook = {"model": unpicklable}
    source = live(tmp_path, notebook)
    component = Component(source, unpicklable)
    component.unload()
    source.pin()
    del notebook["model"], unpicklable
    source.settle()
    gc.collect()
    with component.lease() as model:
        assert model.answer == 5


def test_a_model_that_was_let_go_of_behind_our_back_is_a_sentence(tmp_path: Path) -> None:
    notebook = {"model": Model(6)}
    source = live(tmp_path, notebook)
    component = Component(source, notebook["model"])
    component.unload()
    source.settle()
    del notebook["model"]
    gc.collect()
    with pytest.raises(LoadError, match="let go of the model"):
        component.load()


def test_what_cannot_be_referred_to_weakly_is_spilled(tmp_path: Path) -> None:
    notebook = {"model": [1, 2, 3]}
    source = live(tmp_path, notebook)
    component = Component(source, notebook["model"])
    component.unload()
    assert source.spilled_bytes > 0
    with component.lease() as model:
        assert model == [1, 2, 3]


class Gated(Model):
    """Comes back only when it may."""

    came, gate = threading.Event(), threading.Event()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.came.set()
        assert self.gate.wait(30)
        self.__dict__.update(state)


def test_no_cell_waits_for_a_model_that_is_slow_to_come_back(tmp_path: Path) -> None:
    source = live(tmp_path, {})
    component = Component(source, Gated(7))
    component.unload()
    loading = threading.Thread(target=component.load)
    loading.start()
    assert Gated.came.wait(30)
    source.pin()
    source.settle()
    assert component.state is State.LOADING
    Gated.gate.set()
    loading.join()
    assert component.state is State.LOADED


def test_a_model_that_is_taken_back_while_it_is_spilled_leaves_no_file(tmp_path: Path) -> None:
    notebook: dict[str, Any] = {"model": Model(8)}
    source = live(tmp_path, notebook)
    component = Component(source, notebook["model"])
    component.unload()

    class TakesItBack:
        def __reduce__(self) -> Any:
            component.load()
            return TakesItBack, ()

    notebook.pop("model").answer = TakesItBack()
    source.settle()
    assert component.state is State.LOADED
    assert (source.spilled_bytes, list(tmp_path.iterdir())) == (0, [])
