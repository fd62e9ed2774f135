"""How much memory the process holds, and how it is given back."""

from __future__ import annotations

import sys
import weakref
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nbserve.core.memory import give_back, resident_bytes

MB = 1_000_000


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the resident set is read from /proc")
def test_what_was_allocated_in_small_pieces_goes_back_to_the_system() -> None:
    give_back()
    before = resident_bytes()
    held = [np.ones(1000) for _ in range(8000)]
    assert resident_bytes() - before > 50 * MB
    del held
    give_back()
    assert resident_bytes() - before < 20 * MB


def test_cycles_are_collected() -> None:
    class Node:
        def __init__(self) -> None:
            self.itself = self

    held = Node()
    alive = weakref.ref(held)
    del held
    give_back()
    assert alive() is None


class Device:
    """Stands in for `torch.cuda` and the like: there is no device where the tests run."""

    def __init__(self, *, is_initialized: bool = True) -> None:
        self.initialized = is_initialized
        self.emptied = 0

    def is_initialized(self) -> bool:
        return self.initialized

    def empty_cache(self) -> None:
        self.emptied += 1


class AppleDevice:
    """`torch.mps`, which has no `is_initialized`."""

    def __init__(self, allocated_bytes: int) -> None:
        self.allocated_bytes = allocated_bytes
        self.emptied = 0

    def is_available(self) -> bool:
        return True

    def driver_allocated_memory(self) -> int:
        return self.allocated_bytes

    def empty_cache(self) -> None:
        self.emptied += 1


class FailedDevice(Device):
    def empty_cache(self) -> None:
        raise RuntimeError("CUDA error: device-side assert triggered")


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        pytest.param(Device(), 1, id="in use"),
        pytest.param(Device(is_initialized=False), 0, id="not begun"),
        pytest.param(AppleDevice(1), 1, id="mps in use"),
        pytest.param(AppleDevice(0), 0, id="mps not in use"),
    ],
)
def test_the_cache_of_a_device_that_torch_uses_is_emptied(
    monkeypatch: pytest.MonkeyPatch, device: Any, expected: int
) -> None:
    name = "mps" if isinstance(device, AppleDevice) else "cuda"
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(**{name: device}))
    give_back()
    assert device.emptied == expected


def test_a_device_that_has_failed_does_not_keep_the_others_from_giving_back(monkeypatch: pytest.MonkeyPatch) -> None:
    healthy = Device()
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=FailedDevice(), xpu=healthy))
    give_back()
    assert healthy.emptied == 1


def test_torch_is_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    give_back()
    assert "torch" not in sys.modules
