"""What is kept of requests and answers: bounded on every side, and nothing that is large or alive."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from nbserve.core.exchanges import KEPT_BYTES, MOST, MOST_BYTES, OUTDATED, Exchange, Exchanges
from nbserve.core.masking import Mask
from nbserve.errors import NotFound

JSON = b"application/json"


def exchange(
    number: int = 0,
    sent: bytes = b"{}",
    answer: bytes = b"[]",
    sent_type: bytes = JSON,
    answer_type: bytes = JSON,
    query: bytes = b"",
) -> Exchange:
    ident = b"%032x" % number
    sizes = len(sent), len(answer)
    return Exchange(
        ident, 0.0, "ada", "predict", 1, 0.0015, 200, sent, sent_type, sizes[0], answer, answer_type, sizes[1], query
    )


def told(exchanges: Exchanges, number: int = 0) -> dict[str, Any]:
    return exchanges.find(f"{number:032x}")


def test_an_exchange_tells_who_asked_what_and_when_and_what_it_came_to() -> None:
    exchanges = Exchanges()
    exchanges.note(exchange(1, b'{"X": [[1]]}', b'{"predict_result":[1]}'))
    [line] = exchanges.lines()
    assert line == {
        "id": f"{1:032x}",
        "at": "1970-01-01T00:00:00.000Z",
        "caller": "ada",
        "method": "predict",
        "rows": 1,
        "ms": 1.5,
        "status": 200,
    }
    whole = told(exchanges, 1)
    assert line.items() <= whole.items()
    assert (whole["request"], whole["answer"]) == ('{"X": [[1]]}', '{"predict_result":[1]}')
    assert (whole["request_bytes"], whole["answer_bytes"], whole["request_type"]) == (12, 22, "application/json")


def test_the_newest_come_first_and_so_many_are_kept() -> None:
    exchanges = Exchanges()
    for number in range(MOST):
        exchanges.note(exchange(number))
    assert len(exchanges.lines()) == MOST
    assert exchanges.bytes == 4 * MOST
    exchanges.note(exchange(MOST))
    assert [line["id"] for line in exchanges.lines()] == [f"{number:032x}" for number in range(MOST, 0, -1)]
    assert exchanges.bytes == 4 * MOST
    with pytest.raises(NotFound, match="is kept"):
        told(exchanges, 0)


def test_a_body_is_kept_up_to_a_bound_and_says_so_beyond_it() -> None:
    exchanges = Exchanges()
    exchanges.note(exchange(1, b"x" * KEPT_BYTES, b""))
    exchanges.note(exchange(2, b"x" * (KEPT_BYTES + 1), b""))
    assert told(exchanges, 1)["request"] == "x" * KEPT_BYTES
    cut = told(exchanges, 2)
    assert cut["request"] == "x" * KEPT_BYTES + "\n… the first 65,536 of 65,537 bytes."
    assert cut["request_bytes"] == KEPT_BYTES + 1


def test_a_text_that_is_cut_within_a_character_is_still_text() -> None:
    exchanges = Exchanges()
    exchanges.note(exchange(1, b"x" + "é".encode() * KEPT_BYTES, b""))
    assert told(exchanges, 1)["request"].startswith("xé")
    assert "\ufffd" not in told(exchanges, 1)["request"]


@pytest.mark.parametrize("sent_type", [JSON, b"application/x-npy"])
def test_a_large_body_is_not_kept_alive(sent_type: bytes) -> None:
    body = b"%d" % 7 * 5_000_000
    alone = sys.getrefcount(body)
    exchanges = Exchanges()
    exchanges.note(exchange(1, body, body, sent_type, sent_type))
    assert sys.getrefcount(body) == alone
    assert exchanges.bytes < 2 * KEPT_BYTES + 200


def test_beyond_the_bytes_the_oldest_keep_their_lines_alone() -> None:
    exchanges = Exchanges()
    fit = MOST_BYTES // KEPT_BYTES
    for number in range(fit):
        exchanges.note(exchange(number, b"x" * (KEPT_BYTES - 1), b"y"))
    assert exchanges.bytes == MOST_BYTES
    assert told(exchanges, 0)["request"].startswith("x")
    exchanges.note(exchange(fit, b"x", b""))
    assert exchanges.bytes == MOST_BYTES - KEPT_BYTES + 1
    assert (told(exchanges, 0)["request"], told(exchanges, 0)["answer"]) == (OUTDATED, OUTDATED)
    assert told(exchanges, 0)["request_bytes"] == KEPT_BYTES - 1
    assert told(exchanges, 1)["request"].startswith("x")
    assert len(exchanges.lines()) == fit + 1


def test_the_bytes_are_right_when_both_bounds_are_met_again_and_again() -> None:
    exchanges = Exchanges()
    for number in range(3 * MOST):
        exchanges.note(exchange(number, b"x" * (KEPT_BYTES if number % 3 else 10), b"y" * 100))
    kept = exchanges._kept
    assert exchanges.bytes == sum(each.kept_bytes for each in kept) <= MOST_BYTES
    assert len(kept) == MOST
    assert [each.sent == OUTDATED for each in kept] == [True] * exchanges._bare + [False] * (MOST - exchanges._bare)


def test_many_may_note_and_look_at_once() -> None:
    exchanges = Exchanges()

    def ask(thread: int) -> None:
        for number in range(500):
            exchanges.note(exchange(1000 * thread + number, b"x" * 30_000, b"y"))
            told(exchanges, 1000 * thread + number) if number % 50 == 0 else exchanges.lines()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))
    assert len(exchanges.lines()) == MOST
    assert exchanges.bytes == sum(each.kept_bytes for each in exchanges._kept) <= MOST_BYTES


def test_of_what_is_no_text_its_type_and_size_are_told() -> None:
    exchanges = Exchanges()
    exchanges.note(exchange(1, b"\x93NUMPY", b"ARROW1", b"application/x-npy", b"application/vnd.apache.arrow.stream"))
    whole = told(exchanges, 1)
    assert whole["request"] == "Not shown: 6 bytes of application/x-npy."
    assert whole["answer"] == "Not shown: 6 bytes of application/vnd.apache.arrow.stream."
    assert exchanges.bytes == 0


@pytest.mark.parametrize(
    "given", [b"text/csv", b"Text/CSV; header=absent", b"application/json; charset=utf-8", b"a/b+json"]
)
def test_text_is_shown(given: bytes) -> None:
    exchanges = Exchanges()
    exchanges.note(exchange(1, b"1,2", b"", given))
    assert told(exchanges, 1)["request"] == "1,2"


def test_a_type_and_a_query_of_any_length_are_cut_and_tokens_are_in_none() -> None:
    exchanges = Exchanges()
    exchanges.note(
        exchange(1, b"1", b"", b"text/csv;" + b"x" * 10_000, query=b"token=secret&a=1&tok%65n=secret&b=" + b"2" * 9999)
    )
    whole = told(exchanges, 1)
    assert len(whole["request_type"]) == 200
    assert whole["query"].startswith("token=•••&a=1&tok%65n=•••&b=222")
    assert len(whole["query"]) == 2000
    assert "secret" not in json.dumps(whole)


def test_an_unknown_id_of_any_kind_is_not_found() -> None:
    for ident in ("", "x" * 100_000, "\ud800", "•••"):
        with pytest.raises(NotFound):
            Exchanges().find(ident)


# --- masked


def masked(sent: bytes, sent_type: bytes = JSON) -> str:
    exchanges = Exchanges(Mask(["age"]))
    exchanges.note(exchange(1, sent, b"{}", sent_type))
    assert b"secret" not in b"".join(each.sent for each in exchanges._kept if isinstance(each.sent, bytes))
    return str(told(exchanges, 1)["request"])


def test_what_is_marked_is_not_even_kept() -> None:
    assert masked(b'{"X": [{"age": "secret", "fare": 7}]}') == '{"X":[{"age":"•••","fare":7}]}'


def test_a_body_that_is_too_large_to_be_masked_is_not_kept() -> None:
    row = b'{"age": "secret"},'
    body = b'{"X": [' + row * 10_000 + b"{}]}"
    assert masked(body) == f"Not shown: {len(body):,} bytes are too many to look for marked fields in."
    padded = b'{"age": "secret"}' + b" " * (KEPT_BYTES - 17)
    assert masked(padded) == '{"age":"•••"}'
    assert masked(padded + b" ").startswith("Not shown: 65,537 bytes")


@pytest.mark.parametrize(
    "body", [b'{"age": "secret"', b"secret", b'{"a":' * 600 + b'"secret"' + b"}" * 600, b'\xff{"age": "secret"}']
)
def test_a_body_that_cannot_be_read_is_not_kept_either(body: bytes) -> None:
    assert masked(body).startswith("Not shown: it cannot be read")


def test_marked_fields_of_the_query_are_masked() -> None:
    exchanges = Exchanges(Mask(["age"]))
    exchanges.note(exchange(1, query=b"Age=secret&%61ge=secret&k=3&age"))
    assert told(exchanges, 1)["query"] == "Age=•••&%61ge=•••&k=3&age•••"
