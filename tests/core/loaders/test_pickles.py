"""Pickles and joblib's files, however they are packed."""

from __future__ import annotations

import bz2
import functools
import gc
import gzip
import io
import lzma
import pickle
import subprocess
import sys
import weakref
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import zstandard
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nbserve.core import loaders
from nbserve.core.loaders import streams
from nbserve.errors import LoadError
from tests.models import iris_array, iris_target

JOBLIB = {
    "plain": 0,
    "zlib": ("zlib", 3),
    "gzip": ("gzip", 3),
    "bz2": ("bz2", 3),
    "lzma": ("lzma", 3),
    "xz": ("xz", 3),
    "lz4": ("lz4", 3),
}
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
    "zstd": zstandard.compress,
}


class Touches:
    """Whoever unpickles it has run its code."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


class Raises:
    """Cannot be brought back."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __setstate__(self, state: dict[str, Any]) -> None:
        raise state["error"]


@functools.cache
def fitted() -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(iris_array(), iris_target())


def loaded(path: Path) -> Any:
    return loaders.load(path, trust=True).model


@pytest.mark.parametrize("compress", JOBLIB.values(), ids=JOBLIB)
def test_what_joblib_wrote_answers_as_before_to_the_last_bit(compress: Any, tmp_path: Path) -> None:
    model, path = fitted(), tmp_path / "model.joblib"
    joblib.dump(model, path, compress=compress)
    assert loaders.find_loader(path).name == "joblib"
    assert np.array_equal(loaded(path).predict_proba(iris_array()), model.predict_proba(iris_array()))


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_of_any_protocol_answers_as_before_to_the_last_bit(protocol: int, tmp_path: Path) -> None:
    model, path = fitted(), tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(model, protocol))
    assert loaders.find_loader(path).name == "pickle"
    assert np.array_equal(loaded(path).predict_proba(iris_array()), model.predict_proba(iris_array()))


@pytest.mark.parametrize("pack", PACKED.values(), ids=PACKED)
def test_a_packed_pickle_is_unpacked(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pack(pickle.dumps(fitted())))
    assert loaders.find_loader(path).name == "pickle"
    assert loaded(path).predict(iris_array()[:1]).tolist() == [0]


def test_several_packed_streams_in_a_row_are_one_and_what_follows_them_is_left_alone(tmp_path: Path) -> None:
    data, path = pickle.dumps({"value": list(range(5000))}), tmp_path / "model.pkl.gz"
    path.write_bytes(gzip.compress(data[:700]) + gzip.compress(data[700:]) + b"\0\0 written behind it")
    assert loaded(path) == {"value": list(range(5000))}


@pytest.mark.parametrize(("name", "loader"), [("model", "joblib"), ("model.pkl", "joblib"), ("model.txt", "joblib")])
def test_joblib_is_told_by_what_is_inside(name: str, loader: str, tmp_path: Path) -> None:
    joblib.dump(fitted(), tmp_path / name)
    assert loaders.find_loader(tmp_path / name).name == loader
    assert loaded(tmp_path / name).predict(iris_array()[:1]).tolist() == [0]


