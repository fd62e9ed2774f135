"""What an object holds itself, at a step or far down."""

from __future__ import annotations

import gc
import time
from collections import deque
from collections.abc import Collection, Iterator
from types import FrameType, FunctionType, ModuleType
from typing import Any

from .links import attributes_of

__all__ = ["parts_among", "parts_of"]

MOST_PARTS = 50_000
"""How many parts are looked at; and no container of more elements."""

PATIENCE_S = 0.05

_SIZED = (list, tuple, dict, set, frozenset, deque)


def parts_of(thing: Any) -> Iterator[Any]:
    """What the thing refers to, but for what it shares with everything else: its class, modules, global variables."""
    kind = type(thing)
    if issubclass(kind, (type, ModuleType, FrameType)):
        return
    if issubclass(kind, FunctionType):
        yield from _parts_of_function(thing)
    elif not any(issubclass(kind, family) and family.__len__(thing) > MOST_PARTS for family in _SIZED):
        yield from gc.get_referents(thing)


def parts_among(whole: object, sought: Collection[int]) -> set[int]:
    """Those of the `sought`, by `id`, that the whole itself leads to, as far as time allows."""
    deadline = time.monotonic() + PATIENCE_S
    ahead, seen = deque([whole]), {id(whole)}
    while ahead and len(seen) < MOST_PARTS and time.monotonic() < deadline and not seen.issuperset(sought):
        for part in parts_of(ahead.popleft()):
            if id(part) not in seen and gc.is_tracked(part):
                seen.add(id(part))
                ahead.append(part)
    return seen.intersection(sought)


def _parts_of_function(function: Any) -> Iterator[Any]:
    yield from gc.get_referents(*(function.__closure__ or ()))
    yield from (function.__defaults__, function.__kwdefaults__, attributes_of(function))
    yield from function.__closure__ or ()
