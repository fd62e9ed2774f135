"""How one object holds another, in the code that leads there and in words.

Nothing of the objects' own is called: what they are and hold is read with what C alone answers.
"""

from __future__ import annotations

import functools
import gc
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from types import (
    AsyncGeneratorType,
    CellType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
)
from typing import Any

__all__ = ["Link", "attributes_of", "link", "members_of", "pairs"]

LONGEST_SEARCH = 100_000
"""How many elements of a container are looked at for the place of one."""

LONGEST_KEY = 40

_MRO = vars(type)["__mro__"].__get__
_DICT = vars(type)["__dict__"].__get__
_NAME = vars(type)["__name__"].__get__

_SAFE_GETTERS: tuple[tuple[type, tuple[str, ...]], ...] = (
    (FunctionType, ("__defaults__", "__kwdefaults__")),
    (BaseException, ("args", "__traceback__", "__cause__", "__context__")),
)
"""Parts that no member descriptor tells. A getter of another type may be anybody's C."""

_PLAIN_KEYS = (str, int, float, bool, bytes, type(None))


@dataclass(frozen=True, slots=True)
class Link:
    """How an owner holds something: around the owner's name, and in words where it has none.

    With `is_code` what was code stays code. A frame's link is empty: the frame stands for its variables.
    """

    before: str
    after: str
    words: str
    is_code: bool = True


def link(owner: object, held: object) -> Link:
    kind = type(owner)
    for family, find in _FAMILIES:
        found = find(owner, held) if issubclass(kind, family) else None
        if found is not None:
            return found
    found = _attribute(owner, held)
    return Link("something in ", "", _a(owner), is_code=False) if found is None else found


def attributes_of(thing: object) -> dict[str, Any] | None:
    """The instance's own dictionary, whatever its class makes of `__dict__`."""
    for each in _MRO(type(thing)):
        getter = _DICT(each).get("__dict__")
        if type(getter) in (GetSetDescriptorType, MemberDescriptorType):  # and no property
            found = getter.__get__(thing)
            return found if type(found) is dict else None
    return None


def members_of(thing: object) -> Iterator[tuple[str, MemberDescriptorType, Any]]:
    """What is held in slots, and in the like of a C type: its name, its descriptor, and the value."""
    for each in _MRO(type(thing)):
        for name, member in pairs(_DICT(each)):
            if type(member) is MemberDescriptorType:
                try:
                    value = member.__get__(thing)
                except AttributeError:  # an empty slot
                    continue
                yield name, member, value


def pairs(mapping: Any) -> list[tuple[Any, Any]]:
    """The items, although another thread may add some meanwhile."""
    items = dict.items if issubclass(type(mapping), dict) else type(mapping).items
    while True:
        try:
            return list(items(mapping))
        except RuntimeError:
            continue


def _item(owner: Any, held: object) -> Link | None:
    elements = next(each.__iter__ for each in (list, tuple, deque) if issubclass(type(owner), each))
    number = _index(elements(owner), held)
    return None if number is None else Link("", f"[{number}]", _a(owner))


def _index(elements: Iterable[object], held: object) -> int | None:
    try:
        return next((number for number, each in enumerate(islice(elements, LONGEST_SEARCH)) if each is held), None)
    except RuntimeError:  # a deque that has changed meanwhile
        return None


def _value(owner: Any, held: object) -> Link | None:
    for key, value in pairs(owner):
        if value is held:
            return Link("", _item_code(key), _a(owner))
        if key is held:
            return Link("a key of ", "", f"a key of {_a(owner)}", is_code=False)
    return None


def _item_code(key: object) -> str:
    """`['best']`"""
    said = repr(key) if type(key) in _PLAIN_KEYS else "…"
    return f"[{said if len(said) <= LONGEST_KEY else said[:LONGEST_KEY] + '…'}]"


def _element(owner: Any, _: object) -> Link | None:
    return Link("an element of ", "", _a(owner), is_code=False)


def _bound(owner: Any, held: object) -> Link | None:
    return Link("the bound method ", "", "a bound method", is_code=False) if owner.__self__ is held else None


def _closure(owner: Any, held: object) -> Link | None:
    cells = owner.__closure__ or ()
    if not any(each is held for cell in cells for each in gc.get_referents(cell)):
        return None
    return Link("the closure of ", "", f"the closure of {owner.__qualname__}", is_code=False)


def _in_closure(*_: object) -> Link:
    return Link("the closure of ", "", "a closure", is_code=False)


def _suspended(owner: Any, _: object) -> Link | None:
    return Link("the suspended ", "", f"{_a(owner)} {owner.__qualname__} that is not finished", is_code=False)


def _of_error(_: object, held: object) -> Link | None:
    if type(held) is not FrameType:
        return None
    name = held.f_code.co_name
    return Link("", f".__traceback__ (in {name})", f"a frame of {name}", is_code=False)


def _of_frame(*_: object) -> Link:
    return Link("", "", "", is_code=False)


def _cached(owner: Any, _: object) -> Link | None:
    wrapped = (attributes_of(owner) or {}).get("__wrapped__")
    whose = wrapped.__qualname__ if type(wrapped) is FunctionType else "a function"
    return Link("the cache of ", "", f"the cache of {whose}", is_code=False)


def _of_class(owner: Any, held: object) -> Link | None:
    for name, value in pairs(_DICT(owner)):
        if value is held:
            return Link("", f".{name}", f"attribute {name!r} of the class {_NAME(owner)}")
    return None


def _attribute(owner: object, held: object) -> Link | None:
    for name, value in _parts(owner):
        if value is held:
            return Link("", f".{name}", f"attribute {name!r} of {_a(owner)}")
    return None


def _parts(owner: object) -> Iterator[tuple[str, Any]]:
    yield from pairs(attributes_of(owner) or {})
    yield from ((name, value) for name, _, value in members_of(owner))
    for family, names in _SAFE_GETTERS:
        if issubclass(type(owner), family):
            yield from ((name, vars(family)[name].__get__(owner)) for name in names)


def _a(thing: object) -> str:
    name = str(_NAME(type(thing)))
    return f"an {name}" if name[:1] in "aeioAEIO" else f"a {name}"


_FAMILIES: tuple[tuple[type | tuple[type, ...], Callable[[Any, object], Link | None]], ...] = (
    ((list, tuple, deque), _item),
    (dict, _value),
    ((set, frozenset), _element),
    (MethodType, _bound),
    (FunctionType, _closure),
    ((GeneratorType, CoroutineType, AsyncGeneratorType), _suspended),
    (type(functools.cache(len)), _cached),
    (type, _of_class),
    (BaseException, _of_error),
    (FrameType, _of_frame),
    (CellType, _in_closure),
)