def test_a_pickle_that_is_named_after_joblib_is_read(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    path.write_bytes(pickle.dumps(fitted()))
    assert loaded(path).predict(iris_array()[:1]).tolist() == [0]


def test_arrays_of_joblib_behind_a_long_vocabulary_are_found_all_the_same(tmp_path: Path) -> None:
    words = [f"word{number}" for number in range(20_000)]
    model, path = make_pipeline(CountVectorizer(), TfidfTransformer()).fit(words), tmp_path / "model.pkl"
    joblib.dump(model, path)
    assert loaders.find_loader(path).name == "pickle"  # the glance does not go that far
    steps: list[tuple[int, int]] = []
    again = loaders.load(path, trust=True, progress=lambda *step: steps.append(step)).model
    assert (again.transform(words[:50]) != model.transform(words[:50])).nnz == 0
    assert steps[-1] == (path.stat().st_size, path.stat().st_size)


@pytest.mark.parametrize("compress", [0, 3], ids=["plain", "packed"])
def test_progress_is_told_in_bytes_of_the_file_up_to_the_last(compress: int, tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    joblib.dump(np.random.default_rng(0).normal(size=500_000), path, compress=compress)
    steps: list[tuple[int, int]] = []
    loaders.load(path, trust=True, progress=lambda *step: steps.append(step))
    size = path.stat().st_size
    assert len(steps) > 3
    assert {total for _, total in steps} == {size}
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert steps[-1] == (size, size)


@pytest.mark.parametrize("dump", [pickle.dump, joblib.dump], ids=["pickle", "joblib"])
def test_without_trust_no_code_of_the_file_is_run(dump: Callable[..., Any], tmp_path: Path) -> None:
    path, mark = tmp_path / "model.pkl", tmp_path / "mark"
    with path.open("wb") as file:
        dump(Touches(mark), file)
    with pytest.raises(LoadError, match=r"would run the code .* --trust .*trust=True"):
        loaders.load(path)
    loaders.peek(path)
    assert not mark.exists()
    loaders.load(path, trust=True)
    assert mark.exists()


def pickled(module: str, name: str) -> bytes:
    return b"".join([b"\x80\x02c", module.encode(), b"\n", name.encode(), b"\n)\x81."])


def pickled_by_joblib(module: str, name: str) -> bytes:
    stream = io.BytesIO()
    joblib.dump(np.arange(3), stream)
    return b"\x80\x02(" + pickled(module, name)[2:-1] + stream.getvalue()[2:-1] + b"t."


NEEDS = {
    "a library": ("lightgbm_of_mine.sklearn", "LGBMClassifier", "needs lightgbm_of_mine, .* pip install lightgbm_of"),
    "a part of a library": ("sklearn.of.later", "Model", "needs sklearn.of, which the sklearn that is installed does"),
    "a class of a library": ("sklearn.svm", "Later", r"needs sklearn.svm.Later, .* Install the version that"),
    "a class of the program": ("__main__", "Mine", "needs Mine, .* Define Mine in the notebook first"),
}


@pytest.mark.parametrize("made", [pickled, pickled_by_joblib])
@pytest.mark.parametrize(("module", "name", "sentence"), NEEDS.values(), ids=NEEDS)
def test_what_the_file_needs_and_is_not_there_is_named(
    made: Callable[[str, str], bytes], module: str, name: str, sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(made(module, name))
    with pytest.raises(LoadError, match=sentence):
        loaders.load(path, trust=True)


@pytest.mark.parametrize("name", ["lz4", "zstandard"])
def test_a_packing_whose_library_is_missing_says_which(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.pkl"
    if name == "lz4":
        joblib.dump([1], path, compress=("lz4", 3))
    else:
        path.write_bytes(zstandard.compress(pickle.dumps([1])))
    for module in (
        "lz4",
        "lz4.frame",
        "compression",
        "zstandard",
        "backports.zstd",
        "flama",
        "flama._core.compression",
    ):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(LoadError, match=f"needs {name}, .* pip install {name}"):
        loaders.load(path, trust=True)


def test_joblib_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    joblib.dump(fitted(), tmp_path / "model.joblib")
    monkeypatch.setitem(sys.modules, "joblib", None)
    with pytest.raises(LoadError, match=r"needs joblib, which is not installed. pip install joblib"):
        loaders.load(tmp_path / "model.joblib", trust=True)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("no such file: /home/ann/secret/model.bin"), "ValueError: no such file: …/model.bin"),
        (MemoryError(), "does not fit into memory"),
        (KeyError("age"), "KeyError: 'age'"),
    ],
    ids=["a path", "memory", "any"],
)
def test_what_the_model_itself_raises_is_said_without_its_paths(
    error: Exception, sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(Raises(error)))
    with pytest.raises(LoadError) as caught:
        loaders.load(path, trust=True)
    assert sentence in str(caught.value)
    assert str(tmp_path) not in str(caught.value)
    assert "/home" not in str(caught.value)


class Half:
    """A part that came back before the whole failed."""

    made: weakref.ref[Any]

    def __setstate__(self, state: Any) -> None:
        Half.made = weakref.ref(self)


def test_a_load_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    path, half = tmp_path / "model.pkl", Half()
    half.__dict__["some"] = "state"
    path.write_bytes(pickle.dumps([half, Raises(ValueError("no"))]))
    with pytest.raises(LoadError) as caught:
        loaders.load(path, trust=True)
    gc.collect()
    assert Half.made() is None
    assert caught.value.__cause__ is not None


def test_a_small_file_that_unpacks_to_more_than_there_is_room_for_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.pkl.gz"
    path.write_bytes(gzip.compress(pickle.dumps(bytes(30_000_000))))
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(streams, "largest_bytes", lambda: 20_000_000)
    with pytest.raises(LoadError, match="unpacks to more than 20 MB, all that this machine can hold"):
        loaders.load(path, trust=True)


def test_a_library_that_is_not_the_models_is_not_imported(tmp_path: Path) -> None:
    joblib.dump(fitted(), tmp_path / "model.joblib")
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(fitted()))
    program = """
import sys
from pathlib import Path
from nbserve.core import loaders
heavy = {"torch", "tensorflow", "keras", "jax", "transformers", "lightgbm", "xgboost", "catboost", "flama", "skops"}
for path in sorted(Path(sys.argv[1]).iterdir()):
    loaders.peek(path)
    assert not {"sklearn", "numpy", "joblib"} & set(sys.modules), "a peek has imported a framework"
for path in sorted(Path(sys.argv[1]).iterdir()):
    loaders.load(path, trust=True).model.predict([[1, 2, 3, 4]])
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=60)


PEEKED = {
    "an estimator": (lambda: LogisticRegression(), {"library": "sklearn", "type": "LogisticRegression"}),
    "a pipeline": (fitted, {"library": "sklearn", "module": "sklearn.pipeline", "type": "Pipeline"}),
    "a transformer": (lambda: ColumnTransformer([]), {"library": "sklearn", "type": "ColumnTransformer"}),
    "a dict": (lambda: {"model": fitted()}, {"type": "dict"}),
    "a list": (lambda: [1], {"type": "list"}),
    "a tuple": (lambda: (1, 2, 3, 4), {"type": "tuple"}),
    "an array": (lambda: np.arange(3), {"library": "numpy", "type": "ndarray"}),
    "a class of one's own": (lambda: Half(), {"library": "test_pickles", "type": "Half"}),
}


@pytest.mark.parametrize("dump", [pickle.dump, joblib.dump], ids=["pickle", "joblib"])
@pytest.mark.parametrize(("make", "told"), PEEKED.values(), ids=PEEKED)
def test_the_header_tells_what_the_object_is(
    make: Callable[[], Any], told: dict[str, Any], dump: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "model.bin"
    with path.open("wb") as file:
        dump(make(), file)
    header = loaders.peek(path)
    assert header is not None
    assert {name: header.get(name) for name in told} == told


@pytest.mark.parametrize("protocol", range(2, 6))
def test_the_header_tells_the_version_of_the_library_also_from_the_very_end(protocol: int, tmp_path: Path) -> None:
    import sklearn

    path = tmp_path / "model.pkl"
    model = StandardScaler().fit(np.ones((3, 20_000)))
    path.write_bytes(pickle.dumps(model, protocol))
    header = loaders.peek(path)
    assert header is not None
    assert header["library_version"] == sklearn.__version__
