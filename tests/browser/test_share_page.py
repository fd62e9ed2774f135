"""The page of a link, in a browser that has no account: no cookie of Jupyter's, and nothing but the link."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright._impl._driver import compute_driver_executable
from playwright.sync_api import expect

from tests.serverext.real_jupyter import JupyterServer, Kernel, started

pytestmark = pytest.mark.browser

SHOTS = os.environ.get("NBSERVE_SHOTS")
LOAD_MS = 30_000
RUN_S = 60

SERVED = """
%load_ext nbserve
import nbserve
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
data = load_iris(as_frame=True)
model = LogisticRegression(max_iter=500).fit(data.data, data.target_names[data.target])
nbserve.serve(model, name="iris")
"""

LOOKS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "wide": {"viewport": {"width": 1920, "height": 1080}},
    "phone": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    running = started(tmp_path_factory.mktemp("jupyter"), ("--NbserveExtension.sharing=on",))
    yield running
    running.close()


@pytest.fixture(scope="module")
def kernel(server: JupyterServer) -> Kernel:
    return server.start_kernel(SERVED)


@pytest.fixture(scope="module")
def owner(server: JupyterServer) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


@pytest.fixture
def share(kernel: Kernel, owner: httpx.Client) -> Callable[..., dict[str, Any]]:
    def made(**given: Any) -> dict[str, Any]:
        answer = owner.post(kernel.address("iris/shares/"), json=given)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    return made


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., Any]]:
    """A tab of a stranger; no script may fail, no request leave this machine, and no address hold a token."""
    contexts, complaints = [], []

    def look_at(sent: Any) -> None:
        if not sent.url.startswith(("http://127.0.0.1:", "data:", "blob:")) or "token=" in sent.url:
            complaints.append(sent.url)

    def visited(link: str, **look: Any) -> Any:
        context = chromium.new_context(**({"viewport": {"width": 1280, "height": 860}} | look))
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(LOAD_MS)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if _is_complaint(said) else None)
        page.on("request", look_at)
        page.goto(link)
        return page

    yield visited
    for context in contexts:
        assert context.cookies() == []
        context.close()
    assert complaints == []


def _is_complaint(said: Any) -> bool:
    """A refused request is logged as an error by the browser; it is what some tests are about."""
    return said.type == "error" and "Failed to load" not in said.text


def shoot(page: Any, name: str) -> None:
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)


@pytest.mark.parametrize("look", LOOKS)
def test_a_stranger_tries_the_model_with_the_link_alone(
    share: Callable[..., dict[str, Any]], visit: Callable[..., Any], look: str
) -> None:
    page = visit(share(label="Ann")["link"], **LOOKS[look])
    expect(page.get_by_role("heading", name="iris", exact=True)).to_be_visible()
    expect(page.locator("#state")).to_have_text("loaded")
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#result .verdict")).to_have_text(re.compile("setosa|versicolor|virginica"))
    expect(page.get_by_role("img", name="QR code of this link")).to_be_visible()
    expect(page.get_by_role("button", name="Load")).to_have_count(0)
    shoot(page, f"share-{look}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.reload()
    expect(page.locator("#state")).to_have_text("loaded")


def test_the_code_of_every_language_has_the_address_behind_the_prefix(
    share: Callable[..., dict[str, Any]], visit: Callable[..., Any]
) -> None:
    made = share()
    page = visit(made["link"])
    home = made["link"].partition("#")[0]
    page.get_by_role("button", name="Show token").click()
    for language in ("curl", "Python", "nbserve.Client", "R", "JavaScript"):
        page.get_by_role("radio", name=language, exact=True).check()
        code = page.get_by_label("Code", exact=True)
        expect(code).to_contain_text(home if language == "nbserve.Client" else f"{home}predict/")
        expect(code).to_contain_text(made["token"])
    expect(page.locator("#code")).to_contain_text("The token is this link's")
    for action in ("Load", "Unload", "Stop"):
        assert page.get_by_role("button", name=action, exact=True).count() == 0


def run_in(language: str, code: str, folder: Path) -> str:
    """What the code of the page says, run by the tool that it is for."""
    file = folder / "code"
    file.write_text(code)
    node, _ = compute_driver_executable()  # the one that playwright brings
    commands = {
        "curl": ["sh", str(file)],
        "Python": [sys.executable, str(file)],
        "nbserve.Client": [sys.executable, str(file)],
        "JavaScript": [str(node), "--input-type=module", "--eval", code],
    }
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(Path(__file__).parents[2])}
    ran = subprocess.run(
        commands[language], capture_output=True, text=True, timeout=RUN_S, env=environment, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("language", ["curl", "Python", "nbserve.Client", "JavaScript"])
def test_the_code_runs_as_it_stands(
    share: Callable[..., dict[str, Any]], visit: Callable[..., Any], tmp_path: Path, language: str
) -> None:
    page = visit(share(rows=1)["link"])
    page.get_by_role("button", name="Show token").click()
    page.get_by_role("radio", name=language, exact=True).check()
    code = page.get_by_label("Code", exact=True).inner_text()
    assert re.search("setosa|versicolor|virginica", run_in(language, code, tmp_path))
    expect(page.locator("#notice")).to_contain_text("used up")  # it was this link's row


def test_the_code_for_r_names_what_it_needs(share: Callable[..., dict[str, Any]], visit: Callable[..., Any]) -> None:
    """R itself is no tool of these tests: the code was run by hand, with httr2 0.2.2 on R 4.2.2."""
    page = visit(share()["link"])
    page.get_by_role("radio", name="R", exact=True).check()
    code = page.get_by_label("Code", exact=True)
    expect(code).to_contain_text('# install.packages(c("httr2", "jsonlite"))')
    expect(code).to_contain_text("req_perform() |>")


def test_only_what_the_link_allows_is_offered(share: Callable[..., dict[str, Any]], visit: Callable[..., Any]) -> None:
    page = visit(share(methods="predict")["link"])
    expect(page.locator("#state")).to_have_text("loaded")
    expect(page.get_by_text("predict_proba")).to_have_count(0)
    expect(page.get_by_text("How we know")).to_have_count(0)
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#result .verdict")).to_be_visible()


def test_to_look_at_the_page_is_no_use_of_what_a_resource_answers_itself(
    kernel: Kernel, owner: httpx.Client, visit: Callable[..., Any]
) -> None:
    kernel.run(
        "class Holds(nbserve.ModelComponent):\n"
        "    def load_model(self):\n"
        "        self.model = model\n"
        "class Told(nbserve.ModelResource):\n"
        "    component = Holds()\n"
        "    def metadata(self):\n"
        "        return 'my own'\n"
        "nbserve.serve(Told, name='told', eager=True)"
    )
    for terms in ({}, {"methods": "predict"}):
        made = owner.post(kernel.address("told/shares/"), json=terms).json()
        page = visit(made["link"])
        expect(page.locator("#state")).to_have_text("loaded")
        kernel.run("nbserve.get('told').unload()")
        expect(page.locator("#state")).to_have_text("unloaded")
        kernel.run("nbserve.get('told').load()")
        entry = owner.get(kernel.address("told/shares/")).json()["shares"][0]
        assert (entry["id"], entry["uses"]["requests"], entry["uses"]["refused"]) == (made["id"], 0, 0)


def test_the_documentation_is_below_the_link_and_can_be_tried(
    share: Callable[..., dict[str, Any]], visit: Callable[..., Any]
) -> None:
    page = visit(share()["link"])
    page.get_by_role("link", name="API docs").click()
    expect(page.locator("#operations-iris-iris_predict")).to_be_visible()
    page.locator("#operations-iris-iris_predict").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table")).to_contain_text("predict_result")
    shoot(page, "share-docs")
    expect(page.locator("#operations-iris-iris_unload")).to_have_count(0)
    page.get_by_role("link", name="Try it").click()
    expect(page.locator("#state")).to_have_text("loaded")


@pytest.mark.parametrize("look", ["light", "phone", "dark"])
def test_a_link_that_has_expired_says_so(
    share: Callable[..., dict[str, Any]], visit: Callable[..., Any], look: str
) -> None:
    page = visit(share(**{"for": "0.001s"})["link"], **LOOKS[look])
    expect(page.locator("#waiting")).to_contain_text("This link has expired.")
    expect(page.locator("#waiting")).to_contain_text("Ask who gave it to you for a new one.")
    shoot(page, f"share-expired-{look}")


def test_a_link_that_is_revoked_says_so_also_on_a_page_that_is_open(
    kernel: Kernel, owner: httpx.Client, share: Callable[..., dict[str, Any]], visit: Callable[..., Any]
) -> None:
    made = share()
    page = visit(made["link"])
    expect(page.locator("#state")).to_have_text("loaded")
    owner.delete(kernel.address(f"iris/shares/{made['id']}/")).raise_for_status()
    expect(page.locator("#notice")).to_contain_text("This link was revoked.")
    expect(page.locator("#state")).to_have_text("gone")
    page.reload()
    expect(page.locator("#waiting")).to_contain_text("This link was revoked.")


def test_a_link_whose_rows_are_used_up_says_so(share: Callable[..., dict[str, Any]], visit: Callable[..., Any]) -> None:
    page = visit(share(rows=1, methods="predict")["link"])
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#result .verdict")).to_be_visible()
    expect(page.locator("#notice")).to_contain_text("used up")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda link: link.partition("#")[0], "This link is not complete."),
        (lambda link: f"{link}x", "This link opens nothing."),
        (lambda link: re.sub(r"/s/\w+/", "/s/0123456789abcdef/", link), "This link opens nothing."),
    ],
    ids=["without its token", "with another token", "of another id"],
)
def test_what_is_no_link_says_one_thing_and_names_nothing(
    share: Callable[..., dict[str, Any]], visit: Callable[..., Any], spoil: Callable[[str], str], says: str
) -> None:
    page = visit(spoil(share()["link"]))
    expect(page.locator("#waiting")).to_contain_text(says)
    assert "iris" not in page.content()


def test_names_that_look_like_markup_are_text(kernel: Kernel, owner: httpx.Client, visit: Callable[..., Any]) -> None:
    evil = "<img src=x onerror=document.title='evil'>"
    kernel.run(
        "class Churn(nbserve.ModelComponent):\n"
        "    def load_model(self):\n"
        f"        raise OSError({evil!r})\n"
        "class Evil(nbserve.ModelResource):\n"
        f"    verbose_name = {evil!r}\n"
        "    component = Churn()\n"
        "nbserve.serve(Evil, name='evil')"
    )
    made = owner.post(kernel.address("evil/shares/"), json={"label": "<b>x"}).json()
    page = visit(made["link"])
    expect(page.get_by_text(evil).first).to_be_visible()
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#result .refusal")).to_be_visible()
    assert page.locator("img[src=x]").count() == 0
    assert page.title() == "evil · nbserve"


def test_the_page_says_that_the_notebook_is_away_and_comes_back_by_itself(
    server: JupyterServer, owner: httpx.Client, visit: Callable[..., Any]
) -> None:
    kernel = server.start_kernel(SERVED)
    made = owner.post(kernel.address("iris/shares/"), json={}).json()
    page, early = visit(made["link"]), visit("about:blank")
    expect(page.locator("#state")).to_have_text("loaded")
    owner.post(f"api/kernels/{kernel.id}/restart").raise_for_status()
    expect(page.locator("#state")).to_have_text("away")
    expect(page.locator("#notice")).to_contain_text("The notebook that serves this is away.")
    expect(page.locator(".gauge")).not_to_contain_text("used")
    shoot(page, "share-gone")
    early.goto(made["link"])
    expect(early.locator("#waiting")).to_contain_text("The notebook is away.")
    shoot(early, "share-waiting")
    server.connect(kernel)
    kernel.run(SERVED)
    expect(early.locator("#state")).to_have_text("loaded")
    expect(page.locator("#state")).to_have_text("loaded")
    early.get_by_role("button", name="Predict").click()
    expect(early.locator("#result .verdict")).to_be_visible()
