"""What is no model, a damaged one, or one that would do harm; and the sentence that each gets.

A row is a file by its name and bytes, a place that is made in a folder, or an address of a host. `sentence` is what the
error must say. `trust` says that code in it may run: it fails for another reason.
"""

from __future__ import annotations

import bz2
import functools
import gzip
import io
import json
import lzma
import os
import pickle
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import zstandard
from sklearn.tree import DecisionTreeClassifier

from tests.hosts import Host, told
from tests.models import iris_array, iris_target

ROOM_BYTES = 4 << 20
"""All that the machine can hold, where a bomb is tried."""

Place = Callable[[Path, Host], str]
"""Makes something in a folder, or at a host; answers its path or address."""


@dataclass(frozen=True)
class Broken:
    sentence: str
    name: str = "model.joblib"
    data: Callable[[], bytes] | None = None
    place: Place | None = None
    trust: bool = False
    is_bomb: bool = False
    options: tuple[tuple[str, Any], ...] = ()


def text(data: bytes) -> Callable[[], bytes]:
    return lambda: data


# --- what is no model


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, data in members:
            file.writestr(name, data)
    return stream.getvalue()


def saved(write: Callable[[io.BytesIO], object]) -> Callable[[], bytes]:
    def data() -> bytes:
        stream = io.BytesIO()
        write(stream)
        return stream.getvalue()

    return data


def _tarred(stream: io.BytesIO) -> None:
    with tarfile.open(fileobj=stream, mode="w:gz") as file:
        file.addfile(tarfile.TarInfo("model.pkl"))


