"""The OpenAPI document: each endpoint's real columns, and an example that works."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from itertools import chain, count
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from ..core.calls import Method
from ..core.codecs import MEDIA, Medium, request_schema, response_schema
from ..core.schema import Parameter, Signature
from ..core.served import Served
from .answers import (
    Cancelled,
    Captured,
    Error,
    Exchange,
    Health,
    Inspection,
    Metadata,
    Ready,
    Receipt,
    Stopped,
    Unloaded,
)
from .application import asking_route
from .resources import ResourceRoutes
from .resources.handlers import ResourceRoute
from .tickets import LONGEST_WAIT_S, WAIT_S

__all__ = ["describe", "describe_one"]

_SCHEMES = {
    "token": {"type": "http", "scheme": "bearer"},
    "tokenInQuery": {"type": "apiKey", "in": "query", "name": "token"},
}

_TOKENS: list[dict[str, list[str]]] = [{name: []} for name in _SCHEMES]
"""Either of them opens what needs a token."""

_OURS = "nbserve.{model}"
"""What our schemas are called, beside those of the routes that users add."""

_SHAPES = (Cancelled, Captured, Error, Exchange, Health, Inspection, Metadata, Ready, Receipt, Stopped, Unloaded)

_REF = "#/components/schemas/" + _OURS

_PREDICT_FAULTS = {
    406: "The answer has none of the forms that are asked for.",
    408: "The body did not come to its end in time.",
    413: "The body, or the number of its rows, is over the limit.",
    415: "The content type is not read.",
    422: "The data cannot be given to the model; `detail` says where.",
    429: "Too many calls are waiting or in flight; Retry-After says when to come again.",
    500: "The model failed.",
    503: "The model could not be loaded.",
    504: "The answer did not come in time.",
}

_ACCESS_FAULTS = {401: "No token, or an unknown one.", 403: "The token is for another endpoint."}


def describe(app: FastAPI, endpoints: Sequence[Served], root: str) -> dict[str, Any]:
    """The document of the routes that users added to `app`, of the session's own, and of `endpoints`."""
    own = _own_routes(app, endpoints)
    document = get_openapi(
        title=app.title, version=app.version, routes=[*app.routes, *own], description=app.description
    )
    document["servers"] = [{"url": root or "/"}]
    paths = document.setdefault("paths", {})
    paths.update(_session_paths())
    demanded = _demanded(app, document)
    for served in endpoints:
        for path, operations in _endpoint_paths(served).items():
            known = {verb: _with(operation, demanded) for verb, operation in operations.items()}
            paths[path] = known | paths.get(path, {})
    _finish(paths, own)
    document["tags"] = [{"name": each.name, "description": _summary(each)} for each in endpoints]
    _add_components(document)
    return document


def _demanded(app: FastAPI, document: dict[str, Any]) -> dict[str, Any]:
    """What the dependencies of the whole application ask of every request to an endpoint."""
    if not app.router.dependencies:
        return {}
    route = asking_route(app.router.dependencies, ["POST"])
    made = get_openapi(title=app.title, version=app.version, routes=[route])
    for kind, found in made.get("components", {}).items():
        document.setdefault("components", {}).setdefault(kind, {}).update(found)
    operation = made["paths"][route.path_format]["post"]
    asked = [each for each in operation.get("parameters", []) if each["name"] != "path"]
    return {"parameters": asked, "security": operation.get("security", [])}


def _with(operation: dict[str, Any], demanded: dict[str, Any]) -> dict[str, Any]:
    if not demanded:
        return operation
    parameters = [*operation.get("parameters", []), *demanded["parameters"]]
    security = [{**token, **each} for token in _TOKENS for each in demanded["security"] or [{}]]
    return {**operation, "parameters": parameters, "security": security}


def describe_one(app: FastAPI, served: Served, root: str) -> dict[str, Any]:
    """The document of what is below this endpoint's name."""
    document = describe(app, [served], root)
    own = f"/{served.name}/"
    document["paths"] = {path: found for path, found in document["paths"].items() if f"{path}/".startswith(own)}
    return document


def _own_routes(app: FastAPI, endpoints: Sequence[Served]) -> list[ResourceRoute]:
    """The routes that the endpoints' resources declare, of methods that the models are known to have."""
    resources: ResourceRoutes = app.state.resources
    own: list[ResourceRoute] = []
    for served in endpoints:
        known = {each.method for each in served.profile.signatures}
        own += (each for each in resources.of([served.name]) if not each.own.is_guess or each.own.attribute in known)
    return own


