"""An example request that works: from data lying in the notebook, or else made up from what is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_origin

from ..schema import Container, DataArgument, DataKind, Datatype, Feature, Parameter
from .annotations import made_up
from .intent import CELLS, PLAIN, Intent, frame_intent, intent_of, looks_like, polars_row
from .namespace import Sample, accepts, frame_sample, matrix_sample, named_frame_sample, polars_sample, text_sample
from .sklearn import Input

__all__ = ["Rows", "features_for_code", "parameters_example", "rows_for_code", "rows_for_input", "with_sample"]

TEXTS = ["some text", "another text"]
ROW = [1.0, 2.0]
FRAMES = (Container.PANDAS, Container.POLARS)


@dataclass(frozen=True, slots=True)
class Rows:
    """The example of a data argument, and the notebook's variable that it is from."""

    value: Any
    sample: Sample | None = None


def rows_for_input(found: Input, namespace: Mapping[str, Any]) -> Rows:
    """Rows for a model that says what it takes."""
    sample = _sample_for_input(found, namespace)
    if sample is not None and sample.rows:
        return Rows(sample.rows, sample)
    return Rows(_made_rows(found), sample)


def rows_for_code(data: DataArgument, intent: Intent, namespace: Mapping[str, Any]) -> Rows:
    """Rows for a function whose annotation or code says what it takes."""
    sample = _sample_for_code(data, intent, namespace)
    if sample is not None and sample.rows:
        return Rows(sample.rows, sample)
    if intent.value is not None:
        return Rows(intent.value)
    if data.kind is DataKind.TEXTS:
        return Rows(TEXTS)
    if data.annotation is not None and data.container is Container.PYTHON:
        return Rows(_twice(made_up(data.annotation), data.annotation))
    if intent.row is not None:
        return Rows([intent.row] * 2)
    if data.container is Container.SERIES:
        return Rows(ROW)
    return Rows([{"x0": 1.0}] * 2 if data.container in FRAMES else [ROW] * 2)


def features_for_code(intent: Intent, rows: Rows) -> tuple[Feature, ...]:
    """The columns that code reads from a frame; where it names none, those that JSON has no type for: moments."""
    if intent.container is not Container.PANDAS:
        return ()
    dtypes = {} if rows.sample is None else rows.sample.dtypes
    moments = [name for name, dtype in dtypes.items() if dtype.startswith("datetime")]
    row = intent.row if isinstance(intent.row, dict) else {}
    return tuple(
        Feature(name, _datatype_for_code(row.get(name), dtypes.get(name)), dtypes.get(name), nullable=True)
        for name in intent.columns or moments
    )


def _datatype_for_code(value: Any, dtype: str | None) -> Datatype:
    is_moment = value == CELLS["dt"] if dtype is None else dtype.startswith("datetime")
    return Datatype.DATETIME if is_moment else Datatype.ANY


def parameters_example(
    parameters: Sequence[Parameter],
    call: Callable[..., Any] | None,
    namespace: Mapping[str, Any],
    *,
    has_data: bool,
) -> dict[str, Any]:
    """Values for the arguments that must be given; for `*args` too when there is no other data."""
    return {
        each.name: _parameter_value(each, call, namespace)
        for each in parameters
        if each.required or (each.is_variadic and not has_data)
    }


def with_sample(features: Sequence[Feature], sample: Sample | None) -> tuple[Feature, ...]:
    """The features, with what the user's frame tells in addition: dtype, datatype, categories, an example."""
    if sample is None or not sample.dtypes:
        return tuple(features)
    return tuple(_feature_with(each, sample) for each in features)


def _feature_with(feature: Feature, sample: Sample) -> Feature:
    told = sample.datatype(feature.name)
    # a boolean is a number to an estimator, but not to whoever sends it
    is_told = feature.datatype is Datatype.ANY or (told is Datatype.BOOLEAN and feature.datatype is Datatype.NUMBER)
    datatype = told if is_told else feature.datatype
    example = next((row[feature.name] for row in sample.rows if row.get(feature.name) is not None), feature.example)
    return replace(
        feature,
        datatype=datatype,
        dtype=feature.dtype or sample.dtypes.get(feature.name),  # what the model knows itself is surer
        categories=feature.categories if feature.categories is not None else sample.categories.get(feature.name),
        example=example,
    )


