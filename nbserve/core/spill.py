"""A model put aside on disk, to be brought back as it was.

Pickle protocol 5 with its buffers out of band: the arrays go to the file, and come from it, without a second copy in
memory. The file is private, is read by the process that wrote it only, and is checked against a digest that never
left this process before anything of it is unpickled.

Classes, functions and modules are not copied: the model comes back with the very ones that it had, also when the
notebook has defined them anew since, and a function still sees the notebook's own variables.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import struct
import tempfile
import weakref
from functools import partial
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, BinaryIO

from ..errors import SpillError
from .blame import reason_of

__all__ = ["Spill"]

_COUNT = struct.Struct("<Q")


class Spill:
    """One model in one private file; the file goes when this object goes."""

    def __init__(self, path: Path, digest: bytes, size_bytes: int, kept: list[object]) -> None:
        self.path = path
        self.size_bytes = size_bytes
        self._digest = digest
        self._kept = kept
        self._remove = weakref.finalize(self, _remove_if_ours, path, os.getpid())

    @classmethod
    def write(cls, model: object, folder: Path) -> Spill:
        """Put `model` into a new file below `folder`. Raises `SpillError`; then nothing is left behind."""
        stream, buffers, kept = _pickled(model)
        descriptor, name = tempfile.mkstemp(prefix="model-", suffix=".spill", dir=folder)  # mode 0600
        path = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                hashed = _Hashed(file)
                _write_frames(hashed, stream, buffers)
            return cls(path, hashed.digest(), hashed.size_bytes, kept)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise SpillError(
                f"The model could not be put aside: {error.strerror or error}.",
                "Make room on the disk of the temporary folder (TMPDIR); the model stays loaded.",
            ) from None
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def read(self) -> Any:
        """The model. Raises `SpillError` when the file is not what was written."""
        try:
            with self.path.open("rb") as file:
                hashed = _Hashed(file)
                stream, buffers = _read_frames(hashed)
        except (OSError, EOFError, struct.error, MemoryError, OverflowError) as error:
            raise SpillError(f"The model that was put aside cannot be read: {reason_of(error)}.") from None
        if hashed.digest() != self._digest:
            raise SpillError("The file of the model that was put aside has been changed.", "Serve the model again.")
        return _Unpickler(stream, buffers, self._kept).load()

    def remove(self) -> None:
        self._remove()


class _Hashed:
    """A file whose bytes are hashed and counted on their way."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.blake2b(digest_size=32)
        self.size_bytes = 0

    def write(self, data: Any) -> None:
        self._file.write(data)
        self._note(data)

    def read(self, size: int) -> bytearray:
        data = bytearray(size)
        if self._file.readinto(data) != size:  # type: ignore[attr-defined]  # a buffered reader has it
            raise EOFError("the file ends too early")
        self._note(data)
        return data

    def digest(self) -> bytes:
        return self._hash.digest()

    def _note(self, data: Any) -> None:
        self._hash.update(data)
        self.size_bytes += len(data)


def _write_frames(file: _Hashed, stream: memoryview, buffers: list[memoryview]) -> None:
    file.write(_COUNT.pack(1 + len(buffers)))
    for frame in (stream, *buffers):
        file.write(_COUNT.pack(frame.nbytes))
        file.write(frame)


def _read_frames(file: _Hashed) -> tuple[bytearray, list[bytearray]]:
    (count,) = _COUNT.unpack(file.read(_COUNT.size))
    frames = [_read_frame(file) for _ in range(count)]
    return frames[0], frames[1:]


def _read_frame(file: _Hashed) -> bytearray:
    (size,) = _COUNT.unpack(file.read(_COUNT.size))
    return file.read(size)


class _Pickler(pickle.Pickler):
    """Takes the buffers out of the stream, and refers to what the notebook itself has defined."""

    def __init__(self) -> None:
        self.stream = io.BytesIO()
        self.buffers: list[memoryview] = []
        self.kept: list[object] = []
        # not a method of its own: a pickler that holds itself would hold all it has seen, too
        super().__init__(self.stream, protocol=5, buffer_callback=partial(_take_out, self.buffers))

    def persistent_id(self, obj: object) -> int | None:
        if not _is_referred_to(obj):
            return None
        self.kept.append(obj)
        return len(self.kept) - 1


class _Unpickler(pickle.Unpickler):
    """Reads what this process wrote, and nobody has changed since."""

    def __init__(self, stream: bytearray, buffers: list[bytearray], kept: list[object]) -> None:
        super().__init__(io.BytesIO(stream), buffers=buffers)
        self._kept = kept

    def persistent_load(self, pid: Any) -> object:
        return self._kept[pid]


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


def _pickled(model: object) -> tuple[memoryview, list[memoryview], list[object]]:
    pickler = _Pickler()
    try:
        pickler.dump(model)
    except Exception as error:  # noqa: BLE001 - a model's own __reduce__ may raise anything
        raise SpillError(
            f"The model cannot be put aside, since it cannot be pickled ({reason_of(error)}).",
            "It stays loaded; stop the endpoint to let go of it.",
        ) from None
    return pickler.stream.getbuffer(), pickler.buffers, pickler.kept


def _remove_if_ours(path: Path, pid: int) -> None:
    """A forked child inherits the object, never the file."""
    if os.getpid() == pid:
        path.unlink(missing_ok=True)
