"""Endpoints behind a JupyterHub: for the owner, for whom he or the hub lets in, and for those with a link."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.client import assert_error
from tests.hub.real_hub import PREFIX, Hub
from tests.serverext.real_jupyter import JupyterServer, Kernel

pytestmark = [pytest.mark.hub, pytest.mark.timeout(180)]

ROWS = {"X": [[1, 2]]}
DOUBLED = {"predict_result": [[2, 4]]}
PAGE = {"Accept": "text/html,*/*"}
BASE = f"{PREFIX}user/alice/"


@pytest.fixture
def alice(server: JupyterServer) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


# --- the owner


def test_the_owner_calls_what_is_served_and_lists_it_below_the_hubs_prefix(
    hub: Hub, alice: httpx.Client, kernel: Kernel
) -> None:
    assert alice.post(kernel.address("double/predict/"), json=ROWS).json() == DOUBLED
    listed = alice.get("nbserve/").json()["endpoints"]
    assert {each["path"] for each in listed} == {
        f"{BASE}nbserve/e/{kernel.id}/{name}/" for name in ("double", "free", "shop")
    }


def test_the_page_of_an_endpoint_works_below_the_hubs_prefix(alice: httpx.Client, kernel: Kernel, hub: Hub) -> None:
    page = alice.get(kernel.address("double/"), headers=PAGE)
    assert page.status_code == 200
    assert page.headers["content-security-policy"].startswith("sandbox allow-scripts")
    addresses = re.findall(r'(?:href|src)="(/[^"]*)"', page.text)
    assert len(addresses) > 3
    assert all(address.startswith(f"{BASE}nbserve/") for address in addresses)
    token = re.search(r'data-token="([^"]+)"', page.text)
    assert token is not None
    origin = hub.url.removesuffix(PREFIX)
    with hub.program() as sandboxed:  # neither cookies nor an origin
        for address in addresses:
            if "/_pages/" in address:
                assert sandboxed.get(origin + address).status_code == 200, address
        headers = {"Authorization": f"Bearer {token[1]}", "Origin": "null"}
        assert sandboxed.post(kernel.address("double/predict/"), json=ROWS, headers=headers).json() == DOUBLED
        del headers["Origin"]
        assert sandboxed.get(f"{hub.url}user/alice/api/kernels", headers=headers).status_code == 403


def test_the_owners_browser_needs_his_xsrf_token_to_write(hub: Hub, kernel: Kernel) -> None:
    with hub.browser("alice") as browser:
        assert browser.get(f"{hub.url}user/alice/nbserve/").status_code == 200
        address = kernel.address("double/predict/")
        assert browser.post(address, json=ROWS).status_code == 403
        own = [each.value for each in browser.cookies.jar if each.name == "_xsrf" and each.path == BASE]
        assert own
        headers = {"X-XSRFToken": str(own[0]), "Accept": "application/json"}
        assert browser.post(address, json=ROWS, headers=headers).json() == DOUBLED


def test_the_log_of_the_endpoint_says_who_has_asked(hub: Hub, alice: httpx.Client, kernel: Kernel) -> None:
    with hub.program(hub.token_of("carol")) as carol:
        assert carol.post(kernel.address("double/predict/"), json=ROWS).json() == DOUBLED
    alice.post(kernel.address("double/predict/"), json=ROWS).raise_for_status()
    exchanges = alice.get(kernel.address("double/traffic/")).json()["exchanges"]
    assert [each["caller"] for each in exchanges[:2]] == ["alice", "carol"]


# --- others


def test_a_user_without_rights_is_refused_and_told_in_the_one_shape(hub: Hub, kernel: Kernel) -> None:
    with hub.program(hub.token_of("bob")) as bob:
        for verb, path in (("GET", "metadata/"), ("POST", "predict/"), ("POST", "unload/"), ("DELETE", "")):
            answer = bob.request(verb, kernel.address(f"double/{path}"), json=ROWS)
            assert_error(answer, 403, "access_denied")
        assert bob.get(f"{hub.url}user/alice/nbserve/").status_code == 403
    with hub.browser("bob") as browser:
        for address in (kernel.address("double/"), f"{hub.url}user/alice/nbserve/"):
            answer = browser.get(address)
            assert answer.status_code == 403
            assert "double" not in re.sub(r"next=\S+|/e/\S+", "", answer.text)


def test_nobody_is_refused_as_a_program_and_sent_to_the_hubs_login_as_a_browser(hub: Hub, kernel: Kernel) -> None:
    with hub.program() as nobody:
        for verb in ("GET", "POST", "DELETE"):
            assert_error(nobody.request(verb, kernel.address("double/metadata/")), 403, "access_denied")
        answer = nobody.get(kernel.address("double/"), headers=PAGE)
        assert answer.status_code == 302
        assert answer.headers["location"].startswith(f"{PREFIX}hub/")


def test_a_user_whom_a_scope_lets_in_is_let_in(hub: Hub, kernel: Kernel) -> None:
    with hub.program(hub.token_of("carol")) as carol:
        assert carol.get(kernel.address("double/metadata/")).json()["state"] == "loaded"
        assert carol.post(kernel.address("shop/echo/")).status_code == 200
    with hub.browser("carol") as browser:
        assert browser.get(f"{hub.url}user/alice/nbserve/").status_code == 200
        assert browser.get(kernel.address("double/")).status_code == 200


def test_the_model_sees_nothing_of_the_hub(hub: Hub, kernel: Kernel) -> None:
    with hub.browser("alice") as browser:
        browser.get(f"{hub.url}user/alice/nbserve/")
        told = browser.get(kernel.address("shop/echo/"), headers={"Accept": "*/*"}).json()
    headers = dict(told["headers"])
    assert not {"cookie", "authorization", "x-xsrftoken"} & set(headers)
    assert told["root"] == f"{BASE}nbserve/e/{kernel.id}"


# --- a link


def shared(alice: httpx.Client, kernel: Kernel) -> dict[str, Any]:
    answer = alice.post(kernel.address("double/shares/"), json={"allow": True, "label": "Ann"})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_a_link_opens_the_endpoint_to_who_has_no_account_and_nothing_else(
    hub: Hub, alice: httpx.Client, kernel: Kernel
) -> None:
    made = shared(alice, kernel)
    origin = hub.url.removesuffix(PREFIX)
    assert made["path"] == f"{BASE}nbserve/s/{made['id']}/"
    assert made["link"] == f"{origin}{made['path']}#{made['token']}"
    with hub.program() as guest:
        page = guest.get(origin + made["path"], headers=PAGE)
        assert page.status_code == 200
        assert all(path.startswith(f"{BASE}nbserve/") for path in re.findall(r'(?:href|src)="(/[^"]*)"', page.text))
        guest.headers["Authorization"] = f"Bearer {made['token']}"
        assert guest.post(f"{origin}{made['path']}predict/", json=ROWS).json() == DOUBLED
        assert guest.get(kernel.address("double/metadata/")).status_code == 403
        for path in ("user/alice/api/kernels", "user/alice/api/contents", "user/alice/nbserve/", "hub/api/users"):
            for scheme in ("Bearer", "token"):
                headers = {"Authorization": f"{scheme} {made['token']}"}
                assert guest.get(hub.url + path, headers=headers).status_code in (302, 401, 403), path


def test_a_revoked_link_opens_nothing(hub: Hub, alice: httpx.Client, kernel: Kernel) -> None:
    made = shared(alice, kernel)
    origin = hub.url.removesuffix(PREFIX)
    with hub.program() as guest:
        guest.headers["Authorization"] = f"Bearer {made['token']}"
        assert guest.get(f"{origin}{made['path']}metadata/").status_code == 200
        alice.delete(kernel.address(f"double/shares/{made['id']}/")).raise_for_status()
        assert guest.get(f"{origin}{made['path']}metadata/").status_code in (403, 410)


def test_a_user_without_rights_comes_by_a_link_like_everybody(hub: Hub, alice: httpx.Client, kernel: Kernel) -> None:
    made = shared(alice, kernel)
    origin = hub.url.removesuffix(PREFIX)
    with hub.browser("bob") as bob:
        assert bob.get(origin + made["path"]).status_code == 200
        headers = {"Authorization": f"Bearer {made['token']}", "Accept": "application/json"}
        assert bob.post(f"{origin}{made['path']}predict/", json=ROWS, headers=headers).json() == DOUBLED
