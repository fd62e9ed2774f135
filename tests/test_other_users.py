"""Another user of the same machine: what he finds, and what he is told without a token."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nbserve.directory import announce, find, listings
from nbserve.shares import find_share, new_share
from tests.client import opened

needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may act as another user"
)
OTHER = "nobody"

BECOME_OTHER = f"""
import encodings.idna, http.client, json, os, pwd, sys
other = pwd.getpwnam({OTHER!r})
os.setgroups([])
os.setgid(other.pw_gid)
os.setuid(other.pw_uid)
"""
"""After what it needs has been imported: root's own Python may lie where nobody else may read."""

LOOK = """
told = {}
for path in sys.argv[1:]:
    for name, act in (
        ("list", lambda: os.listdir(os.path.dirname(path))),
        ("read", lambda: open(path).read()),
        ("write", lambda: open(path, "a").write("x")),
        ("plant", lambda: open(os.path.join(os.path.dirname(path), "planted.json"), "w")),
        ("move", lambda: os.rename(path, path + ".moved")),
        ("remove", lambda: os.remove(path)),
    ):
        try:
            act()
        except OSError as error:
            told[f"{name} {os.path.basename(path)}"] = type(error).__name__
        else:
            told[f"{name} {os.path.basename(path)}"] = "done"
print(json.dumps(told))
"""

ASK = """
told = []
for verb, path in json.loads(sys.argv[2]):
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=20)
    connection.request(verb, path, b'{"X": [[1]]}', {"Host": f"127.0.0.1:{sys.argv[1]}"})
    answer = connection.getresponse()
    told.append([answer.status, answer.read().decode()])
print(json.dumps(told))
"""


def as_other(code: str, *given: str) -> object:
    """What a program says that the other user runs."""
    command = [sys.executable, "-I", "-c", BECOME_OTHER + code, *given]
    done = subprocess.run(command, cwd="/", env={}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Jupyter's folder, where everybody may look into: as `/tmp` is, or a home that is open."""
    place = Path(tempfile.mkdtemp(prefix="nbserve-test-"))
    place.chmod(0o755)
    folder = place / "runtime"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(folder))
    yield folder
    shutil.rmtree(place)


@needs_root
def test_he_neither_reads_nor_plants_listings_and_shares(runtime: Path) -> None:
    listing = announce("iris", "http://127.0.0.1:1/iris/", "k1", "key")
    share, _ = new_share(
        name="iris",
        notebook="",
        kernel_id="k1",
        label="",
        methods=(),
        until=time.time() + 60,
        rate="",
        rows=0,
        created=time.time(),
    )
    told = as_other(LOOK, str(listing.path), str(share.path))
    assert isinstance(told, dict)
    assert len(told) == 12
    assert set(told.values()) == {"PermissionError"}, told
    assert find("k1", "iris") == listing
    assert find_share(share.id) == share


@needs_root
def test_what_he_wrote_is_none_of_ours_wherever_it_lies(runtime: Path) -> None:
    """Even where somebody has opened the folder to everybody."""
    listing = announce("iris", "http://127.0.0.1:1/iris/", "k1", "key")
    forged = listing.path.with_name("k1-forged.json")
    forged.write_text(listing.path.read_text().replace('"iris"', '"forged"'))
    forged.chmod(0o600)
    assert find("k1", "forged") is not None
    shutil.chown(forged, OTHER)
    assert find("k1", "forged") is None
    assert [each.name for each in listings()] == ["iris"]


def closed(X):
    return X


ASKED = [
    ["GET", "/"],
    ["GET", "/closed/"],
    ["GET", "/closed/metadata/"],
    ["GET", "/closed/inspect/"],
    ["POST", "/closed/predict/"],
    ["POST", "/closed/load/"],
    ["POST", "/closed/unload/"],
    ["POST", "/closed/shares/"],
    ["GET", "/closed/traffic/"],
    ["DELETE", "/closed/"],
    ["GET", "/closed/openapi.json"],
    ["GET", "/docs"],
    ["GET", "/openapi.json"],
    ["GET", "/nothing"],
    ["GET", "/closed/predict/?token="],
]


@needs_root
def test_at_the_port_he_is_told_nothing_without_a_token() -> None:
    with opened() as (session, caller):
        session.serve(closed, {"name": "closed"})
        told = as_other(ASK, str(caller.port), json.dumps(ASKED))
        assert isinstance(told, list)
        for (verb, path), (status, text) in zip(ASKED, told, strict=True):
            assert status == 401, (verb, path, status)
            assert json.loads(text)["code"] == "token_missing"
        assert "closed" in session.registry
