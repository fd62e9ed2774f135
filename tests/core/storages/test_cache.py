"""What was fetched is kept privately, whole, and only as much as there is room for."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from nbserve.core.storages import Address
from nbserve.core.storages.cache import Cache, Entry
from nbserve.errors import LoadError


def place(name: str) -> Address:
    return Address.read(f"https://key:s3cr3t@example.org/{name}?sig=s3cr3t")


def put(cache: Cache, name: str, size: int = 100, version: str = "1") -> Entry:
    return cache.put(place(name), version, lambda path: _write(path, size), is_folder=False)


def _write(path: Path, size: int) -> None:
    path.write_bytes(bytes(size))


def used(entry: Entry, at: float) -> None:
    os.utime(entry.folder / "about.json", (at, at))


def test_what_was_used_least_recently_leaves_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "c", 300)
    old, older = put(cache, "old"), put(cache, "older")
    used(old, 2000.0)
    used(older, 1000.0)
    put(cache, "fits")
    assert cache.find(place("older")) is not None
    put(cache, "over", 1)
    assert [cache.find(place(name)) is not None for name in ("older", "old", "fits", "over")] == [
        *(False, True, True, True)
    ]


def test_what_is_held_stays_and_so_does_what_has_just_come(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "c", 100)
    first = put(cache, "first")
    with first.held() as path:
        assert path is not None
        put(cache, "second", 500)
        assert path.exists()
    assert cache.find(place("second")) is not None
    put(cache, "third", 1)
    assert [cache.find(place(name)) is not None for name in ("first", "second", "third")] == [False, False, True]


def test_what_is_gone_is_not_held(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "c", 100)
    first = put(cache, "first")
    put(cache, "second")
    with first.held() as path:
        assert path is None


def test_the_older_version_goes_when_the_newer_has_come(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "c", 1000)
    put(cache, "m", 10, "1")
    put(cache, "m", 20, "2")
    found = cache.find(place("m"))
    assert found is not None
    assert (found.version, found.size_bytes) == ("2", 20)
    assert len(list((tmp_path / "c").glob("*/*"))) == 1


def test_what_breaks_while_it_is_written_leaves_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "c", 1000)

    def breaks(path: Path) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.put(place("m"), "1", breaks, is_folder=False)
    assert cache.find(place("m")) is None
    assert [each for each in (tmp_path / "c").rglob("*") if each.is_file()] == []


def test_what_a_killed_process_left_half_written_goes_with_the_next(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "c", 1000)
    kept = put(cache, "m")
    begun = kept.folder.parent.parent / "other" / ".begun-x"
    (begun / "content").mkdir(parents=True)
    (begun / "about.json").touch()
    put(cache, "n")
    assert not begun.exists()
    assert kept.path.exists()


def test_it_is_the_users_alone_and_tells_no_secret(tmp_path: Path) -> None:
    entry = put(Cache(tmp_path / "c", 1000), "m")
    assert stat.S_IMODE((tmp_path / "c").stat().st_mode) == 0o700
    assert stat.S_IMODE(entry.folder.parent.stat().st_mode) == 0o700
    about = json.loads((entry.folder / "about.json").read_text())
    assert about["address"] == "https://example.org/m"
    assert "s3cr3t" not in f"{about} {list((tmp_path / 'c').rglob('*'))}"


def test_a_folder_that_others_may_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c").chmod(0o777)
    with pytest.raises(LoadError, match="The cache c may be written by others"):
        put(Cache(tmp_path / "c", 1000), "m")
    (tmp_path / "c").chmod(0o755)
    put(Cache(tmp_path / "c", 1000), "m")
    (tmp_path / "c").chmod(0o777)
    with pytest.raises(LoadError, match="may be written by others"):
        Cache(tmp_path / "c", 1000).find(place("m"))


def test_without_a_folder_it_is_the_users_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert tmp_path in Cache(None, 1).folder.parents


@pytest.mark.parametrize("about", ["", "[]", "{}", '{"version": "1", "size": "x", "name": "m"}'])
def test_an_entry_that_cannot_be_read_is_none(tmp_path: Path, about: str) -> None:
    cache = Cache(tmp_path / "c", 1000)
    entry = put(cache, "m")
    (entry.folder / "about.json").write_text(about)
    assert cache.find(place("m")) is None
    assert cache.find(place("n")) is None
    assert put(cache, "m").path.exists()
