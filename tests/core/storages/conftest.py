"""A host to ask, and a cache of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nbserve.core.storages import Terms
from tests.hosts import Host, hosted


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with hosted() as host:
        yield host


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def terms(cache: Path) -> Terms:
    return Terms(cache=cache, deadline_s=20.0)
