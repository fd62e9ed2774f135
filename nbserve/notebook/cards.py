"""The cards of a session, and what they show."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from ..core.served import Served
from .wording import curl_line

if TYPE_CHECKING:
    from .card import Card
    from .pulse import Pulse

__all__ = ["Cards", "entry_of"]


class Cards:
    """One card a name, kept alive by one pulse: a cell that is run again shows the same truth as all its copies.

    `read(name)` gives what a card shows (None: of everything), `obey(order, name)` carries out what its buttons say,
    `ask(name, verb, path, body)` what the endpoint's routes answer. While `is_busy` a cell runs.
    """

    def __init__(
        self,
        read: Callable[[str | None], dict[str, Any]],
        obey: Callable[[str, str], str],
        ask: Callable[[str, str, str, Any], tuple[int, Any]],
        *,
        can_show: bool,
    ) -> None:
        self.is_busy = False
        self._read = read
        self._obey = obey
        self._ask = ask
        self._can_show = can_show
        self._made: dict[str | None, Card] = {}
        self._pulse: Pulse | None = None
        self._lock = threading.Lock()

    def show(self, name: str | None) -> bool:
        """Display the card of one endpoint, or the dashboard; False where cards cannot be shown."""
        if not self._can_show:
            return False
        from IPython.display import display

        bundle = self._card(name)._repr_mimebundle_()
        if bundle is None:  # the widgets of this kernel are switched off
            return False
        data, metadata = bundle
        display(data, metadata=metadata, raw=True)  # type: ignore[no-untyped-call]  # IPython is untyped
        return True

    def wake(self) -> None:
        """Something happened: let them show it at once."""
        if self._pulse is not None:
            self._pulse.wake()

    def close(self) -> None:
        for card in self._made.values():
            card.close()
        self._made.clear()
        if self._pulse is not None:
            self._pulse.stop()

    def _card(self, name: str | None) -> Card:
        from .card import Card
        from .pulse import Pulse

        with self._lock:
            if self._pulse is None:
                self._pulse = Pulse()
            card = self._made.get(name)
            if card is None:
                card = self._made[name] = Card(
                    partial(self._read, name), self._obey, self._ask, is_busy=lambda: self.is_busy
                )
                self._pulse.add(card)
        return card


def entry_of(
    served: Served, url: str, token: str | None, *, elsewhere: Iterable[str] = (), trusted: str | None = None
) -> dict[str, Any]:
    """What a card shows of one endpoint: plain JSON, with its token, for the notebook's owner.

    `elsewhere` are the URLs of the server for other machines; `trusted` is a certificate that callers must be told.
    """
    profile = served.profile
    return {
        **served.metadata(),
        "holders": list(served.holders()),
        "url": url,
        "addresses": [f"{each}{served.name}/" for each in elsewhere],
        "page_url": url if token is None else f"{url}?token={token}",
        "token": token,
        "model": {
            "type": profile.type_name,
            "library": profile.library,
            "library_version": profile.library_version,
            "task": str(profile.task),
            "classes": None if profile.classes is None else list(profile.classes),
            "features": [feature.to_dict() for feature in profile.features],
        },
        "signatures": [str(method.signature) for method in served.methods.values()],
        "history": served.traffic.history(),
        "curl": curl_line(f"{url}{profile.main.method}/", token, profile.main.example, trusted),
    }
