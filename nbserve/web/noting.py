"""Requests to routes of the user's own: counted and kept at their endpoint, like those to its model."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter, time
from typing import Any

from fastapi.dependencies.models import Dependant

from ..core.custom import DrivenSource, ModelComponent
from ..core.exchanges import JSON, KEPT_BYTES, Exchange, new_id
from ..core.registry import Registry
from ..core.served import Served
from ..errors import LONGEST_NAME
from ..parts import WATCHED, part_of
from .asgi import Receive, Scope, Send, headers_of

__all__ = ["Noting", "is_watching", "model_of"]

FAILED = 500
"""What a request comes to that nobody has answered."""

UNKNOWN = "…"
"""In place of a route that has no path."""


def is_watching(scope: Scope) -> bool:
    return scope["method"] in ("GET", "HEAD") and part_of(scope["path"]) in WATCHED


def model_of(scope: Scope, registry: Registry) -> Served | None:
    """The endpoint whose component is injected into the route that has answered, where it is below none."""
    dependant = getattr(scope.get("route"), "dependant", None)
    injected = set(map(id, _components(dependant))) if isinstance(dependant, Dependant) else ()
    sources = ((each, each.component.source) for each in registry if injected)
    return next((each for each, at in sources if isinstance(at, DrivenSource) and id(at.custom) in injected), None)


def _components(dependant: Dependant) -> list[ModelComponent]:
    own = [dependant.call] if isinstance(dependant.call, ModelComponent) else []
    return own + [each for below in dependant.dependencies for each in _components(below)]


class Noting:
    """One request to a route: from when it is begun until it has its answer.

    It is `served`'s, or that of whoever `found` says when it has been answered. `send` goes before the one that was
    given, and does nothing else before the request is begun. The beginning of what is asked and answered is held
    meanwhile, and no more of it.
    """

    def __init__(
        self, served: Served | None, found: Callable[[], Served | None], path: str, scope: Scope, send: Send
    ) -> None:
        self._served = served
        self._found = found
        self._path = path
        self._scope = scope
        self._send = send
        self._sent, self._answer = _Beginning(), _Beginning()
        self._headers: dict[bytes, bytes] = {}
        self._status = FAILED
        self._id = new_id()
        self._began: float | None = None

    def begin(self, receive: Receive) -> Receive:
        """The request goes to the route now, which is to read from what this answers."""
        self._began = perf_counter()
        if self._served is not None:
            self._scope["nbserve.predict_id"] = self._id.decode()
            self._served.traffic.begin()

        async def heard() -> Any:
            message = await receive()
            self._sent.note(message.get("body", b""))
            return message

        return heard

    async def send(self, message: Any) -> None:
        """Whoever has the whole answer finds it noted."""
        if self._began is not None:
            if message["type"] == "http.response.start":
                message = self._head(message)
            elif message["type"] == "http.response.body":
                self._answer.note(message.get("body", b""))
                if not message.get("more_body"):
                    self.end()
        await self._send(message)

    def end(self) -> None:
        """It has its answer, or there will not be any. May be called more than once, or without a beginning."""
        if self._began is None:
            return
        took_s, self._began = perf_counter() - self._began, None
        served = self._served or self._found()
        if served is None:
            return
        if self._served is None:
            served.traffic.begin()
        served.traffic.end(took_s, None, self._status >= 400)
        if served.exchanges is not None:
            route = self._called()
            served.exchanges.note(self._exchange(route, took_s), served.profile.signature(route))

    def _called(self) -> str:
        """The route as it was declared, without what callers fill in: below the endpoint, if it is."""
        path = getattr(self._scope.get("route"), "path_format", "") or self._path or UNKNOWN
        if self._served is None:
            return path
        own = f"/{self._served.name}/"
        return path.removeprefix(own).strip("/") or "/"

    def _head(self, message: Any) -> Any:
        """The head of the answer, which says the request's id."""
        self._status = message["status"]
        given = [(bytes(name).lower(), bytes(value)) for name, value in message.get("headers", ())]
        self._headers = dict(reversed(given))
        if self._served is None or b"x-predict-id" in self._headers:
            return message
        return {**message, "headers": [*message.get("headers", ()), (b"x-predict-id", self._id)]}

    def _exchange(self, route: str, took_s: float) -> Exchange:
        asked, answered = headers_of(self._scope), self._headers
        length = asked.get(b"content-length", b"")
        return Exchange(
            id=self._id,
            at=time(),
            caller=self._scope["nbserve.caller"],
            method=(route if self._scope["method"] == "POST" else f"{self._scope['method']} {route}")[:LONGEST_NAME],
            rows=None,
            took_s=took_s,
            status=self._status,
            sent=self._sent.bytes(),
            sent_type=_type_of(asked, self._sent.size),
            sent_bytes=max(self._sent.size, int(length) if length.isdigit() else 0),
            answer=self._answer.bytes(),
            answer_type=_type_of(answered, self._answer.size),
            answer_bytes=self._answer.size,
            query=self._scope["query_string"],
        )


class _Beginning:
    """So much of a body as is kept."""

    def __init__(self) -> None:
        self.size = 0
        self._parts: list[bytes] = []
        self._room = KEPT_BYTES

    def note(self, part: bytes) -> None:
        self.size += len(part)
        if part and self._room:
            self._parts.append(bytes(part[: self._room]))
            self._room -= len(self._parts[-1])

    def bytes(self) -> bytes:
        return b"".join(self._parts)


def _type_of(headers: dict[bytes, bytes], size: int) -> bytes:
    """What a body is, if there is any: of a packed one, how it is packed; JSON if nothing is said."""
    coding = headers.get(b"content-encoding", b"identity")
    return headers.get(b"content-type", JSON if size else b"") if coding == b"identity" else coding
