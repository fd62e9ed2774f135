"""Records of links, and of what they were used for."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from nbserve.directory import announce, sweep
from nbserve.private import UNFINISHED_S, read, write
from nbserve.servers import (
    JupyterServer,
    allow_sharing,
    announce_server,
    own_server,
    sweep_servers,
    withdraw_server,
)
from nbserve.shares import (
    KEPT_S,
    Share,
    Use,
    adopt_shares,
    find_share,
    new_share,
    revoke_share,
    shares,
    sweep_shares,
    use_of,
    write_use,
)

DAY_S = 86400.0


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "nbserve"


def made(**changes: Any) -> tuple[Share, str]:
    given: dict[str, Any] = {
        "name": "iris",
        "notebook": "/home/a.ipynb",
        "kernel_id": "k1",
        "label": "Ann",
        "methods": ("predict",),
        "until": time.time() + DAY_S,
        "rate": "10/s",
        "rows": 5,
        "created": time.time(),
    }
    return new_share(**(given | changes))


def test_a_share_is_found_by_its_id_and_opened_by_its_token_alone() -> None:
    share, token = made()
    assert find_share(share.id) == share
    assert share.opens_with(token)
    for wrong in ("", token[:-1], f"{token}x", token.swapcase(), share.digest, share.id, "é\udcff"):
        assert not share.opens_with(wrong)


def test_tokens_and_ids_are_never_the_same_and_long_enough_not_to_be_guessed() -> None:
    several = [made() for _ in range(50)]
    assert len({share.id for share, _ in several}) == len({token for _, token in several}) == 50
    assert all(len(token) * 6 >= 128 for _, token in several)


def test_no_file_and_no_repr_tells_a_token(folder: Path) -> None:
    share, token = made()
    revoke_share(share)
    for path in folder.rglob("*"):
        assert path.is_dir() or token not in path.read_text()
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    assert token not in repr(share)
    assert share.digest not in repr(share)


def test_a_revoked_share_stays_revoked_from_its_first_time(folder: Path) -> None:
    share, _ = made()
    revoked = revoke_share(share)
    assert revoked.revoked > 0
    assert find_share(share.id) == revoked == revoke_share(revoked)


def test_the_time_is_over_when_it_is_over() -> None:
    share, _ = made(until=1000.0)
    assert not share.has_expired(999.9)
    assert share.has_expired(1000.0)


def test_the_newest_is_told_first() -> None:
    several = [made(created=float(second))[0] for second in (2, 1, 3)]
    assert [share.created for share in shares()] == [3, 2, 1]
    assert set(shares()) == set(several)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_text("{"),
        lambda path: path.write_text("[" * 50_000),
        lambda path: path.write_text(json.dumps({"id": "x"})),
        lambda path: _change(path, until="never"),
        lambda path: _change(path, rows=True),
        lambda path: _change(path, methods="predict"),
        lambda path: _change(path, methods=[1]),
        lambda path: _change(path, digest=None),
        lambda path: _change(path, id="another"),
        lambda path: path.chmod(0o644),
        lambda path: (path.rename(path.with_suffix(".real")), path.symlink_to(path.with_suffix(".real"))),
        lambda path: (path.unlink(), os.mkfifo(path, 0o600)),
    ],
    ids=[
        "half",
        "deep",
        "fields missing",
        "no time",
        "no number",
        "no list",
        "no texts",
        "no digest",
        "another id",
        "readable by all",
        "a link",
        "a pipe",
    ],
)
def test_a_record_that_somebody_else_could_have_made_is_none(spoil: Any) -> None:
    share, _ = made()
    spoil(share.path)
    assert find_share(share.id) is None
    assert list(shares()) == []


@pytest.mark.parametrize("name", ["", "..", "../k1-iris", "a/b", "a\0", "*", "é"])
def test_no_id_leads_out_of_the_folder(name: str) -> None:
    made()
    assert find_share(name) is None


def test_a_record_elsewhere_is_none_though_it_is_whole_and_named_so(folder: Path) -> None:
    share, _ = made()
    planted = share.path.rename(folder / "planted.json")
    planted.write_text(planted.read_text().replace(share.id, "../planted"))
    assert find_share("../planted") is None


def test_what_it_was_used_for_is_a_file_of_its_own_and_survives() -> None:
    share, _ = made()
    assert use_of(share.id) == Use()
    write_use(share.id, Use(3, 7, 1, 2, 12.5))
    revoke_share(share)
    assert use_of(share.id) == Use(3, 7, 1, 2, 12.5)


def test_threads_that_write_one_record_at_once_leave_a_whole_one_and_nothing_beside(folder: Path) -> None:
    share, _ = made()

    def wrote(number: int) -> int:
        write_use(share.id, Use(number))
        return use_of(share.id).requests

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(wrote, range(1, 401)))
    assert [path.name for path in (folder / "uses").iterdir()] == [f"{share.id}.json"]


def test_a_write_that_is_interrupted_leaves_what_was_there_and_nothing_beside(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    share, _ = made()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nbserve.private.json.dump", interrupted)
    with pytest.raises(KeyboardInterrupt):
        revoke_share(share)
    assert find_share(share.id) == share
    assert list((folder / "shares").iterdir()) == [share.path]


COUNTS = """
import sys
from nbserve.shares import Use
from nbserve.web.meters import Meters
meters = Meters()
meter = meters.of(sys.argv[1], "iris")
print("ready", flush=True)
while True:
    meter.end(is_error=False)
    meters.write()
