"""Whether a server's answers are those of the model, also to many who ask at once."""

from __future__ import annotations

import json
import math
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from .environments import HERE, model_of
from .process import Server


class Differs(Exception):
    """An answer is not the model's: which."""


class Truth:
    """The rows, and what the models say of them when they are called directly."""

    def __init__(self, python: Path) -> None:
        self._python = python

    def rows(self, model: str) -> list[list[float]]:
        rows: list[list[float]] = json.loads(self.body(model, "rows.json"))
        return rows

    def answers(self, model: str) -> list[Any]:
        answers: list[Any] = json.loads(self.body(model, "answers.json"))
        return answers

    def call_s(self, model: str) -> float:
        """What a call of the model with all the rows takes, without any server."""
        folder = model_of("raw", self._python, model).parent
        command = [str(self._python), str(HERE / "models.py"), str(folder), model]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    def body(self, model: str, suffix: str) -> bytes:
        return model_of("raw", self._python, model).with_name(f"{model}.{suffix}").read_bytes()


def answers(server: Server, truth: Truth, model: str, at_once: int = 16) -> None:
    """Ask about every row on its own, `at_once` at a time; the wide one in one request. Raises `Differs`."""
    rows, right = truth.rows(model), truth.answers(model)
    if model == "wide":
        _compare(_answer(server, rows), right, server.peer.name)
        return
    with ThreadPoolExecutor(at_once) as asking:
        given = list(asking.map(lambda row: _answer(server, [row]), rows))
    for answered, expected in zip(given, right, strict=True):
        _compare(answered, [expected], server.peer.name)


def _answer(server: Server, rows: list[list[float]]) -> Any:
    status, body = server.ask(server.peer.request(rows))
    if status != 200:
        raise Differs(f"{server.peer.name} answered {status}: {body[:200]!r}")
    return server.peer.answer(json.loads(body))


def _compare(answered: Any, expected: Any, name: str) -> None:
    if not is_same(answered, expected):
        raise Differs(f"{name} answered {str(answered)[:80]}, the model says {str(expected)[:80]}")


def is_same(answered: Any, expected: Any) -> bool:
    """Equal; floats (those of a module in single precision) to five figures."""
    if isinstance(expected, list):
        return (
            isinstance(answered, list)
            and len(answered) == len(expected)
            and all(is_same(a, b) for a, b in zip(answered, expected, strict=True))
        )
    if isinstance(expected, float):
        return isinstance(answered, int | float) and math.isclose(answered, expected, rel_tol=1e-5, abs_tol=1e-5)
    return bool(answered == expected)
