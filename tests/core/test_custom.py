"""The user's own components: one life each, whoever calls their hooks."""

from __future__ import annotations

import asyncio
import copy
import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import pytest

from nbserve.core.custom import FileComponent, Model, ModelComponent, component_of, unwrapped
from nbserve.core.lifecycle import State
from nbserve.core.waiting import never_wait_here
from nbserve.errors import Conflict, LoadError, ModelRefused, UnloadError


class Estimator:
    """Something that predicts, and can be weakly referred to."""

    def predict(self, X: Any) -> Any:
        return X


class Wrapped(Model):
    def inspect(self) -> Any:
        return {"kind": type(self.model).__name__}


class Tutorial(ModelComponent):
    """As in the tutorial: no `super().__init__()`, and a `Model(None)` while nothing is loaded."""

    def __init__(self) -> None:
        self.model = Wrapped(None)
        self.loads = 0

    def load_model(self) -> None:
        self.loads += 1
        self.model = Wrapped(Estimator())

    def unload_model(self) -> None:
        self.model = Wrapped(None)

    def resolve(self) -> Wrapped:
        if not self.model.model:
            self.load_model()
        return self.model


class Short(ModelComponent):
    """No more than has to be said."""

    def load_model(self) -> Any:
        return Estimator()


class Async(ModelComponent):
    def __init__(self) -> None:
        self.loops: list[object] = []

    async def load_model(self) -> None:
        self.loops.append(asyncio.get_running_loop())
        await asyncio.sleep(0)
        self.model = Estimator()

    async def unload_model(self) -> None:
        self.loops.append(asyncio.get_running_loop())
        self.model = None

    async def resolve(self) -> Any:
        if self.model is None:
            await self.load_model()
        return self.model


KINDS = [Tutorial, Short, Async]


@pytest.mark.parametrize("kind", KINDS)
def test_a_component_is_loaded_with_the_first_lease_and_unloaded_when_it_is_asked_for(kind: Any) -> None:
    custom = kind()
    life = component_of(custom)
    assert life.state is State.UNLOADED
    with life.lease() as model:
        assert model is custom.model
    assert life.state is State.LOADED
    life.unload()
    assert life.state is State.UNLOADED
    assert custom.model is None or custom.model.model is None


def test_the_hooks_that_users_call_go_through_the_same_life() -> None:
    custom = Tutorial()
    life = component_of(custom)
    assert custom.resolve() is custom.model
    assert life.state is State.LOADED
    custom.unload_model()
    assert (life.state, life.unloads) == (State.UNLOADED, 1)
    custom.load_model()
    assert (life.state, life.loads, custom.loads) == (State.LOADED, 2, 2)


def test_the_asynchronous_hooks_can_be_awaited_by_users_and_run_on_no_loop_of_theirs() -> None:
    custom = Async()

    async def use() -> Any:
        model = await custom.resolve()
        await custom.unload_model()
        await custom.load_model()
        assert asyncio.get_running_loop() not in custom.loops
        return model

    assert isinstance(asyncio.run(use()), Estimator)
    assert component_of(custom).state is State.LOADED


def test_many_who_ask_at_once_make_one_load() -> None:
    custom = Tutorial()
    together = threading.Barrier(8)

    def ask(number: int) -> object:
        together.wait(10)
        if number % 2:
            return custom.resolve()
        with component_of(custom).lease() as model:
            return model

    with ThreadPoolExecutor(8) as pool:
        models = list(pool.map(ask, range(8)))
    assert custom.loads == 1
    assert len(set(map(id, models))) == 1


def test_what_users_put_or_take_themselves_is_what_is_loaded() -> None:
    custom = Tutorial()
    life = component_of(custom)
    custom.model = mine = Wrapped(Estimator())
    assert life.state is State.LOADED
    with life.lease() as model:
        assert model is mine
    custom.model = Wrapped(None)
    assert life.state is State.UNLOADED
    assert custom.loads == 0


def test_a_component_that_has_its_model_already_is_loaded() -> None:
    custom = Tutorial()
    custom.model = Wrapped(Estimator())
    assert component_of(custom).state is State.LOADED


def test_an_unloaded_model_is_held_by_nobody() -> None:
    custom = Tutorial()
    life = component_of(custom)
    life.load()
    watched = weakref.ref(custom.model.model)
    life.unload()
    gc.collect()
    assert watched() is None


def test_two_components_of_one_class_have_two_models() -> None:
    one, other = Tutorial(), Tutorial()
    assert one.resolve() is not other.resolve()
    assert component_of(one) is component_of(one) is not component_of(other)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(None, "answered None"), (Model(None), r"answered a Model\(None\)")],
    ids=["None", "Model(None)"],
)
def test_a_component_that_resolves_to_nothing_has_failed(answer: Any, reason: str) -> None:
    class Liar(ModelComponent):
        def resolve(self) -> Any:
            return answer

    life = component_of(Liar())
    with pytest.raises(LoadError, match=reason):
        life.load()
    assert life.state is State.FAILED


def test_a_load_that_raises_has_failed_says_why_and_can_be_asked_for_again() -> None:
    class Moody(ModelComponent):
        mood = "bad"

        def load_model(self) -> None:
            if self.mood == "bad":
                raise RuntimeError("no disk")
            self.model = Estimator()

    custom = Moody()
    with pytest.raises(LoadError, match="RuntimeError: no disk") as failed:
        custom.resolve()
    assert isinstance(failed.value.__cause__, RuntimeError)
    custom.mood = "good"
    with pytest.raises(LoadError, match="no disk"):
        custom.resolve()
    custom.load_model()
    assert isinstance(custom.resolve(), Estimator)


