"""Who is let in at an endpoint behind the Jupyter server, and to what."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from nbserve.serverext.passes import Passes
from tests.client import assert_error
from tests.serverext.real_jupyter import BASE, JupyterServer, Kernel

ROWS = {"X": [[1, 2]]}
PAGE = {"Accept": "text/html,*/*"}


def pass_in(client: httpx.Client, kernel: Kernel, name: str = "double") -> str:
    """What the endpoint's page was given to call with."""
    page = client.get(kernel.address(f"{name}/"), headers=PAGE)
    found = re.search(r'data-token="([^"]+)"', page.text)
    assert found is not None, page.text[:500]
    return found[1]


def as_page(kernel: Kernel, token: str) -> httpx.Client:
    """A page in its sandbox: without cookies, of no origin."""
    return kernel.server.client(is_logged_in=False, Authorization=f"Bearer {token}", Origin="null")


# --- users of the Jupyter server


@pytest.mark.parametrize("verb", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("name", ["double", "free", "nothing"])
def test_a_stranger_is_refused_and_not_told_what_exists(
    kernel: Kernel, stranger: httpx.Client, verb: str, name: str
) -> None:
    answer = stranger.request(verb, kernel.address(f"{name}/predict/"), json=ROWS)
    assert answer.status_code == 403
    if verb != "HEAD":
        assert_error(answer, 403, "access_denied")


def test_a_wrong_token_is_no_token(kernel: Kernel, stranger: httpx.Client, jupyter: JupyterServer) -> None:
    key = kernel.listing("double").read_text()
    for token in (
        "wrong",
        jupyter.token[:-1],
        kernel.ask("nbserve.get('double').token"),
        re.findall(r'"key": "(.+?)"', key)[0],
    ):
        for scheme in ("token", "Bearer"):
            answer = stranger.get(kernel.address("double/metadata/"), headers={"Authorization": f"{scheme} {token}"})
            assert_error(answer, 403, "access_denied")


def test_a_browser_that_is_not_logged_in_is_sent_to_log_in(kernel: Kernel, stranger: httpx.Client) -> None:
    for address in (kernel.address("double/"), kernel.address("nothing/"), "nbserve/"):
        answer = stranger.get(address, headers=PAGE)
        assert answer.status_code == 302
        assert answer.headers["location"].startswith(f"{BASE}login?next=")


def test_a_cookie_alone_reads_but_does_not_write(kernel: Kernel, browser: httpx.Client) -> None:
    assert browser.get(kernel.address("double/metadata/"), headers={"Accept": "*/*"}).status_code == 200
    for verb, path in (("POST", "predict/"), ("POST", "unload/"), ("DELETE", ""), ("PUT", "x"), ("PATCH", "x")):
        answer = browser.request(verb, kernel.address(f"double/{path}"), json=ROWS)
        assert answer.status_code == 403
        assert "_xsrf" in answer.json()["error"]
    with kernel.server.client() as user:
        assert user.get(kernel.address("double/metadata/")).json()["state"] == "loaded"


def test_a_cookie_with_its_xsrf_token_writes(kernel: Kernel, browser: httpx.Client) -> None:
    headers = PAGE | {"X-XSRFToken": browser.cookies["_xsrf"]}
    answer = browser.post(kernel.address("double/predict/"), json=ROWS, headers=headers)
    assert answer.json() == {"predict_result": [[2, 4]]}
    assert (
        browser.post(kernel.address("double/predict/"), json=ROWS, headers={"X-XSRFToken": "2|wrong"}).status_code
        == 403
    )


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_a_page_of_another_origin_gets_nothing_by_the_users_cookies(
    kernel: Kernel, browser: httpx.Client, origin: str
) -> None:
    for verb in ("GET", "POST", "DELETE"):
        answer = browser.request(
            verb, kernel.address("double/"), headers={"Origin": origin, "Accept": "*/*", "X-XSRFToken": "guess"}
        )
        assert answer.status_code in (403, 404)
        assert "access-control-allow-credentials" not in answer.headers
        assert answer.headers.get("access-control-allow-origin") != origin


def test_a_name_that_an_attacker_gave_this_machine_is_refused(kernel: Kernel, user: httpx.Client) -> None:
    token = pass_in(user, kernel)
    for path in ("double/metadata/", "_pages/page.css"):
        assert user.get(kernel.address(path), headers={"Host": "evil.example"}).status_code == 403
        rebound = {"Host": "evil.example", "Authorization": f"Bearer {token}"}
        assert user.get(kernel.address(path), headers=rebound).status_code == 403


def test_the_servers_token_does_not_stay_in_a_pages_address(kernel: Kernel, jupyter: JupyterServer) -> None:
    """The page's scripts read their address."""
    with jupyter.client(is_logged_in=False) as visitor:
        answer = visitor.get(kernel.address(f"double/?a=b&token={jupyter.token}"), headers=PAGE)
        assert answer.status_code == 302
        target = answer.headers["location"]
        assert target == f"{urlsplit(kernel.address('double/')).path}?a=b"
        shown = visitor.get(kernel.address("double/?a=b"), headers=PAGE)
    assert shown.status_code == 200
    assert jupyter.token not in shown.text


# --- pages in their sandbox


def test_the_pass_of_a_page_opens_its_endpoint_to_a_page_without_cookies(kernel: Kernel, user: httpx.Client) -> None:
    with as_page(kernel, pass_in(user, kernel)) as page:
        answer = page.post(kernel.address("double/predict/"), json=ROWS)
        assert answer.json() == {"predict_result": [[2, 4]]}
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["access-control-expose-headers"] == "*"
        assert "access-control-allow-credentials" not in answer.headers
        assert "set-cookie" not in answer.headers
        refused = page.post(kernel.address("double/predict/"), json={"Y": 1})
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (422, "*")


def test_the_pass_of_a_page_opens_nothing_else(kernel: Kernel, user: httpx.Client, jupyter: JupyterServer) -> None:
    other = jupyter.start_kernel()
    with as_page(kernel, pass_in(user, kernel)) as page:
        for address in (
            kernel.address("free/metadata/"),
            kernel.address("shop/echo/"),
            other.address("double/metadata/"),
        ):
            assert_error(page.get(address), 403, "token_refused")
            assert page.get(address).headers["access-control-allow-origin"] == "*"
        del page.headers["Origin"]
        for path in ("api/kernels", "api/contents", "api/terminals", "api/sessions", "nbserve/", "api/me"):
            assert page.get(path).status_code == 403, path
        assert page.post("api/kernels", json={}).status_code == 403
        url = kernel.ask("nbserve.get('double').url")
        assert page.get(f"{url}metadata/").status_code == 401


def test_a_pass_that_was_changed_is_none(kernel: Kernel, user: httpx.Client) -> None:
    mark, until, allowed, name, signature = pass_in(user, kernel).split(".")
    for parts in (
        (mark, str(int(until) + 1), allowed, name, signature),
        (mark, until, "read", name, signature),
        (mark, until, allowed, "the%20queen", signature),
        (mark, until, allowed, name, signature[:-1] + ("0" if signature[-1] != "0" else "1")),
        (mark, until, allowed, name, ""),
        (mark, "x", allowed, name, signature),
        (mark, until, allowed, name),
        (mark, ""),
    ):
        with as_page(kernel, ".".join(parts)) as page:
            assert_error(page.get(kernel.address("double/metadata/")), 403, "token_refused")


def test_a_pass_ends_with_its_hours_and_with_its_kernel(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from nbserve.directory import announce

    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    now = 1_000_000.0
    passes, listing = Passes(lambda: now), announce("iris", "http://127.0.0.1:1/iris/", "k1", "key")
    token = passes.issue(listing, ["read", "write"], "Ada L. Löwe")
    assert passes.user(token) == "Ada L. Löwe"
    assert passes.actions(token.replace("Ada", "Eve"), listing) == set()
    assert passes.actions(token, listing) == {"read", "write"}
    assert passes.actions(passes.issue(listing, ["read"]), listing) == {"read"}
    assert passes.actions(passes.issue(listing, []), listing) == {""}
    assert passes.actions(token, replace(listing, pid=listing.pid + 1)) == set()
    assert passes.actions(token, replace(listing, name="other")) == set()
    assert Passes(lambda: now).actions(token, listing) == set()  # another server's
    now += 12 * 3600
    assert passes.actions(token, listing) == {"read", "write"}
    now += 1
    assert passes.actions(token, listing) == set()


def test_a_page_asks_before_it_asks_and_is_told_that_it_may(kernel: Kernel, stranger: httpx.Client) -> None:
    asked = {
        "Origin": "null",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    answer = stranger.options(kernel.address("double/predict/"), headers=asked)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, "*")
    assert "authorization" in answer.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in answer.headers


def test_scripts_of_the_pages_are_for_everybody_and_nothing_else_is(kernel: Kernel, stranger: httpx.Client) -> None:
    for name in ("page.js", "wire.js", "page.css", "icon.svg", "swagger-ui-bundle.js"):
        answer = stranger.get(kernel.address(f"_pages/{name}"))
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")
    assert stranger.get(kernel.address("_pages/nothing.js")).status_code == 404
    assert stranger.post(kernel.address("_pages/page.js")).status_code == 404
    nobodys = kernel.address("_pages/page.js").replace(kernel.id, "nobody")
    assert stranger.get(nobodys).status_code == 404


# --- the owner


def test_only_the_owners_key_stops_an_endpoint(kernel: Kernel, user: httpx.Client) -> None:
    kernel.run("nbserve.serve(Double(), name='brief')")
    answer = user.delete(kernel.address("brief/"))
    assert answer.json() == {"name": "brief", "stopped": True}
    assert user.get(kernel.address("brief/metadata/")).status_code == 404
    assert not kernel.listing("brief").exists()


def test_no_answer_and_no_log_tells_a_key(kernel: Kernel, user: httpx.Client) -> None:
    key = re.findall(r'"key": "(.+?)"', kernel.listing("double").read_text())[0]
    pages = (kernel.address("double/"), kernel.address("double/docs/"), kernel.address("nothing/"), "nbserve/")
    for address in (*pages, kernel.address("double/metadata/"), kernel.address("double/openapi.json")):
        for headers in ({}, PAGE):
            assert key not in user.get(address, headers=headers).text
    assert key not in kernel.server.log.read_text()


# --- who asks, as the owner is told


def caller_of(kernel: Kernel, name: str = "double") -> str:
    return str(kernel.ask(f"nbserve.get('{name}').traffic()")["exchanges"][0]["caller"])


def test_the_owner_is_told_which_user_asks_and_nobody_can_say_that_he_is_another(
    kernel: Kernel, user: httpx.Client, browser: httpx.Client
) -> None:
    forged = {"X-Nbserve-User": "the queen", "x-nbserve-share": "", "Accept": "*/*"}
    assert user.post(kernel.address("double/predict/"), json=ROWS, headers=forged).status_code == 200
    assert caller_of(kernel).startswith("Anonymous ")
    xsrf = {**forged, "X-XSRFToken": browser.cookies["_xsrf"]}
    me = browser.get("api/me", headers=xsrf).json()["identity"]["display_name"]
    assert browser.post(kernel.address("double/predict/"), json=ROWS, headers=xsrf).status_code == 200
    assert caller_of(kernel) == me
    with as_page(kernel, pass_in(browser, kernel)) as page:
        assert page.post(kernel.address("double/predict/"), json=ROWS, headers=forged).status_code == 200
    assert caller_of(kernel) == me


def test_past_the_jupyter_server_nobody_is_a_user_of_it(kernel: Kernel) -> None:
    token, url = kernel.ask("nbserve.get('double').token"), kernel.ask("nbserve.get('double').url")
    headers = {"Authorization": f"Bearer {token}", "X-Nbserve-User": "the queen"}
    assert httpx.post(f"{url}predict/", json=ROWS, headers=headers, trust_env=False).status_code == 200
    assert caller_of(kernel) == "127.0.0.1"


def test_code_of_the_users_sees_none_of_it(kernel: Kernel, user: httpx.Client) -> None:
    told = user.get(kernel.address("shop/echo/"), headers={"X-Nbserve-User": "x", "X-Nbserve-Anything": "x"}).json()
    assert not [name for name, _ in told["headers"] if name.startswith("x-nbserve-")]
    url, token = kernel.ask("nbserve.get('shop').url"), kernel.ask("nbserve.get('shop').token")
    headers = {"Authorization": f"Bearer {token}", "X-Nbserve-User": "the queen"}
    told = httpx.get(f"{url}echo/", headers=headers, trust_env=False).json()
    assert not [name for name, _ in told["headers"] if name.startswith("x-nbserve-")]


def test_the_traffic_is_seen_through_the_jupyter_server_by_its_users_alone(
    kernel: Kernel, user: httpx.Client, stranger: httpx.Client
) -> None:
    ident = user.post(kernel.address("double/predict/"), json=ROWS).headers["x-predict-id"]
    told = user.get(kernel.address("double/traffic/")).json()
    assert told["exchanges"][0]["id"] == ident
    assert user.get(kernel.address(f"double/traffic/{ident}/")).json()["request"] == '{"X":[[1,2]]}'
    assert_error(stranger.get(kernel.address("double/traffic/")), 403, "access_denied")
