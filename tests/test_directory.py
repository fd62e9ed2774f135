"""Listings that kernels leave for the Jupyter server."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from nbserve.directory import Listing, announce, find, listings, sweep, withdraw

URL = "http://127.0.0.1:1234/iris/"
KEY = "the key"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "nbserve"


@pytest.fixture
def iris(folder: Path) -> Listing:
    """A listing of this very process."""
    return announce("iris", URL, "k1", KEY, "a.ipynb")


def rewrite(listing: Listing, **changes: Any) -> Listing:
    """The same file, as another process would have written it."""
    changed = replace(listing, **changes)
    changed.path.write_text(json.dumps(asdict(changed)))
    changed.path.chmod(0o600)
    return changed


def test_what_is_announced_is_listed_until_it_is_withdrawn(iris: Listing) -> None:
    assert (iris.name, iris.url, iris.kernel_id, iris.pid) == ("iris", URL, "k1", os.getpid())
    assert list(listings()) == [find("k1", "iris")] == [iris]
    withdraw("k1", "iris")
    assert list(listings()) == []
    assert find("k1", "iris") is None


def test_a_listing_is_private(iris: Listing, folder: Path) -> None:
    assert stat.S_IMODE(iris.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_key_is_not_shown(iris: Listing) -> None:
    assert iris.key == KEY
    assert KEY not in repr(iris)
    assert KEY not in str([iris])


def test_who_reads_while_a_listing_is_written_anew_always_finds_one(iris: Listing) -> None:
    has_ended = threading.Event()

    def read() -> list[Listing | None]:
        found = []
        while not has_ended.is_set():
            found.append(find("k1", "iris"))
        return found

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        for _ in range(200):
            announce("iris", URL, "k1", KEY, "a.ipynb")
        has_ended.set()
        found = reading.result()
    assert found
    assert set(found) == {iris}


def test_withdrawing_leaves_the_listing_of_another_process_alone(iris: Listing) -> None:
    other = rewrite(iris, pid=iris.pid + 1)
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
        lambda path: path.write_text(json.dumps({key: value for key, value in _fields().items() if key != "key"})),
        lambda path: path.write_bytes(b"\xff\xfe"),
        lambda path: path.chmod(0o644),
        lambda path: path.chmod(0o602),
        lambda path: (path.rename(path.with_suffix(".real")), path.symlink_to(path.with_suffix(".real"))),
        lambda path: (path.unlink(), os.mkfifo(path, 0o600)),
        lambda path: (path.unlink(), path.mkdir()),
    ],
    ids=[
        "half",
        "a list",
        "fields missing",
        "wrong type",
        "another name",
        "without a key",
        "no text",
        "readable by all",
        "writable by all",
        "a link",
        "a pipe",
        "a folder",
    ],
)
def test_a_listing_that_somebody_else_could_have_made_is_passed_over(iris: Listing, spoil: Any) -> None:
    spoil(iris.path)
    assert list(listings()) == []
    assert find("k1", "iris") is None


@pytest.mark.parametrize(
    ("kernel_id", "name"),
    [("k1", "../k1-iris"), ("../nbserve/k1", "iris"), ("k1-iris", ""), ("", "iris"), ("k1", "iris\0"), ("*", "*")],
)
def test_no_path_leads_out_of_the_folder(iris: Listing, kernel_id: str, name: str) -> None:
    assert find(kernel_id, name) is None


@pytest.mark.parametrize(("kernel_id", "name"), [("../k1", "iris"), ("k1", "/../../planted")])
def test_a_listing_elsewhere_is_none_though_it_is_whole_and_named_so(iris: Listing, kernel_id: str, name: str) -> None:
    (iris.path.parent / "k1-").mkdir(mode=0o700)
    planted = rewrite(iris, kernel_id=kernel_id, name=name)
    assert planted.path.resolve().parent == iris.path.parent.parent
    assert find(kernel_id, name) is None


def test_what_two_names_have_in_common_belongs_to_one(iris: Listing) -> None:
    announce("b-c", URL, "a", KEY)
    assert find("a-b", "c") is None
    assert find("a", "b-c") is not None


# --- what ended kernels left


@pytest.fixture
def ended() -> int:
    """The id of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_listing_of_a_process_that_has_ended_is_swept(iris: Listing, ended: int) -> None:
    stale = rewrite(iris, pid=ended)
    assert sweep() == [stale]
    assert not iris.path.exists()
    assert sweep() == []


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_the_listing_of_a_process_whose_id_was_used_again_is_swept(iris: Listing) -> None:
    stale = rewrite(iris, began=iris.began - 1)
    assert iris.began
    assert sweep() == [stale]


@pytest.mark.parametrize(
    "other",
    [{}, {"pid": os.getppid(), "began": 0}, {"pid": 1, "began": 0}, {"kernel_id": "of-another-server"}],
    ids=["this one", "the parent", "another user's", "another server's kernel"],
)
def test_the_listing_of_a_process_that_lives_is_left_alone(iris: Listing, other: dict[str, Any]) -> None:
    rewrite(iris, **other)
    kept = list(listings())
    assert sweep() == []
    assert list(listings()) == kept


def test_the_listing_of_another_machine_is_left_alone(iris: Listing, ended: int) -> None:
    foreign = rewrite(iris, pid=ended, machine="elsewhere")
    assert sweep() == []
    assert list(listings()) == [foreign]


def test_what_is_no_listing_is_left_alone(iris: Listing, ended: int) -> None:
    rewrite(iris, pid=ended).path.chmod(0o644)
    assert sweep() == []
    assert iris.path.exists()


def _fields() -> dict[str, Any]:
    return asdict(announce("iris", URL, "k1", KEY))
