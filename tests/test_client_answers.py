"""What comes back, and the error that it is: of an endpoint, and of whatever else may answer in its place."""

from __future__ import annotations

import inspect
import json

import httpx
import pytest

from nbserve import errors
from nbserve.client.address import below, is_loopback, parted
from nbserve.client.answers import Reply, failure_of, value_of
from nbserve.errors import AnswerLost, Busy, Fault, InputError, MethodNotAllowed, NbserveError, OptionError
from nbserve.web.answers import STATUS, error_bytes, error_headers

URL = "http://127.0.0.1:8123/iris/"
KINDS = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, NbserveError)]


def reply(status: int, body: bytes, content_type: str = "application/json", **headers: str) -> Reply:
    return Reply(URL, status, httpx.Headers({"content-type": content_type, **headers}), body)


# --- errors of an endpoint


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_every_error_arrives_as_what_it_left_as(kind: type[NbserveError]) -> None:
    left = kind("It is red.", "Paint it.")
    left.faults = (Fault(("X", 3, "age"), "It is red.", "colour"),)
    arrived = failure_of(reply(STATUS[kind.code], error_bytes(left, "abc"), **error_headers(left)))
    assert type(arrived) is kind
    assert (arrived.problem, arrived.remedy, arrived.faults) == (left.problem, left.remedy, left.faults)
    assert arrived.predict_id == "abc"
    assert str(arrived) == "It is red. Paint it."


def test_what_else_an_error_is_told_arrives_too() -> None:
    busy = Busy("Full.", retry_after_s=7)
    arrived = failure_of(reply(429, error_bytes(busy), **error_headers(busy)))
    assert isinstance(arrived, Busy)
    assert arrived.retry_after_s == 7
    wrong = MethodNotAllowed("No.", allowed=["GET", "POST"])
    told = failure_of(reply(405, error_bytes(wrong), **error_headers(wrong)))
    assert isinstance(told, MethodNotAllowed)
    assert told.allowed == ("GET", "POST")


@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, errors.NotFound), (418, NbserveError), (422, InputError), (503, errors.Unreachable)],
    ids=str,
)
def test_a_code_that_is_not_known_is_told_by_its_status(status: int, kind: type[NbserveError]) -> None:
    body = json.loads(error_bytes(NbserveError("No tea."))) | {"code": f"http_{status}"}
    arrived = failure_of(reply(status, json.dumps(body).encode()))
    assert type(arrived) is kind
    assert arrived.problem == "No tea."


@pytest.mark.parametrize("detail", [None, 5, [5], [{}], [{"loc": None}], {"loc": []}], ids=repr)
def test_a_detail_of_another_form_spoils_no_error(detail: object) -> None:
    body = {"error": "No.", "code": [], "remedy": "", "detail": detail, "predict_id": None}
    arrived = failure_of(reply(422, json.dumps(body).encode()))
    assert isinstance(arrived, InputError)
    assert arrived.problem == "No."


# --- errors of somebody else

FOREIGN = {
    400: "input_invalid",
    401: "token_missing",
    403: "access_denied",
    404: "not_found",
    405: "method_not_allowed",
    408: "body_incomplete",
    409: "conflict",
    413: "body_too_large",
    415: "media_type_unsupported",
    418: "answer_lost",
    422: "input_invalid",
    429: "busy",
    500: "answer_lost",
    502: "answer_lost",
    503: "unreachable",
    504: "deadline_exceeded",
    304: "answer_lost",
    599: "answer_lost",
}


@pytest.mark.parametrize(("status", "code"), FOREIGN.items(), ids=map(str, FOREIGN))
@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b"<html>Bad \xff Gateway", "text/html"), (b"", ""), (b'["no"]', "application/json"), (b"{", "application/json")],
    ids=["page", "nothing", "another JSON", "broken JSON"],
)
def test_the_page_of_a_proxy_is_an_error_with_a_remedy(status: int, code: str, body: bytes, content_type: str) -> None:
    error = failure_of(reply(status, body, content_type))
    assert error is not None
    assert error.code == code
    assert error.problem.startswith(f"127.0.0.1:8123 answered {status}")
    assert error.problem.endswith("and not as an endpoint does.")
    assert error.remedy.endswith((".", "?"))


def test_the_reason_that_a_hub_or_another_server_gives_is_told() -> None:
    error = failure_of(reply(403, b'{"message": "Forbidden.", "reason": null}'))
    assert "403 Forbidden, and not as an endpoint does: Forbidden." in str(error)
    error = failure_of(reply(404, b'{"detail": "Not Found"}'))
    assert "an endpoint does: Not Found." in str(error)


