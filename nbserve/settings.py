"""What an endpoint was told in several places: by whom each option is set, and what is in force."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .errors import OptionError, nearest
from .options import OPTIONS, Options, option_named, option_names, options_from, read_option

__all__ = ["CONFIG", "DEFAULT", "ENVIRONMENT", "GIVEN", "Layer", "OptionsView", "Settings", "settings_table"]

GIVEN, CONFIG, ENVIRONMENT, DEFAULT = "given", "%config", "environment", "default"

_NAMES = ("name", "path")


@dataclass(frozen=True, slots=True)
class Layer:
    """Options by name, as one place says them: `origin` is the place. Shared ones hold for all endpoints."""

    origin: str
    given: Mapping[str, Any]
    is_shared: bool = False

    def says(self, name: str) -> bool:
        return self.given.get(name) is not None

    def place_of(self, name: str) -> str:
        """Where one would look for what it says: `NBSERVE_IDLE`, `%config Nbserve.idle_s`."""
        places = {ENVIRONMENT: option_named(name).variable, CONFIG: f"%config Nbserve.{name}"}
        return places.get(self.origin, self.origin)


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of one endpoint, read and checked, and the layers that they come from, the first of which counts."""

    layers: tuple[Layer, ...]
    options: Options

    @classmethod
    def of(cls, *layers: Layer) -> Settings:
        """Raises `OptionError`."""
        own = _merged(layer for layer in layers if not layer.is_shared)
        shared = tuple(layer for layer in layers if layer.is_shared)
        _check(shared)
        return cls(layers, options_from(own, _merged(shared)))

    @property
    def own(self) -> tuple[Layer, ...]:
        """What was said of this endpoint alone."""
        return tuple(layer for layer in self.layers if not layer.is_shared)

    def origin_of(self, name: str) -> str:
        """The place that has set the option as it is; `DEFAULT` where nobody has, or another option overrules it."""
        layers = [layer for layer in self.layers if any(map(layer.says, _NAMES if name in _NAMES else (name,)))]
        if not layers or not layers[0].says(name):
            return DEFAULT
        is_in_force = read_option(name, layers[0].given[name]) == getattr(self.options, name)
        return layers[0].origin if is_in_force else DEFAULT

    def told(self) -> dict[str, Any]:
        """The options that somebody has set, as they were read."""
        names = [option.name for option in OPTIONS if self.origin_of(option.name) != DEFAULT]
        return {name: getattr(self.options, name) for name in names}

    def changed(self, name: str, value: Any) -> Settings:
        """The same with one option given; None gives none. Raises `OptionError`."""
        layers = self.layers if self.layers[:1] and self.layers[0].origin == GIVEN else (Layer(GIVEN, {}), *self.layers)
        return Settings.of(replace(layers[0], given={**layers[0].given, name: value}), *layers[1:])

    def over(self, shared: Iterable[Layer]) -> Settings:
        """The same with what holds for all endpoints as it is now."""
        return Settings.of(*self.own, *shared)


def _check(shared: tuple[Layer, ...]) -> None:
    """Nobody has typed these here: what is wrong is told with its place. Raises `OptionError`."""
    for name, value in _merged(shared).items():
        try:
            read_option(name, value)
        except OptionError as error:
            layer = next(layer for layer in shared if layer.says(name))
            raise OptionError(f"{layer.place_of(name)}: {error.problem}", error.remedy) from None


def _merged(layers: Iterable[Layer]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for layer in reversed(tuple(layers)):
        if any(map(layer.says, _NAMES)):  # either of them is a name, and takes the place of the other
            merged = {name: value for name, value in merged.items() if name not in _NAMES}
        merged |= {name: value for name, value in layer.given.items() if value is not None}
    return merged


class OptionsView:
    """The options of an endpoint as attributes.

    To set one is to check it; `refresh` of the endpoint puts it into force. None gives up what was set.
    """

    __slots__ = ("_read", "_write")

    def __init__(self, read: Callable[[], Settings], write: Callable[[str, Any], None]) -> None:
        object.__setattr__(self, "_read", read)
        object.__setattr__(self, "_write", write)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._read().options, _known(name))

    def __setattr__(self, name: str, value: Any) -> None:
        self._write(_known(name), value)

    def __dir__(self) -> list[str]:
        return option_names()

    def __repr__(self) -> str:
        return settings_table(self._read())


def _known(name: str) -> str:
    if name not in option_names():
        # an AttributeError too, so that hasattr and completion find nothing there
        raise _NoSuchOption(f"There is no option {name!r}.{nearest(name, option_names())}", "dir() lists them.")
    return name


class _NoSuchOption(OptionError, AttributeError):
    pass


def settings_table(settings: Settings) -> str:
    """Every option with its value, its default, and where the value comes from."""
    rows = [("option", "value", "default", "from")]
    for option in OPTIONS:
        value = getattr(settings.options, option.name)
        rows.append((option.name, _shown(value), _shown(option.default), settings.origin_of(option.name)))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _shown(value: Any) -> str:
    return "–" if value is None else str(value)
