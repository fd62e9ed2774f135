"""Every option, once: its type, default, check and help text feed the magic, the Python call and the docs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from . import readers
from .columns import columns_from, row_from
from .errors import OptionError, nearest

__all__ = [
    "OPTIONS",
    "PASSWORD_VARIABLE",
    "Option",
    "Options",
    "check_name",
    "environment_options",
    "option_named",
    "option_names",
    "options_from",
    "read_option",
]

ENVIRONMENT = "NBSERVE_"
"""What the environment's names of the options begin with: ``NBSERVE_BUDGET=2GB``."""

PASSWORD_VARIABLE = f"{ENVIRONMENT}KEYFILE_PASSWORD"
"""Where the password of an encrypted key is, and no option: what is typed into a cell is saved with the notebook."""

LONGEST_VALUE = 300
"""So much of a wrong value is in the sentence that refuses it."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option of `serve`.

    `read` turns what was typed into the value and raises ValueError with what is allowed. `metavar` is None for a
    switch; the flag of one that is on is `--no-name`. `is_shared` says that a default for all endpoints makes sense:
    it can be set by ``%config`` and in the environment. The value of one that
    `is_variable` may be the name of a variable on a magic's line.
    """

    name: str
    default: Any
    read: Callable[[Any], Any]
    help: str
    metavar: str | None
    is_shared: bool = True
    is_variable: bool = False

    @property
    def label(self) -> str:
        """The name without its unit, as it is typed and spoken of."""
        return self.name.removesuffix("_s").replace("_", "-")

    @property
    def flag(self) -> str:
        return f"--no-{self.label}" if self.metavar is None and self.default else f"--{self.label}"

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return ENVIRONMENT + self.label.replace("-", "_").upper()


