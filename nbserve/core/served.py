"""One served model: its component, its methods, where they run, and what has been asked of it."""

from __future__ import annotations

import traceback
import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Protocol

from ..errors import NbserveError, NotFound, SpillError, nearest, shortened
from ..options import Options
from .calls import Callee, Coroutines, Method
from .codecs import to_plain
from .component import Component
from .custom import DrivenSource, Model, unwrapped
from .engines import Lane
from .exchanges import Exchanges
from .lifecycle import State, UnloadReport
from .masking import Mask
from .memory import give_back, resident_bytes
from .output import Log, writing_to
from .schema import Profile, Signature
from .shaping import Shape, shaped
from .sizing import size_of
from .tickets import Tickets
from .traffic import Traffic

__all__ = ["BUILT_IN", "Served", "Surroundings"]

BUILT_IN = frozenset({"inspect", "load", "metadata", "shares", "traffic", "unload"})
"""Routes of every endpoint; a model's method of such a name is not served."""


class Surroundings(Protocol):
    """What else there is beside one served model: the notebook, the other endpoints, the memory that all share."""

    def holders(self, served: Served, model: object) -> tuple[str, ...]:
        """Who else is known to hold the model; cheap."""
        ...

    def all_holders(self, served: Served, model: object) -> tuple[str, ...]:
        """Everybody else who can be found to hold it; may take a while."""
        ...

    def forget(self, served: Served, model: object) -> tuple[tuple[str, ...], Callable[[], object]]:
        """Make the notebook let go of the model; answers the names that held it, and what takes that back."""
        ...

    def expect(self, served: Served, size_bytes: int, model: object = None) -> None:
        """A load of about that size begins, or (with its model) turns out to be of it. Raises `OverBudget`."""
        ...

    def arrived(self, served: Served) -> None:
        """A load has ended, well or not."""
        ...

    def left(self, served: Served) -> None:
        """An unload has ended."""
        ...

    def memory(self, served: Served) -> dict[str, Any]:
        """The session's part of `Served.metadata`."""
        ...


