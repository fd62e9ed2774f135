"""What archives tell of their model, read where their frameworks are not installed."""

from __future__ import annotations

import io
import json
import pickle
import random
import struct
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest

from nbserve.core import loaders
from nbserve.core.loaders.protobuf import Message
from nbserve.errors import LoadError

CONFIG = {
    "class_name": "Functional",
    "config": {
        "name": "net",
        "layers": [
            {"class_name": "InputLayer", "config": {"name": "x", "batch_shape": [None, 4], "dtype": "float32"}},
            {"class_name": "Dense", "config": {"name": "out", "units": 3}},
        ],
    },
}
TENSOR = {"dtype": 7, "sizes": [{"as_expr": {"expr_str": "s0"}}, {"as_int": 4}]}
PROGRAM = {
    "graph_module": {
        "graph": {"tensor_values": {"x": TENSOR, "w": TENSOR, "y": {"dtype": 5, "sizes": []}}},
        "signature": {
            "input_specs": [
                {"parameter": {"arg": {"name": "w"}}},
                {"user_input": {"arg": {"as_tensor": {"name": "x"}}}},
            ],
            "output_specs": [{"user_output": {"arg": {"as_tensor": {"name": "y"}}}}],
        },
    },
    "torch_version": "2.13.0",
}


class Sequential:
    """Stands for a class of a framework's."""


Sequential.__module__ = "net.modules"


def archive(path: Path, entries: dict[str, Any]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, content in entries.items():
            file.writestr(name, content if isinstance(content, bytes) else json.dumps(content))
    return path


def keras(path: Path, config: Any = CONFIG) -> Path:
    metadata = {"keras_version": "3.15.1", "date_saved": "2026-11-21@10:00:00"}
    return archive(path, {"metadata.json": metadata, "config.json": config, "model.weights.h5": bytes(300)})


def module(path: Path, saved: Any) -> Path:
    data = saved if isinstance(saved, bytes) else pickle.dumps(saved, 2)
    return archive(path, {"net/data.pkl": data, "net/data/0": bytes(128), "net/data/1": bytes(32), "net/version": b"3"})


def test_a_keras_archive_tells_its_layers_and_inputs(tmp_path: Path) -> None:
    assert loaders.peek(keras(tmp_path / "net.keras")) == {
        "format": "keras",
        "library": "keras",
        "library_version": "3.15.1",
        "type": "Functional",
        "name": "net",
        "layers": [{"type": "Dense", "name": "out"}],
        "inputs": [{"name": "x", "shape": [None, 4], "dtype": "float32"}],
        "saved_at": "2026-11-21@10:00:00",
        "parameter_bytes": 300,
    }


def test_an_exported_program_tells_what_goes_in_and_out(tmp_path: Path) -> None:
    entries = {"net/archive_format": b"pt2", "net/models/model.json": PROGRAM, "net/data/weights/weight_0": bytes(128)}
    assert loaders.peek(archive(tmp_path / "net.pt2", entries)) == {
        "format": "torch-export",
        "library": "torch",
        "library_version": "2.13.0",
        "inputs": [{"name": "x", "shape": [None, 4], "dtype": "float32"}],
        "outputs": [{"name": "y", "shape": [], "dtype": "int64"}],
        "tensors": 1,
        "parameter_bytes": 128,
    }


def test_a_saved_module_tells_its_class_and_weight(tmp_path: Path) -> None:
    path = module(tmp_path / "net.pt", b"\x80\x02cnet.modules\nSequential\n)\x81.")
    assert loaders.peek(path) == {
        "format": "torch",
        "library": "torch",
        "module": "net.modules",
        "type": "Sequential",
        "tensors": 2,
        "parameter_bytes": 160,
    }


def test_a_script_tells_its_class_without_what_torch_has_added(tmp_path: Path) -> None:
    mangled = b"\x80\x02c__torch__.net.___torch_mangle_12\nSequential\n)\x81."
    entries = {"net/data.pkl": mangled, "net/constants.pkl": b"\x80\x02).", "net/code/__torch__/net.py": b""}
    header = loaders.peek(archive(tmp_path / "net.pt", entries))
    assert header is not None
    assert (header["format"], header["module"], header["type"]) == ("torchscript", "net", "Sequential")


def test_a_skops_file_tells_its_class(tmp_path: Path) -> None:
    schema = {"__class__": "LogisticRegression", "__module__": "sklearn.linear_model", "_skops_version": "0.16.0"}
    assert loaders.peek(archive(tmp_path / "net.skops", {"schema.json": schema})) == {
        "format": "skops",
        "library": "sklearn",
        "module": "sklearn.linear_model",
        "type": "LogisticRegression",
        "skops_version": "0.16.0",
    }


@pytest.mark.parametrize(
    "saved",
    [OrderedDict(weight=1), {"model_state_dict": OrderedDict(weight=1), "epoch": 3}, [1], (1, 2, 3, 4)],
    ids=["weights", "a checkpoint", "a list", "a tuple"],
)
def test_weights_without_their_class_are_refused_at_once(saved: Any, tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"w.pt holds the weights of a PyTorch model.* --model-class Net"):
        loaders.find_loader(module(tmp_path / "w.pt", saved))


MISSING = {
    "keras": (lambda folder: keras(folder / "net.keras"), "keras", "pip install keras"),
    "hdf5": (lambda folder: hdf5(folder / "net.h5"), "h5py", "pip install h5py"),
    "torch": (lambda folder: module(folder / "net.pt", Sequential_pickled), "torch", "pip install torch"),
    "skops": (lambda folder: archive(folder / "net.skops", {"schema.json": {}}), "skops", "pip install skops"),
    "tensorflow": (lambda folder: saved_model(folder / "net"), "tensorflow", "pip install tensorflow"),
}
Sequential_pickled = b"\x80\x02cnet.modules\nSequential\n)\x81."


def hdf5(path: Path) -> Path:
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    return path


def field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return bytes([number << 3]) + varint(value)
    return bytes([number << 3 | 2]) + varint(len(value)) + value


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*data, value])