NO_MODELS: dict[str, Broken] = {
    "nothing": Broken("is an empty file.* Save the model again", data=text(b"")),
    "a program": Broken("is text. What is read", data=text(b"import os\nos.mkdir('canary')\n")),
    "a table of text": Broken("is text", "data.csv", text(b"a,b\n1,2\n")),
    "JSON": Broken("is JSON", "model.json", text(b'{"a": 1}')),
    "a web page": Broken("is a web page.* Download it again", data=text(b"\n<!DOCTYPE html><html>Sign in</html>")),
    "a pointer": Broken(
        "is a pointer of Git LFS.* git lfs pull",
        data=text(b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n"),
    ),
    "an array": Broken("is an array of numpy's", "a.npy", saved(lambda file: np.save(file, np.arange(3)))),
    "arrays": Broken("is arrays of numpy's", "a.npz", saved(lambda file: np.savez(file, a=np.arange(3)))),
    "a frame": Broken(r"is a table \(Parquet\)", "a.parquet", text(b"PAR1" + bytes(range(256)) + b"PAR1")),
    "a database": Broken(r"is a database \(SQLite\)", "a.db", text(b"SQLite format 3\0" + bytes(100))),
    "a picture": Broken("is a picture or a document", "a.png", text(b"\x89PNG\r\n\x1a\n\0\0")),
    "a document": Broken("is a picture or a document", "a.pdf", text(b"%PDF-1.7\n%\xe2\xe3")),
    "an archive": Broken("is a zip archive of something else", "a.zip", lambda: zipped(("a.txt", b"hello"))),
    "an empty archive": Broken("is a zip archive of something else", "a.zip", zipped),
    "a tar archive": Broken("is a tar archive.* Unpack it", "a.tar.gz", saved(_tarred)),
    "packed text": Broken("is text", "a.gz", lambda: gzip.compress(b"hello")),
    "packed noise": Broken(
        "is packed data of a format that is not known", "a.gz", lambda: gzip.compress(bytes(range(256)))
    ),
    "noise": Broken("is of a format that is not known", "a.bin", text(bytes(range(255, 0, -1)))),
    "an old file of joblib's": Broken("is a file of joblib before 0.10", data=text(b"ZF0x12" + bytes(20))),
    "an old file of Flama's": Broken("from before 1.12", "a.flm", text(b"hello" * 10)),
}


# --- damaged


@functools.cache
def tree() -> DecisionTreeClassifier:
    return DecisionTreeClassifier(random_state=0).fit(iris_array(), iris_target())


def dumped(compress: Any = 0) -> bytes:
    return saved(lambda file: joblib.dump(tree(), file, compress=compress))()


def half(data: Callable[[], bytes]) -> Callable[[], bytes]:
    return lambda: data()[: len(data()) // 2]


def keras() -> bytes:
    config = json.dumps({"class_name": "Sequential", "config": {"layers": []}}).encode()
    return zipped(("config.json", config), ("metadata.json", b"{}"), ("model.weights.h5", bytes(500)))


def flipped(data: bytes, at: int) -> bytes:
    broken = bytearray(data)
    broken[at] ^= 0xFF
    return bytes(broken)


def flama(declared: int = 1000) -> bytes:
    return struct.pack("!IIQ", 1, 3, declared) + struct.pack("!QQIQ", 10, 20, 0, 0)


CUT = "is damaged or cut short|is empty or cut short|could not be loaded"

DAMAGED: dict[str, Broken] = {
    "joblib, cut short": Broken(CUT, data=half(dumped), trust=True),
    "joblib, of one byte less": Broken(CUT, data=lambda: dumped()[:-1], trust=True),
    "joblib packed, cut short": Broken(CUT, data=half(lambda: dumped(3)), trust=True),
    "joblib packed by lzma, cut short": Broken(CUT, data=half(lambda: dumped(("xz", 3))), trust=True),
    "joblib packed by lz4, cut short": Broken(CUT, data=half(lambda: dumped(("lz4", 3))), trust=True),
    "a pickle, cut short": Broken(CUT, "model.pkl", half(lambda: pickle.dumps(tree())), trust=True),
    "a packed pickle, cut short": Broken(
        CUT, "model.pkl", half(lambda: gzip.compress(pickle.dumps(tree()))), trust=True
    ),
    "a pickle packed by zstd, cut short": Broken(
        CUT, "model.pkl", half(lambda: zstandard.compress(pickle.dumps(tree()))), trust=True
    ),
    "a checksum that is wrong": Broken(
        CUT, "model.pkl", lambda: flipped(gzip.compress(pickle.dumps(tree())), -6), trust=True
    ),
    "a pickle of a protocol to come": Broken("is of a format that is not known", "model.pkl", text(b"\x80\x63K\x01.")),
    "a pickle of nonsense": Broken(CUT, "model.pkl", text(b"\x80\x04\xff\xff\xff"), trust=True),
    "an archive, cut short": Broken("begins as a zip archive and is damaged", "model.keras", half(keras)),
    "an archive of two halves": Broken(
        "begins as a zip archive and is damaged", "model.keras", lambda: keras()[:100] + keras()[-100:]
    ),
    "a header of gzip alone": Broken("is packed with gzip, and is damaged", data=text(b"\x1f\x8b\x08\0\0\0\0\0\0\x03")),
    "Flama, cut short": Broken("is damaged or cut short: it should hold 1000 bytes", "model.flm", flama, trust=True),
}


# --- bombs


def declared() -> bytes:
    """An archive that says of itself that it unpacks to a petabyte."""
    data = bytearray(zipped(("config.json", b"{}"), ("metadata.json", b"{}"), ("model.weights.h5", b"x")))
    at = data.rfind(b"PK\x01\x02", 0)
    struct.pack_into("<I", data, at + 24, 0xFFFFFFF0)
    return bytes(data)


def deflated() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        for name in ("config.json", "metadata.json", "model.weights.h5"):
            file.writestr(name, bytes(ROOM_BYTES))
    return stream.getvalue()


def bomb(pack: Callable[[bytes], bytes], times: int = 64) -> Callable[[], bytes]:
    """A pickle of one endless text: many streams, one behind the other."""

    def data() -> bytes:
        begun = b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62)
        return pack(begun) + pack(bytes(1 << 20)) * times

    return data


MUCH = "unpacks to more than 4.19 MB, all that this machine can hold|is damaged or cut short|does not fit into memory"

BOMBS: dict[str, Broken] = {
    "an archive that says that it is huge": Broken("unpacks to 4.29 GB", "m.keras", declared, is_bomb=True),
    "an archive that is huge": Broken("unpacks to 12.6 MB", "m.keras", deflated, is_bomb=True),
    "a gzip bomb": Broken(MUCH, "m.pkl", bomb(gzip.compress), trust=True, is_bomb=True),
    "a zlib bomb": Broken(MUCH, "m.pkl", bomb(zlib.compress), trust=True, is_bomb=True),
    "a bzip2 bomb": Broken(MUCH, "m.pkl", bomb(bz2.compress), trust=True, is_bomb=True),
    "an xz bomb": Broken(MUCH, "m.pkl", bomb(lzma.compress), trust=True, is_bomb=True),
    "a zstd bomb": Broken(MUCH, "m.pkl", bomb(zstandard.compress), trust=True, is_bomb=True),
    "a bomb that is no model": Broken(
        "is packed data of a format that is not known", "m.gz", lambda: gzip.compress(bytes(1 << 26)), is_bomb=True
    ),
}


# --- what would run code


class Harm:
    """Makes a folder, called `canary`, where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("canary",)


class Fails:
    def __reduce__(self) -> tuple[Any, ...]:
        return _fails, ()


def _fails() -> None:
    raise ValueError("no such thing at /home/somebody/private/place")


def harm() -> bytes:
    return pickle.dumps(Harm())


def of_torch() -> bytes:
    return zipped(("archive/data.pkl", b"\x80\x02c__main__\nNet\nq\0)\x81."), ("archive/version", b"3\n"))


CODE = "would run the code that is in it.* --trust"

HARMFUL: dict[str, Broken] = {
    "a pickle": Broken(CODE, "model.pkl", harm),
    "joblib": Broken(CODE, "model.joblib", harm),
    "a packed pickle": Broken(CODE, "model.pkl.gz", lambda: gzip.compress(harm())),
    "a pickle under a harmless name": Broken(CODE, "model.safetensors", harm),
    "a pickle that is called ONNX": Broken(CODE, "model.onnx", harm),
    "a pickle in an old protocol": Broken(CODE, "model.pkl", lambda: pickle.dumps(Harm(), protocol=2)),
    "a module of PyTorch": Broken(CODE, "model.pt", of_torch),
    "one that raises": Broken(
        r"could not be loaded \(pickle\): ValueError: no such thing at …/place", "model.pkl",
        lambda: pickle.dumps(Fails()), trust=True,
    ),
}  # fmt: skip


# --- of another version


def named(module: str, name: str) -> bytes:
    return f"\x80\x02c{module}\n{name}\n)\x81.".encode("latin-1")


class OfAnotherVersion:
    """A tree whose nodes have the fields that they had in scikit-learn 1.2."""

    def __reduce__(self) -> tuple[Any, ...]:
        make, given, state = tree().tree_.__reduce__()
        kept = [name for name in state["nodes"].dtype.names if name != "missing_go_to_left"]
        return make, given, {**state, "nodes": np.ascontiguousarray(state["nodes"][kept])}


VERSIONS: dict[str, Broken] = {
    "a class that the library has no more": Broken(
        r"needs sklearn\.linear_model\.RandomizedLasso, which the sklearn that is installed does not have",
        "model.pkl", lambda: named("sklearn.linear_model", "RandomizedLasso"), trust=True,
    ),
    "a module that the library has no more": Broken(
        r"needs sklearn\.cross_validation, which the sklearn that is installed does not have",
        "model.pkl", lambda: named("sklearn.cross_validation", "KFold"), trust=True,
    ),
    "a library that is not installed": Broken(
        r"needs nosuchlibrary, which is not installed\. pip install nosuchlibrary",
        "model.pkl", lambda: named("nosuchlibrary.models", "Net"), trust=True,
    ),
    "a class of the program that saved it": Broken(
        "needs Net, which the program that saved it had defined", "model.pkl", lambda: named("__main__", "Net"),
        trust=True,
    ),
    "arrays of another layout": Broken(
        r"could not be loaded \(pickle\): ValueError: .*incompatible dtype",
        "model.pkl", lambda: pickle.dumps(OfAnotherVersion()), trust=True,
    ),
}  # fmt: skip


# --- folders, links and what leads out of them


def linked(name: str) -> zipfile.ZipInfo:
    link = zipfile.ZipInfo(name)
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    return link


def holding(*members: tuple[str | zipfile.ZipInfo, bytes]) -> Callable[[], bytes]:
    return lambda: zipped(("metadata.json", b"{}"), *members)


def folder(make: Callable[[Path], None]) -> Place:
    def place(tmp: Path, _: Host) -> str:
        made = tmp / "net"
        made.mkdir()
        make(made)
        return str(made)

    return place


def _leads_out(made: Path) -> None:
    (made / "saved_model.pb").write_bytes(b"")
    (made.parent / "secret").write_text("secret")
    (made / "variables").symlink_to(made.parent / "secret")


def _leads_far_out(made: Path) -> None:
    (made / "saved_model.pb").symlink_to("/etc/passwd")


def _leads_nowhere(made: Path) -> None:
    (made / "saved_model.pb").write_bytes(b"")
    (made / "variables").symlink_to(made / "gone")


def _in_a_circle(tmp: Path, _: Host) -> str:
    (tmp / "a.joblib").symlink_to(tmp / "b.joblib")
    (tmp / "b.joblib").symlink_to(tmp / "a.joblib")
    return str(tmp / "a.joblib")


def _pipe(tmp: Path, _: Host) -> str:
    os.mkfifo(tmp / "model.pkl")
    return str(tmp / "model.pkl")


def _missing(tmp: Path, _: Host) -> str:
    (tmp / "churn.joblib").write_bytes(b"")
    return str(tmp / "chrun.joblib")


OUT = "leads out of it"

PLACES: dict[str, Broken] = {
    "an archive that leads up": Broken(OUT, "m.keras", holding(("config.json", b"{}"), ("../evil", b"x"))),
    "an archive that leads to the root": Broken(OUT, "m.keras", holding(("config.json", b"{}"), ("/etc/evil", b"x"))),
    "an archive with a link": Broken(OUT, "m.keras", holding((linked("config.json"), b"/etc/passwd"))),
    "an empty folder": Broken("net is a folder without", place=folder(lambda _: None)),
    "a folder of something else": Broken(
        "net is a folder without", place=folder(lambda made: (made / "a.txt").write_text("a") and None)
    ),
    "a link out of the folder": Broken("holds the link 'variables', which leads out of it", place=folder(_leads_out)),
    "a link far out of the folder": Broken("holds the link 'saved_model.pb'", place=folder(_leads_far_out)),
    "a link to nowhere": Broken("holds the link 'variables'", place=folder(_leads_nowhere)),
    "a link in a circle": Broken("no path|no file|cannot be read", place=_in_a_circle),
    "a pipe": Broken("neither a file nor a folder", place=_pipe),
    "a name that is wrong": Broken(r"no file 'chrun\.joblib'.* Did you mean 'churn\.joblib'", place=_missing),
}


# --- addresses


def at(answer: Callable[[Host], Any], name: str = "model.joblib") -> Place:
    def place(_: Path, host: Host) -> str:
        host.has[name] = answer(host)
        return host.address(name)

    return place


def _never(host: Host) -> Callable[[BaseHTTPRequestHandler], None]:
    return lambda _: host.given_up.wait(60) and None


def _endless(host: Host) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.close_connection = True
        while not host.given_up.is_set():
            handler.wfile.write(bytes(1 << 16))

    return answer


def _drips(host: Host) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.close_connection = True
        while not host.given_up.wait(0.02):
            handler.wfile.write(b"a")
            handler.wfile.flush()

    return answer


SOON = (("load_deadline_s", 0.5),)
LITTLE = (("artifact_limit", 100_000),)
LATE = r"did not arrive within 0\.5 s|has taken longer than 0\.5 s"

ADDRESSES: dict[str, Broken] = {
    "one that never answers": Broken(LATE, place=at(_never), options=SOON),
    "one that drips": Broken(LATE, place=at(_drips), options=SOON),
    "one that is too large": Broken("larger than the 100 kB", place=at(lambda _: bytes(100_001)), options=LITTLE),
    "one that never ends": Broken("larger than the 100 kB", place=at(_endless), options=LITTLE),
    "one that breaks off": Broken(
        "did not come whole", place=at(lambda _: told(200, b"abc", Content_Length="1000"))
    ),
    "one with nothing there": Broken("has nothing there", place=at(lambda _: told(404))),
    "one that wants a password": Broken("wants to know who asks", place=at(lambda _: told(401))),
    "one that is not ours": Broken("does not let us in", place=at(lambda _: told(403))),
    "one that is broken itself": Broken("does not answer as it should", place=at(lambda _: told(500))),
    "one that leads to our files": Broken(
        "leads from model.joblib to where nothing is read|not followed",
        place=at(lambda _: told(302, Location="file:///etc/passwd")),
    ),
    "one that leads in a circle": Broken(
        "leads from model.joblib to where", place=at(lambda _: told(302, Location="/model.joblib"))
    ),
    "one that gives a login page": Broken("is a web page", place=at(lambda _: b"<html>Sign in</html>")),
    "one that would run code": Broken(CODE, place=at(lambda _: harm())),
    "no host": Broken("names no host", place=lambda *_: "https:///model.joblib"),
    "an unknown scheme": Broken("memry addresses are not known", place=lambda *_: "memry://model.joblib"),
    "a scheme without its library": Broken("read by s3fs, which is not installed", place=lambda *_: "s3://b/m.joblib"),
    "a chain without its library": Broken("read by s3fs, which is not installed", place=lambda *_: "zip::s3://b/m.zip"),
    "a chain to nothing": Broken("There is nothing at zip://m.joblib", place=lambda *_: "zip://m.joblib::memory://a.zip"),
    "a copy that would be old": Broken("keeps a copy of its own", place=lambda *_: "simplecache::memory://m.joblib"),
    "nothing in memory": Broken("There is nothing at memory://gone", place=lambda *_: "memory://gone/m.joblib"),
    "no address": Broken("That is no address", place=lambda *_: "https://a b/\n"),
}  # fmt: skip

BROKEN: dict[str, Broken] = {
    f"{family}: {name}": row
    for family, rows in {
        "no model": NO_MODELS,
        "damaged": DAMAGED,
        "bomb": BOMBS,
        "harmful": HARMFUL,
        "of another version": VERSIONS,
        "place": PLACES,
        "address": ADDRESSES,
    }.items()
    for name, row in rows.items()
}
