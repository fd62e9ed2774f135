"""The memory budget, and the idle clock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
import pytest

from nbserve.core.analysis import analyse
from nbserve.core.component import Component
from nbserve.core.engines import CoroutineThread
from nbserve.core.lifecycle import State
from nbserve.core.registry import Registry
from nbserve.core.served import Served
from nbserve.core.upkeep import Upkeep
from nbserve.errors import OverBudget, SpillError
from nbserve.options import Options
from tests.sources import Remembered

MB = 1_000_000


class Weights:
    """A model that weighs so many megabytes."""

    def __init__(self, megabytes: float) -> None:
        self.weights = np.zeros(int(megabytes * MB), dtype=np.uint8)

    def predict(self, X: Any) -> Any:
        return X


class Stored(Remembered):
    """A source that makes the model anew."""

    def __init__(self, megabytes: float, expected_mb: float) -> None:
        self.make: Callable[[], Weights] = lambda: Weights(megabytes)
        self.expected_bytes = int(expected_mb * MB)
        self.loads = 0

    def load(self) -> Weights:
        self.loads += 1
        return self.make()


class House:
    """A session's upkeep, and what is served in it."""

    built: ClassVar[list[House]] = []

    def __init__(self, budget_mb: float | None = None) -> None:
        self.built.append(self)
        self.registry = Registry()
        self.now = 1000.0
        self.waits: list[float | None] = []
        self.upkeep = Upkeep(lambda: self.registry, clock=lambda: self.now)
        self.upkeep.budget_bytes = None if budget_mb is None else int(budget_mb * MB)
        self.held: set[str] = set()

    def serve(self, name: str, megabytes: float, *, expected_mb: float = 0, **options: Any) -> Served:
        component = Component(Stored(megabytes, expected_mb), clock=lambda: self.now)
        served = Served(
            name,
            component,
            analyse(Weights(0)),
            Options(**options),
            coroutines=CoroutineThread(name),
            around=self,
            look=analyse,
            is_seen=False,
        )
        self.registry.put(served)
        return served

    def use(self, served: Served) -> None:
        self.now += 1
        with served.component.lease():
            pass

    def loaded_names(self) -> set[str]:
        return {each.name for each in self.registry if each.component.state is State.LOADED}

    def holders(self, served: Served, model: object) -> tuple[str, ...]:
        return ("model",) if served.name in self.held else ()

    all_holders = holders

    def forget(self, served: Served, model: object) -> tuple[tuple[str, ...], Callable[[], object]]:
        return (), bool

    def expect(self, served: Served, size_bytes: int, model: object = None) -> None:
        self.upkeep.expect(served.component, size_bytes, model)

    def arrived(self, served: Served) -> None:
        self.upkeep.arrived(served.component)

    def left(self, served: Served) -> None:
        self.upkeep.left()

    def memory(self, served: Served) -> dict[str, Any]:
        return {"session_bytes": self.upkeep.used_bytes(), "budget_bytes": self.upkeep.budget_bytes}


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    for house in House.built:
        house.upkeep.close()
    House.built.clear()
    for thread in _idle_threads():
        thread.join(10)


def _idle_threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "nbserve:idle"]


def test_without_a_budget_everything_stays() -> None:
    house = House()
    for number in range(4):
        house.use(house.serve(f"m{number}", 2))
    assert len(house.loaded_names()) == 4


def test_what_was_used_least_recently_leaves_first() -> None:
    house = House(budget_mb=5)
    one, two, three = (house.serve(name, 2) for name in ("one", "two", "three"))
    house.use(one)
    house.use(two)
    house.use(one)
    house.use(three)
    assert house.loaded_names() == {"one", "three"}
    house.use(two)
    assert house.loaded_names() == {"three", "two"}
    assert house.upkeep.used_bytes() <= 5 * MB


def test_a_model_in_use_never_leaves_and_the_newcomer_is_refused_until_it_is_idle() -> None:
    house = House(budget_mb=3)
    one, two = house.serve("one", 2), house.serve("two", 2)
    with one.component.lease():
        for _ in range(2):
            with pytest.raises(OverBudget, match=r"needs about 2.0 MB of a memory budget of 3.0 MB, and 2.0 MB are in"):
                two.component.load()
            assert two.component.state is State.UNLOADED
    two.component.load()
    assert house.loaded_names() == {"two"}


def test_what_the_notebook_holds_is_not_unloaded_for_nothing() -> None:
    house = House(budget_mb=3)
    one, two = house.serve("one", 2), house.serve("two", 2)
    house.use(one)
    house.held.add("one")
    with pytest.raises(OverBudget, match="unload one with --forget"):
        two.component.load()
    assert house.loaded_names() == {"one"}


def test_a_model_that_is_known_to_be_too_large_is_not_even_loaded() -> None:
    house = House(budget_mb=3)
    told, untold = house.serve("told", 4, expected_mb=4), house.serve("untold", 4)
    for served in (told, untold, untold):
        with pytest.raises(OverBudget):
            served.component.load()
    assert (told.component.source.loads, untold.component.source.loads) == (0, 1)
    assert house.upkeep.used_bytes() == 0


def test_both_sides_of_the_budget() -> None:
    weight = House().serve("x", 2)
    weight.component.load()
    fits, not_quite = House(), House()
    fits.upkeep.budget_bytes = weight.model_bytes()
    not_quite.upkeep.budget_bytes = weight.model_bytes() - 1
    fits.serve("one", 2).component.load()
    with pytest.raises(OverBudget):
        not_quite.serve("one", 2).component.load()


