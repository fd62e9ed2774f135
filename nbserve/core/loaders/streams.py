"""Bytes on their way out of a file: counted, unpacked, bounded."""

from __future__ import annotations

import bz2
import io
import lzma
import os
import zlib
from binascii import a2b_base64
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from ...errors import LoadError
from .library import fetched, lacks
from .loader import Progress

__all__ = ["PACKINGS", "Base64", "largest_bytes", "opened", "packing_of", "read_on", "readable_bytes"]

PACKED_BYTES = 128 << 10
"""What an unpacker is given at once."""

UNPACKED_BYTES = 1 << 20
"""The most that is taken from it at once."""

BUFFER_BYTES = 64 << 10
"""Less than joblib reads at once: what it asks for goes to it directly, past the buffer."""

STEP_BYTES = 8 << 20
"""The most that is read at once: as often is the progress told."""


class Decompressor(Protocol):
    """What the modules of the standard library have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes | None: ...

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class Inflate:
    """zlib and gzip, with the manners of the others."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=47)  # either of the two, by its header

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def needs_input(self) -> bool:
        return not self._inflate.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inflate.decompress(self._inflate.unconsumed_tail + data, max_length)


@dataclass(frozen=True, slots=True)
class Packing:
    """One way to pack a file: its name, how it begins, how to read what is inside."""

    name: str
    magics: tuple[bytes, ...]
    unpack: Callable[[Packing, BinaryIO], io.RawIOBase]


def _with(make: Callable[[], Decompressor]) -> Callable[[Packing, BinaryIO], io.RawIOBase]:
    return lambda packing, file: Unpacked(file, make, packing.magics)


def _lz4(packing: Packing, file: BinaryIO) -> io.RawIOBase:
    return Unpacked(file, fetched("lz4.frame").LZ4FrameDecompressor, packing.magics)


def _zstd(packing: Packing, file: BinaryIO) -> io.RawIOBase:
    """Through whichever library there is: Python has one of its own since 3.14."""
    for name in ("compression.zstd", "zstandard", "backports.zstd"):
        try:
            library = fetched(name)
        except LoadError:
            continue
        if name != "zstandard":
            return Unpacked(file, library.ZstdDecompressor, packing.magics)
        reader: io.RawIOBase = library.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        return reader
    return _zstd_of_flama(file)


def _zstd_of_flama(file: BinaryIO) -> io.RawIOBase:
    try:
        decompress = fetched("flama._core.compression").decompress
    except (LoadError, ImportError):
        raise lacks("zstandard") from None
    return io.BytesIO(decompress(file.read(), "zstd"))  # type: ignore[return-value]  # it reads like one


PACKINGS = (
    Packing("gzip", (b"\x1f\x8b",), _with(Inflate)),
    Packing("zlib", (b"x\x01", b"x\x5e", b"x\x9c", b"x\xda"), _with(Inflate)),
    Packing("bz2", (b"BZh",), _with(bz2.BZ2Decompressor)),
    Packing("xz", (b"\xfd7zXZ\x00",), _with(lzma.LZMADecompressor)),
    Packing("lzma", (b"\x5d\x00\x00",), _with(lzma.LZMADecompressor)),
    Packing("lz4", (b"\x04\x22\x4d\x18",), _lz4),
    Packing("zstd", (b"\x28\xb5\x2f\xfd",), _zstd),
)


def packing_of(head: bytes) -> str | None:
    return next((packing.name for packing in PACKINGS if head.startswith(packing.magics)), None)


@contextmanager
def opened(
    path: Path,
    packing: str | None = None,
    *,
    span: tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> Iterator[io.BufferedReader]:
    """What is in a file, or in a `span` (offset, size) of it, unpacked; never more than the machine can hold.

    `progress` is told the bytes as they are read from the file, and that all are read when the block has ended well.
    """
    with ExitStack() as stack:
        file = stack.enter_context(path.open("rb", buffering=0))
        offset, size = span or (0, os.fstat(file.fileno()).st_size)
        file.seek(offset)
        counted: Any = Counted(file, size, progress)
        if packing is not None:
            row = next(row for row in PACKINGS if row.name == packing)
            counted = Bounded(row.unpack(row, io.BufferedReader(counted, PACKED_BYTES)), path.name)
        yield io.BufferedReader(counted, BUFFER_BYTES)
    if progress is not None:
        progress(size, size)


def read_on(file: io.BufferedReader) -> None:
    """Read what is left: the checksum of packed data is at its end."""
    while file.read1(BUFFER_BYTES):
        pass


class Counted(io.RawIOBase):
    """The next `size` bytes of a file, counted on their way."""

    def __init__(self, file: io.FileIO, size: int, progress: Progress | None) -> None:
        self._file = file
        self._size = size
        self._done = 0
        self._progress = progress

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        view = memoryview(into)[: min(STEP_BYTES, self._size - self._done)]
        read = self._file.readinto(view) or 0
        self._done += read
        if self._progress is not None:
            self._progress(self._done, self._size)
        return read


class Unpacked(io.RawIOBase):
    """What a packed file holds: of all its streams, if there are several behind each other."""

    def __init__(self, file: BinaryIO, make: Callable[[], Decompressor], magics: tuple[bytes, ...]) -> None:
        self._file = file
        self._make = make
        self._magics = magics
        self._stream = make()

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        while True:
            data = self._next_input()
            if data is None:
                return 0
            got = self._stream.decompress(data, len(into))
            if got:
                memoryview(into)[: len(got)] = got
                return len(got)

    def _next_input(self) -> bytes | None:
        """What the stream is fed with next; None at the end of the last."""
        if self._stream.eof:
            rest = (self._stream.unused_data or b"") + self._file.read(PACKED_BYTES)
            if not rest.startswith(self._magics):  # the end, or what somebody has written behind it
                return None
            self._stream = self._make()
            return rest
        if not self._stream.needs_input:
            return b""
        data = self._file.read(PACKED_BYTES)
        if not data:
            raise EOFError("the packed data ends too early")
        return data


class Bounded(io.RawIOBase):
    """Reads on until it is more than the machine can hold: a small file may unpack to any size."""

    def __init__(self, file: io.RawIOBase, name: str) -> None:
        self._file = file
        self._name = name
        self._left = largest_bytes()

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        data = self._file.read(min(len(into), UNPACKED_BYTES)) or b""
        self._left -= len(data)
        if self._left < 0:
            raise LoadError(
                f"{self._name} unpacks to more than {readable_bytes(largest_bytes())}, all that this machine can hold.",
                "It is damaged, or meant to do harm.",
            )
        memoryview(into)[: len(data)] = data
        return len(data)


class Base64(io.RawIOBase):
    """What a text in base64, of lines of any length, stands for."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._text = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        if not self._ready:
            self._ready = memoryview(self._decoded())
        data, self._ready = self._ready[: len(into)], self._ready[len(into) :]
        memoryview(into)[: len(data)] = data
        return len(data)

    def _decoded(self) -> bytes:
        text = self._text
        while len(text) < 4 and (read := self._file.read(PACKED_BYTES)):
            text += read.translate(None, b"\r\n")
        whole = len(text) // 4 * 4
        self._text = text[whole:]
        if whole == 0 and text:
            raise EOFError("the text in base64 ends too early")
        return a2b_base64(text[:whole])


def largest_bytes() -> int:
    """What this machine could hold at all; where it does not say, a number beyond any model."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # AttributeError: Windows
        return 1 << 40


def readable_bytes(size: float) -> str:
    """`1.5 GB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
