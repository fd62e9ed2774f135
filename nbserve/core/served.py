"""One served model: its component, its methods, where they run, and what has been asked of it."""

from __future__ import annotations

import asyncio
import threading
import traceback
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from ..errors import (
    Busy,
    Conflict,
    Fault,
    InputError,
    ModelError,
    NbserveError,
    NotFound,
    OutputError,
    SpillError,
    nearest,
    shortened,
)
from ..options import Options
from .blame import forget_locals, is_callers_fault, reason_of, refused_keyword
from .codecs import Call, Decoder, to_plain
from .component import Component
from .custom import DrivenSource, Model, acquired, unwrapped
from .engines import Lane
from .lifecycle import State, UnloadReport
from .memory import give_back, resident_bytes
from .output import Log, write_to, writing_to
from .schema import Profile, Signature
from .sizing import size_of
from .traffic import Traffic
from .waiting import leased_here

__all__ = ["BUILT_IN", "Answer", "Coroutines", "Method", "Served", "Surroundings"]

R = TypeVar("R")

BUILT_IN = frozenset({"inspect", "load", "metadata", "unload"})
"""Routes of every endpoint; a model's method of such a name is not served."""

LONGEST_STREAM = 10_000_000


class Coroutines(Protocol):
    """A place where coroutines run, reached from any thread."""

    def submit(self, coroutine: Coroutine[Any, Any, R]) -> Future[R]: ...

    def is_here(self) -> bool:
        """Whether the calling thread is the one that they run in."""
        ...

    def wait_here(self, future: Future[R]) -> R:
        """The future's result, waited for in that very thread. Raises `ServerError` where that would be for ever."""
        ...

    def retire(self) -> None:
        """No more calls are expected."""
        ...


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


@dataclass(frozen=True, slots=True)
class Answer(Generic[R]):
    """What a call came to, and how many rows it was about."""

    value: R
    rows: int | None


class Method:
    """One method of a model as it is served: what it takes, and how it is called."""

    def __init__(self, signature: Signature) -> None:
        self.signature = signature
        self.decode = Decoder(signature)
        self._attribute = signature.attribute or signature.method

    @property
    def name(self) -> str:
        return self.signature.method

    def __call__(self, model: Any, call: Call) -> Any:
        target = model if self._attribute == "__call__" else getattr(model, self._attribute)
        return target(*call.args, **call.kwargs)


