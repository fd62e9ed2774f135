"""ONNX: a graph in protocol buffers, run by ONNX Runtime."""

from __future__ import annotations

from typing import Any

from ...errors import LoadError
from .library import fetched
from .loader import Loaded, Look, Reading
from .protobuf import BYTES, VARINT, Message, opening

__all__ = ["is_onnx", "load_onnx", "peek_onnx"]

FIELDS = {
    1: VARINT, 2: BYTES, 3: BYTES, 4: BYTES, 5: VARINT, 6: BYTES, 7: BYTES, 8: BYTES, 14: BYTES, 20: BYTES, 25: BYTES,
    26: BYTES,
}  # fmt: skip
"""Those of a ModelProto (onnx/onnx.proto), by their numbers."""

VERSION, PRODUCER, PRODUCER_VERSION, GRAPH, OPSETS = 1, 2, 3, 7, 8
NEWEST_VERSION = 1000
LARGEST_LOOK_BYTES = 512 << 20

PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")
"""What may run it, of those that are here: others are slow to start, or take only some graphs."""

DTYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string", 9: "bool",
    10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128", 16: "bfloat16",
}  # fmt: skip


def is_onnx(look: Look) -> bool:
    fields = list(opening(look.head))
    is_versioned = bool(fields) and fields[0][:2] == (VERSION, VARINT) and 1 <= fields[0][2] <= NEWEST_VERSION
    return is_versioned and _has_graph(look) and all(FIELDS.get(number) == kind for number, kind, _ in fields)


def load_onnx(reading: Reading) -> Loaded:
    if not _is_whole(reading.look):
        raise LoadError(f"{reading.path.name} is cut short.", "Save or copy it again.")
    library = fetched("onnxruntime")
    available = library.get_available_providers()
    providers = [each for each in PROVIDERS if each in available] or available
    return Loaded(library.InferenceSession(str(reading.path), providers=providers), peek_onnx(reading.look))


def peek_onnx(look: Look) -> dict[str, Any]:
    """What goes into the graph and comes out of it, with None for a dimension that is free."""
    if look.size_bytes > LARGEST_LOOK_BYTES:
        return {"library": "onnx"}
    model = Message(look.path.read_bytes())
    graph = model.message(GRAPH)
    weights = {each.text(8) for each in graph.messages(5)}
    producer = f"{model.text(PRODUCER)} {model.text(PRODUCER_VERSION)}".strip()
    return {
        "library": "onnx",
        "name": graph.text(2) or None,
        "producer": producer or None,
        "opsets": {each.text(1) or "ai.onnx": each.number(2) for each in model.messages(OPSETS)},
        "inputs": [_described(each) for each in graph.messages(11) if each.text(1) not in weights],
        "outputs": [_described(each) for each in graph.messages(12)],
    }


def _has_graph(look: Look) -> bool:
    return any(number == GRAPH for number, _, _ in opening(look.head))


def _is_whole(look: Look) -> bool:
    """Whether the graph is there to its end, and what is behind it."""
    end = next(end for number, _, end in opening(look.head) if number == GRAPH)
    with look.path.open("rb") as file:
        file.seek(end)
        behind = Message(file.read())  # a line for each set of operations
    try:
        return end <= look.size_bytes and (behind.has(OPSETS) or Message(look.head).has(OPSETS))
    except ValueError:
        return False


def _described(value: Message) -> dict[str, Any]:
    tensor = value.message(2).message(1)
    shape = [each.number(1) if each.has(1) else None for each in tensor.message(2).messages(1)]
    return {"name": value.text(1), "shape": shape, "dtype": DTYPES.get(tensor.number(1))}