def _finish(paths: dict[str, Any], own: Sequence[ResourceRoute]) -> None:
    """Give the resources' operations ids that nothing else has, and our errors."""
    taken = {operation.get("operationId") for operations in paths.values() for operation in operations.values()}
    for route in own:
        operation = paths.get(route.path_format, {}).get(route.verb.lower())
        if operation is not None:
            operation["operationId"] = _free_id(route, taken)
            taken.add(operation["operationId"])
            _add_faults(operation["responses"])


def _free_id(route: ResourceRoute, taken: Container[Any]) -> str:
    """`iris_score`, `iris_score_post`, `iris_score_2`, …"""
    wanted = "_".join(re.findall(r"\w+", route.path_format))
    numbered = (f"{wanted}_{number}" for number in count(2))
    return next(each for each in chain((wanted, f"{wanted}_{route.verb.lower()}"), numbered) if each not in taken)


def _add_faults(responses: dict[str, Any]) -> None:
    """Describe our errors, in the user's words where he has some; FastAPI's 422 is ours."""
    faults = _ACCESS_FAULTS | {500: "The method failed.", 503: _PREDICT_FAULTS[503]}
    if "422" in responses:
        faults |= {422: _PREDICT_FAULTS[422]}
    for status, text in faults.items():
        said = responses.get(str(status), {}).get("description", "Validation Error")
        responses[str(status)] = _response(text if said == "Validation Error" else said, _ref(Error))


def _session_paths() -> dict[str, Any]:
    listed = {"type": "object", "required": ["endpoints"], "properties": {"endpoints": _list_of(Metadata)}}
    index = _operation("List the endpoints", "server", {200: ("What the token opens.", listed)}, _ACCESS_FAULTS)
    health = _operation("Is the server alive?", "server", {200: ("It is.", _ref(Health))}, {})
    ready = {200: ("It is.", _ref(Ready)), 503: ("An endpoint failed to load.", _ref(Ready))}
    open_: dict[str, Any] = {"security": []}
    return {
        "/": {"get": index | {"operationId": "list_endpoints"}},
        "/health": {"get": health | open_ | {"operationId": "health"}},
        "/ready": {"get": _operation("Can all answer?", "server", ready, {}) | open_ | {"operationId": "ready"}},
    }


def _endpoint_paths(served: Served) -> dict[str, Any]:
    name = served.name
    paths = {f"/{name}/{each.name}/": {"post": _predict(served, each)} for each in served.methods.values()}
    inspection: dict[str, Any] = {} if served.inspects_itself else _ref(Inspection)
    load_fault = {503: "The model could not be loaded."}
    spill_fault = {507: "The model could not be put aside."}
    fixed: tuple[tuple[str, str, str, tuple[str, Any], dict[int, str]], ...] = (
        ("get", "inspect", "What the model is and takes", ("The model.", inspection), load_fault),
        ("get", "metadata", "State, memory and counters; never loads", ("The state.", _ref(Metadata)), {}),
        ("post", "load", "Bring the model into memory", ("It is loaded.", _ref(Metadata)), load_fault),
        ("post", "unload", "Let the model's memory go", ("What came back.", _ref(Unloaded)), spill_fault),
        ("get", "traffic", "The newest requests; for the owner", ("They are.", _ref(Captured)), {}),
        ("delete", "", "Serve it no more; the owner may", ("It is stopped.", _ref(Stopped)), {}),
    )
    for verb, last, summary, answer, faults in fixed:
        if last in served.replaced:
            continue
        operation = _operation(summary, name, {200: answer}, _ACCESS_FAULTS | faults)
        path = f"/{name}/{last}/" if last else f"/{name}/"
        paths[path] = {verb: operation | {"operationId": f"{name}_{last or 'stop'}"}}
    if "traffic" not in served.replaced:
        paths[f"/{name}/traffic/{{id}}/"] = {"get": _exchange(name)}
    if served.methods:
        paths[f"/{name}/result/{{ticket}}/"] = _result(name)
    return paths


def _exchange(name: str) -> dict[str, Any]:
    text = "One request with its answer; for the owner"
    operation = _operation(text, name, {200: ("It is.", _ref(Exchange))}, _ACCESS_FAULTS | {404: "It is not kept."})
    ident = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    return operation | {"operationId": f"{name}_exchange", "parameters": [ident]}


