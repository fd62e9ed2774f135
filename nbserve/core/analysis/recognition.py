"""A model → its Profile."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import FunctionType, MethodType
from typing import Any

from ..schema import Container, DataArgument, DataKind, Finding, Parameter, Profile, Signature, Task
from .callables import Reading, read_callable
from .conventions import (
    PREDICTION_METHODS,
    attribute_of,
    definer,
    from_sklearn,
    is_users_own,
    keeps_conventions,
    served_methods,
)
from .description import Description, per_row
from .examples import Rows, features_for_code, parameters_example, rows_for_code, rows_for_input, with_sample
from .fitting import check_fitted
from .frameworks import Framework, framework_of
from .intent import joined_intents
from .namespace import polars_sample
from .outputs import inverse_input_of, outputs_of
from .plain import root_package
from .refusals import nothing_to_call, refuse_what_is_no_model
from .scope import code_owner
from .sklearn import Input, classes_of, first_code, from_boosters, input_of, is_row_wise, settings_of
from .sklearn import task_of as sklearn_task_of

__all__ = ["analyse"]

CALL = "__call__"
LIBRARY_NAMES = {"sklearn": "scikit-learn"}
TASKS_BY_METHOD = (
    ("predict_proba", Task.CLASSIFICATION),
    ("generate", Task.GENERATION),
    ("encode", Task.EMBEDDING),
    ("embed", Task.EMBEDDING),
)
TASKS_BY_ESTIMATOR_TYPE = {
    "classifier": Task.CLASSIFICATION,
    "regressor": Task.REGRESSION,
    "clusterer": Task.CLUSTERING,
    "outlier_detector": Task.ANOMALY_DETECTION,
}
ENTRIES = frozenset(["call", "forward"])
"""What libraries of networks have their users write, and call themselves."""

PER_ROW = frozenset(["base_margin"])
"""What boosters take beside the rows, a value for each."""


@dataclass(frozen=True, slots=True)
class Found:
    """A method that can be called, and what was read of it."""

    call: Callable[..., Any]
    reading: Reading


def analyse(model: object, *, namespace: Mapping[str, object] | None = None) -> Profile:
    """Everything that can be found out about the model without calling it.

    `namespace` is the notebook's: its frames and arrays may tell dtypes and give the example rows. Raises
    ModelRefused and NotFitted.
    """
    refuse_what_is_no_model(model)
    framework = framework_of(model)
    described = None if framework is None else _described(model, framework)
    if framework is not None and described is not None:
        return _profile_of_framework(model, framework, described, namespace or {})
    found = _methods(model)
    if not found:
        raise nothing_to_call(model)
    if keeps_conventions(model):
        return _profile_of_estimator(model, found, namespace or {})
    return _profile_of_callables(model, found, namespace or {})


# --- methods


def _methods(model: Any) -> list[Found]:
    if _is_function(model):
        return [Found(model, read_callable(model, "predict", is_prediction=False, attribute=CALL))]
    methods = served_methods(model)
    reads_code = not from_sklearn(model)
    found = [Found(call, _read_method(call, name, reads_code)) for name, call in methods.items()]
    if callable(model):
        is_torch = _is_torch_module(model)
        call, name = model.forward if is_torch else _bound_call(model), CALL if methods else "predict"
        found.append(Found(call, read_callable(call, name, is_prediction=is_torch, attribute=CALL)))
    return found


def _bound_call(model: Any) -> Any:
    """The object's `__call__`: reading its parameters there does not run the object's own `__eq__`."""
    call = type(model).__call__
    return MethodType(call, model) if isinstance(call, FunctionType) else model


def _read_method(call: Callable[..., Any], name: str, reads_code: bool) -> Reading:
    return read_callable(call, name, is_prediction=name in PREDICTION_METHODS, reads_code=reads_code)


def _is_function(model: object) -> bool:
    is_ufunc = root_package(type(model)) == "numpy" and type(model).__name__ == "ufunc"
    return inspect.isroutine(model) or isinstance(model, functools.partial) or is_ufunc


def _is_torch_module(model: object) -> bool:
    return any(kind.__module__ == "torch.nn.modules.module" for kind in type(model).__mro__)


# --- a model of a library that tells in its own way


def _profile_of_framework(
    model: Any, framework: Framework, described: Description, namespace: Mapping[str, Any]
) -> Profile:
    """What the user's own class adds to the library's methods is served beside them, and in the place of them."""
    own = [each for each in _methods(model) if _is_added(model, each.reading.signature, framework)]
    signatures = [_code_signature(each, namespace)[0] for each in own]
    rows = None if described.seen is None else rows_for_input(described.seen, namespace)
    signature, seen = described.signature, described.seen
    if rows is not None and signature.data is not None and seen is not None:
        features = with_sample(seen.features, rows.sample)
        data = replace(signature.data, features=features)
        asked = parameters_example(signature.parameters, None, namespace, has_data=True)
        signature = replace(signature, data=data, example={data.name: rows.value} | asked)
    if signature.attribute == CALL:
        signatures.append(replace(signature, method=CALL if own else "predict"))
    elif all(each.method != signature.method for each in signatures):
        signatures.insert(0, signature)
    task, because = described.task, described.task_because
    if task is Task.UNKNOWN:
        task, because = _task(model, [each.method for each in signatures], described.classes)
    findings = [*_input_findings(seen), *described.findings, Finding("task", str(task), because)]
    profile = _bare_profile(model, tuple(signatures), task, [*findings, *_example_findings(rows)])
    return replace(profile, classes=described.classes, is_fitted=described.is_fitted)


def _described(model: Any, framework: Framework) -> Description | None:
    try:
        return framework.describe(model)
    except Exception:  # noqa: BLE001  # a model that is not finished, a version that tells it otherwise: an object like any
        return None


def _is_added(model: Any, signature: Signature, framework: Framework) -> bool:
    is_entry = signature.attribute == CALL or signature.method in ENTRIES
    return not is_entry and root_package(definer(type(model), signature.method)) not in framework.packages


def _input_findings(seen: Input | None) -> list[Finding]:
    if seen is None:
        return []
    return [Finding("input", f"{seen.kind}, {seen.width} columns" if seen.width else str(seen.kind), seen.because)]


# --- an estimator


def _profile_of_estimator(model: Any, found: list[Found], namespace: Mapping[str, Any]) -> Profile:
    is_fitted, fitted_finding = check_fitted(model)
    classes = classes_of(model)
    seen, rows = _seen_rows(model, namespace)
    signatures = [_estimator_signature(model, each, seen, rows, classes, namespace) for each in found]
    task, task_because = _task(model, [each.reading.signature.method for each in found], classes)
    findings = [
        *_input_findings(seen),
        Finding("task", str(task), task_because),
        *([fitted_finding] if fitted_finding else []),
        *_example_findings(rows),
    ]
    served = tuple(each for each in signatures if each is not None)
    profile = _bare_profile(model, served, task, findings)
    return replace(profile, is_fitted=is_fitted, classes=classes, parameters=settings_of(model))


def _estimator_signature(
    model: Any,
    found: Found,
    seen: Input,
    rows: Rows,
    classes: tuple[Any, ...] | None,
    namespace: Mapping[str, Any],
) -> Signature | None:
    """None for a method of which no working example is known."""
    signature = found.reading.signature
    if signature.data is None or not _is_seen_as(model, seen):
        return _code_signature(found, namespace)[0]
    if signature.method == "inverse_transform":
        inverse = inverse_input_of(model, seen)
        if inverse is None:
            return None
        seen, rows = inverse, rows_for_input(inverse, {})
    return replace(
        signature,
        data=seen.argument(signature.data, is_wrapped=from_sklearn(model)),
        outputs=outputs_of(model, signature.method, classes),
        parameters=_with_row_parameters(model, signature.parameters),
        row_wise=is_row_wise(model, signature.method),
        example=_body(signature, found.call, rows, namespace),
    )


def _with_row_parameters(model: Any, parameters: tuple[Parameter, ...]) -> tuple[Parameter, ...]:
    is_booster = from_boosters(model)
    return tuple(per_row(each) if is_booster and each.name in PER_ROW else each for each in parameters)


def _seen_rows(model: Any, namespace: Mapping[str, Any]) -> tuple[Input, Rows]:
    """What the model takes, and rows of it; what its first code does with them where its conventions tell nothing."""
    seen = input_of(model)
    tells_nothing = seen.width is None and seen.kind is DataKind.MATRIX
    code = first_code(model) if tells_nothing and not is_users_own(type(model)) else []
    if code:
        return _rows_for_first_code(code, namespace)
    if seen.container is Container.PANDAS and polars_sample(namespace, [each.name for each in seen.features]):
        seen = replace(seen, container=Container.POLARS)
    rows = rows_for_input(seen, namespace)
    return replace(seen, features=with_sample(seen.features, rows.sample)), rows


def _rows_for_first_code(code: list[Callable[..., Any]], namespace: Mapping[str, Any]) -> tuple[Input, Rows]:
    readings = [read_callable(each, "transform", is_prediction=True) for each in code]
    intent = joined_intents([reading.intent for reading in readings])
    data = DataArgument("X", intent.kind, intent.container)
    rows = rows_for_code(data, intent, namespace)
    return Input(intent.kind, intent.container, features_for_code(intent, rows), because=intent.because), rows


def _is_seen_as(model: Any, seen: Input) -> bool:
    """Whether the conventions tell more about the input than the code of the user's own class does."""
    return seen.width is not None or seen.kind is not DataKind.MATRIX or not is_users_own(type(model))


