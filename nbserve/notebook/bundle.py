"""ES modules put together into one: all that a widget may bring."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

__all__ = ["module_of", "modules_of", "styles_of", "styles_within"]

_IMPORT = re.compile(r'^import \{([^}]*)\} from "([^"]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|class) (\w+))", re.MULTILINE)
_SECTION = re.compile(r"^/\* ([^*\n]+) \*/\n(.*?)(?=^/\* |\Z)", re.MULTILINE | re.DOTALL)
_NOTHING = re.compile(r"^export \{\};$\n", re.MULTILINE)


def module_of(entry: Path) -> str:
    """The module, with all that it imports before it; each keeps its names to itself, and shares what it exports."""
    *others, last = modules_of(entry)
    names = {path: f"module{number}" for number, path in enumerate(others)}
    return "\n".join([*(_wrapped(path, names) for path in others), _bound(last, names)])


def styles_of(entry: Path) -> str:
    """The styles of the same modules, in their order: those of `name.js` are in `name.css` beside it."""
    beside = (path.with_suffix(".css") for path in modules_of(entry))
    return "\n".join(path.read_text("utf-8") for path in beside if path.exists())


def styles_within(selector: str, sheet: Path, sections: Iterable[str]) -> str:
    """Some sections of a style sheet, which begin with a comment of their name, for what is inside of `selector`."""
    found = dict(_SECTION.findall(sheet.read_text("utf-8")))
    return f"{selector} {{\n{''.join(found[name] for name in sections)}}}\n"


def modules_of(entry: Path) -> list[Path]:
    """The module and all that it imports, each behind those it imports. Raises ValueError where that is a circle."""
    found: list[Path] = []
    _visit(entry.resolve(), (), found)
    return found


def _visit(path: Path, importers: tuple[Path, ...], found: list[Path]) -> None:
    if path in found:
        return
    if path in importers:
        raise ValueError(f"{path.name} imports itself, by way of {importers[-1].name}.")
    for _, address in _IMPORT.findall(path.read_text("utf-8")):
        _visit((path.parent / address).resolve(), (*importers, path), found)
    found.append(path)


def _wrapped(path: Path, names: dict[Path, str]) -> str:
    """The module as a value: an object of what it exports."""
    source = _NOTHING.sub("", _bound(path, names))
    exported = ", ".join(_EXPORT.findall(source))
    return f"const {names[path]} = (() => {{\n{_EXPORT.sub('', source)}return {{ {exported} }};\n}})();"


def _bound(path: Path, names: dict[Path, str]) -> str:
    """The module's code, its imports taken from the values of those modules."""

    def taken(found: re.Match[str]) -> str:
        wanted = found[1].strip().rstrip(",").replace(" as ", ": ")
        return f"const {{ {wanted} }} = {names[(path.parent / found[2]).resolve()]};"

    return _IMPORT.sub(taken, path.read_text("utf-8"))
