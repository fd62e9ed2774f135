"""Whose fault an exception is, and how to say it without showing the server's insides."""

from __future__ import annotations

import re
import sys
import traceback as tracebacks
from collections.abc import Collection, Iterable, Iterator
from types import CodeType, TracebackType

__all__ = ["forget_locals", "is_callers_fault", "reason_of", "refused_keyword"]

LONGEST_REASON = 600
LONGEST_MESSAGE = 10_000
"""How much of a message is looked at."""

# A library's own check of what it was given: an exception that starts there speaks about the caller's data.
# (end of the file's name, functions; None: any function of the file)
_CHECKS: tuple[tuple[str, frozenset[str] | None], ...] = (
    ("sklearn/utils/validation.py", None),
    ("sklearn/utils/_array_api.py", None),
    ("sklearn/utils/_metadata_requests.py", frozenset({"_raise_for_params"})),
    ("sklearn/preprocessing/_encoders.py", frozenset({"_transform", "transform", "_check_X"})),
    ("sklearn/utils/_encode.py", None),
    ("sklearn/feature_extraction/text.py", frozenset({"transform", "decode", "_check_stop_words_consistency"})),
    ("sklearn/impute/_base.py", frozenset({"_validate_input"})),
    ("sklearn/compose/_column_transformer.py", frozenset({"transform", "_check_X"})),
)

# A method that checks its arguments itself: what it refuses is the caller's only if nothing of the library called it.
_ENTRANCES: tuple[tuple[str, frozenset[str]], ...] = (
    ("sklearn/neighbors/_base.py", frozenset({"kneighbors", "radius_neighbors"})),
)

_PATH = re.compile(r"(?<![\w.])(?:[A-Za-z]:)?(?:[/\\][^\s/\\'\":,;()]+){2,}[/\\]?")

_QUOTED_PATH = re.compile(r"(?<=['\"])(?:[A-Za-z]:)?(?:[/\\][^/\\'\"]+){2,}[/\\]?(?=['\"])")
"""It may hold spaces."""


def is_callers_fault(error: BaseException) -> bool:
    """Whether a library refused the data at its door, judged by where the exception was raised.

    Never by its words: a model that raises `ValueError` of its own has a fault of its own.
    """
    if not isinstance(error, (ValueError, TypeError, KeyError)):
        return False
    codes = list(_innermost(error.__traceback__, 4))
    return any(_is_listed(code, _CHECKS) for code in codes) or (len(codes) == 1 and _is_listed(codes[0], _ENTRANCES))


def refused_keyword(error: BaseException, sent: Collection[str]) -> str | None:
    """Which of the keywords that were sent a function did not take, where the method before it takes any."""
    said = _said(error) if isinstance(error, TypeError) else ""
    if "unexpected keyword argument '" not in said and "multiple values for " not in said:
        return None
    return next((name for name in sent if f"argument '{name}'" in said), None)


def reason_of(error: BaseException) -> str:
    """`ValueError: what it said`, bounded, with the folders of every path and the full stop left out."""
    text = " ".join(_said(error).split()).rstrip(".")
    text = _PATH.sub(_last_part, _QUOTED_PATH.sub(_last_part, text))
    if len(text) > LONGEST_REASON:
        text = text[:LONGEST_REASON] + "…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def forget_locals(error: BaseException) -> None:
    """Empty the frames behind an exception: its traceback can still be read, and holds no model any more."""
    seen: set[int] = set()
    follow: BaseException | None = error
    while follow is not None and id(follow) not in seen:
        seen.add(id(follow))
        tracebacks.clear_frames(follow.__traceback__)
        follow = follow.__cause__ or follow.__context__


def _said(error: BaseException) -> str:
    try:
        return str(error)[:LONGEST_MESSAGE]
    except Exception:  # noqa: BLE001 - the user's class: it may not be able to say what it is
        return ""


def _last_part(path: re.Match[str]) -> str:
    return "…/" + re.split(r"[/\\]", path.group().rstrip("/\\"))[-1]


def _is_listed(code: CodeType, table: Iterable[tuple[str, frozenset[str] | None]]) -> bool:
    file = code.co_filename.replace("\\", "/")
    return any(file.endswith(name) and (known is None or code.co_name in known) for name, known in table)


def _innermost(traceback: TracebackType | None, count: int) -> Iterator[CodeType]:
    """The code of the library that raised: the last frames of the traceback, as far as they are of scikit-learn."""
    codes: list[CodeType] = []
    while traceback is not None:
        codes.append(traceback.tb_frame.f_code)
        traceback = traceback.tb_next
    home = sys.modules.get("sklearn")
    root = "" if home is None else (getattr(home, "__path__", None) or [""])[0]
    for code in reversed(codes[-count:]):
        if not root or not code.co_filename.startswith(root):
            # numpy and scipy do the converting for the checks above; the user's own code never does
            if "site-packages" not in code.co_filename.replace("\\", "/").split("/"):
                return
            continue
        yield code
