"""Endpoints that are served with TLS, or in the machine's networks, through the Jupyter server as any other."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.certificates import issued
from tests.kernel.harness import PATIENCE_S
from tests.serverext.real_jupyter import JupyterServer

ROWS = {"X": [[1, 2]]}
SERVED = """
import nbserve
%load_ext nbserve
class Double:
    def predict(self, X):
        return [[2 * each for each in row] for row in X]
double = Double()
"""


@pytest.mark.parametrize(
    "options", ["--host 0.0.0.0", "--host ::1", "--host localhost", "--host 127.0.0.3", "TLS", "TLS --host 0.0.0.0"]
)
def test_an_endpoint_is_reached_through_the_jupyter_server_wherever_it_listens(
    jupyter: JupyterServer, user: httpx.Client, tmp_path: Path, options: str
) -> None:
    certfile = issued(tmp_path)
    files = f"--certfile {certfile} --keyfile {tmp_path / 'key.pem'}"
    kernel = jupyter.start_kernel(SERVED + f"%serve double {options.replace('TLS', files)}")
    url, token = kernel.ask("[nbserve.get('double').url, nbserve.get('double').token]")
    assert urlsplit(url).scheme == ("https" if "TLS" in options else "http")
    listed = json.loads(kernel.listing("double").read_text())["url"]
    assert urlsplit(listed).scheme == "http"
    answer = user.post(kernel.address("double/predict/"), json=ROWS)
    assert answer.json() == {"predict_result": [[2, 4]]}
    page = user.get(kernel.address("double/"), headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert {each["state"] for each in user.get("nbserve/").json()["endpoints"] if each["kernel_id"] == kernel.id} == {
        "loaded"
    }
    trusting = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(verify=trusting, trust_env=False, timeout=PATIENCE_S) as caller:
        assert caller.post(f"{url}predict/", json=ROWS, headers=headers).status_code == 200
    user.delete(f"api/kernels/{kernel.id}")
