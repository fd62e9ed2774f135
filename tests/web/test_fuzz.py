"""Generated requests against the described schema: what it allows is answered, what it forbids is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.specs.openapi import checks
from sklearn.model_selection import GridSearchCV

from nbserve.notebook.session import Session
from tests.client import Caller, opened
from tests.models import text_pipeline, titanic_frame, titanic_input, titanic_pipeline

pytestmark = [pytest.mark.fuzz, pytest.mark.filterwarnings("ignore::RuntimeWarning:sklearn")]

EXAMPLES = 50
ALWAYS = (
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
)
ACCEPTED = (*ALWAYS, checks.positive_data_acceptance)
REFUSED = (*ALWAYS, checks.negative_data_rejection)


def convert(
    value: float,
    unit: Literal["km", "mile"] = "km",
    digits: int | None = None,
    tags: list[str] | None = None,
    *,
    exact: bool = False,
) -> dict[str, Any]:
    """A distance in kilometres."""
    return {"value": value, "unit": unit, "digits": digits, "tags": tags, "exact": exact}


MODELS: dict[str, Callable[[], Any]] = {
    "titanic": lambda: GridSearchCV(titanic_pipeline(), {}, cv=2).fit(titanic_input(), titanic_frame()["survived"]),
    "texts": text_pipeline,
    "convert": lambda: convert,
}


@pytest.fixture(scope="module")
def shop() -> Iterator[tuple[Session, Caller]]:
    with opened() as (session, caller):
        for name, make in MODELS.items():
            session.serve(make(), {"name": name})
        yield session, caller


def _is_ragged(answer: Any) -> bool:
    """Whether columns of different lengths were sent: JSON Schema has no words for that."""
    return answer.status_code == 422 and {fault["type"] for fault in answer.json()["detail"]} == {"ragged"}


def _of_json(document: Any) -> Any:
    """The document without the bodies that no schema describes, and without tickets: they tell later what is wrong."""
    for operations in document["paths"].values():
        for operation in operations.values():
            content = operation.get("requestBody", {}).get("content", {})
            for kind in set(content) - {"application/json"}:
                del content[kind]
            if content:
                operation["parameters"] = [each for each in operation["parameters"] if each["name"] != "ticket"]
    return document


def _body(operation: Any) -> Any:
    return operation.definition.raw.get("requestBody")


@pytest.mark.parametrize("mode", ["positive", "negative"])
@pytest.mark.parametrize("name", MODELS)
def test_every_generated_request_is_answered_as_the_document_says(
    shop: tuple[Session, Caller], name: str, mode: str
) -> None:
    session, caller = shop
    headers = {"authorization": f"Bearer {session.token(name)}"}
    schema = schemathesis.openapi.from_dict(_of_json(caller.get("/openapi.json", token=session.token(name)).json()))
    schema.config.update(base_url=session.url)
    operations = [each.ok() for each in schema.get_all_operations()]
    assert len(operations) > 5
    for operation in operations:
        if mode == "positive" or _body(operation):  # without one there is nothing to get wrong
            _ask(operation, headers, mode)


def _ask(operation: Any, headers: dict[str, str], mode: str) -> None:
    wanted = {"positive": ACCEPTED, "negative": REFUSED}[mode]

    @seed(20)
    @settings(
        max_examples=EXAMPLES if _body(operation) else 3,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=schemathesis.GenerationMode(mode)))
    def asked(case: Any) -> None:
        answer = case.call(headers=headers)
        case.validate_response(answer, checks=list(ALWAYS if _is_ragged(answer) else wanted))

    asked()
