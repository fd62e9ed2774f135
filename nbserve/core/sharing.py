"""One run of a model for many calls: which may share it, and what it comes to for each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import orjson

from ..errors import NbserveError, NotAcceptable
from .blame import forget_locals
from .codecs import Call, Decoder, joined, layout_of, parted, sliced
from .cost import Cost

__all__ = ["MOST_ROWS", "Answer", "Called", "Caller", "Outcome", "Request", "Runner", "Sharing", "deliver", "settle"]

R = TypeVar("R")

MOST_ROWS = 8192
"""What one run has at most; a larger call is run in pieces."""

_PLAIN = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATACLASS


@dataclass(slots=True)
class Answer(Generic[R]):
    """What a call came to, and how many rows it was about."""

    value: R
    rows: int | None


class Caller(Protocol):
    """Who waits for an answer: a future of a loop, or what is used like one there."""

    def done(self) -> bool: ...

    def set_result(self, result: Any, /) -> None: ...

    def set_exception(self, exception: Any, /) -> None: ...

    def add_done_callback(self, fn: Callable[[Any], object], /) -> None: ...


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

    def leased(self, method: Any) -> AbstractContextManager[Any]:
        """The model, loaded if need be; None when that method is not what it has. Raises `LoadError`."""
        ...

    def leased_now(self, method: Any) -> AbstractContextManager[Any]:
        """The same without waiting: None when it is not loaded, too."""
        ...

    def alone(self, method: Any, read: Callable[[Any], Call], finish: Callable[[Any], R]) -> Answer[R]:
        """One call by itself. Raises `NbserveError`s and nothing else."""
        ...


class Request:
    """One call that waits, and who asked for it, on a loop.

    It is `call`, or `rows_sent` that nobody has read yet, or what `read(method)` gives. `watch` is called on the
    loop if it is not answered at once: somebody is to see to it that it does not wait for ever.
    """

    __slots__ = ("call", "caller", "finish", "loop", "read", "rows", "rows_sent", "size", "watch")

    def __init__(
        self,
        read: Callable[[Any], Call],
        finish: Callable[[Any], Any],
        caller: Caller,
        loop: asyncio.AbstractEventLoop,
        *,
        call: Call | None = None,
        rows_sent: list[Any] | None = None,
        size: int = 0,
        watch: Callable[[Any], None] | None = None,
    ) -> None:
        self.read = read
        self.finish = finish
        self.call = call
        self.rows_sent = rows_sent
        self.rows = (1 if call is None else call.rows or 1) if rows_sent is None else len(rows_sent)
        self.size = size
        self.watch = watch
        self.loop = loop
        self.caller = caller

    @property
    def is_read(self) -> bool:
        return self.call is not None or self.rows_sent is not None

    def read_apart(self, method: Called) -> Call:
        """The call by itself. Raises `InputError`."""
        if self.call is None:
            self.call, self.rows_sent = self.read(method), None
            self.rows = self.call.rows or 1
        return self.call

    def given_away(self, method: Called) -> Call:
        """The call by itself, for the model to do with as it likes: it is read anew if it is needed once more."""
        call = self.read_apart(method)
        self.call = None
        return call

    def settle(self, answer: Answer[Any] | None, error: BaseException | None) -> None:
        """On its loop: tell who waits, if anybody does still."""
        if self.caller.done():
            return
        if error is not None:
            self.caller.set_exception(error)
        elif answer is not None:
            self.caller.set_result(answer)


Outcome = tuple[Request, Answer[Any] | None, BaseException | None]


class Sharing:
    """Runs of one method for several calls.

    Whatever goes wrong with several is tried with halves of them, until each has an answer of its own: that of the
    call by itself. `can_part` turns false when answers are not of a kind that has a row for each row asked. Of a model
    that only its user says this of, one row is looked at by itself first: some answer it with a bare number.
    """

    def __init__(self, method: Called) -> None:
        self._method = method
        self._placement = method.decode.placement
        self.can_part = True
        self._knows_one = method.decode.signature.row_wise

    def read(self, requests: Sequence[Request], runner: Runner, outcomes: list[Outcome]) -> list[Request]:
        """Those that could be read; what is wrong with the others is told."""
        read = []
        for each in requests:
            try:
                each.read_apart(self._method)
                read.append(each)
            except BaseException:  # noqa: BLE001 - a user's own validator: by itself it is told what went wrong
                outcomes.append(self._alone(runner, each))
        return read

    def groups(self, requests: Sequence[Request], most_rows: int = MOST_ROWS) -> list[list[Request]]:
        """The requests by what they must have in common to run together, in the order of their coming."""
        if len(requests) == 1:
            return [[*requests]]
        groups: dict[Hashable, list[Request]] = {}
        for each in requests:
            groups.setdefault(self._key_of(each), []).append(each)
        return [run for group in groups.values() for run in _runs_of(group, most_rows)]

    def _key_of(self, request: Request) -> Hashable:
        if not self.can_part:
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

    def tried_now(self, runner: Runner, group: list[Request]) -> list[Outcome] | None:
        """The outcome of each, if that is plain sailing; None if it is not, and nothing was said to anybody."""
        call = self._joined(group)
        if call is None:
            return None
        with runner.leased_now(self._method) as model:
            outcomes = None if model is None else self._together(model, group, call)
            del model
        return outcomes

    def answered(self, runner: Runner, group: list[Request]) -> list[Outcome]:
        """The outcome of each, with the model leased throughout."""
        if len(group) > 1 and not self._knows_one:
            one = next((each for each in group if each.rows == 1), None)
            if one is not None:
                rest = [each for each in group if each is not one]
                return [self._alone(runner, one), *self._answered(runner, rest)]
        return self._answered(runner, group)

    def _answered(self, runner: Runner, group: list[Request]) -> list[Outcome]:
        if not self.can_part or (len(group) == 1 and not self._is_oversize(group[0])):
            return [self._alone(runner, each) for each in group]
        call = self._joined(group) if len(group) > 1 else None
        if call is None and len(group) > 1:
            return self._read_apart(runner, group)
        try:
            with runner.leased(self._method) as model:
                outcomes = self._run(model, group, call)
                is_other = model is None
                del model
        except NbserveError as error:
            return [(each, None, _again(error)) for each in group]
        if is_other:
            return [self._alone(runner, each) for each in group]
        return outcomes or self._halves(runner, group)

    def _run(self, model: Any, group: list[Request], call: Call | None) -> list[Outcome] | None:
        if model is None:
            return None
        return self._in_pieces(model, group[0]) if call is None else self._together(model, group, call)

    def _read_apart(self, runner: Runner, group: list[Request]) -> list[Outcome]:
        """Somebody's rows are not plainly good: whose, is found by reading each."""
        outcomes: list[Outcome] = []
        for each in self.groups(self.read(group, runner, outcomes)):
            outcomes += self.answered(runner, each)
        return outcomes

    def _halves(self, runner: Runner, group: list[Request]) -> list[Outcome]:
        """A run has failed: somebody's rows are to blame, and nobody else is to pay for it."""
        if len(group) == 1 or not self.can_part:
            return [self._alone(runner, each) for each in group]
        middle = len(group) // 2
        return self._answered_again(runner, group[:middle]) + self._answered_again(runner, group[middle:])

    def _answered_again(self, runner: Runner, half: list[Request]) -> list[Outcome]:
        return [self._alone(runner, half[0])] if len(half) == 1 else self.answered(runner, half)

    def _together(self, model: Any, group: list[Request], call: Call) -> list[Outcome] | None:
        """One run for all of them; None when it went wrong, or its answer cannot be told apart."""
        answer = self._tried(model, call)
        if answer is None:
            return None
        parts = parted(answer, [each.rows for each in group])
        if parts is None:  # an answer of another kind: from now on this method's calls run by themselves
            self.can_part = False
            return None
        return self._finished(group, parts)

    def _in_pieces(self, model: Any, request: Request) -> list[Outcome] | None:
        """One call of too many rows, in several runs; None when that went wrong."""
        call, rows = request.given_away(self._method), request.rows
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
            return [_finished(each, part) for each, part in zip(group, parts, strict=True)]
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
        if len(group) == 1:
            return group[0].given_away(self._method)
        calls = [each.given_away(self._method) for each in group]  # they may share what the model changes
        try:
            data = joined([self._placement.data_of(call) for call in calls])
        except Exception:  # noqa: BLE001 - a library's own: what it does not join is not joined again
            self.can_part = False
            return None
        return self._placement.with_data(calls[0], data, len(data))

    def _is_oversize(self, request: Request) -> bool:
        if request.rows <= MOST_ROWS or not self.can_part:
            return False
        return request.call is None or layout_of(self._placement.data_of(request.call)) is not None

    def _alone(self, runner: Runner, request: Request) -> Outcome:
        """By itself, as if nobody else had asked."""
        try:
            return request, runner.alone(self._method, request.given_away, partial(self._looked_at, request)), None
        except NbserveError as error:
            return request, None, _bare(error)

    def _looked_at(self, request: Request, answer: Any) -> Any:
        self._knows_one |= request.rows == 1
        if self.can_part and parted(answer, [request.rows]) is None and parted(answer, [0]) is None:
            self.can_part = False
        return request.finish(answer)