# --- functions and the user's own classes


def _profile_of_callables(model: Any, found: list[Found], namespace: Mapping[str, Any]) -> Profile:
    signatures, findings = [], []
    for each in found:
        signature, rows = _code_signature(each, namespace)
        signatures.append(signature)
        findings += [*each.reading.findings, *_example_findings(rows)]
    classes = classes_of(model)
    task, because = _task(model, [each.method for each in signatures], classes)
    if found[0].reading.signature.attribute == CALL:
        findings.append(Finding("method", "predict", "the object itself is called"))
    profile = _bare_profile(model, tuple(signatures), task, [*findings, Finding("task", str(task), because)])
    return replace(profile, classes=classes)


def _code_signature(found: Found, namespace: Mapping[str, Any]) -> tuple[Signature, Rows | None]:
    signature, intent = found.reading.signature, found.reading.intent
    data = signature.data
    if data is None:
        return replace(signature, example=_body(signature, found.call, None, namespace)), None
    delegate = intent.delegate if intent.delegate is not None else _bound_estimator(found.call)
    if delegate is not None and data.annotation is None:
        seen, rows = _seen_rows(delegate, namespace)
        data = seen.argument(data)
    else:
        rows = rows_for_code(data, intent, namespace)
        data = replace(data, features=features_for_code(intent, rows))
    return replace(signature, data=data, example=_body(signature, found.call, rows, namespace)), rows


