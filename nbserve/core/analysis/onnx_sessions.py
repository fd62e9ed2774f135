"""What an ONNX Runtime session tells about its graph."""

from __future__ import annotations

from typing import Any

from ..invocation import ONNX_TYPES
from ..schema import Container, DataKind, Datatype, Feature, Finding, Parameter, Signature, Task
from .description import Description, data_argument, number_columns, numeric_input
from .sklearn import Input

__all__ = ["describe_session"]

NUMBERS = tuple(kind for kind, dtype in ONNX_TYPES.items() if dtype not in ("object", "bool"))
MAPPINGS = "seq(map("
"""What a classifier made from scikit-learn answers: a mapping from class to probability for each row."""


def describe_session(session: Any) -> Description | None:
    """One input that holds rows is the data; of several, each is an argument."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    is_classifier = any(each.type.startswith(MAPPINGS) for each in outputs) or any(
        each.name in ("output_label", "label") for each in outputs
    )
    task = Task.CLASSIFICATION if is_classifier else Task.UNKNOWN
    because = "its outputs are a label and probabilities" if is_classifier else "nothing tells"
    findings = (_row_wise_finding(inputs, outputs),)
    if len(inputs) != 1:
        return Description(_of_several(inputs), None, task, because, findings=findings)
    seen, dtype = _input(inputs[0])
    signature = Signature(
        "predict",
        data_argument(inputs[0].name, seen, dtype),
        attribute="run",
        convention="onnx",
        outputs=_outputs(outputs),
        row_wise=bool(findings[0].value),
        doc="Run the graph.",
    )
    return Description(signature, seen, task, because, findings=findings)


def _row_wise_finding(inputs: list[Any], outputs: list[Any]) -> Finding:
    fixed = next((each.name for each in [*inputs, *outputs] if not _has_free_rows(each)), None)
    if len(inputs) == 1 and fixed is None:
        return Finding("row-wise", True, "the first axis of the input and of each output is free")
    because = f"the first axis of {fixed} is not free" if fixed is not None else "it has several inputs"
    return Finding("row-wise", False, because)


def _has_free_rows(each: Any) -> bool:
    return each.type.startswith(MAPPINGS) or (len(each.shape) > 0 and not isinstance(each.shape[0], int))


def _input(each: Any) -> tuple[Input, str | None]:
    shape, dtype = each.shape, ONNX_TYPES.get(each.type)
    because = f"its input {each.name} is {each.type} of {_shown(shape)}"
    if each.type not in NUMBERS or len(shape) < 2:
        row: Any = "some text" if dtype == "object" else True if dtype == "bool" else 1
        for length in reversed(shape[1:]):
            row = [row] * _length(length)
        return Input(DataKind.VALUE, Container.NUMPY, row=row, because=because), None
    width = shape[1] if len(shape) == 2 and isinstance(shape[1], int) else None
    # numpy reads whole numbers of 16 bits and less, but checks the range of those that it is told
    features = () if width is None else number_columns(width, nullable=not _is_whole(dtype), dtype=dtype)
    return numeric_input(features, width, because, _nested(shape[1:], dtype)), dtype


def _is_whole(dtype: str | None) -> bool:
    return dtype is not None and dtype.lstrip("u").startswith("int")


def _nested(shape: list[Any], dtype: str | None) -> Any:
    row: Any = 1 if _is_whole(dtype) else 1.0
    for length in reversed(shape):
        row = [row] * _length(length)
    return row


def _length(length: Any) -> int:
    return length if isinstance(length, int) else 8


def _shown(shape: list[Any]) -> str:
    return " x ".join(str(each) if isinstance(each, int) else "any" for each in shape) or "one value"


def _outputs(outputs: list[Any]) -> tuple[Feature, ...]:
    """The columns of one answered row, when there is one output of a known width."""
    if len(outputs) != 1 or len(outputs[0].shape) > 2:
        return ()
    width = outputs[0].shape[1] if len(outputs[0].shape) == 2 else 1
    if not isinstance(width, int):
        return ()
    names = [outputs[0].name] if width == 1 else [f"{outputs[0].name}_{index}" for index in range(width)]
    return tuple(Feature(name, Datatype.NUMBER) for name in names)


def _of_several(inputs: list[Any]) -> Signature:
    parameters = tuple(
        Parameter(each.name, required=True, nullable=False, container=Container.NUMPY) for each in inputs
    )
    example = {each.name: [_nested([*each.shape[1:]], ONNX_TYPES.get(each.type))] for each in inputs}
    return Signature(
        "predict", parameters=parameters, attribute="run", convention="onnx", example=example, doc="Run the graph."
    )
