"""`nbserve.load` in a cell shows how far it is, where it takes long."""

from __future__ import annotations

import os
from pathlib import Path

from tests.kernel.harness import Kernel, Ran

LOADER = """
@nbserve.register_loader(".slow")
def load(path):
    text = (path.parent / "gate").read_text()
    if text == "fails":
        raise RuntimeError("no")
    return text
"""


def lines(ran: Ran) -> list[str]:
    """What the one display of the cell has shown, one after another."""
    shown = [each["content"] for each in ran.messages if each["msg_type"].endswith("display_data")]
    assert len({each["transient"]["display_id"] for each in shown}) <= 1
    return [each["data"]["text/plain"] for each in shown]


def load_slowly(kernel: Kernel, folder: Path, text: str) -> Ran:
    """A load that ends when somebody has seen it."""
    (folder / "model.slow").write_text("slow")
    os.mkfifo(folder / "gate")
    kernel.run(LOADER).check()
    ran = kernel.start(f"model = nbserve.load({str(folder / 'model.slow')!r}, trust=True).model")
    assert kernel.wait_until(lambda: bool(lines(ran)))
    (folder / "gate").write_text(text)
    return ran.wait()


def test_a_load_that_takes_long_is_shown_and_ends_as_a_line(kernel: Kernel, tmp_path: Path) -> None:
    ran = load_slowly(kernel, tmp_path, "loaded").check()
    *shown, last = lines(ran)
    assert all(line.startswith("Loading model.slow …") for line in shown)
    assert last.startswith("Loaded model.slow in ")
    assert (ran.stdout, ran.stderr, kernel.strays(ran)) == ("", "", [])


def test_a_load_that_fails_says_so(kernel: Kernel, tmp_path: Path) -> None:
    ran = load_slowly(kernel, tmp_path, "fails")
    assert ran.status == "error"
    assert lines(ran)[-1] == "model.slow was not loaded."


def test_a_load_that_is_soon_over_shows_nothing(kernel: Kernel, tmp_path: Path) -> None:
    (tmp_path / "model.slow").write_text("soon")
    (tmp_path / "gate").write_text("loaded")
    kernel.run(LOADER).check()
    ran = kernel.run(f"nbserve.load({str(tmp_path / 'model.slow')!r}, trust=True).model").check()
    assert ran.displays == [{"text/plain": "'loaded'"}]