def test_an_unload_that_raises_is_told_and_the_next_load_works() -> None:
    class Clinging(Short):
        def unload_model(self) -> None:
            raise RuntimeError("no")

    custom = Clinging()
    custom.resolve()
    with pytest.raises(UnloadError, match=r"Clinging.unload_model\(\) raised RuntimeError: no. It may still hold"):
        custom.unload_model()
    assert component_of(custom).state is State.UNLOADED
    assert isinstance(custom.resolve(), Estimator)


def test_an_unload_that_hangs_is_given_up_at_the_deadline() -> None:
    gate = threading.Event()

    class Hanging(Short):
        def unload_model(self) -> None:
            gate.wait(30)

    custom = Hanging()
    custom.resolve()
    component_of(custom).load_deadline_s = 0.05
    with pytest.raises(UnloadError, match=r"longer than 0\.05 s"):
        custom.unload_model()
    gate.set()


def test_a_component_without_load_model_says_what_to_define() -> None:
    class Empty(ModelComponent):
        pass

    with pytest.raises(LoadError, match=r"Empty does not say how its model is loaded\. Define its load_model"):
        Empty().resolve()


def test_a_class_is_no_component() -> None:
    with pytest.raises(ModelRefused, match="Make one"):
        component_of(Tutorial)  # type: ignore[arg-type]


def test_the_dependency_leases_the_model_for_as_long_as_the_request_lasts() -> None:
    custom = Tutorial()
    life = component_of(custom)

    async def request() -> None:
        values = custom()
        model = await anext(values)
        assert model is custom.model
        assert life.is_in_use
        with pytest.raises(Conflict, match="by its own call"):
            await asyncio.to_thread(custom.unload_model)
        with pytest.raises(StopAsyncIteration):
            await anext(values)
        assert not life.is_in_use

    asyncio.run(request())


def test_a_subclass_may_ask_its_parent_to_load() -> None:
    class Child(Tutorial):
        def load_model(self) -> None:
            super().load_model()
            self.after = True

        def unload_model(self) -> None:
            super().unload_model()

    custom = Child()
    custom.resolve()
    custom.unload_model()
    assert (custom.loads, custom.after, component_of(custom).unloads) == (1, True, 1)


def test_a_bare_model_adds_nothing_and_a_subclass_does() -> None:
    estimator = Estimator()
    assert unwrapped(Model(estimator)) is estimator
    wrapped = Wrapped(estimator)
    assert unwrapped(wrapped) is wrapped


def test_a_model_predicts_and_says_what_it_is_by_what_it_wraps() -> None:
    class Settings(Estimator):
        def get_params(self) -> dict[str, int]:
            return {"k": 3}

    assert Model(Settings()).predict([1]) == [1]
    assert Model(lambda rows: len(rows)).predict([1, 2]) == 2
    assert Model(Settings()).inspect() == {"k": 3}
    assert Model(Settings(), meta={"id": "7"}).inspect() == {"id": "7"}
    assert Model(Estimator()).inspect() == {"type": "Estimator"}


def test_on_the_loop_that_answers_everybody_nothing_waits() -> None:
    custom = Tutorial()
    life = component_of(custom)
    results: list[object] = []

    def on_that_loop() -> None:
        never_wait_here()
        for ask in (custom.resolve, custom.unload_model, custom.unload_model):
            try:
                results.append(ask())
            except Conflict as error:
                results.append(error.problem)

    def run() -> None:
        thread = threading.Thread(target=on_that_loop)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()

    run()
    assert results == ["The model is loading.", None, None]
    life.load()
    results.clear()
    with life.lease() as model:
        run()
        assert results == [model, "The model is in use.", "The model is in use."]
    results.clear()
    run()
    assert (results[1:], life.state) == ([None, None], State.UNLOADED)


def test_a_file_component_tells_at_once_what_is_wrong_with_its_file(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"model\.joblib"):
        FileComponent(tmp_path / "model.joblib")
    joblib.dump(Estimator(), tmp_path / "model.joblib")
    custom = FileComponent(tmp_path / "model.joblib")
    source = component_of(custom).source
    assert (source.label, source.expected_bytes) == ("model.joblib", (tmp_path / "model.joblib").stat().st_size)
    assert isinstance(custom.resolve().model, Estimator)


def test_an_asynchronous_hook_that_blocks_delays_no_other_component() -> None:
    gate, begun = threading.Event(), threading.Event()

    class Blocks(ModelComponent):
        async def load_model(self) -> None:
            begun.set()
            assert gate.wait(20)  # as people do, who forget what async means
            self.model = Estimator()

    blocks = Blocks()
    loading = component_of(blocks).begin_load()
    assert begun.wait(10)
    component_of(Async()).load()
    gate.set()
    assert loading is not None
    assert loading.outcome.result(10) is None


def test_a_copy_has_a_life_of_its_own() -> None:
    custom = Tutorial()
    custom.resolve()
    for other in (copy.copy(custom), copy.deepcopy(custom)):
        assert component_of(other) is not component_of(custom)
        other.unload_model()
        assert component_of(custom).state is State.LOADED


def test_hooks_that_are_mixed_in_are_guarded_too() -> None:
    class Mixin:
        loads = 0

        def load_model(self) -> None:
            self.loads += 1
            self.model = Estimator()

    class Mixed(Mixin, ModelComponent):
        pass

    custom = Mixed()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: custom.resolve(), range(4)))
    custom.load_model()
    assert custom.loads == 1


def test_a_load_that_forgets_to_set_the_model_is_told_what_is_missing() -> None:
    class Forgets(ModelComponent):
        def load_model(self) -> None:
            pass

    with pytest.raises(LoadError, match=r"Forgets\.load_model\(\) has set no model"):
        component_of(Forgets()).load()
