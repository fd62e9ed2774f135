"""Models in a bucket of S3, as s3fs reads them from a server of moto's: fetched once, checked, refused in time."""

from __future__ import annotations

import io
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

import nbserve
from nbserve.core.storages import Address, Fetch, Terms, fetched, storage_of
from nbserve.core.storages.fetching import Fetch as Fetching
from nbserve.errors import LoadError
from tests.client import Caller, assert_error
from tests.conftest import Serve
from tests.frameworks.stored import dumped, fitted
from tests.models import iris_array, iris_target

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("ignore")]  # of the libraries, about themselves

X, Y = iris_array(), iris_target()
ADDRESS = "s3://models/churn/model.joblib"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "s3cr3t/h1dden"}


@dataclass
class Bucket:
    """A bucket, called `models`, and what its server was asked."""

    client: Any
    asked: list[str]

    def put(self, key: str, data: bytes) -> None:
        self.client.put_object(Bucket="models", Key=key, Body=data)
        self.asked.clear()

    @property
    def fetches(self) -> int:
        return sum("GET /models/churn" in each for each in self.asked)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """None of the credentials and settings of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "BOTO_CONFIG"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("NBSERVE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def bucket(elsewhere: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    import boto3
    from moto.server import ThreadedMotoServer

    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    endpoint = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    httpx.post(f"{endpoint}/moto-api/reset", trust_env=False).raise_for_status()  # what there is, is the process's
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    asked, log = list[str](), logging.getLogger("werkzeug")
    handler = logging.Handler()
    handler.emit = lambda record: asked.append(record.getMessage())  # type: ignore[method-assign]
    log.addHandler(handler)
    monkeypatch.setattr(log, "level", logging.INFO)
    client = boto3.client("s3")
    client.create_bucket(Bucket="models")
    try:
        yield Bucket(client, asked)
    finally:
        client.close()
        log.removeHandler(handler)
        server.stop()
        settle()


def settle() -> None:
    for thread in threading.enumerate():
        if thread.name == "nbserve:fetch":
            thread.join(60)
            assert not thread.is_alive()


def test_a_model_in_a_bucket_is_served_and_fetched_once(bucket: Bucket, serve: Serve, caller: Caller) -> None:
    model = fitted()
    bucket.put("churn/model.joblib", dumped(model))
    ep = serve(ADDRESS, name="m", trust=True)
    assert (ep.state, bucket.asked) == ("unloaded", [])
    expected = model.predict_proba(X[:5]).tolist()
    assert caller.predict("/m/predict_proba", json=X[:5].tolist()) == expected
    assert bucket.fetches == 1
    ep.unload()
    assert caller.predict("/m/predict_proba", json=X[:5].tolist()) == expected
    assert bucket.fetches == 1
    assert "HEAD /models/churn" in bucket.asked[-1]  # it was asked whether it changed


def test_what_was_put_there_anew_is_fetched_and_answers(bucket: Bucket, serve: Serve, caller: Caller) -> None:
    old, new = fitted(), fitted(0.01)
    bucket.put("churn/model.joblib", dumped(old))
    ep = serve(ADDRESS, name="m", trust=True)
    assert caller.predict("/m/predict_proba", json=X[:5].tolist()) == old.predict_proba(X[:5]).tolist()
    bucket.put("churn/model.joblib", dumped(new))
    ep.unload()
    assert caller.predict("/m/predict_proba", json=X[:5].tolist()) == new.predict_proba(X[:5]).tolist()
    assert bucket.fetches == 1


def test_a_folder_of_a_bucket_is_a_model(bucket: Bucket, tmp_path: Path) -> None:
    import mlflow.sklearn

    model = fitted()
    mlflow.sklearn.save_model(model, tmp_path / "net", pip_requirements=["numpy"])
    for path in (tmp_path / "net").rglob("*"):
        if path.is_file():
            bucket.put(f"net/{path.relative_to(tmp_path / 'net')}", path.read_bytes())
    loaded = nbserve.load("s3://models/net/")
    assert loaded.model.predict(X).tolist() == model.predict(X).tolist()
    assert "sklearn" in loaded.meta["flavors"]


def test_its_progress_is_told_from_the_first_byte_to_the_last(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 3_500_000
    bucket.put("churn/data.bin", bytes(size))
    told, arrived = list[Any](), Fetching._arrived
    monkeypatch.setattr(Fetching, "_arrived", lambda fetch, n: (arrived(fetch, n), told.append(fetch.progress)))
    fetches = list[Fetch]()
    place = Address.read("s3://models/churn/data.bin")
    with fetched(place, storage_of(place), Terms(cache=tmp_path / "c", deadline_s=30), fetches.append) as path:
        assert path.stat().st_size == size
    assert told == [(min(at << 20, size), size) for at in range(1, 5)]
    assert fetches[0].progress == (size, size)


def test_more_than_is_allowed_does_not_begin_to_come(bucket: Bucket) -> None:
    data = dumped(fitted())
    bucket.put("churn/model.joblib", data)
    with pytest.raises(LoadError, match=r"model\.joblib is larger than the .* that may be fetched.*--artifact-limit"):
        nbserve.load(ADDRESS, trust=True, artifact_limit=len(data) - 1)
    assert bucket.fetches == 0
    assert nbserve.load(ADDRESS, trust=True, artifact_limit=len(data)).model.predict(X[:1]).tolist() == [0]


def test_code_in_it_needs_trust_there_too(bucket: Bucket) -> None:
    bucket.put("churn/model.joblib", dumped(fitted()))
    with pytest.raises(LoadError, match="would run the code that is in it"):
        nbserve.load(ADDRESS)


NOT_THERE = {
    "another key": ("s3://models/churn/other.joblib", r"There is nothing at s3://models/churn/other\.joblib"),
    "another bucket": ("s3://nobodys/model.joblib", r"There is nothing at s3://nobodys/model\.joblib"),
    "no bucket": ("s3://", "s3:// could not be fetched"),
    "a password in the address": (
        "s3://AKIA:pa55word@models/churn/model.joblib", r"s3://models/churn/model\.joblib could not be fetched",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_THERE)
def test_what_is_not_there_is_a_sentence(name: str, bucket: Bucket, serve: Serve, caller: Caller) -> None:
    address, sentence = NOT_THERE[name]
    bucket.put("churn/model.joblib", dumped(fitted()))
    with pytest.raises(LoadError, match=sentence) as refused:
        nbserve.load(address, trust=True)
    assert not any(each in str(refused.value) for each in ("\n", "Traceback", "pa55word", *CREDENTIALS.values()))
    serve(address, name="m", trust=True)
    body = assert_error(caller.post("/m/predict", json=X[:1].tolist()), 503, "load_failed")
    assert "pa55word" not in f"{body}"
    assert serve(ADDRESS, name="m", trust=True).predict(X=X[:1].tolist()) == [0]


@pytest.fixture
def closed(bucket: Bucket) -> Iterator[dict[str, str]]:
    """The bucket asks who asks; these credentials open it."""
    import boto3
    from moto import settings

    bucket.put("churn/model.joblib", dumped(fitted()))
    iam = boto3.client("iam")
    iam.create_user(UserName="ann")
    policy = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'
    iam.put_user_policy(UserName="ann", PolicyName="all", PolicyDocument=policy)
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    iam.close()
    before, settings.INITIAL_NO_AUTH_ACTION_COUNT = settings.INITIAL_NO_AUTH_ACTION_COUNT, 0
    yield {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    settings.INITIAL_NO_AUTH_ACTION_COUNT = before


@pytest.mark.parametrize("wrong", CREDENTIALS)
def test_wrong_credentials_are_a_sentence_and_right_ones_count_at_once(
    wrong: str, closed: dict[str, str], serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in closed.items():
        monkeypatch.setenv(name, CREDENTIALS[name] if name == wrong else value)
    ep = serve(ADDRESS, name="m", trust=True)
    with pytest.raises(LoadError, match=rf"{ADDRESS} is not open to us\. Check with whose credentials") as refused:
        ep.load()
    assert not any(value in str(refused.value) for value in (*closed.values(), *CREDENTIALS.values()))
    monkeypatch.setenv(wrong, closed[wrong])
    ep.load()
    assert ep.predict(X=X[:1].tolist()) == [0]


def test_no_credentials_are_a_sentence(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CREDENTIALS:
        monkeypatch.delenv(name)
    with pytest.raises(LoadError, match=r"could not be fetched: NoCredentialsError: Unable to locate credentials"):
        nbserve.load(ADDRESS, trust=True)


def test_a_server_that_never_answers_is_given_up_at_the_deadline(
    elsewhere: None, serve: Serve, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        ep = serve(ADDRESS, name="m", trust=True, load_deadline_s=0.5)
        body = assert_error(caller.post("/m/predict", json=X[:1].tolist()), 503, "load_failed")
        assert "0.5 s" in body["error"]
        assert time.monotonic() - began < 10  # s3fs itself would wait for more than a minute
        assert ep.state == "failed"
    settle()


def test_nobody_at_its_port_is_a_sentence(elsewhere: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with socket.create_server(("127.0.0.1", 0)) as gone:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{gone.getsockname()[1]}")
    with pytest.raises(LoadError, match="could not be fetched: EndpointConnectionError: Could not connect"):
        nbserve.load(ADDRESS, trust=True)


def test_a_member_of_an_archive_in_a_bucket_is_served(bucket: Bucket) -> None:
    import zipfile

    model, stream = fitted(), io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("inside/model.joblib", dumped(model))
    bucket.put("churn/all.zip", stream.getvalue())
    far = nbserve.load("zip://inside/model.joblib::s3://models/churn/all.zip", trust=True)
    assert far.model.predict(X).tolist() == model.predict(X).tolist()
    for address in ("zip://other::s3://models/churn/all.zip", "zip://inside::s3://models/churn/none.zip"):
        with pytest.raises(LoadError, match="There is nothing at zip://"):
            nbserve.load(address, trust=True)
