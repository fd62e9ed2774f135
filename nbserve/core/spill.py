"""A model put aside on disk, to be brought back as it was.

Pickle protocol 5 with its buffers out of band: the arrays go to the file, and come from it, without a second copy in
memory. The file is private, is read by the process that wrote it only, and is checked against a digest that never
left this process before anything of it is unpickled.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import struct
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import SpillError
from .blame import reason_of

__all__ = ["Spill"]

_COUNT = struct.Struct("<Q")


class Spill:
    """One model in one private file; the file goes when this object goes."""

    def __init__(self, path: Path, digest: bytes, size_bytes: int) -> None:
        self.path = path
        self.size_bytes = size_bytes
        self._digest = digest
        self._remove = weakref.finalize(self, _remove_if_ours, path, os.getpid())

    @classmethod
    def write(cls, model: object, folder: Path) -> Spill:
        """Put `model` into a new file below `folder`. Raises `SpillError`; then nothing is left behind."""
        stream, buffers = _pickled(model)
        descriptor, name = tempfile.mkstemp(prefix="model-", suffix=".spill", dir=folder)  # mode 0600
        path = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                hashed = _Hashed(file)
                _write_frames(hashed, stream, buffers)
            return cls(path, hashed.digest(), hashed.size_bytes)
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
        return pickle.loads(stream, buffers=buffers)  # noqa: S301 - written by this process, and not changed since

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


def _pickled(model: object) -> tuple[memoryview, list[memoryview]]:
    try:
        return _dump(model, lambda file, take: pickle.Pickler(file, protocol=5, buffer_callback=take))
    except Exception:  # noqa: BLE001 - what pickle cannot name (a lambda, a class of a function), cloudpickle takes by value
        import cloudpickle

    try:
        return _dump(model, lambda file, take: cloudpickle.Pickler(file, protocol=5, buffer_callback=take))
    except Exception as error:  # noqa: BLE001 - a model's own __reduce__ may raise anything
        raise SpillError(
            f"The model cannot be put aside, since it cannot be pickled ({reason_of(error)}).",
            "It stays loaded; stop the endpoint to let go of it.",
        ) from None


def _dump(model: object, pickler: Callable[[BinaryIO, Any], Any]) -> tuple[memoryview, list[memoryview]]:
    stream, buffers = io.BytesIO(), []

    def take(buffer: pickle.PickleBuffer) -> bool:
        try:
            buffers.append(buffer.raw())
        except BufferError:  # not contiguous: let it travel in the stream
            return True
        return False

    pickler(stream, take).dump(model)
    return stream.getbuffer(), buffers


def _remove_if_ours(path: Path, pid: int) -> None:
    """A forked child inherits the object, never the file."""
    if os.getpid() == pid:
        path.unlink(missing_ok=True)
