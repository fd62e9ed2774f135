"""Adaptive micro-batches: the calls that arrive while one runs are the next, and run together."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import orjson

from ..errors import Busy, NbserveError
from .blame import forget_locals
from .codecs import Call, Decoder, joined, layout_of, parted, sliced
from .cost import Cost
from .engines import Lane

__all__ = ["Answer", "Batcher", "Called", "Request", "Runner"]

R = TypeVar("R")

HERE_S = 0.5e-3
"""A run that is expected to be shorter than this runs where its callers wait, on their loop: to change threads twice
takes as long."""

MOST_ROWS = 8192
MOST_BYTES = 16 * 1024**2
"""What one run has at most; a larger call is run in pieces."""

FEWEST_ROWS = 8
WORTHWHILE = 0.05
"""Rows are joined up to the number from which on the fixed part of a run is less than this share of it."""

_PLAIN = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATACLASS


@dataclass(slots=True)
class Answer(Generic[R]):
    """What a call came to, and how many rows it was about."""

    value: R
    rows: int | None


class Called(Protocol):
    """One method of a model."""

    @property
    def decode(self) -> Decoder: ...

    @property
    def cost(self) -> Cost:
        """How long a call keeps its thread busy."""
        ...

    @property
    def pace(self) -> Cost:
        """How long a call takes."""
        ...

    def __call__(self, model: Any, call: Call) -> Any: ...


class Runner(Protocol):
    """Who runs the calls of one model."""

    def leased(self) -> AbstractContextManager[Any]:
        """The model, loaded if need be. Raises `LoadError`."""
        ...

    def leased_now(self) -> AbstractContextManager[Any]:
        """The same without waiting: None when it is not loaded."""
        ...

    def alone(self, method: Any, read: Callable[[], Call], finish: Callable[[Any], R]) -> Answer[R]:
        """One call by itself. Raises `NbserveError`s and nothing else."""
        ...


class Request:
    """One call that waits, and the future of the one who asked, of a loop.

    It is `call`, or `rows_sent` that nobody has read yet, or what `read` gives. `watch` is called on the loop if it is
    not answered at once: somebody is to see to it that it does not wait for ever.
    """

    __slots__ = ("call", "finish", "future", "loop", "read", "rows", "rows_sent", "size", "watch")

    def __init__(
        self,
        read: Callable[[], Call],
        finish: Callable[[Any], Any],
        loop: asyncio.AbstractEventLoop,
        *,
        call: Call | None = None,
        rows_sent: list[Any] | None = None,
        size: int = 0,
        watch: Callable[[asyncio.Future[Any]], None] | None = None,
    ) -> None:
        self.read = read
        self.finish = finish
        self.call = call
        self.rows_sent = rows_sent
        self.rows = (1 if call is None else call.rows or 1) if rows_sent is None else len(rows_sent)
        self.size = size
        self.watch = watch
        self.loop = loop
        self.future: asyncio.Future[Answer[Any]] = loop.create_future()

    @property
    def is_read(self) -> bool:
        return self.call is not None or self.rows_sent is not None

    def read_apart(self) -> Call:
        """The call by itself. Raises `InputError`."""
        if self.call is None:
            self.call, self.rows_sent = self.read(), None
            self.rows = self.call.rows or 1
        return self.call

    def settle(self, answer: Answer[Any] | None, error: NbserveError | None) -> None:
        """On its loop: tell who waits, if anybody does still."""
        if self.future.done():
            return
        if error is not None:
            self.future.set_exception(error)
        elif answer is not None:
            self.future.set_result(answer)


Outcome = tuple[Request, Answer[Any] | None, NbserveError | None]


class Batcher:
    """The calls of one method, which share runs of the model. Thread-safe; `ask` is for loops.

    Calls wait only while the model is busy. A run that is known to be short takes place on the loop, if
    `may_run_here` and the lane has a free place; all others on the lane. `threads` of them at most are planned at once.
    Whatever goes wrong with several goes to the lane, where halves are tried, until each has an answer of its own.
    """

    def __init__(self, method: Called, lane: Lane, limit: int, *, may_run_here: bool) -> None:
        self._method = method
        self._placement = method.decode.placement
        self._lane = lane
        self._limit = limit
        self._may_run_here = may_run_here
        self._waiting: deque[Request] = deque()
        self._newest: list[Request] = []
        self._failed: list[Request] = []
        self._lock = threading.Lock()
        self._is_planned = False
        self._runs = 0
        self._can_part = True

    def ask(self, runner: Runner, request: Request) -> asyncio.Future[Answer[Any]]:
        """The future of the request's answer. Raises `Busy`."""
        with self._lock:
            if len(self._waiting) >= self._limit:
                self._forget_settled()
            if len(self._waiting) >= self._limit:
                raise self._busy()
            self._waiting.append(request)
            self._newest.append(request)
            is_first, self._is_planned = not self._is_planned, True
        if is_first:  # those that the loop has read in the same turn come along
            request.loop.call_soon(self._plan, runner)
        return request.future

    def _busy(self) -> Busy:
        rows = sum(each.rows for each in self._waiting)
        runs = -(-rows // self._most_rows())
        wait_s = runs * (self._method.pace.of(rows // runs) or 1.0) if self._method.pace.fixed_s is not None else 1.0
        return Busy(
            f"{self._lane.owner} has {self._limit} calls waiting.",
            "Ask again later.",
            retry_after_s=wait_s / self._lane.threads,
        )

    def _forget_settled(self) -> None:
        """Calls whose callers have given up wait no more."""
        self._waiting = deque(each for each in self._waiting if not each.future.done())

    # --- where it runs

    def _plan(self, runner: Runner) -> None:
        """On the loop: run what waits here, if that is short, else see to it that the lane does."""
        with self._lock:
            self._is_planned = False
            newest, self._newest = self._newest, []
            most_rows = self._rows_here()
        if most_rows and self._lane.enter():
            try:
                self._run_here(runner, most_rows)
            finally:
                self._lane.leave()
            self._plan_rest(runner)
        else:
            self._to_lane(runner)
        for each in newest:
            if each.watch is not None and not each.future.done():
                each.watch(each.future)

    def _plan_rest(self, runner: Runner) -> None:
        with self._lock:
            has_failed, is_rest = bool(self._failed), bool(self._waiting) and not self._is_planned
            self._is_planned |= is_rest
        if has_failed:
            self._to_lane(runner)
        if is_rest:
            asyncio.get_running_loop().call_soon(self._plan, runner)

    def _rows_here(self) -> int:
        """How many rows a run on the loop may have; 0 if what waits longest has more, or is to run elsewhere."""
        if not self._may_run_here or self._runs or not self._waiting:
            return 0
        most_rows = self._method.cost.rows_within(HERE_S)
        return min(most_rows, self._most_rows()) if self._waiting[0].rows <= most_rows else 0

    def _run_here(self, runner: Runner, most_rows: int) -> None:
        """One try with all of one layout; what is not answered so is left to the lane."""
        requests = self._taken(most_rows, only_read=True)
        rest: list[Request] = []
        for group in self._groups(requests):
            call = self._joined(group)
            with runner.leased_now() as model:
                outcomes = None if model is None or call is None else self._together(model, group, call)
                del model
            if outcomes is None:
                rest += group
            else:
                _settle(outcomes)
        if rest:
            with self._lock:
                self._failed += rest

    def _to_lane(self, runner: Runner) -> None:
        with self._lock:
            if self._runs >= self._lane.threads or not (self._waiting or self._failed):
                return
            self._runs += 1
        self._lane.push(partial(self._run_on_lane, runner))

    def _run_on_lane(self, runner: Runner) -> None:
        """One run after the other, until none waits; behind the others who share the lane."""
        requests = self._failed_ones() or self._taken(self._most_rows())
        outcomes: list[Outcome] = []
        try:
            unread = [each for each in requests if not each.is_read]
            known = [each for each in requests if each.is_read]
            for group in self._groups(known + self._read(unread, runner, outcomes)):
                outcomes += self._answered(runner, group)
        finally:
            _deliver(outcomes)
        with self._lock:
            goes_on = bool(self._waiting or self._failed)
            self._runs -= not goes_on
        if goes_on:
            self._lane.push(partial(self._run_on_lane, runner))

    # --- what is taken

    def _most_rows(self) -> int:
        return max(FEWEST_ROWS, min(MOST_ROWS, self._method.pace.rows_worth_joining(WORTHWHILE)))

    def _failed_ones(self) -> list[Request]:
        with self._lock:
            failed, self._failed = self._failed, []
        return failed

    def _taken(self, most_rows: int, *, only_read: bool = False) -> list[Request]:
        """Those that waited longest, as many as fit into a run, one at least."""
        taken: list[Request] = []
        rows = size = 0
        with self._lock:
            while self._waiting:
                first = self._waiting[0]
                if first.future.done():
                    self._waiting.popleft()
                    continue
                rows, size = rows + first.rows, size + first.size
                if (taken and (rows > most_rows or size > MOST_BYTES)) or (only_read and not first.is_read):
                    break
                taken.append(self._waiting.popleft())
        return taken

    def _read(self, requests: Sequence[Request], runner: Runner, outcomes: list[Outcome]) -> list[Request]:
        """Those that could be read; what is wrong with the others is told."""
        read = []
        for each in requests:
            try:
                each.read_apart()
                read.append(each)
            except BaseException:  # noqa: BLE001 - a user's own validator: by itself it is told what went wrong
                outcomes.append(self._alone(runner, each))
        return read

    def _groups(self, requests: Sequence[Request]) -> list[list[Request]]:
        """The requests by what they must have in common to run together, in the order of their coming."""
        if len(requests) == 1:
            return [[*requests]]
        groups: dict[Hashable, list[Request]] = {}
        for each in requests:
            groups.setdefault(self._key_of(each), []).append(each)
        return list(groups.values())

    def _key_of(self, request: Request) -> Hashable:
        if not self._can_part:
            return id(request)
        call = request.call
        if request.rows_sent is not None:
            return "rows"
        if call is None or not call.rows:
            return id(request)
        layout = layout_of(self._placement.data_of(call))
        if layout is None:
            return id(request)
        if len(call.args) + len(call.kwargs) == 1:
            return layout
        rest = self._placement.with_data(call, None, 0)
        try:
            return layout, orjson.dumps([rest.args, rest.kwargs], option=_PLAIN)
        except TypeError:
            return id(request)

    # --- what it comes to

    def _answered(self, runner: Runner, group: list[Request]) -> list[Outcome]:
        """The outcome of each, with the model leased throughout."""
        if len(group) == 1 and not self._is_oversize(group[0]):
            return [self._alone(runner, group[0])]
        call = self._joined(group)
        if call is None:
            return self._read_apart(runner, group)
        try:
            with runner.leased() as model:
                is_one = len(group) == 1
                outcomes = self._in_pieces(model, group[0]) if is_one else self._together(model, group, call)
                del model
        except NbserveError as error:
            return [(each, None, _again(error)) for each in group]
        return outcomes or self._halves(runner, group)

    def _read_apart(self, runner: Runner, group: list[Request]) -> list[Outcome]:
        """Somebody's rows are not plainly good: whose, is found by reading each."""
        outcomes: list[Outcome] = []
        for each in self._groups(self._read(group, runner, outcomes)):
            outcomes += self._answered(runner, each)
        return outcomes

    def _halves(self, runner: Runner, group: list[Request]) -> list[Outcome]:
        """A run has failed: somebody's rows are to blame, and nobody else is to pay for it."""
        if len(group) == 1 or not self._can_part:
            return [self._alone(runner, each) for each in group]
        middle = len(group) // 2
        return self._answered_again(runner, group[:middle]) + self._answered_again(runner, group[middle:])

    def _answered_again(self, runner: Runner, half: list[Request]) -> list[Outcome]:
        return [self._alone(runner, half[0])] if len(half) == 1 else self._answered(runner, half)

    def _together(self, model: Any, group: list[Request], call: Call) -> list[Outcome] | None:
        """One run for all of them; None when it went wrong, or its answer cannot be told apart."""
        counts = [each.rows for each in group]
        answer = self._tried(model, call)
        parts = None if answer is None else parted(answer, counts)
        if parts is None:
            self._can_part &= answer is None  # an answer of another kind: this method's calls run by themselves
            return None
        return self._finished(group, parts)

    def _in_pieces(self, model: Any, request: Request) -> list[Outcome] | None:
        """One call of too many rows, in several runs; None when that went wrong."""
        call, rows = request.read_apart(), request.rows
        data, found = self._placement.data_of(call), []
        for start in range(0, rows, MOST_ROWS):
            stop = min(rows, start + MOST_ROWS)
            piece = self._placement.with_data(call, sliced(data, start, stop), stop - start)
            answer = self._tried(model, piece)
            if answer is None or parted(answer, [stop - start]) is None or layout_of(answer) is None:
                return None
            found.append(answer)
        alike = len({layout_of(each) for each in found}) == 1
        return self._finished([request], [joined(found)]) if alike else None

    def _finished(self, group: list[Request], parts: list[Any]) -> list[Outcome] | None:
        try:
            return [(each, Answer(each.finish(part), each.rows), None) for each, part in zip(group, parts, strict=True)]
        except BaseException as error:  # noqa: BLE001 - what the model answers is the user's code, too
            forget_locals(error)
            return None

    def _tried(self, model: Any, call: Call) -> Any:
        """The model's answer; None when it raised, or answered None."""
        try:
            return self._method(model, call)
        except BaseException as error:  # noqa: BLE001 - the user's code; alone, each is told what went wrong
            forget_locals(error)
            return None

    def _joined(self, group: list[Request]) -> Call | None:
        """The call of all; None when some of the rows must be looked at more closely."""
        if group[0].rows_sent is not None:
            return self._method.decode.of_rows([row for each in group for row in each.rows_sent or ()])
        calls = [each.call for each in group if each.call is not None]
        if len(group) == 1:
            return calls[0]
        data = joined([self._placement.data_of(call) for call in calls])
        return self._placement.with_data(calls[0], data, len(data))

    def _is_oversize(self, request: Request) -> bool:
        if request.rows <= MOST_ROWS or not self._can_part:
            return False
        return request.call is None or layout_of(self._placement.data_of(request.call)) is not None

    def _alone(self, runner: Runner, request: Request) -> Outcome:
        """By itself, as if nobody else had asked."""
        call = request.call
        try:
            read = request.read if call is None else lambda: call
            return request, runner.alone(self._method, read, request.finish), None
        except NbserveError as error:
            forget_locals(error)
            return request, None, error


def _again(error: NbserveError) -> NbserveError:
    """The same error for one more caller."""
    again = type(error)(error.problem, error.remedy)
    again.__cause__ = error.__cause__
    return again


def _settle(outcomes: Iterable[Outcome]) -> None:
    for request, answer, error in outcomes:
        request.settle(answer, error)


def _deliver(outcomes: list[Outcome]) -> None:
    """From the lane: to each loop once."""
    loops: dict[asyncio.AbstractEventLoop, list[Outcome]] = {}
    for outcome in outcomes:
        loops.setdefault(outcome[0].loop, []).append(outcome)
    for loop, its in loops.items():
        with suppress(RuntimeError):  # the loop has ended, and nobody waits any more
            loop.call_soon_threadsafe(_settle, its)
