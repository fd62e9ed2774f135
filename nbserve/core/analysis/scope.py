"""What a function's code refers to, looked up without running anything."""

from __future__ import annotations

import functools
import inspect
from types import FunctionType, MethodType, ModuleType
from typing import Any

from .symbols import Attribute, Name

__all__ = ["CACHED", "Scope", "code_owner"]

ARRAY_PACKAGES = frozenset(["numpy", "scipy", "sklearn"])
CACHED = type(functools.lru_cache(lambda: None))
"""What `functools.lru_cache` makes of a function."""


def code_owner(call: Any) -> tuple[FunctionType | None, Any]:
    """The Python function that runs when `call` is called, and its `self`; (None, None) when there is none."""
    owner: Any = None
    while True:
        if isinstance(call, functools.partial):
            call = call.func
        elif isinstance(call, MethodType):
            call, owner = call.__func__, call.__self__
        elif isinstance(call, CACHED):
            call = call.__wrapped__
        elif isinstance(call, FunctionType):
            inner = inspect.unwrap(call)
            return (inner if isinstance(inner, FunctionType) else call), owner
        elif isinstance(call, type) or not isinstance(type(call).__call__, FunctionType):
            return None, None
        else:
            call, owner = type(call).__call__, call


class Scope:
    """The values that names in a function stand for, looked up without running anything."""

    def __init__(self, function: FunctionType, owner: Any) -> None:
        self._function = function
        self._self_name = function.__code__.co_varnames[:1] if owner is not None else ()
        self._owner = owner

    def value(self, symbol: Any) -> Any:
        if isinstance(symbol, Name):
            return self._named(symbol.name)
        if isinstance(symbol, Attribute):
            of = self.value(symbol.of)
            return _own_attribute(of, symbol.name)
        return None

    def packages(self, names: set[str]) -> set[str]:
        """The array packages that the function's globals refer to."""
        found = set()
        for name in names:
            value = self._function.__globals__.get(name)
            module = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
            if isinstance(module, str):
                found.add(module.partition(".")[0])
        return found & ARRAY_PACKAGES

    def _named(self, name: str) -> Any:
        if name in self._self_name:
            return self._owner
        freevars = self._function.__code__.co_freevars
        if name not in freevars:
            return self._function.__globals__.get(name)
        try:
            return (self._function.__closure__ or ())[freevars.index(name)].cell_contents
        except ValueError:  # not assigned yet
            return None


def _own_attribute(of: Any, name: str) -> Any:
    """An attribute of a module or in an object's `__dict__`: no property is run."""
    try:
        return object.__getattribute__(of, "__dict__").get(name)
    except AttributeError:
        return None