"""


def test_a_process_that_is_killed_while_it_counts_leaves_whole_counts(folder: Path) -> None:
    """In whichever moment: what is read is what was written last, or just before."""
    share, _ = made()
    seen = 0
    for further in range(1, 13):
        with subprocess.Popen([sys.executable, "-c", COUNTS, share.id], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            upto = seen + further
            while seen < upto:
                use = read(folder / "uses" / f"{share.id}.json", Use)
                assert use is not None or seen == 0
                assert (use or Use()).requests >= seen
                seen = (use or Use()).requests
            process.kill()
        use = read(folder / "uses" / f"{share.id}.json", Use)
        assert use is not None
        assert use.requests >= seen
        assert (use.rows, use.errors, use.refused) == (0, 0, 0)
        seen = use.requests
    assert {path.name for path in (folder / "uses").glob("[!.]*")} == {f"{share.id}.json"}


def test_what_a_killed_process_had_begun_to_write_is_swept_and_nothing_else(folder: Path) -> None:
    share, _ = made()
    announce("iris", "http://127.0.0.1:1/iris/", "k1", "key")
    write_use(share.id, Use(1))
    now = time.time()
    begun, own = [f".{number:016x}-{share.id}" for number in range(2)], ".own-notes"
    swept, kept = [], []
    for place in (folder / "uses", folder):
        swept.append(place / begun[0])
        kept += [place / begun[1], place / own]
    for path in (*swept, *kept):
        path.write_text("{")
        age_s = UNFINISHED_S - 10 if path.name == begun[1] else UNFINISHED_S + 10
        os.utime(path, (now - age_s, now - age_s))
    sweep_shares()
    sweep()
    assert [path.exists() for path in swept] == [False, False]
    assert all(path.exists() for path in kept)
    assert use_of(share.id) == Use(1)
    assert find_share(share.id) == share


def test_what_must_last_is_on_the_disk_before_it_takes_the_place_of_what_was_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that fails is not to be had here: the order of the calls is what can be looked at."""
    share, _ = made()
    settled: list[tuple[str, float]] = []

    def fsync(descriptor: int) -> None:
        found = find_share(share.id)
        assert found is not None
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        settled.append(("folder" if name == "shares" else "record", found.revoked))

    monkeypatch.setattr("nbserve.private.os.fsync", fsync)
    revoked = revoke_share(share)
    assert settled == [("record", 0), ("folder", revoked.revoked)]
    settled.clear()
    write_use(share.id, Use(1))
    adopt_shares("iris", "k2", "/home/a.ipynb")
    assert [kind for kind, _ in settled] == ["record"] * 4
    settled.clear()
    announce("iris", "http://127.0.0.1:1/iris/", "k1", "key")  # it means nothing when its process is no more
    assert settled == []


# --- whose it is


def test_the_notebook_takes_its_links_along_to_another_kernel() -> None:
    share, token = made()
    adopt_shares("iris", "k2", "/home/a.ipynb")
    moved = find_share(share.id)
    assert moved == replace(share, kernel_id="k2")
    assert moved.opens_with(token)


def test_who_takes_a_link_along_does_not_undo_that_it_was_revoked(monkeypatch: pytest.MonkeyPatch) -> None:
    share, _ = made()

    def revoked_meanwhile(kernel_id: str, name: str) -> None:
        revoke_share(share)

    monkeypatch.setattr("nbserve.shares.find", revoked_meanwhile)
    adopt_shares("iris", "k2", "/home/a.ipynb")
    found = find_share(share.id)
    assert found is not None
    assert found.revoked
    assert found.kernel_id == "k2"


