"""Listings that kernels leave for the Jupyter server."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from nbserve.directory import Listing, announce, listings, withdraw

IRIS = Listing("iris", "http://127.0.0.1:1234/iris/", "k1", os.getpid(), "a.ipynb")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "nbserve"


def test_what_is_announced_is_listed_until_it_is_withdrawn() -> None:
    announce(IRIS)
    assert list(listings()) == [IRIS]
    withdraw("k1", "iris")
    assert list(listings()) == []


def test_a_listing_is_private(folder: Path) -> None:
    announce(IRIS)
    assert stat.S_IMODE(IRIS.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_withdrawing_leaves_the_listing_of_another_process_alone(folder: Path) -> None:
    other = Listing("iris", IRIS.url, "k1", IRIS.pid + 1)
    announce(other)
    withdraw("k1", "iris")
    withdraw("k1", "nothing")
    assert list(listings()) == [other]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_text("{"),
        lambda path: path.write_text("[]"),
        lambda path: path.write_text(json.dumps({"name": "iris"})),
        lambda path: path.write_text(json.dumps({**_fields(), "pid": "1"})),
        lambda path: path.write_text(json.dumps({**_fields(), "name": "../other"})),
        lambda path: path.write_bytes(b"\xff\xfe"),
        lambda path: path.chmod(0o644),
        lambda path: (path.rename(path.with_suffix(".real")), path.symlink_to(path.with_suffix(".real"))),
    ],
    ids=["half", "a list", "fields missing", "wrong type", "another name", "no text", "readable by all", "a link"],
)
def test_a_listing_that_somebody_else_could_have_made_is_passed_over(spoil: Any) -> None:
    announce(IRIS)
    spoil(IRIS.path)
    assert list(listings()) == []


def _fields() -> dict[str, Any]:
    return {"name": "iris", "url": IRIS.url, "kernel_id": "k1", "pid": IRIS.pid, "notebook": ""}
