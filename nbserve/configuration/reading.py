"""From a file of YAML, JSON or TOML to a document."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ..errors import OptionError, nearest
from .document import LARGEST_BYTES, Document, check_depth, fault, too_deep

__all__ = ["READERS", "SUFFIXES", "is_configuration", "read_document"]


def is_configuration(given: object) -> bool:
    """Whether it is the path of a file of settings, and not of a model."""
    if not isinstance(given, (str, os.PathLike)) or "://" in os.fspath(given):
        return False
    path = Path(given)
    return path.suffix.lower() in SUFFIXES and (path.suffix.lower() != ".json" or _holds_settings(path))


def _holds_settings(path: Path) -> bool:
    """A JSON file may be a model, too."""
    try:
        values = read_document(path, "json").values
    except OptionError:
        return False
    return isinstance(values, dict) and (
        isinstance(values.get("model"), str) or isinstance(values.get("endpoints"), dict)
    )


def read_document(path: str | os.PathLike[str], kind: str | None = None) -> Document:
    """What is in the file, which is YAML, JSON or TOML as `kind` says, or else its name. Raises `OptionError`."""
    if not isinstance(path, (str, os.PathLike)):
        raise OptionError(f"An object of type {type(path).__name__} is no path.", "Give the path of a file.")
    file = Path(path).expanduser()
    kind = kind or SUFFIXES.get(file.suffix.lower())
    if kind is None:
        raise OptionError(f"{file.name[:60]!r} is no file of settings.", f"Call it {', '.join(SUFFIXES)}.")
    document = READERS[kind](file.name, _text(file))
    check_depth(document.label, document.values)
    return document


def _text(file: Path) -> str:
    try:
        if not file.is_file():
            raise _no_file(file)
        with file.open("rb") as opened:
            sent = opened.read(LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OptionError(f"{str(file)[:200]!r} cannot be read: {reason}.", "Give the path of a file.") from None
    if len(sent) > LARGEST_BYTES:
        raise fault(file.name, f"It is larger than {LARGEST_BYTES // 1024} KiB.", "A file of settings is small.")
    try:
        return sent.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise fault(file.name, f"Byte {error.start} is no UTF-8.", "Save it as UTF-8.") from None


def _no_file(file: Path) -> OptionError:
    name = file.name[:200]
    if file.is_dir():
        return OptionError(f"{name!r} is a folder.", "Give the path of a file.")
    if file.exists() or file.is_symlink():
        return OptionError(f"{name!r} is no file, or a link to none.", "Give the path of a file.")
    return OptionError(f"There is no file {name!r}.{_near(file)}", "Give the path of a file.")


def _near(file: Path) -> str:
    if not file.parent.is_dir():
        return ""
    return nearest(file.name, [each.name for each in file.parent.iterdir() if each.suffix.lower() in SUFFIXES])


def _read_yaml(label: str, text: str) -> Document:
    from .yaml_text import read_yaml

    return read_yaml(label, text)


def _read_json(label: str, text: str) -> Document:
    def once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise fault(label, f"{key[:60]!r} is there twice.", "Keep one of them.")
            found[key] = value
        return found

    def no_number(word: str) -> Any:
        raise fault(label, f"{word} is no value.", "Write a number, or null.")

    try:
        return Document(label, json.loads(text, object_pairs_hook=once, parse_constant=no_number))
    except json.JSONDecodeError as error:
        raise fault(label, f"This is no JSON: {error.msg}.", "Correct it.", line=error.lineno) from None
    except RecursionError:
        raise too_deep(label) from None
    except ValueError:  # a number of thousands of digits
        raise fault(label, "A number is too long.", "Correct it.") from None


def _read_toml(label: str, text: str) -> Document:
    try:
        return Document(label, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise fault(label, f"This is no TOML: {error}.", "Correct it.") from None
    except RecursionError:
        raise too_deep(label) from None
    except ValueError:
        raise fault(label, "A number is too long.", "Correct it.") from None


READERS: dict[str, Callable[[str, str], Document]] = {"yaml": _read_yaml, "json": _read_json, "toml": _read_toml}

SUFFIXES = {".yaml": "yaml", ".yml": "yaml", ".toml": "toml", ".json": "json"}
