"""Loaders of the user's own, for files of his own kind: registered in one line, and asked before all others."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, overload

from ...errors import LoadError, OptionError, nearest
from ..blame import reason_of
from .classes import named
from .loader import Loaded, Loader, Look, Reading

__all__ = ["register_loader", "registered", "unregister_loader"]

Load = TypeVar("Load", bound=Callable[[Path], Any])
Sniff = Callable[[Path, bytes], bool]

_SUFFIX = re.compile(r"\.[a-z0-9][a-z0-9_.-]{0,31}")

_own: dict[str, Loader] = {}
"""By suffix; what was registered last is asked first."""


@overload
def register_loader(suffix: str, load: Load, *, sniff: Sniff | None = None, runs_code: bool = False) -> Load: ...
@overload
def register_loader(
    suffix: str, load: None = None, *, sniff: Sniff | None = None, runs_code: bool = False
) -> Callable[[Load], Load]: ...
def register_loader(suffix: str, load: Any = None, *, sniff: Sniff | None = None, runs_code: bool = False) -> Any:
    """Have files with this suffix loaded by `load(path)`, which answers the model; or decorate it.

    With `sniff(path, beginning)` they are told by their content: the beginning are their first 64 kB. `runs_code`:
    loading one may run code that is in it, so that it needs `--trust`. Registered again, the suffix is the newer one's.
    Raises `OptionError` for what cannot load a file.
    """
    ending = _suffix(suffix)
    if load is None:
        return lambda decorated: register_loader(suffix, decorated, sniff=sniff, runs_code=runs_code)
    _check_callable(load, "load", 1)
    if sniff is not None:
        _check_callable(sniff, "sniff", 2)
    _own.pop(ending, None)
    _own[ending] = Loader(
        f"own{ending}", named(load), (ending,), _sniffing(ending, sniff), _loading(load), runs_code=bool(runs_code)
    )
    return load


def unregister_loader(suffix: str) -> None:
    """Take back what was registered for the suffix. Raises `OptionError` if nothing was."""
    if _own.pop(_suffix(suffix), None) is None:
        raise OptionError(
            f"No loader is registered for {suffix!r}.{nearest(suffix, list(_own))}", "Nothing was changed."
        )


def registered() -> tuple[Loader, ...]:
    """The newest first."""
    return tuple(reversed(tuple(_own.values())))


def _suffix(given: Any) -> str:
    if not isinstance(given, str) or not _SUFFIX.fullmatch(given.lower()):
        raise OptionError(
            f"A file's suffix cannot be {given!r}.", "Allowed: a dot with letters and digits, such as .abc."
        )
    return given.lower()


def _check_callable(given: Any, what: str, arguments: int) -> None:
    takes = "path" if arguments == 1 else "path, beginning"
    if not callable(given) or inspect.iscoroutinefunction(given):
        raise OptionError(f"{what} cannot be {given!r}.", f"Allowed: a function, {what}({takes}).")
    try:
        inspect.signature(given).bind(*(None,) * arguments)
    except TypeError as error:
        raise OptionError(
            f"{named(given)} cannot be called as {what}({takes}): {error}.", "Let it take these."
        ) from None
    except ValueError:  # written in C, and does not tell
        return


def _sniffing(suffix: str, sniff: Sniff | None) -> Callable[[Look], bool]:
    def is_own(look: Look) -> bool:
        is_called_so = look.name.lower().endswith(suffix)
        if sniff is None:
            return is_called_so
        try:
            return bool(sniff(look.path, look.head))
        except Exception as error:  # the user's own code, asked about any file
            if not is_called_so:
                return False
            raise LoadError(f"{named(sniff)} could not tell what {look.name} is: {reason_of(error)}.") from error

    return is_own


def _loading(load: Callable[[Path], Any]) -> Callable[[Reading], Loaded]:
    def loaded(reading: Reading) -> Loaded:
        model = load(reading.path)
        if model is None:
            raise LoadError(f"{named(load)} answered None for {reading.path.name}.", "Let it answer the model.")
        return Loaded(model)

    return loaded
