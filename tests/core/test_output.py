"""What models print goes to their endpoint's log, never into a cell."""

from __future__ import annotations

import contextvars
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from nbserve.core.engines import Lane
from nbserve.core.output import REMEMBERED_LINES, Log, catch_prints, release_prints, write_to, writing_to


@contextmanager
def caught() -> Iterator[None]:
    """In the test's own body: pytest puts its streams back between a fixture and its test."""
    catch_prints()
    try:
        yield
    finally:
        release_prints()


def logged(log: Log, work: Callable[[], None]) -> None:
    with writing_to(log):
        work()


def test_a_lane_prints_into_its_log_and_everybody_else_as_before(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log()
    lane = Lane("iris")
    with caught():
        lane.submit(lambda: logged(log, lambda: print("from the model"))).result(10)
        lane.submit(lambda: logged(log, lambda: print("to stderr", file=sys.stderr))).result(10)
        print("from the cell")
    assert [line[9:] for line in log.lines()] == ["from the model", "to stderr"]
    assert capsys.readouterr() == ("from the cell\n", "")


def _show(message: object, category: type, *_: object) -> None:
    print(f"{category.__name__}: {message}", file=sys.stderr)


def test_a_warning_of_the_model_goes_to_its_log(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log()
    lane = Lane("iris")

    def warn() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = _show  # pytest collects warnings of its own
            warnings.warn("odd rows", stacklevel=1)

    with caught():
        lane.submit(lambda: logged(log, warn)).result(10)
    assert any("UserWarning: odd rows" in line for line in log.lines())
    assert capsys.readouterr().err == ""


def test_the_switch_stands_for_the_stream_and_can_be_taken_away() -> None:
    before = sys.stdout
    catch_prints()
    catch_prints()
    assert sys.stdout is not before
    assert sys.stdout.encoding == before.encoding
    release_prints()
    assert sys.stdout is before


def test_a_log_keeps_the_newest_lines_and_cuts_long_ones() -> None:
    log = Log()
    log.write("".join(f"{at}\n" for at in range(REMEMBERED_LINES + 5)))
    lines = log.lines()
    assert (len(lines), lines[0][9:]) == (REMEMBERED_LINES, "5")
    log.write("x" * 100_000)
    assert max(map(len, log.lines())) < 3000


def test_half_a_line_is_shown_and_goes_on() -> None:
    log = Log()
    contextvars.copy_context().run(write_to, log)
    log.write("half ")
    assert log.lines()[-1].endswith("half ")
    log.write("and whole\n")
    assert [line[9:] for line in log.lines()] == ["half and whole"]
