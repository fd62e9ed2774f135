"""TensorFlow's SavedModel: a folder with a program and its variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import LoadError
from .library import fetched
from .loader import Loaded, Look, Reading
from .protobuf import Message

__all__ = ["SavedModel", "is_saved_model", "load_saved_model", "peek_saved_model"]

PROGRAM = "saved_model.pb"
SERVING = "serving_default"
ENTRANCES = ("serve", "predict", "__call__")
LARGEST_PROGRAM_BYTES = 64 << 20

DTYPES = {
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 7: "string", 8: "complex64", 9: "int64",
    10: "bool", 14: "bfloat16", 17: "uint16", 18: "complex128", 19: "float16", 22: "uint32", 23: "uint64",
}  # fmt: skip
"""The numbers that they have in tensorflow/core/framework/types.proto."""


class SavedModel:
    """A program of TensorFlow's, called by its signature; `program` is what TensorFlow itself loaded."""

    def __init__(self, program: Any, function: Any) -> None:
        self.program = program
        self._function = function
        self._positional, self._named = function.structured_input_signature

    def predict(self, X: Any) -> Any:
        """The output for `X`, an array; several inputs are a mapping of their names, as are several outputs."""
        names = [spec.name for spec in self._positional] + list(self._named)
        given = X if isinstance(X, Mapping) and len(names) > 1 else dict.fromkeys(names[:1], X)
        positional = [_tensor(given[spec.name], spec) for spec in self._positional]
        return _plain(self._function(*positional, **{n: _tensor(given[n], spec) for n, spec in self._named.items()}))


def is_saved_model(look: Look) -> bool:
    return look.is_folder and PROGRAM in look.members


def load_saved_model(reading: Reading) -> Loaded:
    program = fetched("tensorflow").saved_model.load(str(reading.path))
    return Loaded(SavedModel(program, _function(reading.look, program)), peek_saved_model(reading.look))


def peek_saved_model(look: Look) -> dict[str, Any]:
    """What the signature takes and gives, read without TensorFlow."""
    path = look.path / PROGRAM
    if path.stat().st_size > LARGEST_PROGRAM_BYTES:
        return {"library": "tensorflow"}
    graph = Message(path.read_bytes()).message(2)
    told: dict[str, Any] = {"library": "tensorflow", "library_version": graph.message(1).text(5) or None}
    signatures = {name: signature for name, signature in graph.entries(5) if not name.startswith("__")}
    signature = signatures.get(SERVING) or next(iter(signatures.values()), None)
    if signature is None:
        return told
    return {**told, "inputs": _tensors(signature, 1), "outputs": _tensors(signature, 2)}


def _function(look: Look, program: Any) -> Any:
    """What to call: the signature that is meant for it, else what the program itself is called by."""
    signatures = getattr(program, "signatures", {})
    if signatures:
        return signatures.get(SERVING) or next(iter(signatures.values()))
    for name in ENTRANCES:
        if functions := getattr(getattr(program, name, None), "concrete_functions", ()):
            return functions[0]
    raise LoadError(
        f"{look.name} has no signature to call.",
        "Save it with one: tf.saved_model.save(model, path, signatures=…), or model.export(path) in Keras.",
    )


def _tensors(signature: Message, field: int) -> list[dict[str, Any]]:
    return [
        {"name": name, "shape": _shape(tensor.message(3)), "dtype": DTYPES.get(tensor.number(2))}
        for name, tensor in signature.entries(field)
    ]


def _shape(shape: Message) -> list[int | None] | None:
    if shape.number(3):  # of unknown rank
        return None
    sizes = [dimension.number(1) for dimension in shape.messages(2)]
    return [None if size < 0 else size for size in sizes]


def _tensor(value: Any, spec: Any) -> Any:
    tensorflow = fetched("tensorflow")
    return value if tensorflow.is_tensor(value) else tensorflow.cast(tensorflow.convert_to_tensor(value), spec.dtype)


def _plain(answer: Any) -> Any:
    """Arrays for tensors; the one output of a program that has only one."""
    if not isinstance(answer, Mapping):
        return answer.numpy() if hasattr(answer, "numpy") else answer
    arrays = {name: _plain(output) for name, output in answer.items()}
    return next(iter(arrays.values())) if len(arrays) == 1 else arrays