class Served(Callee):
    """A model behind a name. Thread-safe; holds the model through its component only.

    `profile` is what is known of it now, with what the user says of it; `found` is without. With `look` it is found
    anew whenever the model is loaded; without `is_seen` it is unknown before the first load (`is_described`).
    `replaced` are the routes and methods that the user answers himself. `origin` tells what it is a version of.
    """

    def __init__(
        self,
        name: str,
        component: Component[Any],
        profile: Profile,
        options: Options,
        *,
        coroutines: Coroutines,
        around: Surroundings,
        look: Callable[[Any], Profile] | None = None,
        is_seen: bool = True,
        title: str | None = None,
        origin: str = "",
        replaced: frozenset[str] = frozenset(),
        before: Served | None = None,
        lane: Lane | None = None,
    ) -> None:
        log = Log() if before is None else before.log
        super().__init__(name, component, options, coroutines=coroutines, log=log, lane=lane)
        self.title = title
        self.origin = origin
        self.methods: dict[str, Method] = {}
        self.replaced = replaced
        self.version: int = 1 if before is None else before.version + 1
        self.traffic: Traffic = Traffic() if before is None else before.traffic
        self.exchanges = _exchanges(options, before)
        self.tickets: Tickets = Tickets(name) if before is None else before.tickets
        self.served_at = datetime.now(UTC)
        self._around = around
        self._look = look
        self.is_described = is_seen
        self.is_retired = False
        self._weight: tuple[int, int] = (-1, 0)
        self.inspects_itself = bool(component.peek(_says_itself))
        self.describe(profile)
        component.listen(self)

    def describe(self, profile: Profile) -> None:
        """Take over a new profile: its methods are served from the next request on.

        Raises `OptionError` when it is not as the user has said.
        """
        not_served = BUILT_IN | self.replaced
        self.found = profile
        self.profile = profile = shaped(profile, Shape.of(self.options))
        served = [each for each in profile.signatures if each.method not in not_served]
        limit = self.options.max_rows
        self.methods = {each.method: self._known(each) or Method(each, limit) for each in served}

    def look_with(self, look: Callable[[Any], Profile]) -> None:
        """Describe the model anew when it is loaded next: it may have changed."""
        self._look = look

    def _known(self, signature: Signature) -> Method | None:
        """The method as it was served so far, if it is still that: what was learned of it stays."""
        known = self.methods.get(signature.method)
        with suppress(Exception):  # a default of the user's own may not want to be compared
            return known if known is not None and known.signature == signature else None
        return None

    def may_answer(self, method: str) -> bool:
        """Whether the model has that method, or may have it: it was never seen, and nobody else answers for it."""
        return method in self.methods or not (self.is_described or method in BUILT_IN or method in self.replaced)

    def method(self, name: str) -> Method:
        """Raises `NotFound`."""
        found = self.methods.get(name)
        if found is None:
            if name in self.replaced:
                raise NotFound(f"{self.name}'s resource answers {name} itself.", "Ask for it over HTTP.")
            known = list(self.methods)
            remedy = f"It has {', '.join(known)}." if known else "It has none."
            raise NotFound(f"{self.name} has no method {shortened(name)}.{nearest(name, known)}", remedy)
        return found

    async def described(self) -> None:
        """See to it that the model has been seen. Raises `LoadError`."""
        if not self.is_described:
            await self._acquired()
            try:
                self.see()
            finally:
                self.component.release()

    def see(self) -> None:
        """Describe a model that was loaded already when this began to listen."""
        look = self._look
        if not self.is_described and look is not None:
            profile = self.component.peek(lambda model: look(unwrapped(model)))
            if profile is not None:
                self.describe(profile)
                self.is_described = True

    # --- the component's listener

    def before_load(self) -> None:
        loads, weight = self._weight
        self._around.expect(self, weight if loads >= 0 else self.component.source.expected_bytes)

    def arriving(self, model: Any) -> None:
        if self._look is not None:
            self.describe(self._look(unwrapped(model)))
            self.inspects_itself = _says_itself(model)
            self.is_described = True
        self._weight = (self.component.loads + 1, size_of(model))
        self._around.expect(self, self._weight[1], model)

    def after_load(self, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, NbserveError):
            self.log.write("".join(traceback.format_exception(error)) + "\n")
        self._around.arrived(self)

    def after_unload(self) -> None:
        self._around.left(self)

    # --- memory

    def load(self) -> None:
        """Raises `LoadError`."""
        with writing_to(self.log):
            self.component.load()

    def unload(self, timeout_s: float | None = None, *, forget: bool = False) -> UnloadReport:
        """Let go of the model; with `forget` the notebook lets go of it, too.

        Raises `SpillError`; the model stays loaded then. Raises `UnloadError` of a user's own component.
        """
        with writing_to(self.log):
            was_loaded = self.component.state in (State.LOADED, State.LOADING)
            before = resident_bytes()
            forgotten, take_back = self._forget() if forget else ((), bool)
            known = self.holders()
            watched, unloads = self.component.peek(_weakly), self.component.unloads
            try:
                state = self.component.unload(timeout_s)
            except SpillError:
                take_back()
                raise
            if self.component.unloads > unloads:
                give_back()
            after = resident_bytes()
            holders = self._remaining(watched, known) if state is State.UNLOADED else ()
        has_left = was_loaded and state is State.UNLOADED and not holders
        freed = max(0, before - after) if has_left else 0
        return UnloadReport(state, freed, holders, was_loaded or bool(forgotten), before, after, forgotten)

    def holders(self) -> tuple[str, ...]:
        """Who else is known to hold the model, whether it is loaded or left to them."""
        for place in (self.component, self.component.source):
            held_by = place.peek(lambda model: self._around.holders(self, model))
            if held_by:
                return tuple(held_by)
        return ()

    def _forget(self) -> tuple[tuple[str, ...], Callable[[], object]]:
        """The notebook lets go of the model, which is taken back first if it was left to it."""
        if self.component.source.peek(id) is not None:
            self.component.load()
        return self.component.peek(lambda model: self._around.forget(self, model)) or ((), bool)

    def _remaining(self, watched: weakref.ref[Any] | None, known: tuple[str, ...]) -> tuple[str, ...]:
        """Who holds the model after it was unloaded; of one that cannot be watched, those who are known."""
        if watched is None:
            return known
        model = watched()
        return () if model is None else self._around.all_holders(self, model)

    def retire(self, others: Iterable[Served]) -> None:
        """No longer served: let the loop go, which none of the `others` shares, when the calls in flight have ended."""
        if all(each.coroutines is not self.coroutines for each in others):
            self.coroutines.retire()
        self.is_retired = True
        self.component.unlisten(self)

    def model_bytes(self) -> int:
        """What the model weighs in memory, measured once a load; the last known when it is not loaded."""
        loads, weight = self._weight
        if loads != self.component.loads:
            measured = self.component.peek(size_of)
            if isinstance(measured, int):
                self._weight = (self.component.loads, measured)
                return measured
        return weight

    def metadata(self) -> dict[str, Any]:
        """What can be told without loading: name, state, memory, counters."""
        component = self.component
        state = component.state
        around = self._around.memory(self)
        memory = {"model_bytes": self.model_bytes(), "spilled_bytes": component.source.spilled_bytes}
        return {
            "name": self.name,
            "title": self.title,
            "version": self.version,
            "source": component.source.label,
            "state": str(state),
            "loaded": state is State.LOADED,
            "described": self.is_described,
            "reason": component.failure,
            "served_at": self.served_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "memory": memory | {key: around[key] for key in ("session_bytes", "budget_bytes")},
            "last_used_s": _rounded(component.last_used_s),
            "idle_unload_in_s": _rounded(around["idle_unload_in_s"]),
            "loading": self._loading(),
            "counters": {**self.traffic.counters(), "loads": component.loads, "unloads": component.unloads},
            "rate": self.traffic.rate(),
            "latency_ms": self.traffic.latency_ms(),
            "methods": list(self.methods),
        }

    def captured(self) -> dict[str, Any]:
        """The newest requests, the newest first; of each, `exchange` tells what was asked and answered."""
        kept = self.exchanges
        lines = [] if kept is None else kept.lines()
        return {"captures": kept is not None, "captured_bytes": 0 if kept is None else kept.bytes, "exchanges": lines}

    def exchange(self, ident: str) -> dict[str, Any]:
        """One of them. Raises `NotFound`."""
        if self.exchanges is None:
            raise NotFound(f"{self.name} keeps no requests.", "Serve it without --no-capture.")
        return self.exchanges.find(ident)

    def inspect(self) -> Any:
        """What the model is and takes; a `Model` of the user's says it itself. Raises `LoadError`.

        A model that was never seen is loaded, unless its file tells enough without.
        """
        if not self.is_described and self.profile.library is None:
            self.load()
        if self.inspects_itself:
            with writing_to(self.log), self.component.lease() as model:
                return to_plain(model.inspect())
        model = {**self.profile.to_dict(), "described": self.is_described, "size_bytes": self.model_bytes()}
        return {"name": self.name, "version": self.version, "model": model}

    def _loading(self) -> dict[str, Any] | None:
        seconds = self.component.loading_s
        if seconds is None:
            return None
        done, total = self.component.source.progress or (None, None)
        return {"seconds": round(seconds, 1), "done_bytes": done, "total_bytes": total}

    # --- calls

    def current(self, method: Method) -> Method:
        return self.methods.get(method.name, method) if self._look is not None else method

    def let_go_if_retired(self) -> None:
        if self.is_retired and not self.component.has_listeners and isinstance(self.component.source, DrivenSource):
            with suppress(NbserveError):
                self.component.try_unload()


def _weakly(model: object) -> weakref.ref[Any] | None:
    try:
        return weakref.ref(model)
    except TypeError:  # lists, slotted objects
        return None


def _says_itself(model: Any) -> bool:
    """Whether the model is a user's `Model` that says what it is."""
    return isinstance(model, Model) and type(model).inspect is not Model.inspect


def _exchanges(options: Options, before: Served | None) -> Exchanges | None:
    """Where requests are kept, over swaps; what was kept under another mask, or against the present wish, is let go."""
    if not options.capture:
        return None
    if before is not None and before.exchanges is not None and before.options.mask == options.mask:
        return before.exchanges
    return Exchanges(None if options.mask is None else Mask(options.mask))


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
