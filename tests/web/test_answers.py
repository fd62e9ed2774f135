"""From an error to its status, headers and body."""

from __future__ import annotations

import pytest

from nbserve.errors import Busy, Fault, InputError, MethodNotAllowed, NbserveError, TokenMissing
from nbserve.web.answers import STATUS, Error, error_body, error_bytes, error_headers


@pytest.mark.parametrize(("seconds", "header"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (1.01, "2"), (59.5, "60")])
def test_retry_after_is_whole_seconds_and_never_too_early(seconds: float, header: str) -> None:
    assert error_headers(Busy("Full.", retry_after_s=seconds)) == {"retry-after": header}


def test_errors_bring_the_headers_that_http_asks_for() -> None:
    assert error_headers(MethodNotAllowed("No.", allowed=("GET", "POST"))) == {"allow": "GET, POST"}
    assert error_headers(TokenMissing("No.")) == {"www-authenticate": "Bearer"}
    assert error_headers(InputError("No.")) == {}


def test_the_body_is_the_described_shape_and_names_every_place() -> None:
    error = InputError("Wrong.", "Send another.", faults=[Fault(("X", 3, "age"), "wrong", "null")])
    body = error_body(error, "abc")
    assert Error(**body).model_dump() == body
    assert body == {
        "error": "Wrong.",
        "code": "input_invalid",
        "remedy": "Send another.",
        "detail": [{"loc": ["X", 3, "age"], "msg": "wrong", "type": "null"}],
        "predict_id": "abc",
    }


def test_half_a_character_in_an_error_does_not_break_its_body() -> None:
    error = InputError("\ud800", "\udfff", faults=[Fault(("\ud800",), "\ud800", "x")])
    assert error_bytes(error).decode()


def test_the_models_fault_is_never_a_4xx_and_the_callers_never_a_5xx() -> None:
    kinds = [NbserveError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    for kind in kinds:
        names = {each.__name__ for each in kind.__mro__}
        if "InputError" in names or "AccessError" in names:
            assert 400 <= STATUS[kind.code] < 500
        if "ModelError" in names or "LoadError" in names or "ServerError" in names:
            assert 500 <= STATUS[kind.code] < 600
