"""An object that was born in the notebook is found there again, or spilled."""

from __future__ import annotations

import gc
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

from nbserve.core.component import Component
from nbserve.core.lifecycle import State
from nbserve.core.storage import LiveObject


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
    del notebook["model"], unpicklable
    source.settle()
    gc.collect()
    with component.lease() as model:
        assert model.answer == 5


def test_a_model_that_was_let_go_of_behind_our_back_is_not_lost(tmp_path: Path) -> None:
    notebook = {"model": Model(6)}
    source = live(tmp_path, notebook)
    component = Component(source, notebook["model"])
    component.unload()
    source.settle()
    del notebook["model"]  # by a thread, say: nobody looks afterwards
    gc.collect()
    with component.lease() as model:
        assert model.answer == 6


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


# --- one object, served under two names


class Pair:
    """Two components around one object, in a notebook that may hold it."""

    def __init__(self, tmp_path: Path, model: Any, *, notebook: dict[str, Any] | None = None) -> None:
        self.notebook = {} if notebook is None else notebook
        self.source = LiveObject(lambda: tmp_path, self.is_held, model)
        self.one, self.other = Component(self.source, model), Component(self.source, model)

    def is_held(self, model: object) -> bool:
        others = (component.peek(id) for component in (self.one, self.other) if not component.is_unloading)
        return id(model) in others or any(each is model for each in self.notebook.values())


def files(tmp_path: Path) -> list[Path]:
    return list(tmp_path.iterdir())


def test_what_another_component_has_loaded_is_not_spilled_and_is_the_same_again(tmp_path: Path) -> None:
    pair = Pair(tmp_path, Model(1))
    assert pair.one.unload() is State.UNLOADED
    assert files(tmp_path) == []
    with pair.one.lease() as model, pair.other.lease() as same:
        assert model is same


def test_the_last_one_to_leave_spills_it_and_both_get_one_object_back(tmp_path: Path) -> None:
    pair = Pair(tmp_path, Model(2))
    alive = pair.one.peek(weakref.ref)
    pair.one.unload()
    pair.other.unload()
    gc.collect()
    assert isinstance(alive, weakref.ref)
    assert alive() is None
    assert len(files(tmp_path)) == 1
    pair.one.load()
    assert len(files(tmp_path)) == 1  # the other one may still need it
    with pair.other.lease() as same, pair.one.lease() as model:
        assert model is same
        assert model.answer == 2
    assert files(tmp_path) == []


def test_what_has_changed_in_the_one_is_what_the_other_takes_back(tmp_path: Path) -> None:
    pair = Pair(tmp_path, Model(3))
    pair.one.unload()
    pair.other.unload()
    with pair.one.lease() as model:
        model.answer = 33
    pair.one.unload()
    with pair.other.lease() as model:
        assert model.answer == 33


def test_two_that_leave_at_once_do_not_count_on_each_other(tmp_path: Path) -> None:
    model = Model(4)
    held = [True]
    source = LiveObject(lambda: tmp_path, lambda _: held[0])
    alive = weakref.ref(model)
    source.keep(model)  # each while the other one has it still
    source.keep(model)
    del model
    held[0] = False
    assert alive() is not None
    source.leave()
    source.leave()
    gc.collect()
    assert alive() is None
    assert source.load().answer == 4


def test_a_cell_that_stops_the_component_that_had_it_spills_it(tmp_path: Path) -> None:
    pair = Pair(tmp_path, Model(5))
    pair.one.unload()
    pair.source.settle()
    pair.other = Component(pair.source)
    pair.source.settle()
    assert len(files(tmp_path)) == 1
    with pair.one.lease() as model:
        assert model.answer == 5


def test_a_component_that_has_it_loaded_does_not_make_a_cell_hold_it(tmp_path: Path) -> None:
    pair = Pair(tmp_path, Model(6))
    pair.one.unload()
    pair.one.load()
    alive = pair.one.peek(weakref.ref)
    pair.one = pair.other = Component(pair.source)
    assert isinstance(alive, weakref.ref)
    assert alive() is None


