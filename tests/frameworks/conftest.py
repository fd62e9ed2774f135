"""These tests are collected only where they are asked for: ``pytest -m frameworks``.

They need libraries that the other tests do without. A library that is missing then fails the run, and skips nothing.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    asked = re.search(r"(?<!not )\bframeworks\b", config.getoption("markexpr"))
    return None if asked else True
