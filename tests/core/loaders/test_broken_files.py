"""What is no model is refused in a sentence, however it came to be what it is."""

from __future__ import annotations

import functools
import gzip
import io
import json
import os
import pickle
import random
import re
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from nbserve.core import loaders
from nbserve.core.loaders import archive
from nbserve.errors import LoadError
from tests.models import iris_array, iris_target


def zipped(**entries: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, data in entries.items():
            file.writestr(name, data)
    return stream.getvalue()


def tarred() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as file:
        file.addfile(tarfile.TarInfo("model.pkl"))
    return stream.getvalue()


def array() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.arange(3))
    return stream.getvalue()


def table() -> bytes:
    return b"PAR1" + bytes(range(256)) + b"PAR1"


OTHERS: dict[str, tuple[str, bytes, str]] = {
    "nothing": ("model.joblib", b"", "is an empty file. Save the model again"),
    "a program": ("model.py", b"import os\nprint('hello')\n", "is text. What is read: .*joblib.*pickle"),
    "a table of text": ("data.csv", pd.DataFrame({"a": [1]}).to_csv().encode(), "is text"),
    "text that begins as something else": ("x.txt", b"x^2 + y^2 = z^2", "is text"),
    "text of another alphabet": ("x.txt", "größer als 3 ".encode() * 9000, "is text"),
    "JSON": ("model.json", json.dumps({"a": 1}).encode(), "is JSON"),
    "a web page": ("model.pkl", b"\n<!DOCTYPE html><html>Sign in</html>", "is a web page.* Download it again"),
    "a pointer": ("model.pkl", b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "git lfs pull"),
    "an array": ("a.npy", array(), "is an array of numpy's"),
    "arrays": ("a.npz", zipped(**{"a.npy": array()}), "is arrays of numpy's"),
    "a frame": ("a.parquet", table(), "is a table"),
    "a picture": ("a.png", b"\x89PNG\r\n\x1a\n\0\0", "is a picture"),
    "an archive": ("a.zip", zipped(**{"a.txt": b"hello"}), "is a zip archive of something else"),
    "an empty archive": ("a.zip", zipped(), "is a zip archive of something else"),
    "a tar archive": ("a.tar.gz", tarred(), "is a tar archive"),
    "packed text": ("a.gz", gzip.compress(b"hello"), "is text"),
    "packed bytes": ("a.gz", gzip.compress(bytes(range(256))), "is packed data of a format that is not known"),
    "bytes": ("a.bin", bytes(range(255, 0, -1)), "is of a format that is not known"),
    "an old file of Flama's": ("a.flm", b"hello" * 10, "from before 1.12"),
}


