"""Who is let in, and who is not."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator

import pytest

from nbserve.notebook.session import Session
from nbserve.web.access import Access
from tests.client import Caller, assert_error, handle, opened
from tests.conftest import Serve

ROWS = {"X": [[1.0, 2.0]]}


def echo(X):
    return X


@pytest.fixture(scope="module")
def stranger() -> Iterator[Caller]:
    """Calls a session with an endpoint that is open and one that is not, whose token it keeps."""
    with opened() as (session, caller):
        session.serve(echo, {"name": "open", "token": False})
        caller.token = str(handle(session, echo, {"name": "closed"}).token)
        yield caller


def test_a_token_is_needed_unless_the_user_says_otherwise(stranger: Caller) -> None:
    answer = stranger.post("/closed/predict", json=ROWS, token=None)
    assert_error(answer, 401, "token_missing")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "token"])
def test_a_token_opens_its_endpoint_in_the_header(stranger: Caller, scheme: str) -> None:
    answer = stranger.post("/closed/predict", json=ROWS, headers={"authorization": f"{scheme} {stranger.token}"})
    assert answer.json()["predict_result"] == ROWS["X"]


def test_a_token_opens_its_endpoint_in_the_query(stranger: Caller) -> None:
    answer = stranger.post(f"/closed/predict/?a=b&token={stranger.token}", json=ROWS, token=None)
    assert answer.json()["predict_result"] == ROWS["X"]


@pytest.mark.parametrize(
    "token",
    ["x", "x" * 43, "x" * 10_000, "é", "' OR 1=1 --"],
    ids=["short", "as long", "huge", "not ascii", "quotes"],
)
def test_a_token_that_nobody_issued_opens_nothing(stranger: Caller, token: str) -> None:
    header = {"authorization": f"Bearer {token}".encode()}
    answer = stranger.post("/closed/predict", json=ROWS, token=None, headers=header)
    body = assert_error(answer, 401, "token_missing")
    assert "not one that was issued" in body["error"]
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("given", ["Basic dXNlcjpwYXNz", "Digest x", ""], ids=repr)
def test_a_header_without_a_token_is_no_token(stranger: Caller, given: str) -> None:
    headers = {"authorization": given}
    assert_error(stranger.post("/closed/predict", json=ROWS, headers=headers), 401, "token_missing")
    answer = stranger.post(f"/closed/predict?token={stranger.token}", json=ROWS, headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize("query", ["token=", "token", "tokens=x", "token=%ED%A0%80", "token=%00", "?token=x"])
def test_odd_queries_open_nothing(stranger: Caller, query: str) -> None:
    assert_error(stranger.post(f"/closed/predict?{query}", json=ROWS, token=None), 401, "token_missing")


def test_the_token_of_another_endpoint_is_refused_everywhere_below_the_name(serve: Serve, caller: Caller) -> None:
    serve(echo, name="echo")
    other = serve(echo, name="other")
    for path in ("predict", "inspect", "metadata", "load", "unload", "", "nothing"):
        for method in ("GET", "POST"):
            answer = caller.request(method, f"/echo/{path}", token=other.token)
            assert_error(answer, 403, "token_refused")
            assert "www-authenticate" not in answer.headers


def test_the_sessions_token_opens_all(serve: Serve, caller: Caller, session: Session) -> None:
    serve(echo, name="one")
    serve(echo, name="two")
    for name in ("one", "two"):
        assert caller.predict(f"/{name}/predict", json=ROWS, token=session.access.session_token) == ROWS["X"]


def test_each_endpoint_has_a_token_of_its_own_which_a_swap_keeps(serve: Serve, caller: Caller) -> None:
    first, other = serve(echo, name="echo").token, serve(echo, name="other").token
    assert first != other
    assert serve(lambda X: [0], name="echo").token == first
    assert caller.predict("/echo/predict", json=ROWS, token=first) == [0]


def test_the_token_of_a_stopped_endpoint_opens_nothing_any_more(serve: Serve, caller: Caller) -> None:
    endpoint = serve(echo, name="echo")
    serve(echo, name="other")
    token = endpoint.token
    endpoint.stop()
    assert_error(caller.get("/", token=token), 401, "token_missing")
    again = serve(echo, name="echo")
    assert again.token != token
    assert_error(caller.post("/echo/predict", json=ROWS, token=token), 401, "token_missing")


def test_lists_show_what_the_token_opens_and_no_more(serve: Serve, caller: Caller) -> None:
    one, two = serve(echo, name="one"), serve(echo, name="two")

    def listed(token: str | None) -> set[str]:
        return {each["name"] for each in caller.get("/", token=token).json()["endpoints"]}

    def documented(token: str | None) -> set[str]:
        paths = caller.get("/openapi.json", token=token).json()["paths"]
        return {path.split("/")[1] for path in paths} & {"one", "two"}

    def shown(token: str | None) -> set[str]:
        page = caller.get("/", token=token, headers={"accept": "text/html"}).text
        return set(re.findall(r'data-name="(\w+)"', page))

    for look in (listed, documented, shown):
        assert look(one.token) == {"one"}
        assert look(two.token) == {"two"}
        assert look("") == {"one", "two"}


def test_no_name_is_suggested_that_the_token_does_not_open(serve: Serve, caller: Caller) -> None:
    serve(echo, name="salaries")
    other = serve(echo, name="other")
    assert "salaries" not in caller.get("/salarie/", token=other.token).text
    assert "salaries" in caller.get("/salarie/").text


def test_a_token_appears_in_no_error_and_in_no_log(serve: Serve, caller: Caller, session: Session) -> None:
    def broken(X):
        raise ValueError("on purpose")

    endpoint = serve(broken, name="broken")

    @endpoint.app.get("/fails")
    def fails() -> None:
        raise ValueError("on purpose")

    token = str(endpoint.token)
    answers = [
        caller.request(method, f"{path}?token={token}", json=ROWS, token=token)
        for path in ("/broken/predict", "/broken/nothing", "/nothing", "/fails", "/broken/predict/1")
        for method in ("GET", "POST", "PUT")
    ]
    answers.append(caller.get("/broken/predict?token=" + token, headers={"accept": "text/html"}))
    assert all(answer.status_code >= 400 for answer in answers)
    assert not [answer.text for answer in answers if token in answer.text]
    assert not [line for line in endpoint.log + session.log.lines() if token in line]
    assert any("on purpose" in line for line in endpoint.log)
    assert any("on purpose" in line for line in session.log.lines())


def test_tokens_are_kept_as_digests_only() -> None:
    access = Access()
    token = access.issue_for("echo")
    kept = [access.__dict__, *gc.get_referents(*access.__dict__.values())]
    assert len(kept) > 3
    assert token not in repr(kept)
    access.revoke(token)
    access.revoke("unknown")


# --- without a token


def test_an_open_endpoint_answers_programs_of_this_machine(stranger: Caller) -> None:
    port = stranger.port
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", "localhost", f"[::1]:{port}"):
        assert stranger.predict("/open/predict", json=ROWS, token=None, headers={"host": host}) == ROWS["X"]


def test_an_open_endpoint_opens_no_other(stranger: Caller) -> None:
    assert_error(stranger.post("/closed/predict", json=ROWS, token=None), 401, "token_missing")
    assert [each["name"] for each in stranger.get("/", token=None).json()["endpoints"]] == ["open"]


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example:1", "127.0.0.1@evil", ""],
)
def test_a_page_under_a_name_of_its_own_does_not_reach_an_open_endpoint(stranger: Caller, host: str) -> None:
    for method, path in (("POST", "/open/predict"), ("GET", "/open/"), ("GET", "/"), ("GET", "/openapi.json")):
        answer = stranger.request(method, path, json=ROWS, token=None, headers={"host": host})
        assert_error(answer, 401, "token_missing")


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:1", "http://127.0.0.1", "null", "x"])
@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "application/x-www-form-urlencoded", None])
def test_a_page_of_another_origin_does_not_reach_an_open_endpoint(
    stranger: Caller, origin: str, content_type: str | None
) -> None:
    headers = {"origin": origin} | ({} if content_type is None else {"content-type": content_type})
    answer = stranger.post("/open/predict", content=b'{"X": [[1]]}', token=None, headers=headers)
    assert_error(answer, 401, "token_missing")


def test_a_page_of_the_servers_own_origin_reaches_it(stranger: Caller) -> None:
    headers = {"origin": f"http://127.0.0.1:{stranger.port}"}
    assert stranger.predict("/open/predict", json=ROWS, token=None, headers=headers) == ROWS["X"]


def test_any_token_does_where_none_is_needed(serve: Serve, caller: Caller, session: Session) -> None:
    closed = str(serve(echo, name="closed").token)
    assert serve(echo, name="open", token=False).token is None
    for token in (closed, "stale", session.access.session_token):
        assert caller.predict("/open/predict", json=ROWS, token=token) == ROWS["X"]


def test_an_open_endpoint_is_closed_again_by_serving_it_with_a_token(serve: Serve, caller: Caller) -> None:
    assert serve(echo, name="echo", token=False).token is None
    assert caller.post("/echo/predict", json=ROWS, token=None).status_code == 200
    assert serve(echo, name="echo").token is not None
    assert_error(caller.post("/echo/predict", json=ROWS, token=None), 401, "token_missing")
    assert_error(caller.get("/", token=None), 401, "token_missing")


def test_stopping_an_open_endpoint_closes_the_pages_of_the_session(serve: Serve, caller: Caller) -> None:
    serve(echo, name="echo")
    serve(echo, name="open", token=False).stop()
    assert_error(caller.get("/", token=None), 401, "token_missing")
    assert_error(caller.post("/open/predict", json=ROWS, token=None), 401, "token_missing")


# --- what needs none


@pytest.mark.parametrize("path", ["/health", "/health/", "/ready", "/ready/", "/_pages/page.css"])
def test_what_tells_nothing_of_any_model_needs_no_token(stranger: Caller, path: str) -> None:
    answer = stranger.get(path, token=None)
    assert answer.status_code == 200
    assert "closed" not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/_pages/../echo/inspect",
        "/_pages/%2e%2e/echo/inspect",
        "/health/../echo/inspect",
        "/_pages/..%2fclosed%2finspect",
    ],
)
def test_no_way_round_leads_from_an_open_path_to_a_model(stranger: Caller, path: str) -> None:
    sent = f"GET {path} HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n"
    answer = stranger.send(sent.encode())
    assert answer.split()[1] in (b"401", b"404")
    assert b'"model"' not in answer


@pytest.mark.parametrize("path", ["/health", "/ready/", "/_pages/mine", "/_pages/a/b"])
@pytest.mark.parametrize("verb", ["POST", "PUT", "DELETE"])
def test_an_open_path_is_open_to_look_at_and_leads_to_no_route_of_the_users(
    session: Session, serve: Serve, caller: Caller, path: str, verb: str
) -> None:
    serve(echo)
    session.app.add_api_route("/{rest:path}", lambda: "mine", methods=["POST", "PUT", "DELETE"])
    assert_error(caller.request(verb, path, token=None), 401, "token_missing")
    assert caller.request(verb, path).json() == "mine"


def test_a_route_of_the_users_needs_a_token_while_any_endpoint_does(serve: Serve, caller: Caller) -> None:
    closed = serve(echo, name="closed")
    serve(echo, name="open", token=False)
    closed.app.add_api_route("/custom", lambda: {"hi": 1})
    assert_error(caller.get("/custom", token=None), 401, "token_missing")
    assert caller.get("/custom", token=closed.token).json() == {"hi": 1}
    closed.stop()
    assert caller.get("/custom", token=None).json() == {"hi": 1}
