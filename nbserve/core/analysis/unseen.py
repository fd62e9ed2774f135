"""What can be said of a model that nobody has seen yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..schema import DataArgument, Finding, Profile, Signature
from .recognition import LIBRARY_NAMES

__all__ = ["unseen"]


def unseen(label: str, header: Mapping[str, Any] | None = None) -> Profile:
    """The profile of an artifact or a component before its first load.

    `header` is what the file tells without being loaded: of it the type, the library and its version are taken over.
    """
    told = header or {}
    findings = [Finding(str(what), value, "the file's header") for what, value in told.items()]
    return Profile(
        type_name=str(told.get("type") or label),
        library=LIBRARY_NAMES.get(str(told.get("library")), told.get("library")),
        library_version=told.get("library_version"),
        signatures=(Signature("predict", DataArgument("X"), doc="Its columns are found when it is first loaded."),),
        findings=(*findings, Finding("input", "unknown", "the model has not been loaded yet")),
    )
