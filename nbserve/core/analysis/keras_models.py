"""What a Keras model tells about the rows that it takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..schema import Container, DataArgument, DataKind, Datatype, Feature, Finding, Image, Signature, Task
from .conventions import attribute_of, is_users_own
from .description import Description, data_argument, number_columns, numeric_input
from .mixing import mixing_in
from .plain import root_package, words
from .sklearn import Input

__all__ = ["describe_keras"]

PACKAGES = frozenset(["keras", "tf_keras"])
KEEP_ROWS = words("Absolute Add Cast Divide Exp Log Maximum Minimum Multiply Negative Power Relu Sigmoid "
                  "Sqrt Square Subtract Tanh TrueDivide")  # fmt: skip
"""Operations of a graph, beside layers, that take each number by itself."""

FREE = 8
"""A made-up length of an axis that may have any."""


def describe_keras(model: Any) -> Description | None:
    shape = attribute_of(model, "input_shape")
    if _is_of_several(model, shape):
        return _of_several(model)
    dtype = _dtype(model)
    if dtype == "string":
        return None
    because = _mixing(model, shape)
    seen = _input(model, shape, dtype)
    signature = Signature(
        "predict",
        data_argument("x", seen, dtype),
        attribute="predict_on_batch",
        convention="keras",
        outputs=_outputs(attribute_of(model, "output_shape")),
        row_wise=because is None,
        runs_users_code=any(is_users_own(type(each)) for each in _everything_in(model)),
        doc="Generates output predictions for the input samples.",
    )
    told = "no layer is known to mix rows" if because is None else because
    return Description(signature, seen, *_task(model), findings=(Finding("row-wise", because is None, told),))


def _is_of_several(model: Any, shape: Any) -> bool:
    return isinstance(shape, (list, dict)) or len(attribute_of(model, "inputs") or ()) > 1


def _of_several(model: Any) -> Description:
    """Several inputs are no rows of one kind: they are passed on as they are named."""
    made = {each.name: [_made_up(tuple(each.shape), str(each.dtype))] for each in attribute_of(model, "inputs", ())}
    signature = Signature(
        "predict",
        DataArgument("x"),
        attribute="predict_on_batch",
        convention="keras",
        example={"x": made},
        doc="Generates output predictions for the input samples.",
    )
    finding = Finding("row-wise", False, "it has several inputs")
    return Description(signature, None, findings=(finding,))


def _dtype(model: Any) -> str:
    inputs = attribute_of(model, "inputs")
    return str(attribute_of(inputs[0], "dtype", "float32")) if inputs else "float32"


def _input(model: Any, shape: Any, dtype: str) -> Input:
    if not isinstance(shape, tuple) or len(shape) < 2:
        weights = [each.shape for each in attribute_of(model, "weights") or () if len(each.shape) == 2]
        row = [1.0] * int(weights[0][0]) if weights else None
        return Input(DataKind.MATRIX, Container.NUMPY, row=row, because="it does not tell the shape of its input")
    width = shape[1] if len(shape) == 2 else None
    features = () if width is None else number_columns(width, nullable=False, dtype=dtype)
    found = numeric_input(features, width, f"input_shape {shape}", _made_up(shape, dtype))
    return replace(found, image=_image(shape))


def _image(shape: tuple[int | None, ...]) -> Image | None:
    """Pictures, of a shape of height, width and as many channels as a picture has."""
    if len(shape) != 4 or shape[3] not in (1, 3, 4):
        return None
    return Image(shape[3], shape[1], shape[2])


def _made_up(shape: tuple[int | None, ...], dtype: str) -> Any:
    row: Any = 1 if dtype.lstrip("u").startswith("int") else 1.0
    for length in reversed(shape[1:]):
        row = [row] * (FREE if length is None else length)
    return row


def _outputs(shape: Any) -> tuple[Feature, ...]:
    if not isinstance(shape, tuple) or len(shape) != 2 or not isinstance(shape[1], int):
        return ()
    names = ["prediction"] if shape[1] == 1 else [str(index) for index in range(shape[1])]
    return tuple(Feature(name, Datatype.NUMBER) for name in names)


def _task(model: Any) -> tuple[Task, str]:
    """What the last layer's activation, or else the loss it was compiled with, is for."""
    last = (attribute_of(model, "layers") or [None])[-1]
    activation = attribute_of(attribute_of(last, "activation"), "__name__", "")
    if activation in ("softmax", "sigmoid"):
        return Task.CLASSIFICATION, f"it ends with {activation}"
    loss = attribute_of(model, "loss")
    name = loss if isinstance(loss, str) else type(loss).__name__
    if "entropy" in name.casefold():
        return Task.CLASSIFICATION, f"its loss is {name}"
    return (Task.REGRESSION, f"its loss is {name}") if name.casefold().startswith(("mse", "mae", "mean")) else (
        Task.UNKNOWN, "nothing tells"
    )  # fmt: skip


# --- do rows depend on each other?


def _mixing(model: Any, shape: Any) -> str | None:
    """Why the answer for a row may depend on the other rows; None: it does not."""
    if isinstance(shape, tuple) and shape[:1] != (None,):
        return "its first axis is not free"
    for each in _everything_in(model):
        found = _layer_mixing(each)
        if found is not None:
            return f"{type(each).__name__}: {found}"
    return None


def _everything_in(model: Any) -> list[Any]:
    """The model's layers, those inside them, and the other operations of its graph."""
    flatten = attribute_of(model, "_flatten_layers")
    layers = list(flatten()) if callable(flatten) else [model, *attribute_of(model, "layers", ())]
    graphs = [each for layer in layers for each in (layer, attribute_of(layer, "_functional"))]
    operations = [each for graph in graphs for each in attribute_of(graph, "operations") or ()]
    return [*layers, *(each for each in operations if not any(each is layer for layer in layers))]


def _layer_mixing(layer: Any) -> str | None:
    kinds = {kind.__name__ for kind in type(layer).__mro__}
    if root_package(type(layer)) not in PACKAGES:
        return mixing_in(type(layer).call, layer)
    if "Lambda" in kinds:
        return "its code is the user's"
    if attribute_of(layer, "stateful") is True:
        return "it is stateful"
    if "Layer" not in kinds:
        return None if type(layer).__name__ in KEEP_ROWS else "an operation that may mix rows"
    axis = attribute_of(layer, "axis", 1)
    axes = axis if isinstance(axis, (list, tuple)) else [axis]
    is_along_rows = any(isinstance(each, int) and (each == 0 or each < -1) for each in axes)
    return "it works along the rows" if is_along_rows else None
