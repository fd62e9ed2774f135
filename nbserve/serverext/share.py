"""An endpoint by a link: for whoever has its token, and no account here."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable

from ..directory import Listing
from ..errors import AccessError, KernelGone, NbserveError, ShareEnded, SharingOff, TokenMissing, TokenRefused
from ..shares import Share, find_share
from .endpoint import is_watching
from .kernels import Kernels
from .passing import Way
from .proxy import Answer, ProxiedHandler, wants_page
from .shell import POLICY, has_shell, shell_of

__all__ = ["ShareHandler"]

REFUSED_AFTER_S = 0.1
"""So long after the question it is refused, whatever was wrong: the time tells nothing of what exists."""

BACK_IN_S = 5

LOOK_EVERY_S = 2.0
"""So often it is looked whether a link still opens what is being answered by it."""

_NOBODYS = Share("", secrets.token_hex(32), "", "", "", "", (), 0, "", 0, 0)
"""In place of a link that does not exist: no token opens it, and that takes as long to see."""


class ShareHandler(ProxiedHandler):
    """``{base}nbserve/s/{id}/…``

    No cookie and no token of Jupyter's counts here, and what counts here is worth nothing anywhere else. Identity,
    time and revocation are looked up with each request, and again while it is answered; what the link allows, its
    kernel sees to.
    """

    is_for_any_origin = True

    def initialize(self, kernels: Kernels, is_sharing: Callable[[], bool]) -> None:
        self._kernels = kernels
        self._is_sharing = is_sharing
        self._used = ""
        self._next_look: asyncio.TimerHandle | None = None

    async def admit(self) -> Way | Answer:
        if not self.check_host():
            raise AccessError("This server is not to be asked under that name.")
        if self.is_preflight():
            return self.answer_preflight
        if "token" in self.request.query_arguments:
            raise TokenRefused(
                "A token must not stand in the address, which is logged.", "Send it as 'Authorization: Bearer TOKEN'."
            )
        share_id, _, rest = self.request.path.removeprefix(f"{self.base_url}nbserve/s/").partition("/")
        token = self.bearer()
        if not token:
            return self._without_token(share_id, rest)
        share = await self._opened(share_id, token)
        listing = self._listing(share)
        path = f"/{share.name}/{rest}"
        if not is_watching(self.request.method, path):
            self._used = share.kernel_id
            self._kernels.begin_use(share.kernel_id)
        self._look_again_at(share.id)
        prefix = f"{self.base_url}nbserve/s/{share.id}"
        return Way(listing, path, prefix, share=share.id, hidden=f"/{share.name}")

    def on_end(self) -> None:
        if self._used:
            self._kernels.end_use(self._used)
            self._used = ""
        if self._next_look is not None:
            self._next_look.cancel()
            self._next_look = None

    def told(self, error: BaseException) -> BaseException:
        """Of a kernel he knows nothing, and can run none of its cells."""
        if not isinstance(error, KernelGone):
            return error
        self.set_header("Retry-After", str(BACK_IN_S))
        return _away()

    def _without_token(self, share_id: str, rest: str) -> Answer:
        """The page, which is the same for all links, and asks with the token. Raises `TokenMissing`."""
        if wants_page(self.request) and has_shell(share_id, rest):
            return lambda: self._show(share_id)
        raise TokenMissing("A token is needed.", "Send it as 'Authorization: Bearer TOKEN'; it is the end of the link.")

    def _show(self, share_id: str) -> None:
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish(shell_of(self.base_url, share_id))

    async def _opened(self, share_id: str, token: str) -> Share:
        """The share, for who has its token.

        Who has not is told one thing, at one time. Raises `TokenRefused`, `ShareEnded`, and `SharingOff`.
        """
        answered = asyncio.get_running_loop().time() + REFUSED_AFTER_S
        share = find_share(share_id)
        if not (share or _NOBODYS).opens_with(token) or share is None:
            await asyncio.sleep(answered - asyncio.get_running_loop().time())
            raise TokenRefused("This link opens nothing.", "Ask who gave it to you for a new one.")
        self._check_open(share)
        return share

    def _check_open(self, share: Share) -> None:
        """Raises `ShareEnded`, and `SharingOff`."""
        if share.revoked:
            raise ShareEnded("This link was revoked.", "Ask who gave it to you for a new one.")
        if share.has_expired(time.time()):
            raise ShareEnded("This link has expired.", "Ask who gave it to you for a new one.")
        if not self._is_sharing():
            raise SharingOff("Links are switched off here.", "Ask who gave it to you.")

    def _look_again_at(self, share_id: str) -> None:
        """An answer that does not end does not outlive its link."""
        self._next_look = asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._look, share_id)

    def _look(self, share_id: str) -> None:
        try:
            self._check_open(find_share(share_id) or _NOBODYS)
        except NbserveError:
            self.leave()
            self.cut()
        else:
            self._look_again_at(share_id)

    def _listing(self, share: Share) -> Listing:
        """Raises `KernelGone`."""
        listing = self._kernels.find(share.kernel_id, share.name)
        if listing is None:
            raise _away()
        return listing

    @property
    def content_security_policy(self) -> str:
        return f"{POLICY}, {super().content_security_policy}"


def _away() -> NbserveError:
    return KernelGone(
        "The notebook that serves this is away.", "The link works again when the notebook serves it again."
    )
