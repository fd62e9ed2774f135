"""``nbserve inspect`` and ``nbserve validate``: what files say, and whether they can be served."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..configuration import Plan, is_configuration, read_configuration
from ..core.artifact import RemoteArtifact, artifact_of
from ..core.served import Served
from ..errors import NbserveError, OptionError
from ..notebook.bar import loading_of, shown, terminal
from ..notebook.hosting import placed
from ..notebook.prepared import Prepared
from ..notebook.session import Session
from ..options import Options
from ..settings import Settings
from .exits import FAILED
from .plans import OF_SERVER, check_agreement, offers_of, plans_of

__all__ = ["inspect", "validate"]


def inspect(file: str, *, load: bool, trust: bool | None, as_json: bool) -> int:
    """Raises `LoadError`."""
    check_one(file)
    found = _loaded(file, trust, as_json=as_json) if load else _peeked(file)
    if as_json:
        _say(json.dumps(found, indent=2, default=str))
    else:
        _say("\n".join(_lines(found)))
    return 0


def check_one(file: str) -> None:
    """Raises `OptionError` for a file of settings."""
    if is_configuration(file):
        problem = f"{Path(file).name!r} is a file of settings, and no model."
        raise OptionError(problem, "nbserve validate checks it; inspect the file that it names.")


def _peeked(file: str) -> dict[str, Any]:
    """What can be told without loading it: trust is the affair of what loads."""
    source = artifact_of(file, Options(trust=True))
    loader = getattr(source, "loader", None)
    return {
        "file": source.label,
        "format": None if loader is None else loader.title,
        "runs_code": None if loader is None else loader.runs_code,
        "size_bytes": source.expected_bytes,
        **{f"header_{name}": value for name, value in (source.peek_header() or {}).items() if name != "format"},
    }


def _loaded(file: str, trust: bool | None, *, as_json: bool) -> dict[str, Any]:
    session = Session({}, has_server=False)
    try:
        ((offer, settings),) = offers_of(session, plans_of([file]), {"trust": trust})
        if offer.advice:
            _complain(offer.advice)
        served = Prepared(session, offer, settings).served
        with shown(served.name, loading_of(served), terminal(sys.stderr)):
            served.load()
        return dict(served.inspect()) if as_json else _summary(served)
    finally:
        session.close()


def _summary(served: Served) -> dict[str, Any]:
    """The same for people."""
    profile = served.profile
    return {
        "type": profile.type_name,
        "library": " ".join(filter(None, (profile.library, profile.library_version))) or None,
        "task": str(profile.task),
        "size_bytes": served.model_bytes(),
        "methods": [str(method.signature) for method in served.methods.values()],
        "example": profile.main.example,
    }


def _lines(found: Mapping[str, Any]) -> Iterable[str]:
    for name, value in found.items():
        if isinstance(value, list):
            yield f"{name}:"
            yield from (f"  {each}" for each in value)
        else:
            yield f"{name}: {value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)}"


def validate(files: Iterable[str]) -> int:
    """Whether all of them can be served; each endpoint, or each fault, is a line."""
    return FAILED if any([not _is_valid(file) for file in files]) else 0  # noqa: C419 - every one is told


def _is_valid(file: str) -> bool:
    try:
        plans = read_configuration(file).plans
        check_agreement(plans)
        _check_hosting([Settings.of(plan.layer).options for plan in plans], plans[0].label)
    except NbserveError as error:
        _complain(str(error))
        return False
    return all([_is_servable(plan, file) for plan in plans])  # noqa: C419


def _is_servable(plan: Plan, file: str) -> bool:
    session = Session({}, has_server=False)
    try:
        ((offer, settings),) = offers_of(session, [plan], {})
    except NbserveError as error:
        _complain(f"{Path(file).name}, {plan.name or 'its endpoint'}: {error}")
        return False
    finally:
        session.close()
    name, source = settings.options.wanted_name or offer.name, offer.component.source
    told = "is at an address, which is not asked" if isinstance(source, RemoteArtifact) else "can be served"
    _say(f"{Path(file).name}, {name}: {source.label} {told}")
    return True


def _check_hosting(options: Sequence[Options], label: str) -> None:
    """The one server may listen there. Raises `OptionError`."""
    said: dict[str, Any] = {
        name: next(filter(None, (getattr(each, name) for each in options)), None) for name in OF_SERVER
    }
    try:
        placed(replace(options[0], **said), has_tokens=all(each.token for each in options))
    except OptionError as error:
        raise OptionError(f"{label}: {error.problem}", error.remedy) from None


def _say(text: str) -> None:
    print(text)  # noqa: T201 - the answer to what was typed


def _complain(text: str) -> None:
    print(f"nbserve: {text}", file=sys.stderr)  # noqa: T201
