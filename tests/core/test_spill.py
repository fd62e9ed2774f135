"""A model put aside on disk, and brought back as it was."""

from __future__ import annotations

import io
import math
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

from nbserve.core.frames import PART
from nbserve.core.memory import resident_bytes
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


def test_a_class_is_remembered_once_for_all_its_objects(tmp_path: Path) -> None:
    made = _made_in_a_cell("pass")
    spill = Spill.write([made() for _ in range(100)], tmp_path)
    assert spill._kept == [made]
    assert {type(each) for each in spill.read()} == {made}


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(bytes(range(256)) * 20_000, id="bytes"),
        pytest.param(bytearray(range(256)) * 20_000, id="bytearray"),
        pytest.param("ä" * 3_000_000, id="text"),
        pytest.param([str(i) for i in range(100_000)], id="many objects"),
        pytest.param([bytes([i]) * 70_000 for i in range(250)], id="many long ones"),
    ],
)
def test_what_has_no_buffers_comes_back_too(tmp_path: Path, value: Any) -> None:
    restored = Spill.write(value, tmp_path).read()
    assert restored == value
    assert type(restored) is type(value)


def test_arrays_of_any_length_come_back_wherever_the_file_is_cut(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    lengths = [0, 1, PART - 1, PART, PART + 1, 3 * PART + 17, *draw.integers(0, 50_000, 300)]
    arrays = [draw.integers(0, 256, length, dtype=np.uint8) for length in lengths]
    for array, restored in zip(arrays, Spill.write(arrays, tmp_path).read(), strict=True):
        assert array.tobytes() == restored.tobytes()


def test_a_stream_in_memory_comes_back_at_its_place(tmp_path: Path) -> None:
    stream = io.BytesIO(b"0123456789")
    stream.seek(4)
    assert Spill.write(stream, tmp_path).read().read() == b"456789"


def test_who_restores_is_told_how_far_it_is(tmp_path: Path) -> None:
    arrived: list[int] = []
    spill = Spill.write(np.ones(3 * PART // 8), tmp_path)
    spill.read(arrived.append)
    assert len(arrived) > 1
    assert sum(arrived) == spill.size_bytes


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the resident set is read from /proc")
def test_the_memory_of_a_restored_array_goes_back_at_once(tmp_path: Path) -> None:
    spill = Spill.write(np.ones(8_000_000), tmp_path)
    before = resident_bytes()
    restored = spill.read()
    assert resident_bytes() - before > 60e6
    del restored
    assert resident_bytes() - before < 10e6


PEAK = """
import sys
from pathlib import Path
import numpy as np
from nbserve.core.memory import give_back
from nbserve.core.frames import PART
from nbserve.core.memory import resident_bytes
from nbserve.core.spill import Spill

def resident_and_peak(reset=False):
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return tuple(int(lines[key].split()[0]) * 1024 for key in ("VmRSS", "VmHWM"))

folder = Path(sys.argv[1])
Spill.write([1], folder).read()
model = {"weights": np.random.default_rng(0).random(8_000_000), "raw": b"x" * 20_000_000}
before, _ = resident_and_peak(reset=True)
spill = Spill.write(model, folder)
_, writing = resident_and_peak()
model["raw"] = None
del model
give_back()
resident_and_peak(reset=True)
model = spill.read()
after, reading = resident_and_peak()
print(writing - before, reading - after)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak is read from /proc")
def test_no_second_copy_is_made_on_either_way(tmp_path: Path) -> None:
    child = subprocess.run([sys.executable, "-c", PEAK, tmp_path], capture_output=True, text=True, check=True)
    writing, reading = map(int, child.stdout.split())
    assert writing < 15e6
    assert reading < 30e6  # the bytes, which are no buffer, are copied out of what was read


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
        lambda data: data[PART : 2 * PART] + data[:PART] + data[2 * PART :],
    ],
    ids=["a changed bit", "a byte short", "only a beginning", "emptied", "overwritten", "two parts exchanged"],
)
def test_a_file_that_was_changed_is_refused_before_it_is_unpickled(tmp_path: Path, tamper: Any) -> None:
    spill = Spill.write([_Bomb(), np.arange(3 * PART // 8)], tmp_path)
    spill.path.write_bytes(tamper(spill.path.read_bytes()))
    with pytest.raises(SpillError):
        spill.read()
    assert not _Bomb.went_off


def test_what_cannot_be_pickled_is_a_sentence_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(SpillError, match="cannot be pickled"):
        Spill.write({"lock": threading.Lock()}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_with_too_little_room_is_a_sentence_and_is_not_filled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10**6))
    with pytest.raises(SpillError, match=r"takes 2\.0 MB, and 1\.0 MB are free"):
        Spill.write(np.ones(250_000), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="files have no limit there")
def test_a_disk_that_is_full_in_the_middle_is_a_sentence_and_leaves_no_file(tmp_path: Path) -> None:
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3 * PART, limits[1]))  # the system refuses to write more, as at ENOSPC
    try:
        with pytest.raises(SpillError, match="could not be put aside: File too large"):
            Spill.write(np.ones(5 * PART // 8), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_gone_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SpillError, match="could not be put aside: No such file"):
        Spill.write([1], tmp_path / "gone")


def test_a_forked_child_leaves_the_file_alone(tmp_path: Path) -> None:
    spill = Spill.write([1, 2], tmp_path)
    child = os.fork()
    if child == 0:
        spill.remove()
        os._exit(0)
    os.waitpid(child, 0)
    assert spill.read() == [1, 2]


def test_a_forked_child_has_arrays_of_its_own(tmp_path: Path) -> None:
    restored = Spill.write(np.zeros(1_000_000), tmp_path).read()
    child = os.fork()
    if child == 0:
        restored[:] = 1.0
        os._exit(0)
    os.waitpid(child, 0)
    assert not restored.any()


class _Bomb:
    """Tells when it is unpickled."""

    went_off = False

    def __reduce__(self) -> Any:
        return _go_off, ()


def _go_off() -> None:
    _Bomb.went_off = True
