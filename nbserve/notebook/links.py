"""The links of this kernel's endpoints: made, listed, revoked, and taken along by the notebook that made them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..core.registry import Registry
from ..core.served import Served
from ..errors import NotFound, OptionError, ServerError, SharingOff, nearest
from ..servers import JupyterServer, allow_sharing, own_server
from ..shares import Share, adopt_shares, new_share, revoke_share, shares, sweep_shares, use_of
from ..terms import terms_from
from .announcing import kernel_id, notebook

if TYPE_CHECKING:
    from ..web.meters import Meters
    from ..web.resources import ResourceRoutes

__all__ = ["Links"]


class Links:
    """What is shared of a session; `meters` know what it was used for. Raises `NbserveError`s. Thread-safe."""

    def __init__(self, registry: Registry, resources: ResourceRoutes, meters: Meters) -> None:
        self._registry = registry
        self._resources = resources
        self._meters = meters

    def share(self, name: str, origin: str = "", **given: Any) -> dict[str, Any]:
        """A new link to the endpoint, with its token, which nobody is told again.

        `origin` is where its maker has found the Jupyter server; what that says of itself goes before.
        """
        served, terms = self._registry[name], terms_from(given)
        self._check_methods(served, terms.methods)
        kernel, server = _sharing_server(name, is_allowed=terms.allow)
        now = time.time()
        with _told():
            sweep_shares()
            share, token = new_share(
                name=name,
                notebook=notebook(),
                kernel_id=kernel,
                label=terms.label,
                methods=terms.methods,
                until=now + terms.for_s,
                rate=terms.rate,
                rows=terms.rows,
                created=now,
            )
        entry = self._entry(share, server)
        link = f"{_address(server, origin)}nbserve/s/{share.id}/#{token}"
        return {**entry, "link": link, "token": token}

    def shares(self, name: str | None = None) -> list[dict[str, Any]]:
        """All of this notebook's, or of one name of it, served now or not: the newest first, and never a token."""
        server = own_server()
        return [self._entry(share, server) for share in self._own() if name in (None, share.name)]

    def revoke(self, word: str, name: str | None = None) -> list[dict[str, Any]]:
        """Those that opened nothing any more from now on: the link of that id, or all of that endpoint.

        With a `name` the link must be of that endpoint. Raises `NotFound`.
        """
        own = [share for share in self._own() if name in (None, share.name)]
        meant = [share for share in own if share.id == word]
        if not meant and name is None:
            meant = [share for share in own if share.name == word and not share.revoked]
        if not meant:
            known = [share.id for share in own if not share.revoked]
            raise NotFound(f"There is no link {word[:64]!r}.{nearest(word, known)}", "%nbserve shares lists them.")
        with _told():
            return [self._entry(revoke_share(share), own_server()) for share in meant]

    def adopt(self, name: str) -> None:
        """The name is served now: the links that this notebook made to it lead here."""
        kernel = kernel_id()
        if kernel is not None:
            with contextlib.suppress(OSError):  # the endpoint is served all the same; only its old links are not
                for share in adopt_shares(name, kernel, notebook()):
                    self._meters.forget(share.id)

    def _check_methods(self, served: Served, methods: Sequence[str]) -> None:
        """Raises `OptionError` for one that the endpoint does not have, as far as that is known."""
        routes = [route.path_format.split("/")[2] for route in self._resources.of([served.name])]
        known = list(dict.fromkeys([*served.methods, "inspect", *routes]))
        for word in methods if served.is_described else ():
            if word not in known:
                problem = f"{served.name} has no method {word!r}.{nearest(word, known)}"
                raise OptionError(problem, f"It has {', '.join(known)}.")

    def _own(self) -> list[Share]:
        kernel = kernel_id()
        return [] if kernel is None else [share for share in shares() if share.is_of(kernel, notebook())]

    def _entry(self, share: Share, server: JupyterServer | None) -> dict[str, Any]:
        use = self._meters.use_of(share.id) if share.kernel_id == kernel_id() else use_of(share.id)
        return {
            "id": share.id,
            "name": share.name,
            "path": f"{server.base if server else '/'}nbserve/s/{share.id}/",
            "label": share.label,
            "methods": list(share.methods) or None,
            "rate": share.rate or None,
            "rows": share.rows or None,
            "created": _moment(share.created),
            "until": _moment(share.until),
            "state": _state(share, use.rows),
            "served": share.name in self._registry,
            "uses": {
                "requests": use.requests,
                "rows": use.rows,
                "errors": use.errors,
                "refused": use.refused,
                "last_used": _moment(use.last_used),
            },
        }


def _state(share: Share, rows: int) -> str:
    if share.revoked:
        return "revoked"
    if share.has_expired(time.time()):
        return "expired"
    return "used up" if share.rows and rows >= share.rows else "open"


def _sharing_server(name: str, *, is_allowed: bool) -> tuple[str, JupyterServer]:
    """The kernel's id, and the server that answers its links. Raises `SharingOff`, and says what turns it on."""
    kernel, server = kernel_id(), own_server()
    if kernel is None or server is None:
        raise SharingOff(
            "Links are answered by a Jupyter server with nbserve's extension, and none runs this.",
            "On your own network, serve it with --host 0.0.0.0.",
        )
    if server.sharing == "off":
        setting = 'c.NbserveExtension.sharing = "off"'
        raise SharingOff(f"This Jupyter server shares nothing: {setting}.", "Its configuration has to be changed.")
    if is_allowed:
        with _told():
            allow_sharing(server)
    elif not server.is_sharing:
        raise SharingOff(
            "Links are off, since they let in people without an account here.",
            f"Allow them with %nbserve share {name} --allow, as long as this server runs; "
            'for good with c.NbserveExtension.sharing = "on" in its configuration.',
        )
    return kernel, server


def _address(server: JupyterServer, origin: str) -> str:
    return server.public_url or (f"{origin}{server.base}" if origin else server.url)


def _moment(seconds: float) -> str | None:
    """As ISO 8601 has it; None of never."""
    if not seconds:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


@contextlib.contextmanager
def _told() -> Any:
    """A folder that cannot be written is an error like any."""
    try:
        yield
    except OSError as error:
        problem = f"The link cannot be recorded: {error.strerror or error}."
        raise ServerError(problem, "It is a file of Jupyter's runtime directory.") from None
