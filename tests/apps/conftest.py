"""These tests are collected only where they are asked for: ``pytest -m app``. They install what a program asks for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    asked = re.search(r"(?<!not )\bapp\b", config.getoption("markexpr"))
    return None if asked else True
