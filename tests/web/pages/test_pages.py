"""The pages as text."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from canned import ENDPOINTS, EVIL

from nbserve.web import pages

ROOT = "/user/x/nbserve/e/k1"


class Outline(HTMLParser):
    """The elements of a page, and the text of its data."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.inline: list[str] = []
        self.data = ""
        self._in_data = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "action") and value is not None]
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        self._in_data = given.get("type") == "application/json"
        if tag in ("script", "style") and not self._in_data and "src" not in given:
            self.inline.append(tag)

    def handle_data(self, data: str) -> None:
        self.data += data if self._in_data else ""

    def handle_endtag(self, tag: str) -> None:
        self._in_data = False


def every_page(root: str = ROOT) -> dict[str, str]:
    views = [view for view, _ in ENDPOINTS.values()]
    error = {"error": EVIL, "code": EVIL, "remedy": EVIL}
    return {
        **{view["name"]: pages.endpoint_page(view, root=root) for view in views},
        "index": pages.index_page(views, root=root),
        "sign in": pages.sign_in_page(root=root, problem=EVIL),
        "error": pages.error_page(error, 404, root=root),
        "docs": pages.docs_page(root=root, title=EVIL),
    }


@pytest.mark.parametrize("name", every_page())
def test_every_address_is_below_the_root(name: str) -> None:
    addresses = [each for each in Outline(every_page()[name]).addresses if not each.startswith("#")]
    assert addresses
    assert all(each.startswith(f"{ROOT}/") for each in addresses)


@pytest.mark.parametrize("name", every_page())
def test_every_asset_that_a_page_names_exists(name: str) -> None:
    wanted = [each for each in Outline(every_page("")[name]).addresses if each.startswith("/_pages/")]
    assert wanted
    assert all(pages.asset(each.removeprefix("/_pages/")) for each in wanted)


@pytest.mark.parametrize("name", every_page())
def test_pages_have_nothing_inline_that_the_policy_forbids(name: str) -> None:
    assert Outline(every_page()[name]).inline == []


def test_what_models_are_called_is_text_and_never_markup() -> None:
    plain, hostile = ENDPOINTS["houses"][0], ENDPOINTS["hostile"][0]
    assert set(Outline(pages.endpoint_page(hostile, root="")).tags) - {"img", "details", "summary"} <= set(
        Outline(pages.endpoint_page(plain, root="")).tags
    )
    for name, text in every_page().items():
        assert 'onerror="' not in text.replace('\\"', ""), name


def test_the_data_of_a_page_survive_their_escaping() -> None:
    view = ENDPOINTS["hostile"][0]
    data = Outline(pages.endpoint_page(view, root="")).data
    assert not re.search("[<>&\u2028]", data)
    assert json.loads(data) == json.loads(json.dumps(view))


@pytest.mark.parametrize(
    ("value", "shown"),
    [(float("nan"), None), (float("inf"), None), (complex(1, 2), "(1+2j)"), ("\ud800", "\ud800")],
    ids=["not a number", "infinity", "no JSON form", "lone surrogate"],
)
def test_values_without_a_json_form_do_not_break_a_page(value: Any, shown: Any) -> None:
    page = pages.endpoint_page({"name": "odd", "state": "loaded", "model": {"parameters": {"value": value}}}, root="")
    page.encode("utf-8")
    assert json.loads(Outline(page).data)["model"]["parameters"]["value"] == shown


def test_a_page_needs_no_more_than_a_name() -> None:
    assert '<h1 id="name">bare</h1>' in pages.endpoint_page({"name": "bare", "model": None}, root="")


def test_a_model_that_was_never_loaded_is_described_by_what_is_known() -> None:
    view = ENDPOINTS["header"][0]
    page = pages.endpoint_page(view, root="")
    assert page.count("Columns are found when it is first loaded.") == 1
    for text in ("XGBClassifier", "from model.joblib", "Who leaves us"):
        assert f">{text}<" in page
        assert f">{text}<" in pages.index_page([view], root="")
    assert "Methods" not in page


def test_the_source_of_a_model_of_the_notebook_is_not_told() -> None:
    assert ">from " not in pages.endpoint_page(ENDPOINTS["iris"][0], root="")


def test_only_known_names_are_assets() -> None:
    assert pages.asset("page.css") is not None
    for name in ("", "__init__.py", "../__init__.py", "endpoint.html", "swagger-ui/LICENSE", "/etc/passwd"):
        assert pages.asset(name) is None


def test_modules_import_assets_only() -> None:
    for name in ("page.js", "index.js", "docs.js", "wire.js"):
        assert _reach(name, set())


def _reach(name: str, seen: set[str]) -> set[str]:
    """The modules that a module imports, and theirs."""
    found = pages.asset(name)
    assert found is not None, name
    assert found[1].startswith("text/javascript")
    for each in re.findall(r'^import .* from "\./(.+)";$', found[0].decode(), re.MULTILINE):
        if each not in seen:
            _reach(each, seen | {name, each})
    return seen | {name}


def test_the_policy_allows_nothing_inline_and_no_other_host() -> None:
    policy = pages.CONTENT_SECURITY_POLICY
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy
