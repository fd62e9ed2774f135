"""The calls of one model: where each runs, and what it comes to."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from time import perf_counter, thread_time
from typing import Any, Protocol, TypeVar

from ..errors import Busy, Conflict, Fault, InputError, ModelError, NbserveError, OutputError
from ..options import Options
from .batching import Batcher
from .blame import forget_locals, is_callers_fault, reason_of, refused_keyword
from .codecs import Body, Call, Decoder
from .component import Component
from .cost import Cost
from .custom import acquired, unwrapped
from .engines import Lane, Places, lane_of
from .invocation import invocation_of
from .output import Log, write_to, writing_to
from .schema import DataKind, Signature
from .sharing import Answer, Caller, Request
from .waiting import leased_here

__all__ = ["Callee", "Coroutines", "Method"]

R = TypeVar("R")

LONGEST_STREAM = 10_000_000

SHORT_S = 0.3e-3
NOTED = 8
"""Of calls shorter than that, one of so many is noted."""

READ_HERE_BYTES = 16 * 1024
"""A larger body is not read on the loop of the one who asks."""


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


class Method:
    """One method of a model as it is served: what it takes, and how it is called."""

    def __init__(self, signature: Signature, max_rows: int | None = None) -> None:
        self.signature = signature
        self.decode = Decoder(signature, max_rows)
        self.cost = Cost()
        self.pace = Cost()
        self._calls = 0
        self.batcher: Batcher | None = None
        self.reads_quickly = _reads_quickly(signature)
        self._attribute = signature.attribute or signature.method
        self._invoke = invocation_of(signature)

    @property
    def name(self) -> str:
        return self.signature.method

    def __call__(self, model: Any, call: Call) -> Any:
        target = model if self._attribute == "__call__" else getattr(model, self._attribute)
        rows = call.rows or 1
        is_short = (self.pace.of(rows) or 1.0) < SHORT_S
        # the clock of a thread is slow to read, and tells nothing new of a call that takes no time at all
        used, began = 0.0 if is_short else thread_time(), perf_counter()
        invoke = self._invoke
        answer = target(*call.args, **call.kwargs) if invoke is None else invoke(target, call.args, call.kwargs)
        took = perf_counter() - began
        self._calls += 1
        if not is_short or took > SHORT_S or self._calls % NOTED == 0:
            self.pace.note(rows, took)
            self.cost.note(rows, took if is_short else thread_time() - used)
        return answer


class Callee:
    """A model whose methods can be called: on its lane, or on the loop of the asynchronous ones. Thread-safe."""

    def __init__(
        self,
        name: str,
        component: Component[Any],
        options: Options,
        *,
        coroutines: Coroutines,
        log: Log,
        lane: Lane | None = None,
    ) -> None:
        self.name = name
        self.component = component
        self.options = options
        self.coroutines = coroutines
        self.log = log
        self.lane = lane or lane_of(name, options.threads, options.places)
        self._awaiting = Places(options.queue)

    def current(self, method: Method) -> Method:
        """The method as it is now: a load may have found another model under the same name."""
        return method

    def let_go_if_retired(self) -> None:
        """The last call of a model that is served no more takes a model of the user's own component with it."""

    def submit(self, method: Method, read: Callable[[Method], Call], finish: Callable[[Any], R]) -> Future[Answer[R]]:
        """Run `finish(method(*read(method)))` where this model runs, with the model leased throughout.

        The future raises `InputError`, `ModelError` or `LoadError` and nothing else. Raises `Busy` at once when the
        queue is full.
        """
        if self.component.is_loading_here():
            raise Conflict("A model cannot be asked by its own load.", "Use what it has loaded so far itself.")
        if method.signature.is_async and self.options.mode != "queue":
            return self._submit_async(method, read, finish)
        # no closure: its frame would hold this, and so the model, for as long as an error is kept
        return self.lane.submit(partial(self.alone, method, read, finish))

    def ask(
        self,
        method: Method,
        sent: bytes | Body,
        finish: Callable[[Any], R],
        caller: Caller,
        loop: asyncio.AbstractEventLoop,
        watch: Callable[[Any], None] | None = None,
        *,
        is_slow: bool = False,
        check: Callable[[Call], None] | None = None,
    ) -> None:
        """The same for a body of bytes, and a caller on the running loop; calls that may share a run of the model do.

        One that `is_slow` to read or to answer keeps off the loop. An answer that does not come at once is watched. Who
        no longer waits for it is done. `check` may refuse what was read, before the model sees it. Raises `Busy`, and
        what is wrong with the body.
        """
        read = partial(_read, sent) if check is None else partial(_read_checked, sent, check)
        batcher = method.batcher or self._batcher_of(method)
        if batcher is None:
            _bridge(self.submit(method, read, finish), caller, loop)
            if watch is not None:
                watch(caller)
            return
        rows = call = None
        reads_here = method.reads_quickly and not is_slow
        if isinstance(sent, Body):
            call = read(method) if reads_here and sent.is_quick else None
        elif reads_here and len(sent) <= READ_HERE_BYTES:
            rows = method.decode.plain_rows(sent) if check is None else None
            call = read(method) if rows is None else None
        batcher.ask(self, Request(read, finish, caller, loop, call=call, rows_sent=rows, size=len(sent), watch=watch))

    def _batcher_of(self, method: Method) -> Batcher | None:
        """None for calls that do not share runs: nobody knows that they may, or the user says that they must not."""
        if method.batcher is None and self._may_share(method.signature):
            signature = method.signature
            is_library = signature.row_wise and method.reads_quickly and not signature.runs_users_code
            method.batcher = Batcher(method, self.lane, self.options.queue, may_run_here=is_library)
        return method.batcher

    def _may_share(self, signature: Signature) -> bool:
        wish = self.options.sharing
        is_known = signature.row_wise if wish == "auto" else wish == "on"
        return is_known and not signature.is_async and signature.data is not None

    @contextmanager
    def leased(self, method: Method) -> Iterator[Any]:
        """The bare model for the length of a block in which it prints to the log.

        None when it has turned out to be another, with another method of that name. Raises `LoadError`.
        """
        try:
            with writing_to(self.log), self.component.lease() as model:
                bare = unwrapped(model) if self.current(method) is method else None
                del model
                yield bare
                del bare
        finally:
            self.let_go_if_retired()

    @contextmanager
    def leased_now(self, method: Method) -> Iterator[Any]:
        """The same without waiting: None when it is not loaded, too."""
        model = self.component.try_acquire()
        if model is None:
            yield None
            return
        try:
            with writing_to(self.log):
                yield unwrapped(model) if self.current(method) is method else None
        finally:
            del model
            self.component.release()
            self.let_go_if_retired()

    def _submit_async(
        self, method: Method, read: Callable[[Method], Call], finish: Callable[[Any], R]
    ) -> Future[Answer[R]]:
        if not self._awaiting.take():
            raise Busy(f"{self.name} has {self.options.queue} calls waiting.", "Ask again later.")
        awaiting = self._awaiting  # and not this: an error that is kept keeps its future
        try:
            future = self.coroutines.submit(self._call_async(method, read, finish))
        except BaseException:  # interrupted, too
            awaiting.give_back()
            raise
        future.add_done_callback(lambda _: awaiting.give_back())
        return future

    def alone(self, method: Method, read: Callable[[Method], Call], finish: Callable[[Any], R]) -> Answer[R]:
        """One call by itself, here and now. Raises `NbserveError`s and nothing else."""
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
            self.let_go_if_retired()
        raise failure from (cause if failure is not cause else cause.__cause__)

    def _reread(self, method: Method, call: Call, read: Callable[[Method], Call]) -> tuple[Method, Call]:
        """The call as the model that has just been loaded wants it: its file may have been written anew."""
        now = self.current(method)
        return (method, call) if now is method else (now, read(now))

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
                self.let_go_if_retired()
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
                f"The model does not accept this data: {reason_of(error)}.",
                "Send what its inspect page describes; after a new fit, refresh() describes it anew.",
            )
        self.log.write("".join(traceback.format_exception(error)) + "\n")
        return ModelError(
            f"{self.name}.{method.name} raised {reason_of(error)}.",
            f"Its traceback is in the endpoint's log: %nbserve log {self.name}",
        )


