"""A method's request and answer as JSON Schema 2020-12 (OpenAPI 3.1): exactly what the decoder accepts.

What JSON Schema has no words for is left to the decoder: that columns have one length, that arrays are rectangular.
Without ``$ref``: the schemas are put into documents that have definitions of their own.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

from ..schema import Container, DataArgument, DataKind, Datatype, Feature, Parameter, Signature
from .annotations import annotated
from .columns import LARGEST, integer_range, is_missing, plain_scalar
from .encode import to_plain
from .names import Names
from .values import annotation_of

__all__ = ["request_schema", "response_schema"]

Schema = dict[str, Any]


def request_schema(signature: Signature) -> Schema:
    """The schema of a request's body: an object of arguments, the data by another name, or the bare data."""
    names = Names(signature)
    properties = _properties(signature)
    forms = [_object(properties, names.required, is_open=names.is_open)]
    if names.stand_in is not None:
        forms += _by_alias(properties, names) + _bare(properties[names.stand_in], names)
    schema = forms[0] if len(forms) == 1 else {"anyOf": forms}
    schema = {"title": f"{signature.method} request", **schema}
    return schema | {"examples": [to_plain(signature.example)]} if signature.example else schema


def response_schema(signature: Signature) -> Schema:
    """The schema of an answer; an array only where rows are known to be answered one by one."""
    answer: Schema = {"title": f"{signature.method} result"}
    if signature.row_wise and signature.outputs:
        outputs = ", ".join(output.name for output in signature.outputs[:20])
        answer |= {"type": "array", "description": f"One answer for each row: {outputs}."}
    return {"type": "object", "properties": {"predict_result": answer}, "required": ["predict_result"]}


def _properties(signature: Signature) -> dict[str, Schema]:
    properties = {each.name: _parameter(each) for each in signature.parameters}
    data = signature.data
    return properties if data is None else {data.name: {"title": data.name, **_data(data)}, **properties}


def _object(properties: dict[str, Schema], required: list[str], *, is_open: bool) -> Schema:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": is_open}


def _by_alias(properties: dict[str, Schema], names: Names) -> list[Schema]:
    """The same object with the data under exactly one of its other names."""
    data = names.stand_in or ""
    if not names.aliases:
        return []
    others = {name: schema for name, schema in properties.items() if name != data}
    form = _object(others, [name for name in names.required if name != data], is_open=names.is_open)
    form["patternProperties"] = {f"^({'|'.join(names.aliases)})$": properties[data]}
    if not others and not names.is_open:
        return [form | {"minProperties": 1, "maxProperties": 1}]
    return [form | {"oneOf": [{"required": [alias]} for alias in names.aliases]}]


def _bare(schema: Schema, names: Names) -> list[Schema]:
    return [{"type": "array", "allOf": [schema]}] if names.required == [names.stand_in] else []


def _data(data: DataArgument) -> Schema:
    if data.image is None:
        return _rows_of(data)
    one: Schema = {"type": "string", "contentEncoding": "base64", "description": "A PNG or JPEG, also as a data URL."}
    forms = [one, {"type": "array", "items": one, "minItems": 1}]
    return {"anyOf": [*forms, _rows_of(data)] if data.image.is_array else forms}


def _rows_of(data: DataArgument) -> Schema:
    if data.kind is DataKind.TEXTS:
        return {"type": "array", "items": {"type": "string"}, "minItems": 1}
    by_row = annotated(data.annotation) if data.kind is DataKind.TABLE else None
    if by_row is not None:
        return by_row.schema() | {"minItems": 1}
    if data.kind is DataKind.TABLE:
        return {"anyOf": _named_rows([_feature(each) for each in data.features], data)}
    if data.kind is DataKind.MATRIX:
        return _matrix(data)
    by_annotation = annotated(data.annotation)
    return {} if by_annotation is None else by_annotation.schema()


def _named_rows(cells: list[Schema], data: DataArgument) -> list[Schema]:
    """Records, lists, columns, one record."""
    columns = {each.name: cell for each, cell in zip(data.features, cells, strict=True)}
    required = [each.name for each in data.features if each.required]
    lists = {name: {"type": "array", "items": cell, "minItems": 1} for name, cell in columns.items()}
    scalars = {name: cell or {"type": _SCALARS} for name, cell in columns.items()}
    return [
        _rows(_object(columns, required, is_open=False)),
        _rows({"type": "array", "prefixItems": cells, "minItems": len(cells), "maxItems": len(cells)}),
        _object(lists, required, is_open=False),
        _object(scalars, required, is_open=False),
    ]


