"""From models and their options to a folder with a program in it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..configuration import is_configuration, read_configuration
from ..core.artifact import ArtifactFile, RemoteArtifact, artifact_of
from ..core.loaders import find_loader, untrusted
from ..core.storages import fetched, storage_of
from ..errors import Conflict, OptionError
from ..notebook.naming import name_from
from ..options import Options, options_from
from .needs import Needs, needs_of, of_storage, together
from .saving import saved
from .texts import Part, dockerfile, program, readme, requirements
from .wheel import own_wheel

__all__ = ["make_app"]

LEFT_OUT = frozenset({"name", "path", "port", "host", "certfile", "keyfile", "trust", "cache"})
"""Options that the program says in another way, or that are of this machine."""


def make_app(
    model: object,
    folder: str | os.PathLike[str],
    *,
    force: bool = False,
    copy: bool | None = None,
    save: str | None = None,
    **options: Any,
) -> tuple[Path, ...]:
    """Write a program that serves a model: `app.py`, pinned requirements, a Dockerfile, the model. Answers the files.

    `model` is a file, an address, a file of settings, or an object, which is kept as `save` says: ``"joblib"``,
    ``"cloudpickle"`` or ``"skops"``. A file is copied and an address written down, unless `copy` says otherwise.
    A folder that holds something is refused without `force`, with which files of the same names are replaced.

    Raises `OptionError`, `LoadError` for what is no model or must run code and may not, and `Conflict`.
    """
    if not isinstance(folder, (str, os.PathLike)):
        raise OptionError(f"An object of type {type(folder).__name__} is no path.", "Give a folder for the program.")
    target = Path(folder).expanduser().resolve()
    _check_free(target, force=force)
    with _place_for(target) as begun:
        _write(model, Path(begun), options, copy=copy, save=save)
        return _moved(Path(begun), target)


def _place_for(target: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder beside it, which is gone when the program is whole. Raises `OptionError`."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent)
    except OSError as error:
        problem = f"{str(target)!r} cannot be written: {error.strerror or error}."
        raise OptionError(problem, "Name another folder.") from None


def _write(model: object, target: Path, options: Mapping[str, Any], *, copy: bool | None, save: str | None) -> None:
    if save is not None or not isinstance(model, (str, os.PathLike)):
        model = saved(model, target, save, str(options.get("name") or "model"))
    parts, needs = [], []
    for given, wanted in _plans(model, options):
        part, need = _part(given, options_from(wanted), target, copy=copy)
        parts.append(part)
        needs.append(need)
    _write_texts(target, tuple(parts), together(needs))


def _moved(begun: Path, target: Path) -> tuple[Path, ...]:
    """The folder is there when all of it is."""
    target.mkdir(exist_ok=True)
    moved = []
    for each in sorted(begun.iterdir()):
        into = target / each.name
        if into.is_dir() and not into.is_symlink():
            shutil.rmtree(into)
        moved.append(each.replace(into))
    return tuple(moved)


def _check_free(target: Path, *, force: bool) -> None:
    if target.exists() and not target.is_dir():
        raise Conflict(f"{target.name} is a file.", "Name a folder.")
    if not force and target.is_dir() and any(target.iterdir()):
        raise Conflict(f"{target.name} holds something already.", "Name another folder, or say --force (force=True).")


def _plans(model: object, options: Mapping[str, Any]) -> list[tuple[str | os.PathLike[str], dict[str, Any]]]:
    """Each model with its options: of a file of settings several."""
    assert isinstance(model, (str, os.PathLike))
    if not is_configuration(model):
        return [(model, dict(options))]
    plans = read_configuration(model).plans
    if options and len(plans) > 1:
        raise OptionError(f"{Path(model).name} holds {len(plans)} endpoints.", "Write their options into it.")
    return [(plan.address, {**plan.layer.given, **options}) for plan in plans]


def _part(given: str | os.PathLike[str], options: Options, target: Path, *, copy: bool | None) -> tuple[Part, Needs]:
    artifact = artifact_of(given, options)
    name = options.wanted_name or name_from(artifact.stem)
    if isinstance(artifact, RemoteArtifact):
        return _remote_part(artifact, name, options, target, copy=bool(copy))
    assert isinstance(artifact, ArtifactFile)
    if copy is False:
        raise OptionError(f"{artifact.label} is a file of this machine.", "Let it be copied.")
    return _copied(artifact.path, artifact.label, name, options, target)


def _remote_part(
    artifact: RemoteArtifact, name: str, options: Options, target: Path, *, copy: bool
) -> tuple[Part, Needs]:
    """It is fetched either way: only its content tells what reads it."""
    address, storage = artifact.address, storage_of(artifact.address)
    with fetched(address, storage, artifact.terms) as path:
        loader = find_loader(path, model_class=options.model_class)
        if loader.runs_code and options.trust is not True:  # what comes from elsewhere needs it said
            raise untrusted(artifact.label, loader)
        if copy:
            return _copied(path, artifact.label, name, options, target)
        if address.text != address.shown:
            raise OptionError(
                f"The address of {artifact.label} has in it what opens it, which no program should hold.",
                "Let the model be copied: --copy (copy=True).",
            )
        needs = together([needs_of(path, loader.name), of_storage(storage.name, address.scheme)])
        return Part(name, None, address.text, _kept(options), runs_code=loader.runs_code), needs


def _copied(path: Path, label: str, name: str, options: Options, target: Path) -> tuple[Part, Needs]:
    loader = find_loader(path, model_class=options.model_class)
    if loader.runs_code and options.trust is False:
        raise untrusted(label, loader)
    needs = needs_of(path, loader.name)
    into = target / label
    if path != into:
        _copy(path, into)
    for module in needs.modules:
        _copy(module, target / module.name)
    return Part(name, label, None, _kept(options), runs_code=loader.runs_code or options.trust is True), needs


def _copy(path: Path, into: Path) -> None:
    if into.resolve() == path.resolve():
        return
    if path.is_dir():
        shutil.copytree(path, into, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copyfile(path, into)


def _kept(options: Options) -> dict[str, Any]:
    """The options that are not what they are anyway."""
    default = Options()
    given = {name: getattr(options, name) for name in options.__slots__ if name not in LEFT_OUT}
    kept = {name: value for name, value in given.items() if value != getattr(default, name)}
    for name, value in kept.items():
        if not isinstance(value, (str, int, float, bool, list, tuple)):
            raise OptionError(f"{name} cannot be written down: it is a {type(value).__name__}.", "Give it by its name.")
    return kept


def _write_texts(target: Path, parts: tuple[Part, ...], needs: Needs) -> None:
    if len({part.name for part in parts}) < len(parts):
        raise OptionError("Two endpoints have one name.", "Give each a name of its own.")
    wheel = own_wheel(target)
    texts = {
        "app.py": program(parts),
        "requirements.txt": requirements(needs, is_local=wheel is not None),
        "Dockerfile": dockerfile(needs, wheel),
        ".dockerignore": "__pycache__\n.venv\n",
        "README.md": readme(parts),
    }
    for name, text in texts.items():
        (target / name).write_text(text, encoding="utf-8")
