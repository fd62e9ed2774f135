"""The kernel's server behind a proxy that has taken a prefix off the path, such as the Jupyter server."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from fastapi import Request

from nbserve import ModelComponent, ModelResource, resource_method
from nbserve.notebook.session import Session
from tests.client import Caller, assert_error

PAGE = {"Accept": "text/html"}
PREFIX = "/user/x%40y/nbserve/e/k1"


class Model:
    def predict(self, X):
        return X


class Holds(ModelComponent):
    def load_model(self):
        self.model = Model()


class Echo(ModelResource):
    component = Holds()

    @resource_method("/headers/", methods=["GET"])
    def headers(self, request: Request) -> dict:
        return {"headers": dict(request.headers), "below": str(request.url_for("index").path)}


@pytest.mark.parametrize("path", ["/", "/iris/", "/iris/docs/", "/docs", "/nothing"])
def test_whatever_a_page_refers_to_is_below_the_prefix(serve: Callable, caller: Caller, path: str) -> None:
    serve(Model(), name="iris")
    answer = caller.get(path, headers=PAGE | {"X-Forwarded-Prefix": PREFIX})
    addresses = re.findall(r"""(?:src|href|action|data-root)=["'](/[^"']*)""", answer.text)
    assert len(addresses) > 2
    assert all(f"{address}/".startswith(f"{PREFIX}/") for address in addresses)


def test_the_document_says_the_prefix_and_routes_know_it(serve: Callable, caller: Caller) -> None:
    serve(Echo, name="echo")
    headers = {"X-Forwarded-Prefix": f"{PREFIX}/"}
    assert caller.get("/echo/openapi.json", headers=headers).json()["servers"] == [{"url": PREFIX}]
    assert caller.get("/echo/headers/", headers=headers).json()["below"] == f"{PREFIX}/"


@pytest.mark.parametrize(
    "prefix",
    [
        "//evil.example",
        "javascript:alert(1)",
        "https://evil.example",
        '/a"><script>',
        "/a b",
        "x",
        "/iris",
        "/iris/predict",
    ],
)
def test_what_is_no_prefix_or_was_not_taken_off_is_ignored(serve: Callable, caller: Caller, prefix: str) -> None:
    serve(Model(), name="iris")
    headers = {"X-Forwarded-Prefix": prefix}
    text = caller.get("/iris/predict", headers=PAGE | headers).text
    assert 'data-root=""' in text
    assert caller.predict("/iris/predict", json={"X": [[1]]}, headers=headers) == [[1]]


def test_only_the_owners_proxy_gives_a_page_a_token(serve: Callable, session: Session, caller: Caller) -> None:
    serve(Model(), name="iris")
    serve(Model(), name="free", token=False)
    key = session.access.issue_key("iris")
    headers = PAGE | {"X-Nbserve-Page-Token": 'a"b'}
    for path in ("/iris/", "/iris/docs"):
        assert 'data-token="a&quot;b"' in caller.get(path, token=key, headers=headers).text
        assert 'data-token=""' in caller.get(path, token=session.token("iris"), headers=headers).text
    for token in (None, key):
        assert 'data-token=""' in caller.get("/free/", token=token, headers=headers).text


def test_routes_of_the_users_see_neither_the_key_nor_the_pages_token(
    serve: Callable, session: Session, caller: Caller
) -> None:
    serve(Echo, name="echo")
    key = session.access.issue_key("echo")
    answer = caller.get("/echo/headers/", token=key, headers={"X-Nbserve-Page-Token": "secret", "X-Mine": "kept"})
    seen = answer.json()["headers"]
    assert seen["x-mine"] == "kept"
    assert key not in str(seen)
    assert "secret" not in str(seen)
    own = caller.get("/echo/headers/", token=session.token("echo")).json()["headers"]
    assert own["authorization"] == f"Bearer {session.token('echo')}"


def test_an_endpoint_has_documentation_of_its_own(serve: Callable, session: Session, caller: Caller) -> None:
    serve(Model(), name="iris")
    serve(Model(), name="other")
    document = caller.get("/iris/openapi.json", token=session.token("iris")).json()
    assert set(document["paths"]) == {
        "/iris/",
        *(f"/iris/{each}/" for each in ("predict", "result/{ticket}", "inspect", "metadata", "load", "unload")),
        *(f"/iris/{each}/" for each in ("traffic", "traffic/{id}")),
    }
    assert [tag["name"] for tag in document["tags"]] == ["iris"]
    assert 'data-described="/iris/openapi.json"' in caller.get("/iris/docs", headers=PAGE).text
    for path in ("/iris/openapi.json", "/iris/docs"):
        assert_error(caller.get(path, token=session.token("other")), 403, "token_refused")
        assert_error(caller.get(path, token=None), 401, "token_missing")


def test_a_stopped_endpoints_key_opens_nothing(serve: Callable, session: Session, caller: Caller) -> None:
    endpoint = serve(Model(), name="iris")
    key = session._credentials.key("iris")
    assert caller.get("/iris/metadata", token=key).status_code == 200
    endpoint.stop()
    serve(Model(), name="iris")
    assert session._credentials.key("iris") != key
    assert_error(caller.get("/iris/metadata", token=key), 401, "token_missing")


def test_a_swap_keeps_the_key(serve: Callable, session: Session) -> None:
    serve(Model(), name="iris")
    key = session._credentials.key("iris")
    serve(Model(), name="iris")
    assert session._credentials.key("iris") == key
