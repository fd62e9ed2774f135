"""One served model: its component, its methods, where they run, and what has been asked of it."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from ..errors import InputError, ModelError, NbserveError, OutputError
from ..options import Options
from .blame import is_callers_fault, reason_of
from .codecs import Call, Decoder
from .component import Component, UnloadReport
from .engines import Lane
from .memory import give_back, resident_bytes
from .output import Log, write_to
from .schema import Profile, Signature
from .sizing import size_of
from .traffic import Traffic

__all__ = ["Answer", "Coroutines", "Method", "Served"]

R = TypeVar("R")

BUILT_IN = frozenset({"inspect", "load", "metadata", "unload"})
"""Routes of every endpoint; a model's method of such a name is not served."""

LONGEST_STREAM = 10_000_000


class Coroutines(Protocol):
    """A place where coroutines run, reached from any thread."""

    def submit(self, coroutine: Coroutine[Any, Any, R]) -> Future[R]: ...


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
    """A model behind a name. Thread-safe; holds the model through its component only."""

    def __init__(
        self,
        name: str,
        component: Component[Any],
        profile: Profile,
        options: Options,
        *,
        coroutines: Coroutines,
        holders: Callable[[object], tuple[str, ...]] = lambda _: (),
        before: Served | None = None,
    ) -> None:
        self.name = name
        self.component = component
        self.options = options
        self.version: int = 1 if before is None else before.version + 1
        self.traffic: Traffic = Traffic() if before is None else before.traffic
        self.log: Log = Log() if before is None else before.log
        self.served_at = datetime.now(UTC)
        self._holders = holders
        self.coroutines = coroutines
        self._lane = Lane(name, options.threads, options.queue, enter=partial(write_to, self.log))
        self._weight: tuple[int, int] = (-1, 0)
        self.describe(profile)

    def describe(self, profile: Profile) -> None:
        """Take over a new profile: its methods are served from the next request on."""
        self.profile = profile
        self.methods = {each.method: Method(each) for each in profile.signatures if each.method not in BUILT_IN}

    def submit(self, method: Method, read: Callable[[], Call], finish: Callable[[Any], R]) -> Future[Answer[R]]:
        """Run `finish(method(*read()))` where this model runs, with the model leased throughout.

        The future raises `InputError`, `ModelError` or `LoadError` and nothing else. Raises `Busy` at once when the
        queue is full.
        """
        if method.signature.is_async:
            return self.coroutines.submit(self._call_async(method, read, finish))
        return self._lane.submit(lambda: self._call(method, read, finish))

    def load(self) -> None:
        """Raises `LoadError`."""
        copy_context().run(self._load)

    def unload(self, timeout_s: float | None = None) -> UnloadReport:
        """Let go of the model. Raises `SpillError`; the model stays loaded then."""
        holders = self.component.peek(self._holders) or ()
        assert isinstance(holders, tuple)
        before = resident_bytes()
        state = self.component.unload(timeout_s)
        if not holders:
            give_back()
        return UnloadReport(state, max(0, before - resident_bytes()), holders)

    def retire(self) -> None:
        """No longer served: let the threads go when the calls in flight have ended."""
        self._lane.retire()

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
        source = component.source
        return {
            "name": self.name,
            "version": self.version,
            "state": str(state),
            "loaded": state == "loaded",
            "reason": component.failure,
            "served_at": self.served_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "memory": {"model_bytes": self.model_bytes(), "spilled_bytes": getattr(source, "spilled_bytes", 0)},
            "counters": {**self.traffic.counters(), "loads": component.loads, "unloads": component.unloads},
            "latency_ms": self.traffic.latency_ms(),
            "methods": list(self.methods),
        }

    def inspect(self) -> dict[str, Any]:
        """What the model is and takes."""
        return {"name": self.name, "version": self.version, "model": self.profile.to_dict()}

    def _load(self) -> None:
        write_to(self.log)
        self.component.load()

    def _call(self, method: Method, read: Callable[[], Call], finish: Callable[[Any], R]) -> Answer[R]:
        call = read()
        with self.component.lease() as model:
            try:
                return Answer(finish(method(model, call)), call.rows)
            except BaseException as error:  # noqa: BLE001 - the user's code: even its SystemExit ends no thread of ours
                failure, cause = self._translate(error, method.name), error
            finally:
                del model
        raise failure from (cause if failure is not cause else cause.__cause__)

    async def _call_async(self, method: Method, read: Callable[[], Call], finish: Callable[[Any], R]) -> Answer[R]:
        write_to(self.log)
        call = read()
        model = self.component.try_acquire()
        if model is None:
            model = await asyncio.wrap_future(self._lane.submit(self.component.acquire))
        try:
            value = method(model, call)
            value = await _listed(value) if isinstance(value, AsyncIterator) else await value
            return Answer(finish(value), call.rows)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - as above
            failure, cause = self._translate(error, method.name), error
        finally:
            del model
            self.component.release()
        raise failure from (cause if failure is not cause else cause.__cause__)

    def _translate(self, error: BaseException, method: str) -> NbserveError:
        if isinstance(error, NbserveError):
            return error
        if is_callers_fault(error):
            return InputError(
                f"The model does not accept this data: {reason_of(error)}", "Send what its inspect page describes."
            )
        self.log.write("".join(traceback.format_exception(error)) + "\n")
        return ModelError(
            f"{self.name}.{method} raised {reason_of(error)}.",
            f"Its traceback is in the endpoint's log: %nbserve log {self.name}",
        )


async def _listed(values: AsyncIterator[Any]) -> list[Any]:
    listed: list[Any] = []
    async for value in values:
        listed.append(value)
        if len(listed) > LONGEST_STREAM:
            raise OutputError("The model's answer does not end.", "Yield a bounded number of values.")
    return listed
