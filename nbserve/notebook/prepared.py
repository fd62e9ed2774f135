"""A model that can be asked in this process, before anybody serves it."""

from __future__ import annotations

import weakref
from dataclasses import replace
from typing import Self

from ..core.served import Served
from ..options import Options
from ..settings import Settings
from .offer import Offer, look_again
from .session import Session

__all__ = ["Prepared"]


class Prepared:
    """What was offered to a session, and is kept by its endpoint's handle: it is called like what is served."""

    def __init__(self, session: Session, offer: Offer, settings: Settings) -> None:
        self._session = session
        self._offer = offer
        self._settings = settings
        self.served: Served = session.prepare(offer, settings)
        self._at_end = weakref.finalize(self, self.served.coroutines.retire)

    @classmethod
    def of(cls, session: Session, model: object, settings: Settings) -> Self:
        """Raises `ModelRefused`, and `LoadError` for a file that is none."""
        complete = session.settled(*settings.own)
        return cls(session, session.offer(model, complete.options), complete)

    @property
    def address(self) -> str | None:
        """Where the model is kept, if it is."""
        return self._offer.address

    def offer_for(self, options: Options) -> Offer:
        """The same model, as it is known by now, to be served. Raises `LoadError` where a file is not trusted."""
        return replace(self._offer.again(self.served, options), advice=self._offer.advice)

    def refresh(self, settings: Settings) -> None:
        """Take over changed options, and look at the model again. Raises `OptionError`, and what `analyse` raises."""
        wanted = self._session.settled(*settings.own)
        if wanted.options != self._settings.options:
            before, offer = self.served, self._offer.again(self.served, wanted.options)
            self.served, self._settings = self._session.prepare(offer, wanted), wanted
            before.retire([self.served])
            self._at_end.detach()
            self._at_end = weakref.finalize(self, self.served.coroutines.retire)
        look_again(self.served, self._session.look)

    def retire(self) -> None:
        """Somebody else answers for the model from now on."""
        self._at_end.detach()
        self.served.retire([])
