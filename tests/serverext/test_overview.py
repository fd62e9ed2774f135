"""What all notebooks of the server serve: told to programs, and shown."""

from __future__ import annotations

import json
import os
import signal
from time import monotonic

import httpx
import pytest

from tests.serverext.real_jupyter import BASE, JupyterServer, Kernel

PAGE = {"Accept": "text/html,*/*"}


def listed(user: httpx.Client, kernel: Kernel) -> dict[str, dict]:
    endpoints = user.get("nbserve/").json()["endpoints"]
    return {each["name"]: each for each in endpoints if each["kernel_id"] == kernel.id}


def test_a_program_is_told_name_place_and_state_of_each(kernel: Kernel, user: httpx.Client) -> None:
    told = listed(user, kernel)
    assert set(told) == {"double", "free", "shop"}
    double = told["double"]
    assert double["path"] == f"{BASE}nbserve/e/{kernel.id}/double/"
    assert double["url"] == kernel.ask("nbserve.get('double').url")
    assert (double["state"], double["version"], double["notebook"]) == ("loaded", 1, "")
    assert double["memory"]["model_bytes"] > 0
    before = double["counters"]["requests"]
    user.post(kernel.address("double/predict/"), json={"X": [[1]]}).raise_for_status()
    assert listed(user, kernel)["double"]["counters"]["requests"] == before + 1
    assert user.get(f"{user.base_url.copy_with(path=double['path'])}").status_code == 200


def test_nothing_secret_is_told(kernel: Kernel, user: httpx.Client) -> None:
    told = user.get("nbserve/").text
    for name in ("double", "free", "shop"):
        assert json.loads(kernel.listing(name).read_text())["key"] not in told
    assert kernel.ask("nbserve.get('double').token") not in told


def test_endpoints_of_several_kernels_stand_beside_each_other(
    jupyter: JupyterServer, kernel: Kernel, user: httpx.Client
) -> None:
    other = jupyter.start_kernel("%load_ext nbserve\nimport nbserve\nnbserve.serve(len, name='double')")
    assert set(listed(user, other)) == {"double"}
    assert set(listed(user, kernel)) == {"double", "free", "shop"}
    assert user.get(other.address("free/metadata/")).status_code == 404


def test_an_endpoint_that_answers_its_metadata_itself_is_told_all_the_same(kernel: Kernel, user: httpx.Client) -> None:
    kernel.run(
        "class Own(nbserve.ModelResource):\n"
        "    component = Holds()\n"
        "    @nbserve.resource_method('/metadata/', methods=['GET'])\n"
        "    def metadata(self):\n"
        "        return 'mine'\n"
        "nbserve.serve(Own, name='own')"
    )
    assert listed(user, kernel)["own"]["state"] == "unloaded"
    kernel.run("nbserve.get('own').stop()")


def test_a_kernel_that_does_not_answer_is_told_so_and_holds_up_nobody(
    jupyter: JupyterServer, kernel: Kernel, user: httpx.Client
) -> None:
    stopped = jupyter.start_kernel()
    pid = jupyter.pid_of(stopped, "double")
    os.kill(pid, signal.SIGSTOP)
    try:
        began = monotonic()
        told = user.get("nbserve/").json()["endpoints"]
        assert monotonic() - began < 5
    finally:
        os.kill(pid, signal.SIGCONT)
    states = {(each["kernel_id"], each["state"]) for each in told}
    assert (stopped.id, "silent") in states
    assert (kernel.id, "loaded") in states


@pytest.mark.parametrize("path", ["nbserve", "nbserve/"])
def test_a_browser_is_shown_a_page(user: httpx.Client, path: str) -> None:
    answer = user.get(path, headers=PAGE)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    assert answer.headers["cache-control"] == "no-store"
    assert "_xsrf" in answer.cookies


def test_all_that_the_page_refers_to_is_there_and_of_this_server(user: httpx.Client, stranger: httpx.Client) -> None:
    import re

    text = user.get("nbserve/", headers=PAGE).text
    addresses = re.findall(r'(?:href|src)="([^"]*_pages[^"]*)"', text)
    assert len(addresses) > 3
    names = {address.rpartition("/")[2] for address in addresses}
    for name in names | {"dom.js", "gauge.js"}:
        answer = stranger.get(f"nbserve/_pages/{name}")
        assert answer.status_code == 200, name
        assert not re.search(rb"https?://(?!www\.w3\.org)", answer.content)
        for imported in re.findall(rb'from "\./([\w.]+)"', answer.content):
            assert stranger.get(f"nbserve/_pages/{imported.decode()}").status_code == 200, imported


def test_a_name_that_an_attacker_gave_this_machine_is_refused(user: httpx.Client) -> None:
    for path in ("nbserve/", "nbserve/_pages/page.css", "nbserve/_pages/share.js"):
        assert user.get(path).status_code == 200
        assert user.get(path, headers={"Host": "evil.example"}).status_code == 403


def test_every_script_that_a_page_fetches_is_there_for_a_page_of_no_origin(stranger: httpx.Client) -> None:
    import re

    seen: set[str] = set()
    wanted = {"endpoints.js", "share.js", "share.css", "swagger-ui.css", "swagger-ui-bundle.js"}
    while name := next(iter(wanted - seen), ""):
        answer = stranger.get(f"nbserve/_pages/{name}")
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*"), name
        seen.add(name)
        if name != "swagger-ui-bundle.js":
            wanted |= set(re.findall(r'(?:from |import\()"\./([\w.-]+)"', answer.text))
    assert {"page.js", "docs.js", "wire.js", "qrcode.js"} <= seen


@pytest.mark.parametrize(
    "name",
    [
        "nothing.js",
        "endpoints.html",
        "..",
        "sign-in.html",
        "qrcode",
        "share.html",
        "__init__.py",
        "%2e%2e%2fextension.py",
    ],
)
def test_nothing_else_is_there(stranger: httpx.Client, name: str) -> None:
    assert stranger.get(f"nbserve/_pages/{name}").status_code in (302, 403, 404)


@pytest.mark.parametrize("path", ["", "docs", "docs/"])
def test_what_an_endpoints_pages_link_to_as_all_endpoints_is_this_list(
    kernel: Kernel, browser: httpx.Client, path: str
) -> None:
    answer = browser.get(kernel.address(path))
    assert (answer.status_code, answer.headers["location"]) == (302, f"{BASE}nbserve/")
