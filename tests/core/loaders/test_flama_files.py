"""Flama's files, read without Flama."""

from __future__ import annotations

import base64
import bz2
import codecs
import functools
import json
import lzma
import pickle
import struct
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard
from sklearn.linear_model import LogisticRegression

from nbserve.core import loaders
from nbserve.errors import LoadError
from tests.models import iris_array, iris_target

PACKINGS: dict[int, Callable[[bytes], bytes]] = {
    1: bz2.compress,
    2: lzma.compress,
    3: zlib.compress,
    4: zstandard.compress,
}
ZSTD = ("compression", "zstandard", "backports.zstd", "flama", "flama._core.compression")


@functools.cache
def model() -> LogisticRegression:
    return LogisticRegression(max_iter=500).fit(iris_array(), iris_target())


def metadata(library: str = "sklearn", family: str = "ml", **model: Any) -> dict[str, Any]:
    return {
        "id": "0c5d",
        "timestamp": "2026-11-21T10:00:00",
        "framework": {"family": family, "lib": library, "version": "1.9.0", "config": None},
        "model": {
            "obj": "LogisticRegression",
            "info": {"C": 1.0},
            "params": None,
            "metrics": {"accuracy": 0.97},
            **model,
        },
        "extra": {"owner": "churn team"},
    }


def first(meta: Any, payload: bytes, packing: int = 3) -> bytes:
    pack = PACKINGS[packing]
    described, packed = pack(json.dumps(meta).encode()), pack(payload)
    body = struct.pack("!QQIQ", len(described), len(packed), 0, 0) + described + packed
    return struct.pack("!IIQ", 1, packing, len(body)) + body


def second(meta: Any, payload: bytes, packing: int = 3, how: int = 0, kind: int = 0) -> bytes:
    pack = PACKINGS.get(how or packing, lambda data: data)
    described = bytes([how]) + pack(json.dumps(meta).encode())
    artifacts = struct.pack("!BI", 0, 0)
    packed = bytes([how, kind]) + pack(payload)
    body = struct.pack("!QQQ", len(described), len(artifacts), len(packed)) + described + artifacts + packed
    return struct.pack("!IIQ", 2, packing, len(body)) + body


def payload(model: Any) -> bytes:
    return codecs.encode(pickle.dumps(model), "base64")


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("made", [first, second], ids=["protocol 1", "protocol 2"])
def test_a_model_comes_back_with_what_the_file_says_of_it(
    made: Callable[..., bytes], packing: int, tmp_path: Path
) -> None:
    original = model()
    path = written(tmp_path / "model.flm", made(metadata(), payload(original), packing))
    loaded = loaders.load(path, trust=True)
    assert np.array_equal(loaded.model.predict_proba(iris_array()), original.predict_proba(iris_array()))
    assert loaded.meta == metadata()


@pytest.mark.parametrize("how", [1, 2, 3, 4, 0xFF])
def test_a_section_may_be_packed_in_its_own_way_or_not_at_all(how: int, tmp_path: Path) -> None:
    path = written(tmp_path / "model.flm", second(metadata(), payload(model()), 3, how))
    assert loaders.load(path, trust=True).model.predict(iris_array()[:1]).tolist() == [0]


def test_text_without_line_ends_is_read_as_well(tmp_path: Path) -> None:
    path = written(tmp_path / "model.flm", first(metadata(), base64.b64encode(pickle.dumps(model()))))
    assert loaders.load(path, trust=True).model.predict(iris_array()[:1]).tolist() == [0]


def test_the_name_does_not_matter(tmp_path: Path) -> None:
    path = written(tmp_path / "model.bin", second(metadata(), payload(model())))
    assert loaders.find_loader(path).name == "flama"


def test_the_header_tells_what_flama_has_written_down(tmp_path: Path) -> None:
    path = written(tmp_path / "model.flm", second(metadata(), payload(model())))
    assert loaders.peek(path) == {
        "format": "flama",
        "library": "sklearn",
        "library_version": "1.9.0",
        "type": "LogisticRegression",
        "saved_at": "2026-11-21T10:00:00",
        "id": "0c5d",
        "parameters": {"C": 1.0},
        "metrics": {"accuracy": 0.97},
        "extra": {"owner": "churn team"},
    }


def test_the_weights_that_flama_writes_into_the_metadata_are_left_out(tmp_path: Path) -> None:
    said = metadata("torch", info={"modules": ["Linear()"], "parameters": {}, "state": {"weight": [1.0] * 1000}})
    path = written(tmp_path / "model.flm", second(said, b""))
    header = loaders.peek(path)
    assert header is not None
    assert header["modules"] == ["Linear()"]
    assert "1.0" not in json.dumps({**header, "library_version": None})


def test_without_trust_nothing_is_run(tmp_path: Path) -> None:
    path = written(tmp_path / "model.flm", second(metadata(), payload(model())))
    with pytest.raises(LoadError, match="--trust"):
        loaders.load(path)


def test_neither_the_file_nor_a_second_copy_stays_in_memory(tmp_path: Path) -> None:
    size = 8_000_000
    path = written(tmp_path / "model.flm", second(metadata(), payload(np.random.default_rng(0).bytes(size))))
    loaders.load(path, trust=True)
    tracemalloc.start()
    try:
        loaded = loaders.load(path, trust=True)
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(loaded.model) == size
    assert held < 1.1 * size
    assert peak < 2 * size


def test_progress_is_told_up_to_the_last_byte(tmp_path: Path) -> None:
    path = written(tmp_path / "model.flm", second(metadata(), payload(np.random.default_rng(0).bytes(3_000_000))))
    steps: list[tuple[int, int]] = []
    loaders.load(path, trust=True, progress=lambda *step: steps.append(step))
    assert len(steps) > 2
    assert steps[-1][0] == steps[-1][1]


@pytest.mark.parametrize("made", [first, second], ids=["protocol 1", "protocol 2"])
@pytest.mark.parametrize("share", [0.01, 0.05, 0.5, 0.999])
def test_a_file_that_is_cut_short_says_so(made: Callable[..., bytes], share: float, tmp_path: Path) -> None:
    data = made(metadata(), payload(model()))
    path = written(tmp_path / "model.flm", data[: int(len(data) * share)])
    with pytest.raises(LoadError, match=r"cut short|no file of Flama's"):
        loaders.load(path, trust=True)


@pytest.mark.parametrize("made", [first, second], ids=["protocol 1", "protocol 2"])
def test_sections_that_do_not_fit_into_the_file_are_refused(made: Callable[..., bytes], tmp_path: Path) -> None:
    data = bytearray(made(metadata(), payload(model())))
    struct.pack_into("!Q", data, 16, 1 << 50)
    path = written(tmp_path / "model.flm", bytes(data))
    assert loaders.peek(path) is None
    with pytest.raises(LoadError, match="sections do not fit"):
        loaders.load(path, trust=True)


def test_a_packing_that_is_not_known_is_a_sentence(tmp_path: Path) -> None:
    path = written(tmp_path / "model.flm", second(metadata(), payload(model()), 3, 9))
    with pytest.raises(LoadError, match=r"packed in a way that is not known \(9\)"):
        loaders.load(path, trust=True)


@pytest.mark.parametrize(
    ("meta", "sentence"),
    [({"framework": 3}, "could not be loaded"), ([1], "could not be loaded"), ({}, "could not be loaded")],
    ids=["wrong", "a list", "nothing"],
)
def test_metadata_that_says_something_else_is_a_sentence(meta: Any, sentence: str, tmp_path: Path) -> None:
    path = written(tmp_path / "model.flm", second(meta, payload(model())))
    assert loaders.peek(path) is None
    with pytest.raises(LoadError, match=sentence):
        loaders.load(path, trust=True)


def test_without_a_library_for_zstd_it_is_named_and_the_peek_tells_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "model.flm", second(metadata(), payload(model()), 4))
    for name in ZSTD:
        monkeypatch.setitem(sys.modules, name, None)
    assert loaders.peek(path) == {"format": "flama", "flama_protocol": 2}
    with pytest.raises(LoadError, match=r"needs zstandard, which is not installed. pip install zstandard"):
        loaders.load(path, trust=True)


@pytest.mark.parametrize(
    ("said", "library", "kind"),
    [
        (metadata("torch"), "torch", 0),
        (metadata("tensorflow"), "keras", 0),
        (metadata("transformers"), "transformers", 1),
    ],
    ids=["torch", "keras", "transformers"],
)
def test_a_framework_that_is_missing_is_named(
    said: dict[str, Any], library: str, kind: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.setitem(sys.modules, "torch.export", None)
    path = written(tmp_path / "model.flm", second(said, base64.b64encode(b"nothing"), kind=kind))
    with pytest.raises(LoadError, match=f"needs {library}, which is not installed. pip install {library}"):
        loaders.load(path, trust=True)


def test_a_language_model_is_left_to_flama(tmp_path: Path) -> None:
    path = written(tmp_path / "model.flm", second(metadata("transformers", "llm"), b"", kind=1))
    with pytest.raises(LoadError, match=r"holds a language model. Serve it with Flama"):
        loaders.load(path, trust=True)


@pytest.mark.parametrize(
    ("library", "kind"), [("sklearn", 1), ("transformers", 0), ("mxnet", 0)], ids=["a bundle", "no bundle", "unknown"]
)
def test_a_form_that_is_not_read_is_a_sentence(library: str, kind: int, tmp_path: Path) -> None:
    path = written(tmp_path / "model.flm", second(metadata(library), b"", kind=kind))
    with pytest.raises(LoadError, match=f"holds a model of {library} in a form that is not read"):
        loaders.load(path, trust=True)