def _sample_for_input(found: Input, namespace: Mapping[str, Any]) -> Sample | None:
    if found.container is Container.POLARS:
        return polars_sample(namespace, [each.name for each in found.features])
    if found.kind is DataKind.TABLE:
        return frame_sample(namespace, found.features)
    if found.kind is DataKind.TEXTS:
        return text_sample(namespace) if _is_any_text(found) else None
    if found.kind is DataKind.MATRIX and found.width is not None:
        sample = matrix_sample(namespace, found.width, positive=found.is_positive)
        return sample if sample is not None and _all_accepted(found.features, sample.rows) else None
    return None


def _all_accepted(features: Sequence[Feature], rows: Sequence[Sequence[Any]]) -> bool:
    return all(accepts(feature, value) for row in rows for feature, value in zip(features, row, strict=False))


def _is_any_text(found: Input) -> bool:
    """Whether it takes whatever text, and none in which something must stand."""
    return found.row is None or found.row in TEXTS


def _made_rows(found: Input) -> Any:
    if found.kind is DataKind.TABLE:
        return [{each.name: _nth_value(each, index) for each in found.features} for index in range(2)]
    if found.kind is DataKind.TEXTS and _is_any_text(found):
        return TEXTS
    if found.kind is DataKind.MATRIX and found.features:
        return [[_nth_value(each, index) for each in found.features] for index in range(2)]
    return [ROW if found.row is None else found.row] * 2


def _nth_value(feature: Feature, index: int) -> Any:
    if feature.categories:
        return feature.categories[min(index, len(feature.categories) - 1)]
    return feature.example


def _sample_for_code(data: DataArgument, intent: Intent, namespace: Mapping[str, Any]) -> Sample | None:
    if data.container is Container.PANDAS:
        return named_frame_sample(namespace, data.name, intent.columns)
    if data.container is Container.EITHER:
        return named_frame_sample(namespace, data.name, ()) or matrix_sample(namespace, None)
    if data.kind is DataKind.TEXTS:
        return text_sample(namespace)
    if data.kind is DataKind.MATRIX and data.container.is_array:
        return matrix_sample(namespace, len(intent.row) if isinstance(intent.row, list) else None)
    return None


def _twice(value: Any, annotation: Any) -> Any:
    is_list = get_origin(annotation) is not None and isinstance(value, list) and len(value) == 1
    return value * 2 if is_list else value


def _parameter_value(parameter: Parameter, call: Callable[..., Any] | None, namespace: Mapping[str, Any]) -> Any:
    if parameter.container is not Container.PYTHON and call is not None:
        return _contained_value(parameter, call, namespace)
    if parameter.is_variadic:
        return [1.0, 2.0] if parameter.annotation is None else [made_up(parameter.annotation)] * 2
    if parameter.choices:
        return parameter.choices[0]
    if parameter.annotation is None and call is not None:
        return looks_like(call, parameter.name)
    return made_up(parameter.annotation)


def _contained_value(parameter: Parameter, call: Callable[..., Any], namespace: Mapping[str, Any]) -> Any:
    """Rows for a second frame, an array that may have one dimension or two."""
    if parameter.container.is_array:
        intent = intent_of(call, parameter.name)
        is_matrix = intent.is_array_only or intent.row is not None or parameter.name[0].isupper()
        return [ROW if intent.row is None else intent.row] * 2 if is_matrix else ROW
    intent = PLAIN
    if parameter.container is Container.PANDAS:
        intent = frame_intent(call, parameter.name)
    elif parameter.container is Container.POLARS:
        intent = replace(PLAIN, row=polars_row(call, parameter.name))
    data = DataArgument(parameter.name, DataKind.VALUE, parameter.container, annotation=parameter.annotation)
    return rows_for_code(data, intent, namespace).value
