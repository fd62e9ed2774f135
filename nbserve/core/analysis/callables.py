"""A function or method → its Signature, from its parameters and annotations."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import MethodType
from typing import Any

from ..schema import Container, DataArgument, DataKind, Datatype, Finding, Parameter, Signature
from .annotations import Meaning, data_meaning, hints_of, image_meaning, is_scalar, meaning_of
from .intent import (
    DATA_NAMES,
    PLAIN,
    Intent,
    array_kind,
    builtin_intent,
    frame_intent,
    intent_of,
    polars_row,
)
from .plain import plain, root_package
from .scope import code_owner

__all__ = ["Reading", "is_async", "read_callable"]

EMPTY = inspect.Parameter.empty
VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
PLAIN_DATA = (DataKind.VALUE, Container.PYTHON)
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, slots=True)
class Reading:
    """A signature without an example yet, what its code wants of the data, and the findings on the way."""

    signature: Signature
    intent: Intent = PLAIN
    findings: tuple[Finding, ...] = ()


def read_callable(
    call: Callable[..., Any], method: str, *, is_prediction: bool, attribute: str = "", reads_code: bool = True
) -> Reading:
    """The signature of `call`; with `is_prediction` the first positional argument is the data whatever its name.

    Without `reads_code` nothing is concluded from its code: somebody knows better what the data is.
    """
    parameters = _parameters(call)
    if parameters is None:
        return _unreadable(call, method, attribute)
    data = _data_parameter(parameters, is_prediction)
    intent, findings = _intent(call, data, method) if reads_code else (PLAIN, ())
    others = [each for each in parameters if each is not data and _can_be_sent(each)]
    signature = Signature(
        method=method,
        attribute=attribute,
        data=None if data is None else _data_argument(data, intent, _count_before(data, parameters, others)),
        parameters=tuple(_parameter(each) for each in others),
        is_async=is_async(call),
        # a library's own **params are for its insides; the user's are for whoever calls
        accepts_any_keyword=reads_code and any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters),
        doc=_first_line(call),
        by_position=reads_code and _is_wrapped(call),
    )
    return Reading(signature, intent, findings)


def is_async(call: Any) -> bool:
    """Whether calling gives a coroutine or an async generator."""
    while isinstance(call, functools.partial):
        call = call.func
    candidates = (call, type(call).__call__)
    return any(inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each) for each in candidates)


def _is_wrapped(call: Any) -> bool:
    """Whether the parameters that it tells are those of a function inside: its own may have other names."""
    while isinstance(call, (functools.partial, MethodType)):
        call = call.func if isinstance(call, functools.partial) else call.__func__
    return inspect.getattr_static(call, "__wrapped__", None) is not None


def _parameters(call: Callable[..., Any]) -> list[inspect.Parameter] | None:
    """The parameters with evaluated annotations, without those that a partial has bound to an object."""
    try:
        found = list(inspect.signature(call).parameters.values())
    except (ValueError, TypeError):
        return None
    except NameError:  # since 3.14 annotations are evaluated when they are asked for
        found = _unannotated(call)
    function, _ = code_owner(call)
    hints = {} if function is None else hints_of(function)
    return [each.replace(annotation=hints.get(each.name, EMPTY)) for each in found]


def _unannotated(call: Callable[..., Any]) -> list[inspect.Parameter]:
    if sys.version_info >= (3, 14):
        import annotationlib

        return list(inspect.signature(call, annotation_format=annotationlib.Format.FORWARDREF).parameters.values())
    return []


def _unreadable(call: Any, method: str, attribute: str) -> Reading:
    """A builtin that does not tell its parameters: one argument of data."""
    is_array = root_package(type(call)) == "numpy"
    container = Container.NUMPY if is_array else Container.PYTHON
    data = DataArgument("X", DataKind.MATRIX if is_array else DataKind.VALUE, container, positional=True)
    finding = Finding("data argument", "X", f"{method} does not tell its parameters")
    intent = PLAIN if is_array else builtin_intent(call, "X")
    return Reading(Signature(method, data, attribute=attribute, doc=_first_line(call)), intent, (finding,))


# --- which one is the data


def _data_parameter(parameters: Sequence[inspect.Parameter], is_prediction: bool) -> inspect.Parameter | None:
    candidates = [each for each in parameters if each.kind not in VARIADIC and not is_scalar(each.annotation)]
    named = [each for each in candidates if each.name.casefold() in DATA_NAMES]
    if named:
        return next((each for each in named if each.name == "X"), named[0])
    if is_prediction:
        return _first_positional(parameters)
    required = [each for each in parameters if each.kind not in VARIADIC and each.default is EMPTY]
    return required[0] if len(required) == 1 and required[0] in candidates else None


def _first_positional(parameters: Sequence[inspect.Parameter]) -> inspect.Parameter | None:
    first = next((each for each in parameters if each.kind in POSITIONAL), None)
    return None if first is None or is_scalar(first.annotation) else first


def _intent(call: Any, data: inspect.Parameter | None, method: str) -> tuple[Intent, tuple[Finding, ...]]:
    if data is None:
        return PLAIN, (Finding(f"{method}: data argument", None, "no argument is named or typed like rows of data"),)
    annotated = data_meaning(data.annotation)
    if annotated is not None:
        kind, container = annotated
        if container.is_array:
            kind = array_kind(data.name)
        intent = _annotated_intent(call, data.name, kind, container)
    else:
        intent = intent_of(call, data.name)
    shown = str(intent.container) if intent.delegate is None else f"{type(intent.delegate).__name__} takes it"
    return intent, (Finding(f"{method}: {data.name} is given as", shown, intent.because),)


def _annotated_intent(call: Any, name: str, kind: DataKind, container: Container) -> Intent:
    """What an annotation asks for; the columns and the widths are as the code uses them."""
    because = f"{name} is annotated so"
    if container is Container.PANDAS:
        return frame_intent(call, name)
    if container is Container.POLARS:
        return Intent(kind, container, because, row=polars_row(call, name))
    read = intent_of(call, name)
    if container is read.container and container is not Container.PYTHON:
        return replace(read, kind=kind, because=because, delegate=None)
    return Intent(kind, container, because)


def _data_argument(data: inspect.Parameter, intent: Intent, position: int) -> DataArgument:
    return DataArgument(
        name=data.name,
        kind=intent.kind,
        container=intent.container,
        by_keyword=data.kind is inspect.Parameter.KEYWORD_ONLY,
        annotation=None if any(data.annotation is nothing for nothing in (EMPTY, Any, object)) else data.annotation,
        positional=data.kind is inspect.Parameter.POSITIONAL_ONLY,
        position=position,
        image=image_meaning(data.annotation),
    )


def _count_before(
    data: inspect.Parameter, parameters: Sequence[inspect.Parameter], others: Sequence[inspect.Parameter]
) -> int:
    before = parameters[: parameters.index(data)]
    return sum(each in others for each in before)


# --- the others


def _can_be_sent(each: inspect.Parameter) -> bool:
    """Not `**kwargs`, and not what already holds an object that no JSON value stands for (a model, a function)."""
    if each.kind is inspect.Parameter.VAR_KEYWORD:
        return False
    return each.default is EMPTY or _plain_default(each.default) is not EMPTY


def _plain_default(default: Any) -> Any:
    """The default in JSON, `EMPTY` when it has no such form."""
    try:
        return plain(default)
    except (TypeError, ValueError):
        return EMPTY


def _parameter(each: inspect.Parameter) -> Parameter:
    is_variadic = each.kind is inspect.Parameter.VAR_POSITIONAL
    required = each.default is EMPTY and not is_variadic
    default = None if each.default is EMPTY else _plain_default(each.default)
    meaning = _meaning(each, default)
    return Parameter(
        name=each.name,
        datatype=meaning.datatype,
        required=required,
        default=default,
        nullable=meaning.nullable or (not required and default is None),
        choices=meaning.choices,
        keyword_only=each.kind is inspect.Parameter.KEYWORD_ONLY,
        is_variadic=is_variadic,
        positional=each.kind is inspect.Parameter.POSITIONAL_ONLY,
        annotation=None if each.annotation is EMPTY else each.annotation,
        container=Container.PYTHON if is_variadic else (data_meaning(each.annotation) or PLAIN_DATA)[1],
    )


def _meaning(each: inspect.Parameter, default: Any) -> Meaning:
    """The annotation's meaning; the type of the default when there is none."""
    if each.annotation is not EMPTY or default is None:
        return meaning_of(each.annotation)
    datatype = meaning_of(type(default)).datatype
    return Meaning(Datatype.NUMBER if datatype is Datatype.INTEGER else datatype, True)


def _first_line(call: Any) -> str:
    while isinstance(call, functools.partial):
        call = call.func
    text = getattr(call, "__doc__", None)
    return text.strip().partition("\n")[0].strip() if isinstance(text, str) else ""
