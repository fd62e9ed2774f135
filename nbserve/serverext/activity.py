"""Keeps kernels that serve from looking idle."""

from __future__ import annotations

from tornado.ioloop import PeriodicCallback

from ..directory import sweep
from ..servers import sweep_servers
from ..shares import sweep_shares
from .asking import Asking
from .kernels import Kernels

__all__ = ["Watch"]


class Watch:
    """Looks now and then at what endpoints were asked past this server, and tells it as their kernels' activity.

    It does so whether a culler is set up here or not: those of hubs and clusters look at the same times from outside,
    and cannot be seen from here. It costs one small request an endpoint. What ended kernels left is swept, too.
    """

    def __init__(self, kernels: Kernels, asking: Asking, every_s: float) -> None:
        self._kernels = kernels
        self._asking = asking
        self._turns = PeriodicCallback(self.look, every_s * 1000)

    def start(self) -> None:
        self._turns.start()

    def stop(self) -> None:
        self._turns.stop()

    async def look(self) -> None:
        for each in (sweep, sweep_servers, sweep_shares):
            each()
        self._kernels.note_lasting_use()
        for listing, told in await self._asking.all(self._kernels.listed()):
            if told is None:
                continue
            if told["counters"].get("in_flight"):
                self._kernels.note_use(listing.kernel_id)
            elif isinstance(seconds_ago := told.get("last_used_s"), (int, float)):
                self._kernels.note_use(listing.kernel_id, seconds_ago)
