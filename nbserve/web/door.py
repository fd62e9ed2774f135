"""What every request comes in by: it is let in or not, then goes to a model or to FastAPI."""

from __future__ import annotations

import asyncio
import traceback
from functools import partial
from threading import get_ident
from typing import Any, Protocol

from fastapi import Request
from starlette.routing import BaseRoute, Match

from ..core.output import Log
from ..core.registry import Registry
from ..core.served import Served
from ..errors import BodyTooLarge, MethodNotAllowed, NbserveError
from .access import Access, Grant, caller_of
from .answers import STATUS, error_body, error_headers
from .app import error_response, middleware_failed, route_failed
from .application import Application
from .asgi import (
    Headers,
    Receive,
    Scope,
    Send,
    bring_back_ours,
    headers_of,
    hide_ours,
    note_prefix,
    take_in,
    take_out_ours,
    wants_page,
)
from .meters import Visit
from .noting import Noting, is_watching, model_of
from .patience import Patience
from .predict import Reply, predict, refusal, refuse_large, send_error
from .resources import ResourceRoutes
from .routes import EndpointRoute, is_listing, is_public
from .tickets import predict_later, wants_ticket

__all__ = ["Door", "Exchange"]

BODY_LIMIT = 64 * 1024**2
"""For the routes that are no model's."""


class Exchange(Protocol):
    """One whole request to a model's method, and who waits for the answer on a connection."""

    def begin(self, served: Served, method: str, caller: str, patience: Patience, visit: Visit | None = None) -> None:
        """It is let in."""
        ...

    def ask(self, headers: Headers, sent: bytes) -> None:
        """Pass it on to the model."""
        ...

    def reply(self, reply: Reply) -> None: ...


