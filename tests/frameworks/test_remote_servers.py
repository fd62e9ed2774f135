"""Models on servers of Google Cloud Storage and of SFTP, as gcsfs and paramiko read them."""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from sklearn.naive_bayes import GaussianNB

import nbserve
from nbserve.errors import LoadError
from tests.client import PATIENCE_S, Caller, assert_error
from tests.conftest import Serve
from tests.frameworks.stored import dumped, fitted
from tests.models import iris_array, iris_target

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("ignore")]  # of the libraries, about themselves

X, Y = iris_array(), iris_target()
USER, PASSWORD = "ann", "pa55word"


@dataclass(frozen=True)
class Far:
    """A folder on a server."""

    address: str
    shown: str
    put: Callable[[str, bytes], None]


@contextmanager
def google(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    from gcp_storage_emulator.server import create_server

    server = create_server("127.0.0.1", 0, in_memory=True)
    server.start()
    url = f"http://127.0.0.1:{server._api._httpd.server_address[1]}"
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
    monkeypatch.setenv("NO_GCE_CHECK", "true")  # else a machine of Google's is looked for
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(folder / "none"))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    client = httpx.Client(base_url=url, trust_env=False)

    def put(name: str, data: bytes) -> None:
        given = {"uploadType": "media", "name": name}
        client.post("/upload/storage/v1/b/models/o", params=given, content=data).raise_for_status()

    with client:
        client.post("/storage/v1/b", json={"name": "models"}).raise_for_status()
        try:
            yield Far("gs://models", "gs://models", put)
        finally:
            server.stop()


@contextmanager
def sftp(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    import asyncssh

    connections = list[asyncssh.SSHServerConnection]()

    class Door(asyncssh.SSHServer):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            connections.append(conn)

        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            return (username, password) == (USER, PASSWORD)

    def put(name: str, data: bytes) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1", 0, server_factory=Door, server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(folder)),
        )  # fmt: skip

    async def close(server: asyncssh.SSHAcceptor) -> None:
        server.close()
        await server.wait_closed()
        for each in connections:
            each.close()
            await each.wait_closed()

    with start_blocking_portal() as portal:
        server = portal.call(listen)
        place = f"127.0.0.1:{server.get_port()}"
        try:
            yield Far(f"sftp://{USER}:{PASSWORD}@{place}", f"sftp://{place}", put)
        finally:
            portal.call(close, server)


@pytest.fixture(params=[google, sftp], ids=["gs", "sftp"])
def far(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    monkeypatch.setenv("NBSERVE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (tmp_path / "far").mkdir()
    with request.param(tmp_path / "far", monkeypatch) as far:
        yield far


def test_a_model_there_is_served_and_what_is_put_there_anew_answers(far: Far, serve: Serve, caller: Caller) -> None:
    old, new = fitted(), GaussianNB().fit(X, Y)  # of other sizes: SFTP tells times in whole seconds
    far.put("churn/model.joblib", dumped(old))
    ep = serve(f"{far.address}/churn/model.joblib", name="m", trust=True)
    assert ep.state == "unloaded"
    assert caller.predict("/m/predict_proba", json=X[:5].tolist()) == old.predict_proba(X[:5]).tolist()
    far.put("churn/model.joblib", dumped(new))
    ep.unload()
    assert caller.predict("/m/predict_proba", json=X[:5].tolist()) == new.predict_proba(X[:5]).tolist()


def test_what_is_not_there_is_a_sentence(far: Far, serve: Serve, caller: Caller) -> None:
    address = f"{far.address}/churn/other.joblib"
    with pytest.raises(
        LoadError, match=f"^There is nothing at {far.shown}/churn/other.joblib. Check the address"
    ) as no:
        nbserve.load(address, trust=True)
    assert PASSWORD not in str(no.value)
    serve(address, name="m", trust=True)
    body = assert_error(caller.post("/m/predict", json=X[:1].tolist()), 503, "load_failed")
    assert PASSWORD not in f"{body}"


def test_no_connection_stays_behind_a_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import paramiko

    monkeypatch.setenv("NBSERVE_CACHE", str(tmp_path / "cache"))
    with sftp(tmp_path, monkeypatch) as far:
        far.put("model.joblib", dumped(fitted()))
        with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
            archive.write(tmp_path / "model.joblib", "model.joblib")
        for address in (f"{far.address}/model.joblib", f"zip://model.joblib::{far.address}/all.zip"):
            assert nbserve.load(address, trust=True).model.C == 1
            assert nbserve.load(address, trust=True).model.C == 1
        for address in (f"{far.address}/none", f"zip://none::{far.address}/all.zip"):
            with pytest.raises(LoadError, match="There is nothing"):
                nbserve.load(address, trust=True)
        for connection in threading.enumerate():
            if isinstance(connection, paramiko.Transport):
                connection.join(PATIENCE_S)
                assert not connection.is_alive()


def test_more_than_is_allowed_is_refused(far: Far) -> None:
    data = dumped(fitted())
    far.put("model.joblib", data)
    with pytest.raises(LoadError, match=r"model\.joblib is larger than the .* that may be fetched"):
        nbserve.load(f"{far.address}/model.joblib", trust=True, artifact_limit=len(data) - 1)
    assert nbserve.load(f"{far.address}/model.joblib", trust=True, artifact_limit=len(data)).model.C == 1


def test_a_wrong_password_is_a_sentence_that_does_not_say_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBSERVE_CACHE", str(tmp_path / "cache"))
    with sftp(tmp_path, monkeypatch) as far, pytest.raises(LoadError, match="Authentication failed") as refused:
        nbserve.load(f"{far.address}/model.joblib".replace(PASSWORD, "wr0ng"), trust=True)
    assert "wr0ng" not in str(refused.value)
    assert str(refused.value).startswith(f"{far.shown}/model.joblib could not be fetched: ")
