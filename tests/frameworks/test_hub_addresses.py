"""Models of Hugging Face's hub, as its own file system reads them, from a stand-in for the few routes that it asks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha1
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

import nbserve
from nbserve.errors import LoadError
from tests.client import Caller
from tests.conftest import Serve
from tests.frameworks.test_transformers import TEXTS, plainly, saved
from tests.hosts import Host, hosted, told

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("ignore")]  # of the libraries, about themselves

TOKEN = "hf_h1dden"


@dataclass
class Hub:
    """One repository, `ann/net`: its files, and the token that opens it, if it needs one."""

    host: Host
    files: dict[str, bytes] = field(default_factory=dict)
    token: str = ""

    def publish(self, folder: Path) -> None:
        self.files = {path.name: path.read_bytes() for path in folder.iterdir()}
        api = "api/models/ann/net"
        for place in (api, f"{api}/revision/main"):
            self.host.has[place] = self.answer(lambda: {"id": "ann/net", "modelId": "ann/net", "sha": "1" * 40})
        self.host.has[f"{api}/tree/main"] = self.answer(self.tree)
        for name in self.files:
            self.host.has[f"ann/net/resolve/main/{name}"] = self.file(name)

    def tree(self) -> list[dict[str, Any]]:
        return [
            {"type": "file", "path": name, "size": len(data), "oid": sha1(data).hexdigest()}
            for name, data in self.files.items()
        ]

    def answer(self, of: Callable[[], Any]) -> Callable[[BaseHTTPRequestHandler], None]:
        def give(handler: BaseHTTPRequestHandler) -> None:
            if self.token and handler.headers.get("Authorization") != f"Bearer {self.token}":
                told(401, b"{}", X_Error_Code="RepoNotFound")(handler)
            else:
                told(200, json.dumps(of()).encode(), Content_Type="application/json")(handler)

        return give

    def file(self, name: str) -> Callable[[BaseHTTPRequestHandler], None]:
        def give(handler: BaseHTTPRequestHandler) -> None:
            data, wanted = self.files[name], re.match(r"bytes=(\d+)-(\d+)", handler.headers.get("Range", ""))
            part = data if wanted is None else data[int(wanted[1]) : int(wanted[2]) + 1]
            told(200 if wanted is None else 206, part)(handler)

        return give

    @property
    def fetches(self) -> int:
        return sum("/resolve/" in path for path in self.host.paths)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    from huggingface_hub import constants

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("NBSERVE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    with hosted() as host:
        endpoint = host.address("").rstrip("/")
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)  # it reads HF_ENDPOINT when it is imported
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        )
        yield Hub(host)


def test_a_model_of_the_hub_is_served_and_fetched_once(hub: Hub, serve: Serve, caller: Caller, tmp_path: Path) -> None:
    pipe = saved("labels", tmp_path / "net")
    hub.publish(tmp_path / "net")
    ep = serve("hf://ann/net", name="m")
    assert hub.host.asked == []
    assert caller.predict("/m/predict", json=TEXTS) == plainly(pipe(TEXTS))
    fetches = hub.fetches
    assert fetches >= len(hub.files)
    ep.unload()
    assert caller.predict("/m/predict", json=TEXTS) == plainly(pipe(TEXTS))
    assert hub.fetches == fetches
    hub.files["config.json"] += b"\n"
    ep.unload()
    assert caller.predict("/m/predict", json=TEXTS) == plainly(pipe(TEXTS))
    assert hub.fetches > fetches


def test_a_repository_that_is_closed_is_a_sentence_and_opens_with_its_token(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved("labels", tmp_path / "net")
    hub.token = TOKEN
    hub.publish(tmp_path / "net")
    with pytest.raises(LoadError, match=r"There is nothing at hf://ann/net\. .* with whose credentials"):
        nbserve.load("hf://ann/net")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert nbserve.load("hf://ann/net").model.task == "text-classification"
    with pytest.raises(LoadError, match="There is nothing at") as refused:
        nbserve.load("hf://ann/net/none.onnx")
    assert TOKEN not in str(refused.value)


@pytest.mark.parametrize("address", ["hf://ann/other", "hf://ann/net/none.onnx", "hf://net", "hf://"])
def test_what_is_not_there_is_a_sentence(address: str, hub: Hub, tmp_path: Path) -> None:
    saved("labels", tmp_path / "net")
    hub.publish(tmp_path / "net")
    with pytest.raises(LoadError) as refused:
        nbserve.load(address)
    assert "\n" not in str(refused.value)
    assert refused.value.remedy


def test_more_than_is_allowed_does_not_begin_to_come(hub: Hub, tmp_path: Path) -> None:
    saved("labels", tmp_path / "net")
    hub.publish(tmp_path / "net")
    with pytest.raises(LoadError, match=r"net is larger than the 100 B that may be fetched"):
        nbserve.load("hf://ann/net", artifact_limit="100B")
    assert hub.fetches == 0
