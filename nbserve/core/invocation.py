"""How libraries want to be called whose models do not take arrays and answer arrays: a row each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any

from .schema import Container, DataArgument, Parameter, Signature

__all__ = ["INVOCATIONS", "Invoke", "invocation_of"]

Invoke = Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]
"""What is called (the model, or its bound method), the arguments by position, those by name → the answer."""

ONNX_TYPES = {
    "tensor(bool)": "bool",
    "tensor(double)": "float64",
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(int16)": "int16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(int8)": "int8",
    "tensor(string)": "object",
    "tensor(uint16)": "uint16",
    "tensor(uint32)": "uint32",
    "tensor(uint64)": "uint64",
    "tensor(uint8)": "uint8",
}
"""What numpy calls them."""


def invocation_of(signature: Signature) -> Invoke | None:
    """How the method is called; None: with its arguments as they are."""
    if signature.convention:
        return INVOCATIONS[signature.convention](signature)
    makers = {each.name: _MAKERS[each.container](each) for each in _made(signature)}
    return partial(_with_made, makers, signature) if makers else None


# --- tensors and sparse matrices, for code that asks for them


Make = Callable[[Any], Any]


def _made(signature: Signature) -> list[DataArgument | Parameter]:
    """The arguments that an array is not good enough for."""
    arguments: list[DataArgument | Parameter] = [*signature.parameters]
    if signature.data is not None:
        arguments.append(signature.data)
    return [each for each in arguments if each.container in _MAKERS]


def _with_made(
    makers: Mapping[str, Make], signature: Signature, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """The call with tensors or matrices in the place of arrays; its answer is an array again where it was a tensor."""
    names = _positions(signature)
    placed = [_put(makers.get(name), each) for name, each in zip(names, args, strict=False)]
    named = {name: _put(makers.get(name), each) for name, each in kwargs.items()}
    answer = target(*placed, *args[len(placed) :], **named)
    torch = sys.modules.get("torch")
    return answer if torch is None else _without_tensors(answer, torch)


def _positions(signature: Signature) -> list[str]:
    names = [each.name for each in signature.parameters if not each.keyword_only and not each.is_variadic]
    if signature.data is not None:
        names.insert(signature.data.position, signature.data.name)
    return names


def _put(make: Make | None, value: Any) -> Any:
    return make(value) if make is not None and type(value).__name__ == "ndarray" else value


def _torch_maker(argument: DataArgument | Parameter) -> Make:
    """Fractions of torch's default type, unless another type is asked for."""
    has_dtype = getattr(argument, "dtype", None) is not None

    def make(array: Any) -> Any:
        torch: Any = import_module("torch")
        return _tensor(array, torch, None if has_dtype else torch.get_default_dtype(), None, always=not has_dtype)

    return make


def _tensorflow_maker(argument: DataArgument | Parameter) -> Make:
    dtype = None if getattr(argument, "dtype", None) is not None else "float32"
    return lambda array: import_module("tensorflow").convert_to_tensor(array if dtype is None else array.astype(dtype))


def _sparse_maker(argument: DataArgument | Parameter) -> Make:
    """Of the kind that is asked for, where that is one that can be made."""
    annotation = argument.annotation

    def make(array: Any) -> Any:
        sparse = import_module("scipy.sparse")
        kind = annotation if getattr(sparse, getattr(annotation, "__name__", ""), None) is annotation else None
        is_made = kind is not None and kind not in (sparse.spmatrix, sparse.sparray)
        return (kind if is_made else sparse.csr_matrix)(array)  # type: ignore[misc]  # one of its classes

    return make


_MAKERS: dict[Container, Callable[[DataArgument | Parameter], Make]] = {
    Container.SPARSE: _sparse_maker,
    Container.TENSORFLOW: _tensorflow_maker,
    Container.TORCH: _torch_maker,
}


# --- torch


