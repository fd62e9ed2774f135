"""Values ↔ wire: bytes → `parse_json` → `Decoder` → a call's arguments; a model's answer → `encode` → bytes."""

from __future__ import annotations

from .body import parse_json
from .call import Call
from .decode import Decoder, bind, decode
from .encode import encode, to_plain, written
from .libraries import Unwritable
from .schemas import request_schema, response_schema

__all__ = [
    "Call",
    "Decoder",
    "Unwritable",
    "bind",
    "decode",
    "encode",
    "parse_json",
    "request_schema",
    "response_schema",
    "to_plain",
    "written",
]