def test_two_loads_at_once_do_not_share_the_same_room() -> None:
    house = House(budget_mb=3)
    one, two = house.serve("one", 2, expected_mb=2), house.serve("two", 2, expected_mb=2)
    inside, gate = threading.Event(), threading.Event()
    make = one.component.source.make

    def slowly() -> Weights:
        inside.set()
        assert gate.wait(10)
        return make()

    one.component.source.make = slowly
    loading = one.component.begin_load()
    assert inside.wait(10)
    with pytest.raises(OverBudget):
        two.component.load()
    gate.set()
    assert loading is not None
    assert loading.outcome.result(10) is None
    assert house.loaded_names() == {"one"}


def test_a_load_that_fails_leaves_no_room_taken() -> None:
    house = House(budget_mb=3)
    one = house.serve("one", 2, expected_mb=2)

    def broken() -> Weights:
        raise RuntimeError("broken")

    one.component.source.make = broken
    with pytest.raises(Exception, match="broken"):
        one.component.load()
    assert house.upkeep.used_bytes() == 0


def test_what_cannot_be_put_aside_stays_and_the_next_one_goes() -> None:
    house = House(budget_mb=5)
    one, two, three = (house.serve(name, 2) for name in ("one", "two", "three"))
    house.use(one)
    house.use(two)

    def full(model: object) -> None:
        raise SpillError("The disk is full.")

    one.component.source.keep = full
    house.use(three)
    assert house.loaded_names() == {"one", "three"}


def test_what_is_shown_is_true_after_every_load_and_unload() -> None:
    house = House()
    one, two = house.serve("one", 2), house.serve("two", 2)
    assert house.upkeep.shown_bytes() == 0
    for served, least in ((one, 2), (two, 4)):
        served.component.load()
        assert house.upkeep.shown_bytes() == house.upkeep.used_bytes() >= least * MB
    one.component.unload()
    assert house.upkeep.shown_bytes() == house.upkeep.used_bytes() < 3 * MB


def test_a_smaller_budget_takes_effect_at_once() -> None:
    house = House(budget_mb=10)
    for number in range(4):
        house.use(house.serve(f"m{number}", 2))
    house.upkeep.budget_bytes = 5 * MB
    assert house.upkeep.make_room()
    assert house.loaded_names() == {"m2", "m3"}


def test_an_idle_model_is_unloaded_after_its_time_and_not_before() -> None:
    house = House()
    served = house.serve("one", 0.1, idle_s=60.0)
    house.use(served)
    house.now += 59.9
    assert house.upkeep.unload_idle() == pytest.approx(0.1)
    assert served.component.state is State.LOADED
    house.now += 0.1
    assert house.upkeep.idle_unload_in_s(served) == 0
    house.upkeep.unload_idle()
    assert served.component.state is State.UNLOADED
    assert house.upkeep.idle_unload_in_s(served) is None


def test_every_call_begins_the_idle_time_anew_and_a_call_in_flight_is_no_idle_time() -> None:
    house = House()
    served = house.serve("one", 0.1, idle_s=60.0)
    house.use(served)
    house.now += 50
    house.use(served)
    house.now += 50
    house.upkeep.unload_idle()
    assert served.component.state is State.LOADED
    with served.component.lease():
        house.now += 500
        assert house.upkeep.idle_unload_in_s(served) is None
        assert house.upkeep.unload_idle() == 60.0
    assert house.upkeep.idle_unload_in_s(served) == 60.0


def test_the_idle_thread_lives_while_something_may_become_idle() -> None:
    waited, woken = threading.Semaphore(0), threading.Semaphore(0)
    house = House()

    def wait(changed: threading.Condition, seconds: float | None) -> None:
        waited.release()
        changed.release()
        assert woken.acquire(timeout=10)
        changed.acquire()

    house.upkeep = Upkeep(lambda: house.registry, clock=lambda: house.now, wait=wait)
    served = house.serve("one", 0.1, idle_s=60.0)
    house.use(served)
    assert waited.acquire(timeout=10)
    (thread,) = _idle_threads()
    house.now += 60
    woken.release()
    thread.join(10)
    assert not thread.is_alive()
    assert served.component.state is State.UNLOADED


def test_without_idle_times_there_is_no_thread() -> None:
    house = House()
    house.use(house.serve("one", 0.1))
    house.upkeep.wake()
    assert not _idle_threads()


def test_a_victim_that_hangs_delays_nobody_but_the_newcomer() -> None:
    house = House(budget_mb=3)
    liar, good, third = (house.serve(name, megabytes) for name, megabytes in (("liar", 2), ("good", 2), ("third", 0.5)))
    house.use(liar)
    leaving, gate = threading.Event(), threading.Event()

    def hang() -> None:
        leaving.set()
        assert gate.wait(20)

    liar.component.source.leave = hang
    loading = good.component.begin_load()
    assert leaving.wait(10)
    assert house.upkeep.used_bytes() >= 0
    third.component.load()
    gate.set()
    assert loading is not None
    assert loading.outcome.result(10) is None
    assert house.loaded_names() == {"good", "third"}


def test_a_newcomer_waits_a_little_for_the_end_of_a_call() -> None:
    house = House(budget_mb=3)
    one, two = house.serve("one", 2), house.serve("two", 2)
    one.component.acquire()
    loading = two.component.begin_load()
    while not one.component.is_unloading:
        threading.Event().wait(0)
    one.component.release()
    assert loading is not None
    assert loading.outcome.result(10) is None
    assert house.loaded_names() == {"two"}


def test_a_model_that_is_in_memory_under_another_name_weighs_nothing_more() -> None:
    house = House(budget_mb=3)
    one, two = house.serve("one", 2), house.serve("two", 2)
    model = Weights(2)
    one.component.source.make = two.component.source.make = lambda: model
    one.component.load()
    two.component.load()
    assert house.loaded_names() == {"one", "two"}
    assert house.upkeep.used_bytes() < 3 * MB