def tensor(dtype: int, *sizes: int) -> bytes:
    shape = b"".join(field(2, field(1, size)) for size in sizes)
    return field(1, b"serving_x:0") + field(2, dtype) + field(3, shape)


def pair(key: str, value: bytes) -> bytes:
    return field(1, key.encode()) + field(2, value)


def saved_model(path: Path) -> Path:
    signature = field(1, pair("x", tensor(1, -1, 4))) + field(2, pair("y", tensor(9, -1)))
    graph = field(1, field(5, b"2.21.0")) + field(2, bytes(5000))
    graph += field(5, pair("__saved_model_init_op", b"")) + field(5, pair("serving_default", signature))
    path.mkdir()
    (path / "saved_model.pb").write_bytes(field(1, 1) + field(2, graph))
    return path


def test_a_saved_model_tells_its_signature_without_tensorflow(tmp_path: Path) -> None:
    assert loaders.peek(saved_model(tmp_path / "net")) == {
        "format": "tensorflow",
        "library": "tensorflow",
        "library_version": "2.21.0",
        "inputs": [{"name": "x", "shape": [None, 4], "dtype": "float32"}],
        "outputs": [{"name": "y", "shape": [None], "dtype": "int64"}],
    }


@pytest.mark.parametrize(("make", "library", "remedy"), MISSING.values(), ids=MISSING)
def test_a_framework_that_is_missing_is_named_with_how_to_get_it(
    make: Any, library: str, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path)
    for name in (library, "skops.io"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(LoadError, match=f"needs {library}, which is not installed. {remedy}"):
        loaders.load(path, trust=True)


def test_code_in_a_keras_model_is_refused_before_keras_is_asked(tmp_path: Path) -> None:
    layer = {"class_name": "Lambda", "config": {"name": "twice", "function": {"class_name": "__lambda__"}}}
    config = {"class_name": "Sequential", "config": {"name": "net", "layers": [layer]}}
    with pytest.raises(LoadError, match=r"holds code: twice of type Lambda. Say that you trust it with --trust"):
        loaders.load(keras(tmp_path / "net.keras", config))
    activation = {"class_name": "Dense", "config": {"name": "out", "activation": {"class_name": "__lambda__"}}}
    config = {"class_name": "Sequential", "config": {"name": "net", "layers": [activation]}}
    with pytest.raises(LoadError, match="holds code: out of type Lambda"):
        loaders.load(keras(tmp_path / "net.keras", config))


def test_bytes_that_are_no_message_raise_value_errors_only() -> None:
    draw = random.Random(3)
    raised = 0
    for _ in range(500):
        message = Message(draw.randbytes(draw.randint(0, 60)))
        try:
            list(message.entries(draw.randint(1, 15)))
            message.text(2)
            message.number(1)
        except ValueError:
            raised += 1
    assert raised > 100


def test_numbers_and_fields_of_fixed_width_are_passed_over() -> None:
    data = bytes([1 << 3 | 1]) + struct.pack("<d", 1.5) + bytes([2 << 3 | 5]) + struct.pack("<f", 2.5)
    message = Message(io.BytesIO(data + field(3, -1) + field(4, b"text")).getvalue())
    assert (message.number(3), message.text(4), message.number(9, 7)) == (-1, "text", 7)
