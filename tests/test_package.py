"""What `import nbserve` brings, and what it does not."""

from __future__ import annotations

import inspect
import json
import pkgutil
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

import nbserve
from nbserve.errors import NbserveError

HEAVY = (
    *("IPython", "anywidget", "anyio", "asyncio", "fastapi", "ipywidgets", "jupyter_server", "numpy"),
    *("orjson", "pandas", "pydantic", "sklearn", "starlette", "tornado", "traitlets", "uvicorn", "uvloop"),
)
BUDGET_S = 0.030

MEASURE = """
import json, sys, time
before, began = set(sys.modules), time.perf_counter()
import nbserve
from nbserve.errors import NbserveError
took_s = time.perf_counter() - began
print(json.dumps([took_s, sorted({name.partition('.')[0] for name in set(sys.modules) - before})]))
"""


def _import() -> tuple[float, set[str]]:
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, check=True, text=True)
    took_s, brought = json.loads(done.stdout)
    assert done.stderr == ""
    return took_s, set(brought)


def _modules() -> list[str]:
    return sorted(each.name for each in pkgutil.walk_packages(nbserve.__path__, "nbserve."))


def test_importing_it_imports_nothing_heavy() -> None:
    _, brought = _import()
    assert "nbserve" in brought
    assert brought.isdisjoint(HEAVY)


def test_importing_it_takes_no_time() -> None:
    assert min(_import()[0] for _ in range(5)) < BUDGET_S


def test_every_public_name_is_there_sorted_and_documented() -> None:
    assert nbserve.__all__ == sorted(nbserve.__all__)
    undocumented = [name for name in nbserve.__all__ if not inspect.getdoc(getattr(nbserve, name))]
    assert undocumented == []
    assert set(nbserve.__all__) <= set(dir(nbserve))


@pytest.mark.parametrize("member", [name for name in vars(nbserve.Endpoint) if name[0] != "_"])
def test_every_word_of_a_handle_is_documented(member: str) -> None:
    if member not in ("name", "loaded"):  # they say all there is to say
        assert inspect.getdoc(getattr(nbserve.Endpoint, member))


def test_a_name_that_is_not_public_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'nbserve' has no attribute 'sreve'"):
        nbserve.sreve  # noqa: B018


@pytest.mark.parametrize("module", _modules())
def test_every_module_says_what_it_is_and_exports_what_it_has(module: str) -> None:
    loaded = import_module(module)
    assert loaded.__doc__
    assert all(hasattr(loaded, name) for name in getattr(loaded, "__all__", []))


@pytest.mark.parametrize("given", [None, 3, b"", []], ids=repr)
@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (nbserve.get, r"is no name\. Give the name"),
        (nbserve.serve, "There is nothing to call in"),
        (nbserve.load, "is no path.*Give the path of a file"),
        (nbserve.Endpoint.from_yaml, r"is no path\. Give the path"),
        (nbserve.Endpoint.from_json, r"is no path\. Give the path"),
        (nbserve.Endpoint.from_toml, r"is no path\. Give the path"),
        (nbserve.Client, "is not the http or https URL"),
        (nbserve.AsyncClient, "is not the http or https URL"),
        (nbserve.register_loader, "A file's suffix cannot be"),
        (lambda given: nbserve.make_app("model.joblib", given), r"is no path\. Give a folder"),
    ],
    ids=lambda each: getattr(each, "__qualname__", None),
)
def test_what_is_no_name_path_or_url_is_refused_with_a_sentence(
    call: Callable[[Any], Any], sentence: str, given: Any
) -> None:
    with pytest.raises(NbserveError, match=sentence):
        call(given)