def test_a_spill_stays_for_the_other_one_when_the_object_cannot_be_found_there(tmp_path: Path) -> None:
    pair = Pair(tmp_path, [1, 2, 3])
    pair.one.unload()
    pair.other.unload()
    pair.one.load()
    with pair.other.lease() as model:
        assert model == [1, 2, 3]
    assert files(tmp_path) == []


def test_a_component_that_is_thrown_away_unloaded_no_longer_keeps_the_file(tmp_path: Path) -> None:
    pair = Pair(tmp_path, Model(7))
    pair.one.unload()
    pair.other.unload()
    pair.source.release()  # as the session does for an endpoint that is stopped
    pair.one.load()
    assert files(tmp_path) == []


class Slow(Model):
    """Comes back only when it may, and counts how often it does."""

    came, gate, count = threading.Event(), threading.Event(), 0

    def __setstate__(self, state: dict[str, Any]) -> None:
        type(self).count += 1
        self.came.set()
        assert self.gate.wait(30)
        self.__dict__.update(state)


def test_two_that_load_at_once_read_the_file_once(tmp_path: Path) -> None:
    pair = Pair(tmp_path, Slow(8))
    pair.one.unload()
    pair.other.unload()
    loads = [threading.Thread(target=each.load) for each in (pair.one, pair.other)]
    for load in loads:
        load.start()
    assert Slow.came.wait(30)
    Slow.gate.set()
    for load in loads:
        load.join()
    assert Slow.count == 1
    assert pair.one.peek(id) == pair.other.peek(id)


class Gate(Model):
    """Goes only when it may."""

    came, gate = threading.Event(), threading.Event()

    def __getstate__(self) -> dict[str, Any]:
        self.came.set()
        assert self.gate.wait(30)
        return self.__dict__


def test_nobody_waits_for_the_file_of_an_object_that_is_alive(tmp_path: Path) -> None:
    pair = Pair(tmp_path, Gate(9))
    pair.one.unload()
    unloading = threading.Thread(target=pair.other.unload)
    unloading.start()
    assert Gate.came.wait(30)
    pair.one.load()
    pair.source.settle()
    Gate.gate.set()
    unloading.join()
    assert pair.one.state is State.LOADED
    with pair.one.lease() as model, pair.other.lease() as same:
        assert model is same


def test_many_loads_and_unloads_at_once_lose_nothing(tmp_path: Path) -> None:
    pair = Pair(tmp_path, Model(10))
    answers: list[int] = []

    def use(component: Component[Any]) -> None:
        for _ in range(30):
            with component.lease() as model:
                answers.append(model.answer)
            component.unload()

    threads = [threading.Thread(target=use, args=(each,)) for each in (pair.one, pair.other) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [10] * 120
    pair.one.load()
    pair.other.load()
    assert files(tmp_path) == []


# --- what is told of it


def test_a_load_tells_what_it_is_expected_to_weigh_and_how_far_it_is(tmp_path: Path) -> None:
    source = live(tmp_path, {})
    seen: list[tuple[int, int] | None] = []

    class Watched(Model):
        def __setstate__(self, state: dict[str, Any]) -> None:
            seen.append(source.progress)
            self.__dict__.update(state)

    model = Watched(1)
    model.weights = bytes(10**6)  # type: ignore[attr-defined]
    source.keep(model)
    del model
    gc.collect()
    assert source.expected_bytes == pytest.approx(10**6, rel=0.01)
    assert source.progress is None
    source.load()
    assert seen == [(source.spilled_bytes, source.spilled_bytes)]
    assert source.progress is None


def test_what_the_notebook_holds_is_expected_to_weigh_what_it_does(tmp_path: Path) -> None:
    model = Model(1)
    model.weights = bytes(10**6)  # type: ignore[attr-defined]
    source = live(tmp_path, {"model": model})
    assert source.expected_bytes == 0
    source.keep(model)
    assert source.expected_bytes == pytest.approx(10**6, rel=0.01)