@pytest.mark.parametrize(("name", "data", "sentence"), OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("read", [loaders.find_loader, loaders.load, loaders.peek], ids=["find", "load", "peek"])
def test_what_is_no_model_is_called_what_it_looks_like(
    read: Callable[[Path], object], name: str, data: bytes, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(LoadError, match=sentence) as caught:
        read(tmp_path / name)
    assert str(caught.value).startswith(name)
    assert str(tmp_path) not in str(caught.value)


@functools.cache
def model() -> LogisticRegression:
    return LogisticRegression(max_iter=500).fit(iris_array(), iris_target())


def write_joblib(path: Path) -> None:
    joblib.dump(model(), path)


def write_packed(path: Path) -> None:
    joblib.dump(model(), path, compress=3)


def write_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(model()))


def write_gzip(path: Path) -> None:
    path.write_bytes(gzip.compress(pickle.dumps(model())))


def write_zip(path: Path) -> None:
    config = json.dumps({"class_name": "Sequential", "config": {"layers": []}}).encode()
    path.write_bytes(zipped(**{"config.json": config, "metadata.json": b"{}", "model.weights.h5": bytes(500)}))


WRITERS = [write_joblib, write_packed, write_pickle, write_gzip, write_zip]


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.9, 0.99, 1.0])
@pytest.mark.parametrize("write", WRITERS)
def test_a_file_that_is_cut_short_says_so(write: Callable[[Path], None], share: float, tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    write(path)
    data = path.read_bytes()
    path.write_bytes(data[: min(int(len(data) * share), len(data) - 1)])
    with pytest.raises(LoadError, match=r"model\.joblib (is|begins|could not be loaded)") as caught:
        loaders.load(path, trust=True)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("write", WRITERS)
def test_whatever_the_bytes_are_a_glance_ends_in_an_answer_or_a_sentence(
    write: Callable[[Path], None], tmp_path: Path
) -> None:
    path = tmp_path / "model.bin"
    write(path)
    data, draw = path.read_bytes(), random.Random(7)
    for _ in range(150):
        broken = bytearray(data)
        for _ in range(draw.randint(1, 20)):
            broken[draw.randrange(min(len(data), draw.choice([20, 200, len(data)])))] = draw.randrange(256)
        path.write_bytes(broken)
        try:
            header = loaders.peek(path)
        except LoadError as error:
            assert str(error).startswith("model.bin")  # noqa: PT017  # either of the two may come
        else:
            assert header is None or json.loads(json.dumps(header)) == header


def test_a_folder_is_no_model_unless_tensorflow_saved_it(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.joblib").write_bytes(b"")
    with pytest.raises(LoadError, match="models is a folder without a model that is known"):
        loaders.find_loader(tmp_path / "models")


def test_a_file_that_is_missing_names_the_nearest_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "churn.joblib").write_bytes(b"")
    with pytest.raises(LoadError, match=r"no file 'chrun.joblib' in .* Did you mean 'churn.joblib'\?"):
        loaders.find_loader(tmp_path / "chrun.joblib")
    with pytest.raises(LoadError, match=r"no file 'entirely.other' in .*$"):
        loaders.find_loader(tmp_path / "entirely.other")


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"no folder 'modles' that would hold churn.joblib"):
        loaders.find_loader(tmp_path / "modles" / "churn.joblib")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the platform has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.pkl")
    with pytest.raises(LoadError, match="neither a file nor a folder"):
        loaders.find_loader(tmp_path / "model.pkl")


@pytest.mark.parametrize("name", ["../evil.txt", "a/../../evil.txt", "/etc/evil", "C:\\evil", "..\\evil"])
def test_an_archive_that_leads_out_of_itself_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(zipped(**{"config.json": b"{}", "metadata.json": b"{}", name: b"x"}))
    with pytest.raises(LoadError, match="leads out of it"):
        loaders.find_loader(path)


def test_a_link_in_an_archive_is_refused(tmp_path: Path) -> None:
    path, link = tmp_path / "model.keras", zipfile.ZipInfo("config.json")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(link, "/etc/passwd")
    with pytest.raises(LoadError, match=r"'config.json', which leads out of it"):
        loaders.find_loader(path)


@pytest.mark.parametrize(("room", "fits"), [(1_000_000, False), (1_100_000, True)])
def test_an_archive_that_unpacks_to_more_than_there_is_room_for_is_refused(
    room: int, fits: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name in ("config.json", "metadata.json"):
            file.writestr(name, bytes(525_000))
    assert path.stat().st_size < 5_000
    monkeypatch.setattr(archive, "largest_bytes", lambda: room)
    if fits:
        assert loaders.find_loader(path).name == "keras"
    else:
        with pytest.raises(LoadError, match=r"unpacks to 1.05 MB; this machine can hold 1 MB at all"):
            loaders.find_loader(path)


def test_a_description_in_an_archive_that_is_too_large_is_not_read_for_a_peek(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.keras"
    write_zip(path)
    assert loaders.peek(path) is not None
    monkeypatch.setattr(archive, "LARGEST_MEMBER_BYTES", 10)
    assert loaders.peek(path) is None


def test_every_suffix_belongs_to_a_format() -> None:
    assert set(loaders.suffixes()) >= {".joblib", ".pkl", ".skops", ".pt", ".pt2", ".keras", ".h5", ".flm"}
    assert all(re.fullmatch(r"\.[a-z0-9]+", suffix) for suffix in loaders.suffixes())
    assert len({loader.name for loader in loaders.LOADERS}) == len(loaders.LOADERS)
