"""Adaptive micro-batches: the calls that arrive while one runs are the next, and run together."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from functools import partial
from time import perf_counter

from ..errors import Busy
from .engines import Lane
from .sharing import MOST_ROWS, Called, Outcome, Request, Runner, Sharing, deliver, settle

__all__ = ["Batcher"]

HERE_S = 0.8e-3
"""A run that is expected to be shorter than this runs where its callers wait, on their loop: to change threads twice
takes half as long, and what was just read is no longer at hand there."""

AWAITED_HERE_S = 5e-3
"""… unless it takes longer than this by the clock: a model that waits for somebody would keep the loop waiting, too. A
cell that computes makes any run somewhat longer."""

MOST_BYTES = 16 * 1024**2
"""Of bodies in one run."""

LONG_HERE_S = 20e-3
AWAY = 32
"""After a turn of the loop that a model has held up for longer, so many runs are elsewhere: what has changed is learned
there, and nobody else waits for it."""

FEWEST_ROWS = 8
MOST_AWAITED = 64
"""With so many a run is not held back for more."""

WORTHWHILE = 0.05
"""Rows are joined up to the number from which on the fixed part of a run is less than this share of it."""


class Batcher:
    """The calls of one method, which share runs of the model. Thread-safe; `ask` is for loops.

    Calls wait only while the model is busy. A run that is known to be short takes place on the loop, if
    `may_run_here` and the lane has a free place; all others on the lane. `threads` of them at most are planned at once.
    Whatever goes wrong with several goes to the lane, where halves are tried, until each has an answer of its own.
    """

    def __init__(self, method: Called, lane: Lane, limit: int, *, may_run_here: bool) -> None:
        self._method = method
        self._sharing = Sharing(method)
        self._lane = lane
        self._limit = limit
        self._may_run_here = may_run_here
        self._waiting: deque[Request] = deque()
        self._newest: list[Request] = []
        self._failed: list[Request] = []
        self._lock = threading.Lock()
        self._is_planned = False
        self._seen = 0
        self._usual = 1
        self._runs = 0
        self._away = 0

    def ask(self, runner: Runner, request: Request) -> None:
        """See to it that who asked is answered. Raises `Busy`."""
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
        self._waiting = deque(each for each in self._waiting if not each.caller.done())

    # --- where it runs

    def _plan(self, runner: Runner) -> None:
        """On the loop: run what waits here, if that is short, else see to it that the lane does."""
        with self._lock:
            if self._more_are_coming():
                self._waiting[0].loop.call_soon(self._plan, runner)
                return
            self._is_planned = False
            newest, self._newest = self._newest, []
            most_rows = self._rows_here()
        try:
            if most_rows and self._lane.enter():
                try:
                    self._run_here(runner, most_rows)
                finally:
                    self._lane.leave()
                    self._plan_rest(runner)
            else:
                self._to_lane(runner)
        finally:
            for each in newest:
                if each.watch is not None and not each.caller.done():
                    each.watch(each.caller)

    def _more_are_coming(self) -> bool:
        """Whether to look again after another turn of the loop.

        As long as each turn brings more, up to as many as ran together lately: their callers answer to one another.
        Who comes alone waits for no turn.
        """
        count = len(self._waiting)
        if not self._runs and self._seen < count < self._usual:
            self._seen = count
            return True
        self._seen = 0
        self._usual = min(MOST_AWAITED, max(count, self._usual - 1 - self._usual // 8))
        return False

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
        if not self._may_run_here or self._runs or self._away or not self._sharing.can_part:
            return 0
        if not self._waiting or not self._waiting[0].is_read:
            return 0
        if (self._method.pace.of(1) or 0.0) > AWAITED_HERE_S:
            return 0
        most_rows = self._method.cost.rows_within(HERE_S)
        return min(most_rows, self._most_rows()) if self._waiting[0].rows <= most_rows else 0

    def _run_here(self, runner: Runner, most_rows: int) -> None:
        """One try with all of one layout; what is not answered so is left to the lane."""
        requests, began = self._taken(most_rows, only_read=True), perf_counter()
        try:
            for group in self._sharing.groups(requests):
                outcomes = self._sharing.tried_now(runner, group)
                if outcomes is not None:
                    settle(outcomes)
                if perf_counter() - began > AWAITED_HERE_S:
                    break
        except Exception:  # noqa: BLE001 - a fault of ours: it is told from the lane, if it is one there
            self._away = AWAY
        if perf_counter() - began > LONG_HERE_S:
            self._away = AWAY
        rest = [each for each in requests if not each.caller.done()]
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
        most_rows = self._most_rows()
        requests = self._failed_ones() or self._taken(most_rows)
        outcomes: list[Outcome] = []
        try:
            unread = [each for each in requests if not each.is_read]
            read = [each for each in requests if each.is_read] + self._sharing.read(unread, runner, outcomes)
            for group in self._sharing.groups(read, most_rows):
                deliver(outcomes)
                outcomes = self._sharing.answered(runner, group)
        except BaseException as error:  # noqa: BLE001 - a fault of ours: whoever has no answer yet is told
            outcomes += [(each, None, error) for each in requests]
        finally:
            self._go_on(runner)  # before the last are told: who asks again at once finds this one done
            deliver(outcomes)

    def _go_on(self, runner: Runner) -> None:
        """See to those that came meanwhile: here again, or on their loop when it has turned out to be short."""
        with self._lock:
            self._runs -= 1
            self._away = max(0, self._away - 1)
            is_next = bool(self._failed or (self._waiting and not self._rows_here()))
            is_for_loop = bool(self._waiting) and not is_next and not self._is_planned
            self._runs += is_next
            self._is_planned |= is_for_loop
            loop = self._waiting[0].loop if is_for_loop else None
        if is_next:
            self._lane.push(partial(self._run_on_lane, runner))
        elif loop is not None:
            try:
                loop.call_soon_threadsafe(self._plan, runner)
            except RuntimeError:  # it has ended, and nobody waits there any more; on another one somebody may
                self._is_planned = False

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
                if first.caller.done():
                    self._waiting.popleft()
                    continue
                rows, size = rows + first.rows, size + first.size
                if (taken and (rows > most_rows or size > MOST_BYTES)) or (only_read and not first.is_read):
                    break
                taken.append(self._waiting.popleft())
        return taken