# --- good answers


@pytest.mark.parametrize("status", [200, 201, 204], ids=str)
def test_what_is_good_is_no_failure(status: int) -> None:
    assert failure_of(reply(status, b"{}")) is None


@pytest.mark.parametrize(
    ("body", "content_type", "value"),
    [
        (b'{"a": [1]}', "application/json", {"a": [1]}),
        ("é".encode(), "text/plain; charset=utf-8", "é"),
        (b"\x89PNG", "image/png", b"\x89PNG"),
        (b"", "", None),
    ],
    ids=["JSON", "text", "bytes", "nothing"],
)
def test_an_answer_is_read_by_its_type(body: bytes, content_type: str, value: object) -> None:
    assert value_of(reply(200, body, content_type)) == value


@pytest.mark.parametrize("body", [b"", b'{"predict_result": [1', b"<html>"], ids=["nothing", "half", "page"])
def test_json_that_is_none_is_a_lost_answer(body: bytes) -> None:
    with pytest.raises(AnswerLost, match="cannot be read"):
        value_of(reply(200, body))


# --- addresses


@pytest.mark.parametrize(
    ("url", "token", "expected"),
    [
        ("http://127.0.0.1:8123/iris/", None, ("http://127.0.0.1:8123/iris/", None)),
        ("http://127.0.0.1:8123/iris", "t", ("http://127.0.0.1:8123/iris/", "t")),
        ("http://h/iris/?token=abc", None, ("http://h/iris/", "abc")),
        ("http://h/iris?token=a%2Db&x=1", None, ("http://h/iris/", "a-b")),
        ("https://hub.org/user/me/nbserve/s/k3/#token=abc", None, ("https://hub.org/user/me/nbserve/s/k3/", "abc")),
        ("https://hub.org/user/me/nbserve/s/k3/#abc_-", None, ("https://hub.org/user/me/nbserve/s/k3/", "abc_-")),
        ("https://hub.org/user/me/nbserve/e/k3/iris/#try", None, ("https://hub.org/user/me/nbserve/e/k3/iris/", None)),
        ("https://h/a%20b/iris/#token=abc&tab=try", None, ("https://h/a%20b/iris/", "abc")),
        ("http://h/iris/?token=q#token=f", None, ("http://h/iris/", "f")),
        ("http://h/iris/?token=q", "given", ("http://h/iris/", "given")),
        (" http://[::1]:80/iris/\n", "", ("http://[::1]:80/iris/", None)),
    ],
    ids=["plain", "slash", "query", "escaped", "fragment", "link", "place", "prefix", "both", "given", "blank"],
)
def test_an_address_is_parted_from_its_token(url: str, token: str | None, expected: tuple[str, str | None]) -> None:
    assert parted(url, token) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8123/iris/",
        "ftp://h/iris",
        "http://",
        "http:///iris",
        "http://h:x/",
        "http://[::1/",
        "http://me:sesame@h/",
    ],
    ids=repr,
)
def test_what_is_no_address_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(OptionError, match="URL") as raised:
        parted(f"{url}?token=sesame", None)
    assert "sesame" not in str(raised.value)


@pytest.mark.parametrize("token", ["a b", "a\nb", "a\r\nX-Evil: 1", "\x00", "é"], ids=repr)
def test_a_token_that_would_break_a_header_is_refused_and_not_quoted(token: str) -> None:
    with pytest.raises(OptionError) as raised:
        parted(URL, f"sesame{token}")
    assert "sesame" not in str(raised.value)


def test_a_path_is_below_the_endpoints() -> None:
    assert below(URL, "threshold/") == f"{URL}threshold/"
    assert below(URL, "a b/ü?q=1%202") == f"{URL}a%20b/%C3%BC?q=1%202"


@pytest.mark.parametrize(
    "path", ["/other/predict", "../other/predict", "a/../../b", "./x", "//evil.example/", "a\\..\\b", "#x"]
)
def test_a_path_that_leads_out_of_the_endpoint_is_refused(path: str) -> None:
    with pytest.raises(OptionError, match="below"):
        below(URL, path)


def test_this_machine_is_known_by_its_names() -> None:
    assert all(map(is_loopback, ["http://127.0.0.1:1/", "http://127.1.2.3/", "http://[::1]/", "http://localhost/x/"]))
    assert not any(map(is_loopback, ["http://192.168.0.1/", "http://localhost.evil.example/", "http://example.org/"]))
