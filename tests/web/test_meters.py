"""What holds links to what they allow, and counts what they are used for."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from nbserve.errors import NbserveError, QuotaUsed, RateExceeded, ShareEnded, TokenRefused
from nbserve.parts import CLOSED, LOOKING
from nbserve.shares import Share, new_share, use_of
from nbserve.web.meters import Meter, Meters


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "nbserve"


def ours() -> bool:
    """A route of nbserve's own answers."""
    return True


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def share(**changes: Any) -> Share:
    given: dict[str, Any] = {"name": "iris", "notebook": "", "kernel_id": "k1", "label": "", "methods": (), "rate": ""}
    return new_share(**(given | {"until": time.time() + 60, "rows": 0, "created": 0.0} | changes))[0]


def meter_of(clock: Clock | None = None, **changes: Any) -> Meter:
    return Meters(clock or Clock()).of(share(**changes).id, "iris")


@pytest.mark.parametrize("path", sorted(CLOSED))
@pytest.mark.parametrize("form", ["{}", "{}/", "/{}/", "//{}//x", "{}/1/"])
@pytest.mark.parametrize("verb", ["GET", "POST", "DELETE"])
def test_the_owners_part_is_closed_in_every_form(path: str, form: str, verb: str) -> None:
    meter = meter_of()
    with pytest.raises(TokenRefused):
        meter.begin(verb, form.format(path))
    assert meter.use.refused == 1


@pytest.mark.parametrize("path", sorted(LOOKING))
def test_to_look_is_always_open_and_no_use(path: str) -> None:
    meter = meter_of(methods=("predict",), rate="1/h")
    for _ in range(3):
        assert meter.begin("GET", path, ours) is None
        assert meter.begin("HEAD", f"{path}/", ours) is None
    for verb, other in (("POST", path), ("OPTIONS", path), ("GET", f"/{path}x"), ("GET", f"{path}/more")):
        with pytest.raises(TokenRefused):
            meter.begin(verb, other, ours)


@pytest.mark.parametrize("path", [*sorted(LOOKING), "result/" + "0" * 22])
def test_what_code_of_the_users_answers_is_a_use_whatever_it_is_called(path: str) -> None:
    with pytest.raises(TokenRefused):
        meter_of(methods=("predict",)).begin("GET", path, lambda: False)
    meter = meter_of(rate="1/h")
    assert meter.begin("GET", path, lambda: False) is not None
    with pytest.raises(RateExceeded):
        meter.begin("GET", path, lambda: False)


def test_a_visit_is_counted_once_and_an_error_costs_no_rows() -> None:
    meter = meter_of(rows=3)
    visit = meter.begin("POST", "predict")
    assert visit is not None
    visit.take(2)
    visit.end(is_error=True)
    visit.end(is_error=False)
    assert (meter.use.requests, meter.use.errors, meter.use.rows) == (1, 1, 0)
    greedy = meter.begin("POST", "predict")
    assert greedy is not None
    with pytest.raises(QuotaUsed):
        greedy.take(4)
    greedy.end(is_error=True)
    assert (meter.use.requests, meter.use.errors, meter.use.rows) == (2, 2, 0)


def test_what_came_of_a_ticket_is_no_use_and_nothing_else_looks_like_it() -> None:
    meter = meter_of(methods=("predict",), rate="1/h")
    ticket = "Abc-_" + "0" * 17
    for verb in ("GET", "HEAD", "DELETE"):
        assert meter.begin(verb, f"result/{ticket}/", ours) is None
        assert meter.begin(verb, f"result/{ticket}", ours) is None
    for verb, path in (
        ("POST", f"result/{ticket}"),
        ("PUT", f"result/{ticket}"),
        ("OPTIONS", f"result/{ticket}"),
        ("GET", "result/"),
        ("GET", f"result/{ticket}x"),
        ("GET", "result/a"),
    ):
        with pytest.raises(TokenRefused):
            meter.begin(verb, path)


def test_all_methods_are_open_unless_some_are_named() -> None:
    assert meter_of().begin("POST", "anything/")
    meter = meter_of(methods=("predict", "inspect"))
    assert meter.begin("POST", "predict/")
    assert meter.begin("GET", "inspect", ours)
    with pytest.raises(TokenRefused, match=r"does not open 'transform'.*It opens predict, inspect"):
        meter.begin("POST", "transform/")


def test_the_rate_holds_over_any_stretch_of_its_length() -> None:
    clock = Clock()
    meter = meter_of(clock, rate="2/m")
    meter.begin("POST", "predict")
    clock.now += 30
    meter.begin("POST", "predict")
    for later, wait_s in ((0, 30), (29.5, 0.5)):
        clock.now = 130 + later
        with pytest.raises(RateExceeded) as refused:
            meter.begin("POST", "predict")
        assert refused.value.retry_after_s == pytest.approx(wait_s)
    clock.now = 160
    meter.begin("POST", "predict")
    with pytest.raises(RateExceeded):
        meter.begin("POST", "predict")
    clock.now = 190
    meter.begin("POST", "predict")


def test_rows_are_counted_to_the_last_one_and_then_it_has_ended() -> None:
    meter = meter_of(rows=5)
    meter.take(3)
    with pytest.raises(QuotaUsed, match="2 rows left, and the request has 3"):
        meter.take(3)
    visit = meter.begin("POST", "predict")
    assert visit is not None
    visit.take(None)
    assert meter.use.rows == 4
    meter.take(1)
    for verb, path in (("POST", "predict"), ("GET", ""), ("GET", "metadata")):
        with pytest.raises(ShareEnded):
            meter.begin(verb, path)


def test_no_row_too_many_leaves_whoever_asks_at_once() -> None:
    meter = meter_of(rows=1000)

    def took(_: int) -> int:
        try:
            meter.take(3)
        except QuotaUsed:
            return 0
        return 3

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(took, range(2000))) == 999
    assert meter.use.rows == 999


def test_counts_are_written_at_the_end_and_gone_on_with(folder: Path) -> None:
    made = share(rows=10)
    first = Meters()
    meter = first.of(made.id, "iris")
    meter.begin("POST", "predict")
    meter.take(4)
    meter.end(is_error=False)
    meter.begin("POST", "predict")
    meter.end(is_error=True)
    assert first.use_of(made.id) == meter.use
    first.close()
    assert use_of(made.id) == meter.use
    second = Meters()
    assert second.use_of(made.id) == meter.use
    assert (meter.use.requests, meter.use.rows, meter.use.errors) == (2, 4, 1)
    with pytest.raises(QuotaUsed):
        second.of(made.id, "iris").take(7)


def test_counts_are_written_soon_without_an_end() -> None:
    from tests.kernel.harness import eventually

    meters = Meters()
    made = share()
    meters.of(made.id, "iris").end(is_error=False)
    assert eventually(lambda: use_of(made.id).requests == 1)
    meters.close()


def test_a_folder_that_cannot_be_written_stops_nobody(folder: Path) -> None:
    meters = Meters()
    made = share()
    (folder / "uses").write_text("in the way")
    meters.of(made.id, "iris").end(is_error=False)
    meters.close()
    assert meters.use_of(made.id).requests == 1


@pytest.mark.parametrize("known", [True, False])
def test_a_share_of_another_endpoint_or_none_at_all_is_refused(known: bool) -> None:
    with pytest.raises(NbserveError) as refused:
        Meters().of(share().id if known else "nothing", "other")
    assert refused.value.code == "token_refused"
