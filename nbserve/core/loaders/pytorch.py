"""PyTorch: whole modules as `torch.save` writes them, TorchScript, and exported programs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...errors import LoadError
from .archive import read_json, read_member, sizes
from .library import fetched
from .loader import Loaded, Look, Reading
from .opcodes import named_type, pickled_type, referred_type, skipped

__all__ = [
    "device_of",
    "is_exported",
    "is_saved_module",
    "is_script",
    "load_exported",
    "load_saved_module",
    "load_script",
    "peek_exported",
    "peek_saved_module",
    "peek_script",
    "saved_type",
    "weights_sentence",
]

ANCIENT = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How `torch.save` began before it wrote zip archives: with a number of its own, pickled."""

BEFORE_THE_OBJECT = 3
"""Pickles in such a file before that of the object: the number, the protocol, the system."""

SAVED_DTYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64",
    9: "complex32", 10: "complex64", 11: "complex128", 12: "bool", 13: "bfloat16",
}  # fmt: skip
"""The numbers that an exported program has for them (torch/_export/serde/schema.py)."""

_MANGLED = re.compile(r"^__torch__\.|___torch_mangle_\d+\.")
"""What TorchScript adds to the names of classes."""


def is_exported(look: Look) -> bool:
    return look.member("/archive_format") is not None or "serialized_exported_program.json" in look.members


def is_script(look: Look) -> bool:
    return look.member("/constants.pkl") is not None


def is_saved_module(look: Look) -> bool:
    return look.head.startswith(ANCIENT) or look.member("/data.pkl") is not None


def weights_sentence(look: Look) -> LoadError:
    return LoadError(
        f"{look.name} holds the weights of a PyTorch model, or other data, and not the model: that needs its class.",
        "Name it with --model-class Net (in Python: model_class=Net), or save the whole: torch.save(model, path).",
    )


def load_saved_module(reading: Reading) -> Loaded:
    torch = fetched("torch")
    model = torch.load(reading.path, map_location=device_of(torch), weights_only=False)
    if isinstance(model, (Mapping, torch.Tensor)):
        raise weights_sentence(reading.look)
    return Loaded(model)


def load_script(reading: Reading) -> Loaded:
    torch = fetched("torch")
    return Loaded(torch.jit.load(reading.path, map_location=device_of(torch)))


def load_exported(reading: Reading) -> Loaded:
    return Loaded(fetched("torch.export").load(reading.path).module(), peek_exported(reading.look))


def peek_saved_module(look: Look) -> dict[str, Any]:
    return {**named_type(saved_type(look)), "library": "torch", **_tensors(look, "/data/")}


def peek_script(look: Look) -> dict[str, Any]:
    kind = _MANGLED.sub("", saved_type(look) or "")
    return {**named_type(kind or None), "library": "torch", **_tensors(look, "/data/")}


def peek_exported(look: Look) -> dict[str, Any]:
    """What goes in and what comes out, with None for a dimension that is free."""
    member = look.member("/models/model.json") or "serialized_exported_program.json"
    program = read_json(look.path, member)
    graph, signature = program["graph_module"]["graph"], program["graph_module"]["signature"]
    values = graph["tensor_values"]
    inputs = [spec["user_input"]["arg"] for spec in signature["input_specs"] if "user_input" in spec]
    outputs = [spec["user_output"]["arg"] for spec in signature["output_specs"] if "user_output" in spec]
    return {
        "library": "torch",
        "library_version": program.get("torch_version"),
        "inputs": [_described(arg["as_tensor"]["name"], values) for arg in inputs if "as_tensor" in arg],
        "outputs": [_described(arg["as_tensor"]["name"], values) for arg in outputs if "as_tensor" in arg],
        **_tensors(look, "/data/weights/weight_"),
    }


def _described(name: str, values: dict[str, Any]) -> dict[str, Any]:
    value = values[name]
    shape = [size.get("as_int") for size in value["sizes"]]
    return {"name": name, "shape": shape, "dtype": SAVED_DTYPES.get(value["dtype"])}


def saved_type(look: Look) -> str | None:
    member = look.member("/data.pkl")
    if member is None:
        return referred_type(skipped(look.content, BEFORE_THE_OBJECT))
    try:
        return pickled_type(read_member(look.path, member))
    except ValueError:  # too large to look into, or damaged, which the load will tell
        return None


def _tensors(look: Look, folder: str) -> dict[str, Any]:
    """How many tensors are stored, and their bytes."""
    if not look.members:
        return {}
    stored = [size for name, size in sizes(look.path).items() if folder in name and not name.endswith(".json")]
    return {"tensors": len(stored), "parameter_bytes": sum(stored)}


def device_of(torch: Any) -> str | None:
    """Where tensors go that were saved from a device: to the processor when there is no such device here."""
    return None if torch.cuda.is_available() else "cpu"
