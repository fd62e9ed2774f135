"""Links as the notebook makes and shows them. This process is the kernel, and its own Jupyter server."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from nbserve.errors import NotFound, OptionError, SharingOff
from nbserve.notebook import announcing, links
from nbserve.notebook import handle as handle_module
from nbserve.notebook.handle import Endpoint
from nbserve.notebook.link_views import link_html, link_text, links_html, links_text
from nbserve.notebook.session import Session
from nbserve.servers import announce_server, withdraw_server
from tests.client import opened
from tests.conftest import Serve


@pytest.fixture(autouse=True)
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Links are off, until the user allows them."""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("JPY_PARENT_PID", str(os.getpid()))
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/a.ipynb")
    for module in (announcing, links):
        monkeypatch.setattr(module, "kernel_id", lambda: "k1")
    announce_server("http://127.0.0.1:8888/lab-base/", "", "/lab-base/", "ask")


def double(X: list) -> list:
    return X


def test_what_is_off_says_how_it_is_turned_on(serve: Serve) -> None:
    ep = serve(double)
    with pytest.raises(SharingOff, match="%nbserve share double --allow") as refused:
        ep.share()
    assert 'c.NbserveExtension.sharing = "on"' in refused.value.remedy
    assert ep.shares() == []
    assert ep.share(allow=True)["state"] == "open"
    assert ep.share()["state"] == "open"
    assert len(ep.shares()) == 2


def test_without_a_server_that_answers_links_another_way_is_told(serve: Serve) -> None:
    withdraw_server()
    with pytest.raises(SharingOff, match=r"--host 0\.0\.0\.0"):
        serve(double).share(allow=True)


def test_off_is_off_whoever_allows_it(serve: Serve) -> None:
    announce_server("http://127.0.0.1:8888/", "", "/", "off")
    with pytest.raises(SharingOff, match='sharing = "off"'):
        serve(double).share(allow=True)


def test_a_bad_term_allows_nothing(serve: Serve) -> None:
    ep = serve(double)
    with pytest.raises(OptionError):
        ep.share(allow=True, rows=0)
    with pytest.raises(OptionError, match="no method 'predikt'"):
        ep.share(allow=True, methods="predikt")
    with pytest.raises(SharingOff):
        ep.share()


def test_the_link_is_where_the_server_says_it_is(serve: Serve, session: Session) -> None:
    ep = serve(double)
    made = ep.share(allow=True)
    assert made["link"] == f"http://127.0.0.1:8888/lab-base/nbserve/s/{made['id']}/#{made['token']}"
    seen = session.share("double", "https://hub.example")
    assert seen["link"].startswith(f"https://hub.example/lab-base/nbserve/s/{seen['id']}/#")
    announce_server("http://127.0.0.1:8888/", "https://public.example/user/a/", "/user/a/", "on")
    assert session.share("double", "https://hub.example")["link"].startswith("https://public.example/user/a/nbserve/s/")


def test_links_are_listed_and_revoked_by_id_or_by_name(serve: Serve, session: Session) -> None:
    one, other = serve(double, name="one"), serve(double, name="other")
    first = one.share(allow=True, label="Ann")
    second, third = one.share(for_s="2h"), other.share(rows=5)
    assert [each["id"] for each in session.shares()] == [third["id"], second["id"], first["id"]]
    assert [each["id"] for each in one.shares()] == [second["id"], first["id"]]
    with pytest.raises(NotFound):
        one.revoke(third["id"])
    one.revoke(first["id"])
    assert [each["state"] for each in one.shares()] == ["open", "revoked"]
    assert [each["id"] for each in session.revoke("one")] == [second["id"]]
    with pytest.raises(NotFound):
        session.revoke("one")
    assert [each["state"] for each in session.shares()] == ["open", "revoked", "revoked"]


