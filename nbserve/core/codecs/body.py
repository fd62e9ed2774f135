"""Bytes → JSON values, and in which words bytes that are no JSON are refused."""

from __future__ import annotations

import re
from typing import Any

import orjson

from ...errors import BodyError, Fault

__all__ = ["parse_json"]

_EXAMPLE = 'Send JSON like {"X": [[1, 2], [3, 4]]}.'
_NOT_A_NUMBER = re.compile(r"[-+]?(?:NaN|nan|Infinity|inf)\b")


def parse_json(body: bytes) -> Any:
    """The value that a body of JSON says. Raises `BodyError`.

    A number that has no exact double (an integer of more than 64 bits) is read as the nearest one.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _refusal(bytes(body), error) from None


def _refusal(body: bytes, error: orjson.JSONDecodeError) -> BodyError:
    if not body.strip():
        return _error("The body is empty.", _EXAMPLE, "empty")
    if body.startswith(b"\xef\xbb\xbf"):
        return _error("The body begins with a byte order mark, which JSON does not have.", "Send it without.", "bom")
    try:
        text = body.decode()
    except UnicodeDecodeError as broken:
        return _error(f"The body is not UTF-8: byte {broken.start} is wrong.", "Send JSON as UTF-8.", "encoding")
    return _syntax_error(text, error)


def _syntax_error(text: str, error: orjson.JSONDecodeError) -> BodyError:
    said, at = error.msg.lower(), min(error.pos, len(text))
    if "depth" in said or "recursion" in said:
        return _error("The body is nested too deeply.", "Send fewer levels of lists and objects.", "depth")
    place = f"line {text.count(chr(10), 0, at) + 1}, column {at - text.rfind(chr(10), 0, at)}"
    odd = _NOT_A_NUMBER.match(text, max(0, at - 1)) or _NOT_A_NUMBER.match(text, at)
    if odd is not None:
        return _error(f"{odd[0]} at {place} is not JSON.", "Send null for a missing number.", "not_a_number")
    if "infinity" in said:
        return _error(f"The number at {place} is too large.", "Send a number below 1.8e308.", "number_range")
    if "surrogate" in said:
        return _error(f"The text at {place} holds half a character.", "Send whole surrogate pairs.", "surrogate")
    return _error(f"The body is not JSON: {error.msg.split(': line ')[0]} at {place}.", _EXAMPLE, "json")


def _error(problem: str, remedy: str, kind: str) -> BodyError:
    return BodyError(problem, remedy, faults=[Fault((), problem, kind)])
