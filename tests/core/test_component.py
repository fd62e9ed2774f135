"""One model, loaded at most once at a time."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

from nbserve.core import component as component_module
from nbserve.core.component import Component
from nbserve.core.lifecycle import State
from nbserve.errors import Conflict, LoadError, ModelRefused, OverBudget, SpillError, UnloadError

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

    label = "a maker"
    spilled_bytes = 0
    expected_bytes = 0
    progress = None

    def __init__(self, make: Callable[[], object] = Model) -> None:
        self.make = make
        self.loads = 0
        self.kept = 0
        self.left = 0
        self.released = 0

    def load(self) -> object:
        self.loads += 1
        return self.make()

    def keep(self, model: object) -> None:
        self.kept += 1

    def leave(self) -> None:
        self.left += 1

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


def test_a_load_that_leaves_by_an_interrupt_has_failed_and_wedges_nobody() -> None:
    def interrupted() -> object:
        raise KeyboardInterrupt

    source = Maker(interrupted)
    component = Component(source)
    with pytest.raises(LoadError, match="KeyboardInterrupt"):
        component.load()
    source.make = Model
    component.load()
    assert component.state is State.LOADED


def test_a_load_runs_on_a_thread_of_its_own() -> None:
    threads: list[threading.Thread] = []

    def note() -> object:
        threads.append(threading.current_thread())
        return Model()

    Component(Maker(note)).load()
    assert threads[0] is not threading.current_thread()


class Stuck:
    """A load that hangs until its gate is opened."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.began = threading.Event()

    def __call__(self) -> object:
        self.began.set()
        assert self.gate.wait(30)
        return Model()


def test_a_load_that_hangs_fails_at_its_deadline_for_everybody_who_waits() -> None:
    stuck = Stuck()
    component = Component(Maker(stuck), load_deadline_s=0.05)
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(component.load) for _ in range(4)]
        errors = [each.exception(10) for each in waiting]
    assert all(isinstance(error, LoadError) and "longer than 0.05 s" in str(error) for error in errors)
    assert component.state is State.FAILED
    stuck.gate.set()


def test_the_state_of_a_load_that_nobody_waits_for_fails_at_its_deadline_too() -> None:
    now = [0.0]
    stuck = Stuck()
    component = Component(Maker(stuck), load_deadline_s=60, clock=lambda: now[0])
    component.begin_load()
    assert component.state is State.LOADING
    now[0] = 59.9
    assert component.state is State.LOADING
    now[0] = 60.0
    assert (component.state, component.failure) == (State.FAILED, "Loading has taken longer than 60 s.")
    stuck.gate.set()


def test_the_next_load_waits_for_the_one_that_hangs_and_makes_no_second_one() -> None:
    stuck = Stuck()
    source = Maker(stuck)
    component = Component(source, load_deadline_s=0.05)
    with pytest.raises(LoadError):
        component.load()
    component.load_deadline_s = 30
    with ThreadPoolExecutor(1) as pool:
        again = pool.submit(component.load)
        stuck.gate.set()
        again.result(10)
    assert (source.loads, component.state) == (1, State.LOADED)


def test_a_model_that_comes_after_its_deadline_is_let_go_of() -> None:
    stuck = Stuck()
    source = Maker(stuck)
    left = threading.Event()
    source.leave = left.set  # type: ignore[method-assign]
    component = Component(source, load_deadline_s=0.05)
    with pytest.raises(LoadError):
        component.load()
    stuck.gate.set()
    assert left.wait(10)
    assert (component.state, component.loads) == (State.FAILED, 0)


class Ear:
    """A listener that notes what it hears, and may object."""

    def __init__(self, objection: Exception | None = None) -> None:
        self.heard: list[object] = []
        self.objection = objection

    def before_load(self) -> None:
        self.heard.append("before")

    def arriving(self, model: object) -> None:
        self.heard.append(type(model))
        if self.objection is not None:
            raise self.objection

    def after_load(self, error: BaseException | None) -> None:
        self.heard.append(error)

    def after_unload(self) -> None:
        self.heard.append("unloaded")


