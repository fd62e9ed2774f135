"""What an endpoint has been asked, and how long it took."""

from __future__ import annotations

from nbserve.core.traffic import HISTORY_S, Traffic, percentile


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def ask(traffic: Traffic, seconds: float, rows: int | None = 1, is_error: bool = False) -> None:
    traffic.begin()
    traffic.end(seconds, rows, is_error)


def test_requests_rows_and_errors_are_counted() -> None:
    traffic = Traffic()
    ask(traffic, 0.001, rows=3)
    ask(traffic, 0.001, rows=None, is_error=True)
    traffic.begin()
    assert traffic.counters() == {"requests": 2, "errors": 1, "rows": 3, "in_flight": 1}


def test_percentiles_are_of_the_newest_latencies_in_milliseconds() -> None:
    traffic = Traffic()
    assert traffic.latency_ms() == {"p50": None, "p99": None}
    for _ in range(600):
        ask(traffic, 1.0)
    for hundredth in range(512):
        ask(traffic, hundredth / 1e5)
    assert traffic.latency_ms() == {"p50": 2.56, "p99": 5.06}


def test_the_history_has_a_row_for_each_second_in_which_anything_was_asked() -> None:
    clock = Clock()
    traffic = Traffic(clock)
    ask(traffic, 0.002)
    ask(traffic, 0.004, is_error=True)
    clock.now += 2
    ask(traffic, 0.008)
    assert traffic.history() == [[1000, 2, 1, 4.0, 4.0], [1002, 1, 0, 8.0, 8.0]]
    clock.now += 5
    assert traffic.history()[1:] == [[1002, 1, 0, 8.0, 8.0], [1007, 0, 0, None, None]]


def test_of_a_busy_second_its_end_counts_as_much_as_its_beginning() -> None:
    traffic = Traffic(Clock())
    for number in range(50_000):
        ask(traffic, 0.001 if number < 40_000 else 0.009)
    [[_, requests, _, p50, p99]] = traffic.history()
    assert (requests, p50, p99) == (50_000, 1.0, 9.0)
    assert len(traffic._seconds[0].latencies_ms) < 512


def test_the_rate_is_that_of_the_last_ten_seconds() -> None:
    clock = Clock()
    traffic = Traffic(clock)
    assert traffic.rate() == 0
    for _ in range(100):
        ask(traffic, 0.001)
    clock.now += 9
    assert traffic.rate() == round(100 / 9, 2)
    clock.now += 0.9
    assert traffic.rate() == round(100 / 9.9, 2)
    clock.now += 0.1
    assert traffic.rate() == 0


def test_the_history_forgets_what_is_older_than_a_minute() -> None:
    clock = Clock()
    traffic = Traffic(clock)
    ask(traffic, 0.001)
    clock.now += HISTORY_S - 1
    assert len(traffic.history()) == 2
    clock.now += 1
    assert traffic.history() == []


def test_the_nearest_rank_of_one_value_is_that_value() -> None:
    assert percentile([4.0], 0.0) == percentile([4.0], 1.0) == 4.0