def _matrix(data: DataArgument) -> Schema:
    if data.width is None and not data.features:
        if data.container is Container.PANDAS:
            return {"type": ["array", "object"]}
        return _rows({"type": "array", "minItems": 1, "items": {"type": [*_NUMBERS, "null", "array"]}})
    width = data.width if data.width is not None else len(data.features)
    rows = _rows({"type": "array", "items": _cell(data), "minItems": width, "maxItems": width})
    if not data.features:
        return rows
    cells = [_feature(each) for each in data.features]
    records, _, columns, record = _named_rows(cells, data)
    return {"anyOf": [rows, records, columns, record]}


def _cell(data: DataArgument) -> Schema:
    """One value of a matrix."""
    is_integer = data.dtype is not None and data.dtype.lstrip("u").startswith("int")
    is_nullable = not is_integer and all(feature.nullable for feature in data.features)
    return _feature(Feature("", Datatype.INTEGER if is_integer else Datatype.NUMBER, data.dtype, nullable=is_nullable))


def _rows(row: Schema) -> Schema:
    return {"type": "array", "items": row, "minItems": 1}


def _feature(feature: Feature) -> Schema:
    """One value of a column, and what stands for it where it need not be sent."""
    one = _value(feature)
    if feature.shape:
        one = {
            "type": ["array", "null"] if feature.nullable else "array",
            "items": _value(replace(feature, nullable=False)),
        }
    return one if feature.required else one | {"default": to_plain(feature.default)}


def _value(feature: Feature) -> Schema:
    """A boolean counts as a number, as it does in numpy."""
    if feature.closed and feature.categories is not None:
        return {"enum": _choices(feature.categories, nullable=feature.nullable)}
    schema: Schema = dict(_CELLS[feature.datatype])
    if feature.datatype is Datatype.INTEGER:
        low, high = integer_range(feature.dtype)
        schema |= {"minimum": low, "maximum": high}
    elif feature.datatype is Datatype.NUMBER:
        largest = LARGEST.get(feature.dtype or "", sys.float_info.max)
        schema |= {"minimum": -largest, "maximum": largest} if feature.dtype in LARGEST else {}
    if feature.datatype is Datatype.ANY:
        return schema if feature.nullable else {"type": [*_SCALARS[:-1], "array", "object"]}
    return _or_null(schema) if feature.nullable else schema


def _parameter(parameter: Parameter) -> Schema:
    one = _one_argument(parameter)
    schema = {"type": "array", "items": one} if parameter.is_variadic else one
    schema = {"title": parameter.name, **schema}
    is_plain = parameter.default is None or type(parameter.default) in (bool, int, float, str)
    shows_default = not parameter.required and not parameter.is_variadic and is_plain
    return schema | {"default": to_plain(parameter.default)} if shows_default else schema


def _one_argument(parameter: Parameter) -> Schema:
    by_annotation = annotation_of(parameter)
    if by_annotation is not None:
        return by_annotation.schema()
    if parameter.choices is not None:
        return {"enum": _choices(parameter.choices, nullable=parameter.nullable)}
    schema = dict(_ARGUMENTS[parameter.datatype])
    if parameter.datatype is Datatype.ANY:
        return schema if parameter.nullable else {"type": [*_SCALARS[:-1], "array", "object"]}
    return _or_null(schema) if parameter.nullable else schema


def _choices(values: tuple[Any, ...], *, nullable: bool) -> list[Any]:
    known = [to_plain(value) for value in map(plain_scalar, values) if not is_missing(value)]
    return [*known, None] if nullable else known


def _or_null(schema: Schema) -> Schema:
    types = schema["type"]
    return schema | {"type": [*([types] if isinstance(types, str) else types), "null"]}


_NUMBERS = ["number", "boolean"]
_SCALARS = ["number", "string", "boolean", "null"]
_WITHOUT_ZONE = (
    r"^(?!0000)\d{4}-(?!02-3|(0[469]|11)-31)(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
    r"[T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.(\d{3}|\d{6}))?)?$"
)
_MOMENT: Schema = {
    "type": "string",
    "anyOf": [{"format": "date-time"}, {"format": "date"}, {"pattern": _WITHOUT_ZONE}],
}

_CELLS: dict[Datatype, Schema] = {
    Datatype.NUMBER: {"type": _NUMBERS},
    Datatype.INTEGER: {"type": ["integer", "boolean"]},
    Datatype.BOOLEAN: {"type": ["boolean", "integer"], "minimum": 0, "maximum": 1},
    Datatype.STRING: {"type": "string"},
    Datatype.DATETIME: _MOMENT,
    Datatype.ANY: {},
}

_ARGUMENTS: dict[Datatype, Schema] = {
    Datatype.NUMBER: {"type": "number"},
    Datatype.INTEGER: {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    Datatype.BOOLEAN: {"type": "boolean"},
    Datatype.STRING: {"type": "string"},
    Datatype.DATETIME: _MOMENT,
    Datatype.ANY: {},
}
