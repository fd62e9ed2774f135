"""What was given to `serve`, made ready to be served: an object, a file, a component or a resource."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..core.analysis import analyse, unseen
from ..core.artifact import Artifact, artifact_of
from ..core.component import Component
from ..core.custom import FileComponent, ModelComponent, component_of, unwrapped
from ..core.lifecycle import Source
from ..core.loaders import EXAMPLE, example_of
from ..core.schema import Profile
from ..core.served import Served
from ..core.storages import Address, is_address
from ..options import Options
from ..settings import Settings
from .naming import name_for, name_from

__all__ = ["Offer", "Told", "address_of", "look_again", "look_of", "offer_of"]

NOTEBOOK = "the notebook"


@dataclass(frozen=True, slots=True)
class Offer:
    """What can be served. `name` is for when none was asked for.

    `origin` tells what it is a version of: under one name, another version is a swap, and anything else a clash.
    `look` finds the profile anew when the model is loaded; without `is_seen` it never was. `advice` is a sentence for
    its owner. `address` is where a model is that is kept somewhere.
    """

    component: Component[Any]
    profile: Profile
    name: str
    origin: str
    look: Callable[[Any], Profile] | None = None
    is_seen: bool = True
    title: str | None = None
    resource: Any = None
    replaced: frozenset[str] = frozenset()
    advice: str = ""
    address: str | None = None

    def again(self, served: Served, options: Options) -> Offer:
        """The same as it is known by now, for other options. Raises `LoadError` where they trust the file no more."""
        _settle_trust(self.component.source, self.resource, options)
        return replace(self, profile=served.found, is_seen=served.is_described, advice="")


_KNOWN_BY_NOW = unseen("")
"""What is served knows it better than the offer did, and need not keep both."""


class Told:
    """What is served, and what it was told: `settings` are in force, `wanted` those from the next refresh on."""

    def __init__(self, offer: Offer, settings: Settings) -> None:
        self.offer = replace(offer, profile=_KNOWN_BY_NOW)
        self.settings = self.wanted = settings


def address_of(given: object) -> str | None:
    """Where a model is that was given by its address, without what opens it; None for an object."""
    if not isinstance(given, (str, os.PathLike)):
        return None
    address = os.fspath(given)
    return Address.read(address).shown if is_address(address) else str(Path(address).expanduser().resolve())


def look_of(namespace: Mapping[str, Any]) -> Callable[[Any], Profile]:
    """What looks at a model, with the user's variables at hand."""
    return partial(_seen, namespace)


def look_again(served: Served, look: Callable[[Any], Profile]) -> None:
    """Describe the model anew where it is in memory, else with its next load. Raises what `analyse` raises."""
    for place in (served.component, served.component.source):
        profile = place.peek(lambda model: look(unwrapped(model)))
        if profile is not None:
            served.describe(profile)
            served.is_described = True
            return
    served.look_with(look)


def offer_of(
    given: object, options: Options, namespace: Mapping[str, Any], source_of: Callable[[object], Source[Any]]
) -> Offer:
    """`source_of` gives the source of a live object. Raises `ModelRefused`, and `LoadError` for a missing file."""
    from ..web.resources import ModelResource

    look = look_of(namespace)
    if isinstance(given, (str, os.PathLike)):
        return _of_file(given, options, look, namespace)
    if isinstance(given, ModelComponent):
        return _of_component(given, look)
    if isinstance(given, ModelResource) or (isinstance(given, type) and issubclass(given, ModelResource)):
        return _of_resource(given, options, look)
    profile = look(unwrapped(given))
    component = Component(source_of(given), given)
    return Offer(component, profile, name_for(given, profile.type_name, namespace), NOTEBOOK)


def _seen(namespace: Mapping[str, Any], model: Any) -> Profile:
    return analyse(model, namespace=dict(namespace))


def _seen_with_example(
    look: Callable[[Any], Profile], source: Artifact, namespace: Mapping[str, Any], model: Any
) -> Profile:
    """What `look` sees, with the rows at hand that were saved with the model."""
    example = example_of(source.meta)
    return look(model) if example is None else _seen({**namespace, EXAMPLE: example}, model)


def _of_file(
    path: str | os.PathLike[str], options: Options, look: Callable[[Any], Profile], namespace: Mapping[str, Any]
) -> Offer:
    source = artifact_of(path, options, namespace)
    profile = unseen(source.label, source.peek_header())
    offer = Offer(
        Component(source),
        profile,
        name_from(source.stem),
        source.origin,
        partial(_seen_with_example, look, source, namespace),
        is_seen=False,
        advice=source.advice,
    )
    return replace(offer, address=source.origin)


def _of_component(given: ModelComponent, look: Callable[[Any], Profile]) -> Offer:
    component = component_of(given)
    known = component.peek(lambda model: look(unwrapped(model)))
    kind = type(given)
    return Offer(
        component,
        known or unseen(kind.__name__),
        name_from(kind.__name__),
        f"{kind.__module__}.{kind.__qualname__}",
        look,
        is_seen=known is not None,
    )


def _of_resource(given: Any, options: Options, look: Callable[[Any], Profile]) -> Offer:
    from ..web.resources import replaced_by, resource_of

    resource = resource_of(given)
    assert resource.component is not None  # `resource_of` refuses one without
    kind = type(resource)
    offer = _of_component(resource.component, look)
    if isinstance(resource.component, FileComponent):
        resource.component.file.ask(options)
        offer = replace(offer, advice=resource.component.file.advice)
    return replace(
        offer,
        name=resource.name or name_from(kind.__name__),
        origin=f"{kind.__module__}.{kind.__qualname__}",
        title=resource.verbose_name,
        resource=resource,
        replaced=replaced_by(resource),
    )


def _settle_trust(source: Source[Any], resource: Any, options: Options) -> None:
    file = resource.component.file if isinstance(getattr(resource, "component", None), FileComponent) else source
    if isinstance(file, Artifact):
        file.ask(options)