def test_another_notebook_sees_none_of_them(serve: Serve, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    made = serve(double).share(allow=True)
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/b.ipynb")
    monkeypatch.setattr(links, "kernel_id", lambda: "k2")
    assert session.shares() == []
    with pytest.raises(NotFound):
        session.revoke(made["id"])


def test_a_link_outlives_its_endpoint_and_leads_to_the_next(serve: Serve, session: Session) -> None:
    ep = serve(double)
    made = ep.share(allow=True)
    ep.stop()
    assert [each["id"] for each in session.shares("double")] == [made["id"]]
    assert [(each["id"], each["state"], each["served"]) for each in ep.shares()] == [(made["id"], "open", False)]
    again = serve(double)
    for handle in (ep, again):
        assert [(each["id"], each["served"]) for each in handle.shares()] == [(made["id"], True)]
    again.stop()
    ep.revoke(made["id"])
    assert [each["state"] for each in ep.shares()] == ["revoked"]


def test_what_a_link_opens_next_may_be_asked_for_it_before_it_is_served(
    serve: Serve, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a restart of the kernel."""
    monkeypatch.setattr(handle_module, "current_session", lambda: session)
    made = serve(double).share(allow=True)
    session.unserve("double")
    fresh = Endpoint(double, name="double")
    assert [each["id"] for each in fresh.shares()] == [made["id"]]
    assert Endpoint(double, name="other").shares() == Endpoint(double).shares() == []
    with pytest.raises(NotFound):
        Endpoint(double, name="other").revoke(made["id"])
    fresh.revoke(made["id"])
    assert [each["state"] for each in session.shares()] == ["revoked"]


def test_what_a_link_was_used_for_goes_with_it_to_another_kernel_and_back(
    serve: Serve, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_kernel(kernel: str) -> None:
        for module in (announcing, links):
            monkeypatch.setattr(module, "kernel_id", lambda: kernel)

    made = serve(double).share(allow=True, rows=10)
    session.access.meters.of(made["id"], "double").take(4)
    session.unserve("double")
    in_kernel("k2")
    with opened() as (other, _):
        other.serve(double, {})
        meter = other.access.meters.of(made["id"], "double")
        assert meter.use.rows == 4
        meter.take(5)
        other.access.meters.write()
        in_kernel("k1")
        assert session.shares()[0]["uses"]["rows"] == 9
        in_kernel("k2")
        other.unserve("double")
    in_kernel("k1")
    serve(double)
    assert session.access.meters.of(made["id"], "double").use.rows == 9
    assert session.shares()[0]["uses"]["rows"] == 9


# --- as they are shown

EVIL = '<img src=x onerror=alert(1)> & "it\'s"'


@pytest.fixture
def made(serve: Serve) -> dict[str, Any]:
    return serve(double).share(allow=True, label=EVIL, methods="predict", rate="10/s", rows=1000)


def test_a_link_is_told_in_a_line_and_stands_alone_on_the_next(made: dict[str, Any]) -> None:
    told, link = link_text(made).split("\n")
    assert link == made["link"]
    assert re.fullmatch(r"double is shared with .* until \d\d \w{3} \d{4} \d\d:\d\d: predict, 10/s, 1,000 rows\.", told)


def test_in_a_notebook_the_link_is_below_the_address_of_the_page(made: dict[str, Any]) -> None:
    html = link_html(made)
    assert f'href="/lab-base/nbserve/s/{made["id"]}/#{made["token"]}"' in html
    assert made["link"] in html
    assert "<img" not in html
    assert "<script" not in html


def test_all_links_are_a_table_without_a_token(made: dict[str, Any], session: Session) -> None:
    entries = session.shares()
    for shown in (links_text(entries), links_html(entries)):
        assert made["id"] in shown
        assert made["token"] not in shown
        assert "0 of 1,000" in shown
        assert "never" in shown
    assert "<img" not in links_html(entries)
    assert "Nothing is shared" in links_text([])
    assert "Nothing is shared" in links_html([])


def test_a_link_whose_name_is_not_served_now_is_shown_as_such(made: dict[str, Any], session: Session) -> None:
    assert "not served now" not in links_text(session.shares())
    session.unserve("double")
    for shown in (links_text(session.shares("double")), links_html(session.shares("double"))):
        assert "open, not served now" in shown
    session.revoke(made["id"])
    assert "not served now" not in links_text(session.shares())


def test_the_verbs_show_what_the_session_tells(shell: Any) -> None:
    shell.run("def double(X):\n    return X\n%serve double").check()
    told = shell.run("%nbserve share double --for 2h --label 'Ann B' --rate 10/s --allow").check().stdout
    assert "double is shared with Ann B until" in told
    link = re.search(r"http://\S+/nbserve/s/(\w+)/#(\S+)", told)
    assert link is not None
    listed = shell.run("%nbserve shares").check().stdout
    assert link[1] in listed
    assert link[2] not in listed
    assert link[1] in shell.complete("%nbserve revoke ")
    assert f"Revoked: {link[1]}." in shell.run(f"%nbserve revoke {link[1]}").check().stdout
    assert "revoked" in shell.run("%nbserve shares double").check().stdout
    assert shell.complete("%nbserve revoke ") == ["double"]
    with_one = shell.run("%nbserve share").check().stdout
    assert "double is shared until" in with_one
    shell.run("%unserve double").check()
    for line in ("%nbserve shares", "%nbserve shares double"):
        assert "open, not served now" in shell.run(line).check().stdout
    assert "Revoked: " in shell.run("%nbserve revoke double").check().stdout
