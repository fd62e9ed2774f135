"""skops: estimators as data, whose types are asked for by name and never run."""

from __future__ import annotations

from typing import Any

from ...errors import LoadError
from .archive import read_json
from .library import fetched
from .loader import Loaded, Look, Reading
from .opcodes import named_type

__all__ = ["is_skops", "load_skops", "peek_skops"]

MOST_NAMED = 5


def is_skops(look: Look) -> bool:
    return "schema.json" in look.members


def load_skops(reading: Reading) -> Loaded:
    library = fetched("skops.io")
    unknown = library.get_untrusted_types(file=reading.path)
    if unknown and not reading.trust:
        named = ", ".join(unknown[:MOST_NAMED]) + (", …" if len(unknown) > MOST_NAMED else "")
        raise LoadError(
            f"{reading.path.name} holds types that skops does not trust by itself: {named}.",
            "Say that you trust them with --trust (in Python: trust=True).",
        )
    return Loaded(library.load(reading.path, trusted=unknown), peek_skops(reading.look))


def peek_skops(look: Look) -> dict[str, Any]:
    schema = read_json(look.path, "schema.json")
    return {**named_type(f"{schema['__module__']}.{schema['__class__']}"), "skops_version": schema["_skops_version"]}
