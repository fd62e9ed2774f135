"""What a pickle says about itself, read from its instructions: none of them is carried out."""

from __future__ import annotations

import io
import pickletools
import re
import struct
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import IO, Any

__all__ = ["named_type", "pickled_type", "referred_type", "refers_to", "skipped", "sklearn_version"]

MOST_INSTRUCTIONS = 2000
UNREADABLE = (ValueError, struct.error, IndexError, UnicodeDecodeError)
REMEMBERING = frozenset({"MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"})
RECALLING = frozenset({"GET", "BINGET", "LONG_BINGET"})
CONTAINERS = {"EMPTY_DICT": "dict", "EMPTY_LIST": "list", "EMPTY_SET": "set", "MARK": "tuple", "EMPTY_TUPLE": "tuple"}
NOT_CLASSES = ("copyreg.", "copy_reg.")
"""How objects are made, and not what they are."""

RENAMED = {
    "joblib.numpy_pickle.NumpyArrayWrapper": "numpy.ndarray",
    "numpy._core.multiarray._reconstruct": "numpy.ndarray",
}

_VERSION = re.compile(rb"_sklearn_version(?:\x94|q.|r....)?(?:\x8c(.)|X(.)\0\0\0)([0-9][0-9A-Za-z.+-]*)", re.DOTALL)
"""The name, perhaps remembered for later, and a text behind its length."""


def pickled_type(data: bytes) -> str | None:
    """The class of the object: `sklearn.pipeline.Pipeline`, `dict`; None when the beginning does not tell."""
    return _first_type(data, CONTAINERS)


def referred_type(data: bytes) -> str | None:
    """The class that is named first when the object is one that the pickle only refers to, by a tuple."""
    return _first_type(data, {name: kind for name, kind in CONTAINERS.items() if kind != "tuple"})


def _first_type(data: bytes, containers: Mapping[str, str]) -> str | None:
    strings: list[str] = []
    is_first = True
    for name, argument in _instructions(data):
        if name in {"PROTO", "FRAME"}:
            continue
        if is_first and name in containers:
            return containers[name]
        is_first = False
        if isinstance(argument, str) and name not in {"GLOBAL", "INST"}:
            strings.append(argument)
        found = _named(name, argument, strings)
        if found is not None and not found.startswith(NOT_CLASSES):
            return RENAMED.get(found, found)
    return None


def sklearn_version(data: bytes) -> str | None:
    """The version of scikit-learn that an estimator was pickled with, wherever in `data` it is said."""
    found = _VERSION.search(data)
    if found is None:
        return None
    (length,) = found.group(1) or found.group(2)
    return found.group(3)[:length].decode("ascii")


def named_type(path: str | None) -> dict[str, str]:
    """What a dotted path says of a class, in the words of a peek."""
    if path is None:
        return {}
    module, _, name = path.rpartition(".")
    return {"library": module.partition(".")[0], "module": module, "type": name} if module else {"type": name}


def refers_to(module: str, pickle: IO[bytes]) -> bool:
    """Whether it asks for something of the module, and does not only say its name; so it may if it is no pickle."""
    strings: list[str] = []
    remembered: dict[Any, str | None] = {}
    last: str | None = None
    stream: Any = SimpleNamespace(read=pickle.read, readline=pickle.readline)  # what is unpacked tells no place
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            if opcode.name in REMEMBERING:
                remembered[len(remembered) if argument is None else argument] = last
                continue
            last = remembered.get(argument) if opcode.name in RECALLING else _text(opcode.name, argument)
            strings = [*strings[-1:], last] if last is not None else strings
            found = _named(opcode.name, argument, strings)
            if found is not None and found.startswith(f"{module}."):
                return True
    except UNREADABLE:
        return True
    return False


def _text(name: str, argument: Any) -> str | None:
    """What an instruction puts down, if that is text."""
    return argument if isinstance(argument, str) and name not in {"GLOBAL", "INST"} else None


def skipped(data: bytes, count: int) -> bytes:
    """What follows the first `count` pickles."""
    stream = io.BytesIO(data)
    try:
        for _ in range(count):
            for _ in pickletools.genops(stream):
                pass
    except UNREADABLE:
        return b""
    return data[stream.tell() :]


def _instructions(data: bytes) -> Iterator[tuple[str, Any]]:
    """The instructions as far as they can be read, and no further than an opening goes."""
    try:
        for at, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            if at == MOST_INSTRUCTIONS:
                return
            yield opcode.name, argument
    except UNREADABLE:  # the end of what was read, or no pickle
        return


def _named(name: str, argument: Any, strings: list[str]) -> str | None:
    """The class that an instruction asks for."""
    if name in {"GLOBAL", "INST"}:
        return str(argument).replace(" ", ".", 1)
    if name == "STACK_GLOBAL" and len(strings) >= 2:
        return f"{strings[-2]}.{strings[-1]}"
    return None