class Served:
    """A model behind a name. Thread-safe; holds the model through its component only.

    `profile` is what is known of it now. With `look` it is found anew whenever the model is loaded; without `is_seen`
    it is unknown before the first load (`is_described`). `replaced` are the routes and methods that the user answers
    himself. `origin` tells what it is a version of.
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
        self.name = name
        self.title = title
        self.origin = origin
        self.component = component
        self.options = options
        self.replaced = replaced
        self.version: int = 1 if before is None else before.version + 1
        self.traffic: Traffic = Traffic() if before is None else before.traffic
        self.log: Log = Log() if before is None else before.log
        self.served_at = datetime.now(UTC)
        self._around = around
        self._look = look
        self.is_described = is_seen
        self.is_retired = False
        self.coroutines = coroutines
        self._awaiting = threading.Semaphore(options.queue)
        self.lane = lane or Lane(name, options.threads, options.queue)
        self._weight: tuple[int, int] = (-1, 0)
        self.inspects_itself = bool(component.peek(_says_itself))
        self.describe(profile)
        component.listen(self)

    def describe(self, profile: Profile) -> None:
        """Take over a new profile: its methods are served from the next request on."""
        not_served = BUILT_IN | self.replaced
        self.profile = profile
        self.methods = {each.method: Method(each) for each in profile.signatures if each.method not in not_served}

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
            self.component.release()

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

    # --- calls

    def submit(self, method: Method, read: Callable[[Method], Call], finish: Callable[[Any], R]) -> Future[Answer[R]]:
        """Run `finish(method(*read(method)))` where this model runs, with the model leased throughout.

        The future raises `InputError`, `ModelError` or `LoadError` and nothing else. Raises `Busy` at once when the
        queue is full.
        """
        if self.component.is_loading_here():
            raise Conflict("A model cannot be asked by its own load.", "Use what it has loaded so far itself.")
        if method.signature.is_async:
            return self._submit_async(method, read, finish)
        # no closure: its frame would hold this, and so the model, for as long as an error is kept
        return self.lane.submit(partial(self._call, method, read, finish))

    def _submit_async(
        self, method: Method, read: Callable[[Method], Call], finish: Callable[[Any], R]
    ) -> Future[Answer[R]]:
        if not self._awaiting.acquire(blocking=False):
            raise Busy(f"{self.name} has {self.options.queue} calls waiting.", "Ask again later.")
        awaiting = self._awaiting  # and not this: an error that is kept keeps its future
        future = self.coroutines.submit(self._call_async(method, read, finish))
        future.add_done_callback(lambda _: awaiting.release())
        return future

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
            "latency_ms": self.traffic.latency_ms(),
            "methods": list(self.methods),
        }

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

    def _call(self, method: Method, read: Callable[[Method], Call], finish: Callable[[Any], R]) -> Answer[R]:
        call, is_in_model = None, False
        try:
            call = read(method)
            with writing_to(self.log), self.component.lease() as model:
                try:
                    method, call = self._reread(method, call, read)
                    is_in_model = True
                    value = method(unwrapped(model), call)
                    if isinstance(value, (Awaitable, AsyncIterator)):  # a plain function before an asynchronous one
                        value = self.coroutines.submit(self._settled(value)).result()
                    is_in_model = False
                    return Answer(finish(value), call.rows)
                finally:
                    del model
        except BaseException as error:  # noqa: BLE001 - the user's code: even its SystemExit ends no thread of ours
            failure, cause = self._translate(error, method, call, is_in_model), error
        finally:
            self._let_go_if_retired()
        raise failure from (cause if failure is not cause else cause.__cause__)

    def _reread(self, method: Method, call: Call, read: Callable[[Method], Call]) -> tuple[Method, Call]:
        """The call as the model that has just been loaded wants it: its file may have been written anew."""
        now = self.methods.get(method.name, method) if self._look is not None else method
        return (method, call) if now is method else (now, read(now))

    def _let_go_if_retired(self) -> None:
        """The last call of a model that is served no more takes a model of the user's own component with it."""
        if self.is_retired and not self.component.has_listeners and isinstance(self.component.source, DrivenSource):
            with suppress(NbserveError):
                self.component.try_unload()

    async def _call_async(
        self, method: Method, read: Callable[[Method], Call], finish: Callable[[Any], R]
    ) -> Answer[R]:
        write_to(self.log)
        call, is_in_model = None, False
        try:
            call = read(method)
            model = await self._acquired()
            try:
                method, call = self._reread(method, call, read)
                is_in_model = True
                with leased_here(self.component):
                    value = await self._settled(method(unwrapped(model), call))
                is_in_model = False
                return Answer(finish(value), call.rows)
            finally:
                del model
                self.component.release()
                self._let_go_if_retired()
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and _is_cancelled():
                raise
            failure, cause = self._translate(error, method, call, is_in_model), error
        forget_locals(cause)
        raise failure from (cause if failure is not cause else cause.__cause__)

    async def _settled(self, value: Any) -> Any:
        """What an asynchronous method comes to."""
        write_to(self.log)
        if isinstance(value, AsyncIterator):
            return await _listed(value)
        return await value if isinstance(value, Awaitable) else value

    async def _acquired(self) -> Any:
        """The model, leased; a load is waited for without holding the loop up. Raises `LoadError`."""
        with writing_to(self.log):
            return await acquired(self.component)

    def _translate(self, error: BaseException, method: Method, call: Call | None, is_in_model: bool) -> NbserveError:
        if isinstance(error, NbserveError) and (not is_in_model or isinstance(error, OutputError)):
            return error  # in the model it is of another endpoint that the model asked, and the model's affair
        if method.signature.accepts_any_keyword and call is not None:
            keyword = refused_keyword(error, call.kwargs)
            if keyword is not None:
                fault = Fault((keyword,), f"Unknown argument {keyword[:60]!r}.", "unknown_argument")
                return InputError(fault.msg, "Leave it out.", faults=[fault])
        if is_callers_fault(error):
            return InputError(
                f"The model does not accept this data: {reason_of(error)}",
                "Send what its inspect page describes; after a new fit, refresh() describes it anew.",
            )
        self.log.write("".join(traceback.format_exception(error)) + "\n")
        return ModelError(
            f"{self.name}.{method.name} raised {reason_of(error).rstrip('.')}.",
            f"Its traceback is in the endpoint's log: %nbserve log {self.name}",
        )


def _weakly(model: object) -> weakref.ref[Any] | None:
    try:
        return weakref.ref(model)
    except TypeError:  # lists, slotted objects
        return None


def _says_itself(model: Any) -> bool:
    """Whether the model is a user's `Model` that says what it is."""
    return isinstance(model, Model) and type(model).inspect is not Model.inspect


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _is_cancelled() -> bool:
    """Whether the running task is asked to end: a model may raise `CancelledError` for reasons of its own."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _listed(values: AsyncIterator[Any]) -> list[Any]:
    listed: list[Any] = []
    async for value in values:
        listed.append(value)
        if len(listed) > LONGEST_STREAM:
            raise OutputError("The model's answer does not end.", "Yield a bounded number of values.")
    return listed