def _bound_estimator(call: Any) -> Any:
    """The estimator of `model.predict_proba`, when its bound method is what is served."""
    while isinstance(call, functools.partial):
        call = call.func
    if not isinstance(call, MethodType) or call.__name__ not in PREDICTION_METHODS[:9]:
        return None
    owner = call.__self__
    return owner if keeps_conventions(owner) and not isinstance(owner, type) and not is_users_own(type(owner)) else None


# --- both


def _body(
    signature: Signature, call: Callable[..., Any], rows: Rows | None, namespace: Mapping[str, Any]
) -> dict[str, Any]:
    data = signature.data
    body = {} if data is None or rows is None else {data.name: rows.value}
    return body | parameters_example(signature.parameters, call, namespace, has_data=data is not None)


def _example_findings(rows: Rows | None) -> list[Finding]:
    if rows is None or rows.sample is None or not rows.sample.rows:
        return []
    return [Finding("example", rows.sample.variable, "it lies in the notebook and has the model's columns")]


def _task(model: Any, methods: list[str], classes: tuple[Any, ...] | None) -> tuple[Task, str]:
    task, because = sklearn_task_of(model)
    if task is not Task.UNKNOWN:
        return task, because
    told = attribute_of(model, "_estimator_type")
    if isinstance(told, str) and told in TASKS_BY_ESTIMATOR_TYPE:
        return TASKS_BY_ESTIMATOR_TYPE[told], "_estimator_type"
    if classes is not None and "predict" in methods:
        return Task.CLASSIFICATION, "classes_"
    named = next(((task, f"it has {name}") for name, task in TASKS_BY_METHOD if name in methods), None)
    if named is not None:
        return named
    if "transform" in methods and "predict" not in methods:
        return Task.TRANSFORMATION, "it has transform and no predict"
    return Task.UNKNOWN, "nothing tells"


def _bare_profile(model: Any, signatures: tuple[Signature, ...], task: Task, findings: list[Finding]) -> Profile:
    library, version = _library(model)
    shown = code_owner(model)[0] if _is_function(model) else None
    kind = type(model)
    return Profile(
        type_name=getattr(shown, "__name__", kind.__name__) if shown is not None else kind.__name__,
        module=getattr(shown if shown is not None else kind, "__module__", "") or "",
        library=library,
        library_version=version,
        task=task,
        signatures=signatures,
        findings=tuple(findings),
        doc=_doc(model, signatures),
    )


def _library(model: Any) -> tuple[str | None, str | None]:
    """The first package among the object's classes that tells its version."""
    kinds = [model] if inspect.isroutine(model) else list(type(model).__mro__)
    for kind in kinds:
        root = (getattr(kind, "__module__", None) or "").partition(".")[0]
        version = getattr(sys.modules.get(root), "__version__", None)
        if (
            isinstance(version, str)
            and root not in sys.stdlib_module_names
            and root not in ("__main__", "nbserve", "pydantic")
        ):
            return LIBRARY_NAMES.get(root, root), version
    return None, None


def _doc(model: Any, signatures: tuple[Signature, ...]) -> str:
    """The first line of what the user wrote about it; a library's own text says nothing about this model."""
    if _is_function(model):
        return signatures[0].doc
    text = type(model).__dict__.get("__doc__")
    return text.strip().partition("\n")[0] if is_users_own(type(model)) and isinstance(text, str) else ""
