"""The page of all endpoints, and an endpoint's own pages, through a real Jupyter server in a real browser."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.serverext.real_jupyter import JupyterServer, Kernel, started

pytestmark = pytest.mark.browser

SHOTS = os.environ.get("NBSERVE_SHOTS")
LOAD_MS = 20_000
LOCAL = ("http://127.0.0.1:", "data:", "blob:")

SERVED = """
%load_ext nbserve
import nbserve
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
data = load_iris(as_frame=True)
model = LogisticRegression(max_iter=500).fit(data.data, data.target_names[data.target])
class Churn(nbserve.ModelComponent):
    def load_model(self):
        raise OSError("churn.joblib is not there")
class ChurnResource(nbserve.ModelResource):
    verbose_name = "Who leaves next month"
    component = Churn()
nbserve.serve(model, name="iris")
nbserve.serve(lambda text: text.upper(), name="shout")
nbserve.serve(ChurnResource, name="churn")
"""

EVIL = "<img src=x onerror=document.title='evil'>"

HOSTILE_PAGE = """
<title>start</title><form id=f method=post action="/user/x%40y/api/kernels"></form><script>
const found = {};
const attempt = (name, act) => { try { found[name] = String(act()) } catch (error) { found[name] = error.name } };
const told = (name, made) => made.then((a) => a.text()).then((t) => found[name] = t, (e) => found[name] = e.name);
attempt("cookie", () => document.cookie);
attempt("storage", () => localStorage.length);
attempt("planting", () => document.cookie = "planted=1");
attempt("window", () => window.open(location));
const jupyter = location.pathname.split("nbserve/e/")[0];
const framed = new Promise((done) => {
  const frame = document.createElement("iframe");
  frame.onload = () => { attempt("frame", () => frame.contentDocument && frame.contentDocument.title); done() };
  frame.src = jupyter + "tree";
  document.body.append(frame);
});
Promise.all([
  told("api", fetch(jupyter + "api/kernels")),
  told("withCookies", fetch(jupyter + "api/kernels", {credentials: "include"})),
  told("list", fetch(jupyter + "nbserve/", {credentials: "include"})),
  told("start", fetch(jupyter + "api/kernels", {method: "POST", mode: "no-cors", credentials: "include"})),
  framed,
]).then(() => document.title = JSON.stringify(found));
</script>
"""

HOSTILE = f"""
from fastapi.responses import HTMLResponse
class Hostile(nbserve.ModelResource):
    component = Churn()
    @nbserve.resource_method("/page/", methods=["GET"])
    def page(self):
        return HTMLResponse({HOSTILE_PAGE!r})
nbserve.serve(Hostile, name="hostile")
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    running = started(tmp_path_factory.mktemp("jupyter"), ())
    yield running
    running.close()


@pytest.fixture(scope="module")
def kernel(server: JupyterServer) -> Kernel:
    return server.start_kernel(SERVED)


@pytest.fixture
def visit(chromium: Any, server: JupyterServer) -> Iterator[Callable[..., Any]]:
    """A tab of somebody who is logged in; no script may fail, and no request may leave this machine."""
    contexts, complaints = [], []

    def complain(text: str) -> None:
        complaints.append(text)

    def visited(**look: Any) -> Any:
        context = chromium.new_context(**({"viewport": {"width": 1280, "height": 860}} | look))
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(LOAD_MS)
        page.on("pageerror", lambda error: complain(str(error)))
        page.on(
            "console",
            lambda said: complain(said.text) if said.type == "error" and "Failed to load" not in said.text else None,
        )
        page.on(
            "request",
            lambda sent: None if sent.url.startswith(("http://127.0.0.1:", "data:", "blob:")) else complain(sent.url),
        )
        page.goto(f"{server.url}api/status?token={server.token}")
        page.complaints = complaints
        return page

    yield visited
    for context in contexts:
        context.close()
    assert complaints == []


def _is_complaint(said: Any) -> bool:
    """A refused request is logged as an error by the browser; it is what some tests are about."""
    return said.type == "error" and "Failed to load" not in said.text


def shoot(page: Any, name: str) -> None:
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)


def row(page: Any, name: str) -> Any:
    return page.locator(f".endpoint[data-name={name}]")


LOOKS = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2},
}


