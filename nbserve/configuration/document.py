"""What a file of settings says, before anybody knows what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import OptionError

__all__ = ["DEEPEST", "LARGEST_BYTES", "Document", "Keys", "check_depth", "fault"]

LARGEST_BYTES = 256 * 1024
"""A larger file is none of settings."""

DEEPEST = 12
"""Objects and lists within each other."""

Keys = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """Plain values by their keys. `label` is what the file is called; `lines` are those of the keys, where known."""

    label: str
    values: Mapping[str, Any]
    lines: Mapping[Keys, int] = field(default_factory=dict)

    def fault(self, keys: Keys, problem: str, remedy: str) -> OptionError:
        """What is wrong at a key."""
        return fault(self.label, problem, remedy, line=self.lines.get(keys), keys=keys)


def fault(label: str, problem: str, remedy: str, *, line: int | None = None, keys: Keys = ()) -> OptionError:
    """`churn.yaml, line 4, endpoints.churn.deadline: …`, as much of it as is known."""
    place = [label, *([] if line is None else [f"line {line}"]), *([".".join(keys)[:200]] if keys else [])]
    return OptionError(f"{', '.join(place)}: {problem}", remedy)


def check_depth(label: str, value: Any, depth: int = 0) -> None:
    """Raises `OptionError` for what lies too deep."""
    if depth > DEEPEST:
        raise too_deep(label)
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    for each in inner:
        check_depth(label, each, depth + 1)


def too_deep(label: str, line: int | None = None) -> OptionError:
    return fault(label, "What is there is nested too deeply.", "Settings are a few levels deep.", line=line)