OPTIONS: tuple[Option, ...] = (
    Option(
        "name",
        None,
        readers.name,
        "the endpoint's name, the first part of its path (default: the variable's)",
        "NAME",
        False,
    ),
    Option("path", None, readers.path, "the same, as a path: /model", "PATH", False),
    Option(
        "port",
        None,
        readers.whole_number(0, 65535),
        "listen here (default: any free port); one port serves a session",
        "PORT",
    ),
    Option(
        "host",
        None,
        readers.host,
        "listen on this address (default: 127.0.0.1, this machine alone); needs tokens",
        "HOST",
    ),
    Option("certfile", None, readers.pem_file, "serve over https, with the certificate in this PEM file", "FILE"),
    Option("keyfile", None, readers.pem_file, "the certificate's key, where another file holds it", "FILE"),
    Option("token", True, readers.switch, "serve without a token, to everybody on this machine", None),
    Option(
        "threads", 1, readers.whole_number(1, 64), "calls of the model at once; more than 1 if it is thread-safe", "N"
    ),
    Option("queue", 1024, readers.whole_number(1, 1_000_000), "calls that may wait; one more is answered 429", "N"),
    Option(
        "batch",
        "auto",
        readers.batch_word,
        "calls that wait share a run of the model: on, off, or (auto) where a row's answer is known to be its own",
        "WHEN",
    ),
    Option(
        "mode",
        "auto",
        readers.one_of("auto", "direct", "queue", "batch"),
        "direct (at once or 429), queue (one after another), batch (calls share runs), or auto: as --batch says",
        "MODE",
    ),
    Option(
        "max_requests",
        None,
        readers.whole_number(1, 1_000_000),
        "requests in flight at once; one more is answered 429",
        "N",
    ),
    Option("max_rows", None, readers.whole_number(1, 1_000_000_000), "rows of one request; more are answered 413", "N"),
    Option("deadline_s", 60.0, readers.seconds, "an answer that takes longer is given up, 504", "TIME"),
    Option("result_ttl_s", 600.0, readers.seconds, "the result of a request with ?ticket=1 is kept so long", "TIME"),
    Option(
        "body_limit",
        64 * 1024**2,
        readers.size_bytes,
        "the largest request body, such as 64MiB; a larger one is 413",
        "SIZE",
    ),
    Option(
        "columns",
        None,
        columns_from,
        'the columns of the rows, with their types: a variable with [{"name": "age", "type": "number"}, …]',
        "COLUMNS",
        False,
        is_variable=True,
    ),
    Option(
        "row", None, row_from, "a pydantic class that checks each row: a variable", "CLASS", False, is_variable=True
    ),
    Option(
        "container",
        None,
        readers.one_of("numpy", "pandas", "polars", "list", "records", "torch", "tensorflow", "sparse"),
        "what the model is given its rows in: numpy, pandas, polars, list, records, torch, tensorflow, sparse",
        "WHAT",
    ),
    Option(
        "dtype",
        None,
        readers.dtype,
        "the type of the numbers of an array or a frame, such as float32",
        "DTYPE",
    ),
    Option(
        "loop",
        "own",
        readers.one_of("own", "kernel"),
        "where an async model is awaited: on a loop of its own, or on the kernel's, with what was made there",
        "LOOP",
    ),
    Option("eager", False, readers.switch, "load it now, and not with the first request", None),
    Option("trust", None, readers.switch, "loading the file may run the code in it", None),
    Option(
        "model_class",
        None,
        readers.model_class,
        "the class, or a function, that makes the model of a file with weights alone",
        "NAME",
        False,
    ),
    Option("load_deadline_s", 600.0, readers.seconds, "a load that takes longer has failed, 503", "TIME"),
    Option(
        "artifact_limit",
        8 * 1024**3,
        readers.size_bytes,
        "the most that is fetched from an address, such as 8GiB",
        "SIZE",
    ),
    Option("cache", None, readers.folder, "keep what was fetched in this folder (default: the user's cache)", "FOLDER"),
    Option(
        "cache_limit",
        32 * 1024**3,
        readers.size_bytes,
        "the most that is kept there; what was used least recently leaves",
        "SIZE",
    ),
    Option("idle_s", None, readers.seconds, "unload it after so long without a request, such as 10m", "TIME"),
    Option(
        "budget",
        None,
        readers.budget_bytes,
        "memory for all loaded models of the session, such as 2GB, or none; those least recently used leave first",
        "SIZE",
    ),
    Option(
        "capture", True, readers.switch, "keep none of the requests and answers for the traffic to be looked at", None
    ),
    Option(
        "mask",
        None,
        readers.field_names,
        "fields whose values are kept and shown nowhere in the traffic: age,name",
        "FIELDS",
    ),
)


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one endpoint, read and checked."""

    name: str | None = None
    path: str | None = None
    port: int | None = None
    host: str | None = None
    certfile: str | None = None
    keyfile: str | None = None
    token: bool = True
    threads: int = 1
    queue: int = 1024
    batch: str = "auto"
    mode: str = "auto"
    max_requests: int | None = None
    max_rows: int | None = None
    deadline_s: float = 60.0
    result_ttl_s: float = 600.0
    body_limit: int = 64 * 1024**2
    columns: list[dict[str, Any]] | None = None
    row: Any = None
    container: str | None = None
    dtype: str | None = None
    loop: str = "own"
    eager: bool = False
    trust: bool | None = None
    model_class: Any = None
    load_deadline_s: float = 600.0
    artifact_limit: int = 8 * 1024**3
    cache: str | None = None
    cache_limit: int = 32 * 1024**3
    idle_s: float | None = None
    budget: int | None = None
    capture: bool = True
    mask: tuple[str, ...] | None = None

    @property
    def wanted_name(self) -> str | None:
        """The name that was given, in either form."""
        return self.name or self.path

    @property
    def sharing(self) -> str:
        """Whether calls share runs of the model: on, off or auto, whichever option said it."""
        return {"auto": self.batch, "batch": "on"}.get(self.mode, "off")

    @property
    def places(self) -> int:
        """How many calls may wait for the model."""
        return 0 if self.mode == "direct" else self.queue


assert [option.name for option in OPTIONS] == [field.name for field in fields(Options)]
assert Options() == Options(**{option.name: option.default for option in OPTIONS})

_BY_NAME = {option.name: option for option in OPTIONS}


def option_named(name: str) -> Option:
    return _BY_NAME[name]


def option_names() -> list[str]:
    return list(_BY_NAME)


def options_from(given: Mapping[str, Any], shared: Mapping[str, Any] | None = None) -> Options:
    """Read what was given by name; `shared` are the defaults of all endpoints, of the same form.

    Raises `OptionError` that names the option, what is allowed, or the nearest name.
    """
    for name in given:
        if name not in _BY_NAME:
            raise OptionError(f"There is no option {name!r}.{nearest(name, list(_BY_NAME))}", _known())
    typed = {name: read_option(name, value) for name, value in given.items() if value is not None}
    default = {name: read_option(name, value) for name, value in (shared or {}).items() if value is not None}
    for name in _clashing(typed, default):
        del default[name]
    options = Options(**{**default, **typed})
    if options.columns is not None and options.row is not None:
        raise OptionError("--columns and --row say both what the columns are.", "Leave one of them away.")
    if options.name is not None and options.path not in (None, options.name):
        raise OptionError("--name and --path are two names for one endpoint.", "Give one of them.")
    return options


_CLASHES: tuple[tuple[str, str, Callable[[Any], bool], str], ...] = (
    ("direct", "batch", "on".__eq__, "a direct call shares no run"),
    ("direct", "queue", lambda _: True, "no direct call waits"),
    ("queue", "batch", "on".__eq__, "calls in a queue share no run"),
    ("queue", "threads", lambda threads: bool(threads > 1), "calls in a queue run one after another"),
    ("batch", "batch", "off".__eq__, "they say the opposite of each other"),
)
"""Mode, the option that it excludes, with which values, and why."""


def _clashing(typed: Mapping[str, Any], default: Mapping[str, Any]) -> list[str]:
    """The defaults that give way to what was typed. Raises `OptionError` where nothing tells which should."""
    merged, yielding = {**default, **typed}, []
    for mode, name, excludes, why in _CLASHES:
        if merged.get("mode") != mode or name not in merged or not excludes(merged[name]):
            continue
        if ("mode" in typed) == (name in typed):
            problem = f"--mode {mode} and --{name} {merged[name]} exclude each other: {why}."
            raise OptionError(problem, "Leave one of them away.")
        yielding.append(name if "mode" in typed else "mode")
    return list(dict.fromkeys(yielding))


def environment_options(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The options that the environment sets for all endpoints, as they stand there."""
    found = {option.name: environment.get(option.variable) for option in OPTIONS if option.is_shared}
    return {name: value for name, value in found.items() if value}


def read_option(name: str, value: Any) -> Any:
    """The value of one option. Raises `OptionError`."""
    option = _BY_NAME[name]
    try:
        return option.read(value)
    except ValueError as error:
        raise OptionError(f"{option.label} cannot be {_in_short(value)}.", f"Allowed: {error}.") from None


def _in_short(value: Any) -> str:
    """What was given, in one line, whatever it is."""
    shown = repr(value) if isinstance(value, str) else " ".join(repr(value).split())
    return shown if len(shown) <= LONGEST_VALUE else shown[:LONGEST_VALUE] + "…"


def check_name(name: str) -> str:
    """The name, if an endpoint can have it. Raises `OptionError`."""
    return str(read_option("name", name))


def _known() -> str:
    return f"There are {', '.join(sorted(_BY_NAME))}."
