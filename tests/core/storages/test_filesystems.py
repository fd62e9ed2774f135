"""Whatever fsspec reads, files and folders alike."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest

from nbserve.core.storages import Address, Terms, fetched, filesystems, storage_of
from nbserve.errors import LoadError


@pytest.fixture
def memory() -> Iterator[Any]:
    filesystem = fsspec.filesystem("memory")
    yield filesystem
    filesystem.store.clear()
    filesystem.pseudo_dirs[:] = [""]


def got(address: str, terms: Terms) -> dict[str, bytes]:
    place = Address.read(address)
    with fetched(place, storage_of(place), terms) as path:
        files = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
        return {str(each.relative_to(path.parent)): each.read_bytes() for each in files}


def test_a_file_comes_once_and_again_when_it_was_written_anew(
    memory: Any, terms: Terms, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.pipe("/models/m.bin", b"one")
    assert got("memory://models/m.bin", terms) == {"m.bin": b"one"}
    fetches = list[str]()
    fetch = filesystems._fetch
    monkeypatch.setattr(filesystems, "_fetch", lambda *given: (fetches.append(given[1]), fetch(*given))[1])
    assert got("memory://models/m.bin", terms) == {"m.bin": b"one"}
    assert fetches == []
    memory.pipe("/models/m.bin", b"two")
    assert got("memory://models/m.bin", terms) == {"m.bin": b"two"}
    assert fetches == ["/models/m.bin"]


def test_a_folder_comes_as_a_folder(memory: Any, terms: Terms) -> None:
    memory.pipe("/models/net/config.json", b"{}")
    memory.pipe("/models/net/variables/data", b"12345")
    memory.pipe("/models/network", b"not this one")
    assert got("memory://models/net/", terms) == {"net/config.json": b"{}", "net/variables/data": b"12345"}
    memory.rm("/models/net/variables/data")
    assert got("memory://models/net/", terms) == {"net/config.json": b"{}"}


def test_the_limit_is_that_of_all_its_files(memory: Any, cache: Path) -> None:
    memory.pipe("/net/a", bytes(60))
    memory.pipe("/net/b", bytes(60))
    got("memory://net", Terms(cache=cache, limit_bytes=120))
    memory.pipe("/net/b", bytes(61))
    with pytest.raises(LoadError, match="net is larger than the 120 B"):
        got("memory://net", Terms(cache=cache, limit_bytes=120))


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "C:evil"])
def test_a_file_that_leads_out_of_the_folder_is_refused(memory: Any, terms: Terms, name: str) -> None:
    memory.store[f"/net/{name}"] = fsspec.implementations.memory.MemoryFile(memory, f"/net/{name}", b"x")
    with pytest.raises(LoadError, match="leads out of it"):
        got("memory://net", terms)


def test_a_folder_of_more_files_than_any_model_has_is_refused(
    memory: Any, terms: Terms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filesystems, "MOST_FILES", 2)
    memory.pipe({"/net/1": b"", "/net/2": b""})
    got("memory://net", terms)
    memory.pipe("/net/3", b"")
    with pytest.raises(LoadError, match="holds 3 files"):
        got("memory://net", terms)


def test_what_is_not_there_is_told(memory: Any, terms: Terms) -> None:
    with pytest.raises(LoadError, match=r"There is nothing at memory://models/m\.bin"):
        got("memory://models/m.bin", terms)


def test_a_member_of_an_archive_is_an_address_too(tmp_path: Path, terms: Terms) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("m.bin", b"inside")
    assert got(f"zip://m.bin::{(tmp_path / 'a.zip').as_uri()}", terms).popitem()[1] == b"inside"


@pytest.mark.parametrize("chain", ["simplecache::", "filecache::", "blockcache::", "zip://m.bin::simplecache::"])
def test_a_copy_that_would_hide_that_it_has_changed_is_refused(memory: Any, chain: str) -> None:
    memory.pipe("/models/m.bin", b"one")
    with pytest.raises(LoadError, match=r"cache:: keeps a copy of its own.* Leave [a-z]+cache:: away"):
        storage_of(Address.read(f"{chain}memory://models/m.bin"))


def test_each_link_of_a_chain_is_looked_at(memory: Any, terms: Terms) -> None:
    for chain, sentence in {
        "zip::s3://b/a.zip": "s3 addresses are read by s3fs, which is not installed",
        "zip://m.bin::memry://a.zip": "memry addresses are not known",
    }.items():
        with pytest.raises(LoadError, match=sentence):
            storage_of(Address.read(chain))
    for chain in ("zip://m.bin::memory://none.zip", "tar://m.bin::memory://none.tar"):
        with pytest.raises(LoadError, match="There is nothing at"):
            got(chain, terms)


class Tenant(fsspec.AbstractFileSystem):  # type: ignore[misc]  # it ships no types
    """Asks once who asks, as those of clouds do."""

    protocol = "tenant"
    asks: ClassVar[list[str]] = ["nobody"]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.user = self.asks[-1]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        if self.user == "nobody":
            raise PermissionError(path)
        return {"name": path, "size": 2, "type": "file"}

    def _open(self, path: str, *_: Any, **__: Any) -> io.BytesIO:
        return io.BytesIO(b"ok")


def test_who_asks_is_asked_with_each_load(terms: Terms, monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec.register_implementation("tenant", Tenant, clobber=True)
    with pytest.raises(LoadError, match=r"tenant://m\.bin is not open to us"):
        got("tenant://m.bin", terms)
    monkeypatch.setattr(Tenant, "asks", ["ann"])
    assert got("tenant://m.bin", terms) == {"m.bin": b"ok"}


class Secretive(fsspec.AbstractFileSystem):  # type: ignore[misc]  # it ships no types
    """Says in its errors, and logs in its objects, what it was opened with."""

    protocol = "secretive"
    cachable = False

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        raise RuntimeError(f"cannot sign {path} with s3cr3t/key")


def test_an_error_of_a_library_is_told_without_what_opens_the_address(terms: Terms) -> None:
    fsspec.register_implementation("secretive", Secretive, clobber=True)
    with pytest.raises(LoadError, match=r"secretive://bucket/m\.bin could not be fetched: RuntimeError") as refused:
        got("secretive://key:s3cr3t%2Fkey@bucket/m.bin?sig=h1dden", terms)
    assert not any(word in f"{refused.value!r}" for word in ("s3cr3t", "h1dden"))
    assert refused.value.__cause__ is None


def test_a_library_that_is_missing_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LoadError, match=r"s3 addresses are read by s3fs, which is not installed\. pip install s3fs"):
        storage_of(Address.read("s3://key:s3cr3t@bucket/m.bin"))
    with pytest.raises(LoadError, match=r"memry addresses are not known\. Did you mean 'memory'\?"):
        storage_of(Address.read("memry://m.bin"))
    monkeypatch.setattr(filesystems, "find_spec", lambda _: None)
    with pytest.raises(LoadError, match=r"read by fsspec, which is not installed.*jupyter-nbserve\[remote\]"):
        storage_of(Address.read("memory://m.bin"))


def test_a_library_that_a_file_system_of_fsspec_s_own_needs_is_told_in_its_words(terms: Terms) -> None:
    place = Address.read("smb://user:pa55word@127.0.0.1/m.bin")
    with (
        pytest.raises(LoadError, match=r"smb addresses are read by a library that is not installed\. .*smbprotocol"),
        fetched(place, storage_of(place), terms),
    ):
        pass


def test_mlflow_is_named_when_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    from nbserve.core.storages import mlflow

    monkeypatch.setattr(mlflow, "find_spec", lambda _: None)
    for address in ("models:/churn/1", "runs:/0123/model"):
        with pytest.raises(LoadError, match=r"read by mlflow, which is not installed\. pip install mlflow"):
            storage_of(Address.read(address))


def test_nothing_is_imported_before_an_address_needs_it() -> None:
    code = (
        "import sys, nbserve.core.artifact as a; a.artifact_of('https://example.org/m.onnx')\n"
        "print({'fsspec', 'mlflow', 'platformdirs', 'certifi', 'httpx', 'aiohttp'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
