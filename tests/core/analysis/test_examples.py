"""Every example request works: it is what the form of the card is filled with."""

from __future__ import annotations

import asyncio
import inspect
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter

from nbserve.core.analysis import analyse
from nbserve.core.schema import Container, DataArgument, DataKind, Parameter, Signature
from tests.models import CASES, ModelCase, iris_frame, titanic_frame

METHODS = [
    pytest.param(case, each.method, id=f"{case.id}: {each.method}")
    for case in CASES
    for each in analyse(case.make(), namespace=case.namespace).signatures
]


def native(described: DataArgument | Parameter, value: Any) -> Any:
    """The value as a decoder would give it to the model, without any of its checks."""
    if isinstance(described, DataArgument) and described.container is Container.PANDAS:
        return pd.DataFrame(value)
    if isinstance(described, DataArgument) and described.container is Container.NUMPY:
        return np.asarray(value)
    if described.annotation is not None:
        return TypeAdapter(described.annotation).validate_json(json.dumps(value))
    return value


def call(model: Any, signature: Signature, body: dict[str, Any]) -> Any:
    target = model if signature.attribute == "__call__" else getattr(model, signature.method)
    described = [*signature.parameters, *([signature.data] if signature.data is not None else [])]
    given = {each.name: native(each, body[each.name]) for each in described if each.name in body}
    variadic = next((each.name for each in signature.parameters if each.is_variadic), None)
    with np.errstate(divide="ignore"):  # a forest's probability of 0 has the logarithm -inf
        answer = target(*given.pop(variadic, ()), **given)
    return asyncio.run(answer) if inspect.iscoroutine(answer) else answer


@pytest.mark.parametrize(("case", "method"), METHODS)
def test_the_example_of_every_method_really_works(case: ModelCase, method: str) -> None:
    model = case.make()
    signature = analyse(model, namespace=case.namespace).signature(method)
    assert signature is not None
    body = json.loads(json.dumps(signature.example, allow_nan=False))
    answer = call(model, signature, body)
    assert answer is not None
    assert set(body) == {each.name for each in signature.parameters if each.required or each.is_variadic} | (
        set() if signature.data is None else {signature.data.name}
    )


@pytest.mark.parametrize("case", CASES, ids=str)
def test_native_rows_of_the_main_method_have_the_width_that_was_found(case: ModelCase) -> None:
    data = analyse(case.make(), namespace=case.namespace).main.data
    if data is not None and data.width is not None:
        assert np.shape(case.rows)[1] == data.width


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_profile_is_json(case: ModelCase) -> None:
    json.dumps(analyse(case.make(), namespace=case.namespace).to_dict(), allow_nan=False)


def case_named(name: str) -> ModelCase:
    return next(case for case in CASES if case.id == name)


def test_rows_are_taken_from_a_frame_in_the_notebook() -> None:
    profile = analyse(case_named("titanic").make(), namespace={"df": titanic_frame()})
    rows = profile.main.example["X"]
    complete = titanic_frame().drop(columns="survived").dropna().head(2)
    assert rows == complete.to_dict("records")
    assert next(each for each in profile.findings if each.what == "example").value == "df"


def test_the_latest_frame_with_exactly_the_columns_wins() -> None:
    frame = iris_frame()
    wider = frame.assign(species="setosa")
    namespace = {"old": frame.tail(3), "new": frame.iloc[50:], "wider": wider, "_hidden": frame}
    profile = analyse(case_named("logistic on frame").make(), namespace=namespace)
    assert next(each for each in profile.findings if each.what == "example").value == "new"


def test_rows_that_the_model_would_refuse_are_passed_over() -> None:
    frame = titanic_frame().head(4).assign(sex=["other", "other", "male", "male"], age=[1.0, 2.0, 3.0, 4.0])
    profile = analyse(case_named("titanic").make(), namespace={"df": frame})
    assert [row["age"] for row in profile.main.example["X"]] == [3.0, 4.0]


def test_an_array_with_missing_values_is_no_example() -> None:
    holes = np.full((3, 4), np.nan)
    profile = analyse(case_named("logistic on arrays").make(), namespace={"X_test": holes})
    assert profile.main.data is not None
    assert profile.main.data.kind is DataKind.MATRIX
    assert len(profile.main.example["X"]) == 2


def test_a_profile_keeps_no_frame_alive() -> None:
    import gc
    import weakref

    frame = titanic_frame().copy()
    kept = weakref.ref(frame)
    profile = analyse(case_named("titanic").make(), namespace={"df": frame})
    del frame
    gc.collect()
    assert kept() is None
    assert profile.main.example["X"]
