"""A model put aside on disk, and brought back as it was."""

from __future__ import annotations

import errno
import math
import os
import stat
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

from nbserve.core.spill import Spill
from nbserve.errors import SpillError


def test_a_model_comes_back_equal_to_the_last_bit(tmp_path: Path) -> None:
    X, y = load_iris(return_X_y=True)
    model = RandomForestClassifier(20, random_state=0).fit(X, y)
    restored = Spill.write(model, tmp_path).read()
    assert restored is not model
    assert np.array_equal(restored.predict_proba(X), model.predict_proba(X))


def test_arrays_come_back_writable_and_in_their_order(tmp_path: Path) -> None:
    arrays = {
        "c": np.arange(12.0).reshape(3, 4),
        "f": np.asfortranarray(np.arange(12).reshape(3, 4)),
        "view": np.arange(20)[::2],
        "empty": np.empty((0, 3)),
    }
    restored = Spill.write(arrays, tmp_path).read()
    for name, array in arrays.items():
        assert np.array_equal(restored[name], array)
    restored["c"][0, 0] = 5.0
    assert restored["f"].flags.f_contiguous


def test_functions_and_modules_are_referred_to_and_not_copied(tmp_path: Path) -> None:
    big = np.ones(100_000)
    model = {"closure": lambda at: big[at], "module": math}
    spill = Spill.write(model, tmp_path)
    assert spill.size_bytes < 1000
    restored = spill.read()
    assert restored["closure"] is model["closure"]
    assert restored["module"] is math


def test_a_class_that_is_defined_anew_meanwhile_does_not_change_a_model(tmp_path: Path) -> None:
    before = _made_in_a_cell("def predict(self, X): return 'before'")
    spill = Spill.write(before(), tmp_path)
    after = _made_in_a_cell("def predict(self, X): return 'after'")
    restored = spill.read()
    assert type(restored) is before is not after
    assert restored.predict([]) == "before"
    del sys.modules["__main__"].Model
    assert spill.read().predict([]) == "before"


def _made_in_a_cell(body: str) -> type:
    """A class of that body, defined in ``__main__`` as a cell does."""
    namespace = sys.modules["__main__"].__dict__
    exec(f"class Model:\n    {body}\n", namespace)
    made: type = namespace["Model"]
    return made


def test_the_file_is_private_and_goes_with_its_spill(tmp_path: Path) -> None:
    spill = Spill.write([1, 2, 3], tmp_path)
    assert stat.S_IMODE(spill.path.stat().st_mode) == 0o600
    assert spill.size_bytes == spill.path.stat().st_size
    path = spill.path
    del spill
    assert not path.exists()


def test_removing_twice_is_fine(tmp_path: Path) -> None:
    spill = Spill.write([1], tmp_path)
    spill.remove()
    spill.remove()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "tamper",
    [
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: data[:-1],
        lambda data: data[:4],
        lambda data: b"",
        lambda data: b"\xff" * len(data),
    ],
    ids=["a changed bit", "a byte short", "only a beginning", "emptied", "overwritten"],
)
def test_a_file_that_was_changed_is_refused_before_it_is_unpickled(tmp_path: Path, tamper: Any) -> None:
    spill = Spill.write(_Bomb(), tmp_path)
    spill.path.write_bytes(tamper(spill.path.read_bytes()))
    with pytest.raises(SpillError):
        spill.read()
    assert not _Bomb.went_off


def test_what_cannot_be_pickled_is_a_sentence_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(SpillError, match="cannot be pickled"):
        Spill.write({"lock": threading.Lock()}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_a_sentence_and_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("nbserve.core.spill._write_frames", full)
    with pytest.raises(SpillError, match="No space left"):
        Spill.write(np.ones(10), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_forked_child_leaves_the_file_alone(tmp_path: Path) -> None:
    spill = Spill.write([1, 2], tmp_path)
    child = os.fork()
    if child == 0:
        spill.remove()
        os._exit(0)
    os.waitpid(child, 0)
    assert spill.read() == [1, 2]


class _Bomb:
    """Tells when it is unpickled."""

    went_off = False

    def __reduce__(self) -> Any:
        return _go_off, ()


def _go_off() -> None:
    _Bomb.went_off = True