class Door:
    """An ASGI application; `called` and `answer` are the shorter way in for whole requests to models' methods."""

    def __init__(self, app: Application, access: Access) -> None:
        self.app = app
        self._access = access
        self._patience: dict[tuple[int, float], Patience] = {}
        self._registry: Registry = app.state.registry
        self._log: Log = app.state.log
        self._resources: ResourceRoutes = app.state.resources

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        around = self.app.around
        if around is None:
            await self._let_in(scope, receive, send)
            return
        scope["app"], scope["nbserve.inside"], scope["nbserve.heard"] = self.app, self._let_in, receive
        sent = scope["nbserve.sent"] = _Sent(send, self._access.visit(scope))
        if self._access.is_owners_key(scope):
            hide_ours(scope)
        else:
            take_out_ours(scope)
        try:
            await around(scope, receive, sent)
        except Exception as error:  # noqa: BLE001 - the user's own code
            self._log.write("".join(traceback.format_exception(error)))
            if not sent.has_begun:
                await self._refuse(middleware_failed(error), scope, receive, sent)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        bring_back_ours(scope)
        if "nbserve.sent" in scope:
            scope["nbserve.sent"].is_let_in = True
        name, _, rest = scope["path"].lstrip("/").partition("/")
        served = self._registry.get(name)
        note_prefix(scope)
        scope["app"] = self.app
        visit = None
        try:
            if served is not None:
                scope["nbserve.grant"] = grant = self._admit_to(name, scope)
                visit = grant.begin(scope["method"], rest, partial(self._is_ours, scope))
            elif not is_public(scope):
                scope["nbserve.grant"] = self._admit_to_session(scope)
            if served is not None and self.app.router.dependencies:
                await self._guarded(served, rest.rstrip("/"), scope, receive, send, visit)
            else:
                await self._answer(served, rest.rstrip("/"), scope, receive, send, visit)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not end as a bare 500
            if visit is not None:
                visit.end(is_error=True)
            told = error if isinstance(error, NbserveError) else self._failed(error)
            await self._refuse(told, scope, receive, send)
        finally:
            if visit is not None and not visit.is_handed_on:
                visit.end(is_error=True)

    async def _answer(
        self, served: Served | None, method: str, scope: Scope, receive: Receive, send: Send, visit: Visit | None = None
    ) -> None:
        is_call = served is not None and self._is_call(served, method, scope)
        if served is not None and is_call and scope["method"] == "POST":
            if self.app.users_errors:
                scope["nbserve.raises"] = self.app.users_errors
            call = predict_later if wants_ticket(scope) else predict
            await call(served, method, scope, receive, send, self.patience_of(served), visit)
        elif served is not None and is_call and method in served.methods:
            raise MethodNotAllowed(f"{served.name}.{method} answers POST only.", "POST it JSON.", allowed=("POST",))
        else:
            refuse_large(scope, BODY_LIMIT)
            await self._to_fastapi(served, scope, _bounded(receive), send, visit)

    async def _guarded(
        self, served: Served, method: str, scope: Scope, receive: Receive, send: Send, visit: Visit | None = None
    ) -> None:
        """The same, once the dependencies of the whole application have been asked."""
        if scope["method"] == "POST" and self._is_call(served, method, scope):

            async def onward(scope: Scope, receive: Receive, send: Send) -> None:
                await self._answer(served, method, scope, receive, send, visit)

            scope["nbserve.onward"] = onward
            await self._in_fastapi(scope, receive, send if visit is None else visit.counting(send))
        else:
            await self._to_fastapi(served, scope, receive, send, visit, is_guarded=True)

    def called(self, url: bytes) -> tuple[Served, str] | None:
        """The method that a plain path is of, if it is served now; None where there is more to look at."""
        name, _, rest = url[1:].decode("latin-1").partition("/")
        served = self._registry.get(name)
        if served is None or not (served.is_described and self.app.is_plain):
            return None
        method = rest.removesuffix("/")
        return (served, method) if method in served.methods else None

    def answer(self, served: Served, method: str, scope: Scope, sent: bytes, exchange: Exchange) -> None:
        """The same as a call for one whole request to a model's method, to which `exchange` replies."""
        try:
            grant = self._access.admit(scope, served.name)
            visit, caller = grant.begin("POST", method), caller_of(scope, grant)
        except NbserveError as error:
            exchange.reply(refusal(error))
        except Exception as error:  # noqa: BLE001 - a fault of ours must not end as a bare 400
            exchange.reply(refusal(self._failed(error)))
        else:
            exchange.begin(served, method, caller, self.patience_of(served), visit)
            exchange.ask(headers_of(scope), sent)

    def expected(self, served: Served, scope: Scope) -> str | None:
        """Who asks, if he may, and says that his body is of a length that is read.

        Whoever comes by a link is let in in the usual way: his meter is asked once.
        """
        length = headers_of(scope).get(b"content-length", b"")
        if not length.isdigit() or int(length) > served.options.body_limit:
            return None
        try:
            grant = self._access.admit(scope, served.name)
        except Exception:  # noqa: BLE001 - whatever it is, he is told in the usual way
            return None
        return caller_of(scope, grant) if grant.meter is None else None

    def _failed(self, error: Exception) -> NbserveError:
        self._log.write("".join(traceback.format_exception(error)))
        return NbserveError("The server failed.", "Its log has more.")

    def patience_of(self, served: Served) -> Patience:
        """Of this thread's loop; to ask for the running loop itself costs a call of the system."""
        key = (get_ident(), served.options.deadline_s)
        patience = self._patience.get(key)
        if patience is None or not patience.loop.is_running():
            patience = self._patience[key] = Patience(key[1], asyncio.get_running_loop())
        return patience

    def _is_call(self, served: Served, method: str, scope: Scope) -> bool:
        """Whether the model answers; one that was never seen answers what no resource does."""
        return method in served.methods or (served.may_answer(method) and not self._resources.answers(scope))

    def _admit_to(self, name: str, scope: Scope) -> Grant:
        grant = self._access.admit(scope, name)
        scope["nbserve.caller"] = caller_of(scope, grant)
        if grant.is_key or grant.meter is not None:  # a route of the user's might show them to its visitor
            for own in ("x-nbserve-page-token", "authorization"):
                take_in(scope, own)
        take_out_ours(scope)
        return grant

    def _admit_to_session(self, scope: Scope) -> Grant:
        admit = self._access.admit_to_pages if is_listing(scope) else self._access.admit_to_routes
        grant = admit(scope)
        scope["nbserve.caller"] = caller_of(scope, grant)
        take_out_ours(scope)
        return grant

    async def _to_fastapi(
        self,
        served: Served | None,
        scope: Scope,
        receive: Receive,
        send: Send,
        visit: Visit | None,
        *,
        is_guarded: bool = False,
    ) -> None:
        """A route answers, or nobody does: a link's visit is counted, and what code of the user's is asked is noted."""
        if visit is not None:
            visit.take(None)
            send = visit.counting(send)
        noting = self._noting(served, scope, send)
        begin = _as_it_is if noting is None else noting.begin

        async def onward(scope: Scope, receive: Receive, send: Send) -> None:
            await self.app.router(scope, begin(_bounded(receive)), send)

        try:
            if is_guarded:
                scope["nbserve.onward"] = onward
            else:
                receive = begin(receive)
            await self._in_fastapi(scope, receive, send if noting is None else noting.send)
        finally:
            if noting is not None:
                noting.end()

    def _noting(self, served: Served | None, scope: Scope, send: Send) -> Noting | None:
        """How a request for a route of the user's is noted; None for any other, and for what is only watched."""
        route = None if "nbserve.grant" not in scope else self._route_of(scope)
        if route is None or isinstance(route, EndpointRoute) or (served is not None and is_watching(scope)):
            return None
        return Noting(served, partial(model_of, scope, self._registry), getattr(route, "path", ""), scope, send)

    def _is_ours(self, scope: Scope) -> bool:
        """Whether what a link may always look at is what it looks like, and no code of the user's."""
        return isinstance(self._route_of(scope), EndpointRoute)

    def _route_of(self, scope: Scope) -> BaseRoute | None:
        """The route that will answer, as the application finds it."""
        return next((each for each in self.app.router.routes if each.matches(scope)[0] is Match.FULL), None)

    async def _in_fastapi(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - a route of the user's: answered 500, and raised again to be seen
            self._log.write("".join(traceback.format_exception(error)))
        except (SystemExit, KeyboardInterrupt) as error:  # the same; nothing has answered it
            self._log.write("".join(traceback.format_exception(error)))
            raise route_failed(error) from None

    async def _refuse(self, error: NbserveError, scope: Scope, receive: Receive, send: Send) -> None:
        own = await self.app.answer_for(error, Request(scope, receive)) if self.app.users_errors else None
        if own is not None:
            await own(scope, receive, send)
        elif wants_page(scope):
            page = error_response(error_body(error), STATUS[error.code], error_headers(error), scope)
            await page(scope, receive, send)
        else:
            await send_error(scope, send, error)


class _Sent:
    """Sends on, and knows whether an answer has begun. A visit that never came as far as the door is counted by it."""

    def __init__(self, send: Send, visit: Visit | None) -> None:
        self._send = send
        self._visit = visit
        self.has_begun = False
        self.is_let_in = False

    async def __call__(self, message: Any) -> None:
        self.has_begun = True
        if self._visit is not None and not self.is_let_in and message["type"] == "http.response.start":
            self._visit.end(is_error=message["status"] >= 400)
        await self._send(message)


def _as_it_is(receive: Receive) -> Receive:
    return receive


def _bounded(receive: Receive) -> Receive:
    size = 0

    async def counted() -> Any:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > BODY_LIMIT:
            raise BodyTooLarge(f"The body is larger than {BODY_LIMIT / 1024**2:g} MiB.", "Send less at a time.")
        return message

    return counted
