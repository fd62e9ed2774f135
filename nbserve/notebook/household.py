"""What surrounds each served model: the notebook's variables, the other endpoints, the memory that all share."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from functools import partial
from pathlib import Path
from typing import Any

from ..core.component import Component
from ..core.engines import Lane
from ..core.registry import Registry
from ..core.served import Served
from ..core.storage import LiveObject
from ..core.upkeep import Upkeep
from ..options import Options
from .folder import PrivateFolder
from .forgotten import Forgotten
from .holders import Notebook

__all__ = ["Household"]


class Household:
    """Knows who else holds a model, and what there is room for: the `Surroundings` of all that is served. Thread-safe.

    With `is_watched` the notebook may be left with a model that is unloaded: somebody looks when a cell lets go of it.
    """

    def __init__(
        self,
        registry: Registry,
        namespace: MutableMapping[str, Any],
        shell: Any,
        *,
        is_watched: bool,
        changed: Callable[[], None],
    ) -> None:
        self.upkeep = Upkeep(lambda: registry)
        self._registry = registry
        self._notebook = Notebook(namespace, shell)
        self._is_watched = is_watched
        self._changed = changed
        self._folder: PrivateFolder | None = None
        self._lock = threading.Lock()

    def holders(self, served: Served, model: object) -> tuple[str, ...]:
        others = (f"endpoint {each.name}" for each in self._others_with(served.component, model))
        return (*self._notebook.holders(model), *others)

    def all_holders(self, served: Served, model: object) -> tuple[str, ...]:
        others = list(self._others_with(served.component, model))
        ours = [part for each in (served, *others) for part in (each.component, each.component.source)]
        return (*self._notebook.all_holders(model, ours), *(f"endpoint {each.name}" for each in others))

    def forget(self, served: Served, model: object) -> tuple[tuple[str, ...], Callable[[], object]]:
        # of the component and not by the name: what is served under that may be another model by then
        restore = partial(_restored, served.component)
        stand_in = Forgotten(served.name, served.profile.type_name, served.model_bytes(), restore, self._notebook)
        return self._notebook.forget(model, stand_in), stand_in.restore

    def expect(self, served: Served, size_bytes: int, model: object = None) -> None:
        self.upkeep.expect(served.component, size_bytes, model)

    def arrived(self, served: Served) -> None:
        self.upkeep.arrived(served.component)
        self._changed()

    def left(self, served: Served) -> None:  # noqa: ARG002 - one of them has
        self.upkeep.left()
        self._changed()

    def memory(self, served: Served) -> dict[str, Any]:
        return {
            "session_bytes": self.upkeep.shown_bytes(),
            "budget_bytes": self.upkeep.budget_bytes,
            "idle_unload_in_s": self.upkeep.idle_unload_in_s(served),
        }

    def source_of(self, model: object) -> LiveObject:
        """The source of a live object: one for all its names, since only one of them may have to keep it."""
        for each in self._registry:
            source = each.component.source
            if isinstance(source, LiveObject) and (_has(each.component, model) or source.peek(partial(_is, model))):
                return source
        return LiveObject(self._private_folder, self._is_held, model)

    def lane_of(self, model: object, options: Options) -> Lane | None:
        """The lane of the very same object, if it is served already: it is called by one thread, whatever its names."""
        for each in self._registry:
            if each.lane.is_like(options.threads, options.places) and _has(each.component, model):
                return each.lane
        return None

    def live_objects(self, prepared: Iterable[Served]) -> list[LiveObject]:
        """The sources of all that is served, and of what is prepared to be."""
        sources = (served.component.source for served in (*self._registry, *prepared))
        return [source for source in sources if isinstance(source, LiveObject)]

    def close(self) -> None:
        self.upkeep.close()
        with self._lock:
            folder, self._folder = self._folder, None
        if folder is not None:
            folder.remove()

    def _others_with(self, component: Component[Any] | None, model: object) -> Iterator[Served]:
        """The endpoints, but for that component's, that have this very object loaded and are to keep it."""
        for each in self._registry:
            if each.component is not component and not each.component.is_unloading and _has(each.component, model):
                yield each

    def _is_held(self, model: object) -> bool:
        """Whether somebody keeps the object alive, so that it can be left to them."""
        is_in_notebook = self._is_watched and bool(self._notebook.holders(model))
        return is_in_notebook or any(True for _ in self._others_with(None, model))

    def _private_folder(self) -> Path:
        with self._lock:
            if self._folder is None or self._folder.pid != os.getpid():
                self._folder = PrivateFolder()
            return self._folder.path


def _has(component: Component[Any], model: object) -> bool:
    return bool(component.peek(partial(_is, model)))


def _restored(component: Component[Any]) -> Any:
    with component.lease() as model:
        return model


def _is(one: object, other: object) -> bool:
    return one is other