def test_who_revokes_what_he_saw_before_it_was_taken_along_revokes_it() -> None:
    share, _ = made()
    adopt_shares("iris", "k2", "/home/a.ipynb")
    revoke_share(share)
    found = find_share(share.id)
    assert found is not None
    assert found.revoked
    assert list(shares()) == [found]


@pytest.mark.parametrize(
    ("name", "notebook"), [("iris", "/home/b.ipynb"), ("other", "/home/a.ipynb"), ("iris", "")], ids=str
)
def test_nobody_else_takes_them(name: str, notebook: str) -> None:
    share, _ = made()
    adopt_shares(name, "k2", notebook)
    assert find_share(share.id) == share


def test_without_a_notebook_the_kernel_alone_is_told_by() -> None:
    share, _ = made(notebook="")
    adopt_shares("iris", "k2", "")
    assert find_share(share.id) == share
    assert share.is_of("k1", "")
    assert not share.is_of("k2", "")


def test_a_kernel_that_lives_and_serves_it_keeps_it() -> None:
    share, _ = made()
    announce("iris", "http://127.0.0.1:1/iris/", "k1", "key")
    adopt_shares("iris", "k2", "/home/a.ipynb")
    assert find_share(share.id) == share


def test_a_kernel_that_has_ended_does_not_keep_it() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    share, _ = made()
    listing = announce("iris", "http://127.0.0.1:1/iris/", "k1", "key")
    write(listing.path, replace(listing, pid=process.pid))
    adopt_shares("iris", "k2", "/home/a.ipynb")
    assert find_share(share.id) == replace(share, kernel_id="k2")


def test_those_that_have_ended_long_ago_are_swept_and_no_others() -> None:
    now = time.time()
    old, _ = made(until=now - KEPT_S - 10)
    recent, _ = made(until=now - KEPT_S + 10)
    live, _ = made()
    revoked, _ = made()
    write(revoked.path, replace(revoked, revoked=now - KEPT_S - 10))
    write_use(old.id, Use(1))
    sweep_shares()
    assert {share.id for share in shares()} == {recent.id, live.id}
    assert use_of(old.id) == Use()


# --- servers


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> JupyterServer:
    """This very process, as the parent of the kernel that it is, too."""
    monkeypatch.setenv("JPY_PARENT_PID", str(os.getpid()))
    return announce_server("http://127.0.0.1:8888/", "", "/", "ask")


def test_a_kernel_knows_the_server_that_runs_it_until_it_ends(server: JupyterServer) -> None:
    assert own_server() == server
    withdraw_server()
    assert own_server() is None


@pytest.mark.parametrize("pid", ["", "x", "-1", "99999999999999999999", "1"])
def test_another_parent_is_no_server_of_ours(server: JupyterServer, monkeypatch: Any, pid: str) -> None:
    monkeypatch.setenv("JPY_PARENT_PID", pid)
    assert own_server() is None


def test_a_server_of_before_with_the_same_id_is_none(server: JupyterServer, folder: Path) -> None:
    if not server.began:
        pytest.fail("needs /proc")
    write(folder / "servers" / f"{server.pid}.json", replace(server, began=server.began - 1))
    assert own_server() is None
    sweep_servers()
    assert list((folder / "servers").iterdir()) == []


@pytest.mark.parametrize(
    ("sharing", "before", "after"), [("ask", False, True), ("on", True, True), ("off", False, False)]
)
def test_what_its_user_says_counts_where_he_is_asked(sharing: str, before: bool, after: bool) -> None:
    server = announce_server("http://127.0.0.1:8888/", "", "/", sharing)
    assert server.is_sharing is before
    allow_sharing(server)
    assert server.is_sharing is after
    again = announce_server("http://127.0.0.1:8888/", "", "/", sharing)
    assert again.is_sharing is before  # it holds as long as that server runs


def test_a_permission_that_others_could_have_written_is_none(server: JupyterServer, folder: Path) -> None:
    allow_sharing(server)
    (folder / "allowed" / f"{server.pid}.json").chmod(0o666)
    assert not server.is_sharing


def test_what_lives_is_not_swept(server: JupyterServer) -> None:
    allow_sharing(server)
    sweep_servers()
    assert own_server() == server
    assert server.is_sharing


def _change(path: Path, **values: Any) -> None:
    record = read(path, Share)
    assert record is not None
    path.write_text(json.dumps(asdict(record) | values))