@pytest.mark.parametrize("look", LOOKS)
def test_the_page_of_all_endpoints_is_live_and_its_buttons_act(
    server: JupyterServer, kernel: Kernel, visit: Callable[..., Any], look: str
) -> None:
    page = visit(**LOOKS[look])
    page.goto(f"{server.url}nbserve/")
    expect(page.locator(".endpoint")).to_have_count(3)
    iris = row(page, "iris")
    expect(iris.locator(".state")).to_have_text("loaded")
    iris.get_by_role("button", name="Unload").click()
    expect(iris.locator(".state")).to_have_text("unloaded")
    iris.get_by_role("button", name="Load", exact=False).first.click()
    expect(iris.locator(".state")).to_have_text("loaded")
    row(page, "churn").get_by_role("button", name="Load").click()
    expect(row(page, "churn").locator(".state")).to_have_text("failed")
    expect(row(page, "churn").locator(".reason")).to_contain_text("churn.joblib")
    shoot(page, f"endpoints-{look}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("look", LOOKS)
def test_links_are_allowed_made_used_and_revoked_on_the_page_of_all_endpoints(
    server: JupyterServer, kernel: Kernel, visit: Callable[..., Any], look: str
) -> None:
    page = visit(**LOOKS[look])
    page.goto(f"{server.url}nbserve/")
    shout = row(page, "shout")
    shout.get_by_role("button", name="Share").click()
    label = f"<b>Ann</b> {look}"
    shout.get_by_label("For whom").fill(label)
    shout.get_by_label("Rows at most").fill("none")
    shout.get_by_role("button", name="Create link").click()
    expect(shout.locator(".news")).to_contain_text("rows cannot be 'none'")
    shout.get_by_label("Rows at most").fill("50")
    shout.get_by_role("button", name="Create link").click()
    link = shout.get_by_role("textbox", name="Link", exact=True)
    allow = shout.get_by_role("button", name="Allow links while this server runs")
    expect(link.or_(allow)).to_be_visible()
    if allow.is_visible():
        allow.click()
    expect(link).to_have_value(re.compile(rf"^{re.escape(server.url)}nbserve/s/\w+/#\S+$"))
    address, _, token = link.input_value().partition("#")
    sent = {"Authorization": f"Bearer {token}"}
    httpx.post(f"{address}predict/", json={"text": "hi"}, headers=sent).raise_for_status()
    made = shout.locator("tr[data-share]", has_text=label)
    expect(made).to_contain_text("1 request, 1 row")
    expect(made).to_contain_text("all · 50 rows")
    box = made.get_by_role("button", name="Revoke").bounding_box()
    assert box["x"] + box["width"] <= page.viewport_size["width"]  # it needs no scrolling
    shoot(page, f"endpoints-share-{look}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    made.get_by_role("button", name="Revoke").click()
    expect(made).to_contain_text("revoked")
    assert httpx.post(f"{address}predict/", json={"text": "hi"}, headers=sent).status_code == 410


@pytest.mark.parametrize("look", LOOKS)
def test_an_endpoints_page_works_in_its_sandbox(
    server: JupyterServer, kernel: Kernel, visit: Callable[..., Any], look: str
) -> None:
    page = visit(**LOOKS[look])
    page.goto(f"{server.url}nbserve/")
    row(page, "iris").get_by_role("link").click()
    expect(page.locator("#state")).to_have_text("loaded")
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#result .verdict")).to_have_text("setosa")
    expect(page.locator("#stats")).to_contain_text("Requests")
    shoot(page, f"proxied-{look}")
    assert page.evaluate("origin") == "null"


def test_a_row_is_stopped_after_a_second_yes_and_leaves_the_page(
    server: JupyterServer, kernel: Kernel, visit: Callable[..., Any]
) -> None:
    kernel.run("nbserve.serve(lambda x: x, name='brief')")
    page = visit()
    page.goto(f"{server.url}nbserve/")
    row(page, "brief").get_by_role("button", name="Stop").click()
    yes = row(page, "brief").get_by_role("button", name="Yes, stop it")
    expect(yes).to_be_visible()
    assert kernel.ask("'brief' in [each.name for each in nbserve.endpoints()]")
    yes.click()
    expect(row(page, "brief")).to_have_count(0)
    assert not kernel.ask("'brief' in [each.name for each in nbserve.endpoints()]")


def test_the_page_is_live_and_its_buttons_act_while_a_cell_runs(
    server: JupyterServer, kernel: Kernel, visit: Callable[..., Any]
) -> None:
    kernel.run("nbserve.serve(lambda text: text, name='asked')")
    page = visit()
    page.goto(f"{server.url}nbserve/")
    asked = row(page, "asked")
    expect(asked.locator(".stats")).to_contain_text("Rate0/s")
    kernel.start("import time; time.sleep(5)")
    with server.client() as user:
        for _ in range(40):
            assert user.post(kernel.address("asked/predict/"), json={"wrong": 1}).status_code == 422
    expect(asked.locator(".stats .bad")).to_have_text("40")
    expect(asked.locator(".stats")).not_to_contain_text("Rate0/s")
    asked.get_by_role("button", name="Unload").click()
    expect(asked.locator(".state")).to_have_text("unloaded", timeout=1500)
    kernel.run("nbserve.get('asked').stop()")


def test_what_endpoints_are_called_is_text(server: JupyterServer, kernel: Kernel, visit: Callable[..., Any]) -> None:
    kernel.run(
        f"class Evil(nbserve.ModelResource):\n"
        f"    verbose_name = {EVIL!r}\n"
        f"    component = type({EVIL!r}, (Churn,), {{'load_model': lambda self: 1 / len({EVIL!r}[:0])}})()\n"
        f"nbserve.serve(Evil, name='evil')\n"
    )
    page = visit()
    page.goto(f"{server.url}nbserve/")
    expect(row(page, "evil")).to_contain_text(EVIL)
    row(page, "evil").get_by_role("button", name="Load").click()
    expect(row(page, "evil").locator(".state")).to_have_text("failed")
    row(page, "evil").get_by_role("link").click()
    expect(page.locator("h1")).to_have_text("evil")
    assert page.title() == "evil · nbserve"
    kernel.run("nbserve.get('evil').stop()")


def test_the_docs_of_an_endpoint_work_in_their_sandbox(
    server: JupyterServer, kernel: Kernel, visit: Callable[..., Any]
) -> None:
    page = visit()
    page.goto(kernel.address("iris/"))
    page.get_by_role("link", name="API docs").click()
    operation = page.locator("#operations-iris-iris_predict")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table")).to_contain_text("setosa")
    assert page.evaluate("origin") == "null"
    expect(page.locator("[id^=operations-shout]")).to_have_count(0)
    shoot(page, "proxied-docs")
    page.get_by_role("link", name="Endpoints").click()
    expect(page.locator(".endpoint").first).to_be_visible()


def test_a_page_of_the_models_own_can_do_nothing_as_the_user(
    server: JupyterServer, kernel: Kernel, visit: Callable[..., Any]
) -> None:
    kernel.run(HOSTILE)
    page = visit()
    before = _kernels(server)
    page.goto(kernel.address("hostile/page/"))
    page.wait_for_function("document.title.startsWith('{')")
    found = json.loads(page.title())
    assert found["cookie"] == found["storage"] == found["planting"] == "SecurityError"
    assert found["api"] == found["withCookies"] == found["list"] == "TypeError"
    assert found["window"] == found["frame"] == "null"
    assert {each["name"] for each in page.context.cookies()} <= {"_xsrf", *_login_cookies(page)}
    with page.expect_navigation():
        page.evaluate("document.getElementById('f').submit()")
    assert _kernels(server) == before
    page.complaints.clear()


def test_a_gone_kernel_is_seen_by_an_endpoints_page_and_by_the_list(
    server: JupyterServer, visit: Callable[..., Any]
) -> None:
    kernel = server.start_kernel("%load_ext nbserve\nimport nbserve\nnbserve.serve(lambda x: x, name='mortal')")
    listed, page = visit(), visit()
    listed.goto(f"{server.url}nbserve/")
    page.goto(kernel.address("mortal/"))
    expect(page.locator("#state")).to_have_text("loaded")
    expect(row(listed, "mortal")).to_have_count(1)
    with server.client() as user:
        user.delete(f"api/kernels/{kernel.id}").raise_for_status()
    expect(row(listed, "mortal")).to_have_count(0, timeout=5000)
    expect(page.locator("#notice")).to_contain_text("served", timeout=5000)
    shoot(page, "proxied-gone")


def test_nobody_sees_the_list_without_logging_in(server: JupyterServer, kernel: Kernel, chromium: Any) -> None:
    context = chromium.new_context()
    page = context.new_page()
    for address in (f"{server.url}nbserve/", kernel.address("iris/")):
        page.goto(address)
        assert "/login?" in page.url
    context.close()


def _kernels(server: JupyterServer) -> list[str]:
    with server.client() as user:
        return sorted(each["id"] for each in user.get("api/kernels").json())


def _login_cookies(page: Any) -> set[str]:
    return {each["name"] for each in page.context.cookies() if each["name"].startswith("username-")}
