"""`%serve`, `%%serve`, `%unserve`, `%nbserve`: parse, one call, return."""

from __future__ import annotations

import ast
import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import new_class
from typing import Any, cast

import traitlets
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, needs_local_scope, no_var_expand

from ..configuration import SUFFIXES as CONFIGURATIONS
from ..configuration import is_configuration
from ..core.blame import reason_of
from ..core.loaders import suffixes
from ..core.storages import is_address
from ..errors import ModelRefused, NbserveError, OptionError, nearest
from ..options import OPTIONS, read_option
from . import completion
from .current import close_session, current_session
from .handle import Endpoint
from .lines import NBSERVE, SERVE, UNSERVE
from .naming import is_hidden
from .session import Session
from .verbs import VERBS, only_name

__all__ = ["Nbserve", "load_ipython_extension", "unload_ipython_extension"]

_SHARED = {
    option.name: traitlets.Any(None, allow_none=True, help=option.help).tag(config=True)
    for option in OPTIONS
    if option.is_shared
}

_Settings: type[traitlets.HasTraits] = new_class(
    "_Settings", (traitlets.HasTraits,), exec_body=lambda body: body.update(_SHARED)
)


@magics_class
class Nbserve(Magics, _Settings):  # type: ignore[misc, valid-type]  # its traits are the table of options
    """The face of a session in a shell.

    The options that make sense for all endpoints are its traits: ``%config Nbserve.budget = "2GB"``.
    """

    @property
    def given(self) -> dict[str, Any]:
        """The options that were set for all endpoints."""
        return {name: getattr(self, name) for name in _SHARED if getattr(self, name) is not None}

    @traitlets.validate(*_SHARED)
    def _check(self, proposal: Any) -> Any:
        if proposal["value"] is not None:
            try:
                read_option(proposal["trait"].name, proposal["value"])
            except OptionError as error:
                raise traitlets.TraitError(str(error)) from None
        return proposal["value"]

    @traitlets.observe("budget")
    def _budget_set(self, _change: Any) -> None:
        self._session.set_budget()

    @property
    def _session(self) -> Session:
        return current_session()

    @property
    def _shell(self) -> InteractiveShell:
        assert self.shell is not None  # it is made by one
        return self.shell

    @no_var_expand
    @needs_local_scope
    @line_cell_magic
    def serve(self, line: str, cell: str | None = None, local_ns: dict[str, Any] | None = None) -> Endpoint | None:
        with _one_line_errors():
            given = SERVE.read(line)
            if given is None:
                return None
            if cell is None and given.target is None:
                self._show_dashboard(given.options)
                return None
            source = given.target or ""
        if cell is None:
            with _one_line_errors():
                model = _evaluated(source, {**self._shell.user_ns, **(local_ns or {})})
                if is_configuration(model) and "name" not in given.options:
                    return self._serve_file(cast("str", model), given.options)
        else:
            model = self._defined_by(cell)
            given.options.setdefault("name", given.target)
        with _one_line_errors():
            session, variables = self._session, {**self._shell.user_ns, **(local_ns or {})}
            endpoint = Endpoint.of(session, session.serve(model, _with_variables(given.options, variables)))
            endpoint.show()
            endpoint.load_if_eager()
        return endpoint

    @no_var_expand
    @line_magic
    def unserve(self, line: str) -> None:
        with _one_line_errors():
            given = UNSERVE.read(line)
            if given is None:
                return
            if given.options["all"]:
                self._session.stop_all()
            elif given.target is None:
                raise OptionError("Name what to stop.", "Type %unserve NAME, or %unserve --all.")
            else:
                self._session.unserve(given.target)

    @no_var_expand
    @line_magic
    def nbserve(self, line: str) -> object:
        with _one_line_errors():
            given = NBSERVE.read(line)
            if given is None:
                return None
            verb, _, name = (given.target or "help").partition(" ")
            if verb not in VERBS:
                raise OptionError(f"%nbserve has no verb {verb!r}.{nearest(verb, list(VERBS))}", "%nbserve lists them.")
            flags = {flag: value for flag, value in given.options.items() if value is not False}
            unknown = next((flag for flag in flags if flag not in VERBS[verb].flags), None)
            if unknown is not None:
                typed = unknown.removesuffix("_s")
                raise OptionError(f"%nbserve {verb} has no option '--{typed}'.", "%nbserve --help lists them.")
            return VERBS[verb].run(self._session, name or only_name(self._session, verb), **flags)

    def _serve_file(self, path: str, options: dict[str, Any]) -> Endpoint | None:
        """All endpoints of a file of settings: one with its card, several with the dashboard."""
        session = self._session
        endpoints = [Endpoint.of(session, name) for name in session.serve_all(path, options)]
        if len(endpoints) == 1:
            endpoints[0].show()
        else:
            self._show_dashboard({})
        for each in endpoints:
            each.load_if_eager()
        return endpoints[0] if len(endpoints) == 1 else None

    def _show_dashboard(self, options: dict[str, Any]) -> None:
        if options:
            raise OptionError("There is no model before the options.", "Type %serve MODEL [options].")
        if not self._session.show(None):
            VERBS["status"].run(self._session, "")

    def _defined_by(self, cell: str) -> object:
        """Run the cell; what it defines last. An error of the cell is the cell's own, with its traceback."""
        shell = self._shell
        code: str = shell.transform_cell(cell)  # type: ignore[no-untyped-call]  # IPython is partly untyped
        tree = ast.parse(code)
        name = next((each.name for each in reversed(tree.body) if isinstance(each, _DEFINITIONS)), None)
        if name is None:
            raise UsageError("The cell defines no function and no class. Define one with def or class.")
        file = shell.compile.cache(code, shell.execution_count, raw_code=cell)
        exec(compile(tree, file, "exec"), shell.user_global_ns, shell.user_ns)  # noqa: S102 - the user's cell
        defined = shell.user_ns[name]
        with _one_line_errors():
            return _instance(defined) if isinstance(defined, type) else defined


