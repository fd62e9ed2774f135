"""Safetensors: tensors behind a header of JSON, and no code."""

from __future__ import annotations

import json
from typing import Any

from ...errors import LoadError
from .library import fetched
from .loader import Loaded, Look, Reading
from .weights import fill, module_for

__all__ = ["is_safetensors", "load_safetensors", "peek_safetensors"]

LARGEST_HEADER_BYTES = 64 << 20
BEFORE_THE_HEADER = 8
"""Bytes that say how long it is."""

DTYPES = {
    "BF16": "bfloat16", "BOOL": "bool", "F16": "float16", "F32": "float32", "F64": "float64", "I16": "int16",
    "I32": "int32", "I64": "int64", "I8": "int8", "U8": "uint8",
}  # fmt: skip


def is_safetensors(look: Look) -> bool:
    return _tensors(look) is not None


def load_safetensors(reading: Reading) -> Loaded:
    torch, library = fetched("torch"), fetched("safetensors.torch")
    if _end(reading.look) > reading.look.size_bytes:
        raise LoadError(f"{reading.path.name} is cut short.", "Save or copy it again.")
    model = module_for(reading, {}, torch)
    fill(reading, model, lambda: library.load_model(model, reading.path))
    return Loaded(model.eval(), peek_safetensors(reading.look))


def peek_safetensors(look: Look) -> dict[str, Any]:
    tensors = _tensors(look) or {}
    return {
        "library": "torch",
        "tensors": len(tensors),
        "parameter_bytes": sum(each["data_offsets"][1] - each["data_offsets"][0] for each in tensors.values()),
        "dtypes": sorted({DTYPES.get(each["dtype"], str(each["dtype"])) for each in tensors.values()}),
    }


def _end(look: Look) -> int:
    """Where the last tensor ends."""
    tensors = _tensors(look) or {}
    return _data_at(look) + max((each["data_offsets"][1] for each in tensors.values()), default=0)


def _data_at(look: Look) -> int:
    return BEFORE_THE_HEADER + int.from_bytes(look.head[:BEFORE_THE_HEADER], "little")


def _tensors(look: Look) -> dict[str, Any] | None:
    """What the header says of each tensor; None when there is no such header."""
    end = _data_at(look)
    if look.is_folder or look.head[8:9] != b"{" or end > min(LARGEST_HEADER_BYTES, look.size_bytes):
        return None
    with look.path.open("rb") as file:
        try:
            header = json.loads(file.read(end)[BEFORE_THE_HEADER:])
        except (ValueError, RecursionError):
            return None
    tensors = {name: told for name, told in header.items() if name != "__metadata__"}
    return tensors if tensors and all(map(_is_told, tensors.values())) else None


def _is_told(tensor: Any) -> bool:
    offsets = tensor.get("data_offsets") if isinstance(tensor, dict) else None
    return isinstance(offsets, list) and len(offsets) == 2 and all(type(each) is int for each in offsets)