def test_listeners_see_the_model_before_anybody_has_it() -> None:
    component, ear = Component(Maker()), Ear()
    component.listen(ear)
    component.load()
    assert ear.heard == ["before", Model, None]
    component.unload()
    assert ear.heard[3:] == ["unloaded"]
    component.unlisten(ear)
    component.load()
    assert len(ear.heard) == 4


def test_a_model_that_a_listener_turns_away_is_let_go_of() -> None:
    source = Maker()
    component, ear = Component(source), Ear(ModelRefused("There is nothing to call in it.", "Serve another."))
    component.listen(ear)
    with pytest.raises(LoadError, match=r"nothing to call in it\. Serve another"):
        component.load()
    assert (component.state, source.left, ear.heard[-1]) == (State.FAILED, 1, ear.objection)


def test_a_model_there_is_no_room_for_is_refused_and_not_failed() -> None:
    component = Component(Maker())
    component.listen(ear := Ear(OverBudget("It is too large.", "Make room.")))
    for _ in range(2):
        with pytest.raises(OverBudget, match="too large"):
            component.load()
    assert component.state is State.UNLOADED
    ear.objection = None
    component.load()
    assert component.state is State.LOADED


def test_what_gives_way_to_every_use_unloads_what_nobody_uses_only() -> None:
    component = Component(Maker(), Model())
    with component.lease():
        assert not component.try_unload()
    assert component.try_unload()
    assert not component.try_unload()
    assert component.state is State.UNLOADED


def test_the_time_of_the_last_use_is_that_of_the_last_lease() -> None:
    now = [10.0]
    component = Component(Maker(), Model(), clock=lambda: now[0])
    now[0] = 15.0
    assert (component.last_used_s, component.unused_s) == (None, 5.0)
    with component.lease():
        now[0] = 20.0
    component.peek(id)
    component.load()
    now[0] = 22.0
    assert (component.last_used_s, component.unused_s) == (2.0, 2.0)


def test_a_source_that_does_not_let_go_is_told_and_wedges_nobody() -> None:
    source = Maker()
    component = Component(source, Model())

    def refuse() -> None:
        raise UnloadError("It may still hold the model.")

    source.leave = refuse  # type: ignore[method-assign]
    with pytest.raises(UnloadError, match="may still hold"):
        component.unload()
    assert component.state is State.UNLOADED
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


def test_nobody_loads_before_the_model_has_left_altogether() -> None:
    source = Maker()
    leaving, gate = threading.Event(), threading.Event()

    def leave() -> None:
        leaving.set()
        assert gate.wait(10)

    source.leave = leave  # type: ignore[method-assign]
    component = Component(source, Model())
    with ThreadPoolExecutor(2) as pool:
        unloading = pool.submit(component.unload)
        assert leaving.wait(10)
        loading = pool.submit(component.load)
        while component.state is not State.LOADING:
            threading.Event().wait(0)
        assert source.loads == 0
        gate.set()
        loading.result(10)
        unloading.result(10)
    assert (source.loads, component.state) == (1, State.LOADED)


def test_a_load_that_asks_for_its_own_model_is_told_and_does_not_wait_for_itself() -> None:
    components: list[Component[object]] = []

    def make() -> object:
        components[0].load()
        return Model()

    components.append(Component(Maker(make)))
    with pytest.raises(LoadError, match="cannot be loaded by its own load"):
        components[0].load()


def test_an_interrupted_unload_leaves_the_model_as_it_was() -> None:
    source = Maker()
    component = Component(source, Model())

    def interrupted(*_: object) -> bool:
        raise KeyboardInterrupt

    component._empty_slot = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        component.unload()
    assert (component.state, source.kept, source.released) == (State.LOADED, 1, 1)


def test_an_unload_from_inside_a_call_of_another_model_waits_for_a_bounded_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(component_module, "NESTED_S", 0.05)
    one, other = Component(Maker(), Model()), Component(Maker(), Model())
    other.acquire()
    with one.lease():
        assert other.unload() is State.LOADED
    other.release()
    assert other.unload() is State.UNLOADED
