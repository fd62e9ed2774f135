"""The document that describes a session's API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel

from nbserve.notebook.session import Session
from tests import models
from tests.client import Caller, opened
from tests.conftest import Serve


class Metadata(BaseModel):
    """The user's own, called like one of ours."""

    colour: str


@pytest.fixture(scope="module")
def everything() -> Iterator[tuple[Session, Caller, dict[str, Any]]]:
    """All the models of the table, each under a name of its own, and the document of them all."""
    namespace: dict[str, Any] = {}
    with opened(namespace) as (session, caller):
        for number, case in enumerate(models.CASES):
            namespace.clear()
            namespace.update(case.namespace or {})
            session.serve(case.make(), {"name": f"m{number}"})
        yield session, caller, caller.get("/openapi.json").json()


Everything = tuple[Session, Caller, dict[str, Any]]


def _requests(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, operations in document["paths"].items():
        body = operations.get("post", {}).get("requestBody")
        if body is not None:
            yield path, body["content"]["application/json"]


def test_the_document_of_all_models_is_valid_openapi(everything: Everything) -> None:
    OpenAPIV31SpecValidator(everything[2]).validate()


@pytest.mark.filterwarnings("ignore:divide by zero")  # of the logarithm of a forest's probabilities
@pytest.mark.parametrize("number", range(len(models.CASES)), ids=[case.id for case in models.CASES])
def test_every_method_of_every_model_is_described_with_an_example_that_works(
    everything: Everything, number: int
) -> None:
    session, caller, document = everything
    served = session.registry[f"m{number}"]
    for method in served.methods.values():
        operation = document["paths"][f"/{served.name}/{method.name}/"]["post"]
        content = operation["requestBody"]["content"]["application/json"]
        jsonschema.Draft202012Validator.check_schema(content["schema"])
        jsonschema.validate(content["example"], content["schema"], jsonschema.Draft202012Validator)
        answer = caller.post(f"/{served.name}/{method.name}/", json=content["example"])
        assert answer.status_code == 200, answer.text
        described = operation["responses"]["200"]["content"]["application/json"]["schema"]
        jsonschema.validate(answer.json(), described, jsonschema.Draft202012Validator)


def test_operations_have_ids_of_their_own(everything: Everything) -> None:
    ids = [each["operationId"] for path in everything[2]["paths"].values() for each in path.values()]
    assert len(ids) == len(set(ids))


def test_every_reference_leads_somewhere_and_nowhere_else(everything: Everything) -> None:
    document = everything[2]
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}

    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            for each in value.values():
                yield from references(each)
        elif isinstance(value, list):
            for each in value:
                yield from references(each)

    assert set(references(document)) <= known


def test_real_columns_are_shown(serve: Serve, caller: Caller) -> None:
    serve(models.titanic_pipeline(), name="titanic")
    content = dict(_requests(caller.get("/openapi.json").json()))["/titanic/predict/"]
    assert list(content["example"]["X"][0]) == ["pclass", "sex", "age", "fare", "embarked"]
    for column in ("pclass", "embarked"):
        assert f"'{column}'" in str(content["schema"])
    assert "'female'" in str(content["schema"])


def test_every_described_fault_has_the_shape_of_errors(everything: Everything) -> None:
    for path, operations in everything[2]["paths"].items():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                schema = response["content"]["application/json"]["schema"]
                if int(status) >= 400 and path != "/ready":
                    assert schema == {"$ref": "#/components/schemas/nbserve.Error"}


def test_what_needs_no_token_says_so(everything: Everything) -> None:
    document = everything[2]
    assert document["security"] == [{"token": []}, {"tokenInQuery": []}]
    open_paths = {path for path, each in document["paths"].items() if "security" in next(iter(each.values()))}
    assert open_paths == {"/health", "/ready"}


def test_routes_that_users_add_are_described_beside_ours(serve: Serve, caller: Caller) -> None:
    endpoint = serve(models.double, name="double")

    @endpoint.app.post("/paint/{wall}")
    def paint(wall: int, with_: Metadata) -> Metadata:
        return with_

    document = caller.get("/openapi.json").json()
    OpenAPIV31SpecValidator(document).validate()
    schemas = document["components"]["schemas"]
    assert list(schemas["Metadata"]["properties"]) == ["colour"]
    assert "counters" in schemas["nbserve.Metadata"]["properties"]
    assert "/paint/{wall}" in document["paths"]


def test_the_document_follows_what_is_served(serve: Serve, caller: Caller) -> None:
    endpoint = serve(models.double, name="double")
    assert "/double/predict/" in caller.get("/openapi.json").json()["paths"]
    serve(models.add, name="add")
    endpoint.stop()
    paths = caller.get("/openapi.json").json()["paths"]
    assert "/add/predict/" in paths
    assert "/double/predict/" not in paths
