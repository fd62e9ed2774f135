"""Who refers to an object, as far as the garbage collector can tell, in words that a notebook's user knows."""

from __future__ import annotations

import gc
import time
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from types import AsyncGeneratorType, CellType, CoroutineType, FrameType, FunctionType, GeneratorType
from typing import Any

from .links import Link, attributes_of, link
from .running import is_own_code

__all__ = ["Place", "Referrers"]

MOST_NAMED = 10
FARTHEST = 5
"""How many owners of owners are asked for a name."""

WIDEST = 6
"""How many owners of one object are followed."""

PATIENCE_S = 0.25

_PACKAGE = __name__.partition(".")[0]
_MODULE = vars(type)["__module__"].__get__
_SUSPENDED = {GeneratorType: "gi_code", CoroutineType: "cr_code", AsyncGeneratorType: "ag_code"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is held.

    A place that `is_loose` has no name that leads to it; `frame` is the frame of a remembered error that it hangs on.
    """

    text: str
    is_code: bool = True
    is_loose: bool = False
    frame: FrameType | None = None

    def inside(self, how: Link) -> Place:
        """The place of what the thing at this place holds."""
        if self.is_code:
            return replace(self, text=f"{how.before}{self.text}{how.after}", is_code=not how.before)
        return replace(self, text=f"{how.words} in {self.text}")


class _Owners(list[Any]):
    """A list that is no owner itself: its type is ours."""


class Referrers:
    """Finds the owners of an object, and names them after the `places` that are known, which are keyed by `id`.

    What is `ignored`, also by `id`, is no owner; neither is what is nbserve's own and has no known place, nor what the
    object itself holds. Objects are compared by identity, and no code of theirs is run.
    """

    def __init__(self, held: object, places: Mapping[int, Place], ignored: Collection[int] = ()) -> None:
        self._held = held
        self._places = places
        self._ignored = ignored
        self._deadline = 0.0

    def find(self) -> tuple[list[Place], int]:
        """The places of `MOST_NAMED` owners or fewer, and how many more owners there are."""
        found, more = self._search()
        if any(place.is_loose for place in found):
            gc.collect()  # it may be garbage, which holds nothing: the completion of names leaves much behind
            found, more = self._search()
        return found, more

    def _search(self) -> tuple[list[Place], int]:
        self._deadline = time.monotonic() + PATIENCE_S
        found: dict[str, Place] = {}
        referrers = self._referrers(self._held)
        while referrers and len(found) < MOST_NAMED and not (found and time.monotonic() > self._deadline):
            for owner in self._behind(referrers.pop()):
                place = None if owner is self._held else self._place(owner)
                if place is not None:
                    found.setdefault(place.text, place)
        return list(found.values()), sum(not self._is_ignored(each) for each in referrers)

    def _place(self, owner: object) -> Place | None:
        path = self._path(owner)
        place = None
        inner = _Owners([self._held, *path])
        for number in range(len(path) - 1, -1, -1):
            if place is None:
                place = self._known(path[number])
                if type(path[number]) is FrameType:
                    continue
            how = link(path[number], inner[number])
            place = Place(how.words, is_code=False, is_loose=True) if place is None else place.inside(how)
        return place

    def _path(self, owner: object) -> _Owners:
        """The owner, its owner and so on, up to one with a known place or a type that tells something.

        Empty if all of it is the object's own.
        """
        ahead, seen = deque([_Owners([owner])]), {id(owner)}
        telling, is_inside = None, False
        while ahead and time.monotonic() < self._deadline:
            path = ahead.popleft()
            if self._known(path[-1]) is not None:
                return path
            if telling is None and _is_telling(path[-1]):
                telling = path
            if len(path) > FARTHEST:
                continue
            owners = self._owners(self._referrers(path[-1]), WIDEST)
            owners.sort(key=self._rank)
            for each in owners:
                if each is self._held:
                    is_inside = True
                elif id(each) not in seen:
                    seen.add(id(each))
                    ahead.append(_Owners([*path, each]))
        return _Owners() if is_inside else telling or _Owners([owner])

    def _rank(self, owner: object) -> bool:
        """Names come first, then what needs words."""
        place = self._known(owner)
        return place is None or not place.is_code

    def _known(self, thing: object) -> Place | None:
        if type(thing) is FrameType and id(thing) not in self._places:
            return Place(f"a frame of {thing.f_code.co_name}", is_code=False, is_loose=True)
        return self._places.get(id(thing))

    def _owners(self, referrers: _Owners, most: int) -> _Owners:
        found = _Owners()
        while referrers and len(found) < most:
            found += self._behind(referrers.pop())
        return found

    def _referrers(self, held: object) -> _Owners:
        return _Owners(gc.get_referrers(held))

    def _behind(self, referrer: object) -> _Owners:
        """Itself, or whom it serves: a dictionary of attributes its instance, a cell the function or the frame."""
        found = _Owners()
        if self._is_ignored(referrer):
            return found
        if id(referrer) not in self._places:
            found += _instances(referrer) if type(referrer) is dict else ()
            found += _functions(referrer) if type(referrer) is CellType else ()
        if not found:
            found.append(referrer)
        return _Owners(each for each in found if not self._is_ignored(each))

    def _is_ignored(self, thing: object) -> bool:
        return id(thing) in self._ignored or (id(thing) not in self._places and _is_own(thing))


def _is_own(thing: object) -> bool:
    kind = type(thing)
    if kind in _SUSPENDED:
        return is_own_code(getattr(thing, _SUSPENDED[kind]))
    return str(_MODULE(kind)).partition(".")[0] == _PACKAGE


def _is_telling(thing: object) -> bool:
    return attributes_of(thing) is not None or issubclass(type(thing), type)


def _instances(attributes: dict[Any, Any]) -> _Owners:
    """Whose attributes these are: an instance's, a class's, a frame's."""
    found, referrers = _Owners(), gc.get_referrers(attributes)
    for each in referrers:
        if attributes_of(each) is attributes or (_has_namespace(each) and _refers(each, attributes)):
            found.append(each)
    if len(found) < len(referrers) and any(type(each) is FrameType for each in found):
        found.append(attributes)  # what locals() gave to somebody
    return found


def _functions(cell: CellType) -> _Owners:
    """Whose variable this is: of functions, and of the frame that made them."""
    found = _Owners()
    for each in gc.get_referrers(cell):
        if type(each) is FrameType:
            found.append(each)
        elif type(each) is tuple:
            for function in gc.get_referrers(each):
                if type(function) is FunctionType and function.__closure__ is each:
                    found.append(function)
    return found


def _has_namespace(thing: object) -> bool:
    return type(thing) is FrameType or issubclass(type(thing), type)


def _refers(thing: object, held: object) -> bool:
    return any(each is held for each in gc.get_referents(thing))
