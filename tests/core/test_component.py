"""One model, loaded at most once at a time."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

from nbserve.core.component import Component, State
from nbserve.errors import Conflict, LoadError, SpillError

R = TypeVar("R")


class Model:
    """Something that can be weakly referred to."""


class Falsy(Model):
    def __bool__(self) -> bool:
        raise TypeError("the truth of a model is nobody's business")

    def __len__(self) -> int:
        return 0


class Maker:
    """A source that makes models, and tells what it was asked."""

    spilled_bytes = 0

    def __init__(self, make: Callable[[], object] = Model) -> None:
        self.make = make
        self.loads = 0
        self.kept = 0
        self.released = 0

    def load(self) -> object:
        self.loads += 1
        return self.make()

    def keep(self, model: object) -> None:
        self.kept += 1

    def peek(self, look: Callable[[object], R]) -> R | None:
        return None

    def release(self) -> None:
        self.released += 1


def test_a_component_without_a_model_is_unloaded_and_loads_when_it_is_asked_for() -> None:
    source = Maker()
    component = Component(source)
    assert component.state is State.UNLOADED
    with component.lease() as model:
        assert isinstance(model, Model)
        assert component.state is State.LOADED
    assert (source.loads, component.loads) == (1, 1)


def test_a_live_model_is_loaded_from_the_start_and_nothing_is_loaded_for_it() -> None:
    source, model = Maker(), Model()
    component = Component(source, model)
    assert component.state is State.LOADED
    with component.lease() as leased:
        assert leased is model
    assert source.loads == 0


def test_a_model_whose_truth_cannot_be_told_is_a_model() -> None:
    component = Component(Maker(Falsy))
    with component.lease() as model:
        assert type(model) is Falsy


def test_callers_that_arrive_during_a_load_share_it() -> None:
    is_loading, may_end = threading.Event(), threading.Event()

    def slow() -> Model:
        is_loading.set()
        assert may_end.wait(10)
        return Model()

    source = Maker(slow)
    component = Component(source)

    def lease() -> object:
        with component.lease() as model:
            return model

    with ThreadPoolExecutor(8) as pool:
        leased = [pool.submit(lease) for _ in range(8)]
        assert is_loading.wait(10)
        assert component.state is State.LOADING
        assert component.try_acquire() is None
        may_end.set()
        models = {id(each.result(10)) for each in leased}
    assert len(models) == 1
    assert source.loads == 1


def test_a_failed_load_stays_failed_with_its_reason_until_it_is_asked_for_again() -> None:
    def fail() -> Model:
        raise OSError("no such shelf")

    source = Maker(fail)
    component = Component(source)
    for _ in range(3):
        with pytest.raises(LoadError, match="OSError: no such shelf"), component.lease():
            pass
    assert (component.state, source.loads) == (State.FAILED, 1)
    source.make = Model
    component.load()
    assert (component.state, component.failure) == (State.LOADED, None)


def test_unloading_a_failed_component_lets_the_next_caller_try() -> None:
    source = Maker(lambda: 1 / 0)
    component = Component(source)
    with pytest.raises(LoadError, match="ZeroDivisionError"):
        component.load()
    assert component.unload() is State.UNLOADED
    source.make = Model
    with component.lease() as model:
        assert isinstance(model, Model)


def test_a_load_that_gives_nothing_back_has_failed() -> None:
    component = Component(Maker(lambda: None))
    with pytest.raises(LoadError, match="gave no model back"):
        component.load()


def test_an_interrupted_load_wedges_nobody() -> None:
    def interrupt() -> Model:
        raise KeyboardInterrupt

    source = Maker(interrupt)
    component = Component(source)
    with pytest.raises(KeyboardInterrupt):
        component.load()
    source.make = Model
    component.load()
    assert component.state is State.LOADED


def test_an_unload_waits_for_the_leases_in_flight() -> None:
    source = Maker()
    component = Component(source, Model())
    model = component.acquire()
    with ThreadPoolExecutor(1) as pool:
        unloading = pool.submit(component.unload)
        assert _eventually(lambda: source.kept == 1)
        assert not unloading.done()
        alive = weakref.ref(model)
        del model
        component.release()
        assert unloading.result(10) is State.UNLOADED
    gc.collect()
    assert alive() is None


def test_a_caller_that_arrives_during_an_unload_takes_the_model_back() -> None:
    source = Maker()
    component = Component(source, Model())
    first = component.acquire()
    with ThreadPoolExecutor(1) as pool:
        unloading = pool.submit(component.unload)
        assert _eventually(lambda: component._is_leaving)
        with component.lease() as second:
            assert second is first
        assert unloading.result(10) is State.LOADED
    component.release()
    assert (source.loads, source.released) == (0, 1)


def test_an_unload_gives_up_waiting_after_its_time() -> None:
    component = Component(Maker(), Model())
    component.acquire()
    assert component.unload(timeout_s=0.01) is State.LOADED
    component.release()
    assert component.unload(timeout_s=0.01) is State.UNLOADED


def test_a_model_that_cannot_be_put_aside_stays_loaded() -> None:
    class Stubborn(Maker):
        def keep(self, model: object) -> None:
            raise SpillError("No room.")

    component = Component(Stubborn(), Model())
    with pytest.raises(SpillError):
        component.unload()
    assert component.state is State.LOADED


def test_predictions_that_race_with_unloads_never_fail() -> None:
    component = Component(Maker(lambda: [7]), [7])
    stop = threading.Event()

    def predict() -> int:
        with component.lease() as model:
            return model[0]  # type: ignore[no-any-return,index]

    def unload() -> int:
        for _ in range(200):
            component.unload()
        stop.set()
        return component.unloads

    with ThreadPoolExecutor(5) as pool:
        unloading = pool.submit(unload)
        asked = [pool.submit(predict) for _ in range(2000)]
        assert {each.result(30) for each in asked} == {7}
        assert unloading.result(30) > 0


def test_nothing_but_the_slot_holds_the_model() -> None:
    component: Component[object] = Component(Maker())
    with component.lease() as model:
        alive = weakref.ref(model)
        del model
    component.unload()
    assert alive() is None


def test_looking_at_a_model_never_loads_it() -> None:
    source = Maker()
    component = Component(source)
    assert component.peek(lambda model: "seen") is None
    assert source.loads == 0
    component.load()
    assert component.peek(lambda model: "seen") == "seen"


def test_looking_at_a_model_does_not_take_it_back_from_an_unload() -> None:
    component = Component(Maker(), Model())
    component.acquire()
    with ThreadPoolExecutor(1) as pool:
        unloading = pool.submit(component.unload)
        assert _eventually(lambda: component._is_leaving)
        assert component.peek(lambda model: "seen") == "seen"
        component.release()
        assert unloading.result(10) is State.UNLOADED


def test_a_call_cannot_unload_its_own_model() -> None:
    component = Component(Maker(), Model())
    with component.lease(), pytest.raises(Conflict, match="by its own call"):
        component.unload()
    assert component.unload() is State.UNLOADED


def _eventually(is_true: Callable[[], bool]) -> bool:
    """Waits for another thread to get somewhere that shows no event of its own; bounded."""
    turn = threading.Event()
    return any(is_true() or turn.wait(0.01) for _ in range(1000))
