"""Who refers to an object, as far as the garbage collector can tell, in words that a notebook's user knows."""

from __future__ import annotations

import gc
import time
from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from types import AsyncGeneratorType, CellType, CoroutineType, FrameType, FunctionType, GeneratorType, TracebackType
from typing import Any

from .links import Link, attributes_of, link
from .parts import parts_among, parts_of
from .running import is_own_code

__all__ = ["Place", "Referrers"]

MOST_NAMED = 10

MOST_LOOKED_AT = 1_000
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
            return replace(self, text=f"{how.before}{self.text}{how.after}", is_code=how.is_code)
        return replace(self, text=f"{how.words} in {self.text}" if how.words else self.text)


class _Owners(list[Any]):
    """A list that is no owner itself: its type is ours."""


class Referrers:
    """Finds the owners of an object and says where they are: if it can, from one of the things that are `named`.

    What is `ignored`, by `id`, is no owner; neither is what is nbserve's own and not named, nor the object's own parts.
    Objects are compared by identity, and no code of theirs is run.
    """

    def __init__(self, held: object, named: Iterable[tuple[object, Place]], ignored: Collection[int] = ()) -> None:
        self._held = held
        self._ignored = ignored
        self._places: dict[int, Place] = {}
        self._named = _Owners()
        for thing, place in named:
            if thing is not held and self._places.setdefault(id(thing), place) is place:
                self._named.append(thing)
        self._parents: dict[int, int] = {}
        self._deadline = 0.0

    def find(self) -> tuple[list[Place], int]:
        """The places of `MOST_NAMED` owners or fewer, and how many more owners there are."""
        found = self._search(is_clean=False)
        if found is None:
            gc.collect()  # it may be garbage, which holds nothing: the completion of names leaves much behind
            found = self._search(is_clean=True)
        return found or ([], 0)

    def _search(self, *, is_clean: bool) -> tuple[list[Place], int] | None:
        """None if it finds what may be garbage, unless that has been collected."""
        self._deadline = time.monotonic() + PATIENCE_S
        referrers, more = self._first_referrers()
        inside = self._put_in_order(referrers)
        found: dict[str, Place] = {}
        while referrers and len(found) < MOST_NAMED and not (found and time.monotonic() > self._deadline):
            referrer = referrers.pop()
            for owner in self._behind(referrer):
                place = None if owner is self._held else self._place(owner)
                if place is None or (place.is_loose and id(referrer) in inside):
                    continue
                if place.is_loose and not is_clean:
                    return None
                found.setdefault(place.text, place)
        if inside and not found:
            found = self._ways_back()
        return list(found.values()), more + sum(id(each) not in inside for each in referrers)

    def _first_referrers(self) -> tuple[_Owners, int]:
        """Who refers to the object itself, and how many more do than are looked at."""
        referrers, kept = self._referrers(self._held), _Owners()
        more = max(0, len(referrers) - MOST_LOOKED_AT)
        del referrers[:more]
        for each in referrers:
            if not self._is_ignored(each):
                kept.append(each)
        return kept, more

    def _put_in_order(self, referrers: _Owners) -> set[int]:
        """Those that have a name last, to be taken first; the object's own parts, which are answered, first."""
        ids = {id(each) for each in referrers}
        self._parents = {
            id(part): number for number, each in enumerate(self._named) for part in parts_of(each) if id(part) in ids
        }
        inside = parts_among(self._held, ids - self._parents.keys() - self._places.keys())
        referrers.sort(key=lambda each: (id(each) not in inside, id(each) in self._parents or id(each) in self._places))
        return inside

    def _ways_back(self) -> dict[str, Place]:
        """Those of the object's own parts that are named and lead back to it."""
        named = parts_among(self._held, self._places.keys())
        found: dict[str, Place] = {}
        for each in self._named:
            if id(each) in named and parts_among(each, {id(self._held)}):
                place = self._places[id(each)]
                found[place.text] = replace(place, text=f"{place.text}, which leads to it")
        return found

    def _place(self, owner: object) -> Place | None:
        path = self._path(owner)
        place = self._start(path[-1]) if path else None
        held = _Owners([self._held, *path])
        for number in range(len(path) - 1, -1, -1):
            how = link(path[number], held[number])
            place = Place(how.words, is_code=False, is_loose=True) if place is None else place.inside(how)
        return place

    def _path(self, owner: object) -> _Owners:
        """The owner, its owner and so on, up to one that is named or has a type that tells something.

        Empty if all of it is the object's own.
        """
        ahead, seen = deque([_Owners([owner])]), {id(owner)}
        telling, is_inside = None, False
        while ahead and time.monotonic() < self._deadline:
            path = ahead.popleft()
            if id(path[-1]) in self._places:
                return path
            if telling is None and _is_telling(path[-1]):
                telling = path
            if len(path) > FARTHEST:
                continue
            for each in self._owners(path[-1]):
                if each is self._held:
                    is_inside = True
                elif id(each) not in seen:
                    seen.add(id(each))
                    ahead.append(_Owners([*path, each]))
        return _Owners() if is_inside else telling or _Owners([owner])

    def _start(self, end: object) -> Place | None:
        if type(end) is FrameType and id(end) not in self._places:
            return Place(f"a frame of {end.f_code.co_name}", is_code=False, is_loose=True)
        return self._places.get(id(end))

    def _owners(self, held: object) -> _Owners:
        """`WIDEST` or fewer, those first whose name is code."""
        parent = self._parent(held)
        if parent is not None:
            return _Owners([parent])
        referrers, found = self._referrers(held), _Owners()
        while referrers and len(found) < WIDEST:
            found += self._behind(referrers.pop())
        found.sort(key=lambda each: id(each) in self._places and self._places[id(each)].is_code, reverse=True)
        return found

    def _parent(self, held: object) -> Any:
        number = self._parents.get(id(held))
        return None if number is None else self._named[number]

    def _referrers(self, held: object) -> _Owners:
        return _Owners(gc.get_referrers(held))

    def _behind(self, referrer: object) -> _Owners:
        """Itself, or whom it serves: a dictionary its instance, a cell its function, a traceback its error."""
        found, parent = _Owners(), self._parent(referrer)
        if self._is_ignored(referrer):
            return found
        if parent is not None and attributes_of(parent) is referrer:
            found.append(parent)
        elif id(referrer) not in self._places:
            found += _instances(referrer) if type(referrer) is dict else ()
            found += _functions(referrer) if type(referrer) is CellType else ()
            found += _errors(referrer) if type(referrer) is TracebackType else ()
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
    return attributes_of(thing) is not None or issubclass(type(thing), (type, FrameType))


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


def _errors(traceback: TracebackType) -> _Owners:
    """Whose traceback this is, or a part of."""
    found, ahead = _Owners(), _Owners([traceback])
    while ahead:
        for each in gc.get_referrers(ahead.pop()):
            if type(each) is TracebackType:
                ahead.append(each)
            elif issubclass(type(each), BaseException):
                found.append(each)
    return found


def _has_namespace(thing: object) -> bool:
    return type(thing) is FrameType or issubclass(type(thing), type)


def _refers(thing: object, held: object) -> bool:
    return any(each is held for each in gc.get_referents(thing))
