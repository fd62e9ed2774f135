"""What a model is called in the notebook, and so at its URL."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..readers import RESERVED_NAMES

__all__ = ["is_hidden", "name_for", "name_from", "names_of"]

_HIDDEN = frozenset({"In", "Out", "exit", "get_ipython", "open", "quit"})


def is_hidden(name: str) -> bool:
    """Whether a name is IPython's and not the user's."""
    return name.startswith("_") or name in _HIDDEN


def names_of(model: object, namespace: Mapping[str, Any]) -> tuple[str, ...]:
    """The user's variables that hold this very object."""
    return tuple(name for name, value in list(namespace.items()) if value is model and not is_hidden(name))


def name_for(model: object, type_name: str, namespace: Mapping[str, Any]) -> str:
    """The endpoint's name when none was given: the variable's, else the function's, else the type's."""
    own = getattr(model, "__name__", "")
    candidates = [*names_of(model, namespace), own if isinstance(own, str) else "", _snake(type_name), "model"]
    return next(name for name in map(_clean, candidates) if name and name not in RESERVED_NAMES)


def name_from(text: str) -> str:
    """The name that a file or a class of this name gives to its endpoint."""
    return next(name for name in (_clean(_snake(text)), "model") if name and name not in RESERVED_NAMES)


def _clean(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-._")[:64]


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