def _result(name: str) -> dict[str, Any]:
    """The route of what came of requests with `?ticket=1`."""
    ticket = _parameter("ticket", "path", "As in the answer to the request.", {"type": "string"})
    timeout = _parameter(
        "timeout",
        "query",
        "Seconds to wait for it.",
        {"type": "number", "minimum": 0, "maximum": LONGEST_WAIT_S, "default": WAIT_S},
    )
    missing = {404: "No ticket of this token, or one that is gone."}
    faults = _ACCESS_FAULTS | missing | {408: "There is no result yet; ask again.", 422: "The timeout is none."}
    answer: dict[int, tuple[str, Any]] = {200: ("What the request would have been answered, or its error.", {})}
    get = _operation("Wait for a result", name, answer, faults)
    cancelled = {200: ("It is not wanted any more.", _ref(Cancelled))}
    delete = _operation("Take a ticket back, or forget its result", name, cancelled, _ACCESS_FAULTS | missing)
    return {
        "get": get | {"operationId": f"{name}_result", "parameters": [ticket, timeout]},
        "delete": delete | {"operationId": f"{name}_cancel", "parameters": [ticket]},
    }


def _parameter(name: str, place: str, text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "description": text, "schema": schema}


def _predict(served: Served, method: Method) -> dict[str, Any]:
    signature: Signature = method.signature
    operation = _operation(
        f"{served.profile.type_name}.{signature.method}",
        served.name,
        {200: ("What the model answers.", response_schema(signature)), 202: ("A ticket.", _ref(Receipt))},
        _ACCESS_FAULTS | _PREDICT_FAULTS,
    )
    operation["operationId"] = f"{served.name}_{signature.method}"
    operation["description"] = signature.doc or str(signature)
    needs_body = signature.data is not None or any(parameter.required for parameter in signature.parameters)
    content: dict[str, Any] = {"application/json": {"schema": request_schema(signature), "example": signature.example}}
    media = [each for each in MEDIA if each.is_available]
    wishes = {"type": "integer", "enum": [0, 1], "default": 0}
    operation["parameters"] = [_parameter("ticket", "query", "1: answer with a ticket.", wishes)]
    operation["responses"]["200"]["content"] |= {each.type: _other(each) for each in media if each.is_answered}
    if signature.data is not None:
        taken = [each for each in media if each.is_answered or signature.data.image is not None]
        content |= {name: _other(each) for each in taken for name in each.types}
        operation["parameters"] += [_in_query(each) for each in signature.parameters if each.name != "ticket"]
    operation["requestBody"] = {"required": needs_body, "content": content}
    return operation


def _other(medium: Medium) -> dict[str, Any]:
    """A body that is no JSON: rows alone."""
    schema = {"type": "string"} if medium.type.startswith("text/") else {"type": "string", "format": "binary"}
    return {"schema": schema | {"description": f"The rows as {medium.title}."}}


def _in_query(parameter: Parameter) -> dict[str, Any]:
    """An argument beside a body that has no room for it."""
    return _parameter(parameter.name, "query", "As in a JSON body, and only for bodies that are not JSON.", {})


def _operation(summary: str, tag: str, answers: dict[int, tuple[str, Any]], faults: dict[int, str]) -> dict[str, Any]:
    responses = {str(status): _response(*answer) for status, answer in answers.items()}
    responses |= {str(status): _response(text, _ref(Error)) for status, text in faults.items()}
    return {"summary": summary, "tags": [tag], "responses": responses}


def _response(description: str, schema: Any) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}


def _list_of(model: type[BaseModel]) -> dict[str, Any]:
    return {"type": "array", "items": _ref(model)}


def _summary(served: Served) -> str:
    profile = served.profile
    library = f" ({profile.library} {profile.library_version})" if profile.library else ""
    return f"{profile.type_name}{library}, {profile.task}"


def _add_components(document: dict[str, Any]) -> None:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for model in _SHAPES:
        schema = model.model_json_schema(ref_template=_REF)
        parts = schema.pop("$defs", {}) | {model.__name__: schema}
        schemas |= {_OURS.format(model=name): part for name, part in parts.items()}
    components["securitySchemes"] = {**components.get("securitySchemes", {}), **_SCHEMES}
    document["security"] = _TOKENS
