"""Endpoints as files: made of what one says, and written into one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from ..configuration import Configuration, Plan, configuration_from, read_configuration, written
from ..errors import OptionError
from ..settings import GIVEN, Layer, Settings

__all__ = ["Configured"]

Where = str | os.PathLike[str]


class Configured:
    """The half of an endpoint that is settings: it can be read from YAML, JSON, TOML or a dict, and written as such."""

    def __init__(self, model: object = None, **options: Any) -> None:
        raise NotImplementedError

    # --- read

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, model: object = None, **options: Any) -> Self:
        """The endpoint that is described. `model` and `options` go before what is; a `name` chooses among several.

        Raises `OptionError` with the place of what is wrong.
        """
        return cls._of(configuration_from(values), model, options)

    @classmethod
    def from_file(cls, path: Where, *, model: object = None, **options: Any) -> Self:
        """The same of a file, whose name tells what it is. The path of a model is seen from its folder."""
        return cls._of(read_configuration(path), model, options)

    @classmethod
    def from_yaml(cls, path: Where, *, model: object = None, **options: Any) -> Self:
        return cls._of(read_configuration(path, "yaml"), model, options)

    @classmethod
    def from_json(cls, path: Where, *, model: object = None, **options: Any) -> Self:
        return cls._of(read_configuration(path, "json"), model, options)

    @classmethod
    def from_toml(cls, path: Where, *, model: object = None, **options: Any) -> Self:
        return cls._of(read_configuration(path, "toml"), model, options)

    @classmethod
    def all_from_file(cls, path: Where) -> list[Self]:
        """Every endpoint of the file, in its order. Raises `OptionError`."""
        return [cls._planned(plan, None, {}) for plan in read_configuration(path).plans]

    @classmethod
    def _of(cls, configuration: Configuration, model: object, options: Mapping[str, Any]) -> Self:
        return cls._planned(configuration.one(options.get("name")), model, options)

    @classmethod
    def _planned(cls, plan: Plan, model: object, options: Mapping[str, Any]) -> Self:
        endpoint = cls(plan.model if model is None else model, **options)
        endpoint._tell(Settings.of(Layer(GIVEN, options), plan.layer))
        return endpoint

    # --- written

    def to_dict(self, *, model: bool | str = True) -> dict[str, Any]:
        """The address of the model, the name, and every option that somebody has set.

        `model` is another address to be written, or False: none is. Raises `OptionError` for a model that has none.
        """
        return self._described(model, None)

    def to_yaml(self, path: Where | None = None, *, model: bool | str = True) -> str:
        """The same as text, which is written to `path`; a model below its folder is written as seen from there."""
        return self._written("yaml", path, model)

    def to_json(self, path: Where | None = None, *, model: bool | str = True) -> str:
        return self._written("json", path, model)

    def to_toml(self, path: Where | None = None, *, model: bool | str = True) -> str:
        return self._written("toml", path, model)

    def _written(self, kind: str, path: Where | None, model: bool | str) -> str:
        file = None if path is None else Path(path).expanduser().resolve()
        text = written(self._described(model, None if file is None else file.parent), kind)
        if file is not None:
            _replace(file, text)
        return text

    def _described(self, model: bool | str, folder: Path | None) -> dict[str, Any]:
        name, told = self.name, self._settings_now().told()
        named = {} if "path" in told or not name else {"name": name}
        address = self._address_for(model, folder)
        return {**({} if address is None else {"model": address}), **named, **told}

    def _address_for(self, model: bool | str, folder: Path | None) -> str | None:
        if not isinstance(model, bool):
            return os.fspath(model)
        if model is False:
            return None
        address = self._address()
        if address is None:
            raise OptionError(
                f"The model of {self.name or 'this endpoint'} is an object in memory, which a file cannot hold.",
                "Save it first, and name its file: model='model.joblib'; or write the settings alone: model=False.",
            )
        is_near = folder is not None and Path(address).is_relative_to(folder)
        return Path(address).relative_to(folder).as_posix() if is_near and folder is not None else address

    # --- what an endpoint knows

    @property
    def name(self) -> str:
        raise NotImplementedError

    def _address(self) -> str | None:
        raise NotImplementedError

    def _settings_now(self) -> Settings:
        raise NotImplementedError

    def _tell(self, settings: Settings) -> None:
        raise NotImplementedError


def _replace(file: Path, text: str) -> None:
    """Write it as a whole or not at all. Raises `OptionError`."""
    begun = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        with begun.open("x", encoding="utf-8", newline="\n") as opened:
            opened.write(text)
        begun.replace(file)
    except OSError as error:
        begun.unlink(missing_ok=True)
        raise OptionError(
            f"{str(file)[:200]!r} cannot be written: {error.strerror}.", "Choose another place."
        ) from None
