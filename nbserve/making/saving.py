"""An object in memory, as a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..core.blame import reason_of
from ..core.loaders.library import fetched
from ..errors import OptionError

__all__ = ["saved"]


def _joblib(model: Any, path: Path) -> None:
    fetched("joblib").dump(model, path)


def _cloudpickle(model: Any, path: Path) -> None:
    with path.open("wb") as file:
        fetched("cloudpickle").dump(model, file)


def _skops(model: Any, path: Path) -> None:
    fetched("skops.io").dump(model, path)


WAYS: dict[str, tuple[str, Callable[[Any, Path], None]]] = {
    "cloudpickle": (".pkl", _cloudpickle),
    "joblib": (".joblib", _joblib),
    "skops": (".skops", _skops),
}


def saved(model: object, folder: Path, way: str | None, name: str) -> Path:
    """The file in `folder` that holds the object from now on. Raises `OptionError`, `LoadError` without its library."""
    if way not in WAYS:
        said = "is kept nowhere yet" if way is None else f"cannot be kept as {way!r}"
        raise OptionError(
            f"An object of type {type(model).__name__} {said}.", f"Say how: save={' or '.join(map(repr, WAYS))}."
        )
    suffix, write = WAYS[way]
    path = folder / f"{name}{suffix}"
    try:
        write(model, path)
    except OptionError:
        raise
    except Exception as error:  # the user's object may do anything while it is written
        path.unlink(missing_ok=True)
        raise OptionError(
            f"{type(model).__name__} cannot be kept as {way}: {reason_of(error)}.", "Try another way."
        ) from error
    return path
