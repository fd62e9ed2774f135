"""What is left where a model was that was let go of."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any, NoReturn, SupportsIndex

from ..core.lifecycle import megabytes
from .holders import Notebook

__all__ = ["Forgotten"]


class Forgotten:
    """Stands where a model was that was unloaded with `--forget`, and never holds it.

    `load` brings the model of the endpoint `name` into memory and answers it.
    """

    __slots__ = ("__weakref__", "_load", "_notebook", "_what")

    _load: Callable[[], Any]
    _notebook: Notebook
    _what: str

    def __init__(self, name: str, type_name: str, size_bytes: int, load: Callable[[], Any], notebook: Notebook) -> None:
        weight = f" ({megabytes(size_bytes)})" if size_bytes else ""
        keep = super().__setattr__
        keep("_what", f"{type_name} {name!r}, unloaded{weight}")
        keep("_load", load)
        keep("_notebook", notebook)

    def restore(self) -> Any:
        """Load the model, put it back into the variables where this stands, and answer it. Raises `LoadError`."""
        model = self._load()
        self._notebook.put_back(self, model)
        return model

    def __repr__(self) -> str:
        return f"<{self._what}: {self._way_back} brings it back>"

    def _repr_html_(self) -> str:
        return f"{html.escape(self._what)}: <code>{html.escape(self._way_back)}</code> brings it back."

    def __dir__(self) -> list[str]:
        return ["restore"]

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"{self._what}: it has no {name} until {self._way_back} brings it back.", name=name, obj=self
        )

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{self._what}: {name} cannot be set until {self._way_back} brings it back.")

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError(f"{self._what}: there is nothing here to copy or to pickle. {self._way_back} brings it back.")

    @property
    def _way_back(self) -> str:
        """The code that restores it, by the user's own name for it."""
        names = self._notebook.variables(self)
        return f"{names[0]}.restore()" if names else "its restore()"
