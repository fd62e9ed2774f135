"""Bytes to a private file and back, by several threads, sealed on their way.

The bytes are cut into parts of one size. Each is sealed and written, or read and checked, by one thread, while it is in
the cache of its core. Neither way makes a second copy of the whole.
"""

from __future__ import annotations

import mmap
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from .seal import Seal, is_intact, seal

__all__ = ["BrokenSeal", "read_frames", "room", "write_frames"]

PART = 2 << 20
"""Small enough for the cache of a core, large enough that the threads seldom wait for the interpreter's lock."""

MOST_THREADS = 4

MAPPED = 128 << 10
"""Blocks from this size on go back to the system in the moment that nobody uses them."""

HUGE = 4 << 20

Part = Sequence[memoryview]
Tasks = deque[tuple[int, Part]]


class BrokenSeal(Exception):
    """The file does not hold what was written."""


def room(size: int) -> memoryview:
    """A writable block of that size; a forked child gets its own."""
    if size < MAPPED or not hasattr(mmap, "MAP_PRIVATE"):
        return memoryview(bytearray(size))
    block = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if size >= HUGE and hasattr(mmap, "MADV_HUGEPAGE"):
        block.madvise(mmap.MADV_HUGEPAGE)
    return memoryview(block)


def write_frames(path: Path, frames: Iterable[memoryview]) -> list[Seal]:
    """Write the frames, one after the other, into the file that is there; answers its seals. Raises `OSError`.

    What is sealed is what is written, also when somebody changes the frames meanwhile.
    """
    parts = list(_cut(frames))
    seals: list[Seal | None] = [None] * len(parts)
    _by_threads(partial(_write_parts, path, seals), parts)
    return [each for each in seals if each is not None]


def read_frames(
    path: Path, frames: Iterable[memoryview], seals: Sequence[Seal], arrived: Callable[[int], object]
) -> None:
    """Fill the frames, which are as long as those that were written, from the file. Raises `OSError`, `BrokenSeal`.

    `arrived` is told of every so many bytes more, by several threads.
    """
    _by_threads(partial(_read_parts, path, seals, arrived), list(_cut(frames)))


def _write_parts(path: Path, seals: list[Seal | None], tasks: Tasks) -> None:
    copy = room(PART)
    with path.open("r+b") as file:
        for index, part in _taken(tasks):
            whole = copy[: _gather(part, copy)]
            seals[index] = seal(whole)
            file.seek(index * PART)
            file.write(whole)


def _read_parts(path: Path, seals: Sequence[Seal], arrived: Callable[[int], object], tasks: Tasks) -> None:
    copy = room(PART)
    with path.open("rb") as file:
        for index, part in _taken(tasks):
            whole = part[0] if len(part) == 1 else copy[: sum(piece.nbytes for piece in part)]
            file.seek(index * PART)
            size = file.readinto(whole)
            if size != whole.nbytes or not is_intact(whole, seals[index]):
                raise BrokenSeal
            if len(part) > 1:
                _scatter(whole, part)
            arrived(size)


def _gather(part: Part, copy: memoryview) -> int:
    end = 0
    for piece in part:
        copy[end : end + piece.nbytes] = piece
        end += piece.nbytes
    return end


def _scatter(whole: memoryview, part: Part) -> None:
    at = 0
    for piece in part:
        piece[:] = whole[at : at + piece.nbytes]
        at += piece.nbytes


def _cut(frames: Iterable[memoryview]) -> Iterator[Part]:
    """The frames as parts of `PART` bytes, and a last one of what is left."""
    part: list[memoryview] = []
    space = PART
    for frame in frames:
        at = 0
        while at < frame.nbytes:
            piece = frame[at : at + space]
            part.append(piece)
            at += piece.nbytes
            space -= piece.nbytes
            if space == 0:
                yield part
                part, space = [], PART
    if part:
        yield part


def _by_threads(work: Callable[[Tasks], None], parts: Sequence[Part]) -> None:
    tasks = deque(enumerate(parts))

    def run() -> None:
        try:
            work(tasks)
        finally:
            tasks.clear()  # where one fails, all stop

    count = min(MOST_THREADS, _processors(), len(parts))
    if count <= 1:
        run()
        return
    with ThreadPoolExecutor(count, "nbserve:spill") as threads:
        try:
            for ended in [threads.submit(run) for _ in range(count)]:
                ended.result()
        finally:
            tasks.clear()  # an interrupt need not wait for all of them


def _taken(tasks: Tasks) -> Iterator[tuple[int, Part]]:
    while True:
        try:
            yield tasks.popleft()
        except IndexError:
            return


def _processors() -> int:
    """Those that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this platform
        return os.cpu_count() or 1
