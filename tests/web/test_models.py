"""All kinds of models over HTTP: what they answer is what the library itself answers to the same rows."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pydantic
import pytest
import scipy.sparse

from nbserve.core.calls import Method
from nbserve.core.schema import Container, DataArgument, DataKind
from nbserve.notebook.session import Session
from tests.client import Caller, opened
from tests.models import CASES, ModelCase

NAMESPACE: dict[str, Any] = {}


@pytest.fixture(scope="module")
def shop() -> Iterator[tuple[Session, Caller]]:
    with opened(NAMESPACE) as (session, caller):
        yield session, caller


@pytest.mark.filterwarnings("ignore:divide by zero")  # of the logarithm of a forest's probabilities
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_example_of_every_method_is_answered_as_the_library_answers_it(
    shop: tuple[Session, Caller], case: ModelCase
) -> None:
    session, caller = shop
    model = _serve(session, case)
    for method in session.registry["model"].methods.values():
        body = json.loads(json.dumps(method.signature.example, allow_nan=False))
        answer = caller.predict(f"/model/{method.name}/", json=body)
        assert answer == _plain(_asked(method, model, body)), method.name


@pytest.mark.parametrize("case", [case for case in CASES if case.rows is not None], ids=str)
def test_native_rows_as_json_are_answered_as_the_library_answers_them(
    shop: tuple[Session, Caller], case: ModelCase
) -> None:
    session, caller = shop
    model = _serve(session, case)
    served = session.registry["model"]
    method = served.methods[served.profile.main.method]
    body = dict(method.signature.example)
    name = method.signature.data.name if method.signature.data is not None else next(iter(body))
    body[name] = _plain(case.rows)
    expected = _called(method, model, {**_native_arguments(method, body), name: case.rows})
    assert caller.predict(f"/model/{method.name}/", json=body) == _plain(expected)


@pytest.mark.parametrize("case", [case for case in CASES if isinstance(case.rows, pd.DataFrame)], ids=str)
def test_the_order_of_columns_never_changes_an_answer(shop: tuple[Session, Caller], case: ModelCase) -> None:
    session, caller = shop
    model = _serve(session, case)
    served = session.registry["model"]
    method = served.methods[served.profile.main.method]
    expected = _plain(
        _called(
            method,
            model,
            {"X": case.rows} if method.signature.data is None else {method.signature.data.name: case.rows},
        )
    )
    records = _plain(case.rows)
    columns = {name: [row[name] for row in records] for name in records[0]}
    for sent in (records, [dict(reversed(row.items())) for row in records], columns, dict(reversed(columns.items()))):
        assert caller.predict(f"/model/{method.name}/", json={"X": sent}) == expected


def test_what_every_model_says_of_itself_is_strict_json(shop: tuple[Session, Caller]) -> None:
    session, caller = shop
    for case in CASES:
        _serve(session, case)
        for path in ("/", "/model/", "/model/inspect", "/model/metadata", "/openapi.json"):
            answer = caller.get(path)
            assert answer.status_code == 200, (case.id, path)
            json.loads(answer.content, parse_constant=_refuse)
        for path in ("/", "/model/", "/docs"):
            page = caller.get(path, headers={"accept": "text/html"})
            assert page.status_code == 200, (case.id, path)


def _refuse(word: str) -> None:
    raise AssertionError(f"{word} is not JSON")


def _serve(session: Session, case: ModelCase) -> Any:
    NAMESPACE.clear()
    NAMESPACE.update(case.namespace or {})
    model = case.make()
    session.serve(model, {"name": "model"})
    return model


def _asked(method: Method, model: Any, body: dict[str, Any]) -> Any:
    return _called(method, model, _native_arguments(method, body))


def _called(method: Method, model: Any, arguments: dict[str, Any]) -> Any:
    """The method itself, called the way a person would."""
    signature = method.signature
    target = model if signature.attribute == "__call__" else getattr(model, signature.attribute or signature.method)
    given = dict(arguments)
    parameters = signature.parameters
    if signature.data is not None and signature.data.positional:
        answer = target(given.pop(signature.data.name), **given)
    else:
        variadic = [value for each in parameters if each.is_variadic for value in given.pop(each.name, ())]
        answer = target(*variadic, **given)
    return asyncio.run(_awaited(answer)) if inspect.isawaitable(answer) else answer


async def _awaited(answer: Any) -> Any:
    return await answer


def _native_arguments(method: Method, body: dict[str, Any]) -> dict[str, Any]:
    data = method.signature.data
    return {
        name: _native(data, value) if data is not None and name == data.name else value for name, value in body.items()
    }


def _native(data: DataArgument, rows: Any) -> Any:
    """Rows as a person would write them down for the library."""
    if data.kind is DataKind.VALUE and data.annotation is not None and data.container is Container.PYTHON:
        return pydantic.TypeAdapter(data.annotation).validate_python(rows)
    if data.container is Container.PANDAS:
        return pd.Series(rows) if data.kind is DataKind.TEXTS else pd.DataFrame(rows)
    return np.array(rows) if data.container is Container.NUMPY else rows


def _plain(value: Any) -> Any:
    """As JSON says it, by another way than the one that is tested."""
    if isinstance(value, pd.DataFrame):
        return [{name: _plain(each) for name, each in row.items()} for row in value.to_dict("records")]
    if scipy.sparse.issparse(value):
        return value.toarray().tolist()
    if isinstance(value, pydantic.BaseModel):
        return value.model_dump()
    if dataclasses.is_dataclass(value):
        return dataclasses.asdict(value)  # type: ignore[arg-type]
    if isinstance(value, (np.ndarray, np.generic, pd.Series)):
        return _plain(value.tolist())
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
