"""What is at an address comes once, whole, within its bounds, or not at all."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from nbserve.core.storages import Address, Fetch, Terms, fetched, storage_of
from nbserve.errors import LoadError
from tests.hosts import Host, told

DATA = bytes(range(256)) * 40


def got(address: str, terms: Terms) -> bytes:
    place = Address.read(address)
    with fetched(place, storage_of(place), terms) as path:
        return path.read_bytes()


def left_in(cache: Path) -> list[str]:
    return sorted(each.name for each in cache.rglob("*") if each.is_file())


def settle() -> None:
    for thread in threading.enumerate():
        if thread.name == "nbserve:fetch":
            thread.join(20)


def test_it_comes_once_and_again_only_when_it_has_changed(host: Host, terms: Terms, cache: Path) -> None:
    host.has["m.bin"] = DATA
    address = host.address("m.bin")
    assert got(address, terms) == got(address, terms) == DATA
    assert [headers.get("If-None-Match") is None for _, headers in host.asked] == [True, False]
    host.has["m.bin"] = DATA[::-1]
    assert got(address, terms) == DATA[::-1]
    assert left_in(cache) == ["about.json", "m.bin"]


def test_what_nobody_can_tell_a_version_of_comes_every_time(host: Host, terms: Terms, cache: Path) -> None:
    host.has["m.bin"] = told(200, DATA)
    for _ in range(2):
        assert got(host.address("m.bin"), terms) == DATA
    assert [headers.get("If-None-Match") for _, headers in host.asked] == [None, None]
    assert left_in(cache) == ["about.json", "m.bin"]


def test_the_day_that_it_was_changed_is_a_version_too(host: Host, terms: Terms) -> None:
    day = "Sat, 01 Nov 2025 10:00:00 GMT"
    host.has["m.bin"] = told(200, DATA, Last_Modified=day)
    got(host.address("m.bin"), terms)
    host.has["m.bin"] = told(304)
    assert got(host.address("m.bin"), terms) == DATA
    assert host.asked[-1][1]["If-Modified-Since"] == day


def test_a_cached_file_that_was_cut_short_is_fetched_again(host: Host, terms: Terms, cache: Path) -> None:
    host.has["m.bin"] = DATA
    got(host.address("m.bin"), terms)
    (kept,) = cache.rglob("m.bin")
    kept.write_bytes(DATA[:10])
    assert got(host.address("m.bin"), terms) == DATA


def test_everybody_who_wants_it_at_once_shares_one_fetch(host: Host, terms: Terms) -> None:
    begun, gate = threading.Event(), threading.Event()

    def slow(handler: BaseHTTPRequestHandler) -> None:
        begun.set()
        gate.wait(20)
        told(200, DATA, ETag='"1"')(handler)

    host.has["m.bin"] = slow
    place, waiting = Address.read(host.address("m.bin")), threading.Semaphore(0)

    def get() -> bytes:
        with fetched(place, storage_of(place), terms, lambda _: waiting.release()) as path:
            return path.read_bytes()

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(get) for _ in range(8)]
        for _ in range(8):
            assert waiting.acquire(timeout=20)
        assert begun.wait(20)
        gate.set()
        assert [answer.result(20) for answer in answers] == [DATA] * 8
    assert host.paths == ["/m.bin"]


@pytest.mark.parametrize("is_told", [True, False])
@pytest.mark.parametrize(("limit", "fits"), [(len(DATA), True), (len(DATA) - 1, False)])
def test_no_more_comes_than_is_allowed(host: Host, cache: Path, limit: int, fits: bool, is_told: bool) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(DATA)
        handler.close_connection = True

    host.has["m.bin"] = told(200, DATA) if is_told else endless
    terms = Terms(cache=cache, limit_bytes=limit, deadline_s=20)
    if fits:
        assert got(host.address("m.bin"), terms) == DATA
    else:
        with pytest.raises(
            LoadError, match=r"m\.bin is larger than the 10\.2 kB that may be fetched.*--artifact-limit"
        ):
            got(host.address("m.bin"), terms)
        assert left_in(cache) == []


@pytest.mark.parametrize("length", [len(DATA) + 1, len(DATA) * 2])
def test_what_ends_too_early_is_not_kept(host: Host, terms: Terms, cache: Path, length: int) -> None:
    host.has["m.bin"] = told(200, DATA, Content_Length=str(length))
    with pytest.raises(LoadError, match=r"m\.bin did not come whole"):
        got(host.address("m.bin"), terms)
    assert left_in(cache) == []
    host.has["m.bin"] = DATA
    assert got(host.address("m.bin"), terms) == DATA


def test_a_chunked_answer_that_breaks_off_is_not_kept(host: Host, terms: Terms, cache: Path) -> None:
    def broken(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"100\r\nabc")
        handler.close_connection = True

    host.has["m.bin"] = broken
    with pytest.raises(LoadError, match=r"m\.bin did not come whole"):
        got(host.address("m.bin"), terms)
    assert left_in(cache) == []


def test_who_has_waited_long_enough_is_told_and_the_fetch_ends_with_its_next_bytes(host: Host, cache: Path) -> None:
    gate, fetches = threading.Event(), list[Fetch]()

    def drips(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100000000")
        handler.end_headers()
        handler.wfile.write(b"a")
        gate.wait(20)
        handler.close_connection = True
        handler.wfile.write(bytes(4 << 20))

    host.has["m.bin"] = drips
    place = Address.read(host.address("m.bin"))
    terms = Terms(cache=cache, deadline_s=0.3)
    with (
        pytest.raises(LoadError, match=r"m\.bin did not arrive within 0\.3 s\..*--load-deadline"),
        fetched(place, storage_of(place), terms, fetches.append),
    ):
        pass
    assert fetches[0].is_abandoned
    gate.set()
    settle()
    assert isinstance(fetches[0].outcome.exception(1), LoadError)
    assert left_in(cache) == []


def test_one_who_gives_up_takes_it_from_nobody_else(host: Host, cache: Path) -> None:
    gate = threading.Event()

    def slow(handler: BaseHTTPRequestHandler) -> None:
        gate.wait(20)
        told(200, DATA)(handler)

    host.has["m.bin"] = slow
    place, terms, began = Address.read(host.address("m.bin")), Terms(cache=cache, deadline_s=20), threading.Event()

    def get() -> bytes:
        with fetched(place, storage_of(place), terms, lambda _: began.set()) as path:
            return path.read_bytes()

    class Interrupted(Exception):
        pass

    def interrupt(_: Fetch) -> None:
        raise Interrupted

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(get)
        assert began.wait(20)
        with pytest.raises(Interrupted), fetched(place, storage_of(place), terms, interrupt):
            pass
        gate.set()
        assert waiting.result(20) == DATA
    assert host.paths == ["/m.bin"]


def test_it_tells_how_far_it_is(host: Host, terms: Terms) -> None:
    gate, half, fetches = threading.Event(), threading.Event(), list[Fetch]()
    size = 3 << 20

    def halves(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(size))
        handler.end_headers()
        handler.wfile.write(bytes(1 << 20))
        half.set()
        gate.wait(20)
        handler.wfile.write(bytes(2 << 20))
        handler.close_connection = True

    host.has["m.bin"] = halves
    with ThreadPoolExecutor(1) as pool:
        place = Address.read(host.address("m.bin"))

        def get() -> int:
            with fetched(place, storage_of(place), terms, fetches.append) as path:
                return path.stat().st_size

        waiting = pool.submit(get)
        assert half.wait(20)
        done, total = fetches[0].progress or (0, size)
        assert (done <= 1 << 20, total) == (True, size)
        gate.set()
        assert waiting.result(20) == size
    assert fetches[0].progress == (size, size)
