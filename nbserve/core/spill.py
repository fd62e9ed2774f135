"""A model put aside on disk, to be brought back as it was.

Pickle protocol 5 with its buffers out of band: the arrays go to the file, and come from it, without a second copy in
memory. The file is private, is read by the process that wrote it only, and is checked against seals that never left
this process before anything of it is unpickled.

Classes, functions and modules are not copied: the model comes back with the very ones that it had, also when the
notebook has defined them anew since, and a function still sees the notebook's own variables.
"""

from __future__ import annotations

import errno
import os
import pickle
import shutil
import tempfile
import weakref
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from ..errors import SpillError
from .blame import reason_of
from .frames import BrokenSeal, read_frames, room, write_frames
from .reduction import AsItIs, Reduction
from .seal import Seal

__all__ = ["Spill"]


def _nobody(_: int) -> None: ...


class Spill:
    """One model in one private file; the file goes when this object goes."""

    def __init__(self, path: Path, sizes: Sequence[int], seals: Sequence[Seal], kept: list[object]) -> None:
        self.path = path
        self.size_bytes = sum(sizes)
        self._sizes = sizes
        self._seals = seals
        self._kept = kept
        self._remove = weakref.finalize(self, _remove_if_ours, path, os.getpid())

    @classmethod
    def write(cls, model: object, folder: Path) -> Spill:
        """Put `model` into a new file below `folder`. Raises `SpillError`; then nothing is left behind."""
        pickled = _pickled(model)
        frames = [*pickled.stream, *pickled.buffers]
        sizes = array("Q", [_size_of(pickled.stream), *(buffer.nbytes for buffer in pickled.buffers)])
        try:
            _refuse_what_does_not_fit(folder, sum(sizes))
            path = _new_file(folder)
            try:
                return cls(path, sizes, write_frames(path, frames), pickled.kept)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise SpillError(
                f"The model could not be put aside: {error.strerror or error}.",
                "Make room on the disk of the temporary folder (TMPDIR); the model stays loaded.",
            ) from None

    def read(self, arrived: Callable[[int], object] = _nobody) -> Any:
        """The model. Raises `SpillError` when the file is not what was written.

        `arrived` is told of every so many bytes more, by several threads.
        """
        try:
            frames = [room(size) for size in self._sizes]
            read_frames(self.path, frames, self._seals, arrived)
        except (OSError, MemoryError) as error:
            raise SpillError(f"The model that was put aside cannot be read: {reason_of(error)}.") from None
        except BrokenSeal:
            raise SpillError(
                "The file of the model that was put aside has been changed.", "Serve the model again."
            ) from None
        stream, *buffers = frames
        del frames
        return _Unpickler(stream, _each_once(buffers), self._kept).load()

    def remove(self) -> None:
        self._remove()


class _Kept(list[object]):
    """What is not copied. Its type is ours, so that it is told to nobody as a holder whom they could ask to let go."""


class _Pickler(pickle.Pickler):
    """Takes the buffers out of the stream, and refers to what the notebook itself has defined."""

    def __init__(self) -> None:
        self.stream: list[memoryview] = []
        self.buffers: list[memoryview] = []
        self.kept = _Kept()
        self._places: dict[int, int] = {}
        self._reduction = Reduction()
        # no method of its own: a pickler that holds itself would hold all it has seen, too
        super().__init__(_Collector(self.stream), protocol=5, buffer_callback=partial(_take_out, self.buffers))

    def persistent_id(self, obj: object) -> int | None:
        if isinstance(obj, AsItIs):
            return self._place_of(obj.kept)
        return self._place_of(obj) if _is_referred_to(obj) else None

    def reducer_override(self, obj: object) -> Any:
        reduced = self._reduction.of(obj)
        return NotImplemented if reduced is None else reduced

    def _place_of(self, obj: object) -> int:
        place = self._places.setdefault(id(obj), len(self.kept))
        if place == len(self.kept):
            self.kept.append(obj)
        return place


class _Collector:
    """A file that keeps what is written to it as it is, large things without a copy."""

    def __init__(self, pieces: list[memoryview]) -> None:
        self._pieces = pieces

    def write(self, data: Any) -> None:
        # a memoryview may be of memory that goes when the pickler does
        self._pieces.append(memoryview(data if isinstance(data, (bytes, bytearray)) else bytes(data)))


class _Unpickler(pickle.Unpickler):
    """Reads what this process wrote, and nobody has changed since."""

    def __init__(self, stream: memoryview, buffers: Iterator[memoryview], kept: list[object]) -> None:
        super().__init__(_Reader(stream), buffers=buffers)
        self._kept = kept

    def persistent_load(self, pid: Any) -> object:
        return self._kept[pid]


class _Reader:
    """A block of memory as a file to unpickle, large things without a second copy."""

    def __init__(self, block: memoryview) -> None:
        self._rest = block

    def read(self, size: int) -> bytes:
        return bytes(self._next(size))

    def readinto(self, target: Any) -> int:
        piece = self._next(len(target))
        target[: len(piece)] = piece
        return len(piece)

    def readline(self) -> bytes:
        raise pickle.UnpicklingError("protocol 5 has no lines")

    def _next(self, size: int) -> memoryview:
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece


def _size_of(pieces: Sequence[memoryview]) -> int:
    return sum(piece.nbytes for piece in pieces)


def _new_file(folder: Path) -> Path:
    descriptor, name = tempfile.mkstemp(prefix="model-", suffix=".spill", dir=folder)  # mode 0600
    os.close(descriptor)
    return Path(name)


def _each_once(frames: list[memoryview]) -> Iterator[memoryview]:
    """The frames in their order; what the model has made a copy of goes at once."""
    frames.reverse()
    while frames:
        yield frames.pop()


def _take_out(buffers: list[memoryview], buffer: pickle.PickleBuffer) -> bool:
    try:
        buffers.append(buffer.raw())
    except BufferError:  # not contiguous: let it travel in the stream
        return True
    return False


def _is_referred_to(obj: object) -> bool:
    """Whether an object is code that pickle would look up by a name which may mean another one later, or nothing."""
    if isinstance(obj, ModuleType):
        return True
    if not isinstance(obj, (type, FunctionType)):
        return False
    return obj.__module__ == "__main__" or "<" in obj.__qualname__  # of the notebook, or of inside a function


def _pickled(model: object) -> _Pickler:
    pickler = _Pickler()
    try:
        pickler.dump(model)
    except SpillError:
        raise
    except Exception as error:  # noqa: BLE001 - a model's own __reduce__ may raise anything
        raise SpillError(
            f"The model cannot be put aside, since it cannot be pickled ({reason_of(error)}).",
            "It stays loaded; stop the endpoint to let go of it.",
        ) from None
    return pickler


def _refuse_what_does_not_fit(folder: Path, size_bytes: int) -> None:
    """A disk that is filled to the last byte would be felt by others, too."""
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < size_bytes:
        raise OSError(errno.ENOSPC, f"it takes {size_bytes / 1e6:,.1f} MB, and {free_bytes / 1e6:,.1f} MB are free")


def _remove_if_ours(path: Path, pid: int) -> None:
    """A forked child inherits the object, never the file."""
    if os.getpid() == pid:
        path.unlink(missing_ok=True)
