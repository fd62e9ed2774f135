"""Values ↔ wire: bytes → `parse_json` → `Decoder` → a call's arguments; a model's answer → `encode` → bytes."""

from __future__ import annotations

from .body import parse_json
from .call import Call, Placement
from .decode import Decoder, bind, decode
from .encode import encode, to_plain, written
from .joining import joined, layout_of, parted, sliced
from .libraries import Unwritable
from .media import MEDIA, Body, Bounds, Medium, accepted, arguments_of, sent_as
from .schemas import request_schema, response_schema

__all__ = [
    "MEDIA",
    "Body",
    "Bounds",
    "Call",
    "Decoder",
    "Medium",
    "Placement",
    "Unwritable",
    "accepted",
    "arguments_of",
    "bind",
    "decode",
    "encode",
    "joined",
    "layout_of",
    "parse_json",
    "parted",
    "request_schema",
    "response_schema",
    "sent_as",
    "sliced",
    "to_plain",
    "written",
]
