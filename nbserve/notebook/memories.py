"""Where a notebook remembers values under names: its variables, and what IPython keeps of its outputs."""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .links import pairs

__all__ = ["Memory", "copies_of_outputs", "is_output", "numbered_outputs", "scripts"]

_OUTPUT = re.compile(r"_{1,3}|_\d+")


@dataclass(frozen=True, slots=True)
class Memory:
    """A mapping that remembers values; `code` is how one of its keys is written, `keeper` whose attributes they are."""

    code: str
    mapping: MutableMapping[Any, Any]
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
    return Memory("Out[{}]", outputs if type(outputs) is dict else {})


def copies_of_outputs(shell: Any) -> Iterator[Memory]:
    """Where the outputs are kept besides ``Out`` and the variables, which would be enough."""
    yield Memory("builtins.{}", vars(builtins))
    yield Memory("", getattr(shell, "user_ns_hidden", {}))
    hook = getattr(shell, "displayhook", None)
    for keeper in (hook, getattr(hook, "exec_result", None), getattr(shell, "last_execution_result", None)):
        if keeper is not None:
            yield Memory("", vars(keeper), keeper)


def scripts(shell: Any) -> Iterator[Memory]:
    """The variables of what `%run` has run, which IPython keeps alive."""
    for file, module in pairs(getattr(shell, "_main_mod_cache", {})):
        yield Memory(f"{{}} of %run {Path(file).name}", vars(module))
