"""What an unload gives back, measured, for models that weigh enough to be seen in the resident set of the process.

Most of it comes back to the system. TensorFlow keeps what it has freed for its next tensors, and trees are many small
pieces, between which others lie: of these is measured that they are freed, since the next load takes their place.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.frameworks.weighed import FILES, MODELS

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the resident set is read from /proc"),
]


@pytest.mark.parametrize("name", [*MODELS, *FILES])
def test_what_nobody_holds_gives_its_memory_back(name: str) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "tests.frameworks.weighed", name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
