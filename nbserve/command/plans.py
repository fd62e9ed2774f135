"""What is to be served: the words of the command line, as plans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..configuration import Plan, is_configuration, read_configuration
from ..errors import Conflict, OptionError
from ..notebook.offer import Offer
from ..notebook.session import Session
from ..settings import GIVEN, Layer, Settings

__all__ = ["FOREGROUND", "OF_SERVER", "check_agreement", "offers_of", "plans_of"]

FOREGROUND = {"port": 8000, "eager": True}
"""What is different from a notebook, by default: the address is known, and whether the models can be loaded, too."""

OF_SERVER = ("port", "host", "certfile", "keyfile")
"""Options that are not of one endpoint alone."""

Offered = tuple[Offer, Settings]


def plans_of(words: Iterable[str]) -> list[Plan]:
    """A plan for each endpoint: of a file of settings as many as it describes. Raises `OptionError`."""
    plans: list[Plan] = []
    for word in words:
        if is_configuration(word):
            plans += read_configuration(word).plans
        else:
            plans.append(Plan(Path(word).name, word, Layer(GIVEN, {})))
    return plans


def check_agreement(plans: Iterable[Plan]) -> None:
    """One server answers for all of them. Raises `OptionError`."""
    plans = list(plans)
    for name in OF_SERVER:
        saying = [plan for plan in plans if plan.layer.says(name)]
        said = {str(plan.layer.given[name]) for plan in saying}
        if len(said) > 1:
            labels = ", ".join(dict.fromkeys(plan.label for plan in saying))
            problem = f"{labels}: the endpoints want {name}s {' and '.join(sorted(said))}."
            raise OptionError(problem, f"One server answers for all: say it once, beside 'endpoints', or as --{name}.")


def offers_of(session: Session, plans: Iterable[Plan], given: Mapping[str, Any]) -> list[Offered]:
    """What can be served of the plans, with what was given to all of them; nothing is served or loaded yet.

    Raises `OptionError`, `LoadError`, and `Conflict` for two of one name.
    """
    plans = list(plans)
    if len(plans) > 1 and ("name" in given or "path" in given):
        raise OptionError(f"One name cannot be that of {len(plans)} endpoints.", "Leave --name and --path away.")
    check_agreement([Plan(plan.label, plan.model, Layer(GIVEN, {**plan.layer.given, **given})) for plan in plans])
    offers = [_offer_of(session, plan, given) for plan in plans]
    names = [settings.options.wanted_name or offer.name for offer, settings in offers]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise Conflict(f"Two endpoints would be called {twice}.", "Name them in a file of settings.")
    return offers


def _offer_of(session: Session, plan: Plan, given: Mapping[str, Any]) -> Offered:
    settings = session.settled(Layer(GIVEN, given), plan.layer)
    return session.offer(plan.address, settings.options), settings