def _torch(signature: Signature) -> Invoke:
    """Arrays become tensors of the module's own type, where the module is."""
    data = signature.data
    is_fractional = data is not None and data.dtype is not None and data.dtype.startswith("float")
    name = "" if data is None else data.name

    def invoke(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        torch: Any = sys.modules["torch"]
        dtype, device = _type_and_place(module, torch)
        positional = [
            _tensor(each, torch, dtype, device, always=is_fractional and i == 0) for i, each in enumerate(args)
        ]
        named = {
            key: _tensor(each, torch, dtype, device, always=is_fractional and key == name)
            for key, each in kwargs.items()
        }
        # not `inference_mode`: what a live module keeps of a call could not be trained with any more
        with torch.no_grad():
            return _without_tensors(module(*positional, **named), torch)

    return invoke


def _type_and_place(module: Any, torch: Any) -> tuple[Any, Any]:
    """The type of the module's first fractional parameter, and the device of its first."""
    device = None
    for each in module.parameters():
        device = each.device if device is None else device
        if each.is_floating_point():
            return each.dtype, device
    return torch.float32, device


def _tensor(value: Any, torch: Any, dtype: Any, device: Any, *, always: bool) -> Any:
    """With `always` whole numbers, too, become fractions."""
    if isinstance(value, torch.Tensor):
        return value.to(device)
    if type(value).__name__ != "ndarray" or value.dtype.kind not in "fiub":
        return value
    # torch takes no array that goes backwards, and warns of one that it could not write into
    array = value if value.flags.c_contiguous and value.flags.writeable else value.copy(order="C")
    wanted = dtype if always or array.dtype.kind == "f" else None
    return torch.from_numpy(array).to(device=device, dtype=wanted)


def _without_tensors(value: Any, torch: Any) -> Any:
    """Arrays for tensors, as deep as tuples, lists and mappings go."""
    if isinstance(value, torch.Tensor):
        return _array(value, torch)
    if isinstance(value, Mapping):
        return {key: _without_tensors(each, torch) for key, each in value.items()}
    if isinstance(value, tuple):
        return tuple(_without_tensors(each, torch) for each in value)
    return [_without_tensors(each, torch) for each in value] if type(value) is list else value


def _array(tensor: Any, torch: Any) -> Any:
    if tensor.layout is not torch.strided:
        tensor = tensor.to_dense()
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype is torch.bfloat16 else tensor.resolve_conj().resolve_neg()).numpy()


# --- Keras


def _keras(signature: Signature) -> Invoke:  # noqa: ARG001
    """`predict_on_batch`: one step of `predict`, without the pipeline around it that takes a hundred times as long."""

    def invoke(predict: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        [inputs] = [*args, *kwargs.values()]
        answer = predict(_inputs(inputs))
        return tuple(answer) if type(answer) is list else answer

    return invoke


def _inputs(value: Any) -> Any:
    """One array, or an array for each of several inputs, as a mapping or a list of them was sent."""
    import numpy as np

    if isinstance(value, Mapping):
        return {name: np.asarray(each) for name, each in value.items()}
    return [np.asarray(each) for each in value] if isinstance(value, list) else value


# --- ONNX


def _onnx(signature: Signature) -> Invoke:  # noqa: ARG001
    """All outputs of the graph: the one, or each under its name."""

    def invoke(run: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        session = run.__self__
        inputs = session.get_inputs()
        given = dict(zip((each.name for each in inputs), args, strict=False)) | kwargs
        answers = run(None, {each.name: _fed(given[each.name], each.type) for each in inputs if each.name in given})
        names = [each.name for each in session.get_outputs()]
        return answers[0] if len(answers) == 1 else dict(zip(names, answers, strict=True))

    return invoke


def _fed(value: Any, kind: str) -> Any:
    import numpy as np

    return np.asarray(value, dtype=ONNX_TYPES.get(kind))


# --- transformers


def _pipeline(signature: Signature) -> Invoke:
    """A list of texts, and a list of answers, one a text."""
    assert signature.data is not None
    name = signature.data.name

    def invoke(pipe: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        rest = dict(kwargs)
        texts = list(args[0] if args else rest.pop(name))
        answers = pipe(texts, **rest)
        return [answers] if pipe.task == "fill-mask" and len(texts) == 1 else answers  # it takes a list of one apart

    return invoke


# --- XGBoost


def _dmatrix(signature: Signature) -> Invoke:
    """Boosters that predict from XGBoost's own matrix only."""
    assert signature.data is not None
    name = signature.data.name

    def invoke(predict: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        xgboost: Any = sys.modules["xgboost"]
        rest = dict(kwargs)
        data = args[0] if args else rest.pop(name)
        matrix = xgboost.DMatrix(data, feature_names=predict.__self__.feature_names)
        return predict(matrix, *args[1:], **rest)

    return invoke


INVOCATIONS: dict[str, Callable[[Signature], Invoke]] = {
    "dmatrix": _dmatrix,
    "keras": _keras,
    "onnx": _onnx,
    "pipeline": _pipeline,
    "torch": _torch,
}
