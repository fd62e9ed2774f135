"""Attacks that only a real browser shows to fail: markup in whatever a model is called, pages of other origins."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import expect

from tests.serverext.real_jupyter import JupyterServer, Kernel, started

pytestmark = pytest.mark.browser

LOAD_MS = 20_000

EVIL = (
    "</script></style></textarea></title>'\"><svg/onload=pwned('svg')><img src=x onerror=pwned('img')>"
    "<script>pwned('script')</script><iframe srcdoc='<script>parent.pwned(1)</script>'></iframe>"
)

SERVED = f"""
%load_ext nbserve
import os, nbserve, pandas
from sklearn.linear_model import LogisticRegression
EVIL = {EVIL!r}
os.environ["JPY_SESSION_NAME"] = EVIL + ".ipynb"
Evil = type(EVIL, (LogisticRegression,), {{}})
frame = pandas.DataFrame({{EVIL: [0.0, 1.0, 2.0, 3.0], "age": [1.0, 2.0, 3.0, 4.0]}})
evil = LogisticRegression().fit(frame, [EVIL, EVIL, "good", "good"])
evil.__class__ = Evil
class Broken:
    __doc__ = EVIL
    def predict(self, X):
        raise ValueError(EVIL)
class Fails(nbserve.ModelComponent):
    def load_model(self):
        raise OSError(EVIL)
class FailsResource(nbserve.ModelResource):
    verbose_name = EVIL
    component = Fails()
def echo(text: str = EVIL) -> str:
    return text
