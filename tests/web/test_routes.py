"""Every route that is not a model's method."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from nbserve.notebook.session import Session
from tests.client import PATIENCE_S, Caller, assert_error, opened
from tests.conftest import Serve
from tests.models import logistic_on_frame, titanic_pipeline

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}

HOSTS = re.compile(r"""\b(?:https?|wss?):\\?/\\?/([^\s"'`/\\<>)$]+)""")
NAMESPACES = {"www.w3.org", "json-schema.org", "tools.ietf.org", "spec.openapis.org", "127.0.0.1", "localhost"}
"""Hosts that are named and never asked: namespaces of XML and of schemas; and the server's own."""

COUNTERS = {"requests", "errors", "rows", "in_flight", "loads", "unloads"}


@pytest.fixture(scope="module")
def shop() -> Iterator[tuple[Session, Caller]]:
    with opened() as (session, caller):
        session.serve(titanic_pipeline(), {"name": "titanic"})
        session.serve(logistic_on_frame(), {"name": "iris"})
        yield session, caller


@pytest.fixture
def user(shop: tuple[Session, Caller]) -> Caller:
    return shop[1]


def test_health_and_readiness(user: Caller) -> None:
    assert user.get("/health").json() == {"status": "ok"}
    assert user.get("/ready").json() == {"ready": True, "endpoints": 2}


def test_the_index_lists_the_endpoints_for_a_program(user: Caller) -> None:
    listed = user.get("/").json()["endpoints"]
    assert [each["name"] for each in listed] == ["titanic", "iris"]
    assert all(each == user.get(f"/{each['name']}/metadata").json() for each in listed)


def test_the_index_is_a_page_for_a_browser(user: Caller) -> None:
    page = user.get("/", headers=BROWSER)
    assert page.headers["content-type"].startswith("text/html")
    assert set(re.findall(r'data-name="(\w+)"', page.text)) == {"titanic", "iris"}


def test_an_endpoint_shows_its_columns_to_programs_and_browsers(user: Caller) -> None:
    view = user.get("/titanic/").json()
    assert [feature["name"] for feature in view["model"]["features"]] == ["pclass", "sex", "age", "fare", "embarked"]
    assert view["name"] == "titanic"
    page = user.get("/titanic/", headers=BROWSER)
    assert page.headers["content-type"].startswith("text/html")
    for name in ("pclass", "embarked", "female"):
        assert name in page.text


def test_inspect_and_metadata_are_what_the_handle_says(shop: tuple[Session, Caller], serve: Serve) -> None:
    session, user = shop
    served = session.registry["iris"]
    assert user.get("/iris/inspect").json() == served.inspect()
    assert user.get("/iris/metadata").json() == served.metadata()


def test_metadata_counts_and_measures(serve: Serve, caller: Caller) -> None:
    endpoint = serve(titanic_pipeline(), name="titanic")
    found = caller.get("/titanic/metadata").json()
    assert (found["name"], found["version"], found["state"], found["loaded"]) == ("titanic", 1, "loaded", True)
    assert set(found["counters"]) == COUNTERS
    assert found["memory"]["model_bytes"] > 1000
    assert found["latency_ms"] == {"p50": None, "p99": None}
    example = endpoint.inspect()["model"]["methods"][0]["example"]
    caller.predict("/titanic/predict", json=example)
    found = caller.get("/titanic/metadata").json()
    assert found["counters"]["requests"] == 1
    assert 0 < found["latency_ms"]["p50"] <= found["latency_ms"]["p99"] < PATIENCE_S * 1000


def test_unload_and_load_say_what_they_did_and_metadata_never_loads(serve: Serve, caller: Caller) -> None:
    serve(titanic_pipeline(), name="titanic")
    report = caller.post("/titanic/unload").json()
    assert report.keys() == {
        *("state", "freed_bytes", "resident_before_bytes", "resident_after_bytes", "holders", "forgotten", "said")
    }
    assert report["state"] == "unloaded"
    for _ in range(2):
        found = caller.get("/titanic/metadata").json()
        assert (found["state"], found["loaded"], found["counters"]["unloads"]) == ("unloaded", False, 1)
    assert caller.post("/titanic/unload").json()["state"] == "unloaded"
    assert caller.get("/titanic/inspect").status_code == 200
    found = caller.post("/titanic/load").json()
    assert (found["state"], found["counters"]["loads"]) == ("loaded", 1)
    assert caller.post("/titanic/load").json()["counters"]["loads"] == 1


def test_the_notebooks_variables_are_let_go_of_for_the_owner_alone(
    session: Session, serve: Serve, caller: Caller
) -> None:
    endpoint = serve(titanic_pipeline(), name="titanic")
    refused = caller.post(
        "/titanic/unload/", json={"forget": True}, headers={"Authorization": f"Bearer {endpoint.token}"}
    )
    assert (refused.status_code, refused.json()["code"]) == (403, "token_refused")
    assert endpoint.loaded
    for body in ({"forget": "yes"}, {"remember": True}):
        assert caller.post("/titanic/unload/", json=body).status_code == 422
    assert endpoint.loaded
    assert caller.post("/titanic/unload/", json={"forget": True}).json()["forgotten"] == []
    assert not endpoint.loaded


def test_the_next_request_brings_the_model_back(serve: Serve, caller: Caller) -> None:
    endpoint = serve(titanic_pipeline(), name="titanic")
    example = endpoint.inspect()["model"]["methods"][0]["example"]
    before = caller.predict("/titanic/predict", json=example)
    caller.post("/titanic/unload")
    assert caller.predict("/titanic/predict", json=example) == before
    assert caller.get("/titanic/metadata").json()["state"] == "loaded"


def test_a_stopped_endpoint_is_404(serve: Serve, caller: Caller) -> None:
    serve(logistic_on_frame(), name="iris").stop()
    assert_error(caller.post("/iris/predict", json=[]), 404, "not_found")
    assert caller.get("/").json() == {"endpoints": []}


def test_nothing_served_is_a_page_too(serve: Serve, caller: Caller) -> None:
    serve(logistic_on_frame(), name="iris").stop()
    page = caller.get("/", headers=BROWSER)
    assert page.status_code == 200
    assert "Nothing is served" in page.text


@pytest.mark.parametrize("path", ["/", "/titanic/", "/docs", "/nothing", "/titanic/predict"])
def test_every_page_forbids_what_it_does_not_need(user: Caller, path: str) -> None:
    headers = user.get(path, headers=BROWSER).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'self'" in policy
    assert "*" not in policy
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"


def test_no_page_and_nothing_that_a_page_loads_names_another_host(user: Caller) -> None:
    seen: dict[str, str] = {}
    left = ["/", "/titanic/", "/docs", "/nothing", "/openapi.json"]
    while left:
        path = left.pop()
        answer = user.get(path, headers=BROWSER)
        seen[path] = answer.text
        found = (
            re.findall(r"""(?:src|href)=["']([^"'?#]+)""", answer.text)
            if "html" in answer.headers["content-type"]
            else []
        )
        found += re.findall(r"""(?:from|import)\s*["']\./([\w.-]+)["']""", answer.text) if path.endswith(".js") else []
        for each in found:
            address = each if each.startswith("/") else f"/_pages/{each}"
            if address.startswith("/_pages/") and address not in seen and address not in left:
                left.append(address)
    assert len([path for path in seen if path.endswith(".js")]) > 5
    assert any("swagger" in path for path in seen)
    ours = {path: text for path, text in seen.items() if "swagger" not in path}
    assert {host for text in ours.values() for host in HOSTS.findall(text)} <= NAMESPACES


@pytest.mark.parametrize(
    ("file", "media_type"), [("page.js", "text/javascript"), ("page.css", "text/css"), ("icon.svg", "image/svg+xml")]
)
def test_assets_come_with_their_type(user: Caller, file: str, media_type: str) -> None:
    answer = user.get(f"/_pages/{file}", token=None)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(media_type)
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "file", ["", "nothing.js", "__init__.py", "endpoint.html", "../app.py", "%2e%2e/app.py", "a/b"]
)
def test_no_other_file_can_be_had(user: Caller, file: str) -> None:
    answer = user.get(f"/_pages/{file}", token=None)
    assert answer.status_code in (401, 404)
    assert "import" not in answer.text


def test_pages_below_a_proxys_prefix_stay_below_it(shop: tuple[Session, Caller]) -> None:
    import asyncio

    import httpx

    session, _ = shop
    from nbserve.web.door import Door

    async def fetched() -> list[httpx.Response]:
        transport = httpx.ASGITransport(Door(session.app, session.access), root_path="/user/x/e/1")
        token = {"authorization": f"Bearer {session.access.session_token}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver", headers=token) as client:
            paths = ("/", "/iris/", "/docs", "/nothing")
            return [await client.get(path, headers=BROWSER) for path in paths]

    for answer in asyncio.run(fetched()):
        addresses = re.findall(r"""(?:src|href|action)=["'](/[^"']*)""", answer.text)
        assert addresses
        assert all(address.startswith("/user/x/e/1/") for address in addresses), answer.url
