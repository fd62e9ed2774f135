"""Bytes go to a file and come back, sealed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from nbserve.core import frames
from nbserve.core.frames import PART, BrokenSeal, read_frames, room, write_frames


def block(size: int) -> memoryview:
    return memoryview(bytearray(os.urandom(size)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "file").touch()
    return tmp_path / "file"


@pytest.mark.parametrize("count", [1, 2, 3], ids=["one core", "two cores", "three cores"])
def test_what_was_written_is_read_however_many_threads_there_are(
    path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(frames, "_processors", lambda: count)
    written = [block(5 * PART + 3), block(7), block(PART)]
    seals = write_frames(path, written)
    again = [room(each.nbytes) for each in written]
    read_frames(path, again, seals, lambda _: None)
    assert again == written


def test_nothing_is_read_of_nothing(path: Path) -> None:
    assert write_frames(path, []) == []
    read_frames(path, [], [], lambda _: None)


def test_what_is_changed_while_it_is_written_is_read_as_it_was_sealed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = block(1000)
    before = bytes(model)

    def seal_and_change(whole: memoryview) -> Any:
        sealed = seal(whole)
        model[:] = bytes(1000)  # a call that is still running, and writes into the weights
        return sealed

    seal = frames.seal
    monkeypatch.setattr(frames, "seal", seal_and_change)
    seals = write_frames(path, [model])
    again = room(1000)
    read_frames(path, [again], seals, lambda _: None)
    assert bytes(again) == before


def test_a_part_that_cannot_be_written_ends_it_all(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []

    def refuse(whole: memoryview) -> Any:
        written.append(whole.nbytes)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(frames, "seal", refuse)
    with pytest.raises(OSError, match="No space left"):
        write_frames(path, [block(100 * PART)])
    assert len(written) <= frames.MOST_THREADS


def test_a_block_that_is_not_what_was_sealed_is_refused(path: Path) -> None:
    seals = write_frames(path, [block(1000)])
    path.write_bytes(os.urandom(1000))
    with pytest.raises(BrokenSeal):
        read_frames(path, [room(1000)], seals, lambda _: None)
