"""What a document means: endpoints to be served, each with its model and its options."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import OptionError, nearest
from ..options import OPTIONS, read_option
from ..settings import Layer, Settings
from .document import Document, Keys
from .reading import read_document

__all__ = ["Configuration", "Plan", "configuration_from", "read_configuration"]

MODEL, ENDPOINTS = "model", "endpoints"

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:(?:/|:[a-z])")
"""`s3://bucket/key`, `models:/name/1`, `zip::s3://…`; a drive has one letter."""

_NAMES = {option.name: option for option in OPTIONS}
_LABELS = {option.label.replace("-", "_"): option.name for option in OPTIONS}


@dataclass(frozen=True, slots=True)
class Plan:
    """One endpoint as it is described. `model` is the address of its model, None where none is named."""

    label: str
    model: str | None
    layer: Layer

    @property
    def name(self) -> str | None:
        return Settings.of(self.layer).options.wanted_name

    @property
    def address(self) -> str:
        """Raises `OptionError` where no model is named."""
        if self.model is None:
            raise OptionError(f"{self.label} names no model.", "Write 'model: FILE', or give one: model=….")
        return self.model


@dataclass(frozen=True, slots=True)
class Configuration:
    """All endpoints of one file."""

    label: str
    plans: tuple[Plan, ...]

    def one(self, name: str | None = None) -> Plan:
        """The endpoint of that name, or the only one. Raises `OptionError`."""
        if len(self.plans) == 1:
            return self.plans[0]
        names = [str(plan.name) for plan in self.plans]
        if name in names:
            return self.plans[names.index(name)]
        if name is not None:
            raise OptionError(
                f"{self.label} has no endpoint {name!r}.{nearest(name, names)}", f"It has {', '.join(names)}."
            )
        raise OptionError(
            f"{self.label} holds {len(names)} endpoints: {', '.join(names)}.", "Name one of them: name=…."
        )


def read_configuration(path: str | os.PathLike[str], kind: str | None = None) -> Configuration:
    """The endpoints of a file of YAML, JSON or TOML, with all of their options checked. Raises `OptionError`.

    The path of a model is seen from the folder of the file.
    """
    return _configuration(read_document(path, kind), Path(path).expanduser().resolve().parent)


def configuration_from(values: Mapping[str, Any], label: str = "the dict") -> Configuration:
    """The same of values in memory; the path of a model is seen from the working directory. Raises `OptionError`."""
    return _configuration(Document(label, values), Path.cwd())


def _configuration(document: Document, folder: Path) -> Configuration:
    values = document.values
    if not isinstance(values, Mapping) or not values:
        raise document.fault((), "There are no settings.", "Write 'model: FILE', and options as 'name: value'.")
    if ENDPOINTS not in values:
        return Configuration(document.label, (_plan(document, (), values, {}, folder),))
    shared = _shared(document, {key: value for key, value in values.items() if key != ENDPOINTS})
    plans = tuple(_plan(document, keys, each, shared, folder) for keys, each in _endpoints(document, values))
    return Configuration(document.label, plans)


def _endpoints(document: Document, values: Mapping[str, Any]) -> Iterator[tuple[Keys, Mapping[str, Any]]]:
    found = values[ENDPOINTS]
    if not isinstance(found, Mapping) or not found:
        raise document.fault(
            (ENDPOINTS,), "There are no endpoints by name.", "Write 'endpoints: {churn: {model: FILE}}'."
        )
    for name, each in found.items():
        if not isinstance(each, Mapping):
            raise document.fault((ENDPOINTS, str(name)), "This is no endpoint.", "Write 'model: FILE' below its name.")
        yield (ENDPOINTS, str(name)), each


def _shared(document: Document, values: Mapping[str, Any]) -> dict[str, Any]:
    """What holds for all endpoints of the file."""
    if MODEL in values:
        raise document.fault((MODEL,), f"{MODEL!r} is of one endpoint.", f"Write it below {ENDPOINTS}.")
    given = _options(document, (), values)
    for key in values:
        name = _option(key)
        if name is None or not _NAMES[name].is_shared:
            raise document.fault((key,), f"{key!r} is of one endpoint.", f"Write it below {ENDPOINTS}.")
    return given


def _plan(document: Document, keys: Keys, values: Mapping[str, Any], shared: Mapping[str, Any], folder: Path) -> Plan:
    own = _options(document, keys, {key: value for key, value in values.items() if key != MODEL})
    if keys:
        own = {"name": _named(document, keys, own), **{name: each for name, each in own.items() if name != "path"}}
    layer = Layer(document.label, {**shared, **own})
    try:
        Settings.of(layer)  # each is right by itself; together they may exclude each other
    except OptionError as error:
        raise document.fault(keys, error.problem, error.remedy) from None
    return Plan(document.label, _model(document, keys, values.get(MODEL), folder), layer)


def _named(document: Document, keys: Keys, own: Mapping[str, Any]) -> str:
    """The name of an endpoint is its key; it may be repeated, and not be another."""
    name = keys[-1]
    _checked(document, keys, "name", name)
    if any(own.get(each, name) not in (name, f"/{name}") for each in ("name", "path")):
        raise document.fault(keys, "It has two names.", "Its name is its key: leave 'name' and 'path' away.")
    return name


def _options(document: Document, keys: Keys, values: Mapping[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for key, value in values.items():
        place = (*keys, str(key))
        name = _option(key)
        if name is None:
            known = [MODEL, ENDPOINTS, *_NAMES, *_LABELS]
            remedy = f"There are {', '.join(sorted({MODEL, *_NAMES}))}."
            raise document.fault(place, f"There is no option {str(key)[:60]!r}.{nearest(str(key), known)}", remedy)
        if name in given:
            raise document.fault(place, f"{_NAMES[name].label} is there twice, in two spellings.", "Keep one of them.")
        if value is not None:
            _checked(document, place, name, value)
        given[name] = value
    return given


def _option(key: object) -> str | None:
    """The option's name: it may be written as in Python, or as a flag without its dashes."""
    name = key.replace("-", "_") if isinstance(key, str) else ""
    return name if name in _NAMES else _LABELS.get(name)


def _checked(document: Document, keys: Keys, name: str, value: Any) -> None:
    try:
        read_option(name, value)
    except OptionError as error:
        raise document.fault(keys, error.problem, error.remedy) from None


def _model(document: Document, keys: Keys, given: Any, folder: Path) -> str | None:
    if given is None:
        return None
    if not isinstance(given, (str, os.PathLike)) or not str(given).strip() or "\0" in str(given):
        raise document.fault((*keys, MODEL), "The model is no path and no address.", "Write 'model: FILE'.")
    address = os.fspath(given)
    return address if _ADDRESS.match(address) else str(folder / Path(address).expanduser())
