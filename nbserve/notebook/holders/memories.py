"""Where a notebook remembers values under names: its variables, and what IPython keeps of its outputs."""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .links import pairs

__all__ = ["Memory", "copies_of_outputs", "is_output", "numbered_outputs", "shared_variables"]

_OUTPUT = re.compile(r"_{1,3}|_\d+")


@dataclass(frozen=True, slots=True)
class Memory:
    """A mapping that remembers values, `of` what or whom, and whose attributes it is."""

    mapping: MutableMapping[Any, Any]
    of: str = ""
    keeper: object = None

    def find(self, thing: object) -> list[Any]:
        """The keys of this very object."""
        return [key for key, value in pairs(self.mapping) if value is thing]

    def replace(self, thing: object, other: object) -> None:
        for key in self.find(thing):
            self.mapping[key] = other


def is_output(name: object) -> bool:
    """Whether a variable is one of those that IPython keeps for the last outputs: ``_``, ``_3``."""
    return isinstance(name, str) and _OUTPUT.fullmatch(name) is not None


def numbered_outputs(namespace: MutableMapping[str, Any]) -> Memory:
    """``Out``, wherever the user has put another thing of that name."""
    names = dict(pairs(namespace))
    outputs = names.get("_oh", names.get("Out"))
    return Memory(outputs if type(outputs) is dict else {})


def copies_of_outputs(shell: Any) -> Iterator[Memory]:
    """Where IPython keeps the outputs besides ``Out`` and the variables."""
    yield Memory(getattr(shell, "user_ns_hidden", {}))
    hook = getattr(shell, "displayhook", None)
    for keeper in (hook, getattr(hook, "exec_result", None), getattr(shell, "last_execution_result", None)):
        if keeper is not None:
            yield Memory(vars(keeper), keeper=keeper)


def shared_variables(shell: Any) -> Iterator[Memory]:
    """What every module sees, a plain interpreter's ``_`` among it, and what scripts have left that `%run` has run."""
    yield Memory(vars(builtins), " of builtins")
    for file, module in pairs(getattr(shell, "_main_mod_cache", {})):
        yield Memory(vars(module), f" of %run {Path(file).name}")
