"""Models that MLflow calls: what goes in is what their signature says."""

from __future__ import annotations

from typing import Any

from ..schema import Container, DataKind, Datatype, Feature, Finding, Parameter, Signature
from .conventions import attribute_of
from .description import Description, data_argument, number_columns, numeric_input
from .sklearn import Input

__all__ = ["describe_pyfunc"]

BECAUSE = "the signature that was saved with it"

TYPES: dict[str, tuple[Datatype, str, Any]] = {
    "boolean": (Datatype.BOOLEAN, "bool", True),
    "integer": (Datatype.INTEGER, "int32", 1),
    "long": (Datatype.INTEGER, "int64", 1),
    "float": (Datatype.NUMBER, "float32", 1.0),
    "double": (Datatype.NUMBER, "float64", 1.0),
    "string": (Datatype.STRING, "object", "some text"),
    "datetime": (Datatype.DATETIME, "datetime64[ns]", "2026-01-01T00:00:00"),
}
"""What MLflow calls them, and pandas; it takes no other type than the one that it was told."""


def describe_pyfunc(model: Any) -> Description | None:
    """None without a signature: no more is known of it than of any other object."""
    schema = attribute_of(attribute_of(attribute_of(model, "metadata"), "signature"), "inputs")
    seen = None if schema is None else _input(list(schema.inputs))
    if seen is None:
        return None
    dtype = seen.features[0].dtype if seen.kind is DataKind.MATRIX and seen.features else None
    signature = Signature(
        "predict",
        data_argument("data", seen, dtype),
        parameters=(Parameter("params", keyword_only=True),),
        doc="What the model answers, by way of MLflow.",
    )
    finding = Finding("row-wise", False, "the code of a flavor may look at all rows")
    return Description(signature, seen, findings=(finding,))


def _input(specs: list[Any]) -> Input | None:
    if len(specs) == 1 and attribute_of(specs[0], "shape") is not None:
        return _tensor(specs[0])
    if len(specs) == 1 and _is_unnamed_text(specs[0]):
        return Input(DataKind.TEXTS, Container.PYTHON, because=BECAUSE)
    features = [_feature(each) for each in specs]
    known = tuple(each for each in features if each is not None)
    if not known or len(known) != len(specs):
        return None
    return Input(DataKind.TABLE, Container.PANDAS, known, len(known), because=BECAUSE)


def _is_unnamed_text(spec: Any) -> bool:
    """What pipelines of transformers are given."""
    return attribute_of(spec, "name") is None and attribute_of(attribute_of(spec, "type"), "name") == "string"


def _feature(spec: Any) -> Feature | None:
    kind = TYPES.get(attribute_of(attribute_of(spec, "type"), "name", ""))
    name = attribute_of(spec, "name")
    if kind is None or not isinstance(name, str):
        return None
    datatype, dtype, example = kind
    is_nullable = not attribute_of(spec, "required", True)
    return Feature(name, datatype, dtype, nullable=is_nullable or datatype is Datatype.NUMBER, example=example)


def _tensor(spec: Any) -> Input | None:
    shape, dtype = tuple(spec.shape), str(spec.type)
    if len(shape) != 2 or shape[1] < 1 or not dtype.startswith(("float", "int", "uint")):
        return None
    columns = number_columns(shape[1], nullable=dtype.startswith("float"), dtype=dtype)
    return numeric_input(columns, shape[1], BECAUSE)