nbserve.serve(evil, name="evil")
nbserve.serve(Broken(), name="broken")
nbserve.serve(FailsResource, name="fails")
nbserve.serve(echo, name="echo")
nbserve.serve(echo, name="open", token=False)
"""
SNAPSHOT = "__import__('nbserve.notebook.still').notebook.still.as_html(get_ipython().nbserve_session.snapshot({!r}))"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    running = started(tmp_path_factory.mktemp("jupyter"), ("--NbserveExtension.sharing=on",))
    yield running
    running.close()


@pytest.fixture(scope="module")
def kernel(server: JupyterServer) -> Kernel:
    return server.start_kernel(SERVED)


@pytest.fixture
def ran(chromium: Any, server: JupyterServer) -> Iterator[tuple[Any, list[Any]]]:
    """A tab of somebody who is logged in, and what scripts of the attacker's have said in it.

    It heeds no Content-Security-Policy, so that nothing but the escaping is between a name and a script.
    """
    said: list[Any] = []
    context = chromium.new_context(bypass_csp=True)
    context.expose_binding("pwned", lambda _, *given: said.append(given))
    page = context.new_page()
    page.set_default_timeout(LOAD_MS)
    page.on("dialog", lambda dialog: said.append(dialog.message) or dialog.dismiss())
    page.goto(f"{server.url}api/status?token={server.token}")
    yield page, said
    context.close()


def settled(page: Any) -> None:
    page.wait_for_load_state("networkidle")
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)))")


def test_the_trap_works(ran: tuple[Any, list[Any]]) -> None:
    page, said = ran
    page.set_content(f'<p title="{EVIL}">')
    settled(page)
    assert said


def test_no_name_and_no_message_is_a_script_in_the_list_of_endpoints(
    server: JupyterServer, kernel: Kernel, ran: tuple[Any, list[Any]]
) -> None:
    page, said = ran
    page.goto(f"{server.url}nbserve/")
    expect(page.locator(".endpoint")).to_have_count(5)
    fails = page.locator(".endpoint[data-name=fails]")
    fails.get_by_role("button", name="Load").click()
    expect(fails.locator(".state")).to_have_text("failed")
    expect(fails).to_contain_text("pwned('script')")
    settled(page)
    assert said == []


@pytest.mark.parametrize("name", ["evil", "broken", "fails", "echo"])
@pytest.mark.parametrize("is_direct", [False, True], ids=["through jupyter", "of the kernel"])
def test_no_name_and_no_message_is_a_script_in_the_page_of_an_endpoint(
    kernel: Kernel, ran: tuple[Any, list[Any]], name: str, is_direct: bool
) -> None:
    page, said = ran
    handle = f"nbserve.get({name!r})"
    url, token = kernel.ask(f"[{handle}.url, {handle}.token]")
    page.goto(f"{url}?token={token}" if is_direct else kernel.address(f"{name}/"))
    expect(page.locator("#state")).to_be_visible()
    for button in (
        page.get_by_role("button", name="Predict").all()[:1] + page.get_by_role("button", name="Echo").all()[:1]
    ):
        button.click()
        expect(page.locator("#result")).not_to_be_empty()
    settled(page)
    assert said == []
    assert page.locator("svg[onload], img[onerror], iframe[srcdoc]").count() == 0


@pytest.mark.parametrize("path", ["evil/docs/", "evil/openapi.json", "evil/inspect/", f"{quote(EVIL, safe='')}/"])
def test_no_name_is_a_script_in_documents_and_errors(kernel: Kernel, ran: tuple[Any, list[Any]], path: str) -> None:
    page, said = ran
    page.goto(kernel.address(path))
    settled(page)
    url, token = kernel.ask("[get_ipython().nbserve_session.url, get_ipython().nbserve_session.access.session_token]")
    page.goto(f"{url}{path}?token={token}")
    settled(page)
    page.goto(f"{url}?token={quote(EVIL, safe='')}")
    settled(page)
    assert said == []


def test_no_name_and_no_label_is_a_script_in_the_page_of_a_link(
    server: JupyterServer, kernel: Kernel, ran: tuple[Any, list[Any]]
) -> None:
    page, said = ran
    with server.client() as user:
        for name in ("evil", "fails"):
            made = user.post(kernel.address(f"{name}/shares/"), json={"label": "<img src=x onerror=pwned(1)>"})
            made.raise_for_status()
            page.goto(made.json()["link"])
            settled(page)
            page.goto("about:blank")
    assert said == []


@pytest.mark.parametrize("name", ["evil", "broken", "fails", "echo", None])
def test_the_still_picture_of_a_card_is_text_where_no_policy_protects_it(
    kernel: Kernel, ran: tuple[Any, list[Any]], name: str | None
) -> None:
    page, said = ran
    page.set_content(kernel.ask(SNAPSHOT.format(name)))
    settled(page)
    assert said == []
    assert page.locator("script, svg, img, iframe").count() == 0


def test_no_name_and_no_message_is_a_script_in_the_card(jupyter: Any, open_notebook: Callable[..., Any]) -> None:
    said: list[Any] = []
    tab = open_notebook(
        jupyter.write("evil.ipynb", SERVED, "%serve evil", "%serve FailsResource --name fails", "%serve")
    )
    tab.page.expose_binding("pwned", lambda _, *given: said.append(given))
    for number in range(4):
        tab.run(number)
        expect(tab.prompt(number)).to_have_text(f"[{number + 1}]:", timeout=60_000)
    evil, fails = (tab.output(number).locator(".nbserve-card") for number in (1, 2))
    evil.locator("summary").click()
    expect(evil.locator(".nbserve-feature").first).to_contain_text("pwned('script')")
    fails.get_by_role("button", name=re.compile("^Load")).click()
    expect(fails).to_contain_text("pwned('script')")
    settled(tab.page)
    assert said == []


# --- pages of other origins

ATTACKER = """<title>attacker</title><form id=f method=post enctype=text/plain></form><script>
const tried = async (address, options) => {
  try {
    const answer = await fetch(address, { credentials: "include", ...options });
    return [answer.type, answer.status, await answer.text()];
  } catch (error) { return [error.name] }
};
</script>"""


@pytest.fixture
def attacker() -> Iterator[str]:
    """A page of another origin, of the same site: so that cookies go with what it asks."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(ATTACKER.encode())

        def log_message(self, *_: Any) -> None: ...

    serving = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=serving.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{serving.server_address[1]}/"
    serving.shutdown()
    serving.server_close()
    thread.join()


BODY = json.dumps({"text": "attacked"})
TRIES = [
    {"method": "GET"},
    {"method": "POST", "body": BODY},
    {"method": "POST", "body": BODY, "mode": "no-cors"},
    {"method": "POST", "body": BODY, "headers": {"content-type": "application/json"}},
    {"method": "POST", "body": BODY, "headers": {"X-XSRFToken": "guess"}},
    {"method": "DELETE"},
]


HOSTILE = """
from fastapi.responses import HTMLResponse
class Hostile(nbserve.ModelResource):
    component = Fails()
    @nbserve.resource_method("/page/", methods=["GET"])
    def page(self):
        return HTMLResponse('''<title>hostile</title><script>
            const found = {};
            const attempt = (name, act) => { try { found[name] = String(act()) } catch (e) { found[name] = e.name } };
            attempt("document", () => top.document.title);
            attempt("script", () => { top.eval("1") });
            attempt("redirect", () => { top.location.href = "about:blank" });
            attempt("replace", () => { top.location.replace("about:blank") });
            attempt("open", () => window.open("about:blank", "_top"));
            attempt("parent", () => { parent.location = "about:blank" });
            parent.postMessage(JSON.stringify(found), "*");
        </script>''')
nbserve.serve(Hostile, name="hostile")
"""


