"""How much memory the process holds, and how it is given back."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["give_back", "resident_bytes"]


def resident_bytes() -> int:
    """The process's resident set in bytes; 0 where the platform does not tell."""
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return 0


def give_back() -> None:
    """Collect cycles, and let the allocators return what is free: to the system, and to the devices that torch uses."""
    gc.collect()
    _empty_caches(sys.modules.get("torch"))
    trim = _trimmer()
    if trim is not None:
        trim(0)


def _empty_caches(torch: Any) -> None:
    for name in ("cuda", "xpu", "mps"):
        device = getattr(torch, name, None)
        with suppress(Exception):  # a device that has failed refuses whatever it is asked
            if device is not None and _is_in_use(device):
                device.empty_cache()


def _is_in_use(device: Any) -> bool:
    """Whether torch has begun to use the device; asking does not begin it."""
    if hasattr(device, "is_initialized"):
        return bool(device.is_initialized())
    return bool(device.is_available() and device.driver_allocated_memory())


@cache
def _trimmer() -> Callable[[int], int] | None:
    """glibc's `malloc_trim`, where there is one: without it freed pages stay with the process."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # another C library
        return None
    trim.argtypes, trim.restype = [ctypes.c_size_t], ctypes.c_int
    return trim
