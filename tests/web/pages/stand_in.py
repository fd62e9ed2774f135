"""A stand-in for the real server, for the pages only: canned views, canned answers, and a note of what was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from canned import ENDPOINTS, Answers

from nbserve.web import pages

TOKEN = "s3cret-token"

OPENAPI = {
    "openapi": "3.1.0",
    "info": {"title": "nbserve", "version": "1"},
    "paths": {
        "/iris/predict/": {
            "post": {
                "summary": "Predict",
                "requestBody": {
                    "content": {
                        "application/json": {"schema": {"type": "object"}, "example": {"X": [[5.1, 3.5, 1.4, 0.2]]}}
                    }
                },
                "responses": {"200": {"description": "The answer"}},
            }
        }
    },
}


@dataclass
class StandIn:
    """What the pages talk to; tests change `endpoints` and `refusals`, and read `asked`."""

    root: str
    is_sandboxed: bool = False
    url: str = ""
    endpoints: dict[str, tuple[dict[str, Any], Answers]] = field(default_factory=lambda: deepcopy(ENDPOINTS))
    refusals: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)

    def answer(self, path: str, body: dict[str, Any] | None) -> tuple[int, Any]:
        """Status and value of one API call, below the root."""
        if path in self.refusals:
            return self.refusals[path]
        if path == "/openapi.json":
            return 200, OPENAPI
        if path == "/":
            return 200, {"endpoints": [_without_model(view) for view, _ in self.endpoints.values()]}
        name, method = (unquote(part) for part in f"{path.strip('/')}/".split("/")[:2])
        view, answers = self.endpoints[name]
        if not method:
            return 200, view
        if method == "metadata":
            return 200, _without_model(view)
        if method == "load":
            view.update(state="loaded", loaded=True, described=True)
            return 200, _without_model(view)
        assert body is not None
        self.asked.append((path, body))
        return 200, {"predict_result": answers[method](body)}

    def headers(self) -> dict[str, str]:
        """What goes with every answer; a proxy that sandboxes pages makes their own requests cross-origin."""
        if not self.is_sandboxed:
            return {"Content-Security-Policy": pages.CONTENT_SECURITY_POLICY}
        return {
            "Content-Security-Policy": f"{pages.CONTENT_SECURITY_POLICY}; sandbox allow-scripts allow-forms",
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Headers": "authorization, content-type",
        }

    def page(self, path: str) -> str:
        if path == "/docs":
            return pages.docs_page(root=self.root, title="nbserve")
        if path == "/":
            return pages.index_page([view for view, _ in self.endpoints.values()], root=self.root)
        name = path.strip("/")
        if name not in self.endpoints:
            missing = {"error": f"Nothing is served as {name!r}.", "code": "not_found", "remedy": "See all endpoints."}
            return pages.error_page(missing, 404, root=self.root)
        return pages.endpoint_page(self.endpoints[name][0], root=self.root)


def _without_model(view: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in view.items() if key != "model"}


@contextmanager
def running(root: str = "", *, is_sandboxed: bool = False) -> Iterator[StandIn]:
    stand_in = StandIn(root, is_sandboxed)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"stand_in": stand_in}))
    stand_in.url = f"http://127.0.0.1:{server.server_port}{root}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Handler(BaseHTTPRequestHandler):
    """HTTP for a stand-in, which a subclass names."""

    stand_in: StandIn

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path.removeprefix(self.stand_in.root))
        asset = pages.asset(path.removeprefix("/_pages/"))
        if path.startswith("/_pages/") and asset is not None:
            self._send(200, *asset)
        elif "application/json" in self.headers.get("Accept", "") and "text/html" not in self.headers["Accept"]:
            self._api(path, None)
        elif parse_qs(urlsplit(self.path).query).get("token") != [TOKEN]:
            problem = "This endpoint needs a token."
            self._send(401, pages.sign_in_page(root=self.stand_in.root, problem=problem).encode(), "text/html")
        else:
            self._send(200, self.stand_in.page(path).encode(), "text/html; charset=utf-8")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._api(urlsplit(self.path).path.removeprefix(self.stand_in.root), json.loads(body))

    def do_OPTIONS(self) -> None:
        self._send(204, b"", "text/plain")

    def _api(self, path: str, body: dict[str, Any] | None) -> None:
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            status, value = 401, {"error": "No token.", "code": "token_missing", "remedy": "Send one."}
        else:
            status, value = self.stand_in.answer(path, body)
        self._send(status, json.dumps(value).encode(), "application/json", {"X-Predict-id": "p-42"})

    def _send(self, status: int, body: bytes, media_type: str, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": media_type,
            "Content-Length": str(len(body)),
            **(more or {}),
            **self.stand_in.headers(),
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""