def _read(sent: bytes | Body, method: Method) -> Call:
    return sent.read(method.decode) if isinstance(sent, Body) else method.decode.from_bytes(sent)


def _read_checked(sent: bytes | Body, check: Callable[[Call], None], method: Method) -> Call:
    call = _read(sent, method)
    check(call)
    return call


def _bridge(source: Future[R], caller: Caller, loop: asyncio.AbstractEventLoop) -> None:
    """Tell the caller on its loop; when he is done with before, what has not begun is taken back."""

    def copy() -> None:
        if caller.done():
            return
        error = NbserveError("The call was given up.", "Ask again.") if source.cancelled() else source.exception()
        if error is None:
            caller.set_result(source.result())
        else:
            caller.set_exception(error)

    def tell(_: object) -> None:
        with suppress(RuntimeError):  # the loop has ended, and nobody waits any more
            loop.call_soon_threadsafe(copy)

    caller.add_done_callback(lambda _: source.cancel())
    source.add_done_callback(tell)


def _reads_quickly(signature: Signature) -> bool:
    """Whether no code of the user's takes part in reading a request."""
    data, parameters = signature.data, signature.parameters
    has_rows = data is not None and data.kind is not DataKind.VALUE and data.annotation is None
    return has_rows and all(each.annotation is None for each in parameters)


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
