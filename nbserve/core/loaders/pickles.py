"""Pickles, and joblib's, which are pickles with arrays between the instructions."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any, BinaryIO

from ...errors import LoadError
from ..blame import reason_of
from .library import fetched
from .loader import Loaded, Look, Reading
from .opcodes import named_type, pickled_type, sklearn_version
from .streams import opened, read_on

__all__ = ["is_joblib", "is_pickle", "load_joblib", "load_pickle", "peek_pickle", "unpickled"]

MODERN = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
ANCIENT = (b"ccopy_reg\n_reconstructor\n", b"ccopyreg\n_reconstructor\n")
"""Protocols 0 and 1 have no mark of their own; of objects they begin so."""

JOBLIB = "joblib.numpy_pickle"
CLOUDPICKLED_CODE = (b"cloudpickle", b"CodeType")
TAIL_BYTES = 4096


def is_pickle(look: Look) -> bool:
    return look.content.startswith((*MODERN, *ANCIENT))


def is_joblib(look: Look) -> bool:
    return is_pickle(look) and (JOBLIB.encode() in look.content or _suffixes(look.path) & {".joblib", ".jbl"} != set())


def load_joblib(reading: Reading) -> Loaded:
    joblib = fetched("joblib")
    with opened(reading.path, reading.look.packing, progress=reading.progress) as file:
        loaded = Loaded(joblib.load(file))
        read_on(file)
    return loaded


def load_pickle(reading: Reading) -> Loaded:
    try:
        with opened(reading.path, reading.look.packing, progress=reading.progress) as file:
            loaded = Loaded(unpickled(file))
            read_on(file)
    except _NotPlain:  # what tells was far from the beginning, behind a vocabulary perhaps
        return load_joblib(reading)
    except TypeError as error:
        if not (all(mark in reading.look.content for mark in CLOUDPICKLED_CODE) and _is_of_unpickler(error)):
            raise
        raise LoadError(
            f"{reading.path.name} holds code that cloudpickle took from another Python ({reason_of(error)}).",
            "Save it again with the version that is used here: no other one's code can be read.",
        ) from error
    return loaded


def unpickled(file: BinaryIO) -> Any:
    return _Unpickler(file).load()


def peek_pickle(look: Look) -> dict[str, Any]:
    kind = pickled_type(look.content)
    told: dict[str, Any] = {} if (kind or "").startswith("cloudpickle.") else {**named_type(kind)}
    version = sklearn_version(look.content) or (sklearn_version(_tail(look.path)) if look.packing is None else None)
    return told if version is None else {**told, "library_version": version}


class _NotPlain(Exception):
    """The pickle has been written by joblib."""


class _Unpickler(pickle.Unpickler):
    """Stops at the first array of joblib's, whose bytes no pickle can read."""

    def find_class(self, module: str, name: str) -> Any:
        if module == JOBLIB:
            raise _NotPlain
        try:
            return super().find_class(module, name)
        except AttributeError as error:
            error.name, error.obj = name, sys.modules.get(module)
            raise


def _is_of_unpickler(error: TypeError) -> bool:
    """Whether it was raised while an object was put together, and not by code of the object's own."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    return place is not None and place.tb_frame.f_code.co_filename == __file__


def _suffixes(path: Path) -> set[str]:
    return {suffix.lower() for suffix in path.suffixes}


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        return file.read()