def _finished(request: Request, part: Any) -> Outcome:
    """The answer in the form that was asked for; if it cannot have that form, nobody else is concerned."""
    try:
        return request, Answer(request.finish(part), request.rows), None
    except NotAcceptable as error:
        return request, None, _bare(error)


def _runs_of(group: list[Request], most_rows: int) -> Iterator[list[Request]]:
    """The group as it is, or in parts of so many rows."""
    run: list[Request] = []
    rows = 0
    for each in group:
        if run and rows + each.rows > most_rows:
            yield run
            run, rows = [], 0
        run.append(each)
        rows += each.rows
    yield run


def _bare(error: NbserveError) -> NbserveError:
    """The error without what led to it, which the log has: those frames, and their callers', hold the model."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def _again(error: NbserveError) -> NbserveError:
    """The same error for one more caller."""
    return type(error)(error.problem, error.remedy)


def settle(outcomes: Iterable[Outcome]) -> None:
    for request, answer, error in outcomes:
        request.settle(answer, error)


def deliver(outcomes: list[Outcome]) -> None:
    """From the lane: to each loop once."""
    loops: dict[asyncio.AbstractEventLoop, list[Outcome]] = {}
    for outcome in outcomes:
        loops.setdefault(outcome[0].loop, []).append(outcome)
    for loop, its in loops.items():
        with suppress(RuntimeError):  # the loop has ended, and nobody waits any more
            loop.call_soon_threadsafe(settle, its)
