"""Completion of what is typed after the magics: the notebook's variables, endpoints, verbs and options."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..configuration import SUFFIXES as CONFIGURATIONS
from ..core.loaders import suffixes
from ..terms import TERMS
from .current import current_session
from .lines import NBSERVE, SERVE, UNSERVE
from .naming import is_hidden
from .verbs import VERBS

__all__ = ["install", "remove"]

_LINE = re.compile(r"^\s*%{0,2}(?P<magic>serve|unserve|nbserve)[ \t]+(?P<typed>.*)$")

_TERMS = {term.flag for term in TERMS if term.metavar is not None}
"""What is followed by something that only whoever types it knows."""

_CHOICES = {"--loop": ("own", "kernel")}


def install(shell: Any) -> None:
    """Add the matcher to the shell's completer, where it has that (provisional) interface."""
    remove(shell)
    matchers = getattr(shell.Completer, "custom_matchers", None)
    if matchers is None:
        return
    from IPython.core.completer import SimpleCompletion, context_matcher

    @context_matcher()  # type: ignore[untyped-decorator]  # IPython is partly untyped
    def nbserve_matcher(context: Any) -> Any:
        found = suggestions(context.line_with_cursor[: context.cursor_position], shell.user_ns)
        if found is None:
            return {"completions": []}
        prefix, words = found
        made = [SimpleCompletion(word, type=kind) for word, kind in words]
        return {"completions": made, "matched_fragment": prefix, "suppress": True, "ordered": True}

    matchers.append(nbserve_matcher)


def remove(shell: Any) -> None:
    matchers = getattr(shell.Completer, "custom_matchers", None)
    if matchers is not None:
        matchers[:] = [each for each in matchers if getattr(each, "__name__", "") != "nbserve_matcher"]


def suggestions(line: str, namespace: dict[str, Any]) -> tuple[str, list[tuple[str, str]]] | None:
    """The word that is being typed and what it may become, each with its kind; None on a line that is not ours."""
    found = _LINE.match(line)
    if found is None:
        return None
    *before, prefix = re.split(r"[ \t]+", found["typed"])
    words = _words(found["magic"], before, prefix, namespace)
    return prefix, [(word, kind) for word, kind in words if word.startswith(prefix)]


def _words(magic: str, before: list[str], prefix: str, namespace: dict[str, Any]) -> Iterable[tuple[str, str]]:
    grammar = {"serve": SERVE, "unserve": UNSERVE, "nbserve": NBSERVE}[magic]
    if before and before[-1] in _CHOICES:
        return [(word, "value") for word in _CHOICES[before[-1]]]
    if before and before[-1] == "--name":
        return _endpoints()
    if prefix.startswith("-") or (magic == "serve" and before):
        return [(flag, "option") for flag in grammar.flags if flag not in before]
    if magic == "serve":
        return [*_variables(namespace), *_files(prefix)]
    if magic == "nbserve" and not before:
        return [(verb, "verb") for verb in VERBS]
    if magic == "nbserve" and before[-1] in _TERMS:
        return []
    if magic == "nbserve" and before[0] == "revoke":
        return [*_links(), *_endpoints()]
    return _endpoints()


def _variables(namespace: dict[str, Any]) -> list[tuple[str, str]]:
    """The variables that may be models: those with methods of a model first, functions and classes next."""
    kept = [(name, value) for name, value in list(namespace.items()) if not is_hidden(name)]
    models = [name for name, value in kept if not isinstance(value, type) and hasattr(type(value), "predict")]
    callables = [name for name, value in kept if callable(value) and name not in models]
    return [(name, "model") for name in models] + [(name, "function") for name in callables]


def _files(prefix: str) -> list[tuple[str, str]]:
    """The files of models that a path leads to, and the folders on its way."""
    typed, _, begun = prefix.rpartition("/")
    folder = Path(f"{typed}/" if typed or prefix.startswith("/") else ".").expanduser()
    with contextlib.suppress(OSError):
        found = sorted(each for each in folder.iterdir() if each.name.startswith(begun) and each.name[0] != ".")
        before = prefix[: len(prefix) - len(begun)]
        kinds = (*suffixes(), *CONFIGURATIONS) if begun else suffixes()  # many a folder has settings of something else
        files = [(before + each.name, "file") for each in found if each.name.endswith(kinds) and " " not in each.name]
        return files + [(f"{before}{each.name}/", "folder") for each in found if begun and each.is_dir()]
    return []


def _links() -> list[tuple[str, str]]:
    return [(each["id"], "link") for each in current_session().shares() if each["state"] == "open"]


def _endpoints() -> list[tuple[str, str]]:
    return [(served.name, "endpoint") for served in current_session().registry]