def test_what_a_hostile_page_can_do_in_a_frame_of_the_jupyter_server_is_nothing(
    chromium: Any, server: JupyterServer, kernel: Kernel
) -> None:
    kernel.run(HOSTILE)
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{server.url}api/status?token={server.token}")
    page.set_default_timeout(LOAD_MS)
    of_jupyter = f"{server.url}nothing"  # a page whose own policy lets it frame things, as JupyterLab's does
    page.goto(of_jupyter)
    found = page.evaluate(
        """address => new Promise((told) => {
            addEventListener("message", (event) => told({ ...JSON.parse(event.data), origin: event.origin }));
            const frame = document.createElement("iframe");
            frame.src = address;
            document.body.append(frame);
        })""",
        kernel.address("hostile/page/"),
    )
    assert found.pop("origin") == "null"
    assert found.pop("open") in ("null", "SecurityError")
    assert set(found.values()) == {"SecurityError"}, found
    settled(page)
    assert page.url == of_jupyter
    kernel.run("nbserve.get('hostile').stop()")
    context.close()


def test_a_page_of_another_origin_frames_nothing(
    chromium: Any, server: JupyterServer, kernel: Kernel, attacker: str
) -> None:
    """What a visitor does not see he cannot be made to click."""
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{server.url}api/status?token={server.token}")
    with server.client() as user:
        link = user.post(kernel.address("echo/shares/"), json={}).json()["link"]
    url, token = kernel.ask("[nbserve.get('echo').url, nbserve.get('echo').token]")
    page.goto(attacker)
    for address in (f"{server.url}nbserve/", kernel.address("echo/"), link, f"{url}?token={token}"):
        page.evaluate(
            """address => new Promise((loaded) => {
                const frame = document.createElement("iframe");
                frame.onload = loaded;
                frame.src = address;
                document.body.replaceChildren(frame);
            })""",
            address,
        )
        shown = page.frames[-1]
        assert shown.url.startswith("chrome-error:"), (address, shown.url)
    context.close()


def counted(kernel: Kernel) -> Any:
    return kernel.ask("{each.name: each.metadata()['counters'] for each in nbserve.endpoints()}")


def test_a_page_of_another_origin_neither_writes_nor_reads_with_the_users_cookies(
    server: JupyterServer, kernel: Kernel, ran: tuple[Any, list[Any]], attacker: str
) -> None:
    page, _ = ran
    page.goto(f"{server.url}nbserve/")
    expect(page.locator(".endpoint").first).to_be_visible()  # the cookies are there, the XSRF token's too
    before = counted(kernel)
    open_url = kernel.ask("nbserve.get('open').url")
    page.goto(attacker)
    targets = [kernel.address(f"echo/{path}") for path in ("echo/", "unload/", "load/", "shares/", "")]
    targets += [f"{open_url}{path}" for path in ("echo/", "unload/", "")] + [f"{server.url}nbserve/"]
    for target in targets:
        for options in TRIES:
            got = page.evaluate("([address, options]) => tried(address, options)", [target, options])
            assert got in (["TypeError"], ["opaque", 0, ""]), (target, options, got)
    assert counted(kernel) == before
    for target in targets[:1] + targets[-4:-3]:
        with page.expect_navigation():
            page.evaluate("target => { f.action = target; f.submit() }", target)
        assert "attacked" not in page.content()
        page.goto(attacker)
    assert counted(kernel) == before


def test_a_name_that_an_attacker_gave_this_machine_opens_neither_port(
    server: JupyterServer, kernel: Kernel, ran: tuple[Any, list[Any]]
) -> None:
    """Chromium takes every name below `localhost` for this machine, as a rebound name would be."""
    page, _ = ran
    before = counted(kernel)
    port = urlsplit(kernel.ask("nbserve.get('open').url")).port
    page.goto(f"http://rebound.localhost:{port}/open/")
    for verb, path in (("GET", "/"), ("GET", "/open/"), ("POST", "/open/echo/"), ("GET", "/openapi.json")):
        status = page.evaluate(
            "([path, method]) => fetch(path, { method, body: method === 'POST' ? '{}' : null }).then((a) => a.status)",
            [path, verb],
        )
        assert status == 401, path
    parts = urlsplit(server.url)
    page.goto(f"http://rebound.localhost:{parts.port}{parts.path}nbserve/?token={server.token}")
    status = page.evaluate(
        "path => fetch(path).then((a) => a.status)", f"{urlsplit(kernel.address('open/metadata/')).path}"
    )
    assert status == 403
    assert counted(kernel) == before