def load_ipython_extension(shell: Any) -> None:
    """``%load_ext nbserve``: the magics and their completion.

    The routes and the card are fetched here too: the first ``%serve`` is then no slower than the server it needs.
    """
    from ..web import resources  # noqa: F401 - fetched for later

    if hasattr(shell, "kernel"):
        from . import card, pulse  # noqa: F401 - fetched for later
    shell.register_magics(Nbserve)
    for magic, line in (("serve", SERVE), ("unserve", UNSERVE), ("nbserve", NBSERVE)):
        _document(shell, magic, line.help())
    completion.install(shell)


def unload_ipython_extension(shell: Any) -> None:
    """``%unload_ext nbserve``: stop and remove everything that it brought."""
    close_session(shell)
    completion.remove(shell)
    for kind, names in (("line", ("serve", "unserve", "nbserve")), ("cell", ("serve",))):
        for name in names:
            shell.magics_manager.magics[kind].pop(name, None)
    shell.magics_manager.registry.pop(Nbserve.__name__, None)
    shell.configurables[:] = [each for each in shell.configurables if not isinstance(each, Nbserve)]


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """What nbserve refuses is one line in the cell; a model's own error keeps its traceback."""
    try:
        yield
    except NbserveError as error:
        # UsageError itself: IPython shows a subclass with its traceback
        raise UsageError(str(error)) from None


def _with_variables(options: dict[str, Any], namespace: dict[str, Any]) -> dict[str, Any]:
    """The options, those that name a variable with what it holds."""
    named = [each.name for each in OPTIONS if each.is_variable and options.get(each.name) in namespace]
    return options | {name: namespace[options[name]] for name in named}


def _evaluated(source: str, namespace: dict[str, Any]) -> object:
    """What was typed: a variable, an expression, or else a file."""
    if source.isidentifier() and source in namespace:
        return namespace[source]
    try:
        if source.isidentifier():
            raise NameError(source)
        return eval(source, namespace)  # noqa: S307 - the user typed it into the notebook
    except Exception as error:  # noqa: BLE001 - an expression of the user's may raise anything
        if _is_file(source):
            return source
        if source.isidentifier():
            variables = [name for name in namespace if not is_hidden(name)]
            problem = f"There is no variable {source!r}.{nearest(source, variables)}"
            raise OptionError(problem, "Run the cell that makes it.") from None
        raise OptionError(f"{source!r} cannot be served: {reason_of(error)}.", "Type the name of a variable.") from None


def _is_file(source: str) -> bool:
    """Whether it is one, or looks so much like one that whoever reads it should say what is wrong."""
    if is_address(source) or source.startswith(("./", "../", "~", os.sep)):
        return True
    if source.lower().endswith((*suffixes(), *CONFIGURATIONS)):
        return True
    with contextlib.suppress(OSError, ValueError):
        return Path(source).exists()
    return False


def _instance(defined: type) -> object:
    try:
        return defined()
    except TypeError as error:
        raise ModelRefused(
            f"{defined.__name__}() cannot be made: {error}.", f"Make it yourself: %serve {defined.__name__}(…)"
        ) from None


def _document(shell: Any, magic: str, text: str) -> None:
    """`%serve?` shows the same text as `%serve --help`."""
    for kind in ("line", "cell"):
        function = shell.magics_manager.magics[kind].get(magic)
        if function is not None:
            function.__func__.__doc__ = text
