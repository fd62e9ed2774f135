"""The user's own `Model` and `ModelComponent`, and how a component of ours drives them."""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from ..errors import LoadError, ModelRefused, UnloadError
from ..options import Options
from .artifact import artifact_of
from .blame import reason_of
from .component import Component
from .engines import CoroutineThread
from .waiting import leased_here

__all__ = ["DrivenSource", "FileComponent", "Model", "ModelComponent", "acquired", "component_of", "unwrapped"]

R = TypeVar("R")

LEAVE_S = 30.0
"""How long a component's `unload_model` may take."""

HOOKS = ("load_model", "unload_model", "resolve")


class Model:
    """Wraps a model that was loaded, to say how it is inspected and how it predicts.

    ``Model(None)`` is one that is not loaded. What a subclass does not define is asked of the model itself.
    """

    def __init__(self, model: Any = None, meta: Any = None) -> None:
        self.model = model
        self.meta = meta

    def inspect(self) -> Any:
        """What ``GET /{name}/inspect/`` answers of it: the file's own description, else the model's settings."""
        if self.meta is not None:
            return self.meta
        settings = getattr(self.model, "get_params", None)
        return settings() if callable(settings) else {"type": type(self.model).__name__}

    def predict(self, X: Any) -> Any:
        """What ``POST /{name}/predict/`` answers for rows."""
        predict = getattr(self.model, "predict", self.model)
        return predict(X)


def unwrapped(model: Any) -> Any:
    """The model itself, where a bare `Model` has nothing to add to it."""
    return model.model if type(model) is Model else model


# --- the user's hooks, whoever calls them

_inside_of: ContextVar[tuple[int, ...]] = ContextVar("nbserve_inside_of", default=())


@contextmanager
def _inside(custom: ModelComponent) -> Iterator[None]:
    """What the component does from here on is its own doing, and is not guarded again."""
    here = _inside_of.set((*_inside_of.get(), id(custom)))
    try:
        yield
    finally:
        _inside_of.reset(here)


def _is_inside(custom: ModelComponent) -> bool:
    return id(custom) in _inside_of.get()


def _is_full(model: Any) -> bool:
    """Whether there is a model, and not None or a `Model(None)`."""
    return model is not None and not (isinstance(model, Model) and getattr(model, "model", model) is None)


def _guarded(name: str, own: Callable[..., Any]) -> Callable[..., Any]:
    """The user's hook: from outside it goes through the component's life."""
    if inspect.iscoroutinefunction(own):

        @functools.wraps(own)
        async def guarded_async(self: ModelComponent, *args: Any, **given: Any) -> Any:
            if _is_inside(self):
                return await own(self, *args, **given)
            if name != "resolve":
                return await asyncio.to_thread(_GUARDS[name], self)
            model = await acquired(component_of(self))
            component_of(self).release()
            return model

        setattr(guarded_async, _GUARD, True)
        return guarded_async

    @functools.wraps(own)
    def guarded(self: ModelComponent, *args: Any, **given: Any) -> Any:
        return own(self, *args, **given) if _is_inside(self) else _GUARDS[name](self)

    setattr(guarded, _GUARD, True)
    return guarded


_GUARD = "nbserve_guard"


def _load(custom: ModelComponent) -> None:
    component_of(custom).load()


def _unload(custom: ModelComponent) -> None:
    component_of(custom).unload()


def _resolve(custom: ModelComponent) -> Any:
    with component_of(custom).lease() as model:
        return model


_GUARDS: dict[str, Callable[[ModelComponent], Any]] = {
    "load_model": _load,
    "unload_model": _unload,
    "resolve": _resolve,
}


# --- components


class ModelComponent:
    """Loads a model, lets it go again, and answers it: subclass it, and serve it with a `ModelResource`.

    Define `load_model` (which sets `self.model`, or answers the model), and where that is not enough `unload_model`
    and `resolve`. Each may be a coroutine function. Whoever calls them, your own code included: a load runs once at a
    time, on a thread of its own and never on an event loop, and an unload waits for the calls in flight.

    In a route it is injected by ``Depends(component)``: the route gets what `resolve` answers, which stays loaded
    until the request has been answered.
    """

    _model: Any = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name in HOOKS:
            own = inspect.getattr_static(cls, name)  # its own, or that of a class that it is mixed with
            if inspect.isfunction(own) and not hasattr(own, _GUARD):
                setattr(cls, name, _guarded(name, own))

    def __getstate__(self) -> dict[str, Any]:
        """What a copy gets: its life is its own."""
        return {name: value for name, value in vars(self).items() if name != _LIFE}

    @property
    def model(self) -> Any:
        """What is loaded: None, or a `Model(None)`, when nothing is."""
        return self._model

    @model.setter
    def model(self, model: Any) -> None:
        self._model = model
        life = vars(self).get(_LIFE)
        if life is not None and not _is_inside(self):
            life.replace(model if _is_full(model) else None)

    def load_model(self) -> Any:
        """Bring the model into memory."""
        raise LoadError(f"{type(self).__name__} does not say how its model is loaded.", "Define its load_model.")

    def unload_model(self) -> Any:
        """Let go of the model."""
        self.model = type(self.model)(None) if isinstance(self.model, Model) else None

    def resolve(self) -> Any:
        """The model, loaded if need be."""
        if not _is_full(self.model):
            self.load_model()
        return self.model

    async def __call__(self) -> AsyncIterator[Any]:
        """The dependency of a route: a lease for the length of a request."""
        life = component_of(self)
        model = await acquired(life)
        try:
            with leased_here(life):
                yield model
        finally:
            del model
            life.release()


