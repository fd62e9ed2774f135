"""What an endpoint tells those who come by a link: what that opens, and nothing of the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..parts import LOOKING
from .meters import Meter

__all__ = ["described_by", "shown_by"]


def shown_by(view: Mapping[str, Any], meter: Meter | None) -> dict[str, Any]:
    """What is told of an endpoint: its page's data, or its metadata."""
    shown = dict(view)
    if meter is None:
        return shown
    shown["methods"] = [each for each in view["methods"] if meter.allows(each)]
    if "replaced" in view:
        shown["replaced"] = [each for each in view["replaced"] if each in LOOKING or meter.allows(each)]
    if "model" in view:
        model = {**view["model"]}
        model["methods"] = [each for each in model.get("methods") or () if meter.allows(each["method"])]
        if not meter.allows("inspect"):
            model |= {"findings": [], "parameters": {}}
        shown["model"] = model
    return shown


def described_by(document: dict[str, Any], name: str, meter: Meter | None) -> dict[str, Any]:
    """An endpoint's OpenAPI document; a link's paths begin where the link does."""
    if meter is None:
        return document
    own = f"/{name}"
    kept = {path.removeprefix(own): found for path, found in document["paths"].items() if _is_open(path, own, meter)}
    schemes = {"token": document["components"]["securitySchemes"]["token"]}
    components = {**document["components"], "securitySchemes": schemes}
    return {**document, "paths": kept, "components": components, "security": [{"token": []}]}


def _is_open(path: str, own: str, meter: Meter) -> bool:
    method = path.removeprefix(own).strip("/").partition("/")[0]
    return method in ("metadata", "result") or (method != "" and meter.allows(method))