async def acquired(component: Component[Any]) -> Any:
    """The component's model, leased; a load is waited for without holding the loop up. Raises `LoadError`."""
    while True:
        model = component.try_acquire()
        if model is not None:
            return model
        loading = component.begin_load()
        if loading is not None:
            waited = asyncio.shield(asyncio.wrap_future(loading.outcome))
            await asyncio.wait([waited], timeout=component.patience_s(loading))
            component.settle(loading)


def component_of(custom: ModelComponent) -> Component[Any]:
    """The life of the user's component: one, whatever it is served as. Raises `ModelRefused`."""
    if isinstance(custom, type) or not isinstance(custom, ModelComponent):
        raise ModelRefused(f"{custom!r} is no component.", "Make one: component = MyComponent(…).")
    with _attaching:
        life: Component[Any] | None = vars(custom).get(_LIFE)
        if life is None or not _is_of(life, custom):  # a copy brings along the life of what it was made from
            here = custom.model
            life = vars(custom)[_LIFE] = Component(DrivenSource(custom), here if _is_full(here) else None)
    return life


_LIFE = "_nbserve_life"


def _is_of(life: Component[Any], custom: ModelComponent) -> bool:
    return isinstance(life.source, DrivenSource) and life.source.custom is custom


for _name in HOOKS:
    setattr(ModelComponent, _name, _guarded(_name, vars(ModelComponent)[_name]))


class FileComponent(ModelComponent):
    """The component of a stored model: ``model_path`` of a resource, a path or an address.

    Its model is a `Model`, with the file's own `meta`.
    """

    def __init__(self, path: Path | str, *, trust: bool | None = None) -> None:
        self.path = path
        self.file = artifact_of(path, Options(trust=trust))
        self.model = Model(None)

    def load_model(self) -> None:
        model = self.file.load()
        self.model = Model(model, self.file.meta or None)


_attaching = threading.RLock()


class DrivenSource:
    """The source that is a user's component."""

    spilled_bytes: ClassVar[int] = 0

    def __init__(self, custom: ModelComponent) -> None:
        self.custom = custom
        self._file = custom.file if isinstance(custom, FileComponent) else None
        self._coroutines = CoroutineThread(f"nbserve:{type(custom).__name__}:hooks")
        weakref.finalize(self, self._coroutines.retire).atexit = False

    @property
    def label(self) -> str:
        return type(self.custom).__name__ if self._file is None else self._file.label

    @property
    def expected_bytes(self) -> int:
        return 0 if self._file is None else self._file.expected_bytes

    @property
    def progress(self) -> tuple[int, int] | None:
        return None if self._file is None else self._file.progress

    def load(self) -> Any:
        with _inside(self.custom):
            answered = self._settled(self._resolved())
        if _is_full(answered):
            return answered
        if not self._resolves_itself:
            raise LoadError(
                f"{self.label}.load_model() has set no model.", "Let it set self.model, or answer the model."
            )
        what = "None" if answered is None else "a Model(None)"
        raise LoadError(f"{self.label}.resolve() answered {what}.", "It must answer the model that it has loaded.")

    def keep(self, model: Any) -> None:
        """It knows how to load the model again."""

    def leave(self) -> None:
        problem = _bounded(self._leave, min(LEAVE_S, component_of(self.custom).load_deadline_s))
        if problem is not None:
            raise UnloadError(f"{self.label}.unload_model() {problem}.", "It may still hold the model.")

    def peek(self, look: Callable[[Any], R]) -> R | None:  # noqa: ARG002 - nothing is in memory while it is unloaded
        return None

    def release(self) -> None:
        """Nothing was put aside."""

    def _resolved(self) -> Any:
        custom = self.custom
        if self._resolves_itself:
            return custom.resolve()
        if not _is_full(custom.model):
            given = self._settled(custom.load_model())
            if given is not None and not _is_full(custom.model):
                custom.model = given
        return custom.model

    def _leave(self) -> None:
        with _inside(self.custom):
            self._settled(self.custom.unload_model())

    @property
    def _resolves_itself(self) -> bool:
        return type(self.custom).resolve is not ModelComponent.resolve

    def _settled(self, value: Any) -> Any:
        """What a hook came to, also when it is a coroutine: each component has a loop of its own for those."""
        return self._coroutines.submit(_awaited(value)).result() if inspect.isawaitable(value) else value


def _bounded(work: Callable[[], None], patience_s: float) -> str | None:
    """Run it on a thread of its own; how it went wrong, as the rest of a sentence."""
    problems: list[str] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - the user's own code
            problems.append(f"raised {reason_of(error)}")

    thread = threading.Thread(target=copy_context().run, args=(run,), name="nbserve:unload", daemon=True)
    thread.start()
    thread.join(patience_s)
    if thread.is_alive():
        return f"has taken longer than {patience_s:g} s"
    return problems[0] if problems else None


async def _awaited(value: Any) -> Any:
    return await value
